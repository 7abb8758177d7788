#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The calibration tool's table is one the simulator can read: every constant
# once, in the order a memory hierarchy has, with a word on where it is from.

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

CALIBRATE=$CORELANE_TOP/build/simlane/calibrate
MODELS=$CORELANE_TOP/tools/simlane/model

names() # TABLE
{
	sed -n 's/^\([a-z][a-z0-9_]*\) .*/\1/p' "$1"
}

# value TABLE NAME
value()
{
	awk -v name="$2" '$1 == name { print $2 }' "$1"
}

same_names()
{
	diff <(names "$1") <(names "$2")
}

sourced() # TABLE: a source on every line
{
	! grep -E '^[a-z]' "$1" | grep -vE '^[a-z][a-z0-9_]* +[0-9.]+ +# .{5,}'
}

in_order()
{
	awk '{ v[$1] = $2 } END {
		exit !(v["ghz"] > 0.3 && v["l2_hit"] < v["llc_hit"] && v["llc_hit"] < v["dram"] && v["locked"] > 0 &&
		       v["copy_overlap"] >= 1 && v["copy_bytes"] >= 1) }' "$1"
}

interrupted()
{
	local pid i caught=0 status=0

	"$CALIBRATE" --silent --output "$TMP/cut" 2> /dev/null &
	pid=$!
	# until it catches SIGTERM
	for ((i = 0; i < 300 && !(0x$caught & 1 << 14); i++)); do
		sleep 0.1
		caught=$(awk '/^SigCgt/ { print $2 }' "/proc/$pid/status")
	done
	kill -TERM "$pid"
	wait "$pid" || status=$?
	[[ $status == 130 && -z $(compgen -G "$TMP/cut*") ]]
}

usage_refused()
{
	local status=0

	"$CALIBRATE" nonsense > /dev/null 2>&1 || status=$?
	[[ $status == 2 ]]
}

ktap_print_header
ktap_set_plan 12
check 'it builds' make -s -C "$CORELANE_TOP/tools/simlane" "O=$CORELANE_TOP/build" "SIMLANE_O=$CORELANE_TOP/build/simlane" \
	-f calibrate.mk calibrate
check '--help' "$CALIBRATE" --help
check 'what it does not understand ends it with status 2' usage_refused
check 'it measures' "$CALIBRATE" --quick --silent --output "$TMP/table"
check 'the shipped tables have the same constants' same_names "$MODELS/server.conf" "$MODELS/prototype.conf"
check 'so has the measured one' same_names "$MODELS/server.conf" "$TMP/table"
for table in "$MODELS"/*.conf "$TMP/table"; do
	check "${table##*/}: every value has a source" sourced "$table"
done
check 'the measured levels are in order' in_order "$TMP/table"
check '--json has the same constants' diff <(names "$TMP/table" | sort) \
	<("$CALIBRATE" --quick --silent --json 2> /dev/null | jq -r '.constants | keys[]' | sort)
check 'a signal ends it, and leaves nothing half-written' interrupted
ktap_finished
