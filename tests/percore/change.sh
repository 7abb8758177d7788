#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A service changes under load: lanes come and go, ports change, the method
# changes.  No connection is lost, neither an old one nor one that is just being
# made.  The topology is drawn in common.sh.
#
# PC_CROWD is how many connections there are at any time (100), PC_TIMES how
# often everything changes (1).

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=crowd.sh
. "$(dirname "$0")/crowd.sh"

CONNS=${PC_CROWD:-100}
TIMES=${PC_TIMES:-1}

set_service() { pc_srv corelane nat set "$PC_VIP:80" "$@"; }

show() { pc_srv corelane nat show --json; }

# The lanes that are not retired, as [cpu, port].
lanes() { show | jq -c '[.services[0].lanes[] | select(.retired | not) | [.cpu, .port]]'; }

# No more lanes retire than were taken away; those without a connection are gone
# at the next look.
keeps() { [[ $(retired) -le $1 ]]; }

retired() { show | jq '[.services[0].lanes[] | select(.retired)] | length'; }

# answered: the crowd gets on
answered()
{
	local before i

	before=$(pc_srv awk '/^Tcp: [0-9]/ { print $11 }' /proc/net/snmp)
	for ((i = 0; i < 300; i++)); do
		[[ $(pc_srv awk '/^Tcp: [0-9]/ { print $11 }' /proc/net/snmp) \
			-lt $((before + CONNS)) ]] || return 0
		sleep 0.1
	done
	ktap_print_msg "the crowd stands still"
	return 1
}

# change OPTION...: change it, and let the crowd get on
change() { set_service "$@" && answered; }

# under_load COMMAND...: while a crowd talks and its packets change CPU
under_load()
{
	local status=0

	shake vs
	crowd_start "$CONNS" hop churn
	answered && "$@" || status=1
	crowd_end || status=1
	shake_stop
	[[ $status == 0 && $CROWD == *" reset=0 hung=0 strayed=0 wrong=0" ]]
}

fewer_and_more()
{
	local i

	for ((i = 0; i < TIMES; i++)); do
		change --cpus 1-2 --ports 8016 || return 1
		[[ $(lanes) == '[[1,8016],[2,8032]]' ]] && keeps 2 || return 1
		change --cpus 0-3 --ports 8000 || return 1
		[[ $(lanes) == '[[0,8000],[1,8016],[2,8032],[3,8048]]' && $(retired) == 0 ]] ||
			return 1
	done
}

other_ports()
{
	local i

	for ((i = 0; i < TIMES; i++)); do
		change --cpus 0-3 --ports 9000 || return 1
		keeps 4 || return 1
		# The same port for another CPU.
		change --cpus 3,2,1,0 --ports 8000 || return 1
		[[ $(lanes) == '[[3,8000],[2,8016],[1,8032],[0,8048]]' ]] || return 1
		change --cpus 0-3 --ports 8000 || return 1
	done
}

# There and back again: each method has old connections of the other.
other_method()
{
	local i before=$PC_METHOD other=nat

	[[ $PC_METHOD == steer ]] || other=steer
	for ((i = 0; i < TIMES; i++)); do
		change --method "$other" || return 1
		[[ $(show | jq -c '.services[0] | [.method, .former]') == \
			"[\"$other\",true]" ]] || return 1
		change --method "$other" --cpus 0-1 --ports 9000 || return 1
		change --method "$before" --cpus 0-3 --ports 8000 || return 1
	done
}

# What nobody needs any more goes away by itself.
settled()
{
	local i

	for ((i = 0; i < 600; i++)); do
		[[ $(retired) != 0 || $(show | jq '.services[0].former') != false ]] || return 0
		sleep 0.2
	done
	ktap_print_msg "$(show | jq -c .services[0])"
	return 1
}

# No less than before: the counters have not begun anew.
counters() { [[ $(pc_stat new) -ge $CONNS ]]; }

# A change that is refused changes nothing.
refused()
{
	local out before

	before=$(show)
	out=$(set_service --cpus 0-3 --ports 80 2>&1) && return 1
	[[ $out == *"port 80 of CPU 0 is the service's own port" ]] ||
		{ ktap_print_msg "$out"; return 1; }
	out=$(set_service --cpus 4000 2>&1) && return 1
	[[ $out == *"CPU 4000 does not exist" ]] || { ktap_print_msg "$out"; return 1; }
	out=$(pc_srv corelane nat set "$PC_VIP:81" --method steer 2>&1) && return 1
	[[ $out == *"$PC_VIP:81 has no service" ]] || { ktap_print_msg "$out"; return 1; }
	[[ $(show) == "$before" ]]
}

# Deleted, and the module gone, while lanes retire.
gone()
{
	pc_talk || return 1
	pc_say first
	set_service --cpus 0 --ports 9000 && [[ $(retired) -ge 1 ]] && pc_del &&
		pc_add && set_service --method steer && rmmod percore && modprobe percore
	pc_hang_up
}

pc_setup
need_cmd percore_crowd
ktap_print_header
ktap_set_plan 13
dmesg_mark
# TIME_WAIT must not be what the test waits for.
pc_srv sysctl -qw net.ipv4.tcp_max_tw_buckets=0
pc_cli sysctl -qw net.ipv4.ip_local_port_range="10000 60999"
crowd_serve "${PC_PORTS[@]}" 9000 9016 9032 9048
for PC_METHOD in nat steer; do
	pc_add || die "the service is not accepted"
	check "$PC_METHOD: lanes go and come back" under_load fewer_and_more
	check "$PC_METHOD: ports change" under_load other_ports
	check "$PC_METHOD: the method changes and changes back" under_load other_method
	check "$PC_METHOD: what was left behind goes away" settled
	check "$PC_METHOD: the counters are the same" counters
	[[ $PC_METHOD == nat ]] || check "a change that is refused changes nothing" refused
	pc_del || die "the service cannot be deleted"
done
crowd_serve_stop
pc_serve "${PC_PORTS[@]}"
pc_add || die "the service is not accepted"
check "everything goes while lanes retire" gone
check "the kernel's log is clean" dmesg_clean
ktap_finished
