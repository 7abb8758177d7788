#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What the benches that are put together from runs of bench.sh share.  Sourced
# after lib.sh and bench-rows.sh.

# check_parts RESULTS ROW...: $rows are some of these, and RESULTS, if given, a folder
# shellcheck disable=SC2154  # rows are the bench's
check_parts()
{
	local row

	check_list --rows "$rows"
	for row in ${rows//,/ }; do
		[[ " ${*:2} " == *" $row "* ]] || usage_error "--rows: no row '$row' here; rows are ${*:2}"
	done
	[[ -z $1 || -d $1 ]] || usage_error "--results: there is no folder $1"
}

# profiles DIR: each point's functions and lines, by scripts/profile.sh's means,
# as an array of {row, cores, functions, lines}
profiles()
{
	local row n file

	jq -r '[.[] | [.row, .cores]] | unique[] | @tsv' "$1/results.json" | while read -r row n; do
		file=$("$CORELANE_TOP/scripts/profile-report.sh" "$1" "$n" "$row")
		jq --arg row "$row" --argjson cores "$n" '{row: $row, cores: $cores, functions, lines}' "$file.json"
	done | jq -s .
}

# run_parts NAME RESULTS: measure, unless RESULTS is the folder of a run that has
# been, then report; both are the bench's own.  $work is a folder for the report,
# removed at the end.
run_parts()
{
	if [[ -n $2 ]]; then
		out=$2
	else
		out=${out:-$CORELANE_TOP/results/$1-$(date +%Y%m%d-%H%M%S)}
		fresh_results
		measure
	fi
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	report
	cat "$out/table.txt"
}
