#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The guest's half of scripts/bench-block.sh: what a read costs with each way to
# complete it.  fio reads with one process a core, each pinned to its own; the
# device answers in the same time in every row that has one.
#
# Arguments: name=value, as below; points=ROW:CORES,...  Samples go to
# /results/block.jsonl.

set -u
points=sync:1 clock=sim device_ns=4100 bs=4k rw=randread ms=30 warm_ms=2 window_ms=10
for arg; do
	declare "$arg"
done
IFS=, read -ra point_list <<< "$points"
out=/results
NULL=/sys/kernel/config/nullb/bench
RAM=/sys/kernel/config/pollnvme/bench

# Each row_NAME makes its disk and prints its path.

# Our driver over its embedded controller: polled in submit_bio
row_sync()
{
	modprobe pollnvme && mkdir $RAM || return 1
	echo 64 > $RAM/size_mb
	echo "$device_ns" > $RAM/latency_ns
	echo 1 > $RAM/power || return 1
	echo "/dev/$(cat $RAM/controller)n1"
}

null_blk() # IRQMODE COMPLETION-NS
{
	modprobe null_blk nr_devices=0 && mkdir $NULL || return 1
	echo 64 > $NULL/size
	echo 1 > $NULL/memory_backed
	echo 2 > $NULL/queue_mode
	nproc > $NULL/submit_queues
	echo "$1" > $NULL/irqmode
	echo "$2" > $NULL/completion_nsec
	echo 1 > $NULL/power || return 1
	echo /dev/bench
}

# The kernel's own path: blk-mq, and a timer's interrupt on the core that asked
row_null_timer()
{
	null_blk 2 "$device_ns"
}

# blk-mq with a device that answers at once
row_null_now()
{
	null_blk 0 0
}

# A bio driver with a device that answers at once
row_brd()
{
	modprobe brd rd_nr=1 rd_size=65536 || return 1
	dd if=/dev/zero of=/dev/ram0 bs=1M count=64 2> /dev/null
	echo /dev/ram0
}

row_down()
{
	[[ ! -d $NULL ]] || { echo 0 > $NULL/power; rmdir $NULL; }
	[[ ! -d $RAM ]] || { echo 0 > $RAM/power; rmdir $RAM; }
	rmmod null_blk brd pollnvme 2> /dev/null
}

# In simulated time the clock is fine from the first read on, not while fio
# gets ready; the first job to start measures the window.
prerun() # TAG CORES DISK
{
	cat <<-EOF
	#!/bin/bash
	mkdir -p /tmp/ready/\$PPID
	[[ \$(ls /tmp/ready | wc -l) == $2 ]] && mkdir /tmp/window 2> /dev/null || exit 0
	simlane pace fine
	(sleep 0.00$warm_ms; taskset -pc $control \$BASHPID; simlane window $1 $window_ms /sys/block/${3##*/}/stat) > /dev/null 2>&1 < /dev/null &
	EOF
}

point() # ROW CORES
{
	local row=$1 n=$2 disk ios fio=() tag=block-$1-$2

	rm -rf /tmp/ready /tmp/window
	disk=$("row_${row//-/_}") || { echo "BENCH failed to set up $row"; row_down; return 1; }
	fio=(--name=bench --filename="$disk" --rw="$rw" --bs="$bs" --direct=1 --ioengine=psync
		--time_based --runtime="${ms}ms" --ramp_time=0 --numjobs="$n" --group_reporting
		--cpus_allowed="0-$((n - 1))" --cpus_allowed_policy=split --norandommap --randrepeat=1
		--clocksource=clock_gettime --lat_percentiles=1 --thread=0
		--output-format=json --output=/tmp/fio.json)
	if [[ $clock == sim ]]; then
		simlane symbols
		simlane cores "$n"
		simlane cache on
		prerun "$tag" "$n" "$disk" > /tmp/prerun.sh
		chmod +x /tmp/prerun.sh
		fio+=(--exec_prerun=/tmp/prerun.sh)
	fi
	fio "${fio[@]}" > /tmp/fio.log 2>&1 || { cat /tmp/fio.log; row_down; return 1; }
	ios=0
	if [[ $clock == sim ]]; then
		simlane pace boot
		simlane cache off
		ios=$(($(awk '{ print $1 }' /tmp/simlane/$tag/after/stat) - $(awk '{ print $1 }' /tmp/simlane/$tag/before/stat)))
	fi
	jq -c --arg row "$row" --argjson n "$n" --arg kernel "$(uname -r)" --arg bs "$bs" \
		--argjson device "$device_ns" --arg tag "$tag" --argjson window_ios "$ios" '.jobs[0].read | {row: $row, cores: $n, kernel: $kernel, bs: $bs,
		device_ns: $device, tag: $tag, window_ios: $window_ios, ios: .total_ios, iops: .iops, mean: (.clat_ns.mean / 1e9),
		p50: (.lat_ns.percentile["50.000000"] / 1e9), p99: (.lat_ns.percentile["99.000000"] / 1e9)}' \
		/tmp/fio.json >> "$out/block.jsonl"
	row_down
	echo "BENCH point row=$row cores=$n $(tail -n 1 "$out/block.jsonl")"
}

cat /proc/cmdline > "$out/cmdline"
control=$(($(nproc) - 1))
taskset -pc "$control" $$ > /dev/null
failures=0
for item in "${point_list[@]}"; do
	point "${item%:*}" "${item#*:}" || failures=$((failures + 1))
done
echo "BENCH finished failures=$failures"
[[ $failures == 0 ]]
