#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# CPUs go and come while packets flow, and bonds have more slaves than the
# machine has CPUs, or one.

# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=topology.sh
. "$(dirname "$0")/topology.sh"

need_cmd corelane ip jq taskset ping
(($(nproc) >= 4)) || skip "needs 4 CPUs"
[[ -w /sys/devices/system/cpu/cpu3/online ]] || skip "CPUs cannot be taken offline here"
MANY=32
PEER=10.8.0.2
storm=()
cleanup()
{
	local k

	calm
	for k in 1 2 3; do
		plug "$k" 1
	done
	ip link del bt0 2> /dev/null
	for ((k = 0; k < MANY; k++)); do
		ip link del "du$k" 2> /dev/null
	done
	bt_down
}
trap cleanup EXIT

plug() # CPU 0|1
{
	local file=/sys/devices/system/cpu/cpu$1/online

	[[ $(< "$file") == "$2" ]] || echo "$2" > "$file"
}

calm()
{
	[[ ${#storm[@]} == 0 ]] || kill "${storm[@]}" 2> /dev/null
	storm=()
}

storm()
{
	local k

	for ((k = 0; k < 4; k++)); do
		ping -q -i 0.01 $BT_PEER > /dev/null 2>&1 &
		storm+=($!)
	done
}

sends_by() # CPU SLAVE
{
	local before

	before=$(bt_cell "$2" "$1" local)
	bt_send "$1" 10 && (($(bt_cell "$2" "$1" local) - before >= 10))
}

# A CPU that is away keeps its slave, and the others theirs.
go_and_come()
{
	local cpu

	for cpu in 3 1 2 3; do
		plug "$cpu" 0 && sends_by 0 cb0 || return 1
		[[ $(bt_cell "cb$cpu" "$cpu" bound) == mask ]] || return 1
		plug "$cpu" 1 && sends_by "$cpu" "cb$cpu" || return 1
	done
}

# The map is made anew while a CPU is away.
slaves_change()
{
	plug 3 0
	ip link set cb3 nomaster && ip link set cb3 down && ip link set cb3 master bt0 || return 1
	ip -n peer link set cp2 down
	bt_wait_links 3 || return 1
	[[ $(bt_cell cb2 2 bound) == unusable && $(bt_cell cb3 3 bound) == - ]] || return 1
	plug 3 1
	ip -n peer link set cp2 up
	bt_wait_links 4 || return 1
	echo 3 > /sys/class/net/cb3/bonding_slave/tx_cpus && sends_by 3 cb3 && sends_by 2 cb2
}

# dummies N: bt0 with N slaves that lead nowhere
dummies()
{
	local k

	ip link add bt0 type bond mode balance-xor miimon 50
	echo cpu-bound > $BT_SYSFS/xmit_hash_policy
	for ((k = 0; k < $1; k++)); do
		ip link add "du$k" type dummy && ip link set "du$k" master bt0 || return 1
	done
	ip link set bt0 up
	ip addr add 10.8.0.1/24 dev bt0
	ip neigh replace $PEER lladdr 02:00:00:00:00:02 dev bt0 nud permanent
	for ((k = 0; k < 100; k++)); do
		[[ $(cat /sys/class/net/du*/bonding_slave/mii_status | grep -c '^up$') != "$1" ]] ||
			return 0
		sleep 0.1
	done
	return 1
}

# datagrams CPU COUNT FLOWS: from CPU, each flow from a port of its own
datagrams()
{
	# shellcheck disable=SC2016  # expanded by the inner shell
	taskset -c "$1" bash -c '
		for ((f = 0; f < $2; f++)); do
			exec 3<> "/dev/udp/$3/$((1000 + f))"
			for ((i = 0; i < $1; i++)); do echo text >&3; done
		done' bash "$2" "$3" "$PEER"
}

# column NAME SLAVE...: a counter over slaves
column()
{
	local name=$1 slave sum=0

	shift
	for slave; do
		sum=$((sum + $(bt_sum "$slave" "$name")))
	done
	echo "$sum"
}

many()
{
	local slaves=() slave k used=0

	dummies $MANY || return 1
	for ((k = 0; k < MANY; k++)); do
		slaves+=("du$k")
	done
	datagrams 1 1 128 || return 1
	for slave in "${slaves[@]}"; do
		(($(bt_sum "$slave" fallback) == 0)) || used=$((used + 1))
	done
	# at random 31 of 32 slaves get some of 128 flows
	echo "# 128 flows: $(column fallback "${slaves[@]}") packets by $used slaves"
	(($(column fallback "${slaves[@]}") >= 128 && used > MANY * 3 / 4)) || return 1
	echo 1 > /sys/class/net/du31/bonding_slave/tx_cpus
	datagrams 1 20 1 && (($(bt_cell du31 1 local) >= 20)) || return 1
	corelane bond show --json bt0 |
		jq -e ".[0] | (.slaves | length) == $MANY and .cpus[1].slave == \"du31\"" \
			> /dev/null
}

one()
{
	local k

	ip link del bt0
	for ((k = 0; k < MANY; k++)); do
		ip link del "du$k"
	done
	dummies 1 && datagrams 0 10 1 && datagrams 3 10 1 || return 1
	(($(bt_sum du0 fallback) >= 20 && $(bt_packets du0) >= 20)) || return 1
	echo 0-3 > /sys/class/net/du0/bonding_slave/tx_cpus
	datagrams 3 10 1 && (($(bt_cell du0 3 local) >= 10))
}

ktap_print_header
ktap_set_plan 5
dmesg_mark
bt_up balance-xor cpu-bound || die "no links"
bt_bind || die "tx_cpus cannot be written"
storm
check "CPUs go and come in a storm: everybody keeps his slave" go_and_come
check "slaves change while a CPU is away" slaves_change
calm
bt_down
check "$MANY slaves on 4 CPUs" many
check "one slave" one
check "dmesg is clean" dmesg_clean
ktap_finished
