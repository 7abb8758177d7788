#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Under load, in every mode: the user resets a controller through its bus, and
# the port that it is behind reports errors, which the kernel recovers from with
# the driver's help. What was written is verified all the while.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

need_cmd fio
trap 'pn_cleanup; modprobe -r aer_inject 2> /dev/null || true' EXIT

MODES=(sync async hybrid mq)

# The user's wish: reset_prepare and reset_done.
bus_resets()
{
	echo 1 > "/sys/bus/pci/devices/$controller/reset"
}

# A packet got lost: the driver has nothing to do.
nonfatal()
{
	pn_bus_error "$port" "$PN_NONFATAL"
}

# The link cannot be trusted: the bus is reset, with all that is behind the port.
fatal()
{
	pn_bus_error "$port" "$PN_FATAL"
}

# happens RESETS WHAT...: under load; the driver resets its controller so often
happens()
{
	local before resets=$1 what

	shift
	before=$(pn_said "${disk%n1}: reset done")
	for what; do
		"$what" || { ktap_print_msg "$what: did not recover"; return 1; }
		pn_more_done "$disk" 5 || return 1
	done
	[[ $(pn_said "${disk%n1}: reset done") -eq $((before + resets)) ]]
}

# Nothing is under way but the driver's wait for events.
idle()
{
	local before

	before=$(pn_said "${disk%n1}: reset done")
	pn_set_mode "$disk" sync || return 1
	pn_verify "$disk" libaio 4k || return 1
	fatal && bus_resets && fatal && pn_verify "$disk" libaio 4k || return 1
	[[ $(pn_said "${disk%n1}: reset done") -eq $((before + 3)) &&
		$(cat "/sys/class/pollnvme/${disk%n1}/state") == live ]]
}

controller='' port=''
pn_behind_port 2.5 || skip "no controller behind a port whose link survives a reset"
modprobe aer_inject || skip "no aer_inject"

ktap_print_header
ktap_set_plan 7
dmesg_mark
pn_load
pn_bind "$controller"
disk=$(pn_pci_disk "$controller")
pn_wait_disk "$disk"
check "fatal bus errors and a reset while idle" idle
check "non-fatal bus errors" pn_under_load "$disk" sync happens 0 nonfatal nonfatal
for mode in "${MODES[@]}"; do
	pn_check_reset pci "$mode: bus errors and resets" \
		pn_under_load "$disk" "$mode" happens 3 fatal nonfatal bus_resets fatal
done
pn_cleanup
check "kernel log is clean" dmesg_clean
ktap_finished
