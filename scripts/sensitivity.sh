#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Does a conclusion survive a wrong constant?  Rows of the bench again with each
# of the simulator's costs at half and at one and a half of its value.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

usage()
{
	cat <<'EOF'
usage: sudo scripts/sensitivity.sh [--of ROW] [--against LIST] [--cores N]
                                   [--out DIR] [BENCH-OPTION...]
       scripts/sensitivity.sh --results DIR [--of ROW]

Measure ROW (default lanes) and the rows of LIST (default bond-l34,reuseport)
at N cores (default 4), in simulated time, with each of the model's costs at
50 % and at 150 %, and print how many times as fast ROW is as each other row: the
conclusion holds if no constant takes that to the other side of 1.  Everything is measured in one
set-up a row, so that the constant is all that changes.  Other options go to
bench.sh.  --results prints it again from such a run's folder.
EOF
}

of=lanes against=bond-l34,reuseport cores=4 results='' out='' more=()
while [[ $# -gt 0 ]]; do
	case $1 in
	--of | --against | --cores | --results | --out)
		[[ $# -ge 2 && -n $2 ]] || usage_error "$1 wants a value"
		declare "${1#--}=$2"; shift 2 ;;
	-h | --help) usage; exit 0 ;;
	*) more+=("$1"); shift ;;
	esac
done
[[ $cores =~ ^[1-9][0-9]*$ ]] || usage_error "--cores wants one number, not '$cores'"

if [[ -z $results ]]; then
	results=${out:-$CORELANE_TOP/results/sensitivity-$(date +%Y%m%d-%H%M%S)}
	run_group "$CORELANE_TOP/scripts/bench.sh" --clock sim --vary all --rows "$of,$against" --cores "$cores" \
		--repeats 3 --out "$results" ${more[@]+"${more[@]}"} > /dev/null
fi
[[ -s $results/sensitivity.json ]] || die "$results holds no sensitivity run" "name a folder that this script wrote"
many=$(jq -r 'map(.cores) | unique | if length > 1 then join(", ") else empty end' "$results/sensitivity.json")
[[ -z $many ]] || die "$results has rows of $many cores" "name a run of one number of cores"

# A row's rate as the table has it is the median of its repeats.
jq -r --arg of "$of" --slurpfile results "$results/results.json" '
	def median: sort | .[length / 2 | floor];
	. as $all | (map(.cores) | first) as $n
	| ($results[0] | map(select(.metric == "connections_per_second")) | group_by(.row)
	   | map({key: .[0].row, value: (map(.value) | median)}) | from_entries) as $base
	| ($base | keys_unsorted - [$of]) as $others
	| if $base[$of] == null then error("no row \($of) in this run") else . end
	| "Simulated: how many times as fast \($of) is, at \($n) cores, with each constant at half and at one and a half\n",
	  (["constant", ($others[] | "to \(.)", "at 50 %", "at 150 %")] | @tsv),
	  (["as it is", ($others[] | $base[$of] / $base[.], "", "")] | @tsv),
	  ($all | map(.constant) | unique[] as $c
	   | [$c, ($others[] as $o | "",
		([50, 150][] as $p | ($all | map(select(.constant == $c and .percent == $p)) | map({key: .row, value: .rate}) | from_entries)
		 | .[$of] / .[$o]))] | @tsv)' "$results/sensitivity.json" |
	awk -F '\t' '
		NF < 2 { print; next }
		$1 == "constant" { for (i = 2; i <= NF; i += 3) name[(i - 2) / 3] = $i }
		{
			line = sprintf("%-14s", $1)
			for (i = 2; i <= NF; i++) {
				ratio = ($1 != "constant" && $i != "")
				line = line sprintf(" %14s", ratio ? sprintf("%.3f", $i) : $i)
				column = int((i - 2) / 3)
				if (ratio && (!(column in low) || $i + 0 < low[column])) {
					low[column] = $i + 0
					lowest[column] = $1
				}
				if (ratio && (!(column in high) || $i + 0 > high[column])) {
					high[column] = $i + 0
					highest[column] = $1
				}
			}
			print line
		}
		END {
			print ""
			for (c = 0; (c in name); c++)
				printf("%s: %.3f (%s) to %.3f (%s); the order %s\n", name[c], low[c], lowest[c], high[c], highest[c],
				       (low[c] > 1 || high[c] < 1 ? "stays" : "CHANGES"))
		}'
