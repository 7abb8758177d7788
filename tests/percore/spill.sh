#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# New connections of an overloaded lane go to the least loaded one, by both
# methods.  Servers are stopped, so that their queues fill and stay full; a
# queue has room for 9, so the default mark is passed by the 5th.  The topology
# is drawn in common.sh.
#
# Over IPv6 (spill6.sh) what goes by the packet's family.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

SLOW=		# the server of lane 1, when it is a process of its own
BURST=		# a client that waits for its answers

is_stopped() { grep -q '^State:.*T' "/proc/$1/status"; }

# stopped PID COMMAND...: while the process is stopped
stopped()
{
	local pid=$1 status=0

	kill -STOP "$pid"
	within 30 is_stopped "$pid" && "${@:2}" || status=1
	kill -CONT "$pid"
	return "$status"
}

# One server for all lanes, or lane 1 has its own.
serve_all() { slow_stop; pc_serve "${PC_PORTS[@]}"; }

serve_slow() # OTHER-PORT...
{
	slow_stop
	pc_serve "$@"
	: > /tmp/pc-slow
	ip netns exec pc-srv percore_peer serve "$(pc_bind)" 8016 > /tmp/pc-slow &
	SLOW=$!
	pc_ready /tmp/pc-slow "$SLOW"
}

slow_stop()
{
	[[ -n $SLOW ]] || return 0
	kill "$SLOW"
	wait "$SLOW" 2> /dev/null || true
	SLOW=
}

# burst N: N connections from CPU 1 with a request each, which need not be
# answered yet
burst()
{
	: > /tmp/pc-burst
	ip netns exec pc-cli taskset -c 1 percore_peer burst "$PC_VIP" 80 "$1" > /tmp/pc-burst &
	BURST=$!
	within 60 grep -q sent /tmp/pc-burst
}

# burst_end TEXT: all were answered, and by whom
burst_end()
{
	local status=0

	wait "$BURST" || status=1
	ktap_print_msg "$(tail -n 1 /tmp/pc-burst)"
	[[ $status == 0 && $(tail -n 1 /tmp/pc-burst) == "$1" ]]
}

answers() { [[ $(grep -c '^[0-9]' /tmp/pc-burst) == "$1" ]]; }

# The connections that wait on each lane.
waiting()
{
	local port queues=

	for port in "${PC_PORTS[@]}"; do
		queues+=" $(pc_srv ss -Hltn "sport = :$port" | awk '{ print $2 }')"
	done
	echo "${queues# }"
}

wait_so() { QUEUES=$(waiting) && [[ $QUEUES == "$1" ]]; }

# waits N "A B C D": N connections are made, and that many wait on each lane as soon
# as the last one's acknowledgment has come
waits()
{
	local status=0

	burst "$1" || return 1
	within 30 wait_so "$2" || status=1
	ktap_print_msg "waiting: $QUEUES"
	[[ $status == 0 ]] && answers 0
}

# spilled N COMMAND...: COMMAND does, and the counter goes up by N
spilled()
{
	local before after

	before=$(pc_stat spilled)
	"${@:2}" || return 1
	after=$(pc_stat spilled)
	[[ $((after - before)) == "$1" ]] ||
		{ ktap_print_msg "spilled: $before, then $after"; return 1; }
}

# Without being told so a lane keeps what its CPU receives.
off()
{
	[[ $(balance) == '["none",null]' ]] &&
		spilled 0 stopped "$PC_SERVER" waits 9 "0 9 0 0" &&
		burst_end "ok=9 bad=0 8016=9"
}

balance() { pc_srv corelane nat show --json | jq -c '.services[0] | [.balance, .mark]'; }

# Above the mark each goes where the shortest queue is.
least()
{
	pc_set --balance spill && [[ $(balance) == '["spill",50]' ]] &&
		spilled 12 stopped "$PC_SERVER" waits 17 "4 5 4 4" &&
		burst_end "ok=17 bad=0 8000=4 8016=5 8032=4 8048=4"
}

# At 100 percent only what the lane would not have taken.
when_full()
{
	pc_set --mark 100 && [[ $(balance) == '["spill",100]' ]] &&
		spilled 3 stopped "$PC_SERVER" waits 12 "1 9 1 1" &&
		burst_end "ok=12 bad=0 8000=1 8016=9 8032=1 8048=1" && pc_set --mark 50
}

# others_answer N M: of N connections all but M, which wait
others_answer()
{
	burst "$1" && within 60 answers $(($1 - $2)) && ! grep -q 8016 /tmp/pc-burst &&
		[[ $(pc_srv ss -Hltn "sport = :8016" | awk '{ print $2 }') == "$2" ]]
}

