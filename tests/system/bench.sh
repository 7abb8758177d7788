#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The main job, small: bench.sh runs every row, its results follow the schema,
# and in the lanes row every interrupt and every byte stayed on its core.

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# all FILTER FILE: jq's filter holds
all()
{
	jq -e "$1" "$2" > /dev/null
}

ktap_print_header
ktap_set_plan $((${#LINES_UNDER_TEST[@]} * 9))
for line in "${LINES_UNDER_TEST[@]}"; do
	out=$TMP/$line
	rows=lanes
	[[ $line != "${LINES_UNDER_TEST[0]}" ]] || rows=ordinary,bond-l34,lanes
	check "$line: bench.sh runs" "$CORELANE_TOP/scripts/bench.sh" --no-setup --cores 2 --repeats 1 \
		--seconds 2 --rows "$rows" --kernel "$line" --out "$out"
	check "$line: every file is there" ls "$out"/{results.json,results.csv,facts.json,table.txt,connections.svg}
	check "$line: samples have the schema's fields" all 'length > 0 and all(.[];
		has("experiment") and has("row") and has("cores") and has("params") and has("metric") and
		has("value") and has("unit") and has("repeat") and has("seed") and has("clock") and
		has("kernel") and has("valid") and has("why") and has("errors"))' "$out/results.json"
	check "$line: every row served connections without an error" all '
		map(select(.metric == "connections_per_second")) | length > 0 and
		all(.[]; .value > 0 and .errors == 0)' "$out/results.json"
	check "$line: lanes: no interrupt ran on another core" all '
		map(select(.row == "lanes" and .metric == "foreign_rx_packets")) |
		length > 0 and all(.[]; .value == 0)' "$out/results.json"
	check "$line: lanes: no packet left by another core's NIC" all '
		map(select(.row == "lanes" and .metric == "foreign_tx_packets")) |
		length > 0 and all(.[]; .value == 0)' "$out/results.json"
	check "$line: lanes: no packet left its lane, no private port was reached" all '
		map(select(.row == "lanes" and (.metric == "packets_migrated" or .metric == "dropped_direct"))) |
		length == 2 and all(.[]; .value == 0)' "$out/results.json"
	check "$line: facts name modules and pins" all '
		(.modules | map(select(.row == "lanes") | .module) | sort == ["bonding", "percore"]) and
		(.irq_map | map(select(.row == "lanes")) | length > 0)' "$out/facts.json"
	check "$line: nothing half-written is left" test ! -e "$out.partial"
done
ktap_finished
