#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Completion by interrupt and by the hybrid rule: data comes back as it was
# written, counters say who ended the I/O, and modes change under I/O.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

need_cmd fio
trap pn_cleanup EXIT

mode() # DISK MODE
{
	echo "$2" > "/sys/block/$1/pollnvme/mode" &&
		[[ $(cat "/sys/block/$1/pollnvme/mode") == "$2" ]]
}

# On one CPU: what hybrid mode learns, it learns per CPU.
read_blocks() # DISK COUNT
{
	taskset -c 0 dd if="/dev/$1" of=/dev/null bs=4k count="$2" iflag=direct 2> /dev/null
}

# irqs_of DISK COMMAND...: how many completions came by interrupt meanwhile
irqs_of()
{
	local disk=$1 before
	shift

	before=$(pn_stat "$disk" irqs)
	"$@" || return 1
	echo $(($(pn_stat "$disk" irqs) - before))
}

no_errors()
{
	[[ $(pn_stat "$1" errors) -eq 0 && $(pn_stat "$1" timeouts) -eq 0 ]]
}

async_verifies()
{
	local disk=$1 before spins
	before=$(pn_stat "$disk" irqs)
	spins=$(pn_stat "$disk" spins)
	mode "$disk" async && pn_verify "$disk" libaio "$2" || return 1
	[[ $(pn_stat "$disk" irqs) -gt $before ]] && no_errors "$disk" || return 1
	# Flushes are polled for; reads and writes are not.
	[[ $(cat "/sys/block/$disk/queue/write_cache") == "write back" ||
		$(pn_stat "$disk" spins) -eq $spins ]]
}

each_read_interrupts()
{
	[[ $(irqs_of "$1" read_blocks "$1" 20) -eq 20 ]]
}

asked_to_poll()
{
	[[ $(irqs_of "$1" fio --name=polled --filename="/dev/$1" --direct=1 --bs=4k \
		--size=1m --rw=randread --ioengine=io_uring --hipri --iodepth=4 \
		--output=/dev/null) -eq 0 ]]
}

nowait_in_async()
{
	fio --name=nowait --filename="/dev/$1" --direct=1 --bs=4k --size=4m --rw=randrw \
		--ioengine=io_uring --nowait=1 --iodepth=16 --output=/dev/null && no_errors "$1"
}

# The emulator is slow: give the estimate room, then none at all.
hybrid_polls_what_is_fast()
{
	mode "$1" hybrid && echo 1000000 > "/sys/block/$1/pollnvme/hybrid_limit_us"
	read_blocks "$1" 20
	[[ $(irqs_of "$1" read_blocks "$1" 20) -eq 0 ]]
}

hybrid_leaves_what_is_slow()
{
	echo 0 > "/sys/block/$1/pollnvme/hybrid_limit_us"
	read_blocks "$1" 1
	[[ $(irqs_of "$1" read_blocks "$1" 20) -eq 20 ]]
}

modes_change_under_load()
{
	local disk=$1 turn mode load before
	before=$(pn_stat "$disk" irqs)
	fio --name=modes --filename="/dev/$disk" --direct=1 --bs=4k --size=3m --rw=randwrite \
		--ioengine=libaio --iodepth=8 --numjobs=4 --offset_increment=3m --thread \
		--verify=crc32c --verify_fatal=1 --loops=2 --output=/dev/null &
	load=$!
	for ((turn = 0; turn < 300; turn++)); do
		for mode in async hybrid sync; do
			mode "$disk" "$mode" || return 1
		done
		[[ -d /proc/$load ]] || break
		sleep 0.05
	done
	wait "$load" || return 1
	[[ $turn -gt 2 && $(pn_stat "$disk" irqs) -gt $before ]] && no_errors "$disk"
}

