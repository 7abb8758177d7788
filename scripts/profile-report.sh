#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# From the counts of a run (functions-TAG.csv, lines-TAG.csv, windows.jsonl) to
# the tables of scripts/profile.sh.  Takes counts of simulated time and of perf
# alike: both come in the same files.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

usage()
{
	cat <<'EOF'
usage: profile-report.sh [--top K] DIR CORES ROW [ROW2]

Write DIR/profile-ROW-ROW2-CORES.txt, .csv (a line per function and side),
-lines.csv, .json and .svg from the counts in DIR; print the path without its
ending.
EOF
}

top=20
while [[ $# -gt 0 ]]; do
	case $1 in
	--top) [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || usage_error "--top wants a number"
		top=$2; shift 2 ;;
	-h | --help) usage; exit 0 ;;
	-*) usage_error "unknown option $1" ;;
	*) break ;;
	esac
done
[[ $# -ge 3 && $# -le 4 ]] || usage_error "name a folder, a number of cores and one or two rows"
dir=$1 cores=$2
rows=("${@:3}")
here=$CORELANE_TOP/scripts
name=profile-$(IFS=-; echo "${rows[*]}")-$cores
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One line per window: tag, clock, milliseconds, connections, valid, why.  What
# the source of the counts wrote of it (windows.jsonl), or else what bench.sh
# made of it: the sample of instructions per connection says how many there were.
join_windows()
{
	local samples='[]' file tag rate each valid why

	[[ ! -s $dir/results.json ]] || samples=$(jq -c 'group_by([.row, .cores, .repeat]) | map({
		tag: "\(.[0].row)-\(.[0].cores)-\(.[0].repeat)",
		rate: (map(select(.metric == "connections_per_second").value) | last // 0),
		each: (map(select(.metric == "instructions_per_connection").value) | last // 0),
		valid: (if all(.[]; .valid) then "yes" else "no" end),
		why: (map(.why) | max // "" | gsub("[,\t]"; ";"))})' "$dir/results.json")
	if [[ -s $dir/windows.jsonl ]]; then
		jq -r --argjson samples "$samples" '. as $w | ([$samples[] | select(.tag == $w.tag)] | last) as $s
			| [$w.tag, ($w.clock // "sim"), $w.virtual_ms,
			   ($w.connections // (($s.rate // 0) * $w.virtual_ms / 1000)),
			   ($s.valid // "yes"), ($s.why // "")] | @tsv' "$dir/windows.jsonl" > "$work/windows"
		return
	fi
	while IFS=$'\t' read -r tag rate each valid why; do
		file=$counts/functions-$tag.csv
		[[ ! -s $file ]] || awk -F , -v tag="$tag" -v rate="$rate" -v each="$each" -v valid="$valid" -v why="$why" '
			NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
			!("group" in c) || $c["group"] == "server" { insn += $c["insn"] }
			END {
				n = each > 0 ? insn / each : 0
				printf "%s\tsim\t%.6f\t%.4f\t%s\t%s\n", tag, (rate > 0 ? n * 1000 / rate : 0), n, valid, why
			}' "$file"
	done < <(jq -r '.[] | [.tag, .rate, .each, .valid, .why] | @tsv' <<< "$samples") > "$work/windows"
	[[ -s $work/windows ]] || die "$dir has no counts" \
		"name a folder that bench.sh --clock sim or profile.sh wrote"
}

# The windows of a row that have counts; an invalid one only if all are.
windows_of() # ROW
{
	awk -F '\t' -v prefix="$1-$cores-" -v counts="$counts" '
		index($1, prefix) != 1 || substr($1, length(prefix) + 1) !~ /^[0-9]+$/ { next }
		{
			file = counts "/functions-" $1 ".csv"
			if ((getline line < file) <= 0) next
			close(file)
			# A window that was taken again replaces the first.
			if (!($1 in at)) tags[++n] = $1
			at[$1] = $0
			good[$1] = ($5 == "yes")
		}
		END {
			for (i = 1; i <= n; i++) some += good[tags[i]]
			for (i = 1; i <= n; i++) if (good[tags[i]] || !some) print at[tags[i]]
		}' "$work/windows"
}

# The files with the symbols of a window: the kernel's, kept by the run or in
# the lab's cache, and the modules' that were loaded for it.
symbols_of() # TAG ROW
{
	local file found=()

	for file in "$counts/kallsyms-$1" "$counts/kallsyms-$2-$cores" "$counts/kallsyms-$2" "$counts/kallsyms-modules" \
		    "$counts/kallsyms" "$dir/kallsyms"; do
		[[ ! -s $file || " ${found[*]} " == *" $file "* ]] || found+=("$file")
	done
	for file in "$CORELANE_CACHE/simulate/$kernel-"*/kallsyms; do
		[[ ! -s $file || -s $dir/kallsyms || -z $kernel ]] || found+=("$file")
	done
	[[ ${#found[@]} -gt 0 ]] || found=(/dev/null)
	printf '%s\n' "${found[@]}"
}

# The guest's log, which tells how its per-CPU variables are laid out
kernel_log()
{
	local log

	log=$(find "$dir" -name dmesg.log -size +0 | sort)
	printf '%s\n' "${log:-/dev/null}" | head -n 1
}

# Add a row's side: its repeats together
side() # ROW
{
	local row=$1 windows=() files=() symbols=() window tag ms connections first divisor

	mapfile -t windows < <(windows_of "$row")
	[[ ${#windows[@]} -gt 0 ]] || die "$dir has no counts of row $row at $cores cores" \
		"it has: $(find "$counts" -maxdepth 1 -name 'functions-*.csv' -printf '%f\n' | sed 's/^functions-//; s/\.csv$//' | sort | tr '\n' ' ')"
	for window in "${windows[@]}"; do
		files+=("$counts/functions-${window%%$'\t'*}.csv")
	done
	printf '%s\n' "${windows[@]}" | awk -F '\t' -v row="$row" -v cores="$cores" '
		{ ms += $3; connections += $4; if ($5 != "yes") why = $6 }
		END { printf "%s,%d,%.2f,%.6f,%.1f,%d,%s\n", row, cores, connections, ms / 1000,
			ms ? connections * 1000 / ms : 0, NR, why }' >> "$work/sides.csv"
	# Without a connection there is still time to divide by.
	divisor=$(tail -n 1 "$work/sides.csv" | cut -d , -f "$([[ $unit == connection ]] && echo 3 || echo 4)")
	IFS=$'\t' read -r tag _ ms connections _ <<< "${windows[0]}"
	mapfile -t symbols < <(symbols_of "$tag" "$row")
	awk -v row="$row" -v cores="$cores" -v connections="$divisor" -f "$here/profile-functions.awk" \
		kind=counts "${files[@]}" kind=symbols "${symbols[@]}" kind=rooms "$here/profile.rooms" |
		LC_ALL=C sort -t , -k 9,9gr -k 3,3 >> "$work/functions.csv"
	# Lines are of one repeat: another set-up has other addresses.
	first=$counts/lines-$tag.csv
	[[ -s $first ]] || return 0
	[[ $unit == connection ]] || connections=$(awk -v ms="$ms" 'BEGIN { print ms / 1000 }')
	awk -v row="$row" -v cores="$cores" -v top=10 -v connections="$connections" -f "$here/profile-lines.awk" \
		-f "$here/profile-percpu.awk" kind=counts "$first" kind=more "$counts"/lines-*"-$cores-"*.csv \
		kind=log "$(kernel_log)" kind=symbols "${symbols[@]}" >> "$work/lines.csv"
}

preface()
{
	echo "Profile: ${rows[0]}${rows[1]:+ against ${rows[1]}}, $cores server cores${kernel:+, Linux $kernel}"
	if [[ $clock == sim ]]; then
		echo "Simulated: a model of cores and caches with the constants in facts.json. Ratios and"
		echo "places mean something; absolute values are no prediction for real hardware."
	else
		echo "Measured by perf on this machine, all its CPUs; the counts are sampled."
	fi
	awk -F , 'NR > 1 && $7 != "" { printf "NOT VALID: %s: %s\n", $1, $7 }' "$work/sides.csv"
	echo
}

# The functions with most coherence misses on either side, a column a row
plot_data()
{
	awk -F , -v rows="$(IFS=,; echo "${rows[*]}")" -v key="$plot_key" -v count=15 '
		NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
		{
			f = $c["function"]
			value[f, $c["row"]] += $c[key]
			if ($c[key] + 0 > most[f]) most[f] = $c[key] + 0
		}
		END {
			n = split(rows, row, ",")
			for (k = 1; k <= count; k++) {
				best = ""
				for (f in most)
					if (!(f in done) && most[f] > 0 && (best == "" || most[f] > most[best] ||
					    (most[f] == most[best] && f < best)))
						best = f
				if (best == "")
					break
				done[best] = 1
				line = "\"" best "\""
				for (i = 1; i <= n; i++)
					line = line sprintf(" %.4f", value[best, row[i]])
				print line
			}
		}' "$work/functions.csv"
}

plot()
{
	local plot_key=coherence_misses what='Coherence misses' i

	awk -F , 'NR > 1 && $16 != "" { found = 1 } END { exit !found }' "$work/functions.csv" || {
		plot_key=llc_misses what='LLC misses'
	}
	plot_data > "$work/plot"
	[[ -s $work/plot ]] || return 0
	{
		echo "set terminal svg size 1000,560 font 'sans,13' noenhanced"
		echo "set output '$dir/$name.svg'"
		echo "set title '$what per $unit, $cores server cores ($([[ $clock == sim ]] && echo simulated || echo perf))'"
		echo "set style data histogram; set style histogram clustered gap 1; set style fill solid 0.8 border -1"
		echo "set ylabel '$what per $unit'; set yrange [0:*]; set grid ytics"
		echo "set xtics rotate by -40 nomirror; set rmargin 12; set key top right"
		printf 'plot '
		for ((i = 0; i < ${#rows[@]}; i++)); do
			printf "%s'%s' using %d:xtic(1) title '%s'" "$([[ $i == 0 ]] || echo ', ')" "$work/plot" "$((i + 2))" "${rows[i]}"
		done
		echo
	} | gnuplot 2> "$work/gnuplot.log" || die "gnuplot failed" "$(head -n 2 "$work/gnuplot.log")"
}

# CSV to JSON: figures as numbers, what is missing as null
as_json() # FILE
{
	jq -Rn '[inputs | split(",")] | .[0] as $names | .[1:] | map([$names, .] | transpose
		| map({(.[0]): (.[1] | if . == "" then null elif test("^-?[0-9.]+$") then tonumber else . end)}) | add)' "$1"
}

counts=$dir kernel=''
[[ ! -d $dir/profiles ]] || counts=$dir/profiles
[[ ! -s $dir/facts.json ]] || kernel=$(jq -r '.guest.kernel // .kernel // ""' "$dir/facts.json")
join_windows
clock=$(cut -f 2 "$work/windows" | head -n 1)
unit=connection
for row in "${rows[@]}"; do
	windows_of "$row" | awk -F '\t' '{ sum += $4 } END { exit !(sum > 0 || NR == 0) }' || unit=second
done
echo 'row,cores,connections,seconds,rate,repeats,why' > "$work/sides.csv"
echo 'row,cores,function,module,room,use,mark,instructions,cycles,cpi,l1_misses,l2_misses,llc_misses,hitm,upgrades,coherence_misses,locked,spins,mmio' > "$work/functions.csv"
echo 'row,cores,rank,line,va,what,coherence_misses,function,function_coherence_misses,function_hitm' > "$work/lines.csv"
for row in "${rows[@]}"; do
	side "$row"
done
{
	preface
	awk -v top="$top" -v unit="$unit" -f "$here/profile-sides.awk" -f "$here/profile-tables.awk" \
		kind=sides "$work/sides.csv" kind=functions "$work/functions.csv" kind=lines "$work/lines.csv"
} > "$dir/$name.txt"
cp "$work/functions.csv" "$dir/$name.csv"
cp "$work/lines.csv" "$dir/$name-lines.csv"
jq -n --arg unit "$unit" --arg clock "$clock" --slurpfile sides <(as_json "$work/sides.csv") \
	--slurpfile functions <(as_json "$work/functions.csv") --slurpfile lines <(as_json "$work/lines.csv") '
	{per: $unit, clock: $clock, sides: $sides[0], functions: $functions[0], lines: $lines[0]}' > "$dir/$name.json"
plot
printf '%s\n' "$dir/$name"
