#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a disk tells about itself: to an application (POLLNVME_IOCTL_INFO), to a
# user (corelane block), to whoever traces it.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

need_cmd corelane jq fio blkdiscard unshare
trap pn_cleanup EXIT
tracing=/sys/kernel/tracing/events/pollnvme

# says DISK FILTER: jq's filter holds for what the disk answers
says()
{
	corelane block status "$1" --json | jq -e ".[0] | $2" > /dev/null
}

reads() # DISK SIZE COUNT
{
	taskset -c 1 dd if="/dev/$1" of=/dev/null bs="$2" count="$3" iflag=direct 2> /dev/null
}

begins_synchronous()
{
	says "$1" '.synchronous and .interrupts and .mode == "sync" and .state == "live"'
}

# One in 64 teaches: read until one did.
learns()
{
	local turn

	corelane block set "$1" hybrid_limit_us=1000000
	for ((turn = 0; turn < 50; turn++)); do
		reads "$1" 4k 200
		! says "$1" '.sync_bytes == 4096' || break
	done
	says "$1" '[.expected[] | select(.bytes == 4096)][0] | .read_ns > 0 and .write_ns == 0'
}

# What clears blocks says nothing of what a write takes.
zeroes_teach_nothing()
{
	local turn

	corelane block set "$1" mode=hybrid
	for ((turn = 0; turn < 20; turn++)); do
		blkdiscard -z -l 4096 "/dev/$1" || return 1
	done
	corelane block set "$1" mode=sync
	says "$1" '[.expected[].write_ns] | add == 0'
}

# Six that poll have one CPU: what they spin together is no more than its time.
spin_is_own()
{
	local spun begun took

	echo 900000 > "$CONFIG/info/latency_ns"
	spun=$(pn_stat "$1" spin_ns) begun=${EPOCHREALTIME/[.,]/}
	fio --name=six --filename="/dev/$1" --direct=1 --bs=4k --rw=randread --size=4m \
		--ioengine=psync --numjobs=6 --cpus_allowed=1 --io_size=2m --output=/dev/null ||
		return 1
	took=$((${EPOCHREALTIME/[.,]/} - begun)) spun=$((($(pn_stat "$1" spin_ns) - spun) / 1000))
	echo 4100 > "$CONFIG/info/latency_ns"
	ktap_print_msg "$spun us spun in $took us"
	((spun > 0 && spun <= took))
}

counts_polled()
{
	local before after

	before=$(corelane block status "$1" --json | jq '.[0].polled')
	reads "$1" 4k 10
	after=$(corelane block status "$1" --json | jq '.[0] | select(.spin_ns > 0) | .polled')
	[[ $((after - before)) -eq 10 ]]
}

# What is over the limit is no longer recommended.
respects_limit()
{
	corelane block set "$1" hybrid_limit_us=0 &&
		says "$1" '.sync_bytes == 0 and .hybrid_limit_us == 0'
}

tells_mode()
{
	corelane block set "$1" mode=async &&
		says "$1" '(.synchronous | not) and .mode == "async"' &&
		corelane block set "$1" mode=hybrid && says "$1" '.synchronous | not' &&
		corelane block set "$1" mode=sync spin_limit_us=500 &&
		says "$1" '.synchronous and .spin_limit_us == 500'
}

polls_only()
{
	local disk

	disk=$(pn_ram one size_mb=1 queues=1)
	pn_wait_disk "$disk"
	says "$disk" '.synchronous and (.interrupts | not)' &&
		refused corelane block set "$disk" mode=async
}

sets_safely()
{
	[[ $(corelane block set "/dev/$1" mode=async --dry-run) == \
		"echo async > /sys/block/$1/pollnvme/mode" &&
		$(cat "/sys/block/$1/pollnvme/mode") == sync ]] &&
		refused corelane block set "$1" mode=async frobs=1 &&
		[[ $(cat "/sys/block/$1/pollnvme/mode") == sync ]] &&
		refused corelane block set "$1" hybrid_limit_us=1000001 &&
		refused corelane block set null0 mode=sync &&
		refused corelane block status null0
}

top_sees()
{
	local load top

	fio --name=top --filename="/dev/$1" --direct=1 --bs=4k --rw=randread \
		--ioengine=psync --thread \
		--time_based --runtime=60 --output=/dev/null > /dev/null 2>&1 &
	load=$!
	pn_wait_stat "$1" reads $(($(pn_stat "$1" reads) + 100)) || return 1
	top=$(corelane block top "$1" --json --interval 500) || return 1
	kill "$load" 2> /dev/null || true
	wait "$load" 2> /dev/null || true
	jq -e '.disks[0].per_second.reads > 0 and ([.cpus[].spun_away] | add > 0 and add < 100)' \
		> /dev/null <<< "$top"
}

