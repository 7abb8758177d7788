#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the pollnvme tests share. Sourced.

# shellcheck source-path=SCRIPTDIR/.. source=lib.sh
. "$(dirname "$0")/../lib.sh"

CONFIG=/sys/kernel/config/pollnvme

# refused COMMAND...: it fails, and what it says of it is not shown
refused()
{
	! "$@" 2> /dev/null
}

# pn_load: the module and configfs
pn_load()
{
	modprobe configfs 2> /dev/null || true
	mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
	modprobe pollnvme || die "pollnvme does not load"
}

# pn_pci: the addresses of NVMe controllers, one a line
pn_pci()
{
	local dev

	for dev in /sys/bus/pci/devices/*; do
		[[ $(cat "$dev/class") == 0x010802 ]] && basename "$dev"
	done
	return 0
}

# pn_bind ADDRESS: take a controller from whoever has it
pn_bind()
{
	local dev=/sys/bus/pci/devices/$1

	echo pollnvme > "$dev/driver_override"
	[[ ! -e $dev/driver ]] || echo "$1" > "$dev/driver/unbind"
	echo "$1" > /sys/bus/pci/drivers/pollnvme/bind
}

# pn_unbind ADDRESS: let it go, also where it was not ours
pn_unbind()
{
	local dev=/sys/bus/pci/devices/$1

	[[ ! -e $dev/driver ]] || echo "$1" > "$dev/driver/unbind"
	echo > "$dev/driver_override"
}

# pn_pci_disk ADDRESS: name of its disk
pn_pci_disk()
{
	basename "$(echo /sys/bus/pci/devices/"$1"/pollnvme/pollnvme*/pollnvme*n1)"
}

# pn_ram NAME [ATTRIBUTE=VALUE]...: make a software controller; prints its disk
pn_ram()
{
	local name=$1 pair
	shift

	mkdir "$CONFIG/$name"
	for pair; do
		echo "${pair#*=}" > "$CONFIG/$name/${pair%%=*}"
	done
	echo 1 > "$CONFIG/$name/power"
	echo "$(cat "$CONFIG/$name/controller")n1"
}

# pn_ram_on NAME: power for a software controller; sets disk
pn_ram_on()
{
	echo 1 > "$CONFIG/$1/power"
	disk=$(cat "$CONFIG/$1/controller")n1
	pn_wait_disk "$disk"
}

