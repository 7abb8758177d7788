#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Lanes live, by both methods: drained, without their CPU, with a server that
# dies and comes back.  The topology is drawn in common.sh.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

lane() { pc_srv corelane nat "$1" "$PC_VIP:80" --cpus "$2"; }

states() { pc_srv corelane nat show --json | jq -c '[.services[0].lanes[].drain]'; }

# No new connections for a drained lane; the one it has goes on.
drained()
{
	local before acks more out

	before=$(pc_stat fallback) acks=$(pc_stat cookie)
	PC_TASKSET="taskset -c 1" pc_talk || return 1
	pc_say first
	[[ $REPLY == 8016 ]] || { ktap_print_msg "first: $REPLY"; return 1; }
	lane drain 1 || return 1
	[[ $(states) == "[false,true,false,false]" ]] || return 1
	out=$(pc_conns 1 40) || true
	pc_say second
	pc_hang_up
	ktap_print_msg "old: $REPLY, new: $out"
	[[ $REPLY == 8016 && $out == "ok=40 bad=0 8000="*" 8032="*" 8048="* ]] || return 1
	# A last acknowledgment that comes again has no socket any more: it might return a
	# cookie, and is led elsewhere, too.
	more=$(($(pc_stat fallback) - before - 40))
	[[ $more -ge 0 && $more -le $(($(pc_stat cookie) - acks)) ]] ||
		{ ktap_print_msg "$more too many"; return 1; }
	lane undrain 1 || return 1
	[[ $(states) == "[false,false,false,false]" && $(pc_conns 1 5) == "ok=5 bad=0 8016=5" ]]
}

# Where all are drained, late service is better than a reset.
all_drained()
{
	local out

	lane drain 0-3 || return 1
	out=$(pc_conns 2 5) || true
	lane undrain 0-3 || return 1
	ktap_print_msg "$out"
	[[ $out == "ok=5 bad=0 8032=5" ]]
}

# Refusals name what is wrong.
refused()
{
	local out

	pc_srv corelane nat add "$PC_VIP:81" --cpus 0 --ports 9000 || return 1
	out=$(pc_srv corelane nat drain "$PC_VIP:81" --cpus 2 2>&1) && return 1
	pc_srv corelane nat del "$PC_VIP:81" || return 1
	[[ $out == *"CPU 2 has no lane of $PC_VIP:81"* ]] || { echo "# $out"; return 1; }
	# None of them, when one is wrong.
	out=$(lane drain 0-4 2>&1) && return 1
	[[ $out == *"CPU 4 has no lane of $PC_VIP:80"* &&
	   $(states) == "[false,false,false,false]" ]] || { echo "# $out, $(states)"; return 1; }
	out=$(pc_srv corelane nat drain "$PC_VIP:82" --cpus 2 2>&1) && return 1
	[[ $out == *"$PC_VIP:82 has no service"* ]]
}

online() { echo "$1" > /sys/devices/system/cpu/cpu3/online; }

# CPU 3 goes: what its lane has goes on, what is new goes elsewhere.
cpu_gone()
{
	local out back

	PC_TASKSET="taskset -c 3" pc_talk || return 1
	pc_say first
	[[ $REPLY == 8048 ]] || { ktap_print_msg "first: $REPLY"; return 1; }
	online 0 || return 1
	pc_say second
	out=$(pc_cli percore_peer conns "$PC_VIP" 80 20) || true
	online 1 || return 1
	pc_hang_up
	back=$(pc_conns 3 5) || true
	ktap_print_msg "old: $REPLY, new: $out, back: $back"
	[[ $REPLY == 8048 && $out == "ok=20 bad=0"* && $out != *8048* &&
	   $back == "ok=5 bad=0 8048=5" ]]
}

# The server of lane 1 is a process of its own, which dies and comes back.
# While it is away nobody notices.
restarted()
{
	local out="" pid i

	pc_serve 8000 8032 8048
	for ((i = 0; i < 3; i++)); do
		out=$(pc_conns 1 10) || true
		[[ $out == "ok=10 bad=0"* && $out != *8016* ]] || break
		: > /tmp/pc-one
		ip netns exec pc-srv percore_peer serve "$PC_VIP" 8016 > /tmp/pc-one &
		pid=$!
		pc_ready /tmp/pc-one "$pid"
		out=$(pc_conns 1 10) || true
		kill "$pid"
		wait "$pid" 2> /dev/null || true
		[[ $out == "ok=10 bad=0 8016=10" ]] || break
	done
	pc_serve "${PC_PORTS[@]}"
	ktap_print_msg "round $i: $out"
	[[ $i == 3 ]]
}

pc_setup
ktap_print_header
ktap_set_plan 12
dmesg_mark
for PC_METHOD in nat steer; do
	pc_serve "${PC_PORTS[@]}"
	pc_add || die "the service is not accepted"
	check "$PC_METHOD: a drained lane gets nothing new and finishes what it has" drained
	check "$PC_METHOD: when all are drained they serve all the same" all_drained
	check "$PC_METHOD: a CPU goes offline and comes back" cpu_gone
	check "$PC_METHOD: a lane's server dies and comes back" restarted
	pc_del || die "the service cannot be deleted"
done
PC_METHOD=nat pc_add || die "the service is not accepted"
check "what cannot be drained is told" refused
check "only the service is deleted" pc_del
check "the module leaves" rmmod percore
check "the kernel's log is clean" dmesg_clean
ktap_finished
