#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Method nat, end to end: a connection is served by the lane of the CPU that
# received it, and stays there.  The topology is drawn in common.sh.  nat6.sh
# runs it over IPv6.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=flows.sh
. "$(dirname "$0")/flows.sh"

moving_client()
{
	local migrated

	migrated=$(pc_stat migrated)
	one_lane_from_all_cpus && pc_moved migrated "$migrated"
}

# The same, moved by the server's receive packet steering.
moving_rps()
{
	local i migrated lane

	migrated=$(pc_stat migrated)
	pc_talk || return 1
	pc_say first
	lane=$REPLY
	for i in 1 2 4 8 4 1 2 8; do
		pc_srv sh -c "echo $i > /sys/class/net/vs/queues/rx-0/rps_cpus"
		pc_say "mask $i"
		[[ $REPLY == "$lane" ]] || { ktap_print_msg "mask $i: $REPLY"; return 1; }
		pc_say "big 200000"
		[[ $REPLY == "200000 bytes" ]] || { ktap_print_msg "mask $i: $REPLY"; return 1; }
	done
	pc_hang_up
	pc_srv sh -c "echo 0 > /sys/class/net/vs/queues/rx-0/rps_cpus"
	pc_moved migrated "$migrated"
}

cpu_of() { echo $((($1 - 8000) / 16)); }

# It comes back from another CPU, and to the same lane.
time_wait()
{
	local lane

	pc_rest 45001 && pc_again 45001 $(($(cpu_of "$lane") ^ 1)) || return 1
	pc_hang_up
	[[ $REPLY == "$lane" ]]
}

# elsewhere_again PORT: it comes back from that lane's own CPU, and to another lane,
# where it is found from all CPUs
elsewhere_again()
{
	local port cpu own

	own=$(cpu_of "$lane")
	pc_again "$1" "$own" || return 1
	port=$REPLY
	for cpu in 3 2 1 0 "$own"; do
		taskset -pc "$cpu" "$TALK_ID" > /dev/null
		pc_say "from $cpu"
		[[ $REPLY == "$port" ]] || break
	done
	pc_hang_up
	ktap_print_msg "at last $REPLY"
	[[ $port != "$lane" && $REPLY == "$port" ]]
}

# A lane that is drained gets nothing new.
time_wait_drained()
{
	local lane cpu status=0

	pc_rest 45003 || return 1
	cpu=$(cpu_of "$lane")
	pc_srv corelane nat drain "$PC_SERVICE" --cpus "$cpu" && elsewhere_again 45003 || status=1
	pc_srv corelane nat undrain "$PC_SERVICE" --cpus "$cpu" && return $status
}

# Nor one that is retired.
time_wait_retired()
{
	local lane status=0

	pc_rest 45004 || return 1
	pc_set --cpus "$(cpu_of "$lane")" --ports $((lane ^ 16)) && elsewhere_again 45004 ||
		status=1
	pc_set --cpus 0-3 --ports 8000+16 && return $status
}

# The method that a service had before gets nothing new either.
time_wait_former()
{
	local lane status=0

	pc_rest 45005 || return 1
	pc_set --method steer && pc_again 45005 0 || status=1
	pc_say name
	ktap_print_msg "its name: $REPLY"
	pc_hang_up
	pc_set --method nat && [[ $REPLY == 80 ]] && return $status
}

# A client on this host whose connection has the former method: it goes on, and
# connection tracking with it.
tracked_former()
{
	local status=0 invalid

	pc_set --method steer && pc_track established || return 1
	coproc TALK { exec ip netns exec pc-srv percore_peer talk "$PC_VIP" 80 2>&1; }
	# shellcheck disable=SC2153,SC2034  # bash sets TALK_PID; pc_hang_up reads TALK_ID
	TALK_TO=${TALK[1]} TALK_FROM=${TALK[0]} TALK_ID=$TALK_PID
	read -r -t 10 REPLY <&"$TALK_FROM" || status=1
	pc_say first
	pc_set --method nat || status=1
	pc_say second
	pc_say "big 20000"
	[[ $REPLY == "20000 bytes" ]] || status=1
	invalid=$(pc_tracked invalid)
	pc_hang_up
	ktap_print_msg "$REPLY, invalid $invalid"
	pc_srv nft delete table inet pc
	[[ $invalid == 0 ]] && return $status
}

