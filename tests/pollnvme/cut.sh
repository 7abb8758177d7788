#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Power cuts: a software controller with a volatile cache loses power at random
# points, and with it what was not flushed. What was flushed, or written with
# FUA, is there afterwards, and file systems mount. And what is written in an
# order is done in that order. POLLNVME_CUTS says how often (4); each file
# system has POLLNVME_CUTS_FS of its own (1).
#
# limit: 1200 s

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

need_cmd pollnvme_cut pollnvme_order mkfs.ext4 e2fsck mkfs.xfs xfs_repair xfs_io filefrag
trap pn_cleanup EXIT

CUTS=${POLLNVME_CUTS:-4}
CUTS_FS=${POLLNVME_CUTS_FS:-1}
disk=

# cuts NAME TIMES MODE...: sets lost and broken
cuts()
{
	local name=$1 times=$2 some='[1-9][0-9]*' any='[0-9]+' said
	shift 2

	said=$(pollnvme_cut "$CONFIG/$name" "$times" "$RANDOM" "$@" 2>&1) || true
	ktap_print_msg "${said//$'\n'/; }"
	[[ $said =~ cuts\ $times\ writes\ $some\ flushes\ $some\ lost\ ($any)\ broken\ ($any)$ ]] ||
		return 1
	lost=${BASH_REMATCH[1]} broken=${BASH_REMATCH[2]}
}

# none_broken BLOCKSIZE: never; and something was lost, which a cut right after
# a flush does not bring about
none_broken()
{
	local turn

	for ((turn = 0; turn < 5; turn++)); do
		pn_ram "cut$1" cache=1 size_mb=8 blocksize="$1" > /dev/null
		cuts "cut$1" $((CUTS / 2)) sync async hybrid || return 1
		rmdir "$CONFIG/cut$1"
		[[ $broken -eq 0 ]] || return 1
		[[ $lost -eq 0 ]] || return 0
	done
	return 1
}

# in_order WAY MODE...: what is there is a beginning, without gaps
in_order()
{
	local said

	pn_ram order size_mb=8 > /dev/null
	pn_ram_on order
	said=$(pollnvme_order "$CONFIG/order" "$((CUTS / 4 + 1))" "$RANDOM" "$@" 2>&1) || true
	ktap_print_msg "$1: $said"
	rmdir "$CONFIG/order"
	[[ $said =~ written\ [1-9][0-9]*\ gaps\ 0\ short\ 0$ ]]
}

# The disk says it has no cache: no flush is sent, and the loss must be seen.
loss_seen()
{
	local turn

	for ((turn = 0; turn < 5; turn++)); do
		pn_ram seen cache=1 size_mb=8 > /dev/null
		pn_ram_on seen
		# For as long as this disk lasts, which is one cut.
		echo "write through" > "/sys/block/$disk/queue/write_cache"
		cuts seen 1 sync || return 1
		rmdir "$CONFIG/seen"
		[[ $broken -eq 0 ]] || return 0
	done
	return 1
}

# All written and nothing flushed: all is lost. And a shutdown flushes.
plain_write_lost()
{
	dd if=/dev/urandom of="/dev/$disk" bs=4k count=16 oflag=direct 2> /dev/null || return 1
	echo 0 > "$CONFIG/raw/cut"
	pn_ram_on raw
	[[ $(head -c 65536 "/dev/$disk" | tr -d '\0' | wc -c) -eq 0 ]]
}

shutdown_flushes()
{
	local sum

	head -c 65536 /dev/urandom > /tmp/cut-data
	sum=$(md5sum < /tmp/cut-data)
	dd if=/tmp/cut-data of="/dev/$disk" bs=4k oflag=direct 2> /dev/null || return 1
	echo 0 > "$CONFIG/raw/power"
	pn_ram_on raw
	echo 0 > "$CONFIG/raw/cut"
	pn_ram_on raw
	[[ $(head -c 65536 "/dev/$disk" | md5sum) == "$sum" ]]
}

