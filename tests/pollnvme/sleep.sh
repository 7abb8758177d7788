#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The system sleeps and wakes up under load, in every mode. What was written is
# verified all the while. It sleeps as far as the kernel's own test of it goes,
# /sys/power/pm_test: tasks are frozen, devices lose power, CPUs go; and in
# earnest, until the clock wakes it.
#
# The guest's results must wait in memory (corelane.results=late): virtio-9p
# does not wake up.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

need_cmd fio
[[ -w /sys/power/pm_test ]] || skip "no /sys/power/pm_test"
! grep -q '^[^ ]* /results 9p ' /proc/mounts || skip "virtio-9p would not wake up"

MODES=(sync async hybrid mq)
DELAY=/sys/module/suspend/parameters/pm_test_delay
VM=/proc/sys/vm
ALARM=/sys/class/rtc/rtc0/wakealarm

sleep_back()
{
	echo none > /sys/power/pm_test
	echo 5 > $DELAY
}
trap 'sleep_back; pn_cleanup; modprobe -r aer_inject 2> /dev/null || true' EXIT

# sleep_as STATE DEPTH
sleep_as()
{
	echo "$2" > /sys/power/pm_test && echo "$1" > /sys/power/state ||
		{ ktap_print_msg "$1 does not work down to $2"; return 1; }
}

# sleeps RESETS: three depths, the driver resets its controller so often
sleeps()
{
	local before depth

	before=$(pn_said "${disk%n1}: reset done")
	for depth in freeze:devices freeze:platform mem:core; do
		sleep_as "${depth%:*}" "${depth#*:}" || return 1
		pn_more_done "$disk" 5 || return 1
	done
	[[ $(pn_said "${disk%n1}: reset done") -eq $((before + $1)) ]]
}

# Nothing but memory has power; the firmware wakes the system. The alarm must not
# ring before it sleeps.
sleeps_deep()
{
	local before

	before=$(pn_said "${disk%n1}: reset done")
	echo deep > /sys/power/mem_sleep && echo 0 > $ALARM && echo +30 > $ALARM || return 1
	sleep_as mem none && pn_more_done "$disk" 5 || return 1
	[[ $(pn_said "${disk%n1}: reset done") -eq $((before + 1)) ]] &&
		[[ $(pn_said 'Waking up from system sleep state S3') -gt 0 ]]
}

# sleeps_dirty: while every other page is being written back, by nobody who is frozen
sleeps_dirty()
{
	local writes

	echo $((1 << 29)) > $VM/dirty_background_bytes
	fio --name=dirty --filename="/dev/$disk" --ioengine=psync --rw=write:4k --bs=4k \
		--size=240m --output=/tmp/sleep-log || return 1
	writes=$(pn_stat "$disk" writes)
	echo 1 > $VM/dirty_expire_centisecs
	echo 1 > $VM/dirty_writeback_centisecs
	echo 65536 > $VM/dirty_background_bytes
	sleep_as mem core || return 1
	ktap_print_msg "$(($(pn_stat "$disk" writes) - writes)) writes until it was awake"
	sync "/dev/$disk"
	ktap_print_msg "$(($(pn_stat "$disk" writes) - writes)) writes in all"
}

# What writes back from the page cache is not frozen, and has requests under way when
# the controller stops and the CPUs go.
sleeps_writing_back()
{
	local was turn status=0

	was=$(cat $VM/dirty_{ratio,background_ratio,expire_centisecs,writeback_centisecs})
	pn_set_mode "$disk" mq || return 1
	echo 0 > /sys/power/sync_on_suspend
	echo $((1 << 30)) > $VM/dirty_bytes
	# Held open, or who wrote would write back at its end.
	exec 9<> "/dev/$disk"
	for ((turn = 0; turn < 3 && !status; turn++)); do
		sleeps_dirty || status=1
	done
	exec 9>&-
	echo 1 > /sys/power/sync_on_suspend
	for turn in ratio background_ratio expire_centisecs writeback_centisecs; do
		echo "${was%%$'\n'*}" > $VM/dirty_$turn
		was=${was#*$'\n'}
	done
	[[ $(pn_stat "$disk" errors) -eq 0 ]] && return $status
}

can_sleep_deep() { grep -q deep /sys/power/mem_sleep 2> /dev/null && [[ -w $ALARM ]]; }

# check_pci MODE WHAT COMMAND...: under load in this mode. In mode sync frozen tasks have
# nothing under way, which QEMU 7 survives.
check_pci()
{
	local how=(pn_check_reset pci)

	[[ $1 != sync ]] || how=(check)
	"${how[@]}" "pci: $1: $2" pn_under_load "$disk" "$1" "${@:3}"
}

# What was written before is there after, and so is the bus's way back from an
# error: sleep uses up what the kernel saved of the controller.
error_after_sleep()
{
	pn_set_mode "$disk" sync || return 1
	pn_verify "$disk" libaio 4k || return 1
	sleep_as mem core && pn_verify "$disk" libaio 4k || return 1
	pn_bus_error "$port" "$PN_FATAL" && pn_verify "$disk" libaio 4k || return 1
	[[ $(cat "/sys/class/pollnvme/${disk%n1}/state") == live ]]
}

ktap_print_header
ktap_set_plan 14
dmesg_mark
pn_load
# It waits so many seconds before it wakes up.
echo 0 > $DELAY
pn_ram sleep size_mb=32 > /dev/null
pn_ram_on sleep
for mode in "${MODES[@]}"; do
	check "ram: $mode: the system sleeps" pn_under_load "$disk" "$mode" sleeps 0
done
mapfile -t controllers < <(pn_pci)
if [[ ${#controllers[@]} -gt 0 ]]; then
	pn_bind "${controllers[0]}"
	disk=$(pn_pci_disk "${controllers[0]}")
	pn_wait_disk "$disk"
	for mode in "${MODES[@]}"; do
		check_pci "$mode" 'the system sleeps' sleeps 3
	done
	# QEMU 7 survives it: nothing is in flight when its controller is disabled.
	check "pci: mq: the system sleeps while it writes back" sleeps_writing_back
	for mode in sync async; do
		if can_sleep_deep; then
			check_pci "$mode" 'suspend to RAM' sleeps_deep
		else
			ktap_test_skip "pci: $mode: suspend to RAM: not on this machine"
		fi
	done
	port=$(pn_port "${controllers[0]}")
	if [[ -n $port ]] && modprobe aer_inject; then
		check "pci: a fatal bus error after sleep" error_after_sleep
	else
		ktap_test_skip "pci: a fatal bus error after sleep: no port, or no aer_inject"
	fi
else
	for name in "${MODES[@]}" writeback sync-deep async-deep error; do
		ktap_test_skip "pci: $name: no controller"
	done
fi
rmdir "$CONFIG/sleep"
sleep_back
pn_cleanup
check "every CPU is back" test "$(nproc)" -eq "$(nproc --all)"
check "kernel log is clean" dmesg_clean
ktap_finished
