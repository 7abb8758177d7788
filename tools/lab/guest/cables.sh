#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The cable side of the bench's rows: NICs under a bond or a team, and how the
# kernel chooses the one a packet leaves by.  Sourced by bench.sh, after
# topology.sh and before rows.sh.

# bench.sh's arguments, with defaults for a reader of this file alone
: "${row:=}" "${nics:=1}"

# bonding_is stock|ours: have that bonding module loaded
bonding_is()
{
	local dir

	dir=/lib/modules/$(uname -r)
	! grep -q '^bonding ' /proc/modules || rmmod bonding
	modprobe -q tls || true
	case $1 in
	stock) insmod "$dir/kernel/drivers/net/bonding/bonding.ko" max_bonds=0 ;;
	ours) insmod "$dir/updates/bonding.ko" max_bonds=0 ;;
	esac
}

# row_cables CORES: how many NICs the row has
row_cables()
{
	case $row in
	ordinary | one-nic-*) echo 1 ;;
	*) echo "$(($1 > nics ? $1 : nics))" ;;
	esac
}

# The cable side, common to the rows with a bond: NIC K's interrupts on core K,
# those of more NICs than cores in turn
bonded() # CORES MODE [POLICY]
{
	local count

	count=$(row_cables "$1")
	topo_switch "$count" || return 1
	topo_server "$count" "$2" ${3:+xmit_hash_policy "$3"} || return 1
	[[ -z ${3:-} || $(cat /sys/class/net/bond0/bonding/xmit_hash_policy) == "$3 "* ]] || return 1
	plugged_in "$1" "$count"
}

# A team in the bond's place, and by its name
teamed() # CORES
{
	local count

	count=$(row_cables "$1")
	modprobe -a team team_mode_loadbalance || return 1
	topo_switch "$count" && topo_team "$count" || return 1
	plugged_in "$1" "$count"
}

# A team's ports have been waited for.
linked_up()
{
	topo_carrier bond0 && topo_carrier bond0 ip netns exec sw || return 1
	topo_slaves ip netns exec sw || return 1
	[[ ! -d /sys/class/net/bond0/bonding ]] || topo_slaves
}

plugged_in() # CORES CABLES
{
	topo_irqs "$2" "$1" || return 1
	linked_up || return 1
	topo_neighbours
	topo_warm
}

# Our bonding, each CPU sending by its own NIC
bonded_by_cpu() # N
{
	local k

	bonding_is ours || return 1
	bonded "$1" balance-xor cpu-bound || return 1
	for ((k = 0; k < $1; k++)); do
		echo "$k" > "/sys/class/net/srv$k/bonding_slave/tx_cpus" || return 1
	done
}

# The stock bond, each CPU sending by its own NIC: a slave is chosen by its
# queue_id where a packet carries that queue, in modes balance-rr and
# active-backup alone
bonded_by_queue() # CORES
{
	local k count

	count=$(row_cables "$1")
	bonding_is stock || return 1
	bonded "$1" balance-rr || return 1
	for ((k = 0; k < count; k++)); do
		echo "srv$k:$((k + 1))" > /sys/class/net/bond0/bonding/queue_id || return 1
	done
	modprobe -a sch_ingress cls_bpf act_skbedit
	tc qdisc add dev bond0 clsact
}

# A program that tells its caller the CPU: classic BPF, once a CPU, and the
# queue by the action skbedit
queue_by_skbedit() # CORES
{
	local k ad_cpu=$((0xfffff000 + 36))

	for ((k = 0; k < $1; k++)); do
		tc filter add dev bond0 egress protocol all prio $((k + 1)) bpf \
			bytecode "4,32 0 0 $ad_cpu,21 0 1 $k,6 0 0 4294967295,6 0 0 0" flowid 1:1 \
			action skbedit queue_mapping $((k + 1)) pipe || return 1
	done
}

# One program that writes the queue itself
queue_by_program()
{
	local pin=/sys/fs/bpf/queue_by_cpu

	mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf || return 1
	[[ -e $pin ]] || cpuhash queue "$pin" || return 1
	tc filter add dev bond0 egress protocol all prio 1 bpf direct-action object-pinned "$pin"
}
