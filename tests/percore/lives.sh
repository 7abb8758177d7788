#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Life and death: network namespaces are independent, die cleanly with their
# services, and the module leaves under traffic.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

# A second netns has the same service and neither sees the other's.
independent()
{
	ip netns add pc-two
	ip -n pc-two link set lo up
	ip -n pc-two addr add "$PC_VIP/32" dev lo
	pc_add_in pc-two || return 1
	[[ $(pc_conns 1 10) == "ok=10 bad=0 8016=10" ]] || return 1
	[[ $(ip netns exec pc-two corelane nat stats --json | jq '[.stats[].new] | add') == 0 ]]
}

# It dies with its service, and the first one lives on.
netns_death()
{
	local i

	ip netns del pc-two || return 1
	for ((i = 0; i < 20; i++)); do
		pc_conns "$((i % 4))" 5 > /dev/null || return 1
	done
}

# A netns dies with connections under way.
netns_death_busy()
{
	local server client

	ip netns add pc-two
	ip -n pc-two link set lo up
	ip -n pc-two addr add "$PC_VIP/32" dev lo
	pc_add_in pc-two || return 1
	: > /tmp/pc-two
	ip netns exec pc-two percore_peer serve "$PC_VIP" "${PC_PORTS[@]}" > /tmp/pc-two &
	server=$!
	pc_ready /tmp/pc-two "$server"
	ip netns exec pc-two percore_peer conns "$PC_VIP" 80 1000000 > /dev/null 2>&1 &
	client=$!
	sleep 1
	# The processes hold the netns; it dies with the last of them.
	ip netns del pc-two || return 1
	kill "$server" "$client" || return 1
	wait "$server" "$client" 2> /dev/null || true
	pc_conns 3 5 > /dev/null
}

traffic()
{
	local cpu

	for cpu in 0 1 2 3; do
		(while [[ ! -e /tmp/pc-stop ]]; do
			pc_conns "$cpu" 20 > /dev/null 2>&1 || true
		done) &
	done
}

# A service comes and goes under traffic.
reconfigure()
{
	local i

	for ((i = 0; i < 15; i++)); do
		pc_del || return 1
		pc_add || return 1
	done
}

# The module leaves under traffic, services and all, and comes back.
unload()
{
	local i

	for ((i = 0; i < 4; i++)); do
		rmmod percore || return 1
		modprobe percore || return 1
		pc_add || return 1
		sleep 0.3
	done
}

pc_setup
ktap_print_header
ktap_set_plan 8
dmesg_mark
pc_serve "${PC_PORTS[@]}"
pc_add || die "the service is not accepted"
check "two netns with the same service are independent" independent
check "a netns dies with its service" netns_death
check "a netns dies with connections under way" netns_death_busy
rm -f /tmp/pc-stop
traffic
check "a service comes and goes under traffic" reconfigure
check "the module is unloaded under traffic" unload
touch /tmp/pc-stop
for job in $(jobs -p); do
	[[ $job == "$PC_SERVER" ]] || wait "$job" 2> /dev/null || true
done
check "and serves again afterwards" [ "$(pc_conns 2 20)" = "ok=20 bad=0 8032=20" ]
pc_serve_stop
check "the last of it goes" rmmod percore
check "the kernel's log is clean" dmesg_clean
ktap_finished
