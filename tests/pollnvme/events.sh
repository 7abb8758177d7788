#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What happens around a controller: namespaces that come and go, as its events
# say, formats the driver refuses, resets from outside, no interrupts. Sleep is not
# tested here: the guest's folder of results does not survive it.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

need_cmd fio mkdosfs nvme python3 setpriv
trap pn_cleanup EXIT
disk=''

# wait_for COMMAND...: until it is true, half a minute at most
wait_for()
{
	local turn

	for ((turn = 0; turn < 300; turn++)); do
		! "$@" || return 0
		sleep 0.1
	done
	return 1
}

# are_there NUMBER...: these namespaces have disks, and no others
are_there()
{
	[[ $(cd /sys/block && echo "$ctrl"n*) == "$(printf "${ctrl}n%s " "$@" | sed 's/ $//')" ]]
}

load_on()
{
	fio --name=load --filename="/dev/$1" --direct=1 --bs=4k --size=4m --rw=randwrite \
		--ioengine=libaio --iodepth=8 --numjobs=2 --offset_increment=4m --thread \
		--verify=crc32c --verify_fatal=1 --verify_backlog=32 --time_based --runtime=3600 \
		--output=/tmp/events-log > /dev/null 2>&1 &
	LOAD=$!
	more_done "$1"
}

more_done()
{
	pn_wait_stat "$1" reads $(($(pn_stat "$1" reads) + 10))
}

load_off()
{
	local alive=0

	kill -INT "$LOAD" 2> /dev/null || alive=1
	wait "$LOAD" 2> /dev/null || true
	return $alive
}

namespaces_apart()
{
	local n

	are_there 1 2 3 || return 1
	for n in 1 2 3; do
		pn_wait_disk "${ctrl}n$n"
		printf '%0512d' "$n" > "/tmp/events-$n"
		dd if="/tmp/events-$n" of="/dev/${ctrl}n$n" bs=512 oflag=direct 2> /dev/null ||
			return 1
	done
	for n in 1 2 3; do
		head -c 512 "/dev/${ctrl}n$n" | cmp -s - "/tmp/events-$n" || return 1
		[[ $(cat "/sys/block/${ctrl}n$n/size") -eq $((24 * 2048 / 3)) ]] || return 1
	done
	# Three names, too.
	[[ $(cat "/sys/block/$ctrl"n?/pollnvme/wwid | sort -u | wc -l) -eq 3 ]]
}

# One goes while another works, and is held open; then comes back.
goes_and_comes()
{
	exec 9< "/dev/${ctrl}n2"
	load_on "${ctrl}n1" || return 1
	echo 5 > "$CONFIG/events/active"
	wait_for are_there 1 3 || return 1
	[[ $(head -c 512 <&9 2> /dev/null | wc -c) -eq 0 ]] || return 1
	exec 9<&-
	more_done "${ctrl}n1" || return 1
	echo 7 > "$CONFIG/events/active"
	wait_for are_there 1 2 3 || return 1
	load_off || return 1
	pn_wait_disk "${ctrl}n2"
	head -c 512 "/dev/${ctrl}n2" | cmp -s - /tmp/events-2 &&
		[[ $(pn_stat "${ctrl}n1" errors) -eq 0 ]]
}

# A disk that is still open when its namespace has gone: no command of its goes to
# the namespace that has the number then.
not_to_another()
{
	local status=0

	coproc KEEP { python3 "$(dirname "$0")/nvme_ioctl.py" keep "/dev/${ctrl}n2" 2; }
	asks_in_turn || status=1
	kill "$KEEP_PID" && wait "$KEEP_PID" 2> /dev/null
	return $status
}

