#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The guest's half of scripts/bench-block.sh: what a read costs with each way to
# complete it.  blkread keeps reading; a window of simulated time counts how
# often.  The device takes the same time in every row that has one.
#
# Arguments: name=value, as below; points=ROW:CORES,...  What was measured goes
# to /results/block.jsonl.
#
# A row is DISK[-LOAD][-idle], where LOAD is xN, N threads a core; qN, io_uring
# with N reads in flight; pN, the same and it polls; or w, a thread a core that
# works beside the one that reads.  With "idle" a core leaves idle in the time
# that idle_ns stands for, else at once.

set -u
points=sync:1 device_ns=4100 bs=4096 window_ms=10 work_ms=60 warm_ms=2 driver_reads=300
for arg; do
	declare "$arg"
done
IFS=, read -ra point_list <<< "$points"
out=/results
NULL=/sys/kernel/config/nullb/bench
RAM=/sys/kernel/config/pollnvme/bench
COUNTS=/tmp/counts

# Each disk_NAME makes a disk and prints its path.

# Our driver over its embedded controller
pollnvme() # MODE LATENCY-NS
{
	local disk

	modprobe pollnvme && mkdir $RAM || return 1
	echo 64 > $RAM/size_mb
	echo "$2" > $RAM/latency_ns
	echo 1 > $RAM/power || return 1
	disk=$(cat $RAM/controller)n1
	if [[ $1 == mq ]]; then
		echo mq > "/sys/class/pollnvme/${disk%n1}/disks" || return 1
	else
		echo "$1" > "/sys/block/$disk/pollnvme/mode" || return 1
	fi
	echo "/dev/$disk"
}

# Polled in submit_bio
disk_sync()
{
	pollnvme sync "$device_ns"
}

# The same with a device that answers at once: all that is not waiting
disk_sync_now()
{
	pollnvme sync 0
}

# Ended by a timer's interrupt on the core that asked
disk_async()
{
	pollnvme async "$device_ns"
}

disk_hybrid()
{
	pollnvme hybrid "$device_ns"
}

# A blk-mq disk of the same controller
disk_mq()
{
	pollnvme mq "$device_ns"
}

# It moves no data: its copy would wait for each line in turn, which has nothing
# to do with how a read is ended.  Our controller's copy hides in its latency.
null_blk() # IRQMODE COMPLETION-NS
{
	modprobe null_blk nr_devices=0 && mkdir $NULL || return 1
	echo 64 > $NULL/size
	echo 2 > $NULL/queue_mode
	nproc > $NULL/submit_queues
	echo "$1" > $NULL/irqmode
	echo "$2" > $NULL/completion_nsec
	echo 1 > $NULL/power || return 1
	echo /dev/bench
}

# The kernel's own path: blk-mq, and a timer's interrupt on the core that asked
disk_null_timer()
{
	null_blk 2 "$device_ns"
}

# blk-mq with a device that answers at once
disk_null_now()
{
	null_blk 0 0
}

# A bio driver with a device that answers at once
disk_brd()
{
	modprobe brd rd_nr=1 rd_size=65536 || return 1
	# A page that was never written is not in memory, and so is not copied.
	dd if=/dev/zero of=/dev/ram0 bs=1M count=64 oflag=direct 2> /dev/null
	echo /dev/ram0
}

# QEMU's NVMe controller
pci()
{
	local dev

	for dev in /sys/bus/pci/devices/*; do
		[[ $(cat "$dev/class") != 0x010802 ]] || { echo "$dev"; return; }
	done
	return 1
}

# bind DEVICE DRIVER: nobody else has it
bind()
{
	echo "$2" > "$1/driver_override" && echo "${1##*/}" > "/sys/bus/pci/drivers/$2/bind"
}

# node DISK: its path, once it is there
node()
{
	local turn

	for ((turn = 0; turn < 200; turn++)); do
		[[ ! -b /dev/$1 ]] || { echo "/dev/$1"; return; }
		sleep 0.01
	done
	return 1
}

# The kernel's own driver over QEMU's controller, an interrupt a read; with a
# queue that is polled for io_uring's IOPOLL
disk_nvme()
{
	local dev

	dev=$(pci) && modprobe nvme poll_queues=1 || return 1
	[[ -e $dev/driver ]] || bind "$dev" nvme || return 1
	node nvme0n1
}

# Our driver over QEMU's controller
pci_pollnvme() # MODE
{
	local dev disk

	dev=$(pci) && modprobe pollnvme || return 1
	[[ -e $dev/driver ]] || bind "$dev" pollnvme || return 1
	disk=$(basename "$dev"/pollnvme/pollnvme*)n1
	node "$disk" || return 1
	echo "$1" > "/sys/block/$disk/pollnvme/mode"
}

disk_pci_sync()
{
	pci_pollnvme sync
}

disk_pci_async()
{
	pci_pollnvme async
}

# No reader: what the thread that works gets alone
disk_none()
{
	disk_brd
}

disk_down()
{
	local dev

	[[ ! -d $NULL ]] || { echo 0 > $NULL/power; rmdir $NULL; }
	[[ ! -d $RAM ]] || { echo 0 > $RAM/power; rmdir $RAM; }
	rmmod null_blk brd pollnvme nvme 2> /dev/null
	! dev=$(pci) || echo > "$dev/driver_override"
}

