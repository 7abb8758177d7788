#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Under load, again and again: resets, CPUs that go and come, modes that change,
# a disk that is pulled out. What was written is verified all the while; on
# blk-mq disks, too.
# POLLNVME_STORMS says how often each happens (1).
#
# limit: 3600 s

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

need_cmd fio taskset
trap 'cpus_back; pn_cleanup' EXIT

TURNS=${POLLNVME_STORMS:-1}
MODES=(sync async hybrid)
ALL_MODES=(mq "${MODES[@]}")

cpus_back()
{
	local cpu

	for cpu in /sys/devices/system/cpu/cpu*/online; do
		[[ $(cat "$cpu") -eq 1 ]] || echo 1 > "$cpu" || true
	done
}

reset_once() # DISK TURN
{
	echo 1 > "/sys/class/pollnvme/${1%n1}/reset_controller"
}

# A blk-mq disk has but one.
change_mode() # DISK TURN
{
	[[ ! -d /sys/block/$1/mq ]] || return 0
	echo "${MODES[$2 % 3]}" > "/sys/block/$1/pollnvme/mode"
}

# A CPU goes, with its queue pairs busy, and comes back.
cpu_once() # DISK TURN
{
	local cpu=/sys/devices/system/cpu/cpu$((1 + $2 % ($(nproc --all) - 1)))/online

	echo 0 > "$cpu" || return 1
	pn_more_done "$1" 5 || return 1
	echo 1 > "$cpu"
}

# Some of all, one hard upon the other.
all_once()
{
	change_mode "$@" && reset_once "$@" && cpu_once "$@" && change_mode "$1" $(($2 + 1))
}

storm() # DISK WHAT
{
	local turn disk=$1

	pn_writers_on "$disk" || return 1
	for ((turn = 0; turn < TURNS; turn++)); do
		change_mode "$disk" $((turn / 2)) || return 1
		"$2" "$disk" "$turn" || return 1
		pn_more_done "$disk" 5 || return 1
	done
	pn_writers_off_well "$disk"
}

# pulled_out NAME: without a word; what is written then fails, and nothing hangs
pulled_out()
{
	local turn

	for ((turn = 0; turn < TURNS; turn++)); do
		pn_ram_on "$1"
		pn_set_mode "$disk" "${ALL_MODES[$((turn % 4))]}" || return 1
		pn_writers_on "$disk" || return 1
		echo 1 > "$CONFIG/$1/cut" || return 1
		wait "$WRITERS" && return 1	# it fails by itself
		[[ ! -e /sys/block/$disk ]] || return 1
	done
	pn_ram_on "$1"
	head -c 1048576 "/dev/$disk" > /dev/null
}

pci_on() # ADDRESS: bound; sets disk
{
	pn_bind "$1"
	disk=$(pn_pci_disk "$1")
	pn_wait_disk "$disk"
}

# Taken away by the bus, and found again.
bus_removes() # ADDRESS
{
	local turn

	for ((turn = 0; turn < TURNS; turn++)); do
		pn_set_mode "$disk" "${ALL_MODES[$((turn % 4))]}" || return 1
		pn_writers_on "$disk" || return 1
		echo 1 > "/sys/bus/pci/devices/$1/remove" || return 1
		wait "$WRITERS" && return 1
		[[ ! -e /sys/block/$disk ]] || return 1
		echo 1 > /sys/bus/pci/rescan
		pci_on "$1"
	done
	head -c 1048576 "/dev/$disk" > /dev/null
}

ktap_print_header
ktap_set_plan 13
dmesg_mark
pn_load
mapfile -t controllers < <(pn_pci)
pn_ram storm size_mb=32 > /dev/null
pn_ram_on storm
check "ram: resets ($TURNS)" storm "$disk" reset_once
check "ram: CPUs go and come ($TURNS)" storm "$disk" cpu_once
check "ram: all at once ($TURNS)" storm "$disk" all_once
pn_set_mode "$disk" mq || die "no blk-mq disk"
check "ram: mq: resets ($TURNS)" storm "$disk" reset_once
check "ram: mq: CPUs go and come ($TURNS)" storm "$disk" cpu_once
echo 0 > "$CONFIG/storm/power"
check "ram: pulled out ($TURNS)" pulled_out storm
if [[ ${#controllers[@]} -gt 0 ]]; then
	pci_on "${controllers[0]}"
	check "pci: CPUs go and come ($TURNS)" storm "$disk" cpu_once
	pn_check_reset pci "pci: resets ($TURNS)" storm "$disk" reset_once
	pn_set_mode "$disk" mq || die "no blk-mq disk"
	check "pci: mq: CPUs go and come ($TURNS)" storm "$disk" cpu_once
	pn_check_reset pci "pci: mq: resets ($TURNS)" storm "$disk" reset_once
	pn_check_reset pci "pci: removed by the bus ($TURNS)" bus_removes "${controllers[0]}"
else
	for name in CPUs resets mq-CPUs mq-resets removed; do
		ktap_test_skip "pci: $name: no controller"
	done
fi
check "every CPU is back" test "$(nproc)" -eq "$(nproc --all)"
pn_cleanup
check "kernel log is clean" dmesg_clean
ktap_finished