# Nor may the private port hide in the fragments of a TCP header, where a rule
# keeps defragmentation from putting them together before percore.
tiny_fragments()
{
	local tiny

	pc_srv nft -f - <<-RULES
	table ip pc {
		chain early {
			type filter hook prerouting priority -450;
			ip saddr $PC_CLIENT notrack
		}
		chain in {
			type filter hook input priority 0;
			tcp sport 46000 counter
		}
	}
	RULES
	pc_cli percore_peer tiny "$PC_CLIENT" "$PC_VIP" 8000 || return 1
	sleep 0.2
	tiny=$(hidden)
	pc_srv nft delete table ip pc
	ktap_print_msg "arrived: $tiny"
	[[ $tiny == 0 ]]
}

hidden() { pc_packets chain ip pc in; }

# Checksums made by software at both ends, and none of them wrong.
checksums()
{
	local out

	pc_cli ethtool -K vc tx off gro on > /dev/null
	pc_srv ethtool -K vs tx off gro on > /dev/null
	out=$(pc_conns 0 10) || true
	pc_talk && pc_say "big 100000"
	pc_hang_up
	ktap_print_msg "$out, $REPLY"
	pc_cli ethtool -K vc tx on > /dev/null
	pc_srv ethtool -K vs tx on > /dev/null
	[[ $out == "ok=10 bad=0"* && $REPLY == "100000 bytes" ]] && no_bad_checksum
}

# Another host has the address: a client here is tracked both ways.
elsewhere()
{
	local out invalid status=0

	: > /tmp/pc-other
	pc_cli percore_peer serve "$PC_CLIENT" 80 > /tmp/pc-other &
	OTHER=$!
	pc_ready /tmp/pc-other "$OTHER"
	pc_srv corelane nat add "${PC_SERVICE/$PC_VIP/$PC_CLIENT}" --cpus 0-3 \
		--ports 9000+16 || return 1
	pc_track established || return 1
	out=$(pc_srv percore_peer conns "$PC_CLIENT" 80 5) || status=1
	invalid=$(pc_tracked invalid)
	ktap_print_msg "$out, invalid $invalid"
	pc_srv nft delete table inet pc
	pc_srv corelane nat del "${PC_SERVICE/$PC_VIP/$PC_CLIENT}"
	kill "$OTHER" && wait "$OTHER" 2> /dev/null || true
	[[ $status == 0 && $out == "ok=5 bad=0 80=5" && $invalid == 0 ]]
}

pc_setup
need_cmd ethtool ss nft
ktap_print_header
ktap_set_plan $((PC_FAMILY == 4 ? 20 : 17))
dmesg_mark
pc_serve "${PC_PORTS[@]}"
pc_add || die "the service is not accepted"

check "a connection is served by the lane of its CPU" own_lane
check "a client that changes CPU keeps its connection" moving_client
check "a flow that packet steering moves keeps its connection" moving_rps
check "TIME_WAIT on one lane, a new connection from another CPU" time_wait
check "TIME_WAIT on a lane that is drained" time_wait_drained
check "TIME_WAIT on a lane that is retired" time_wait_retired
check "TIME_WAIT, and then another method" time_wait_former
check "a client on the server itself" loopback
check "a client on the server itself, and then another method" tracked_former
check "a client of another host that has the address" elsewhere
# Over IPv6 wire.sh does it, without waiting for a timeout.
[[ $PC_FAMILY == 6 ]] || check "a private port is closed and counted" private_port
[[ $PC_FAMILY == 6 ]] || check "nor can fragments reach it" tiny_fragments
[[ $PC_FAMILY == 6 ]] || check "a first packet in fragments" first_in_fragments
check "SYN cookies" syn_cookies
check "SYN cookies that return to another CPU" syn_cookies_moving 8016=20
check "checksums made by software" checksums
check "a lane without a listener is skipped" dead_lane
check "without any listener the client is refused" no_lane
check "the service can be deleted" pc_del
check "the kernel's log is clean" dmesg_clean
ktap_finished