asks_in_turn()
{
	local said=() line

	read -r line <&"${KEEP[0]}" && [[ $line == open ]] || return 1
	echo >&"${KEEP[1]}" && read -r line <&"${KEEP[0]}" && said+=("$line")
	echo 5 > "$CONFIG/events/active"
	wait_for are_there 1 3 || return 1
	echo >&"${KEEP[1]}" && read -r line <&"${KEEP[0]}" && said+=("$line")
	echo 7 > "$CONFIG/events/active"
	wait_for are_there 1 2 3 || return 1
	echo >&"${KEEP[1]}" && read -r line <&"${KEEP[0]}" && said+=("$line")
	ktap_print_msg "before, gone, another: ${said[*]}"
	[[ ${said[*]} == '0x0 ENODEV ENODEV' ]]
}

# Its own load does not keep it, and does not hang.
goes_under_load()
{
	echo async > "/sys/block/${ctrl}n3/pollnvme/mode"
	load_on "${ctrl}n3" || return 1
	echo 3 > "$CONFIG/events/active"
	wait_for are_there 1 2 || return 1
	wait "$LOAD" || true
}

# is_another DISK WWID: the disk is there, and not that of this namespace
is_another()
{
	local now

	now=$(cat "/sys/block/$1/pollnvme/wwid" 2> /dev/null) && [[ $now != "$2" ]]
}

# replaced DISK NUMBER: all namespaces are others now, of the same contents
replaced()
{
	local was

	was=$(cat "/sys/block/$1/pollnvme/wwid")
	echo "$2" > "$CONFIG/events/identity"
	wait_for is_another "$1" "$was" && pn_wait_disk "$1"
}

pattern() { head -c 1048576 /dev/zero | tr '\0' "$1"; }

# holds DISK CHARACTER: the first MiB is full of it
holds() { dd "if=/dev/$1" bs=1M count=1 iflag=direct 2> /dev/null | cmp - <(pattern "$2"); }

# What is dirty in the cache of a disk is not written to the namespace that comes in
# the place of its own.
dirty_is_not_anothers()
{
	local disk=${ctrl}n1 writes

	pattern A | dd "of=/dev/$disk" bs=1M iflag=fullblock oflag=direct 2> /dev/null || return 1
	writes=$(pn_stat "$disk" writes)
	exec 9<> "/dev/$disk"
	pattern B >&9
	[[ $(pn_stat "$disk" writes) -eq $writes ]] || return 1
	replaced "$disk" "$1" || return 1
	exec 9>&-
	holds "$disk" A
}

# The same beneath a file system, which writes its pages in a way of its own.
files_are_not_anothers()
{
	local disk=${ctrl}n1 status=0 before

	mkdosfs "/dev/$disk" > /dev/null && mkdir -p /mnt/pollnvme || return 1
	mount -t vfat "/dev/$disk" /mnt/pollnvme || return 1
	before=$(md5sum < <(dd "if=/dev/$disk" bs=1M iflag=direct 2> /dev/null))
	pattern B > /mnt/pollnvme/file
	replaced "$disk" "$1" || status=1
	umount /mnt/pollnvme
	[[ $(md5sum < <(dd "if=/dev/$disk" bs=1M iflag=direct 2> /dev/null)) == "$before" ]] &&
		return $status
}

# Twice it does not say what its three namespaces are; then it does. Asked again, they
# are found to be others, or are attached; and it is said once for each.
unsure()
{
	local disk=${ctrl}n1 text='not identified (-11), will be asked again' before

	before=$(pn_said "$text")
	echo 'ident 0x82 6' > "$CONFIG/events/fault"
	replaced "$disk" "$1" || return 1
	[[ $(pn_said "$text") -eq $((before + 3)) ]] || return 1
	echo 5 > "$CONFIG/events/active"
	wait_for are_there 1 3 || return 1
	echo 'ident 0x82 6' > "$CONFIG/events/fault"
	echo 7 > "$CONFIG/events/active"
	wait_for are_there 1 2 3 || return 1
	[[ $(cat "$CONFIG/events/fault") == 'ident 130 0' ]] &&
		[[ $(pn_said "$text") -eq $((before + 6)) ]]
}

# cache_is DISK KIND: what the block layer flushes
cache_is() { [[ $(cat "/sys/block/$1/queue/write_cache") == "$2" ]]; }