# tables DIR DISK...: in place of debugfs, by which these disks have long spun
tables()
{
	local dir=$1 disk

	for disk in "${@:2}"; do
		printf 'cpu spin_ns\n0 9000000000000\n' > "$dir/new"
		mv "$dir/new" "$dir/$disk"
	done
}

# There is nothing of the first disk until top has looked twice. What the disks have
# spun before is no part of what they spin.
gap_is_no_spin()
{
	local fake=/tmp/pn-fake debug=/sys/kernel/debug/pollnvme last top

	last=$(pn_ram last size_mb=1 queues=1)
	pn_wait_disk "$last"
	mkdir "$fake"
	# shellcheck disable=SC2046  # names of disks
	tables "$fake" $(ls "$debug")
	rm "$fake/$1"
	mount --bind "$fake" "$debug" || return 1
	corelane block top --interval 200 --count 10 > /tmp/pn-top &
	top=$!
	within 60 grep -q spun /tmp/pn-top && tables "$fake" "$1"
	wait "$top" || top=failed
	umount "$debug"
	[[ $top != failed && $(grep -c '^spun away:$' /tmp/pn-top) -eq 10 ]] && return
	ktap_print_msg "$(grep spun /tmp/pn-top)"
	return 1
}

# What it cannot know it does not tell as nothing.
no_debugfs()
{
	local out

	out=$(unshare -m sh -c 'umount -l /sys/kernel/debug && corelane block top --json' 2>&1) &&
		return 1
	[[ $out == *"with debugfs mounted"* ]] || { ktap_print_msg "$out"; return 1; }
}

# traced EVENT COMMAND...: events that a command left behind, in $events
traced()
{
	local event=$1
	shift

	echo > /sys/kernel/tracing/trace
	echo 1 > "$tracing/$event/enable"
	"$@" || return 1
	echo 0 > "$tracing/$event/enable"
	events=$(grep "$event:" /sys/kernel/tracing/trace)
}

reads_as_child()
{
	dd if="/dev/$1" of=/dev/null bs=4k count=5 iflag=direct 2> /dev/null &
	child=$!
	wait "$child"
}

# The task that spun is the one that is charged.
spin_traced()
{
	traced pollnvme_spin reads_as_child "$1" &&
		[[ $(grep -c -- "-$child .* opcode=0x2 ns=[1-9]" <<< "$events") -eq 5 ]]
}

start_traced()
{
	traced pollnvme_start dd if="/dev/$1" of=/dev/null bs=4k skip=3 count=1 \
		iflag=direct 2> /dev/null &&
		[[ $events == *"nsid=1 "*"opcode=0x2 lba=24 length=7 poll" ]]
}

end_traced()
{
	traced pollnvme_end reads "$1" 4k 5 &&
		[[ $(grep -c 'opcode=0x2 status=0x0 ns=[1-9]' <<< "$events") -eq 5 ]]
}

table_adds_up()
{
	local sum

	sum=$(awk 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "reads") at = i; next }
		{ n += $at } END { print n }' "/sys/kernel/debug/pollnvme/$1")
	[[ $sum -eq $(pn_stat "$1" reads) ]]
}

ktap_print_header
ktap_set_plan 18
dmesg_mark
pn_load
disk=$(pn_ram info size_mb=16)
pn_wait_disk "$disk"
check "a new disk is synchronous" begins_synchronous "$disk"
check "it learns what a read takes" learns "$disk"
check "what clears blocks teaches it nothing" zeroes_teach_nothing "$disk"
check "it counts what was polled for" counts_polled "$disk"
check "who gives way does not spin" spin_is_own "$disk"
check "nothing is recommended beyond the limit" respects_limit "$disk"
check "it tells the mode" tells_mode "$disk"
check "it tells that it can only poll" polls_only
check "set: understands all before it writes" sets_safely "$disk"
check "top: reads per second, and what is spun away" top_sees "$disk"
check "top: a disk that goes, and one behind it" gap_is_no_spin "$disk"
check "top: not without debugfs" no_debugfs
if [[ -d $tracing ]]; then
	# Else the scheduler is traced, too, to learn names: its code is patched
	# while all run it, which QEMU before 8.1 does not always survive.
	echo 0 > /sys/kernel/tracing/options/record-cmd
	check "a spin is traced, on the task that spun" spin_traced "$disk"
	check "a command's begin is traced" start_traced "$disk"
	check "a command's end is traced" end_traced "$disk"
else
	for name in spin start end; do
		ktap_test_skip "trace of $name: no tracefs"
	done
fi
check "debugfs: CPUs add up to the sum" table_adds_up "$disk"
pn_cleanup
check "the module is gone" refused grep -q '^pollnvme ' /proc/modules
check "kernel log is clean" dmesg_clean
ktap_finished
