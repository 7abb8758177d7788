#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A real udevd with our rules: disks get lasting names, lose them with the disk,
# and nothing is read ahead where completion is synchronous.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

need_cmd udevadm addpart delpart mkfs.ext4
rules=$(dirname "$0")/../../udev
[[ -d $rules ]] || skip "no rules here"
daemon=''

# It is udevadm by another name.
udevd_start()
{
	local turn

	mkdir -p /etc/udev/rules.d
	cp "$rules"/*.rules /etc/udev/rules.d/
	(exec -a systemd-udevd udevadm) 2> /tmp/udevd.log &
	daemon=$!
	# Its socket is not there at once.
	for ((turn = 0; turn < 300; turn++)); do
		! udevadm control --ping --timeout=60 2> /dev/null || return 0
		sleep 0.1
	done
	return 1
}

udevd_stop()
{
	local turn

	[[ -n $daemon ]] || return 0
	udevadm control --exit --timeout=60 || true
	for ((turn = 0; turn < 100; turn++)); do
		kill -0 "$daemon" 2> /dev/null || break
		sleep 0.1
	done
	kill "$daemon" 2> /dev/null || true
	wait "$daemon" || true
	daemon=''
}

clean_up()
{
	pn_cleanup
	udevd_stop
	rm -rf /run/udev /etc/udev/rules.d/6?-pollnvme*.rules
}
trap clean_up EXIT

settled()
{
	udevadm settle --timeout=60
}

# leads LINK NODE: in /dev/disk
leads()
{
	settled || return 1
	[[ ! -L /dev/disk/$1 || $(readlink -f "/dev/disk/$1") != "/dev/$2" ]] || return 0
	echo "# no $1 to $2: $(cd /dev/disk && echo ./*/*)"
	return 1
}

# serial_of DISK: its model, serial number and namespace, as names have them
serial_of()
{
	local class=/sys/class/pollnvme/${1%n*}

	printf '%s_%s_%s\n' "$(sed 's/ *$//' "$class/model")" \
		"$(sed 's/ *$//' "$class/serial")" \
		"$(cat "/sys/block/$1/pollnvme/nsid")" | tr ' ' _
}

# named DISK: by its controller and by what is unique in the world
named()
{
	leads "by-id/pollnvme-$(serial_of "$1")" "$1" &&
		leads "by-id/pollnvme-$(tr ' ' _ < "/sys/block/$1/pollnvme/wwid")" "$1"
}

# nothing_left: no link leads to a disk of ours, or nowhere
nothing_left()
{
	settled && [[ ! -d /dev/disk || -z $(find /dev/disk -type l -lname '*pollnvme*') ]]
}

partition_named()
{
	local status=0

	addpart "/dev/$1" 1 2048 8192
	leads "by-id/pollnvme-$(serial_of "$1")-part1" "${1}p1" || status=1
	delpart "/dev/$1" 1
	settled && [[ ! -e /dev/disk/by-id/pollnvme-$(serial_of "$1")-part1 ]] || status=1
	return $status
}

# What mkfs writes, udevd sees when mkfs closes the disk.
file_system_named()
{
	local uuid=c0e1a9e0-0000-4000-8000-00000000000${1: -3:1}

	mkfs.ext4 -q -F -U "$uuid" -L "fs-$1" "/dev/$1" || return 1
	leads "by-uuid/$uuid" "$1" && leads "by-label/fs-$1" "$1"
}

# ahead DISK: KiB that are read ahead
ahead()
{
	settled && cat "/sys/block/$1/queue/read_ahead_kb"
}

nothing_ahead()
{
	[[ $(ahead "$1") == 0 ]]
}

# The rule leaves other modes alone, and looks again at an event.
ahead_by_mode()
{
	local disk=/sys/block/$1

	echo async > "$disk/pollnvme/mode"
	echo 128 > "$disk/queue/read_ahead_kb"
	udevadm trigger --action=change "$disk" && [[ $(ahead "$1") == 128 ]] || return 1
	echo sync > "$disk/pollnvme/mode"
	udevadm trigger --action=change "$disk" && nothing_ahead "$1"
}

# try_disk KIND DISK
try_disk()
{
	check "$1: links in by-id lead to the disk" named "$2"
	check "$1: and one to its partition, as long as there is one" partition_named "$2"
	check "$1: a file system's UUID and label do" file_system_named "$2"
	check "$1: nothing is read ahead" nothing_ahead "$2"
	check "$1: but in other modes" ahead_by_mode "$2"
}

mapfile -t controllers < <(pn_pci)
ktap_print_header
ktap_set_plan 16
dmesg_mark
pn_load
check "udevd runs" udevd_start
disk=$(pn_ram udev size_mb=64)
pn_wait_disk "$disk"
try_disk ram "$disk"
rmdir "$CONFIG/udev"
check "ram: the links went with the disk" nothing_left
if [[ ${#controllers[@]} -gt 0 ]]; then
	pn_bind "${controllers[0]}"
	disk=$(pn_pci_disk "${controllers[0]}")
	pn_wait_disk "$disk"
	try_disk pci "$disk"
	pn_unbind "${controllers[0]}"
	check "pci: the links went with the disk" nothing_left
else
	for name in links partition "file system" readahead modes end; do
		ktap_test_skip "pci: $name: no NVMe controller here"
	done
fi
udevd_stop
check "no daemon stays" refused pgrep -x systemd-udevd
pn_cleanup
check "the module is gone" refused grep -q '^pollnvme ' /proc/modules
check "kernel log is clean" dmesg_clean
ktap_finished
