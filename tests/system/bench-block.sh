#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The bench of reads, small: every row reads, polling waits for the device and
# little else, and costs fewer instructions than the kernel's own path.

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=../../tools/lab/emulator.sh
. "$CORELANE_TOP/tools/lab/emulator.sh"
out=$TMP/block
rows=sync,sync-now,async,async-idle,mq,mq-p1,pci-sync,pci-async,nvme,nvme-p1,null-timer,brd,none-w,sync-w,async-w

# holds FILTER: jq's filter holds, with the samples as of("ROW", "METRIC")
holds()
{
	jq -e 'def of($row; $metric): .[] | select(.row == $row and .metric == $metric) | .value;
		'"$1" "$out/results.json" > /dev/null
}

driver_budget()
{
	echo "# sync-now: $(jq -r '.[] | select(.row == "sync-now" and .unit == "1") | "\(.metric) \(.value | round)"' "$out/results.json" |
		paste -sd ,)"
	holds 'of("sync-now"; "driver_instructions_per_read") < 950'
}

# A reader alone, without the row that it is compared with: a table and no figure.
alone()
{
	mkdir "$TMP/alone"
	jq 'map(select(.row == "sync-w"))' "$out/results.json" > "$TMP/alone/results.json"
	"$CORELANE_TOP/scripts/bench.sh" block --results "$TMP/alone" > /dev/null 2>&1 &&
		[[ -s $TMP/alone/table.txt && ! -e $TMP/alone/share.svg ]]
}

ktap_print_header
ktap_set_plan 16
check 'block --help' bash -c '"$CORELANE_TOP/scripts/bench.sh" block --help | grep -q "bench.sh block"'
check 'a row of another bench' refused "no row 'lanes'" "$CORELANE_TOP/scripts/bench.sh" block --rows lanes
emulator_complete || {
	for ((i = 0; i < 14; i++)); do
		ktap_test_skip "no QEMU $EMULATOR_LINE here"
	done
	ktap_finished
}
check 'bench.sh block runs' "$CORELANE_TOP/scripts/bench.sh" block --no-setup --experiments latency,share --rows "$rows" \
	--window-ms 2 --out "$out"
check 'every row did something' jq -e 'map(select(.metric == "iops")) | length == 15 and all(.[]; .valid)' "$out/results.json"
check 'no read is faster than its device' holds \
	'[.[] | select(.metric == "software" or (.metric == "driver_mean" and .params.device_ns > 0))]
	| all(.[]; .value > (if .metric == "software" then 0 else .params.device_ns / 1e9 end))'
check 'polling waits less than an interrupt takes' holds \
	'of("sync"; "latency") < of("async"; "latency") and of("sync"; "latency") < of("null-timer"; "latency")'
check "so does io_uring's polling of a blk-mq disk" holds 'of("mq-p1"; "latency") < of("mq"; "latency")'
check "so is it with QEMU's NVMe controller" holds \
	'of("pci-sync"; "latency") < of("pci-async"; "latency") and of("nvme-p1"; "latency") < of("nvme"; "latency")'
check "where pollnvme takes less than the kernel's driver" holds \
	'of("pci-sync"; "latency") < of("nvme-p1"; "latency") and of("pci-async"; "latency") < of("nvme"; "latency")'
check "and fewer instructions" holds \
	'of("pci-async"; "instructions_per_read") < of("nvme"; "instructions_per_read")'
check 'who sleeps pays for leaving idle' holds 'of("async-idle"; "latency") > of("async"; "latency") + 1e-6'
check "polling's driver takes less than the interrupt's" holds 'of("sync"; "driver_mean") < of("async"; "driver_mean")'
check 'a read costs the polling driver few instructions beside the spin' driver_budget
check 'a figure of each' bash -c 'grep -q mq-p1 "$1/latency.svg" && grep -q async-w "$1/share.svg"' - "$out"
check 'a row without the one it is compared with' alone
check 'a spinner shares its core with who works' holds 'of("sync-w"; "turns") > of("none-w"; "turns") / 4'
ktap_finished
