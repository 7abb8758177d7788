#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Boot a Debian kernel with our modules in QEMU, run scripts in it, bring
# back what they wrote.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"
# shellcheck source-path=SCRIPTDIR source=image.sh
. "$(dirname "$0")/image.sh"

usage()
{
	cat <<'EOF'
usage: run.sh [options] SCRIPT [ARGUMENT...]

Boot the lab's guest, run SCRIPT (a path in the repository) in it as root and
exit with its status.  Whatever it writes to /results arrives in the results
folder, with the console's log and the kernel's (console.log, dmesg.log).

  --kernel LINE|RELEASE  Debian kernel to boot (default 6.12)
  --cpus N               virtual CPUs (default 4)
  --mem MIB              memory (default 2048)
  --lanes N              network cables, an e1000e at each end (default 0)
  --nvme SIZE            an NVMe controller of SIZE (e.g. 256M); repeatable
  --results DIR          where results go (default results/lab)
  --timeout SECONDS      give up after this long (default 600)
  --append TEXT          more for the kernel's command line
  --accel tcg|kvm|auto   auto (default) uses KVM where a boot with it works
  --watch                show the guest's console
  -h, --help             this text
EOF
}

kernel=6.12 cpus=4 mem=2048 lanes=0 nvme=() results=$CORELANE_TOP/results/lab
timeout=600 append='' accel=auto watch=no
while [[ $# -gt 0 ]]; do
	case $1 in
	--kernel) kernel=$2; shift 2 ;;
	--cpus) cpus=$2; shift 2 ;;
	--mem) mem=$2; shift 2 ;;
	--lanes) lanes=$2; shift 2 ;;
	--nvme) nvme+=("$2"); shift 2 ;;
	--results) results=$2; shift 2 ;;
	--timeout) timeout=$2; shift 2 ;;
	--append) append=$2; shift 2 ;;
	--accel) accel=$2; shift 2 ;;
	--watch) watch=yes; shift ;;
	-h | --help) usage; exit 0 ;;
	-*) usage_error "unknown option $1" ;;
	*) break ;;
	esac
