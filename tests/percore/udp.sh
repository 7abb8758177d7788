#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Method nat for UDP.  The topology is drawn in common.sh.  udp6.sh runs it over
# IPv6.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=flows.sh
. "$(dirname "$0")/flows.sh"

rps() { pc_srv sh -c "echo $1 > /sys/class/net/vs/queues/rx-0/rps_cpus"; }

# A server that connects no sockets: each datagram to the lane of its CPU.
each_by_itself()
{
	local i

	pc_talk || return 1
	for i in 3 0 2 1; do
		taskset -pc "$i" "$TALK_ID" > /dev/null
		pc_say "from $i"
		[[ $REPLY == "${PC_PORTS[i]}" ]] || { ktap_print_msg "cpu $i: $REPLY"; return 1; }
	done
	pc_hang_up
	[[ $(pc_stat migrated) == 0 ]]
}

# A socket that the server connected to the client: all datagrams go there, from
# whichever CPU. Each CPU knows that there are such sockets within a tick.
connected()
{
	local i migrated

	migrated=$(pc_stat migrated)
	PC_TASKSET="taskset -c 1" pc_talk || return 1
	pc_say connect
	[[ $REPLY == 8016 ]] || { ktap_print_msg "connect: $REPLY"; return 1; }
	for i in 0 1 2 3 2 0; do
		taskset -pc "$i" "$TALK_ID" > /dev/null
		pc_say "from $i"
		[[ $REPLY == "8016 own refused=0" ]] ||
			{ ktap_print_msg "cpu $i: $REPLY"; return 1; }
	done
	pc_hang_up
	pc_moved migrated "$migrated"
}

# The client's host refuses what a connected socket sends: the error reaches that
# socket, on another CPU than the flow's.
error_in()
{
	local before i

	before=$(pc_stat icmp)
	PC_TASKSET="taskset -c 1" pc_talk 46001 || return 1
	pc_say connect
	[[ $REPLY == 8016 ]] || { ktap_print_msg "connect: $REPLY"; return 1; }
	pc_cli nft -f - <<-'RULES' || return 1
	table inet pc {
		chain in {
			type filter hook input priority 0;
			udp sport 80 reject with icmpx type port-unreachable
		}
	}
	RULES
	rps 8
	echo lost >&"$TALK_TO"
	for ((i = 0; i < 50; i++)); do
		! pc_moved icmp "$before" || break
		sleep 0.1
	done
	rps 0
	pc_cli nft delete table inet pc
	pc_hang_up
	pc_moved icmp "$before" || { ktap_print_msg "no error was translated"; return 1; }
	PC_TASKSET="taskset -c 1" pc_talk 46001 || return 1
	pc_say again
	pc_hang_up
	ktap_print_msg "again: $REPLY"
	[[ $REPLY == "8016 own refused=1" ]]
}

# Datagrams of several packets, in and out.
fragments()
{
	local before line

	before=$(pc_stat frag)
	pc_talk || return 1
	line=$(printf 'y%.0s' {1..6000})
	pc_say "$line"
	[[ $REPLY == 80* ]] || { ktap_print_msg "in: $REPLY"; return 1; }
	pc_say "big 30000"
	pc_hang_up
	[[ $REPLY == "30000 bytes" ]] || { ktap_print_msg "out: $REPLY"; return 1; }
	pc_moved frag "$before"
}

checksums()
{
	local out

	pc_cli ethtool -K vc tx off > /dev/null
	pc_srv ethtool -K vs tx off > /dev/null
	out=$(pc_conns 0 10) || true
	pc_cli ethtool -K vc tx on > /dev/null
	pc_srv ethtool -K vs tx on > /dev/null
	ktap_print_msg "$out"
	[[ $out == "ok=10 bad=0 8000=10" ]] && no_bad_checksum
}

# With connection tracking on: nothing invalid, nothing tracked.
conntrack()
{
	local out

	pc_track new, established, related || return 1
	# shellcheck disable=SC2086  # PC_PEER is a command's words
	pc_cli $PC_PEER conns "$PC_VIP" 9999 1 > /dev/null || true
	[[ $(pc_tracked tracked) -gt 0 ]] ||
		{ ktap_print_msg "nothing is tracked at all"; return 1; }
	pc_srv nft reset counters > /dev/null
	out=$(pc_conns 1 10) || return 1
	loopback || return 1
	ktap_print_msg "$out; invalid $(pc_tracked invalid), tracked $(pc_tracked tracked)"
	[[ $(pc_tracked invalid) == 0 && $(pc_tracked tracked) == 0 ]] || return 1
	pc_srv nft delete table inet pc
}

