#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The blk-mq disk, on both transports: data comes back, interrupts or io_uring's
# polling end requests, requests are merged, resets lose nothing, and disks are
# exchanged for the other kind with their contents.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

need_cmd fio corelane jq
trap pn_cleanup EXIT

kind() # DISK KIND
{
	corelane block set "$1" disks="$2" 2> /dev/null || return 1
	pn_wait_disk "$1"
}

is_mq()
{
	[[ -d /sys/block/$1/mq && $(cat "/sys/block/$1/pollnvme/mode") == mq &&
		$(cat "/sys/block/$1/queue/scheduler") == "[none]"* &&
		$(cat "/sys/block/$1/queue/io_poll") -eq 1 ]]
}

# What was written to the one kind of disk is read from the other.
exchanged()
{
	local disk=$1 sum

	dd if=/dev/urandom of="/dev/$disk" bs=64k count=16 oflag=direct 2> /dev/null
	sum=$(dd if="/dev/$disk" bs=64k count=16 iflag=direct 2> /dev/null | md5sum)
	kind "$disk" mq && is_mq "$disk" || return 1
	[[ $(dd if="/dev/$disk" bs=64k count=16 iflag=direct 2> /dev/null | md5sum) == "$sum" ]]
}

no_errors()
{
	[[ $(pn_stat "$1" errors) -eq 0 && $(pn_stat "$1" timeouts) -eq 0 ]]
}

verifies()
{
	pn_verify "$1" "$2" 512 && no_errors "$1"
}

each_interrupts()
{
	local irqs spins

	irqs=$(pn_stat "$1" irqs) spins=$(pn_stat "$1" spins)
	dd if="/dev/$1" of=/dev/null bs=4k count=20 iflag=direct 2> /dev/null
	[[ $(($(pn_stat "$1" irqs) - irqs)) -eq 20 && $(pn_stat "$1" spins) -eq $spins ]]
}

# An interrupt ends a flush as well, and nobody is told that it was polled for.
flush_interrupts()
{
	local disk irqs

	disk=$(pn_ram flush size_mb=8 cache=1)
	pn_wait_disk "$disk"
	kind "$disk" mq || return 1
	irqs=$(pn_stat "$disk" irqs)
	dd if=/dev/zero of="/dev/$disk" bs=4k count=1 oflag=direct conv=fsync 2> /dev/null
	[[ $(pn_stat "$disk" flushes) -gt 0 ]] &&
		(($(pn_stat "$disk" irqs) - irqs == $(pn_stat "$disk" flushes) + 1)) &&
		[[ $(corelane block status "$disk" --json | jq '.[0].polled') == 0 ]] &&
		rmdir "$CONFIG/flush"
}

# IOPOLL: no read is ended by an interrupt, and all come back.
polled()
{
	local irqs reads

	irqs=$(pn_stat "$1" irqs) reads=$(pn_stat "$1" reads)
	fio --name=polled --filename="/dev/$1" --direct=1 --bs=4k --size=2m --rw=randread \
		--ioengine=io_uring --hipri --iodepth=16 --numjobs=4 --thread \
		--output=/dev/null || return 1
	[[ $(pn_stat "$1" irqs) -eq $irqs && $(($(pn_stat "$1" reads) - reads)) -eq 2048 ]] &&
		no_errors "$1"
}

polled_verifies()
{
	fio --name=polledv --filename="/dev/$1" --direct=1 --bsrange=512-256k --size=8m \
		--rw=randwrite --ioengine=io_uring --hipri --iodepth=16 --verify=crc32c \
		--verify_fatal=1 --output=/dev/null && no_errors "$1"
}

# Neighbours in one plug become one request: commands are fewer than pages.
merges()
{
	local writes

	writes=$(pn_stat "$1" writes)
	dd if=/dev/urandom of="/dev/$1" bs=1M count=4 2> /dev/null && sync "/dev/$1" || return 1
	writes=$(($(pn_stat "$1" writes) - writes))
	echo 3 > /proc/sys/vm/drop_caches
	[[ $writes -gt 0 && $writes -lt 512 ]]
}