done
[[ $# -ge 1 ]] || usage_error "name a script to run in the guest"
[[ -f $CORELANE_TOP/$1 ]] || die "no script $1 in the repository"
[[ $cpus =~ ^[0-9]+$ && $cpus -ge 2 ]] || usage_error "--cpus wants a number, 2 or more"
[[ $mem =~ ^[0-9]+$ ]] || usage_error "--mem wants a number of MiB"
[[ $lanes =~ ^[0-9]+$ && $lanes -le 16 ]] || usage_error "--lanes wants a number up to 16"

release=$(release_of_line "$kernel") || release=$kernel
image=$CORELANE_CACHE/kernels/$release
[[ -f $image/.complete ]] || die "kernel $kernel is not in the cache" "run scripts/setup.sh"
command -v qemu-system-x86_64 > /dev/null || die "QEMU is not installed" "run scripts/setup.sh"

work=$(mktemp -d "${TMPDIR:-/tmp}/corelane-lab.XXXXXX")
qemu=''
cleanup()
{
	# A second signal must not cut this short.
	trap '' INT TERM HUP
	if [[ -n $qemu ]]; then
		kill "$qemu" 2> /dev/null || true
		wait "$qemu" 2> /dev/null || true
	fi
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

mkdir -p "$results"
results=$(cd "$results" && pwd)
rm -f "$results"/{status,console.log,dmesg.log}

mkdir -p "$work/overlay/corelane"
{
	printf 'script=%q\n' "$1"
	printf 'args=('
	[[ $# -eq 1 ]] || printf ' %q' "${@:2}"
	printf ')\n'
} > "$work/overlay/corelane/job"
image_make "$release" "$work"

# KVM is worth having, but its device node may be there and not work: ask it
# to run something, once per boot of this machine.
kvm_works()
{
	local log=$work/probe.log answer

	[[ -w /dev/kvm ]] || return 1
	answer=$CORELANE_CACHE/kvm-$(cat /proc/sys/kernel/random/boot_id)
	if [[ ! -s $answer ]]; then
		say "trying KVM (up to 10 s, once)"
		timeout 10 qemu-system-x86_64 -accel kvm -cpu host -M q35 -m 256 \
			-display none -no-reboot -nic none -serial "file:$log" \
			-kernel "$image/boot/vmlinuz-$release" \
			-append 'console=ttyS0 panic=-1' > /dev/null 2>&1 || true
		rm -f "$CORELANE_CACHE"/kvm-*
		if grep -q 'Kernel panic' "$log" 2> /dev/null; then
			echo yes > "$answer"
		else
			echo no > "$answer"
		fi
	fi
	[[ $(cat "$answer") == yes ]]
}

pick_accel()
{
	if [[ $accel == auto ]]; then
		accel=tcg
		! kvm_works || accel=kvm
	fi
	case $accel in
	kvm) machine=(-accel kvm -cpu host) ;;
	tcg) machine=(-accel "tcg,thread=multi" -cpu max) ;;
	*) usage_error "--accel wants tcg, kvm or auto" ;;
	esac
}

# A cable: a hub with the server's NIC on one end, the switch's port on the other.
add_cables()
{
	local k

	for ((k = 0; k < lanes; k++)); do
		devices+=(-netdev "hubport,id=s$k,hubid=$k"
			-device "e1000e,romfile=,netdev=s$k,mac=$(printf '52:54:00:00:01:%02x' "$k")"
			-netdev "hubport,id=c$k,hubid=$k"
			-device "e1000e,romfile=,netdev=c$k,mac=$(printf '52:54:00:00:02:%02x' "$k")")
	done
}

add_disks()
{
	local i=0 size

	for size in ${nvme[@]+"${nvme[@]}"}; do
		truncate -s "$size" "$work/nvme$i"
		devices+=(-drive "if=none,id=nvme$i,format=raw,file=$work/nvme$i"
			-device "nvme,serial=corelane$i,drive=nvme$i")
		i=$((i + 1))
	done
}

devices=() machine=()
pick_accel
add_cables
add_disks
console=$results/console.log
qemu_version=$(qemu-system-x86_64 --version | sed -n '1s/.*version \([0-9.]*\).*/\1/p')

# Boot and wait for the end; $up tells whether the guest got to its script.
boot()
{
	local begun=$SECONDS

	rm -f "$console"
	up=no status=0
	# tsc=reliable: the guest's watchdog would find the emulated clock
	# unstable and patch its own code while others run it, which QEMU's
	# emulator does not always survive.
	timeout --foreground "$timeout" qemu-system-x86_64 -M q35 "${machine[@]}" -smp "$cpus" -m "$mem" \
		-display none -vga none -no-reboot -nic none -monitor none -serial "file:$console" \
		-kernel "$image/boot/vmlinuz-$release" -initrd "$work/initrd" \
		-append "console=ttyS0 quiet panic=-1 nowatchdog tsc=reliable mitigations=off random.trust_cpu=on corelane.accel=$accel corelane.qemu=$qemu_version $append" \
		-device virtio-rng-pci \
		-fsdev "local,id=results,path=$results,security_model=none" \
		-device virtio-9p-pci,fsdev=results,mount_tag=results \
		"${devices[@]}" < /dev/null 2> "$results/qemu.log" &
	qemu=$!
	if [[ $watch == yes ]]; then
		tail -n +1 -F --pid="$qemu" "$console" 2> /dev/null &
	fi
	while kill -0 "$qemu" 2> /dev/null; do
		if grep -q '^LAB up' "$console" 2> /dev/null; then
			up=yes
			break
		fi
		if ((SECONDS - begun > BOOT_LIMIT)); then
			kill "$qemu"
			break
		fi
		sleep 0.5
	done
	wait "$qemu" || status=$?
	qemu=''
	# It may have been quicker than our looks.
	! grep -q '^LAB up' "$console" 2> /dev/null || up=yes
}

# Why another try is due, or nothing.  A guest under emulation may die or hang
# while it boots, and QEMU itself may crash; neither says anything of what was
# to run.  Once the script runs, a guest that dies is a result.
retry_reason()
{
	case $status in
	134 | 135 | 139) echo "QEMU crashed (signal $((status - 128)))" ;;
	*)	# An empty console: QEMU refused to start, and would again.
		[[ $up == yes || ! -s $console ]] || echo 'the guest did not come up' ;;
	esac
}

BOOT_LIMIT=180
for try in 1 2 3; do
	boot
	reason=$(retry_reason)
	[[ -n $reason ]] || break
	[[ ! -f $console ]] || cp "$console" "$results/console-try$try.log"
	say "run.sh: $reason (try $try of 3)"
done
if [[ $status == 124 ]]; then
	die "the guest did not finish in $timeout s" "see $console, or give it more with --timeout"
elif [[ $up == no ]]; then
	die "the guest did not boot: $(tail -n 1 "$results/qemu.log")" "see $results/qemu.log and $console"
elif [[ $status != 0 ]]; then
	die "QEMU failed ($status): $(tail -n 1 "$results/qemu.log")" "see $results/qemu.log and $console"
fi
[[ -s $results/status ]] || die "the guest died before its script ended" "see $console"
exit "$(cat "$results/status")"
