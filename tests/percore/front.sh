#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Method front, end to end: a listener of percore's own hands each connection
# request to the lane of its CPU, and no other packet is looked at.  The topology
# is drawn in common.sh.  front6.sh runs it over IPv6.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=flows.sh
. "$(dirname "$0")/flows.sh"

# shellcheck disable=SC2034  # common.sh reads them
PC_METHOD=front
PC_ANY=0.0.0.0
[[ $PC_FAMILY == 4 ]] || PC_ANY=::

# alone PORT: a server of its own there, whose process is $!
alone()
{
	ip netns exec pc-srv percore_peer serve "$PC_INSIDE" "$1" > /dev/null &
}

shown()
{
	[[ $(pc_srv corelane nat show --json | jq -r '.services[].method') == front &&
	   -n $(pc_srv ss -Hltn "sport = :80") ]]
}

# From outside a private port is closed as any port that nobody listens at.
outside()
{
	local out

	out=$(pc_cli percore_peer conns "$PC_VIP" 8000 1) || true
	ktap_print_msg "$out"
	[[ $out == *last=refused ]]
}

# A server that can be reached from outside gets nothing.
open_to_all()
{
	local out before

	before=$(pc_stat refused)
	PC_BIND=$PC_ANY pc_serve "${PC_PORTS[@]}"
	out=$(pc_conns 1 2) || true
	ktap_print_msg "$out"
	pc_serve "${PC_PORTS[@]}"
	[[ $out == *last=refused ]] && pc_moved refused "$before"
}

# elsewhere CPU PORT: a client there is served, and not by this lane
elsewhere()
{
	local out

	out=$(pc_conns "$1" 20) || true
	ktap_print_msg "cpu $1: $out"
	[[ $out == "ok=20 bad=0 "* && $out != *"$2="* ]]
}

drained()
{
	pc_srv corelane nat drain "$PC_SERVICE" --cpus 2 && elsewhere 2 8032 || return 1
	pc_srv corelane nat undrain "$PC_SERVICE" --cpus 2 && own_lane
}

# Other lanes, while a connection lives that one of the former ones made.
changed()
{
	local lane out

	PC_TASKSET="taskset -c 3" pc_talk || return 1
	pc_say first
	lane=$REPLY
	pc_set --cpus 0-2 --ports 8000+16 || return 1
	out=$(pc_conns 3 10) || true
	ktap_print_msg "$lane, then $out"
	[[ $lane == 8048 && $out == "ok=10 bad=0 "* && $out != *8048* ]] || return 1
	pc_say again
	[[ $REPLY == "$lane" ]] || return 1
	pc_hang_up
	pc_set --cpus 0-3 --ports 8000+16 && own_lane
}

# CPU 1's server dies: the others serve; it starts again: its lane is back at once.
dies_and_comes()
{
	dead_lane && pc_serve "${PC_PORTS[@]}" && own_lane
}

# Lanes 1 to 3 die and come back again and again: nobody is refused, and CPU 0's
# clients do not notice.
restarts()
{
	local pids=() k round out status=0

	pc_serve_stop
	for k in 0 1 2 3; do
		alone "${PC_PORTS[k]}"
		pids[k]=$!
	done
	until own_lane > /dev/null; do sleep 0.2; done
	pc_conns 0 300 > /tmp/pc-conns &
	out=$!
	for round in 1 2 3; do
		for k in 3 2 1; do
			kill "${pids[k]}"
			wait "${pids[k]}" 2> /dev/null || true
			elsewhere $k "${PC_PORTS[k]}" || status=1
			alone "${PC_PORTS[k]}"
			pids[k]=$!
		done
	done
	wait "$out" || status=1
	ktap_print_msg "$round rounds: $(cat /tmp/pc-conns)"
	kill "${pids[@]}"
	wait "${pids[@]}" 2> /dev/null || true
	pc_serve "${PC_PORTS[@]}"
	[[ $(cat /tmp/pc-conns) == "ok=300 bad=0 8000=300" ]] && return $status
}

# Somebody closes the front by hand: the next look, here with "set", mends it.
closed_by_hand()
{
	local i

	pc_srv ss -HKltn "sport = :80" > /dev/null
	if [[ -n $(pc_srv ss -Hltn "sport = :80") ]]; then
		ktap_print_msg "this kernel does not close it"
		return 0
	fi
	pc_set --cpus 0-3 --ports 8000+16 || return 1
	for ((i = 0; i < 50; i++)); do
		[[ -z $(pc_srv ss -Hltn "sport = :80") ]] || break
		sleep 0.1
	done
	own_lane
}

