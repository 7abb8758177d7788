#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Random messages to the netlink family, and mutated packets through a tap device
# while services of all methods and both families are there.  Whatever comes, the
# kernel does not complain and the service works afterwards.  The topology is
# drawn in common.sh; beside it, tap ft (10.8.0.1, 2001:db8:8::1) in pc-srv.
#
# PC_FUZZ is how many of each (3,000), PC_SEED where chance begins, PC_KINDS what
# to do, "messages,nat,udp,steer,front" unless said.
# limit: 3000 s

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

COUNT=${PC_FUZZ:-3000}
SEED=${PC_SEED:-$((RANDOM + 1))}
KINDS=,${PC_KINDS:-messages,nat,udp,steer,front},
TAP_MAC=02:00:00:00:00:01

messages()
{
	local out status=0

	out=$(pc_srv percore_nl fuzz "$COUNT" "$SEED" 2>&1) || status=1
	ktap_print_msg "$out"
	# Both kinds there were.
	[[ $status == 0 && $out != "0 taken"* && $out != *" 0 refused"* ]]
}

# What the messages have left behind goes, and what is right is taken.
forget()
{
	local service

	while read -r service; do
		pc_srv corelane nat del "$service" || return 1
	done < <(pc_srv corelane nat show --json | jq -r \
		'.services[] | select(.proto == "tcp") | .service')
}

tap()
{
	modprobe -q tun || true
	pc_srv ip tuntap add ft mode tap vnet_hdr || skip "no tap device here"
	ip -n pc-srv link set ft address "$TAP_MAC" up
	pc_srv sysctl -qw net.ipv6.conf.lo.disable_ipv6=0
	pc_srv sysctl -qw net.ipv6.conf.ft.disable_ipv6=0 net.ipv6.conf.ft.accept_dad=0
	ip -n pc-srv addr add 10.8.0.1/24 dev ft
	ip -n pc-srv addr add 2001:db8:8::1/64 dev ft nodad
	ip -n pc-srv neigh add 10.8.0.2 lladdr 02:00:00:00:00:02 dev ft
	ip -n pc-srv neigh add 2001:db8:8::2 lladdr 02:00:00:00:00:02 dev ft
}

# Somebody who answers at the tap's addresses, and for method front; pc_cleanup
# ends them.
serve_tap()
{
	local peer addr ready

	for peer in percore_peer 'percore_peer -u'; do
		for addr in 10.8.0.1 2001:db8:8::1 127.0.0.1 ::1; do
			ready="/tmp/pc-tap-$peer-$addr"
			: > "$ready"
			# shellcheck disable=SC2086  # a command's words
			ip netns exec pc-srv $peer serve "$addr" "${PC_PORTS[@]}" > "$ready" &
			pc_ready "$ready" $!
		done
	done
}

# packets KIND: to services at the tap's addresses.  A client of its own for each
# kind: a SYN that one method has answered is not new to the next.
packets()
{
	local method=$1 proto=tcp service services out status=0

	[[ $method != udp ]] || method=nat proto=udp
	services=("10.8.0.1:80/$proto" "[2001:db8:8::1]:80/$proto")
	for service in "${services[@]}"; do
		pc_srv corelane nat add "$service" --cpus 0-3 --ports 8000+16 \
			--method "$method" || return 1
	done
	SEED=$((SEED + 1))
	out=$(pc_srv percore_tap ft "$TAP_MAC" "$proto" "$COUNT" "$SEED") || status=1
	ktap_print_msg "$out; $(pc_stat new) new, $(pc_stat stray) stray," \
		"$(pc_stat dropped_direct) direct"
	# They got as far as percore.
	pc_moved new 0 || status=1
	for service in "${services[@]}"; do
		pc_srv corelane nat del "$service" || status=1
	done
	return "$status"
}

# kind NAME COMMAND...: unless PC_KINDS leaves it out
kind()
{
	if [[ $KINDS == *",$1,"* ]]; then
		check "${@:2}"
	else
		ktap_test_skip "$2"
	fi
}

works() { [[ $(pc_conns 1 10) == "ok=10 bad=0 8016=10" ]]; }

pc_setup
need_cmd percore_nl percore_tap
ktap_print_header
ktap_set_plan 9
ktap_print_msg "seed $SEED"
tap
dmesg_mark
kind messages "random messages" messages
check "what they made can be deleted" forget
pc_serve "${PC_PORTS[@]}"
pc_add || die "the service is not accepted"
serve_tap
kind nat "mutated packets, method nat" packets nat
kind udp "mutated datagrams" packets udp
kind steer "mutated packets, method steer" packets steer
kind front "mutated packets, method front" packets front
check "the service works" works
check "the module leaves" rmmod percore
check "the kernel's log is clean" dmesg_clean
ktap_finished
