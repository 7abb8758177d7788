#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A packet leaves by the slave of the CPU that sends it; a CPU without a usable
# slave falls back to the hash; wrong masks are refused by name. Nothing here
# sends enough to be learned from (see learn.sh), and a veth has no NUMA node.

# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=topology.sh
. "$(dirname "$0")/topology.sh"

need_cmd ip taskset ping
CPUS=$(nproc)
((CPUS >= 4)) || skip "needs 4 CPUs"
PACKETS=20
BACKGROUND=6	# what may leave a slave besides ours: IGMP, gratuitous ARP

online=
cleanup()
{
	[[ -z $online ]] || echo 1 > "/sys/devices/system/cpu/cpu$online/online"
	bt_down
}
trap cleanup EXIT

# leaves_by CPU SLAVE: the device's own counter and ours agree, nobody else moves
leaves_by()
{
	local cpu=$1 slave=$2 k before=() count remote now

	for ((k = 0; k < BT_CABLES; k++)); do
		before[k]=$(bt_packets "cb$k")
	done
	count=$(bt_cell "$slave" "$cpu" local)
	remote=$(bt_sum "$slave" remote)
	bt_send "$cpu" "$PACKETS" || return 1

	now=$(bt_cell "$slave" "$cpu" local)
	((now - count >= PACKETS)) || { echo "# $slave: $((now - count)) local"; return 1; }
	[[ $(bt_sum "$slave" remote) == "$remote" ]] ||
		{ echo "# $slave sent for others"; return 1; }
	for ((k = 0; k < BT_CABLES; k++)); do
		now=$(($(bt_packets "cb$k") - before[k]))
		if [[ cb$k == "$slave" ]]; then
			((now >= PACKETS)) || { echo "# $slave sent only $now"; return 1; }
		else
			((now <= BACKGROUND)) || { echo "# cb$k sent $now"; return 1; }
		fi
	done
}

# mask K LIST: give slave K these CPUs
mask()
{
	echo "$2" > "/sys/class/net/cb$1/bonding_slave/tx_cpus"
}

explicit_map()
{
	mask 3 0 && mask 2 1 && mask 0 2-3 || return 1
	[[ $(< /sys/class/net/cb0/bonding_slave/tx_cpus) == 2-3 ]] || return 1
	[[ $(bt_cell cb0 3 bound) == mask && $(bt_cell cb1 1 bound) == - ]] || return 1
	leaves_by 0 cb3 && leaves_by 1 cb2 && leaves_by 2 cb0 && leaves_by 3 cb0
}

# sent CPU COLUMN: what CPU sent, over all slaves of the bond
sent()
{
	local slave sum=0

	for slave in $(< $BT_SYSFS/slaves); do
		sum=$((sum + $(bt_cell "$slave" "$1" "$2")))
	done
	echo "$sum"
}

# falls_back CPU: what CPU sends is counted as fallback, none as local
falls_back()
{
	local fallback own

	fallback=$(sent "$1" fallback)
	own=$(sent "$1" local)
	bt_send "$1" "$PACKETS" || return 1
	(($(sent "$1" fallback) - fallback >= PACKETS && $(sent "$1" local) == own))
}

# nothing is known of any CPU
unbound()
{
	local k

	for ((k = 0; k < BT_CABLES; k++)); do
		[[ $(bt_cell "cb$k" "$k" bound) == - ]] || return 1
	done
	falls_back 0 && falls_back 3
}

unmapped_falls_back()
{
	mask 0 2 && [[ $(bt_cell cb0 3 bound) == - ]] && falls_back 3
}

down_falls_back()
{
	ip -n peer link set cp3 down
	bt_wait_links 3 && [[ $(bt_cell cb3 0 bound) == unusable ]] && falls_back 0
}

up_returns()
{
	ip -n peer link set cp3 up
	bt_wait_links 4 && leaves_by 0 cb3
}

removed_gives_back()
{
	ip link set cb3 nomaster
	[[ ! -e /sys/class/net/cb3/bonding_slave ]] || return 1
	falls_back 0 || return 1
	ip link set cb3 down && ip link set cb3 master bt0 && bt_wait_links 4 &&
		[[ -z $(< /sys/class/net/cb3/bonding_slave/tx_cpus) ]] &&
		mask 3 0 && leaves_by 0 cb3
}

cleared()
{
	local k

	for ((k = 0; k < BT_CABLES; k++)); do
		mask "$k" "" || return 1
	done
	unbound
}

# refused K LIST TEXT...: and the kernel's log says all of TEXT in one line
refused()
{
	local k=$1 list=$2 old

	shift 2
	dmesg_mark
	old=$(< "/sys/class/net/cb$k/bonding_slave/tx_cpus")
	! mask "$k" "$list" 2> /dev/null || return 1
	[[ $(< "/sys/class/net/cb$k/bonding_slave/tx_cpus") == "$old" ]] || return 1
	bt_dmesg_names bt0 "cb$k" "$@"
}

# A list comes in one write of less than a page; nothing is cut off silently.
too_long_refused()
{
	local old list

	old=$(< /sys/class/net/cb1/bonding_slave/tx_cpus)
	list=$(printf '3,%.0s' {1..4000})3
	! mask 1 "$list" 2> /dev/null &&
		[[ $(< /sys/class/net/cb1/bonding_slave/tx_cpus) == "$old" ]] || return 1
	list=$(printf '3,%.0s' {1..2000})3
	mask 1 "$list" && [[ $(< /sys/class/net/cb1/bonding_slave/tx_cpus) == 3 ]] && mask 1 "$old"
}

offline_refused()
{
	[[ -w /sys/devices/system/cpu/cpu3/online ]] || return 0
	echo 0 > /sys/devices/system/cpu/cpu3/online
	online=3
	refused 1 3 '"3"' "online" || return 1
	echo 1 > /sys/devices/system/cpu/cpu3/online
	online=
	mask 1 3 && leaves_by 3 cb1
}

ktap_print_header
ktap_set_plan 14
bt_up balance-xor cpu-bound || die "no links"

check "without masks, on devices without a node: by hash" unbound
check "explicit masks win" explicit_map
check "a CPU in no mask falls back to the hash" unmapped_falls_back
check "a slave that is down: its CPU falls back" down_falls_back
check "a slave that is up again has its CPU back" up_returns
check "a slave that leaves and returns has no mask" removed_gives_back
check "an overlap is refused and both slaves are named" refused 1 0,3 cb3 "CPU 0"
check "an unknown CPU is refused by name" refused 1 1,4096 "4096"
check "a number beyond all kernels is refused" refused 1 999999 "999999"
check "what is no list is refused" refused 1 "one" '"one"'
check "a list longer than a page is refused whole" too_long_refused
check "empty masks take all CPUs away" cleared
check "a mask without an online CPU is refused" offline_refused
dmesg_mark
bt_down
check "dmesg is clean" dmesg_clean
ktap_finished
