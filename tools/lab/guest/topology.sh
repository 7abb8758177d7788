#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The flow paper's topology inside the guest (its Fig. 3).  Sourced.
#
#      server (init namespace)                switch + clients (netns "sw")
#
#   core 0 -- irq -- srv0 ======e1000e cable====== sw0 --+
#   core 1 -- irq -- srv1 ========================= sw1 --+-- bond0 -- clients
#     ...                                                 |   10.0.0.100 ...
#   core N -- irq -- srvN ========================= swN --+
#              \__ bond0, the service's address __/
#
# The switch's link aggregation hashes source and destination address, as the
# paper's does (its section 3.2), and so differs from a server that hashes
# layer3+4: a request comes in by one cable, the stock bond's reply leaves by
# another.  Real switches differ from their servers in the same way.

# shellcheck disable=SC2034  # read by those who source this file
TOPO_VIP=10.0.0.1
TOPO_CLIENTS=${TOPO_CLIENTS:-16}

# topo_names: call the NICs by their place, srvK and swK
topo_names()
{
	local path name mac

	modprobe e1000e
	for path in /sys/class/net/*; do
		name=${path##*/}
		mac=$(cat "$path/address" 2> /dev/null) || continue
		case $mac in
		52:54:00:00:01:*) ip link set "$name" name "srv$((16#${mac##*:}))" ;;
		52:54:00:00:02:*) ip link set "$name" name "sw$((16#${mac##*:}))" ;;
		esac
	done
}

# topo_switch N [MODE] [POLICY]: the switch with N ports and the clients' addresses
topo_switch()
{
	local n=$1 mode=${2:-balance-xor} policy=${3:-layer2+3} k

	ip netns add sw
	ip -n sw link set lo up
	ip -n sw link add bond0 type bond mode "$mode" xmit_hash_policy "$policy" miimon 100
	for ((k = 0; k < n; k++)); do
		ip link set "sw$k" netns sw
		ip -n sw link set "sw$k" master bond0
	done
	ip -n sw link set bond0 up
	for ((k = 0; k < TOPO_CLIENTS; k++)); do
		ip -n sw addr add "10.0.0.$((100 + k))/24" dev bond0
	done
}

# topo_server N MODE [bond options...]: the server's bond over srv0..srvN-1
topo_server()
{
	local n=$1 mode=$2 k

	shift 2
	ip link add bond0 type bond mode "$mode" miimon 100
	while [[ $# -ge 2 ]]; do
		# iproute2 refuses values it does not know; sysfs takes them.
		echo "$2" > "/sys/class/net/bond0/bonding/$1"
		shift 2
	done
	for ((k = 0; k < n; k++)); do
		ip link set "srv$k" master bond0
	done
	ip link set bond0 up
	ip addr add "$TOPO_VIP/24" dev bond0
}

# topo_carrier NETNS-PREFIX... DEV: wait until DEV is up (10 s)
topo_carrier()
{
	local dev=$1 i

	shift
	for ((i = 0; i < 100; i++)); do
		[[ $("$@" cat "/sys/class/net/$dev/carrier" 2> /dev/null) == 1 ]] && return 0
		sleep 0.1
	done
	echo "topology: $dev has no carrier" >&2
	return 1
}

# topo_irq_of DEV: its interrupt numbers
topo_irq_of()
{
	sed -nE "s/^ *([0-9]+):.* $1(-[^ ]*)?$/\1/p" /proc/interrupts
}

# topo_pin DEV CPU: run all of DEV's interrupts on CPU, and see that they do
topo_pin()
{
	local irq

	for irq in $(topo_irq_of "$1"); do
		echo "$2" > "/proc/irq/$irq/smp_affinity_list"
		[[ $(cat "/proc/irq/$irq/smp_affinity_list") == "$2" ]] || {
			echo "topology: irq $irq of $1 does not stay on CPU $2" >&2
			return 1
		}
	done
}

# topo_irqs N: NIC K's interrupts to core K
topo_irqs()
{
	local k

	for ((k = 0; k < $1; k++)); do
		topo_pin "srv$k" "$k" || return 1
	done
}

# topo_neighbours: fixed ARP entries, so that none is asked for in a run
topo_neighbours()
{
	local server switch k

	server=$(cat /sys/class/net/bond0/address 2> /dev/null || cat /sys/class/net/srv0/address)
	switch=$(ip netns exec sw cat /sys/class/net/bond0/address)
	ip -n sw neigh replace "$TOPO_VIP" lladdr "$server" dev bond0 nud permanent
	for ((k = 0; k < TOPO_CLIENTS; k++)); do
		ip neigh replace "10.0.0.$((100 + k))" lladdr "$switch" dev "${1:-bond0}" nud permanent
	done
}

# topo_warm: a few packets through every cable.  An interrupt that was pinned
# moves when it next fires, and that first time still counts for its old CPU.
topo_warm()
{
	local k

	for ((k = 0; k < TOPO_CLIENTS; k++)); do
		ip netns exec sw ping -q -c 3 -i 0.01 -I "10.0.0.$((100 + k))" "$TOPO_VIP" > /dev/null || {
			echo "topology: client 10.0.0.$((100 + k)) does not reach $TOPO_VIP" >&2
			return 1
		}
	done
}

# topo_down: undo it all, so that the next point starts from nothing
topo_down()
{
	local path name

	ip link del bond0 2> /dev/null
	if [[ -e /run/netns/sw ]]; then
		ip -n sw link del bond0 2> /dev/null
		for path in $(ip netns exec sw ls /sys/class/net); do
			[[ $path != sw* ]] || ip -n sw link set "$path" down netns 1
		done
		ip netns del sw
	fi
	for path in /sys/class/net/srv* /sys/class/net/sw*; do
		name=${path##*/}
		[[ ! -e $path ]] || { ip link set "$name" down; ip addr flush dev "$name"; }
	done
}