# row_parse ROW: disk, load (blkread's options), threads, depth and idle
row_parse()
{
	local part

	disk='' load=(-e pread) threads=1 depth=1 idle=1 works=0
	for part in ${1//-/ }; do
		case $part in
		idle) idle=100 ;;
		w) works=1 ;;
		x[0-9]*) threads=${part#x} ;;
		q[0-9]*) depth=${part#q}; load=(-e uring) ;;
		p[0-9]*) depth=${part#p}; load=(-e iopoll) ;;
		*) disk=${disk:+${disk}_}$part ;;
		esac
	done
	[[ $disk != none ]] || threads=0
	load+=(-t "$threads" -d "$depth")
	((works == 0)) || load+=(-w)
}

# sum SNAPSHOT FIRST COUNT: of blkread's numbers, 64 bytes apart
sum()
{
	od -A n -v -t u8 -w64 "$1" | awk -v first="$2" -v n="$3" 'NR > first && NR <= first + n { s += $1 } END { printf "%d\n", s }'
}

# gained TAG FIRST COUNT: in the window
gained()
{
	echo $(($(sum "/tmp/simlane/$1/after/counts" "$2" "$3") - $(sum "/tmp/simlane/$1/before/counts" "$2" "$3")))
}

# reading PID: until every thread has done something; it fails when the reader
# ends or 60 s have gone by
reading()
{
	local turn

	for ((turn = 0; turn < 6000; turn++)); do
		kill -0 "$1" 2> /dev/null || return 1
		[[ ! -s $COUNTS ]] || ! od -A n -v -t u8 -w64 $COUNTS | awk '$1 == 0 { exit 1 } END { if (!NR) exit 1 }' || return 0
		sleep 0.01
	done
	return 1
}

# driver DISK: prints mean, median and 99th percentile from submit_bio's entry to
# the bio's end, as JSON's values
driver()
{
	simlane pace fine
	taskset -c 0 modprobe biotime path="$1" bytes="$bs" count="$driver_reads" || return 1
	simlane pace boot
	echo "$(cd /sys/module/biotime/parameters && cat mean_ns p50_ns p99_ns | tr '\n' ' ')"
	rmmod biotime
}

point() # ROW CORES
{
	local row=$1 n=$2 path disk load threads depth idle works reader tag=block-$1-$2 ms=$window_ms mean=null p50=null p99=null

	row_parse "$row"
	path=$("disk_$disk") || { echo "BENCH failed to set up $row"; return 1; }
	rm -f $COUNTS
	simlane scale idle_exit "$idle"
	simlane symbols
	simlane cores "$n"
	/corelane/bin/blkread -c "$n" -b "$bs" "${load[@]}" $COUNTS "$path" > /tmp/blkread.log 2>&1 &
	reader=$!
	reading "$reader" || { cat /tmp/blkread.log; kill "$reader" 2> /dev/null; return 1; }
	# Two tasks take turns of milliseconds.
	((works == 0)) || ms=$work_ms
	simlane cache on
	simlane pace fine
	sleep "0.00$warm_ms"
	simlane window "$tag" "$ms" $COUNTS > /tmp/window || { kill "$reader"; return 1; }
	kill "$reader"
	wait "$reader" 2> /dev/null
	simlane pace boot
	# Once a disk and its idle state is enough.
	if [[ $n == 1 && $threads == 1 && $depth == 1 && $works == 0 ]]; then
		read -r mean p50 p99 < <(driver "$path") || return 1
	fi
	simlane cache off
	read -r _ _ begun ended < <(grep '^WINDOW' /tmp/window)
	jq -cn --arg row "$row" --argjson n "$n" --arg kernel "$(uname -r)" --argjson bs "$bs" --arg tag "$tag" \
		--argjson device "$([[ $disk == *now || $disk == brd || $disk == none ]] && echo 0 || echo "$device_ns")" \
		--argjson threads "$threads" --argjson depth "$depth" --argjson idle "$((idle == 100))" \
		--argjson seconds "$(awk -v a="$begun" -v b="$ended" 'BEGIN { print b - a }')" \
		--argjson reads "$(gained "$tag" 0 $((n * threads)))" --argjson turns "$(gained "$tag" $((n * threads)) $((n * works)))" \
		--argjson mean "$mean" --argjson p50 "$p50" --argjson p99 "$p99" '{$row, cores: $n, $kernel, $bs, device_ns: $device,
		$tag, $threads, $depth, idle: ($idle == 1), $seconds, $reads, $turns,
		driver_mean_ns: $mean, driver_p50_ns: $p50, driver_p99_ns: $p99}' >> "$out/block.jsonl" || return 1
	echo "BENCH point row=$row cores=$n $(tail -n 1 "$out/block.jsonl")"
}

cat /proc/cmdline > "$out/cmdline"
modprobe configfs 2> /dev/null
mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
control=$(($(nproc) - 1))
taskset -pc "$control" $$ > /dev/null
failures=0
for item in "${point_list[@]}"; do
	point "${item%:*}" "${item#*:}" || { echo "BENCH failed row=${item%:*} cores=${item#*:}"; failures=$((failures + 1)); }
	disk_down
done
echo "BENCH finished failures=$failures"
[[ $failures == 0 ]]
