#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the block layer does for a bio disk, it does for ours: accounting, per
# cgroup too, splitting, readahead, limits; several tasks share a queue pair.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

need_cmd fio
cgroup=/sys/fs/cgroup
trap 'rmdir "$cgroup/layer" 2> /dev/null || true; pn_cleanup' EXIT

# grown DISK COUNTER COMMAND...: what a command adds to a counter
grown()
{
	local disk=$1 counter=$2 before
	shift 2

	before=$(pn_stat "$disk" "$counter")
	"$@" || return 1
	echo $(($(pn_stat "$disk" "$counter") - before))
}

read_direct() # DISK SIZE COUNT
{
	dd if="/dev/$1" of=/dev/null bs="$2" count="$3" iflag=direct 2> /dev/null
}

# iostat FIELD: 1 reads, 3 sectors read, 9 in flight
iostat_field()
{
	awk -v field="$2" '{ print $field }' "/sys/block/$1/stat"
}

accounted()
{
	local reads sectors

	reads=$(iostat_field "$1" 1) sectors=$(iostat_field "$1" 3)
	read_direct "$1" 8k 16
	[[ $(($(iostat_field "$1" 1) - reads)) -eq 16 &&
		$(($(iostat_field "$1" 3) - sectors)) -eq 256 &&
		$(iostat_field "$1" 9) -eq 0 ]]
}

# Switched off it counts nothing, and I/O works.
unaccounted()
{
	local reads

	echo 0 > "/sys/block/$1/queue/iostats"
	reads=$(iostat_field "$1" 1)
	read_direct "$1" 4k 8
	echo 1 > "/sys/block/$1/queue/iostats"
	[[ $(iostat_field "$1" 1) -eq $reads ]]
}

splits()
{
	local most

	most=$(cat "/sys/block/$1/queue/max_sectors_kb")
	[[ $(grown "$1" reads read_direct "$1" 4M 1) -ge $((4096 / most)) ]] &&
		pn_verify "$1" psync 512
}

read_buffered() # DISK BYTES
{
	echo 1 > /proc/sys/vm/drop_caches
	dd if="/dev/$1" of=/dev/null bs=4k count=$(($2 / 4096)) 2> /dev/null
}

# With readahead a command reads many pages, without it one.
readahead()
{
	local few many

	echo 128 > "/sys/block/$1/queue/read_ahead_kb"
	few=$(grown "$1" reads read_buffered "$1" 1048576)
	echo 0 > "/sys/block/$1/queue/read_ahead_kb"
	many=$(grown "$1" reads read_buffered "$1" 1048576)
	[[ $few -lt 64 && $many -eq 256 ]] || { echo "# $few and $many reads"; return 1; }
}

nowait()
{
	fio --name=nowait --filename="/dev/$1" --direct=1 --bs=4k --size=2m --rw=randrw \
		--ioengine=io_uring --nowait=1 --iodepth=8 --output=/dev/null &&
		[[ $(pn_stat "$1" errors) -eq 0 ]]
}

# Sixteen tasks on one CPU and so on one pair: whoever looks takes them all in.
shares_pair()
{
	taskset -c 0 fio --name=share --filename="/dev/$1" --direct=1 --bs=4k --size=512k \
		--rw=randwrite \
		--ioengine=psync --numjobs=16 --offset_increment=512k --thread --verify=crc32c \
		--verify_fatal=1 --output=/dev/null && [[ $(pn_stat "$1" errors) -eq 0 ]]
}

cgroup_ready()
{
	mountpoint -q "$cgroup" || mount -t cgroup2 none "$cgroup" 2> /dev/null || return 1
	grep -qw io "$cgroup/cgroup.controllers" && echo +io > "$cgroup/cgroup.subtree_control" &&
		mkdir -p "$cgroup/layer"
}

in_cgroup()
{
	sh -c "echo \$\$ > $cgroup/layer/cgroup.procs && exec \"\$@\"" sh "$@"
}

# device MAJ:MIN's field of io.stat
io_stat()
{
	awk -v dev="$1" -v name="$2" '$1 == dev { for (i = 2; i <= NF; i++) {
		split($i, pair, "=")
		if (pair[1] == name) print pair[2] } }' "$cgroup/layer/io.stat"
}

cgroup_counts()
{
	local dev before

	dev=$(cat "/sys/block/$1/dev")
	before=$(io_stat "$dev" rios)
	in_cgroup dd if="/dev/$1" of=/dev/null bs=4k count=12 iflag=direct 2> /dev/null
	[[ $(($(io_stat "$dev" rios) - ${before:-0})) -eq 12 ]]
}

# A limit holds reads back, and what was held back ends when it is lifted.
cgroup_limits()
{
	local dev load turn

	dev=$(cat "/sys/block/$1/dev")
	echo "$dev riops=2" > "$cgroup/layer/io.max" || return 1
	in_cgroup dd if="/dev/$1" of=/dev/null bs=4k count=2000 iflag=direct 2> /dev/null &
	load=$!
	pn_wait_stat "$1" reads $(($(pn_stat "$1" reads) + 1)) || return 1
	# Two thousand at two a second: it cannot have ended.
	kill -0 "$load" || return 1
	echo "$dev riops=max" > "$cgroup/layer/io.max"
	for ((turn = 0; turn < 600; turn++)); do
		[[ -d /proc/$load ]] || break
		sleep 0.1
	done
	wait "$load"
}

ktap_print_header
ktap_set_plan 11
dmesg_mark
pn_load
disk=$(pn_ram layer size_mb=32)
pn_wait_disk "$disk"
check "iostat counts" accounted "$disk"
check "and does not where it is switched off" unaccounted "$disk"
check "what is too large is split" splits "$disk"
check "readahead, and none" readahead "$disk"
check "io_uring without waiting" nowait "$disk"
check "sixteen tasks share a queue pair" shares_pair "$disk"
if cgroup_ready; then
	check "io.stat counts" cgroup_counts "$disk"
	check "io.max holds back" cgroup_limits "$disk"
else
	ktap_test_skip "io.stat: no io controller"
	ktap_test_skip "io.max: no io controller"
fi
check "nothing was late" test "$(pn_stat "$disk" timeouts)" -eq 0
pn_cleanup
check "the module is gone" refused grep -q '^pollnvme ' /proc/modules
check "kernel log is clean" dmesg_clean
ktap_finished
