#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Data comes back as it was written: both transports, every mode, each way that
# programs do I/O and each size of it, alone or mixed, several on one disk at a
# time. Done here is a choice of the combinations in which everything occurs;
# POLLNVME_FULL=1 does them all, and blocks of 4 KiB.
#
# Through memory a file is written: fio's mmap discards what a disk contains when
# it maps it, and so loses its own data.
#
# limit: 3600 s

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

need_cmd fio jq mkfs.ext4
trap pn_cleanup EXIT

FULL=${POLLNVME_FULL:-0}

ENGINES=(psync libaio io_uring iopoll)
SIZES=(512 4k 64k 1m 512-1m)
PATTERNS=(randwrite randrw)
MODES=(sync async hybrid mq)
# How much is done in I/O of a size
declare -A AREA=([512]=64k [4k]=512k [64k]=1m [1m]=2m [512-1m]=1m [4k-1m]=1m)
MNT=/mnt/pollnvme
LOG=/tmp/matrix-log
jobs=0 written=0 read=0

# counted ARGUMENT...: fio, and what it did
counted()
{
	local said

	if ! fio --thread --verify=crc32c --verify_fatal=1 \
		--output-format=json --output="$LOG" "$@" 2> "$LOG-errors"; then
		{ cat "$LOG-errors"; grep -v '^ ' "$LOG"; } | grep -v '^[{}]' | head -n 6 |
			sed 's/^/# /'
		return 1
	fi
	# Notes may come before.
	said=$(sed -n '/^{/,$p' "$LOG" | jq -r '.jobs |
		"\(length) \([.[].write.io_bytes] | add) \([.[].read.io_bytes] | add)"') || return 1
	read -r -a said <<< "$said"
	jobs=$((jobs + said[0])) written=$((written + said[1])) read=$((read + said[2]))
}

# verifies PATTERN SIZE...: an engine with each size, in its own part of the disk, all
# at once
verifies()
{
	local pattern=$1 place=0 engine size area interval now=()
	shift

	# Linux 6.1 does not split an I/O that is to be polled for, and tries again for
	# ever, with any driver: it may have too many pieces.
	for engine in "${ENGINES[@]}"; do
		size=$1 area=${AREA[$1]}
		shift
		[[ $engine != iopoll ]] || size=${size/1m/256k}
		interval=4k
		[[ $size != 512* ]] || interval=512
		now+=(--name="$engine-$size" --bsrange="${size%-*}-${size#*-}"
			--size="$area" --offset="${place}m" --verify_interval="$interval")
		case $engine in
		iopoll) now+=(--ioengine=io_uring --hipri) ;;
		*) now+=(--ioengine="$engine" --fsync=64) ;;
		esac
		place=$((place + 4))
	done
	counted --filename="/dev/$disk" --direct=1 --iodepth=8 --rw="$pattern" "${now[@]}"
}

# mapped PATTERN SIZE...: files through memory, one for each size
mapped()
{
	local pattern=$1 size now=() again=()
	shift

	mkfs.ext4 -q -F -b 4096 -O ^has_journal "/dev/$disk" || return 1
	mkdir -p $MNT
	mount "/dev/$disk" $MNT || return 1
	for size; do
		now+=(--name="mmap-$size" --filename="$MNT/$size" --size="${AREA[$size]}"
			--bsrange="${size%-*}-${size#*-}")
		again+=(--name="disk-$size" --filename="$MNT/$size" --size="${AREA[$size]}")
	done
	counted --ioengine=mmap --fsync=16 --verify_interval=4k --rw="$pattern" "${now[@]}" ||
		return 1
	# It was verified in the page cache: now on the disk.
	if [[ $pattern == randwrite ]]; then
		counted --ioengine=psync --direct=1 --rw=read --bs=64k --verify_interval=4k \
			"${again[@]}" || return 1
	fi
	umount $MNT
}

# some NUMBER: each engine with one size; others for the next number. Memory's turn
# comes once for a mode, and with both patterns.
some()
{
	local n=$(($1 % ${#SIZES[@]})) pattern=${PATTERNS[$(($1 / 2 % 2))]}
	local sizes=("${SIZES[@]}" "${SIZES[@]}")

	verifies "$pattern" "${sizes[@]:n:${#ENGINES[@]}}" || return 1
	[[ $((($1 + $1 / ${#MODES[@]}) % 2)) -eq 1 ]] ||
		mapped "$pattern" "${SIZES[$((1 + $1 / 2))]/#512/4k}"
}

# every engine with every size, for blocks of 4 KiB from there
all()
{
	local size pattern

	for pattern in "${PATTERNS[@]}"; do
		for size in "${SIZES[@]}"; do
			if [[ $(cat "/sys/block/$disk/queue/logical_block_size") -eq 4096 ]]; then
				[[ $size != 512 ]] || continue
				size=${size/#512/4k}
			fi
			verifies "$pattern" "$size" "$size" "$size" "$size" || return 1
		done
		mapped "$pattern" 4k 64k 1m 4k-1m || return 1
	done
}

in_mode() # DISK MODE NUMBER
{
	pn_set_mode "$1" "$2" || return 1
	if [[ $FULL -eq 1 ]]; then
		all
	else
		some "$3"
	fi && [[ $(pn_stat "$1" errors) -eq 0 && $(pn_stat "$1" timeouts) -eq 0 ]]
}

number=0
disk_tests() # KIND
{
	local mode

	pn_wait_disk "$disk"
	for mode in "${MODES[@]}"; do
		check "$1: $mode: fio verifies" in_mode "$disk" "$mode" $((number++))
	done
}

ktap_print_header
ktap_set_plan $((${#MODES[@]} * (FULL + 2) + 1))
dmesg_mark
pn_load
mapfile -t controllers < <(pn_pci)
disk=$(pn_ram matrix size_mb=24)
disk_tests ram
rmdir "$CONFIG/matrix"
if [[ $FULL -eq 1 ]]; then
	disk=$(pn_ram matrix size_mb=24 blocksize=4096 cache=1)
	disk_tests 'ram, 4 KiB'
	rmdir "$CONFIG/matrix"
fi
if [[ ${#controllers[@]} -gt 0 ]]; then
	pn_bind "${controllers[0]}"
	disk=$(pn_pci_disk "${controllers[0]}")
	disk_tests pci
else
	for mode in "${MODES[@]}"; do
		ktap_test_skip "pci: $mode: no controller"
	done
fi
ktap_print_msg "$jobs jobs, $((written >> 20)) MiB written, $((read >> 20)) MiB read back"
pn_cleanup
check "kernel log is clean" dmesg_clean
ktap_finished
