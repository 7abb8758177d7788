#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fsync on a file system that writes page by page where the kernel lets it (FAT, by
# mpage's helpers; Linux 6.1 asks a disk's rw_page first): it returns when the page is
# written, though another thread has just begun to write it back.
#
# limit: 600 s

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

need_cmd mkdosfs pollnvme_fsync
modprobe vfat 2> /dev/null || skip "no FAT in this kernel"
trap pn_cleanup EXIT

ROUNDS=${POLLNVME_FSYNCS:-10000}
MNT=/mnt/pollnvme

# fresh MODE: a new file system on the disk
fresh()
{
	pn_set_mode "$disk" "$1" && mkdosfs "/dev/$disk" > /dev/null &&
		mkdir -p $MNT && mount -t vfat "/dev/$disk" $MNT
}

# waits MODE: the disk has no cache to flush, which would take its time
waits()
{
	local said

	fresh "$1" || return 1
	said=$(pollnvme_fsync $MNT/file "$ROUNDS") || return 1
	ktap_print_msg "$1: $said"
	umount $MNT
	[[ $said == "rounds $ROUNDS early 0" && $(pn_stat "$disk" errors) -eq 0 ]]
}

# files ARGUMENT...: fio, by way of the page cache
files()
{
	fio --name=pages --directory=$MNT --size=4m --numjobs=4 --thread --rw=randwrite \
		--bsrange=512-64k --verify=crc32c --verify_fatal=1 --randseed=7 "$@" > /dev/null
}

# is_there MODE: after the file system was away
is_there()
{
	fresh "$1" || return 1
	files --do_verify=0 --fsync=64 --end_fsync=1 || return 1
	umount $MNT && mount -t vfat "/dev/$disk" $MNT || return 1
	files --verify_only && umount $MNT && [[ $(pn_stat "$disk" errors) -eq 0 ]]
}

ktap_print_header
ktap_set_plan 5
dmesg_mark
pn_load
disk=$(pn_ram fsync size_mb=64 latency_ns=50000)
pn_wait_disk "$disk"
for mode in async sync; do
	check "$mode: fsync waits for what another thread writes back" waits $mode
	check "$mode: what was written is there when it is mounted again" is_there $mode
done
pn_cleanup
check "kernel log is clean" dmesg_clean
ktap_finished