# pn_cleanup: whatever a test made
pn_cleanup()
{
	local item address

	if mountpoint -q /mnt/pollnvme; then umount /mnt/pollnvme || true; fi
	for item in "$CONFIG"/*/; do
		[[ ! -d $item ]] || rmdir "$item" || true
	done
	for address in $(pn_pci); do
		pn_unbind "$address"
	done
	# What has just been killed may hold it for a moment yet.
	modprobe -r --wait 2000 pollnvme 2> /dev/null || modprobe -r pollnvme 2> /dev/null || true
}

# pn_stat DISK COUNTER
pn_stat()
{
	cat "/sys/block/$1/pollnvme_stats/$2"
}

# pn_wait_disk DISK: until its node is there
pn_wait_disk()
{
	local turn

	for ((turn = 0; turn < 50; turn++)); do
		[[ ! -b /dev/$1 ]] || return 0
		sleep 0.1
	done
	# No devtmpfs event daemon: make the node ourselves.
	IFS=: read -r major minor < "/sys/block/$1/dev"
	mknod "/dev/$1" b "$major" "$minor"
}

# pn_set_mode DISK MODE: sync, async, hybrid, or mq, for which it is made anew
pn_set_mode()
{
	local disks=bio

	[[ $2 != mq ]] || disks=mq
	echo $disks > "/sys/class/pollnvme/${1%n1}/disks" || return 1
	pn_wait_disk "$1"
	[[ $2 == mq ]] || echo "$2" > "/sys/block/$1/pollnvme/mode" || return 1
	[[ $(cat "/sys/block/$1/pollnvme/mode") == "$2" ]]
}

# pn_verify DISK ENGINE SIZE: fio writes with checksums and reads them back
pn_verify()
{
	fio --name=verify --filename="/dev/$1" --ioengine="$2" --direct=1 \
		--rw=randwrite --bsrange="$3"-1m --size=24m --iodepth=8 \
		--verify=crc32c --verify_fatal=1 --do_verify=1 --fsync=16 \
		--output-format=terse > /dev/null
}

# pn_check_reset KIND NAME COMMAND...: a check that resets a controller under load
pn_check_reset()
{
	local kind=$1
	shift

	if [[ $kind == pci ]] && grep -q 'corelane.qemu=7\.' /proc/cmdline; then
		ktap_test_skip "$1: QEMU 7 crashes"
	else
		check "$@"
	fi
}

# pn_wait_stat DISK COUNTER LEAST: until a counter is there
pn_wait_stat()
{
	local turn

	for ((turn = 0; turn < 300; turn++)); do
		[[ $(pn_stat "$1" "$2") -lt $3 ]] || return 0
		sleep 0.1
	done
	return 1
}

# pn_writers_on DISK: fio that reads back what it wrote; one error ends it
pn_writers_on()
{
	fio --name=writers --filename="/dev/$1" --direct=1 --bsrange=4k-64k --size=4m \
		--rw=randwrite --ioengine=libaio --iodepth=8 --numjobs=4 --offset_increment=4m \
		--thread --verify=crc32c --verify_fatal=1 --verify_backlog=32 --time_based \
		--runtime=3600 --exitall_on_error --output=/tmp/writers-log > /dev/null 2>&1 &
	WRITERS=$!
	pn_more_done "$1" 1
}

# pn_more_done DISK LEAST: until so much more was read and written
pn_more_done()
{
	pn_wait_stat "$1" reads $(($(pn_stat "$1" reads) + $2)) &&
		pn_wait_stat "$1" writes $(($(pn_stat "$1" writes) + $2))
}

# pn_writers_off: end them; whether they were still there, and so without an error
pn_writers_off()
{
	local alive=0

	kill -INT "$WRITERS" 2> /dev/null || alive=1
	wait "$WRITERS" 2> /dev/null || true
	! grep -E 'verify:|error=|err=[^0 ]' /tmp/writers-log || return 1
	return $alive
}

# pn_writers_off_well DISK: the same; and the disk counted no error
pn_writers_off_well()
{
	pn_writers_off || { ktap_print_msg "the load failed"; return 1; }
	[[ $(pn_stat "$1" errors) -eq 0 && $(pn_stat "$1" timeouts) -eq 0 ]]
}

# pn_under_load DISK MODE COMMAND...: while it is written to; without an error
pn_under_load()
{
	local status=0

	pn_set_mode "$1" "$2" || return 1
	pn_writers_on "$1" || return 1
	"${@:3}" || status=1
	pn_writers_off_well "$1" && return $status
}

# pn_said TEXT: how often the kernel said so since the mark
pn_said()
{
	dmesg_since | grep -c "$1" || true
}

# pn_port ADDRESS: the port that a controller is behind, or nothing
pn_port()
{
	basename "$(dirname "$(readlink -f "/sys/bus/pci/devices/$1")")" |
		grep -E '^[0-9a-f]{4}:[0-9a-f]{2}:' || true
}

# pn_behind_port SPEED...: set controller and port to those of a controller behind a
# port of one of these link speeds; none: false
pn_behind_port()
{
	local speed

	for controller in $(pn_pci); do
		port=$(pn_port "$controller")
		[[ -n $port ]] || continue
		speed=$(cat "/sys/bus/pci/devices/$port/max_link_speed")
		[[ " $* " != *" ${speed%% *} "* ]] || return 0
	done
	return 1
}

# Bits of a port's Uncorrectable Error Status: what the kernel recovers from by
# asking the drivers, and what it resets the bus for.
# shellcheck disable=SC2034  # for those who source this file
PN_NONFATAL=0x00004000	# completion timeout
# shellcheck disable=SC2034
PN_FATAL=0x00040000	# malformed TLP

# pn_bus_error PORT BITS: the port says so; until the kernel has dealt with it
pn_bus_error()
{
	local said turn word bytes

	said=$(pn_said 'AER: device recovery')
	# struct aer_error_inj: bus, device, function, bits; no header of a packet
	printf -v bytes '\\x%s' "${1:5:2}" "${1:8:2}" "0${1:11:1}" 00
	for word in $(($2)) 0 0 0 0 0 0; do
		printf -v word '\\x%02x\\x%02x\\x%02x\\x%02x' $((word & 255)) \
			$((word >> 8 & 255)) $((word >> 16 & 255)) $((word >> 24))
		bytes+=$word
	done
	printf '%b' "$bytes" | dd of=/dev/aer_inject bs=32 iflag=fullblock 2> /dev/null || return 1
	for ((turn = 0; turn < 300; turn++)); do
		[[ $(pn_said 'AER: device recovery') -eq $said ]] || break
		sleep 0.1
	done
	[[ $(pn_said 'AER: device recovery') -eq $((said + 1)) ]] &&
		[[ $(pn_said 'AER: device recovery failed') -eq 0 ]]
}
