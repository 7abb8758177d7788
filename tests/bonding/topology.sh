#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Four cables and a switch, quick to make and quick to lose. Sourced.
#
#        here                              netns "peer"
#
#    +-- cb0 ============ veth ============ cp0 --+
#    |   cb1 ============================== cp1   |
#  bt0   cb2 ============================== cp2   br0  10.9.0.100
#    |   cb3 ============================== cp3   |
#    +--------------------------------------------+
#  10.9.0.1
#
# br0 is a bond in mode balance-xor: a switch's port group. A cable is cut at
# cpK; cbK then has no carrier.

BT_HERE=10.9.0.1
BT_PEER=10.9.0.100
BT_CABLES=4
BT_QUEUES=1	# transmit queues of a cable's ends
BT_SYSFS=/sys/class/net/bt0/bonding

# bt_down: undo bt_up
bt_down()
{
	local k

	ip link del bt0 2> /dev/null
	for ((k = 0; k < BT_CABLES; k++)); do
		ip link del "cb$k" 2> /dev/null
	done
	ip netns del peer 2> /dev/null
	return 0
}

# bt_neighbours: each end knows the other's address for good
bt_neighbours()
{
	local far

	far=$(ip netns exec peer cat /sys/class/net/br0/address)
	ip neigh replace $BT_PEER lladdr "$far" dev bt0 nud permanent
	ip -n peer neigh replace $BT_HERE lladdr "$(cat /sys/class/net/bt0/address)" \
		dev br0 nud permanent
}

# bt_up MODE POLICY [PEER-MODE]: build it all, neighbours known, no IPv6 chatter
bt_up()
{
	local k

	bt_down
	ip netns add peer
	ip netns exec peer sysctl -qw net.ipv6.conf.all.disable_ipv6=1 \
		net.ipv6.conf.default.disable_ipv6=1
	sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
	ip -n peer link set lo up
	ip -n peer link add br0 type bond mode "${3:-balance-xor}" \
		xmit_hash_policy layer3+4 miimon 50
	ip link add bt0 type bond mode "$1" miimon 50
	echo "$2" > $BT_SYSFS/xmit_hash_policy
	[[ ${3:-} != 802.3ad ]] || ip -n peer link set br0 type bond lacp_rate fast
	[[ $1 != 802.3ad ]] || ip link set bt0 type bond lacp_rate fast ad_select count
	for ((k = 0; k < BT_CABLES; k++)); do
		ip link add "cb$k" numtxqueues "$BT_QUEUES" numrxqueues "$BT_QUEUES" type veth \
			peer name "cp$k" numtxqueues "$BT_QUEUES" \
			numrxqueues "$BT_QUEUES" netns peer
		ip link set "cb$k" master bt0
		ip -n peer link set "cp$k" master br0
	done
	ip -n peer link set br0 up
	ip link set bt0 up
	ip -n peer addr add $BT_PEER/24 dev br0
	ip addr add $BT_HERE/24 dev bt0
	bt_neighbours
	bt_wait_links "$BT_CABLES"
}

# bt_bind: CPU K is to send by cable K
bt_bind()
{
	local k

	for ((k = 0; k < BT_CABLES; k++)); do
		echo "$k" > "/sys/class/net/cb$k/bonding_slave/tx_cpus" || return 1
	done
}

# bt_wait_links N: until N slaves of bt0 are up (10 s)
bt_wait_links()
{
	local i up

	for ((i = 0; i < 100; i++)); do
		up=$(cat /sys/class/net/cb*/bonding_slave/mii_status | grep -c '^up$')
		[[ $up != "$1" ]] || return 0
		sleep 0.1
	done
	echo "# slaves up: $(cat /sys/class/net/cb*/bonding_slave/mii_status | tr '\n' ' ')"
	return 1
}

# bt_cell SLAVE CPU COLUMN: a cell of the slave's tx_cpu_stats
bt_cell()
{
	awk -v cpu="$2" -v name="$3" '
		NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
		$1 == cpu { print $column[name] }' "/sys/class/net/$1/bonding_slave/tx_cpu_stats"
}

# bt_sum SLAVE COLUMN: the same over all CPUs
bt_sum()
{
	awk -v name="$2" '
		NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
		{ sum += $column[name] } END { print sum + 0 }' \
		"/sys/class/net/$1/bonding_slave/tx_cpu_stats"
}

# bt_packets SLAVE: packets that the device itself says it has sent
bt_packets()
{
	cat "/sys/class/net/$1/statistics/tx_packets"
}

# bt_send CPU COUNT: packets from a task on CPU
bt_send()
{
	taskset -c "$1" ping -q -i 0.01 -c "$2" -W 5 $BT_PEER > /dev/null
}

# bt_dmesg_names TEXT...: the kernel said all of that, in one line, since the mark
bt_dmesg_names()
{
	local lines text

	lines=$(dmesg_since)
	for text; do
		lines=$(grep -F -- "$text" <<< "$lines") || return 1
	done
}
