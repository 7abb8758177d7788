#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The guest's machine as QEMU's options: how it is run, network cables, disks.
# Sourced after emulator.sh; these share run.sh's variables: its arrays
# "machine" and "devices" become the command line.
# shellcheck disable=SC2034,SC2154

# KVM is worth having, but its device node may be there and not work: ask it
# to run something, once per boot of this machine.
kvm_works() # VMLINUZ LOG
{
	local answer

	[[ -w /dev/kvm ]] || return 1
	answer=$CORELANE_CACHE/kvm-$(cat /proc/sys/kernel/random/boot_id)
	if [[ ! -s $answer ]]; then
		say "trying KVM (up to 10 s, once)"
		timeout 10 "${QEMU[@]}" -accel kvm -cpu host -M q35 -m 256 \
			-display none -no-reboot -nic none -serial "file:$2" -kernel "$1" \
			-append 'console=ttyS0 panic=-1' > /dev/null 2>&1 || true
		rm -f "$CORELANE_CACHE"/kvm-*
		if grep -q 'Kernel panic' "$2" 2> /dev/null; then
			echo yes > "$answer"
		else
			echo no > "$answer"
		fi
	fi
	[[ $(cat "$answer") == yes ]]
}

# machine_accel ACCEL VMLINUZ LOG: set accel to what "auto" means here
machine_accel()
{
	accel=$1
	if [[ $accel == auto ]]; then
		accel=tcg
		! kvm_works "$2" "$3" || accel=kvm
	fi
	case $accel in
	kvm) machine=(-M q35 -accel kvm -cpu host) ;;
	tcg) machine=(-M q35 -accel "tcg,thread=$threads" -cpu max) ;;
	*) usage_error "--accel wants tcg, kvm or auto" ;;
	esac
	machine+=(-device virtio-rng-pci)
}

# Network cards are functions of a few PCI slots, for there are not slots for
# 64 of them; slots below 0x10 are left to the other devices.
PCI_SLOT_SERVER=0x10
PCI_SLOT_SWITCH=0x14

# add_nic NETDEV INDEX SLOT MAC: card INDEX of the row that begins at SLOT
add_nic()
{
	local netdev=$1 address

	address=$(printf '%x.%x' "$(($3 + $2 / 8))" "$(($2 % 8))")
	case $nic in
	e1000e)
		devices+=(-device "e1000e,romfile=,netdev=$netdev,mac=$4,addr=$address,multifunction=on") ;;
	igb)	# a port each: its virtual functions take the numbers behind its own
		devices+=(-device "pcie-root-port,id=port-$netdev,chassis=$(($3 * 8 + $2)),slot=$(($3 * 8 + $2)),addr=$address,multifunction=on"
			-device "igb,romfile=,netdev=$netdev,mac=$4,bus=port-$netdev") ;;
	esac
}

# add_cables LANES: a cable is a hub with the server's NIC on one end, the
# switch's port on the other
add_cables()
{
	local k

	for ((k = 0; k < $1; k++)); do
		devices+=(-netdev "hubport,id=s$k,hubid=$k" -netdev "hubport,id=c$k,hubid=$k")
		add_nic "s$k" "$k" $PCI_SLOT_SERVER "$(printf '52:54:00:00:01:%02x' "$k")"
		add_nic "c$k" "$k" $PCI_SLOT_SWITCH "$(printf '52:54:00:00:02:%02x' "$k")"
	done
}

# add_disks WORK SIZE[,port|,lost|,few]...: NVMe controllers with files in WORK; a
# port reports errors of what is behind it. QEMU's ports never say that a link faster
# than the slowest is up again after a reset. In simulated time disks hold zeroes
# and take what is written for granted: a file answers in the host's time.
add_disks()
{
	local work=$1 i=0 size bus drive

	shift
	for size; do
		bus=''
		if [[ $size == *,few ]]; then
			size=${size%,*} bus=,max_ioqpairs=4
		elif [[ $size == *,* ]]; then
			bus=pcie-root-port,id=disk$i,chassis=$((i + 1)),slot=$((i + 1))
			[[ $size == *,lost ]] || bus+=,x-speed=2_5
			devices+=(-device "$bus")
			size=${size%,*} bus=,bus=disk$i
		fi
		drive=format=raw,file=$work/nvme$i
		if [[ $clock == sim ]]; then
			drive=driver=null-co,read-zeroes=on,size=$size
		else
			truncate -s "$size" "$work/nvme$i"
		fi
		devices+=(-drive "if=none,id=nvme$i,$drive"
			-device "nvme,serial=corelane$i,drive=nvme$i$bus")
		i=$((i + 1))
	done
}