# The merged pieces are where they belong: written through one plug, in pages, and
# in parts of pages, which are neighbours in memory.
merged_verifies()
{
	local size merged

	for size in 4k 1k; do
		merged=$(awk '{ print $6 }' "/sys/block/$1/stat")
		fio --name=merge --filename="/dev/$1" --direct=1 --bs=$size --size=2m --rw=write \
			--ioengine=io_uring --iodepth=32 --iodepth_batch_submit=32 \
			--iodepth_batch_complete_min=32 --verify=crc32c --verify_fatal=1 \
			--output=/dev/null && no_errors "$1" || return 1
		[[ $(awk '{ print $6 }' "/sys/block/$1/stat") -gt $merged ]] ||
			{ ktap_print_msg "writes of $size are not merged"; return 1; }
	done
}

zeroed()
{
	dd if=/dev/urandom of="/dev/$1" bs=1M count=2 oflag=direct 2> /dev/null || return 1
	blkdiscard -z -o 524288 -l 1048576 "/dev/$1" || return 1
	[[ -z $(dd if="/dev/$1" bs=512k skip=1 count=2 iflag=direct 2> /dev/null | tr -d '\0' |
		head -c 1) ]]
}

# More tasks than CPUs and tags, polled and not, while the controller is reset.
resets()
{
	local disk=$1 turn load

	fio --name=reset --filename="/dev/$disk" --direct=1 --bs=4k --size=4m --rw=randwrite \
		--ioengine=io_uring ${2:+"$2"} --iodepth=32 --numjobs=8 --offset_increment=4m \
		--thread \
		--verify=crc32c --verify_fatal=1 --output=/dev/null &
	load=$!
	for ((turn = 0; turn < 5; turn++)); do
		echo 1 > "/sys/class/pollnvme/${disk%n1}/reset_controller" || return 1
	done
	wait "$load" && [[ $(pn_stat "$disk" errors) -eq 0 ]]
}

counted_in_iostat()
{
	local before after

	before=$(awk '{ print $1 }' "/sys/block/$1/stat")
	dd if="/dev/$1" of=/dev/null bs=4k count=10 iflag=direct 2> /dev/null
	after=$(awk '{ print $1 }' "/sys/block/$1/stat")
	[[ $((after - before)) -eq 10 ]]
}

modes_refused()
{
	refused sh -c "echo sync > /sys/block/$1/pollnvme/mode" && is_mq "$1"
}

open_is_busy()
{
	exec 9< "/dev/$1"
	refused kind "$1" bio || return 1
	exec 9<&-
	is_mq "$1"
}

# Two who choose at once: whoever comes second chooses after the first, and in
# the end there is one disk, with its contents.
chosen_by_two()
{
	local file=/sys/class/pollnvme/${1%n1}/disks sum turn writer writers=()

	sum=$(dd if="/dev/$1" bs=64k count=16 iflag=direct 2> /dev/null | md5sum)
	for writer in bio mq; do
		for ((turn = 0; turn < 20; turn++)); do
			echo "$writer" > "$file" || true
		done 2> /dev/null &
		writers+=($!)
	done
	wait "${writers[@]}" || true
	kind "$1" mq && is_mq "$1" || return 1
	[[ $(dd if="/dev/$1" bs=64k count=16 iflag=direct 2> /dev/null | md5sum) == "$sum" ]]
}

back()
{
	kind "$1" bio && [[ ! -d /sys/block/$1/mq &&
		$(cat "/sys/block/$1/pollnvme/mode") == sync ]] &&
		dd if="/dev/$1" of=/dev/null bs=4k count=20 iflag=direct 2> /dev/null &&
		[[ $(pn_stat "$1" irqs) -eq 0 ]]
}

