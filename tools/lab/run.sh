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
# shellcheck source-path=SCRIPTDIR source=emulator.sh
. "$(dirname "$0")/emulator.sh"
# shellcheck source-path=SCRIPTDIR source=machine.sh
. "$(dirname "$0")/machine.sh"
# shellcheck source-path=SCRIPTDIR source=simulate.sh
. "$(dirname "$0")/simulate.sh"

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
  --lanes N              network cables, a NIC at each end (default 0)
  --nic e1000e|igb       which NIC (default e1000e)
  --nvme SIZE            an NVMe controller of SIZE (e.g. 256M); repeatable; as
                         SIZE,port behind a PCI Express port of its own, as
                         SIZE,lost behind one whose link does not survive a reset,
                         as SIZE,few with 4 queue pairs, but messages for 64;
                         sim: it reads zeroes, as a file would answer in wall time
  --results DIR          where results go (default results/lab)
  --timeout SECONDS      give up after this long (default 600)
  --boot-limit SECONDS   try again when it is not up by then (default 180; sim:
                         600 and 30 for each CPU)
  --append TEXT          more for the kernel's command line
  --accel tcg|kvm|auto   auto (default) uses KVM where a boot with it works
  --one-thread           emulated CPUs take turns on one thread: less at a time,
                         but none waits for another that the host has put off
  --clock wall|sim       wall (default): the guest runs as fast as it can; sim:
                         in simulated time (simlane), where its cores are cores
  --seed N               sim: seed of what is random (default 1)
  --sim OPTIONS          sim: options for simlane, as name=value,...
  --watch                show the guest's console
  -h, --help             this text
EOF
}

kernel=6.12 cpus=4 mem=2048 lanes=0 nvme=() results=$CORELANE_TOP/results/lab
timeout=600 boot_limit='' append='' accel=auto threads=multi watch=no nic=e1000e clock=wall seed=1 sim=''
while [[ $# -gt 0 ]]; do
	case $1 in
	--kernel | --cpus | --mem | --lanes | --nic | --results | --timeout | --boot-limit | --append | --accel | --clock | --seed | --sim)
		[[ $# -ge 2 ]] || usage_error "$1 wants a value"
		option=${1#--}
		declare "${option//-/_}=$2"; shift 2 ;;
	--nvme) [[ ${2-} =~ ^[0-9]+[KMGT]?(,(port|lost|few))?$ ]] ||
			usage_error "--nvme wants a size as 256M, SIZE,port, SIZE,lost or SIZE,few"
		nvme+=("$2"); shift 2 ;;
	--one-thread)
		# shellcheck disable=SC2034  # machine.sh's
		threads=single; shift ;;
	--watch) watch=yes; shift ;;
	-h | --help) usage; exit 0 ;;
	-*) usage_error "unknown option $1" ;;
	*) break ;;
	esac