# A listener with SO_REUSEPORT is not taken: its connections would open the public
# port to others.
shared_port()
{
	local out pid before status=0

	before=$(pc_stat refused)
	pc_serve_stop
	: > /tmp/pc-shared
	ip netns exec pc-srv python3 -c '
import socket, sys, time
sock = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
sock.bind((sys.argv[1], 8016))
sock.listen()
print("ready", flush=True)
time.sleep(1000)' "$PC_INSIDE" > /tmp/pc-shared &
	pid=$!
	pc_ready /tmp/pc-shared $pid
	out=$(pc_conns 1 2) || true
	ktap_print_msg "$out"
	[[ $out == *last=refused ]] && pc_moved refused "$before" || status=1
	kill $pid
	wait $pid 2> /dev/null || true
	pc_serve "${PC_PORTS[@]}"
	return $status
}

# refused_with TEXT COMMAND...
refused_with()
{
	local said

	! said=$("${@:2}" 2>&1) && [[ $said == *"$1"* ]] && return 0
	ktap_print_msg "said: $said"
	return 1
}

in_use()
{
	local pid status=0

	: > /tmp/pc-other
	ip netns exec pc-srv percore_peer serve "$PC_VIP" 81 > /tmp/pc-other &
	pid=$!
	pc_ready /tmp/pc-other $pid
	refused_with 'is in use; front listens there' \
		pc_srv corelane nat add "${PC_SERVICE%:80}:81" --cpus 0 --ports 8100 \
		--method front || status=1
	kill $pid
	wait $pid 2> /dev/null || true
	return $status
}

# What the other methods do elsewhere cannot become this one, nor UDP be it.
not_so()
{
	refused_with 'method 2 cannot become 1: delete the service and add it' \
		pc_set --method steer &&
		refused_with 'method 2 (front) is for proto 6 (TCP) alone' \
			pc_srv corelane nat add "$PC_SERVICE/udp" --cpus 0 --method front
}

# The lanes' listeners are what they were, and what they have goes on; the address
# can be had again though connections of it live.
left_alone()
{
	local out lane

	pc_talk || return 1
	pc_say first
	lane=$REPLY
	pc_del || return 1
	[[ -z $(pc_srv ss -Hltn "sport = :80") ]] || return 1
	out=$(pc_srv percore_peer conns "$PC_INSIDE" 8016 5) || true
	ktap_print_msg "$out"
	[[ $out == "ok=5 bad=0 8016=5" ]] && pc_add && own_lane || return 1
	pc_say again
	[[ $REPLY == "$lane" ]] && pc_hang_up
}

# A netns dies with its front, and takes its listeners with it.
dies_with_netns()
{
	pc_cleanup
	sleep 2
	modprobe -r percore
}

pc_setup
need_cmd ss nft python3
ktap_print_header
ktap_set_plan $((PC_FAMILY == 4 ? 25 : 24))
dmesg_mark
pc_add || die "the service is not accepted"

check "the service is shown with its method, and its listener" shown
check "without any listener the client is refused" no_lane
pc_serve "${PC_PORTS[@]}"
check "a connection is served by the lane of its CPU" own_lane
check "only the request is percore's business" moving_client
check "getsockname() says the public port" public_name
check "TIME_WAIT makes room for a new connection on another lane" time_wait
check "a client on the server itself" loopback
check "a private port is closed to the outside" outside
check "a listener that is not on the loopback address gets nothing" open_to_all
check "nor does one with SO_REUSEPORT" shared_port
check "a front that was closed by hand listens again" closed_by_hand
check "connection tracking sees nothing invalid" conntrack
[[ $PC_FAMILY == 6 ]] || check "a first packet in fragments" first_in_fragments
check "SYN cookies" syn_cookies
check "SYN cookies that return to another CPU" syn_cookies_moving "*"
check "a drained lane gets nothing new" drained
check "lanes change, connections live" changed
check "a lane dies and comes back" dies_and_comes
check "lanes die and come back under load" restarts
check "no checksum was wrong" no_bad_checksum
check "an address and port that somebody has is refused" in_use
check "what cannot be is refused" not_so
check "the service can be deleted and added, and connections live" left_alone
check "a netns takes its front along" dies_with_netns
check "the kernel's log is clean" dmesg_clean
ktap_finished
