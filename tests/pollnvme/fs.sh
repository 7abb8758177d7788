#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ext4 and xfs with several tasks on them that do all sorts of things to files,
# while the disk's mode changes; the file system is sound afterwards, and the
# files are what they must be. POLLNVME_FULL=1 does every mode on every disk,
# at length.
#
# limit: 3600 s

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

need_cmd mkfs.ext4 e2fsck mkfs.xfs xfs_repair pollnvme_files
trap pn_cleanup EXIT

FULL=${POLLNVME_FULL:-0}
MNT=/mnt/pollnvme
TASKS=4
STEPS=$((FULL ? 2000 : 150))

make_fs() # FS DISK
{
	case $1 in
	ext4) mkfs.ext4 -q -F "/dev/$2" ;;
	# It has no doubts but that the disk is small.
	xfs) mkfs.xfs -q -f --unsupported "/dev/$2" 2> /dev/null ;;
	esac
}

sound() # FS DISK
{
	case $1 in
	ext4) e2fsck -fn "/dev/$2" ;;
	xfs) xfs_repair -n "/dev/$2" ;;
	esac > /tmp/fs-check 2>&1 && return 0
	sed 's/^/# /' /tmp/fs-check
	return 1
}

# turning DISK PID: through all modes, for as long as that lasts
turning()
{
	local mode

	while [[ -d /proc/$2 ]]; do
		for mode in async hybrid sync; do
			echo "$mode" > "/sys/block/$1/pollnvme/mode" || return 1
			sleep 0.1
		done
	done
}

# works DISK FS MODE: mode "turning" is one after another
works()
{
	local disk=$1 fs=$2 mode=$3 seed=$RANDOM turned=0 load

	pn_set_mode "$disk" "${mode/turning/sync}" || return 1
	make_fs "$fs" "$disk" || return 1
	mkdir -p $MNT
	mount -t "$fs" "/dev/$disk" $MNT || return 1
	pollnvme_files $MNT "$seed" $STEPS $TASKS &
	load=$!
	if [[ $mode == turning ]]; then
		turning "$disk" $load || turned=1
	fi
	wait $load && [[ $turned -eq 0 ]] || { ktap_print_msg "seed $seed"; return 1; }
	umount $MNT && sound "$fs" "$disk" || return 1
	mount -t "$fs" "/dev/$disk" $MNT || return 1
	pollnvme_files $MNT "$seed" $STEPS $TASKS check ||
		{ ktap_print_msg "seed $seed"; return 1; }
	umount $MNT
	[[ $(pn_stat "$disk" writes) -gt $STEPS && $(pn_stat "$disk" errors) -eq 0 &&
		$(pn_stat "$disk" timeouts) -eq 0 ]]
}

disk_tests() # KIND DISK FS:MODE...
{
	local kind=$1 disk=$2 item fs mode
	shift 2

	pn_wait_disk "$disk"
	if [[ $FULL -eq 1 ]]; then
		set --
		for fs in ext4 xfs; do
			for mode in sync async hybrid turning mq; do
				set -- "$@" "$fs:$mode"
			done
		done
	fi
	for item; do
		check "$kind: ${item/:/: }" works "$disk" "${item%:*}" "${item#*:}"
	done
}

ktap_print_header
ktap_set_plan $(((FULL ? 20 : 4) + 1))
dmesg_mark
pn_load
mapfile -t controllers < <(pn_pci)
disk=$(pn_ram fs size_mb=128 cache=1)
disk_tests ram "$disk" ext4:turning xfs:mq
rmdir "$CONFIG/fs"
if [[ ${#controllers[@]} -gt 0 ]]; then
	pn_bind "${controllers[0]}"
	disk_tests pci "$(pn_pci_disk "${controllers[0]}")" ext4:mq xfs:turning
else
	for ((n = FULL ? 10 : 2; n; n--)); do
		ktap_test_skip "pci: no controller"
	done
fi
pn_cleanup
check "kernel log is clean" dmesg_clean
ktap_finished
