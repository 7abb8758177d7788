#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The software controller itself: contents that last, sizes that do not fit,
# and a model that is never faster than it says.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

need_cmd fio
trap pn_cleanup EXIT
disk=''

sum()
{
	dd if="/dev/$disk" bs=64k count=16 iflag=direct 2> /dev/null | md5sum
}

contents_last()
{
	local mode want turn

	dd if=/dev/urandom of="/dev/$disk" bs=64k count=16 oflag=direct 2> /dev/null || return 1
	want=$(sum)
	for mode in async hybrid sync; do
		echo $mode > "/sys/block/$disk/pollnvme/mode"
		[[ $(sum) == "$want" ]] || return 1
	done
	for turn in power cut; do
		echo 0 > "$CONFIG/ram/$turn"
		pn_ram_on ram
		[[ $(sum) == "$want" ]] || return 1
	done
	echo 1 > "/sys/class/pollnvme/${disk%n1}/reset_controller"
	[[ $(sum) == "$want" ]]
}

# Another shape is another disk: empty.
new_shape_is_empty()
{
	echo 0 > "$CONFIG/ram/power"
	echo 4096 > "$CONFIG/ram/blocksize"
	pn_ram_on ram
	[[ $(head -c 1048576 "/dev/$disk" | tr -d '\0' | wc -c) -eq 0 &&
		$(cat "/sys/block/$disk/queue/logical_block_size") -eq 4096 ]]
}

too_large()
{
	mkdir "$CONFIG/large"
	echo 16777216 > "$CONFIG/large/size_mb" || return 1
	refused bash -c "echo 1 > $CONFIG/large/power" || return 1
	rmdir "$CONFIG/large"
	[[ $(pn_said 'do not fit into the .* choose a smaller size_mb') -gt 0 ]]
}

# A disk that was to become too large is there again as it was.
kept_when_refused()
{
	local want

	dd if=/dev/urandom of="/dev/$disk" bs=64k count=16 oflag=direct 2> /dev/null || return 1
	want=$(sum)
	echo 0 > "$CONFIG/ram/power"
	echo 16777216 > "$CONFIG/ram/size_mb"
	refused bash -c "echo 1 > $CONFIG/ram/power" || return 1
	echo 16 > "$CONFIG/ram/size_mb"
	pn_ram_on ram
	[[ $(sum) == "$want" ]]
}

bounds_kept()
{
	local bad

	for bad in 'size_mb 0' 'size_mb 16777217' 'blocksize 1024' 'namespaces 0' 'namespaces 9' \
		'active 256' 'cache 2' 'channels 65' 'bandwidth_mbs 1000001' 'kind none' \
		'queues -1' 'cut x' 'power x'; do
		refused bash -c "echo ${bad#* } > $CONFIG/ram/${bad% *}" || return 1
	done
	# What a controller is made from stays while it is there.
	for bad in 'size_mb 8' 'blocksize 512' 'namespaces 2' 'cache 1' 'kind zoned' 'queues 1'; do
		refused bash -c "echo ${bad#* } > $CONFIG/ram/${bad% *}" || return 1
	done
}

# takes LEAST COMMAND...: at least so many ms of the guest's own clock
takes()
{
	local least=$1 begun ms
	shift

	begun=${EPOCHREALTIME/[.,]/}
	"$@" || return 1
	ms=$(((${EPOCHREALTIME/[.,]/} - begun) / 1000))
	((ms >= least)) || { ktap_print_msg "$ms ms, not $least"; return 1; }
}

model() # ATTRIBUTE=VALUE...
{
	local pair

	for pair; do
		echo "${pair#*=}" > "$CONFIG/ram/${pair%%=*}"
	done
}

# Eight at once, 10 reads each
reads()
{
	fio --name=reads --filename="/dev/$disk" --direct=1 --rw=randread --bs=4k --size=4m \
		--ioengine=psync --numjobs=8 --number_ios=10 --thread --output=/dev/null
}

one_channel()
{
	echo async > "/sys/block/$disk/pollnvme/mode"
	model latency_ns=5000000 channels=1
	takes 400 reads || return 1
	model latency_ns=4100 channels=0
}

# What was cut off takes none of the time that comes after: ten reads, a channel
# that was busy for twenty seconds, a command's time of ten.
channel_forgets()
{
	local ctrl=/sys/class/pollnvme/${disk%n1} load

	echo async > "/sys/block/$disk/pollnvme/mode"
	echo 10000 > "$ctrl/io_timeout_ms"
	model latency_ns=2000000000 channels=1
	fio --name=cut --filename="/dev/$disk" --direct=1 --rw=read --bs=4k --size=40k \
		--ioengine=libaio --iodepth=10 --output=/dev/null &
	load=$!
	within 30 under_way 10 || return 1
	model latency_ns=4100
	echo 1 > "$ctrl/reset_controller"
	wait "$load" || return 1
	model channels=0
	echo 30000 > "$ctrl/io_timeout_ms"
	[[ $(pn_stat "$disk" timeouts) -eq 0 && $(pn_stat "$disk" errors) -eq 0 ]]
}

# under_way COUNT: reads
under_way()
{
	local inflight

	read -r inflight _ < "/sys/block/$disk/inflight"
	((inflight == $1))
}

shared_bus()
{
	model bandwidth_mbs=2
	takes 500 dd if="/dev/$disk" of=/dev/null bs=64k count=16 iflag=direct \
		2> /dev/null || return 1
	model bandwidth_mbs=0
}

# Data and counters, whatever the model.
jitter_verifies()
{
	model jitter_ns=2000000 channels=3 bandwidth_mbs=500
	fio --name=jitter --filename="/dev/$disk" --direct=1 --rw=randwrite --bs=4k --size=1m \
		--ioengine=libaio --iodepth=16 --verify=crc32c --verify_fatal=1 --do_verify=1 \
		--output=/dev/null || return 1
	model jitter_ns=0 channels=0 bandwidth_mbs=0
	[[ $(pn_stat "$disk" errors) -eq 0 && $(pn_stat "$disk" timeouts) -eq 0 ]]
}

ktap_print_header
ktap_set_plan 10
dmesg_mark
pn_load
pn_ram ram size_mb=16 > /dev/null
pn_ram_on ram
check "contents outlive modes, power, resets" contents_last
check "another block size: a new disk" new_shape_is_empty
check "a size that does not fit is refused, with a reason" too_large
check "and the disk is still there as it was" kept_when_refused
check "attributes keep their bounds" bounds_kept
check "one channel: one after another" one_channel
check "what a reset cut off keeps no channel busy" channel_forgets
check "a bandwidth is not exceeded" shared_bus
check "jitter: every I/O ends well" jitter_verifies
pn_cleanup
check "kernel log is clean" dmesg_clean
ktap_finished