reset_in_async()
{
	local disk=$1 turn load
	mode "$disk" async
	fio --name=reset --filename="/dev/$disk" --direct=1 --bs=4k --size=8m --rw=randwrite \
		--ioengine=libaio --iodepth=16 --numjobs=2 --offset_increment=8m --thread \
		--verify=crc32c --verify_fatal=1 --output=/dev/null &
	load=$!
	for ((turn = 0; turn < 8; turn++)); do
		echo 1 > "/sys/class/pollnvme/${disk%n1}/reset_controller" || return 1
	done
	wait "$load" && no_errors "$disk"
}

# More I/O in flight than slots, from more tasks than CPUs, which move.
crowd_in_async()
{
	mode "$1" async
	fio --name=crowd --filename="/dev/$1" --direct=1 --bs=4k --size=1m --rw=randrw \
		--ioengine=libaio --iodepth=32 --numjobs=16 --offset_increment=1m --thread \
		--group_reporting --output=/dev/null && no_errors "$1"
}

# Spinners that are moved from CPU to CPU while they spin.
migrated_spinners()
{
	local disk=$1 load cpu=0 cpus turn
	cpus=$(nproc)
	mode "$disk" sync
	fio --name=move --filename="/dev/$disk" --direct=1 --bs=4k --size=2m --rw=randwrite \
		--ioengine=psync --numjobs=6 --offset_increment=2m --verify=crc32c \
		--verify_fatal=1 --output=/dev/null &
	load=$!
	for ((turn = 0; turn < 400; turn++)); do
		[[ -d /proc/$load ]] || break
		cpu=$(((cpu + 1) % cpus))
		for pid in $(pgrep fio); do
			taskset -pc "$cpu" "$pid" > /dev/null 2>&1 || true
		done
	done
	wait "$load" && no_errors "$disk"
}

gone_in_async()
{
	local disk=$1 load
	mode "$disk" async
	fio --name=gone --filename="/dev/$disk" --direct=1 --bs=4k --size=16m --rw=randrw \
		--ioengine=libaio --iodepth=16 --numjobs=4 --thread --time_based --runtime=30 \
		--output=/dev/null > /dev/null 2>&1 &
	load=$!
	pn_wait_stat "$disk" reads $(($(pn_stat "$disk" reads) + 100)) || return 1
	rmdir "$CONFIG/modes" || return 1
	wait "$load" 2> /dev/null || true
	[[ ! -e /sys/block/$disk ]]
}

mode_tests()
{
	local kind=$1 disk=$2

	pn_wait_disk "$disk"
	check "$kind: async fio verifies" async_verifies "$disk" 512
	check "$kind: async: an interrupt a read" each_read_interrupts "$disk"
	check "$kind: async: who asks to poll is polled for" asked_to_poll "$disk"
	check "$kind: async: io_uring without waiting" nowait_in_async "$disk"
	check "$kind: async: more in flight than slots" crowd_in_async "$disk"
	check "$kind: hybrid polls for what is fast" hybrid_polls_what_is_fast "$disk"
	check "$kind: hybrid leaves what is slow" hybrid_leaves_what_is_slow "$disk"
	check "$kind: modes change under load" modes_change_under_load "$disk"
}

ktap_print_header
ktap_set_plan 22
dmesg_mark
pn_load
mapfile -t controllers < <(pn_pci)
ram=$(pn_ram modes size_mb=64)
mode_tests ram "$ram"
check "ram: async: resets under load lose nothing" reset_in_async "$ram"
check "ram: sync: spinners that are moved" migrated_spinners "$ram"
one=$(pn_ram one size_mb=8 queues=1)
check "one queue: polled, other modes are refused" refused mode "$one" async
rmdir "$CONFIG/one"
if [[ ${#controllers[@]} -gt 0 ]]; then
	pn_bind "${controllers[0]}"
	mode_tests pci "$(pn_pci_disk "${controllers[0]}")"
else
	for name in verify interrupts poll nowait crowd fast slow switch; do
		ktap_test_skip "pci $name: no controller"
	done
fi
check "ram: async: removed under load" gone_in_async "$ram"
pn_cleanup
check "the module is gone" refused grep -q '^pollnvme ' /proc/modules
check "kernel log is clean" dmesg_clean
ktap_finished
