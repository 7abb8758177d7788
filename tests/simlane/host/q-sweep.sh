#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How far a core may run ahead does not decide results: the
# largest window (2 us) gives the rate and the work per connection that the
# usual one (0.2 us) gives, within 5 %, in a row whose cores share.  Smaller
# ones take long; Q_SWEEP="250 500 1250 2500 5000" has them all.
#
# Programs whose cores wait for each other every microsecond do depend on it
# (two ends of a pipe: 15 % from the smallest to the largest window).

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

read -ra WINDOWS <<< "${Q_SWEEP:-500 5000}"	# cycles, at 2.5 GHz
read -ra ROWS <<< "${Q_ROWS:-bond-l34}"

row() # Q: a small bench; what it leaves is in TMP/Q
{
	"$CORELANE_TOP/scripts/bench.sh" --no-setup --clock sim --kernel "$LINE" --cores 2 --jobs 1 \
		--rows "$(IFS=,; echo "${ROWS[*]}")" --repeats 3 --window-ms 10 --sim "q=$1" --out "$TMP/$1" \
		> "$TMP/$1.log" 2>&1 && return 0
	tail -n 5 "$TMP/$1.log" | sed 's/^/# /'
	return 1
}

# figures Q ROW: medians
figures()
{
	jq -c --arg row "$2" '
		def median($metric): map(select(.row == $row and .metric == $metric) | .value) | sort | .[length / 2 | floor];
		{rate: median("connections_per_second"), instructions: median("instructions_per_connection"),
		 cycles: median("cycles_per_connection")}' "$TMP/$1/results.json"
}

near() # Q ROW
{
	echo "# q=$1, $2: $(figures "$1" "$2")"
	jq -ne --argjson a "$(figures "${WINDOWS[0]}" "$2")" --argjson b "$(figures "$1" "$2")" '
		$a | to_entries | all(.[]; .value != null and (($b[.key] / .value - 1) | fabs < 0.05))' > /dev/null
}

need_simlane
ktap_print_header
ktap_set_plan $((${#WINDOWS[@]} * (1 + ${#ROWS[@]})))
for q in "${WINDOWS[@]}"; do
	check "a bench with a window of $q cycles" row "$q"
	for name in "${ROWS[@]}"; do
		check "$name: rate and cost are the smallest window's" near "$q" "$name"
	done
done
ktap_finished
