#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# nvme-cli works on our nodes, on both transports, and commands that lie about
# their length reach nothing.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

need_cmd nvme jq python3 setpriv
work=$(mktemp -d)
ask=$(dirname "$0")/nvme_ioctl.py
as=()	# whom python runs as

# tried NODE [LINE]...: the lines go to nvme_ioctl.py
tried()
{
	local node=$1
	shift

	printf '%s\n' "$@" | ${as[@]+"${as[@]}"} python3 "$ask" try "$node"
}

# field NODE COMMAND NAME: of the JSON that nvme-cli prints
field()
{
	nvme "$2" "$1" -o json | jq -r ".$3"
}

id_ctrl()
{
	local class=/sys/class/pollnvme/$1 node

	for node in "/dev/$1" "/dev/${1}n1"; do
		[[ $(field "$node" id-ctrl mn | sed 's/ *$//') == "$(cat "$class/model")" &&
			$(field "$node" id-ctrl sn | sed 's/ *$//') == \
			"$(cat "$class/serial")" ]] || return 1
	done
}

id_ns()
{
	local blocks size

	blocks=$(field "/dev/$1" id-ns nsze)
	size=$(cat "/sys/block/$1/queue/logical_block_size")
	[[ $((blocks * size / 512)) -eq $(cat "/sys/block/$1/size") &&
		$(nvme get-ns-id "/dev/$1") == *":1" ]]
}

logs()
{
	[[ $(field "/dev/$1" smart-log critical_warning) == 0 ]] &&
		nvme fw-log "/dev/$1" > /dev/null && nvme error-log "/dev/$1" -e 4 > /dev/null
}

feature()
{
	[[ $(nvme get-feature "/dev/$1" -f 7) == *"Current value:"* ]]
}

write_and_read()
{
	local disk=$1 size=$2

	head -c "$size" /dev/urandom > "$work/out"
	nvme write "/dev/$disk" -s 64 -c $((size / 512 - 1)) -z "$size" -d "$work/out" \
		> "$work/told" 2>&1 || { cat "$work/told"; return 1; }
	dd if="/dev/$disk" of="$work/seen" bs=512 skip=64 count=$((size / 512)) \
		iflag=direct 2> /dev/null
	cmp "$work/out" "$work/seen" || return 1
	rm -f "$work/in"
	nvme read "/dev/$disk" -s 64 -c $((size / 512 - 1)) -z "$size" -d "$work/in" \
		> "$work/told" 2>&1 || { cat "$work/told"; return 1; }
	cmp "$work/out" "$work/in"
}

zeroes() # DISK SECTOR
{
	[[ -z $(dd if="/dev/$1" bs=512 skip="$2" count=8 iflag=direct 2> /dev/null | tr -d '\0' |
		head -c 1) ]]
}

write_zeroes()
{
	! zeroes "$1" 64 && nvme write-zeroes "/dev/$1" -s 64 -c 7 > /dev/null && zeroes "$1" 64 &&
		! zeroes "$1" 72
}

discards()
{
	# What the controller does not know must say so, and nothing else.
	if [[ $(($(field "/dev/${1%n1}" id-ctrl oncs) & 4)) -ne 0 ]]; then
		nvme dsm "/dev/$1" -s 64 -b 8 -d > /dev/null
	else
		tried "/dev/$1" '0x4001 io 9 1 0 0 16 cdw11=4'
	fi
}

passthrough()
{
	nvme io-passthru "/dev/$1" -o 2 -n 1 -l 4096 -r --cdw10=72 --cdw12=7 -b 2> /dev/null \
		> "$work/raw" || return 1
	dd if="/dev/$1" of="$work/seen" bs=512 skip=72 count=8 iflag=direct 2> /dev/null
	cmp -s "$work/raw" "$work/seen" &&
		nvme admin-passthru "/dev/${1%n1}" -o 6 -l 4096 -r --cdw10=1 > /dev/null 2>&1
}

# A length that the command belies, memory nobody has, queues that are ours.
lies()
{
	tried "/dev/$1" 'EINVAL io 2 1 0 7 512' 'EINVAL io 2 1 0 0xffff 4096' \
		'EINVAL io 2 1 0 0 0x7fffffff' 'EINVAL io 2 2 0 0 512' \
		'EINVAL io 2 1 0 0 512 metadata_len=8' 'EINVAL io 2 1 0 0 512 flags=1' \
		'EFAULT io 2 1 0 0 512 addr=0' 'EFAULT io 1 1 0 0 512 addr=1' \
		'0x0 io 2 1 0 0 4096' '0x4080 io 2 1 0xfffffff0 7 4096' || return 1
	tried "/dev/${1%n1}" 'EINVAL admin 2 1 0x00ff0002 0 512' 'EINVAL admin 6 0 1 0 4095' \
		'ENOTSUP admin 0 0 1 0 0' 'ENOTSUP admin 0x80 1 0 0 0' \
		'0x0 admin 6 0 1 0 4096' 'ENOTTY io 2 1 0 0 512'
}

