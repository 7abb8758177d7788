#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Where do a connection's instructions and cache misses go, and which lines do
# the cores fight over?  Two ways to run a server, side by side.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

usage()
{
	cat <<'EOF'
usage: sudo scripts/profile.sh ROW [options]
       sudo scripts/profile.sh ROW --perf [options] [-- COMMAND...]

Per function and per connection: cache misses, coherence misses (lines that
another core had written, and upgrades), cycles per instruction, instructions;
by room of the stack; and the most contended cache lines with the functions
that fight over them.  ROW is one of bench.sh --list.

Simulated time (the default) runs the row and "ordinary" in the lab:
  --against ROW2   the other side (default ordinary); "none" for one side
  --cores N        server cores (default 8)
  --kernel LINE    Debian kernel, 6.1 or 6.12 (default 6.12)
  --repeats N      windows a side, taken together (default 1)
  --results DIR    do not run: read the folder of an earlier bench.sh --clock sim
  --out DIR        results folder of the run (default results/profile-DATE)
  --no-setup       do not look for missing tools first
  --window-ms, --seed, --sim, --switch-hash, --workers, --jobs: as for bench.sh

On a real machine, --perf measures what it does now with hardware counters and
files it under the name ROW; --against a ROW2 measured before shows both:
  --seconds N      how long (default 10), or as long as COMMAND runs
                   (in locale C)
  --cpus LIST      only these CPUs (default all)
  --results DIR    where the counts are kept (default results/perf)

  --top K          functions in a table (default 20)
  --csv, --json    print that instead of tables
  -h, --help       this text

Beside what it prints it leaves profile-ROW2-ROW-N.txt, .csv, -lines.csv, .json
and .svg in the results folder.
EOF
}

against='' cores='' kernel=6.12 repeats=1 results='' out='' setup=yes clock=sim
bench_options=() perf=no seconds=10 cpus='' top=20 format=txt row='' command=()
while [[ $# -gt 0 ]]; do
	case $1 in
	--against | --cores | --kernel | --repeats | --results | --out | --seconds | --cpus | --top | --clock)
		[[ $# -ge 2 && -n $2 ]] || usage_error "$1 wants a value"
		declare "${1#--}=$2"; shift 2 ;;
	--window-ms | --seed | --sim | --switch-hash | --workers | --jobs)
		[[ $# -ge 2 && -n $2 ]] || usage_error "$1 wants a value"
		bench_options+=("$1" "$2"); shift 2 ;;
	--perf) perf=yes; shift ;;
	--csv | --json) format=${1#--}; shift ;;
	--no-setup) setup=no; shift ;;
	-h | --help) usage; exit 0 ;;
	--) shift; command=("$@"); break ;;
	-*) usage_error "unknown option $1" ;;
	*) [[ -z $row ]] || usage_error "one row only, not '$row' and '$1'; the other side is --against"
		row=$1; shift ;;
	esac
done

check_options()
{
	local item

	[[ -n $row ]] || usage_error "name a row; bench.sh --list has them"
	for item in row against; do
		[[ ${!item} =~ ^[A-Za-z0-9_.-]*$ ]] || usage_error "'${!item}' is no name for a row"
	done
	for item in repeats seconds top; do
		[[ ${!item} =~ ^[1-9][0-9]*$ ]] || usage_error "--$item wants a number, not '${!item}'"
	done
	[[ -z $cores || $cores =~ ^[1-9][0-9]*$ ]] || usage_error "--cores wants one number, not '$cores'"
	[[ " ${CORELANE_LINES[*]} " == *" $kernel "* ]] ||
		usage_error "--kernel: no line '$kernel'; lines are ${CORELANE_LINES[*]}"
	[[ $clock == sim ]] || usage_error "a profile wants --clock sim (or --perf on a real machine), not '$clock'"
	[[ $perf == yes || ${#command[@]} == 0 ]] || usage_error "a command is for --perf"
	[[ -z $results || $perf == yes || -d $results ]] || usage_error "--results: there is no folder $results"
}
check_options

if [[ $perf == yes ]]; then
	results=${results:-$CORELANE_TOP/results/perf}
	run_group "$CORELANE_TOP/scripts/profile-perf.sh" --seconds "$seconds" ${cpus:+--cpus "$cpus"} \
		"$results" "$row" ${command[@]+-- "${command[@]}"}
	cores=$(jq -r --arg row "$row" -s 'map(select(.tag | startswith($row + "-"))) | last | .cores' "$results/windows.jsonl")
else
	cores=${cores:-8}
	against=${against:-ordinary}
	[[ $against != "$row" ]] || against=none
	if [[ -z $results ]]; then
		results=${out:-$CORELANE_TOP/results/profile-$(date +%Y%m%d-%H%M%S)}
		sides=$row
		[[ $against == none ]] || sides=$against,$row
		[[ $setup == yes ]] || bench_options+=(--no-setup)
		run_group "$CORELANE_TOP/scripts/bench.sh" --clock sim --rows "$sides" --cores "$cores" --repeats "$repeats" \
			--kernel "$kernel" --out "$results" ${bench_options[@]+"${bench_options[@]}"} > /dev/null
	fi
fi

[[ $against != none ]] || against=''
files=$("$CORELANE_TOP/scripts/profile-report.sh" --top "$top" "$results" "$cores" ${against:+"$against"} "$row")
cat "$files.$format"
say ""
say "the same is in $files.txt, .csv, -lines.csv, .json and .svg"
