#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Method steer, end to end: the listener of the lane gets the connection, which
# has the public port and needs nothing more.  The topology is drawn in
# common.sh.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=flows.sh
. "$(dirname "$0")/flows.sh"

# shellcheck disable=SC2034  # common.sh reads it
PC_METHOD=steer

shown() { [[ $(pc_srv corelane nat show --json | jq -r '.services[].method') == steer ]]; }

# The server sees the public port.
public_name()
{
	pc_talk || return 1
	pc_say name
	pc_hang_up
	[[ $REPLY == 80 ]]
}

# A connection whose packets come from one CPU after another: served by the
# same listener, and percore counts its first packet alone.
moving_client()
{
	local i lane before

	before=$(pc_stat new)
	pc_talk || return 1
	pc_say first
	lane=$REPLY
	for i in 0 1 2 3 2 1 0 3; do
		taskset -pc "$i" "$TALK_ID" > /dev/null
		pc_say "from $i"
		[[ $REPLY == "$lane" ]] || { ktap_print_msg "cpu $i: $REPLY"; return 1; }
		pc_say "big 50000"
		[[ $REPLY == "50000 bytes" ]] || { ktap_print_msg "cpu $i: $REPLY"; return 1; }
	done
	pc_hang_up
	[[ $(pc_stat new) == $((before + 1)) && $(pc_stat local) == 0 &&
	   $(pc_stat migrated) == 0 && $(pc_stat out) == 0 ]]
}

client_resets() { pc_cli awk '/^Tcp: [0-9]/ { print $15 }' /proc/net/snmp; }

# A port pair in TIME_WAIT comes back from another CPU and is served by that
# CPU's lane, without the reset that the client would have to send if the stack
# were left alone with the TIME_WAIT.
time_wait()
{
	local resets

	PC_TASKSET="taskset -c 0" pc_talk 45001 || return 1
	pc_say close
	pc_hang_up
	pc_srv ss -Htn state time-wait | grep -q :45001 ||
		{ ktap_print_msg "no TIME_WAIT"; return 1; }
	resets=$(client_resets)
	PC_TASKSET="taskset -c 3" pc_talk 45001 || { ktap_print_msg "again: $REPLY"; return 1; }
	pc_say again
	pc_hang_up
	ktap_print_msg "again: $REPLY, client sent $(($(client_resets) - resets)) resets"
	[[ $REPLY == 8048 && $(client_resets) == "$resets" ]]
}

# A private port is closed to everybody: no answer, and counted.
private_port()
{
	local out

	out=$(pc_cli percore_peer conns "$PC_VIP" 8000 1) || true
	[[ $out == *last=timeout ]] && pc_moved dropped_direct 0
}

# Connection tracking follows what is not rewritten.
conntrack()
{
	local out state

	pc_srv nft -f - <<-'RULES'
	table ip pc {
		counter invalid {}
		counter tracked {}
		chain in {
			type filter hook input priority 0;
			ct state invalid counter name invalid
			tcp dport 80 ct state established counter name tracked
		}
		chain out {
			type filter hook output priority 0;
			ct state invalid counter name invalid
			tcp sport 80 ct state established counter name tracked
		}
	}
	RULES
	out=$(pc_conns 2 10) || true
	state=$(pc_srv nft -j list counters |
		jq -c '[.nftables[] | .counter? // empty | {(.name): .packets}] | add')
	pc_srv nft delete table ip pc
	ktap_print_msg "$out $state"
	[[ $out == "ok=10 bad=0 8032=10" ]] &&
		jq -e '.invalid == 0 and .tracked > 20' <<< "$state" > /dev/null
}

pc_setup
need_cmd ss nft
ktap_print_header
ktap_set_plan 15
dmesg_mark
pc_serve "${PC_PORTS[@]}"
pc_add || die "the service is not accepted"

check "the service is shown with its method" shown
check "a connection is served by the lane of its CPU" own_lane
check "getsockname() says the public port" public_name
check "only the first packet is percore's business" moving_client
check "TIME_WAIT makes room for a new connection on another lane" time_wait
check "a client on the server itself" loopback
check "a private port is closed and counted" private_port
check "connection tracking sees nothing invalid" conntrack
check "SYN cookies" syn_cookies
# A cookie is good on every lane that sends them, and a single SYN that is sent
# again from the other CPU makes its lane one of those.
check "SYN cookies that return to another CPU" syn_cookies_moving "*"
check "no checksum was wrong" no_bad_checksum
check "a lane without a listener is skipped" dead_lane
check "without any listener the client is refused" no_lane
check "the service can be deleted" pc_del
check "the kernel's log is clean" dmesg_clean
ktap_finished