# An O_DSYNC overwrite through ext4 is a FUA write and no flush: the counter
# says so, and it must survive the loss of all that was not flushed.
fua_survives()
{
	local before pos

	mkfs.ext4 -q -F -b 4096 -O ^has_journal -E lazy_itable_init=0 "/dev/$disk" || return 1
	mkdir -p /mnt/pollnvme
	mount "/dev/$disk" /mnt/pollnvme || return 1
	dd if=/dev/zero of=/mnt/pollnvme/file bs=4k count=4 oflag=direct 2> /dev/null || return 1
	sync -f /mnt/pollnvme || sync
	pos=$(filefrag -v /mnt/pollnvme/file | awk '$1 == "0:" { print $4 + 0; exit }')
	before=$(pn_stat "$disk" flushes)
	xfs_io -d -c 'pwrite -q -S 0x61 -V 1 -D 0 4096' /mnt/pollnvme/file || return 1
	[[ $(pn_stat "$disk" flushes) -eq $before ]] ||
		{ ktap_print_msg "a flush was sent"; return 1; }
	echo 0 > "$CONFIG/raw/cut"
	umount /mnt/pollnvme
	pn_ram_on raw
	[[ $pos -gt 0 && $(dd if="/dev/$disk" bs=4k skip="$pos" count=1 2> /dev/null |
		tr -cd a | wc -c) -eq 4096 ]]
}

# writer NUMBER: files, each listed when its fsync has ended
writer()
{
	local n

	for ((n = 0; n < 10000; n++)); do
		dd if=/dev/urandom of="/mnt/pollnvme/$1-$n" bs=1k count=$((RANDOM % 64 + 1)) \
			conv=fsync 2> /dev/null || return 0
		md5sum "/mnt/pollnvme/$1-$n" >> "/tmp/cut-$1" 2> /dev/null || return 0
	done
}

fs_cut() # CHECK...
{
	local turn pids=() n

	rm -f /tmp/cut-[0-9]
	touch /tmp/cut-{1,2,3}
	mount "/dev/$disk" /mnt/pollnvme || return 1
	rm -f /mnt/pollnvme/*-*
	for n in 1 2 3; do
		writer "$n" &
		pids+=($!)
	done
	for ((turn = 0; turn < 1000; turn++)); do
		[[ $(cat /tmp/cut-[123] | wc -l) -lt $((RANDOM % 20 + 10)) ]] || break
		sleep 0.1
	done
	echo "$RANDOM" > "$CONFIG/$fs/cut"
	wait "${pids[@]}"
	umount /mnt/pollnvme || return 1
	pn_ram_on "$fs"
	mount "/dev/$disk" /mnt/pollnvme || return 1
	# The last line may be of a file whose sum could not be read any more.
	[[ $(cat /tmp/cut-[123] | wc -l) -ge 10 ]] || return 1
	md5sum -s -c <(cat /tmp/cut-[123]) || return 1
	umount /mnt/pollnvme || return 1
	"$@" "/dev/$disk" > /tmp/cut-check 2>&1 || { sed 's/^/# /' /tmp/cut-check; return 1; }
}

fs_survives()
{
	local fs=$1 turn
	shift

	pn_ram "$fs" cache=1 size_mb="$1" > /dev/null
	shift
	pn_ram_on "$fs"
	mkfs."$fs" -q -f "/dev/$disk" 2> /dev/null || mkfs."$fs" -q -F "/dev/$disk" || return 1
	mkdir -p /mnt/pollnvme
	for ((turn = 0; turn < CUTS_FS; turn++)); do
		fs_cut "$@" || return 1
	done
	rmdir "$CONFIG/$fs"
}

ktap_print_header
ktap_set_plan 13
dmesg_mark
pn_load
pn_ram raw cache=1 size_mb=8 > /dev/null
pn_ram_on raw
check "what was not flushed is lost" plain_write_lost
check "a shutdown flushes" shutdown_flushes
check "a FUA write alone survives" fua_survives
rmdir "$CONFIG/raw"
for size in 512 4096; do
	check "$size: nothing flushed is ever lost" none_broken "$size"
done
check "without flushes the loss is seen" loss_seen
check "order: one thread" in_order one sync async hybrid
check "order: many threads" in_order many sync async hybrid
check "order: libaio, polled" in_order libaio sync
check "order: io_uring, linked" in_order uring sync async hybrid
check "ext4: mounts, and has what was synced" fs_survives ext4 64 e2fsck -fn
check "xfs: mounts, and has what was synced" fs_survives xfs 320 xfs_repair -n
pn_cleanup
check "kernel log is clean" dmesg_clean
ktap_finished