# Nobody waits for lane 1 but those that came before the mark; a connection that
# it has stays there.
answered_elsewhere()
{
	local status=0

	PC_TASKSET="taskset -c 1" pc_talk || return 1
	pc_say first
	[[ $REPLY == 8016 ]] || { ktap_print_msg "first: $REPLY"; return 1; }
	spilled 10 stopped "$SLOW" others_answer 15 5 || status=1
	wait "$BURST" || status=1
	ktap_print_msg "$(tail -n 1 /tmp/pc-burst)"
	[[ $(tail -n 1 /tmp/pc-burst) == "ok=15 bad=0 "*"8016=5"* ]] || status=1
	pc_say second
	pc_hang_up
	[[ $status == 0 && $REPLY == 8016 ]]
}

# say_from_all WHO: WHO answers, from whichever CPU it is asked
say_from_all()
{
	local cpu

	for cpu in 1 0 2 3 1; do
		taskset -pc "$cpu" "$TALK_ID" > /dev/null
		pc_say "from $cpu"
		[[ $REPLY == "$1" ]] || { ktap_print_msg "cpu $cpu: $REPLY"; return 1; }
	done
}

spilled_talk()
{
	burst 5 && PC_TASKSET="taskset -c 1" pc_talk || return 1
	pc_say first
	SPILLED_TO=$REPLY
	ktap_print_msg "spilled to $SPILLED_TO"
	[[ $SPILLED_TO =~ ^80(00|32|48)$ ]] && say_from_all "$SPILLED_TO"
}

# A connection that was spilled stays where it is: before and after its CPU's
# lane has time again.
stays()
{
	local status=0

	spilled 1 stopped "$SLOW" spilled_talk && burst_end "ok=5 bad=0 8016=5" &&
		say_from_all "$SPILLED_TO" || status=1
	pc_hang_up
	return "$status"
}

# Neither to a lane that is drained nor to one where nobody listens.
not_to_all()
{
	local status=0

	pc_srv corelane nat drain "$PC_SERVICE" --cpus 0 || return 1
	spilled 4 stopped "$SLOW" others_answer 9 5 &&
		burst_end "ok=9 bad=0 8016=5 8032=4" || status=1
	pc_srv corelane nat undrain "$PC_SERVICE" --cpus 0
	return "$status"
}

# Every handshake by cookie: nobody notes which lane sent it, nor that there was
# one, so a first packet that is sent again is counted again.
by_cookie()
{
	local before was status=0

	before=$(pc_stat cookie) was=$(pc_stat spilled)
	pc_srv sysctl -qw net.ipv4.tcp_syncookies=2
	stopped "$SLOW" others_answer 15 5 || status=1
	wait "$BURST" || status=1
	pc_srv sysctl -qw net.ipv4.tcp_syncookies=1
	ktap_print_msg "$(tail -n 1 /tmp/pc-burst)"
	[[ $status == 0 && $(tail -n 1 /tmp/pc-burst) == "ok=15 bad=0 "*"8016=5"* ]] &&
		pc_moved cookie "$((before + 14))" && pc_moved spilled "$((was + 9))"
}

# Switched off again it is off; what cannot be is refused.
refused()
{
	local out

	pc_set --balance none && [[ $(balance) == '["none",null]' ]] || return 1
	out=$(pc_set --mark 30 2>&1) && return 1
	[[ $out == *"mark 30: only with balance 1 (spill)"* ]] ||
		{ ktap_print_msg "$out"; return 1; }
	out=$(pc_srv corelane nat add "$PC_SERVICE/udp" --cpus 0 --balance spill 2>&1) && return 1
	[[ $out == *"balance 1 (spill) is for proto 6 (TCP) alone"* ]] ||
		{ ktap_print_msg "$out"; return 1; }
	[[ $(balance) == '["none",null]' ]]
}

pc_setup
need_cmd ss
ktap_print_header
if [[ $PC_FAMILY == 6 ]]; then ktap_set_plan 11; else ktap_set_plan 21; fi
dmesg_mark
pc_srv sysctl -qw net.core.somaxconn=8
for PC_METHOD in nat steer front; do
	# What is shared by both families, and by steer and front, once is enough.
	brief=no
	[[ $PC_FAMILY != 6 && $PC_METHOD != front ]] || brief=yes
	serve_all
	pc_add || die "the service is not accepted"
	[[ $brief == yes ]] ||
		check "$PC_METHOD: off by default: connections wait for their lane" off
	check "$PC_METHOD: above the mark they go to the least loaded lane" least
	[[ $brief == yes ]] ||
		check "$PC_METHOD: at 100 percent what the lane has no room for" when_full
	serve_slow 8000 8032 8048
	check "$PC_METHOD: other lanes answer, and old connections stay" answered_elsewhere
	[[ $brief == yes ]] ||
		check "$PC_METHOD: a spilled connection stays where it is" stays
	check "$PC_METHOD: with SYN cookies too" by_cookie
	if [[ $brief == no ]]; then
		serve_slow 8000 8032
		check "$PC_METHOD: a drained lane and a dead one get nothing" not_to_all
		check "$PC_METHOD: it is switched off; what cannot be is refused" refused
	fi
	pc_del || die "the service cannot be deleted"
done
slow_stop
check "the module leaves" rmmod percore
check "the kernel's log is clean" dmesg_clean
ktap_finished