# cache_follows DISKS: after one reset the controller says that it has no cache, after
# the next that it has
cache_follows()
{
	local ctrl disk status=0

	disk=$(pn_ram cache size_mb=8 cache=1) && pn_wait_disk "$disk" || return 1
	ctrl=/sys/class/pollnvme/${disk%n1}
	echo "$1" > "$ctrl/disks"
	cache_is "$disk" 'write back' || status=1
	echo 'nocache 0 1' > "$CONFIG/cache/fault"
	echo 1 > "$ctrl/reset_controller"
	wait_for cache_is "$disk" 'write through' || status=1
	echo 1 > "$ctrl/reset_controller"
	wait_for cache_is "$disk" 'write back' || status=1
	rmdir "$CONFIG/cache"
	return $status
}

# Again and again, faster than anybody looks; the last word counts.
flaps()
{
	local turn

	for ((turn = 0; turn < 40; turn++)); do
		echo $((1 + RANDOM % 7)) > "$CONFIG/events/active"
		[[ $((turn % 8)) -ne 0 ]] || echo 1 > "/sys/class/pollnvme/$ctrl/rescan_controller"
		[[ $((turn % 10)) -ne 5 ]] || echo 1 > "/sys/class/pollnvme/$ctrl/reset_controller"
	done
	echo 6 > "$CONFIG/events/active"
	wait_for are_there 2 3 || return 1
	echo 7 > "$CONFIG/events/active"
	echo 1 > "/sys/class/pollnvme/$ctrl/rescan_controller"
	are_there 1 2 3
}

# While users send commands by the controller's node and by a disk's: each has an
# answer, and nobody's memory is written beyond its length.
flap_while_asked()
{
	local node status=0

	mkfifo /tmp/events-ask
	for node in "$ctrl" "${ctrl}n2"; do
		python3 "$(dirname "$0")/nvme_ioctl.py" ask "/dev/$node" 2 \
			< /tmp/events-ask > "/tmp/events-asked-$node" &
	done
	exec 8> /tmp/events-ask
	flaps && flaps || status=1
	exec 8>&-
	wait
	for node in "$ctrl" "${ctrl}n2"; do
		ktap_print_msg "$node: $(cat "/tmp/events-asked-$node")"
		[[ $(cat "/tmp/events-asked-$node") =~ (^|, )0x0\ [0-9]+ ]] || status=1
		! grep -q overrun "/tmp/events-asked-$node" || status=1
	done
	rm /tmp/events-ask
	return $status
}

# Scans, resets and a namespace that flaps, all at once: the others stay.
stays()
{
	local class=/sys/class/pollnvme/$ctrl turn pids=()

	exec 9< "/dev/${ctrl}n1"
	for ((turn = 0; turn < 60; turn++)); do
		echo 1 > "$class/reset_controller" || true
	done &
	pids+=($!)
	for ((turn = 0; turn < 120; turn++)); do
		echo 1 > "$class/rescan_controller" || true
	done 2> /dev/null &
	pids+=($!)
	for ((turn = 0; turn < 200; turn++)); do
		echo $((turn % 2 ? 7 : 5)) > "$CONFIG/events/active"
	done &
	pids+=($!)
	wait "${pids[@]}" || return 1
	wait_for are_there 1 2 3 || return 1
	[[ $(head -c 512 <&9 | wc -c) -eq 512 ]] || return 1
	exec 9<&-
}

# By the ioctl, on controller and disk; not for everybody.
by_ioctl()
{
	echo 3 > "$CONFIG/events/active"
	nvme ns-rescan "/dev/$ctrl" > /dev/null || return 1
	are_there 1 2 || return 1
	echo 7 > "$CONFIG/events/active"
	# nvme-cli would not ask a disk.
	python3 -c 'import fcntl, sys; fcntl.ioctl(open(sys.argv[1], "rb"), 0x4e46)' \
		"/dev/${ctrl}n1" || return 1
	are_there 1 2 3 || return 1
	chmod 666 "/dev/$ctrl"
	! setpriv --reuid=65534 --clear-groups nvme ns-rescan "/dev/$ctrl" > /dev/null 2>&1
}

