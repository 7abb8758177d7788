#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Flows whose packets change CPU at random: receive packet steering is rewritten
# every few milliseconds, the client hops from CPU to CPU, the links of a bond
# fail in turn.  By every method each connection lives and keeps its lane; a
# stateless translation by CPU, as nftables can be told to do, loses them.
#
# PC_CROWD is how many connections there are (300), PC_ROUNDS how often each
# asks (8), PC_METHODS by which methods (nat,steer,front); in the lab: run.sh
# --mem 6000 --timeout 7200 --append 'PC_CROWD=100000 PC_ROUNDS=2'.
# limit: 3000 s
#
#     netns pc-srv                               netns pc-cli
#
#   VIP on pb -- vs ========= veth ========= vc -- pb 10.9.0.2 and up
#            \-- vs2 ======== veth ======== vc2 --/

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=crowd.sh
. "$(dirname "$0")/crowd.sh"

CONNS=${PC_CROWD:-300}
ROUNDS=${PC_ROUNDS:-8}
IFS=, read -ra METHODS <<< "${PC_METHODS:-nat,steer,front}"
FLAPPER=''

# bond NETNS SLAVE...: a bond that hashes, in place of the first slave
bond()
{
	local ns=$1 slave

	shift
	ip -n "$ns" link add pb type bond mode balance-xor xmit_hash_policy layer3+4 miimon 10
	for slave; do
		ip -n "$ns" addr flush dev "$slave"
		ip -n "$ns" link set "$slave" down
		ip -n "$ns" link set "$slave" master pb
		ip -n "$ns" link set "$slave" up
	done
	ip -n "$ns" link set pb up
}

topology()
{
	local i

	modprobe bonding max_bonds=0 || skip "no bonding here"
	ip link add vs2 netns pc-srv type veth peer name vc2 netns pc-cli
	bond pc-srv vs vs2
	bond pc-cli vc vc2
	ip -n pc-srv addr add "$PC_VIP/24" dev pb
	for ((i = 0; i <= CONNS / 20000; i++)); do
		ip -n pc-cli addr add "10.9.0.$((2 + i))/24" dev pb
	done
	pc_cli sysctl -qw net.ipv4.ip_local_port_range="10000 60999"
	# Each link's packets on CPUs of its own.
	pc_srv sh -c 'echo 3 > /sys/class/net/vs/queues/rx-0/rps_cpus
		echo c > /sys/class/net/vs2/queues/rx-0/rps_cpus'
}

all_lived()
{
	[[ $CROWD == "opened=$CONNS answers=$((CONNS * ROUNDS)) reset=0 hung=0 strayed=0 wrong=0" ]]
}

# With method nat percore sees it and counts it; with the others it sees nothing.
moved() { [[ $PC_METHOD != nat ]] || pc_moved migrated "$1"; }

# did_steer BEFORE: a kernel for real time counts no packets that it steers.
did_steer()
{
	[[ $(uname -v) == *PREEMPT_RT* || $(steered) -gt $1 ]]
}

steering()
{
	local migrated status=0 before

	migrated=$(pc_stat migrated) before=$(steered)
	shake vs
	crowd "$CONNS" "$ROUNDS" || status=1
	shake_stop
	pc_srv sh -c 'echo 3 > /sys/class/net/vs/queues/rx-0/rps_cpus'
	[[ $status == 0 ]] && did_steer "$before" && all_lived && moved "$migrated"
}

hopping()
{
	local migrated

	migrated=$(pc_stat migrated)
	crowd "$CONNS" "$ROUNDS" hop && all_lived && moved "$migrated"
}

# The links of the bonds fail and come back in turn.
links_fail()
{
	local link

	while [[ ! -e /tmp/pc-stop ]]; do
		for link in vc vc2; do
			ip -n pc-cli link set "$link" down
			sleep 0.2
			ip -n pc-cli link set "$link" up
			sleep 0.2
		done
		echo >> /tmp/pc-failed
	done
}

# Crowd upon crowd until both links have failed twice.
failover()
{
	local migrated status=0 tries

	migrated=$(pc_stat migrated)
	rm -f /tmp/pc-stop
	: > /tmp/pc-failed
	links_fail &
	FLAPPER=$!
	for ((tries = 0; tries < 1000 && status == 0; tries++)); do
		{ crowd "$CONNS" "$ROUNDS" && all_lived; } || status=1
		[[ $(wc -l < /tmp/pc-failed) -lt 2 ]] || break
	done
	touch /tmp/pc-stop
	wait "$FLAPPER"
	ktap_print_msg "both links failed $(wc -l < /tmp/pc-failed) times"
	[[ $status == 0 && $tries -lt 1000 ]] && moved "$migrated"
}

# What nftables does by CPU and without state: the same ports, the same crowd.
stateless()
{
	pc_srv nft -f - <<-RULES
	table ip pc {
		chain in {
			type filter hook prerouting priority -300;
			ip daddr $PC_VIP tcp dport 80 meta cpu 0 tcp dport set 8000
			ip daddr $PC_VIP tcp dport 80 meta cpu 1 tcp dport set 8016
			ip daddr $PC_VIP tcp dport 80 meta cpu 2 tcp dport set 8032
			ip daddr $PC_VIP tcp dport 80 meta cpu 3 tcp dport set 8048
		}
		chain out {
			type filter hook output priority -300;
			ip saddr $PC_VIP tcp sport { 8000, 8016, 8032, 8048 } tcp sport set 80
		}
	}
	RULES
	shake vs
	crowd "$CONNS" "$ROUNDS" hop || true
	shake_stop
	pc_srv nft delete table ip pc
	[[ $CROWD == opened=* && $CROWD != *reset=0* ]]
}

pc_setup
need_cmd percore_crowd nft
topology
ktap_print_header
ktap_set_plan $((3 * ${#METHODS[@]} + 2))
dmesg_mark
for PC_METHOD in "${METHODS[@]}"; do
	crowd_serve "${PC_PORTS[@]}"
	pc_add || die "the service is not accepted"
	check "$PC_METHOD: packet steering rewritten at random" steering
	check "$PC_METHOD: a client that hops from CPU to CPU" hopping
	check "$PC_METHOD: links that fail in turn" failover
	pc_del || die "the service cannot be deleted"
	crowd_serve_stop
done
PC_METHOD=none crowd_serve "${PC_PORTS[@]}"
check "nftables without state loses connections" stateless
crowd_serve_stop
check "the kernel's log is clean" dmesg_clean
ktap_finished
