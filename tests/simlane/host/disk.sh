#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# QEMU's NVMe controller in simulated time: the same run again, bit for bit,
# reads that take as long as disk_ns says, and none of the host's time.

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# reads NAME NS: the kernel's driver reads from a controller that takes NS
reads()
{
	"$TMP/tree/tools/lab/run.sh" --clock sim --kernel "$LINE" --cpus 3 --nvme 64M --sim "disk_ns=$2" \
		--results "$TMP/$1" --timeout 600 tools/lab/guest/block.sh points=nvme:1 "device_ns=$2" window_ms=2 \
		> "$TMP/$1.log" 2>&1 && return 0
	sed 's/^/# /' "$TMP/$1.log"
	return 1
}

# The window and what a module measured read by read.
same()
{
	[[ -s $TMP/one/block.jsonl ]] || return 1
	diff <(simulated one; cat "$TMP/one/block.jsonl") <(simulated two; cat "$TMP/two/block.jsonl") > "$TMP/diff" &&
		return 0
	head -n 4 "$TMP/diff" | cut -c 1-400 | sed 's/^/# /'
	return 1
}

# longer MORE: a read of the second controller takes MORE ns longer, within a tenth
longer()
{
	local is

	is=$(jq -s '.[1].driver_mean_ns - .[0].driver_mean_ns | round' "$TMP/one/block.jsonl" "$TMP/slow/block.jsonl")
	echo "# $is ns"
	[[ $is -gt $(($1 * 9 / 10)) && $is -lt $(($1 * 11 / 10)) ]]
}

need_simlane
ktap_print_header
ktap_set_plan 6
check 'what measures a read builds' env MODULES='drivers/block/pollnvme tests/modules/biotime' \
	"$CORELANE_TOP/scripts/build-modules.sh" "$LINE"
freeze
check 'a controller of 4.1 us' reads one 4100
check 'again' reads two 4100
check 'one of 12.3 us' reads slow 12300
check 'the same gives the same, bit for bit' same
check 'a slower one takes what it is slower' longer 8200
ktap_finished
