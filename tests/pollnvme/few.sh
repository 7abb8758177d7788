#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A controller that has fewer pairs than there are CPUs, and more interrupt messages:
# every CPU's I/O is ended by an interrupt, whichever other CPU goes offline.  The
# lab has such a controller for "run.sh --nvme SIZE,few".

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

need_cmd taskset
READS=20
trap 'online; pn_cleanup' EXIT

online()
{
	local cpu

	for cpu in /sys/devices/system/cpu/cpu*/online; do
		[[ ! -e $cpu ]] || echo 1 > "$cpu"
	done
}

# interrupts DISK: how many its controller has sent
interrupts()
{
	awk -v name="${1%n1}" '
		NR == 1 { cpus = NF; next }
		$NF == name { for (i = 2; i <= cpus + 1; i++) n += $i }
		END { print n + 0 }' /proc/interrupts
}

# read_on CPU DISK: each read has its interrupt
read_on()
{
	local before got

	before=$(interrupts "$2")
	taskset -c "$1" dd if="/dev/$2" of=/dev/null bs=4k count=$READS iflag=direct 2> /dev/null ||
		return 1
	got=$(($(interrupts "$2") - before))
	((got >= READS)) || { echo "# CPU $1: $got interrupts for $READS reads"; return 1; }
}

# all_read DISK: from every CPU that is there
all_read()
{
	local cpu

	for cpu in $(seq 0 $(($(nproc --all) - 1))); do
		taskset -c "$cpu" true 2> /dev/null || continue	# offline
		read_on "$cpu" "$1" || return 1
	done
}

# each_away DISK MODE: while each CPU that can be is offline
each_away()
{
	local cpu status=0 away=0

	pn_set_mode "$1" "$2" && all_read "$1" || return 1
	for cpu in /sys/devices/system/cpu/cpu*/online; do
		{ echo 0 > "$cpu"; } 2> /dev/null || continue
		away=$((away + 1))
		all_read "$1" || { echo "# while ${cpu%/online} is offline"; status=1; }
		echo 1 > "$cpu"
	done
	((away > 1)) || { echo "# $away CPUs went offline"; return 1; }
	return $status
}

mapfile -t controllers < <(pn_pci)
[[ ${#controllers[@]} -gt 0 ]] || skip "no NVMe controller here"
dmesg_mark
pn_load
pn_bind "${controllers[0]}"
disk=$(pn_pci_disk "${controllers[0]}")
pn_wait_disk "$disk"
queues=$(cat "/sys/class/pollnvme/${disk%n1}/queue_count")
((queues < 2 * $(nproc --all))) || skip "the controller has $queues pairs"
ktap_print_header
ktap_set_plan 5
check "async: each read is ended by an interrupt" each_away "$disk" async
check "mq: each read is ended by an interrupt" each_away "$disk" mq
check "what is written comes back" pn_verify "$disk" libaio 4k
pn_cleanup
check "the module is gone" refused grep -q '^pollnvme ' /proc/modules
check "kernel log is clean" dmesg_clean
ktap_finished
