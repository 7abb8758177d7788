#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How far a core may run ahead does not decide results: windows from 0.1 to
# 2 us give the same rate and the same counters per byte, within 5 %.

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

WINDOWS=(250 1250 5000)		# cycles, at 2.5 GHz

rate() # NAME
{
	awk '{ sum += $3 } END { print sum / NR }' "$TMP/$1/rates"
}

# Instructions, locked operations and lines per byte moved by the first pair
figures() # NAME
{
	jq -cs --argjson rate "$(rate "$1")" '
		{rate: $rate, insn: (map(.totals.insn) | add), locked: (map(.totals.locked) | add)}' \
		"$TMP/$1/windows.jsonl"
}

near() # NAME
{
	echo "# q=$1: $(figures "q$1"), ahead $(jq -s 'map(.max_ahead_cycles) | max' "$TMP/q$1/windows.jsonl")"
	jq -ne --argjson a "$(figures "q${WINDOWS[0]}")" --argjson b "$(figures "q$1")" \
		'$a | to_entries | all(.[]; ($b[.key] / .value - 1) | fabs < 0.05)' > /dev/null
}

ahead() # NAME
{
	jq -es 'all(.[]; .max_ahead_cycles < .q_cycles + 3000)' "$TMP/q$1/windows.jsonl" > /dev/null
}

need_simlane
ktap_print_header
ktap_set_plan $((${#WINDOWS[@]} * 3))
for q in "${WINDOWS[@]}"; do
	check "a window of $q cycles" workload "q$q" 1 2 10 "q=$q"
	check "no core gets further ahead than it, but for one block" ahead "$q"
	check "its rate and counters are the smallest window's" near "$q"
done
ktap_finished