# refuses KIND MESSAGE: no disk, a reason, and a controller that works
refuses()
{
	mkdir "$CONFIG/odd"
	echo 8 > "$CONFIG/odd/size_mb"
	echo "$1" > "$CONFIG/odd/kind"
	echo 1 > "$CONFIG/odd/power" || return 1
	ctrl=$(cat "$CONFIG/odd/controller")
	[[ $(cat "/sys/class/pollnvme/$ctrl/state") == live &&
	   ! -e /sys/block/${ctrl}n1 ]] || return 1
	[[ $(pn_said "pollnvme $ctrl: namespace 1 not attached: .*$2") -gt 0 ]] || return 1
	rmdir "$CONFIG/odd"
}

# reset_by_bus DEVICE DISK: by the bus, below the driver
reset_by_bus()
{
	dmesg_mark
	echo 1 > "/sys/bus/pci/devices/$1/reset" || return 1
	[[ $(pn_said 'reset done') -gt 0 ]] || return 1
	dd if="/dev/$2" of=/dev/null bs=4k count=10 iflag=direct 2> /dev/null &&
		[[ $(pn_stat "$2" errors) -eq 0 ]]
}

# Neither MSI-X nor MSI: polled, and nothing else.
without_messages()
{
	pn_unbind "$1"
	echo 0 > "/sys/bus/pci/devices/$1/msi_bus"
	pn_bind "$1" || return 1
	echo 1 > "/sys/bus/pci/devices/$1/msi_bus"
	disk=$(pn_pci_disk "$1")
	pn_wait_disk "$disk"
	[[ $(pn_said 'completion by polling only') -gt 0 ]] || return 1
	refused bash -c "echo async > /sys/block/$disk/pollnvme/mode" || return 1
	dd if="/dev/$disk" of=/dev/null bs=4k count=100 iflag=direct 2> /dev/null || return 1
	[[ $(pn_stat "$disk" irqs) -eq 0 ]]
}

ktap_print_header
ktap_set_plan 20
dmesg_mark
pn_load
mapfile -t controllers < <(pn_pci)
pn_ram events size_mb=24 namespaces=3 active=7 > /dev/null
ctrl=$(cat "$CONFIG/events/controller")
check "ram: three namespaces, apart" namespaces_apart
check "ram: one goes and comes, the others work on" goes_and_comes
check "ram: one goes and comes while a disk of its is open" not_to_another
check "ram: one goes under load" goes_under_load
check "ram: they flap" flaps
check "ram: they flap, and users send commands" flap_while_asked
check "ram: scans and resets at once, one flaps, the others stay" stays
check "ram: a scan by ioctl" by_ioctl
check "ram: what is dirty is not written to another namespace" dirty_is_not_anothers 1
echo mq > "/sys/class/pollnvme/$ctrl/disks"
check "ram: mq: what is dirty is not written to another namespace" dirty_is_not_anothers 2
echo bio > "/sys/class/pollnvme/$ctrl/disks"
check "ram: what is dirty in files is not written to another namespace" files_are_not_anothers 3
check "ram: a namespace that is not identified at once" unsure 4
rmdir "$CONFIG/events"
check "ram: a cache that comes and goes" cache_follows bio
check "ram: mq: a cache that comes and goes" cache_follows mq
check "metadata is refused, with a reason" refuses metadata 'formatted with metadata'
check "zones are refused, with a reason" refuses zoned 'zoned namespaces'
if [[ ${#controllers[@]} -gt 0 ]]; then
	pci=${controllers[0]}
	pn_bind "$pci"
	disk=$(pn_pci_disk "$pci")
	pn_wait_disk "$disk"
	check "kernel log is clean so far" dmesg_clean
	check "pci: reset by the bus" reset_by_bus "$pci" "$disk"
	check "pci: without interrupt messages" without_messages "$pci"
else
	for name in log reset messages; do
		ktap_test_skip "pci: $name: no controller"
	done
fi
pn_cleanup
check "kernel log is clean" dmesg_clean
ktap_finished
