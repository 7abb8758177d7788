#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A bus error that the bus does not recover from, for the link of the port does
# not come up again: the kernel does not tell the driver. What is read then waits
# until the user resets the controller, or removes it.
#
# The lab has such a port for "run.sh --nvme SIZE,lost".

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

need_cmd fio
READER=''

clean_up()
{
	kill $READER 2> /dev/null || true
	pn_cleanup
	modprobe -r aer_inject 2> /dev/null || true
}
trap clean_up EXIT

state() { cat "/sys/class/pollnvme/${disk%n1}/state"; }

# lost: an error; a reader that waits
lost()
{
	! pn_bus_error "$port" "$PN_FATAL" || { ktap_print_msg "the bus recovered"; return 1; }
	[[ $(state) == resetting ]] || return 1
	dd if="/dev/$disk" of=/tmp/lost bs=4k count=1 iflag=direct 2> /dev/null &
	READER=$!
	sleep 1
	kill -0 "$READER"
}

user_resets()
{
	lost && echo 1 > "/sys/bus/pci/devices/$controller/reset" || return 1
	wait "$READER" && [[ $(state) == live ]] && pn_verify "$disk" libaio 4k
}

user_removes()
{
	lost && echo 1 > "/sys/bus/pci/devices/$controller/remove" || return 1
	! wait "$READER" && [[ ! -e /sys/block/$disk ]]
}

controller='' port=''
pn_behind_port 5.0 8.0 16.0 32.0 64.0 || skip "no controller behind a port whose link is lost"
modprobe aer_inject || skip "no aer_inject"

ktap_print_header
ktap_set_plan 3
dmesg_mark
pn_load
pn_bind "$controller"
disk=$(pn_pci_disk "$controller")
pn_wait_disk "$disk"
pn_set_mode "$disk" sync
check "what waits goes on when the user resets the controller" user_resets
check "what waits ends when the user removes the controller" user_removes
pn_cleanup
check "kernel log is clean" dmesg_clean
ktap_finished
