#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What simulated time cannot run on is refused with a message that says why,
# and nothing is measured.

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

need_simlane
emulator_find sim
RELEASE=$(release_of_line "$LINE")
KERNEL=$CORELANE_CACHE/kernels/$RELEASE/boot/vmlinuz-$RELEASE
PLUGIN=$CORELANE_TOP/build/simlane/simlane.so
MODEL=$CORELANE_TOP/tools/simlane/model/server.conf
MAP=$(compgen -G "$CORELANE_CACHE/simulate/$RELEASE-*/kallsyms" | head -n 1)

# start OPTIONS ACCEL QEMU...: begin a guest as run.sh would; its words in TMP/log
start()
{
	local options=$1 accel=$2 status=0

	shift 2
	mkdir -p "$TMP/out"
	timeout 60 "$@" -M q35,hpet=on -accel "$accel" -cpu Haswell -smp 2 -m 256 -display none -vga none \
		-no-reboot -nic none -monitor none -serial "file:$TMP/console" -kernel "$KERNEL" \
		-append 'console=ttyS0 panic=-1 nokaslr idle=poll tsc=reliable' \
		-plugin "$PLUGIN,out=$TMP/out,ram=256${options:+,$options}" > "$TMP/log" 2>&1 < /dev/null || status=$?
	return "$status"
}

# refused PATTERN OPTIONS ACCEL QEMU...: it ends by itself, saying PATTERN
refused()
{
	local pattern=$1 status=0

	shift
	start "$@" || status=$?
	if [[ $status == 0 || $status == 124 || $status -ge 128 ]] || ! grep -qE "$pattern" "$TMP/log"; then
		echo "# status $status: $(grep -v 'module' "$TMP/log" | tail -n 2 | tr '\n' ' ')"
		return 1
	fi
	echo "# $(grep -E "$pattern" "$TMP/log" | head -n 1)"
}

SINGLE=tcg,thread=single
ktap_print_header
ktap_set_plan 11
check 'more than one thread' refused 'thread' "map=$MAP,model=$MODEL" tcg,thread=multi "${QEMU[@]}"
grep '^ghz' "$MODEL" > "$TMP/short"
check 'constants that are missing' refused 'gives no cpi_base' "map=$MAP,model=$TMP/short" $SINGLE "${QEMU[@]}"
check 'a model that is not there' refused 'model' "map=$MAP,model=$TMP/nowhere" $SINGLE "${QEMU[@]}"
check 'a constant that is no number' refused 'number' "map=$MAP,model=$MODEL,hitm=fast" $SINGLE "${QEMU[@]}"
check 'a constant that does not exist' refused 'no constant' "map=$MAP,model=$MODEL,warp=9" $SINGLE "${QEMU[@]}"
check 'a cache that makes no sets' refused 'power of two' "map=$MAP,model=$MODEL,l2_kb=1000" $SINGLE "${QEMU[@]}"
check 'no symbols' refused 'map|symbol' "model=$MODEL" $SINGLE "${QEMU[@]}"
sed 's/^[0-9a-f]* /0000000000000000 /' "$MAP" > "$TMP/zeroes"
check 'symbols without addresses' refused 'symbol|address|cpu_idle_poll' "map=$TMP/zeroes,model=$MODEL" $SINGLE \
	"${QEMU[@]}"

# The system's own QEMU, where it is another line's: its plugins' interface or
# our own check ends it, and run.sh says what to do.
system=$(command -v qemu-system-x86_64 || true)
if [[ -z $system ]] || emulator_system_fits; then
	ktap_test_skip 'a QEMU of another line: none here'
	ktap_test_skip 'run.sh with a QEMU of another line: none here'
else
	check "QEMU $(emulator_version "$system")" refused 'simlane|plugin' "map=$MAP,model=$MODEL" $SINGLE "$system"
	mkdir -p "$TMP/cache"
	ln -s "$CORELANE_CACHE"/{kernels,lines,src,guest,images} "$TMP/cache/"
	CORELANE_CACHE=$TMP/cache "$CORELANE_TOP/tools/lab/run.sh" --clock sim --kernel "$LINE" \
		--results "$TMP/r" tools/lab/guest/tests.sh none > "$TMP/log" 2>&1
	check 'run.sh with a QEMU of another line says what to do' \
		grep -qE "needs QEMU $EMULATOR_LINE.*(setup.sh|--clock wall)" "$TMP/log"
fi
check 'no refused run left a window' test ! -s "$TMP/out/windows.jsonl"
ktap_finished
