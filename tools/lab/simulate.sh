#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What a guest in simulated time needs besides: simlane in QEMU, the kernel's
# symbols (simlane finds the idle loop by them), and a kernel that need not
# unpack itself.  Sourced after machine.sh and image.sh; shares run.sh's
# variables.
# shellcheck disable=SC2034

SIMULATE_PLUGIN=$CORELANE_TOP/build/simlane/simlane.so
SIMULATE_MODELS=$CORELANE_TOP/tools/simlane/model

# Every core's clock must be simlane's: idle cores poll, no other clock source
# is asked, and nothing moves in memory from boot to boot.
SIMULATE_APPEND='nokaslr idle=poll tsc=reliable no_timer_check mitigations=off nowatchdog audit=0 apparmor=0 init_on_alloc=0 random.trust_cpu=on'
# What costs a boot most and a measurement nothing: cores that come up together
# wait for each other by spinning; the crypto manager tests itself on other
# cores, long after the boot; the jitter collector looks for what a simulated
# clock does not have; the tracer's clean-up holds a core while stop_machine()
# has all others spin; hpet's driver measures it.
SIMULATE_APPEND+=' cpuhp.parallel=0 cryptomgr.notests=1'
SIMULATE_APPEND+=' initcall_blacklist=jent_mod_init,ftrace_check_for_weak_functions,trace_eval_init,hpet_late_init'

# A server whose cores are busy ends an RCU grace period when each has had a
# tick or two.  Here the clients' and the switch's cores belong to it too, idle
# for the most part, and RCU looks for those only after a while: callbacks came
# in bursts of 20 ms' worth, some windows saw one and others none.
SIMULATE_APPEND+=' rcutree.jiffies_till_first_fqs=0 rcutree.jiffies_till_sched_qs=1'

# simulate_check: is all there that can be checked before anything is made?
simulate_check()
{
	local refused=$CORELANE_CACHE/qemu/refused

	[[ $QEMU_VERSION == "$EMULATOR_LINE".* ]] ||
		die "simulated time needs QEMU $EMULATOR_LINE, here is $QEMU_VERSION$([[ ! -s $refused ]] || printf ' (%s)' "$(cat "$refused")")" \
		    "run sudo scripts/setup.sh, or take --clock wall"
	[[ -f $SIMULATE_PLUGIN ]] || die "no ${SIMULATE_PLUGIN#"$CORELANE_TOP"/}" "run make simlane, or take --clock wall"
}

# simulate_cache RELEASE: where its symbols are, named by the kernel's content
simulate_cache()
{
	local hash

	hash=$(sha256sum < "$CORELANE_CACHE/kernels/$1/boot/vmlinuz-$1")
	printf '%s/simulate/%s-%s\n' "$CORELANE_CACHE" "$1" "${hash:0:12}"
}

# simulate_prepare RELEASE WORK: make its symbols unless they are there.
# Debian's System.map is empty, so a boot of the kernel tells them.
simulate_prepare()
{
	local release=$1 boot=$2/symbols status=0 dir tmp

	dir=$(simulate_cache "$release")
	[[ ! -s $dir/kallsyms ]] || return 0
	[[ -w $CORELANE_CACHE ]] || die "cannot write $CORELANE_CACHE" "run with sudo, this once"
	say "reading the symbols of $release: one boot in wall-clock time, half a minute, once"
	mkdir -p "$boot"
	# As run.sh's child, so that a signal to run.sh ends it too.
	"$CORELANE_TOP/tools/lab/run.sh" --clock wall --kernel "$release" --append nokaslr \
		--results "$boot" tools/lab/guest/symbols.sh > "$boot/log" 2>&1 &
	child=$!
	wait "$child" || status=$?
	child=''
	if [[ $status != 0 || ! -s $boot/kallsyms ]]; then
		cat "$boot/log" >&2
		die "the boot for the kernel's symbols failed" \
		    "try it alone: tools/lab/run.sh --append nokaslr tools/lab/guest/symbols.sh"
	fi
	mkdir -p "${dir%/*}"
	tmp=$(mktemp -d "${dir%/*}/tmp.XXXXXX")
	scratch+=("$tmp")
	cp "$boot/kallsyms" "$tmp/"
	# An unpacked kernel starts seconds sooner; the packed one does as well.
	"$CORELANE_CACHE/src/linux-source-6.12/scripts/extract-vmlinux" \
		"$CORELANE_CACHE/kernels/$release/boot/vmlinuz-$release" > "$tmp/vmlinux" 2> /dev/null ||
		rm -f "$tmp/vmlinux"
	rm -rf "$boot" "${dir%-*}"-*
	chmod 755 "$tmp"
	mv -T "$tmp" "$dir" || true
}

# simulate_machine RELEASE RESULTS MEM SEED OPTIONS: the machine, with simlane
simulate_machine()
{
	local release=$1 results=$2 mem=$3 seed=$4 options=$5 dir plugin

	dir=$(simulate_cache "$release")
	[[ ! -s $dir/vmlinux ]] || kernel_file=$dir/vmlinux
	plugin=$SIMULATE_PLUGIN,map=$dir/kallsyms,out=$results,ram=$mem
	# options follow the model, so that one can be changed alone
	[[ ,$options == *,model=* ]] || plugin+=,model=$SIMULATE_MODELS/server.conf
	accel=sim
	# Without SMM all cores share one map of the machine's memory.  With it
	# QEMU makes one for each core whenever a device's window moves, which
	# costs 16 NICs and 33 cores ten seconds.
	machine=(-M 'q35,hpet=on,smm=off' -accel "tcg,thread=single,tb-size=256"
		-cpu 'Haswell,-tsc-deadline,-hle,-rtm,-invpcid,-pcid'
		-seed "$seed" -rtc 'base=2026-01-01,clock=vm'
		-plugin "$plugin${options:+,$options}")
}
