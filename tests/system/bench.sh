#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The main job, small: bench.sh runs, its results follow the schema, and in the
# lanes row every interrupt and every byte stayed on its core.  In simulated
# time where its QEMU is here; in wall time, on one kernel line, the rows that
# between them set up all there is to set up.

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=../../tools/lab/emulator.sh
. "$CORELANE_TOP/tools/lab/emulator.sh"

# all FILTER FILE: jq's filter holds
all()
{
	jq -e "$1" "$2" > /dev/null
}

# common LINE OUT: what holds for either clock
common()
{
	local line=$1 out=$2

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
		length >= 2 and all(.[]; .value == 0)' "$out/results.json"
	check "$line: facts name modules and pins" all '
		(.modules | map(select(.row == "lanes") | .module) | unique == ["bonding", "percore"]) and
		(.irq_map | map(select(.row == "lanes")) | length > 0)' "$out/facts.json"
	check "$line: nothing half-written is left" test ! -e "$out.partial"
}

# wall LINE: wall time
wall()
{
	local out=$TMP/wall-$1 rows=bond-rr,redirect,reuseport,lanes,lanes-tuned

	# An empty folder, named as a shell completes it
	mkdir "$out"
	check "wall $1: bench.sh runs" "$CORELANE_TOP/scripts/bench.sh" --no-setup --clock wall --cores 2 \
		--repeats 1 --seconds 2 --rows "$rows" --kernel "$1" --out "$out/"
	common "wall $1" "$out"
	check "wall $1: samples say so" all 'all(.[]; .clock == "wall")' "$out/results.json"
	check "wall $1: the report says that it is no scaling" grep -q 'NOT a scaling result' "$out/table.txt"
}

# sim LINE REPEATS: simulated time; two rows on one core and on two
sim()
{
	local out=$TMP/sim-$1 n=$2

	check "sim $1: bench.sh runs" "$CORELANE_TOP/scripts/bench.sh" --no-setup --cores 1,2 \
		--repeats "$n" --window-ms 4 --rows ordinary,lanes --kernel "$1" --seed 5 --jobs 1 --out "$out"
	common "sim $1" "$out"
	check "sim $1: samples say so, and each repeat's seed" all '
		all(.[]; .clock == "sim" and .seed == 5 + .repeat)' "$out/results.json"
	check "sim $1: every point is valid, clients and switch had idle time" all '
		(map(select(.metric == "connections_per_second")) | length == 4 * '"$n"' and all(.[]; .valid)) and
		(map(select(.metric == "client_busy_max" or .metric == "switch_busy_max")) |
		length == 8 * '"$n"' and all(.[]; .value < 0.95)) and
		(map(select(.metric == "client_idle")) | all(.[]; .value > 0.05))' "$out/results.json"
	check "sim $1: the server was what was measured" all '
		map(select(.metric == "server_idle" and .row == "lanes")) | length == 2 * '"$n"' and all(.[]; .value < 0.5)' \
		"$out/results.json"
	check "sim $1: the cache model counted" all '
		map(select(.metric == "l1_misses_per_connection" or .metric == "cpi" or
		.metric == "instructions_per_connection")) | length == 12 * '"$n"' and all(.[]; .value > 0)' "$out/results.json"
	check "sim $1: one core has no other's lines" all '
		map(select(.metric == "coherence_misses_per_connection" and .cores == 1)) |
		length == 2 * '"$n"' and all(.[]; .value == 0)' "$out/results.json"
	check "sim $1: facts name the model, its window and QEMU" all '
		.clock == "sim" and (.simulator.model | length > 0) and (.simulator.q_cycles | length == 1) and
		.simulator.max_ahead_cycles >= 0 and (.qemu | startswith("10.")) and .seed == 5' "$out/facts.json"
	check "sim $1: the report says that it is simulated" grep -q '^Simulated' "$out/table.txt"
}

ktap_print_header
ktap_set_plan $((11 + ${#LINES_UNDER_TEST[@]} * 16))
wall "${LINES_UNDER_TEST[0]}"
for line in "${LINES_UNDER_TEST[@]}"; do
	if emulator_complete; then
		sim "$line" "$([[ $line == "${LINES_UNDER_TEST[-1]}" ]] && echo 2 || echo 1)"
	else
		for ((i = 0; i < 16; i++)); do
			ktap_test_skip "sim $line: no QEMU $EMULATOR_LINE here"
		done
	fi
done
ktap_finished
