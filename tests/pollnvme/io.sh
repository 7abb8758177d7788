#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Data comes back as it was written, through both transports: raw with fio's
# checksums, and through ext4; completions are polled, not interrupted.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

need_cmd fio mkfs.ext4
trap pn_cleanup EXIT

same_file()
{
	local disk=$1 sum

	mkfs.ext4 -q -F "/dev/$disk" || return 1
	mkdir -p /mnt/pollnvme
	mount "/dev/$disk" /mnt/pollnvme || return 1
	dd if=/dev/urandom of=/mnt/pollnvme/file bs=64k count=64 conv=fsync 2> /dev/null || return 1
	sum=$(md5sum < /mnt/pollnvme/file)
	umount /mnt/pollnvme || return 1
	mount "/dev/$disk" /mnt/pollnvme || return 1
	[[ $(md5sum < /mnt/pollnvme/file) == "$sum" ]] || return 1
	umount /mnt/pollnvme
}

discarded_reads_zero()
{
	dd if=/dev/urandom of="/dev/$1" bs=1M count=2 oflag=direct 2> /dev/null || return 1
	blkdiscard -z -o 524288 -l 1048576 "/dev/$1" || return 1
	[[ -z $(dd if="/dev/$1" bs=512k skip=1 count=2 iflag=direct 2> /dev/null |
		tr -d '\0' | head -c 1) ]]
}

counters_right()
{
	[[ $(pn_stat "$1" reads) -gt 0 && $(pn_stat "$1" writes) -gt 0 &&
		$(pn_stat "$1" spins) -gt 0 && $(pn_stat "$1" irqs) -eq 0 &&
		$(pn_stat "$1" errors) -eq 0 && $(pn_stat "$1" timeouts) -eq 0 ]]
}

no_interrupts()
{
	[[ $(awk '/pollnvme/ { for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) n += $i }
		END { print n + 0 }' /proc/interrupts) -eq 0 ]]
}

flushes_when_cached()
{
	case $(cat "/sys/block/$1/queue/write_cache") in
	"write back") [[ $(pn_stat "$1" flushes) -gt 0 ]] ;;
	*) [[ $(pn_stat "$1" flushes) -eq 0 ]] ;;
	esac
}

disk_tests()
{
	local kind=$1 disk=$2 size=$3

	pn_wait_disk "$disk"
	check "$kind: psync fio verifies" pn_verify "$disk" psync "$size"
	check "$kind: libaio fio verifies" pn_verify "$disk" libaio "$size"
	check "$kind: write zeroes zeroes what it should" discarded_reads_zero "$disk"
	check "$kind: ext4 keeps a file over a mount" same_file "$disk"
	check "$kind: counters say polled, no error" counters_right "$disk"
	check "$kind: flushes reach a write cache" flushes_when_cached "$disk"
	check "$kind: no interrupt" no_interrupts
}

ktap_print_header
ktap_set_plan 22
dmesg_mark
pn_load
mapfile -t controllers < <(pn_pci)
ram=$(pn_ram ram512 size_mb=64)
disk_tests ram-512 "$ram" 512
ram4k=$(pn_ram ram4k size_mb=64 blocksize=4096 queues=1)
disk_tests ram-4k-one-queue "$ram4k" 4096
if [[ ${#controllers[@]} -gt 0 ]]; then
	pn_bind "${controllers[0]}"
	disk_tests pci "$(pn_pci_disk "${controllers[0]}")" 512
else
	for name in psync libaio zeroes ext4 counters flushes vectors; do
		ktap_test_skip "pci $name: no controller"
	done
fi
pn_cleanup
check "kernel log is clean" dmesg_clean
ktap_finished