# TCP's services are others, on the same ports.
beside_tcp()
{
	pc_srv corelane nat add "${PC_SERVICE%/udp}" --cpus 0-3 --ports 8000+16 || return 1
	[[ $(pc_srv corelane nat show --json | jq -c '[.services[] | [.service, .proto]]') == \
	   "[[\"$PC_SERVICE\",\"udp\"],[\"${PC_SERVICE%/udp}\",\"tcp\"]]" ]] || return 1
	[[ $(pc_conns 3 5) == "ok=5 bad=0 8048=5" ]] || return 1
	pc_srv corelane nat del "${PC_SERVICE%/udp}" && [[ $(pc_conns 3 5) == "ok=5 bad=0 8048=5" ]]
}

# retired PORT,...: those are the retired lanes, or will be in a while
retired()
{
	local i out

	for ((i = 0; i < 600; i++)); do
		out=$(pc_srv corelane nat show --json |
			jq -r '[.services[0].lanes[] | select(.retired) | .port] | join(",")')
		[[ $out != "$1" ]] || return 0
		sleep 0.2
	done
	ktap_print_msg "retired: $out"
	return 1
}

# moves COUNTER BEFORE: the counter goes up in a while
moves()
{
	local i

	for ((i = 0; i < 100; i++)); do
		! pc_moved "$1" "$2" || return 0
		sleep 0.1
	done
	ktap_print_msg "$1 is $2 still"
	return 1
}

# The server answers a datagram of before the change after it: as it would have.
late_answer()
{
	local late new out status=0

	new=$(pc_stat new)
	kill -STOP "$PC_SERVER"
	pc_conns 1 1 > /tmp/pc-late &
	late=$!
	moves new "$new" && pc_set --cpus 0 --ports 8032 || status=1
	out=$(pc_stat out)
	kill -CONT "$PC_SERVER"
	moves out "$out" || status=1
	# It may have given up before.
	wait "$late" || true
	return "$status"
}

# Lanes go: a client with a socket of its own stays where it is, from whichever CPU;
# others are served by those that are left. A lane without sockets is gone at the
# next look.
lanes_go()
{
	local i out

	pc_serve 8016 8032
	PC_TASKSET="taskset -c 1" pc_talk || return 1
	pc_say connect
	[[ $REPLY == 8016 ]] || { ktap_print_msg "connect: $REPLY"; return 1; }
	late_answer || return 1
	for i in 1 0 3; do
		taskset -pc "$i" "$TALK_ID" > /dev/null
		pc_say "from $i"
		[[ $REPLY == "8016 own refused=0" ]] ||
			{ ktap_print_msg "cpu $i: $REPLY"; return 1; }
	done
	out=$(pc_conns 1 5) || true
	[[ $out == "ok=5 bad=0 8032=5" ]] || { ktap_print_msg "$out"; return 1; }
	retired 8016 || return 1
	pc_say again
	pc_hang_up
	[[ $REPLY == "8016 own refused=0" ]] || { ktap_print_msg "again: $REPLY"; return 1; }
}

# When its last socket is closed the lane is gone; and all can come back.
lanes_come_back()
{
	local out

	pc_serve 8032
	retired '' || return 1
	pc_serve "${PC_PORTS[@]}"
	pc_set --cpus 0-3 --ports 8000 && retired '' || return 1
	out=$(pc_conns 1 5) || true
	[[ $out == "ok=5 bad=0 8016=5" ]] || { ktap_print_msg "$out"; return 1; }
}

steer_refused()
{
	local out

	out=$(pc_srv corelane nat add "${PC_SERVICE/80/81}" --cpus 0 --ports 9000 \
		--method steer 2>&1) && return 1
	ktap_print_msg "$out"
	[[ $out == *"method 1 (steer) is for proto 6 (TCP) alone"* ]] || return 1
	out=$(pc_set --method steer 2>&1) && return 1
	ktap_print_msg "$out"
	[[ $out == *"method 1 (steer) is for proto 6 (TCP) alone"* ]]
}

pc_udp
pc_setup
need_cmd ethtool ss nft
ktap_print_header
ktap_set_plan $((PC_FAMILY == 4 ? 18 : 17))
dmesg_mark
pc_serve "${PC_PORTS[@]}"
pc_add || die "the service is not accepted"
check "a datagram is served by the lane of its CPU" own_lane
check "each datagram is a flow by itself" each_by_itself
check "but for a socket that the server connected" connected
check "an ICMP error finds the connected socket" error_in
check "a client on the server itself" loopback
# A timeout is worth waiting for once.
[[ $PC_FAMILY == 6 ]] || check "a private port is closed and counted" private_port
check "datagrams in fragments" fragments
check "checksums made by software" checksums
check "connection tracking sees nothing" conntrack
check "TCP on the same ports is another service" beside_tcp
check "method steer is refused" steer_refused
check "lanes go, what they have stays" lanes_go
check "and come back" lanes_come_back
check "no checksum was wrong" no_bad_checksum
check "a lane without a socket is skipped" dead_lane
check "without any the client is told" no_lane
check "the service can be deleted" pc_del
check "the kernel's log is clean" dmesg_clean
ktap_finished
