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
# another.  Real switches differ from their servers in the same way.  With
# TOPO_SWITCH_HASH=layer3+4 both are Linux and agree, as Linux's hash is
# symmetric modulo a power of two.
#
# In simulated time the cores cost nothing, so what is not the server has cores
# of its own: the ports of the switch TOPO_SWITCH_CPUS from TOPO_SWITCH_FIRST on,
# and what it receives is worked on by the clients' cores, as if they were hosts.

# shellcheck disable=SC2034  # read by those who source this file
TOPO_VIP=10.0.0.1
TOPO_CLIENTS=${TOPO_CLIENTS:-16}
TOPO_SWITCH_HASH=${TOPO_SWITCH_HASH:-layer2+3}
TOPO_SWITCH_FIRST=${TOPO_SWITCH_FIRST:-} TOPO_SWITCH_CPUS=${TOPO_SWITCH_CPUS:-1}
TOPO_WARM=${TOPO_WARM:-}
TOPO_CLIENT_FIRST=${TOPO_CLIENT_FIRST:-} TOPO_CLIENT_LAST=${TOPO_CLIENT_LAST:-}

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

# topo_mask FIRST LAST: these CPUs as the kernel's bit masks are written
topo_mask()
{
	local word bits mask='' cpu

	for ((word = $2 / 32; word >= 0; word--)); do
		bits=0
		for ((cpu = word * 32; cpu < word * 32 + 32; cpu++)); do
			((cpu < $1 || cpu > $2)) || bits=$((bits | 1 << (cpu - word * 32)))
		done
		mask+=$(printf '%s%08x' "${mask:+,}" "$bits")
	done
	echo "$mask"
}

# topo_switch N [MODE] [POLICY]: the switch with N ports and the clients' addresses
topo_switch()
{
	local n=$1 mode=${2:-balance-xor} policy=${3:-$TOPO_SWITCH_HASH} k

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

# topo_team N: a team in its place, whose hash is the sending CPU's number
topo_team()
{
	local n=$1 k address

	# One address for all, which teamd would see to
	address=$(cat /sys/class/net/srv0/address)
	ip link add bond0 address "$address" type team || return 1
	cpuhash team bond0 || return 1
	for ((k = 0; k < n; k++)); do
		ip link set "srv$k" master bond0 && ip link set "srv$k" address "$address" || return 1
	done
	ip link set bond0 up
	ip addr add "$TOPO_VIP/24" dev bond0
	# Without teamd it sends by ports whose link is down, too.
	for ((k = 0; k < n; k++)); do
		topo_carrier "srv$k" || return 1
	done
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

# topo_slaves NETNS-PREFIX...: wait until every slave of bond0 is up (10 s); the
# first of them is enough for the bond's carrier
topo_slaves()
{
	local i states

	for ((i = 0; i < 100; i++)); do
		states=$("$@" sh -c 'cat /sys/class/net/bond0/lower_*/bonding_slave/mii_status') || return 1
		[[ $states == *down* || $states == *back* || $states == *fail* ]] || return 0
		sleep 0.1
	done
	echo "topology: slaves of bond0 are not up: ${states//$'\n'/ }" >&2
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
	local irq on

	for irq in $(topo_irq_of "$1"); do
		echo "$2" > "/proc/irq/$irq/smp_affinity_list"
		read -r on < "/proc/irq/$irq/smp_affinity_list"
		[[ $on == "$2" ]] || {
			echo "topology: irq $irq of $1 does not stay on CPU $2" >&2
			return 1
		}
	done
}

# topo_irqs N [CORES]: NIC K's interrupts to core K, those of more NICs than
# cores in turn, and the switch's to its own
topo_irqs()
{
	local k cores=${2:-$1}

	for ((k = 0; k < $1; k++)); do
		topo_pin "srv$k" "$((k % cores))" || return 1
		[[ -z $TOPO_SWITCH_FIRST ]] || topo_pin "sw$k" "$((TOPO_SWITCH_FIRST + k % TOPO_SWITCH_CPUS))" || return 1
	done
	[[ -z $TOPO_CLIENT_FIRST ]] ||
		topo_steer "$1" "$(topo_mask "$TOPO_CLIENT_FIRST" "$TOPO_CLIENT_LAST")"
}

# topo_steer N MASK: what the switch's ports receive is worked on by these CPUs
topo_steer()
{
	# shellcheck disable=SC2016  # expanded by the inner shell
	ip netns exec sw bash -c '
		for ((k = 0; k < $1; k++)); do
			file=/sys/class/net/sw$k/queues/rx-0/rps_cpus
			echo "$2" > "$file" && [[ $(tr -d , < "$file" | sed "s/^0*//") == "$3" ]] || exit
		done' bash "$1" "$2" "$(tr -d , <<< "$2" | sed 's/^0*//')" || { echo "topology: cannot steer to CPUs $2" >&2; return 1; }
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

# topo_warm: a few packets through every cable, from all clients or TOPO_WARM.
# An interrupt that was
# pinned moves when it next fires, and that first time still counts for its old
# CPU.
topo_warm()
{
	# shellcheck disable=SC2016  # expanded by the inner shell
	ip netns exec sw bash -c '
		for ((k = 0; k < $1; k++)); do
			ping -q -c 3 -i 0.01 -I "10.0.0.$((100 + k))" "$2" > /dev/null || exit
		done' bash "${TOPO_WARM:-$TOPO_CLIENTS}" "$TOPO_VIP" || {
		echo "topology: not every client reaches $TOPO_VIP" >&2
		return 1
	}
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