done
[[ $# -ge 1 ]] || usage_error "name a script to run in the guest"
plain_path "$results" "name another folder with --results"
[[ -f $CORELANE_TOP/$1 && /$1 != */../* ]] || die "no script $1 in the repository"
[[ $cpus =~ ^[0-9]+$ && $cpus -ge 2 && $cpus -le 100 ]] || usage_error "--cpus wants a number from 2 to 100"
[[ $mem =~ ^[0-9]+$ ]] || usage_error "--mem wants a number of MiB"
[[ $lanes =~ ^[0-9]+$ && $lanes -le 32 ]] || usage_error "--lanes wants a number up to 32"
[[ $seed =~ ^[0-9]+$ ]] || usage_error "--seed wants a number"
[[ $timeout =~ ^[1-9][0-9]*$ ]] || usage_error "--timeout wants a number of seconds"
[[ $boot_limit =~ ^[0-9]*$ ]] || usage_error "--boot-limit wants a number of seconds"
[[ $nic == e1000e || $nic == igb ]] || usage_error "--nic wants e1000e or igb"
[[ $clock == wall || $clock == sim ]] || usage_error "--clock wants wall or sim"

release=$(release_of_line "$kernel") || release=$kernel
image=$CORELANE_CACHE/kernels/$release
[[ -f $image/.complete ]] || die "kernel $kernel is not in the cache" "run scripts/setup.sh"
emulator_find "$clock"
[[ $clock == wall ]] || simulate_check

work=$(mktemp -d "${TMPDIR:-/tmp}/corelane-lab.XXXXXX")
scratch=("$work") child=''
cleanup()
{
	# A second signal must not cut this short.
	trap '' INT TERM HUP
	if [[ -n $child ]]; then
		kill "$child" 2> /dev/null || true
		wait "$child" 2> /dev/null || true
	fi
	rm -rf "${scratch[@]}"
}
trap cleanup EXIT
end_on_signals :

mkdir -p "$results"
results=$(cd "$results" && pwd)
rm -f "$results/tests"

# The kernel's own tests of bonding, as its source has them.
selftests_add()
{
	local tree tests=tools/testing/selftests

	for tree in "$CORELANE_CACHE"/src/linux-source-*/; do
		[[ $(cat "$tree/.corelane-release" 2> /dev/null) == "$release" ]] || continue
		mkdir -p "$work/overlay/corelane/kselftest"
		# 6.1 has no net/lib.sh
		(cd "$tree/$tests" && find drivers/net/bonding net/lib.sh net/forwarding/lib.sh -print0 2> /dev/null |
			cpio -0 -pdm --quiet "$work/overlay/corelane/kselftest") || true
	done
}

# The kernel's tool that speaks to a netlink family by its description (YNL),
# and the description of ours.
ynl_add()
{
	local tree=$CORELANE_CACHE/src/linux-source-6.12 to=$work/overlay/corelane/ynl

	[[ -d $tree/tools/net/ynl ]] || return 0
	mkdir -p "$to"
	cp -r "$tree/tools/net/ynl"/{cli.py,lib} "$tree"/Documentation/netlink/genetlink-legacy.yaml \
		"$CORELANE_TOP"/Documentation/netlink/specs/*.yaml "$to/"
}

# script_add SCRIPT: at its path, unless it is the guest's own, which all guests have
script_add()
{
	[[ $1 != tools/lab/guest/* ]] || return 0
	mkdir -p "$work/overlay/corelane/$(dirname "$1")"
	cp "$CORELANE_TOP/$1" "$work/overlay/corelane/$1"
}

mkdir -p "$work/overlay/corelane"
{
	printf 'script=./%q\n' "$1"
	printf 'args=('
	[[ $# -eq 1 ]] || printf ' %q' "${@:2}"
	printf ')\n'
} > "$work/overlay/corelane/job"
script_add "$1"
selftests_add
ynl_add
image_make "$release" "$work"

# What QEMU is to run; simulate.sh and machine.sh fill these in.
devices=() machine=() kernel_file=$image/boot/vmlinuz-$release
if [[ $clock == sim ]]; then
	simulate_prepare "$release" "$work"
	# else its controllers answer in the host's time
	[[ ${#nvme[@]} == 0 || ,$sim == *,disk_ns=* ]] || sim=disk_ns=4100${sim:+,$sim}
	simulate_machine "$release" "$results" "$mem" "$seed" "$sim"
	# A guest in simulated time takes its time to boot: some ten seconds
	# of a processor that others may want as well.
	append="$SIMULATE_APPEND $append" boot_limit=${boot_limit:-$((600 + cpus * 30))}
else
	machine_accel "$accel" "$kernel_file" "$work/probe.log"
	# tsc=reliable: the guest's watchdog would find the emulated clock
	# unstable and patch its own code while others run it, which QEMU's
	# emulator does not always survive. no_timer_check: it waits for ten
	# ticks and panics without them, on a host too busy to give them.
	append="nowatchdog tsc=reliable no_timer_check mitigations=off random.trust_cpu=on $append"
	boot_limit=${boot_limit:-180}
fi
add_cables "$lanes"
add_disks "$work" ${nvme[@]+"${nvme[@]}"}
console=$results/console.log

# wait_guest: for QEMU's end.  A kernel that panics can get stuck while it stops
# its other CPUs, with nothing more to say.
wait_guest()
{
	while kill -0 "$child" 2> /dev/null; do
		if grep -q 'Kernel panic' "$console" 2> /dev/null; then
			sleep 5
			kill "$child" 2> /dev/null || true
			wait "$child" || true
			return 0
		fi
		sleep 1
	done
	wait "$child"
}

# forget: what a try before left, or a run: the guest and simlane append to some of
# it, and its status would be taken for this one's.  "tests" stays from try to try:
# what is listed there is not run again.
forget()
{
	rm -f "$results"/{status,console.log,dmesg.log,model.json,check.txt,kallsyms} \
		"$results"/{samples,points,modules,block,windows}.jsonl "$results"/irqs-*.jsonl \
		"$results"/functions-*.csv "$results"/lines-*.csv
}

# Boot and wait for the end; $up tells whether the guest got to its script.
boot()
{
	local begun=$SECONDS

	forget
	up=no slow=no status=0
	timeout --foreground "$timeout" "${QEMU[@]}" "${machine[@]}" -smp "$cpus" -m "$mem" \
		-display none -vga none -no-reboot -nic none -monitor none -serial "file:$console" \
		-kernel "$kernel_file" -initrd "$work/initrd" \
		-append "console=ttyS0 quiet panic=-1 corelane.accel=$accel corelane.clock=$clock corelane.qemu=$QEMU_VERSION $append" \
		-fsdev "local,id=results,path=$results,security_model=none" \
		-device virtio-9p-pci,fsdev=results,mount_tag=results \
		"${devices[@]}" < /dev/null 2> "$results/qemu.log" &
	child=$!
	if [[ $watch == yes ]]; then
		tail -n +1 -F --pid="$child" "$console" 2> /dev/null &
	fi
	while kill -0 "$child" 2> /dev/null; do
		if grep -q '^LAB up' "$console" 2> /dev/null; then
			up=yes
			break
		fi
		if ((SECONDS - begun > boot_limit)); then
			slow=yes
			kill "$child"
			break
		fi
		sleep 0.5
	done
	wait_guest || status=$?
	child=''
	# It may have been quicker than our looks.
	! grep -q '^LAB up' "$console" 2> /dev/null || up=yes
}

# emulator_lost_patch: before 8.1, QEMU can translate code while another of the
# guest's CPUs changes it, keep the breakpoint that the kernel had there for a
# moment (text_poke_bp()), and run into it long after.
emulator_lost_patch()
{
	[[ ! -s $results/status && $(printf '%s\n' 8.1 "$QEMU_VERSION" | sort -V | head -n 1) != 8.1 ]] &&
		grep -q 'Oops: int3:\|^\[[^]]*\] int3: ' "$console"
}

# emulator_lost_flags: a processor's flags have 22 bits. Where an oops tells of more,
# what QEMU took for them was something else, and the guest died of that.
emulator_lost_flags()
{
	[[ ! -s $results/status ]] &&
		grep -qE '^\[[^]]*\] RSP: .* EFLAGS: (00[4-9a-f]|0[1-9a-f]|[1-9a-f])[0-9a-f]*' "$console"
}

# Why another try is due, or nothing.  A guest under emulation may die or hang
# while it boots, and QEMU itself may fail; neither says anything of what was
# to run.  Once the script runs, a guest that dies of anything else is a result.
retry_reason()
{
	case $status in
	134 | 135 | 139) echo "QEMU crashed (signal $((status - 128)))" ;;
	*)	# It ended by itself and the console is empty: QEMU refused to
		# start, and would again.
		if [[ $up == no && ( $slow == yes || -s $console ) ]]; then
			echo 'the guest did not come up'
		elif [[ $up == yes ]] && emulator_lost_patch; then
			echo "QEMU $QEMU_VERSION ran code that the guest's kernel had changed (int3)"
		elif [[ $up == yes ]] && emulator_lost_flags; then
			echo "QEMU $QEMU_VERSION lost the processor's flags"
		fi ;;
	esac
}

# Why QEMU ended, in its own words or simlane's; both also speak of what is in
# order, and of parts that are not installed.
last_words()
{
	grep -vE ': failed to .* module|^Only modules from the same build|: warning: |^simlane: .* set to ' \
		"$results/qemu.log" | tail -n 1 | grep . || echo 'QEMU said nothing'
}

# All that takes long is read before it begins: the file may change meanwhile.
main()
{
	for try in 1 2 3; do
		boot
		reason=$(retry_reason)
		[[ -n $reason ]] || break
		[[ ! -f $console ]] || cp "$console" "$results/console-try$try.log"
		say "run.sh: $reason (try $try of 3)"
	done

	if [[ $status == 124 ]]; then
		die "the guest did not finish in $timeout s" "see $console, or give it more with --timeout"
	elif [[ $slow == yes ]]; then
		die "the guest did not boot in $boot_limit s" "see $console, or give it more with --boot-limit"
	elif [[ $up == no ]]; then
		die "the guest did not boot: $(last_words)" "see $results/qemu.log and $console"
	elif [[ $status != 0 ]]; then
		die "QEMU failed ($status): $(last_words)" "see $results/qemu.log and $console"
	fi
	[[ -s $results/status ]] || die "the guest died before its script ended" "see $console"
	exit "$(cat "$results/status")"
}

main; exit