nobody()
{
	local as=(setpriv --reuid=65534 --clear-groups)

	chmod 666 "/dev/$1" "/dev/${1%n1}"
	tried "/dev/${1%n1}" 'EACCES admin 6 0 1 0 4096' &&
		tried "/dev/$1" 'EACCES io 2 1 0 0 512' &&
		! "${as[@]}" nvme reset "/dev/${1%n1}" > /dev/null 2>&1
}

# Commands from user space and the disk's own I/O, through resets.
reset_under_load()
{
	local disk=$1 turn load

	dd if="/dev/$disk" of=/dev/null bs=4k count=4000 iflag=direct 2> /dev/null &
	load=$!
	for ((turn = 0; turn < 3; turn++)); do
		nvme reset "/dev/${disk%n1}" > /dev/null || return 1
		nvme id-ctrl "/dev/${disk%n1}" > /dev/null || return 1
	done
	wait "$load" && [[ $(pn_stat "$disk" errors) -eq 0 ]]
}

flushed()
{
	nvme flush "/dev/$1" > /dev/null
}

# An answer that does not come: the command is aborted, and then there is a reset.
unanswered()
{
	local disk=$1

	echo "${2:-lost} ${3:-0} 1" > "$CONFIG/nvme/fault"
	tried "/dev/$disk" "${4:-EINTR} io 2 1 0 0 512 timeout_ms=200" '0x0 io 2 1 0 0 512'
}

# The open file outlives its controller, and keeps nothing but itself.
held()
{
	local node=$1 gone=$2 said
	shift 2

	coproc HOLD { exec python3 "$ask" hold "$node"; }
	read -r said <&"${HOLD[0]}"
	[[ $said == open ]] || return 1
	"$@" "$gone" || return 1
	echo go >&"${HOLD[1]}"
	read -r said <&"${HOLD[0]}"
	wait "$HOLD_PID"
	[[ $said == ENODEV ]] || { echo "# $said, not ENODEV"; return 1; }
}

node_tests() # KIND DISK
{
	local kind=$1 disk=$2

	pn_wait_disk "$disk"
	check "$kind: id-ctrl, on controller and disk" id_ctrl "${disk%n1}"
	check "$kind: id-ns" id_ns "$disk"
	check "$kind: smart-log, fw-log, error-log" logs "${disk%n1}"
	check "$kind: get-feature" feature "${disk%n1}"
	check "$kind: write and read, one page" write_and_read "$disk" 4096
	check "$kind: write and read, with a list" write_and_read "$disk" 131072
	check "$kind: flush" flushed "$disk"
	check "$kind: write-zeroes" write_zeroes "$disk"
	check "$kind: dsm" discards "$disk"
	check "$kind: passthrough" passthrough "$disk"
	check "$kind: lengths that lie are refused" lies "$disk"
	check "$kind: not for everybody" nobody "$disk"
	pn_check_reset "$kind" "$kind: reset under load" reset_under_load "$disk"
}

trap 'pn_cleanup; rm -rf "$work"' EXIT
ktap_print_header
ktap_set_plan 31
dmesg_mark
pn_load
ram=$(pn_ram nvme size_mb=16)
node_tests ram "$ram"
check "ram: lost: a reset ends it" unanswered "$ram"
check "ram: late: an abort ends it" unanswered "$ram" late 5000 0x7
check "ram: a file outlives its controller" held "/dev/${ram%n1}" "$CONFIG/nvme" rmdir
mapfile -t controllers < <(pn_pci)
if [[ ${#controllers[@]} -gt 0 ]]; then
	pn_bind "${controllers[0]}"
	node_tests pci "$(pn_pci_disk "${controllers[0]}")"
else
	for name in id-ctrl id-ns logs feature page list flush zeroes dsm passthrough lies others \
		reset; do
		ktap_test_skip "pci $name: no controller"
	done
fi
pn_cleanup
check "the module is gone" refused grep -q '^pollnvme ' /proc/modules
check "kernel log is clean" dmesg_clean
ktap_finished