# A command that is lost, by interrupt or polled, is found out, and sent again.
lost()
{
	local disk=$1

	echo 300 > "/sys/class/pollnvme/${disk%n1}/io_timeout_ms"
	kind "$disk" bio && kind "$disk" mq || return 1
	echo "lost 0 1" > "$CONFIG/mq/fault"
	fio --name=lost --filename="/dev/$disk" --direct=1 --bs=4k --size=64k --rw=read \
		--ioengine=io_uring ${2:+"$2"} --iodepth=4 --output=/dev/null || return 1
	echo 30000 > "/sys/class/pollnvme/${disk%n1}/io_timeout_ms"
	[[ $(pn_stat "$disk" errors) -eq 0 && $(pn_stat "$disk" retried) -gt 0 ]]
}

removed_under_load()
{
	local disk=$1 load

	fio --name=gone --filename="/dev/$disk" --direct=1 --bs=4k --size=16m --rw=randrw \
		--ioengine=io_uring --iodepth=16 --numjobs=4 --thread --time_based \
		--runtime=60 --output=/dev/null > /dev/null 2>&1 &
	load=$!
	pn_wait_stat "$disk" reads $(($(pn_stat "$disk" reads) + 100)) || return 1
	rmdir "$CONFIG/mq" || return 1
	wait "$load" 2> /dev/null || true
	[[ ! -e /sys/block/$disk ]]
}

polls_only()
{
	local disk

	disk=$(pn_ram one size_mb=1 queues=1)
	pn_wait_disk "$disk"
	refused kind "$disk" mq && rmdir "$CONFIG/one"
}

disk_tests() # KIND DISK
{
	local name=$1 disk=$2

	pn_wait_disk "$disk"
	check "$name: exchanged for a blk-mq disk, with its contents" exchanged "$disk"
	check "$name: libaio fio verifies" verifies "$disk" libaio
	check "$name: an interrupt a read" each_interrupts "$disk"
	check "$name: IOPOLL: no interrupt" polled "$disk"
	check "$name: IOPOLL: fio verifies" polled_verifies "$disk"
	check "$name: requests are merged" merges "$disk"
	check "$name: what is merged verifies" merged_verifies "$disk"
	check "$name: write zeroes" zeroed "$disk"
	check "$name: iostat counts" counted_in_iostat "$disk"
	pn_check_reset "$name" "$name: resets under load lose nothing" resets "$disk"
	pn_check_reset "$name" "$name: IOPOLL: resets under load lose nothing" resets "$disk" \
		--hipri
	check "$name: modes are the bio disk's" modes_refused "$disk"
	check "$name: an open disk is not exchanged" open_is_busy "$disk"
	check "$name: chosen by two at once" chosen_by_two "$disk"
	check "$name: and back" back "$disk"
}

ktap_print_header
ktap_set_plan 37
dmesg_mark
pn_load
disk=$(pn_ram mq size_mb=48)
disk_tests ram "$disk"
check "ram: a lost command is sent again" lost "$disk"
check "ram: IOPOLL: a lost command is sent again" lost "$disk" --hipri
check "ram: an interrupt a flush" flush_interrupts
check "ram: removed under load" removed_under_load "$disk"
check "ram: one queue: polled only" polls_only
mapfile -t controllers < <(pn_pci)
if [[ ${#controllers[@]} -gt 0 ]]; then
	pn_bind "${controllers[0]}"
	disk_tests pci "$(pn_pci_disk "${controllers[0]}")"
else
	for name in exchange libaio irq iopoll verify merge merged zeroes iostat reset \
		iopoll-reset modes busy two back; do
		ktap_test_skip "pci $name: no controller"
	done
fi
pn_cleanup
check "the module is gone" refused grep -q '^pollnvme ' /proc/modules
check "kernel log is clean" dmesg_clean
ktap_finished
