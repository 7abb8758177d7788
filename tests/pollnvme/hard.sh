#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Hard use: more tasks than slots, I/O that must not wait, io_uring's polling,
# disks held open while everything below them goes away, a controller removed
# under I/O. And what `corelane block show' says of it all.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

need_cmd fio jq corelane
trap pn_cleanup EXIT

# load DISK ARGUMENT...: a second of fio, which must not fail
load()
{
	local disk=$1
	shift

	fio --name=hard --filename="/dev/$disk" --direct=1 --bs=4k --size=16m \
		--time_based --runtime=1 --thread --group_reporting \
		--output-format=terse "$@" > /dev/null
}

# 80 tasks, 63 slots, and a device slow enough that they fill up: sooner or later,
# for on a host that starves us so many tasks are not at work within a second.
slots_run_out()
{
	local before turn

	echo 300000000 > "$CONFIG/hard/latency_ns"
	echo 100 > "/sys/class/pollnvme/${1%n1}/spin_limit_us"
	before=$(pn_stat "$1" writes)
	for ((turn = 0; turn < 5; turn++)); do
		load "$1" --ioengine=psync --rw=randwrite --numjobs=80 || return 1
		[[ $(pn_stat "$1" slot_waits) -eq 0 ]] || break
	done
	echo 4100 > "$CONFIG/hard/latency_ns"
	echo 1000 > "/sys/class/pollnvme/${1%n1}/spin_limit_us"
	ktap_print_msg "$(grep -H . /sys/block/"$1"/pollnvme_stats/* |
		sed 's/.*stats.//' | tr '\n' ' ')"
	[[ $(pn_stat "$1" slot_waits) -gt 0 && $(pn_stat "$1" sleeps) -gt 0 &&
		$(pn_stat "$1" writes) -gt $before && $(pn_stat "$1" errors) -eq 0 ]]
}

nowait_works()
{
	load "$1" --ioengine=io_uring --nowait=1 --rw=randrw --iodepth=16 --numjobs=4 &&
		[[ $(pn_stat "$1" errors) -eq 0 ]]
}

polled_works()
{
	load "$1" --ioengine=io_uring --hipri --rw=randrw --iodepth=16 --numjobs=4 &&
		[[ $(pn_stat "$1" errors) -eq 0 ]]
}

shown_as()
{
	local disk=$1 transport=$2 size
	size=$(($(cat "/sys/block/$disk/size") * 512))

	corelane block show --json "$disk" | jq -e --arg disk "$disk" \
		--arg transport "$transport" --argjson size "$size" \
		--argjson reads "$(pn_stat "$disk" reads)" '
		length == 1 and (.[0] | .disk == $disk and .controller + "n1" == $disk and
		.transport == $transport and .size == $size and .state == "live" and
		.mode == "sync" and .nsid == 1 and .queues >= 1 and
		.stats.reads == $reads and $reads > 0 and .stats.errors == 0 and
		.stats.irqs == 0)' > /dev/null || return 1
	corelane block show "/dev/$disk" |
		grep -qE "^$disk +${disk%n1} +$transport +sync +live +$((size >> 20)) MiB "
}

all_shown()
{
	[[ $(corelane block show --json | jq length) -eq $1 ]] &&
		refused corelane block show pollnvme99n1
}

bounds_kept()
{
	local ctrl=/sys/class/pollnvme/${1%n1} bad

	for bad in 9 3600001 -1 x; do
		refused bash -c "echo $bad > $ctrl/io_timeout_ms" || return 1
	done
	for bad in 1000001 -1 ''; do
		refused bash -c "echo $bad > $ctrl/spin_limit_us" || return 1
	done
	[[ $(cat "$ctrl/io_timeout_ms") -eq 30000 && $(cat "$ctrl/spin_limit_us") -eq 1000 ]]
}

# The disk goes away below an open file: it fails, and pins only the module.
open_while_powered_off()
{
	exec 9< "/dev/$1"
	rmdir "$CONFIG/hard" || return 1
	# An error or, from a disk without capacity, nothing.
	[[ $(head -c 4096 <&9 2> /dev/null | wc -c) -eq 0 ]] || return 1
	refused rmmod pollnvme || return 1
	exec 9<&-
}

open_while_unbound()
{
	exec 9< "/dev/$2"
	refused rmmod pollnvme || return 1
	pn_unbind "$1" || return 1
	refused rmmod pollnvme || return 1
	exec 9<&-
	pn_bind "$1"
}

removed_under_load()
{
	local load

	fio --name=gone --filename="/dev/$2" --ioengine=psync --direct=1 --bs=4k \
		--rw=randrw --size=16m --time_based --runtime=30 --numjobs=6 --thread \
		--output-format=terse > /dev/null 2>&1 &
	load=$!
	sleep 2
	echo 1 > "/sys/bus/pci/devices/$1/remove" || return 1
	wait "$load" 2> /dev/null || true
	[[ ! -e /sys/block/$2 ]] || return 1
	echo 1 > /sys/bus/pci/rescan
	pn_bind "$1" || return 1
	disk=$(pn_pci_disk "$1")
	pn_wait_disk "$disk"
	head -c 4096 "/dev/$disk" > /dev/null
}

ktap_print_header
ktap_set_plan 13
dmesg_mark
pn_load
mapfile -t controllers < <(pn_pci)
ram=$(pn_ram hard size_mb=64 queues=1)
pn_wait_disk "$ram"
check "ram: 80 tasks share 63 slots" slots_run_out "$ram"
check "ram: io_uring without waiting" nowait_works "$ram"
check "ram: io_uring polls" polled_works "$ram"
check "ram: corelane shows the disk" shown_as "$ram" ram
check "ram: attributes keep their bounds" bounds_kept "$ram"
if [[ ${#controllers[@]} -gt 0 ]]; then
	pci=${controllers[0]}
	pn_bind "$pci"
	disk=$(pn_pci_disk "$pci")
	pn_wait_disk "$disk"
	check "pci: io_uring without waiting" nowait_works "$disk"
	check "pci: io_uring polls" polled_works "$disk"
	check "pci: corelane shows the disk" shown_as "$disk" pci
	check "corelane lists both disks" all_shown 2
	check "ram: open while its controller goes" open_while_powered_off "$ram"
	check "pci: open while its controller goes" open_while_unbound "$pci" "$disk"
	disk=$(pn_pci_disk "$pci")
	check "pci: removed from the bus under load" removed_under_load "$pci" "$disk"
else
	check "corelane lists the disk" all_shown 1
	check "ram: open while its controller goes" open_while_powered_off "$ram"
	for name in nowait polled show open removed; do
		ktap_test_skip "pci $name: no controller"
	done
fi
pn_cleanup
check "kernel log is clean" dmesg_clean
ktap_finished
