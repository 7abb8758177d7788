#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A controller that errs, answers late or never, and lies: polled for and by
# interrupt, an I/O ends as it should, no later one suffers, nothing hangs.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

need_cmd fio
trap pn_cleanup EXIT

fault() # KIND VALUE COUNT
{
	echo "$*" > "$CONFIG/errors/fault"
}

# All that was ordered has happened
fault_used_up()
{
	[[ $(cut -d ' ' -f 3 "$CONFIG/errors/fault") -eq 0 ]]
}

read_block()
{
	timeout 120 dd if="/dev/$disk" of=/dev/null bs=4k count=1 iflag=direct 2> /dev/null
}

timeout_ms()
{
	echo "$1" > "/sys/class/pollnvme/${disk%n1}/io_timeout_ms"
}

# counted COUNTER LEAST MOST COMMAND...: what a command adds to a counter
counted()
{
	local counter=$1 least=$2 most=$3 before after
	shift 3

	before=$(pn_stat "$disk" "$counter")
	"$@" || return 1
	after=$(pn_stat "$disk" "$counter")
	((after - before >= least && after - before <= most)) ||
		{ ktap_print_msg "$counter grew by $((after - before))"; return 1; }
}

works_again()
{
	fault none 0 0 && timeout_ms 30000 && counted errors 0 0 read_block &&
		[[ $(cat "/sys/class/pollnvme/${disk%n1}/state") == live ]]
}

media_error()
{
	fault status 0x281 1
	counted errors 1 1 refused read_block && fault_used_up && works_again
}

large_read()
{
	timeout 120 dd if="/dev/$disk" of=/dev/null bs=1M count=1 iflag=direct 2> /dev/null
}

large_write()
{
	timeout 120 dd if=/dev/zero of="/dev/$disk" bs=1M count=1 oflag=direct 2> /dev/null
}

# One of the 16 commands that an I/O is split into fails; all others succeed.
error_in_part()
{
	local limit=/sys/block/$disk/queue/max_sectors_kb large old

	old=$(cat "$limit")
	echo 64 > "$limit"
	for large in large_read large_write; do
		fault status 0x281 1
		counted errors 1 1 refused $large && fault_used_up || return 1
	done
	counted errors 0 0 large_read || return 1
	echo "$old" > "$limit"
	works_again
}

# Whatever 15 bits the controller puts there, it is an error and no more.
odd_statuses()
{
	local status

	for status in 0x7ff 0x4001 0x6fe 0x7fff 0x700 0x380; do
		fault status $status 1
		counted errors 1 1 refused read_block || return 1
	done
	works_again
}

passing_error()
{
	fault status 0x82 2
	counted retried 1 2 counted errors 0 0 read_block && fault_used_up && works_again
}

lasting_error()
{
	fault status 0x82 1000
	counted errors 1 1 refused read_block && works_again
}

late_answer()
{
	fault late 300 1
	counted errors 0 0 counted timeouts 0 0 read_block && works_again
}

too_late()
{
	timeout_ms 200
	fault late 100000 1
	counted timeouts 1 1 counted errors 1 1 refused read_block && works_again
}

lost_completion()
{
	timeout_ms 200
	fault lost 0 1
	counted timeouts 1 1 counted retried 1 1 counted errors 0 0 read_block && works_again
}

all_lost()
{
	timeout_ms 50
	fault lost 0 1000000
	counted errors 1 1 refused read_block && works_again
}

lies()
{
	local engine=psync lines
	[[ $mode == sync ]] || engine=libaio
	fault "$1" 0 500
	counted errors 0 0 counted timeouts 0 0 timeout 300 \
		fio --name=lies --filename="/dev/$disk" --ioengine="$engine" --direct=1 --bs=4k \
		--size=4m --rw=randwrite --iodepth=8 --verify=crc32c --verify_fatal=1 \
		--do_verify=1 --output=/dev/null || return 1
	fault_used_up && works_again || return 1
	lines=$(dmesg_since | grep -c 'of unknown command') || true
	((lines >= 1 && lines <= 2 * $(nproc)))
}

refuses_nonsense()
{
	local bad

	for bad in '' 'lost' 'lost 0' 'nothing 0 1' 'status 0x8000 1' 'lost 0 4294967295'; do
		refused fault "$bad" || return 1
	done
	[[ $(cat "$CONFIG/errors/fault") == "none 0 0" ]]
}

ktap_print_header
ktap_set_plan 26
dmesg_mark
pn_load
disk=$(pn_ram errors size_mb=16)
pn_wait_disk "$disk"
check "orders that make no sense are refused" refuses_nonsense
for mode in sync async; do
	echo $mode > "/sys/block/$disk/pollnvme/mode"
	check "$mode: a media error fails one read" media_error
	check "$mode: one in a part of a large I/O fails all of it" error_in_part
	check "$mode: odd statuses are errors" odd_statuses
	check "$mode: a passing error is retried" passing_error
	check "$mode: one that lasts fails the read" lasting_error
	check "$mode: a late answer is waited for" late_answer
	check "$mode: one too late is aborted" too_late
	check "$mode: a lost completion: reset, sent again" lost_completion
	check "$mode: all lost: the read fails, nothing hangs" all_lost
	check "$mode: completions of unknown commands are ignored" lies unknown
	check "$mode: completions of another queue are ignored" lies foreign
	check "$mode: completions that come twice are ignored" lies twice
done
pn_cleanup
check "kernel log is clean" dmesg_clean
ktap_finished
