#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Turn the samples of a run into results.json, results.csv, facts.json, a
# text table and a plot; or make table and plot again from a results folder.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=bench-rows.sh
. "$CORELANE_TOP/scripts/bench-rows.sh"
# shellcheck source-path=SCRIPTDIR source=collect.sh
. "$CORELANE_TOP/scripts/collect.sh"

usage()
{
	cat <<'EOF'
usage: report.sh [--collect] DIR

Write DIR/table.txt, DIR/results.csv and DIR/connections.svg from
DIR/results.json and DIR/facts.json.  --collect first makes those two from the
samples of a bench run that has just ended.
EOF
}

collect=no
case ${1:-} in
--collect) collect=yes; shift ;;
-h | --help) usage; exit 0 ;;
esac
[[ $# -eq 1 ]] || usage_error "name a results folder"
dir=$1
plain_path "$dir" "move it"

# fact FILTER [JQ-OPTION...]: a value of facts.json
fact()
{
	jq -r "$1" "$dir/facts.json"
}

# summary FILTER: the summary's points through a jq filter
summary()
{
	jq -r -L "$CORELANE_TOP/scripts" --argjson order "$(jq -n '$ARGS.positional' --args "${ALL_ROWS[@]}")" \
		--argjson stock "$(jq -n '$ARGS.positional' --args "${STOCK_ROWS[@]}")" \
		"$(cat "$CORELANE_TOP/scripts/summary.jq") | $1" "$dir/results.json"
}

# columns TITLE:WIDTH:FORMAT:SCALE:FIELD...: one table, a line per point, "-"
# for what was not measured
columns()
{
	local column title width format scale field fields='' layout=()

	printf '%-13s %5s' row cores
	for column; do
		IFS=: read -r title width format scale field <<< "$column"
		printf " %${width}s" "$title"
		fields+=", (.$field // \"nan\")"
		layout+=("$width" "$format" "$scale")
	done
	echo '  check'
	summary ".[] | [.row, .cores, (if .invalid > 0 then \"\(.invalid) of \(.repeats) INVALID: \(.why)\"
		else \"ok\" end)$fields] | @tsv" | awk -F '\t' -v layout="${layout[*]}" '
		BEGIN { split(layout, l, " ") }
		{
			printf "%-13s %5d", $1, $2
			for (i = 4; i <= NF; i++) {
				k = (i - 4) * 3
				if ($i == "nan") printf " %" l[k + 1] "s", "-"
				else printf " %" l[k + 1] l[k + 2], $i * l[k + 3]
			}
			print "  " $3
		}'
}

table_wall()
{
	echo "Connections per second, $(jq -r '.[0].params.size' "$dir/results.json")-byte file, no keep-alive; Linux $(fact .guest.kernel)"
	echo
	columns conn/s:9:.1f:1:rate '+-95%:8:.1f:1:half' 'to 1:6:.2f:1:to_one' 'p99 ms:8:.1f:1000:latency_p99' \
		'srv idl:7:.2f:1:server_idle' 'cli idl:7:.2f:1:client_idle' \
		foreignR:8:d:1:foreign_rx foreignT:8:d:1:foreign_tx errors:6:d:1:errors
	cat <<-EOF

	conn/s: median of the repeats, +-95%: interval of their mean; to 1: against one core;
	foreignR/T: packets received / sent by another core than the one the NIC belongs to.

	Clock: wall time, in a guest of $(fact .guest.cpus) virtual CPUs on $(fact .host.cpus) host CPUs ($(fact .accel)).
	This is NOT a scaling result: an emulated core is no core, and the guest has
	more of them than the host.  It shows that every part works together; measure
	scaling on a real server, or in simulated time.
	EOF
}

table_sim()
{
	cat <<-EOF
	Simulated: connections per second of simulated time.  Compare them with each
	other; none of them predicts what real hardware does.

	$(jq -r '.[0].params | "\(.size)-byte file, \(if .keep_alive then "requests of kept connections" else "no keep-alive" end); switch hashes \(.switch_hash); \(.workers) worker(s) per lane"' "$dir/results.json"); Linux $(fact .guest.kernel)
	windows of $(jq -r 'map({c: .cores, w: .params.window_ms}) | unique | map("\(.w) ms (\(.c) cores)") | join(", ")' "$dir/results.json"), $(jq 'map(.repeat) | max + 1' "$dir/results.json") repeats from seed $(fact .seed), each with its own

	EOF
	columns conn/s:9:.0f:1:rate '+-95%:6:.1f%%:100:half_share' 'to 1:6:.2f:1:to_one' 'to ord:6:.2f:1:to_ordinary' \
		'to best:7:.2f:1:to_stock' 'p99 ms:7:.2f:1000:latency_p99' 'srv idl:7:.2f:1:server_idle' \
		'cli idl:7:.2f:1:client_idle' 'cli max:7:.2f:1:client_busy_max' 'sw max:6:.2f:1:switch_busy_max' \
		foreignR:8:d:1:foreign_rx foreignT:8:d:1:foreign_tx errors:6:d:1:errors
	cat <<-EOF

	conn/s: median of the repeats, +-95%: interval of their mean; to 1: against the
	same row on one core; to ord: against row ordinary on one core; to best: against
	the best row of a stock kernel (${STOCK_ROWS[*]}) on as many cores;
	srv/cli idl: mean idle share of server and client cores; cli/sw max: the busiest
	client and switch core's busy share (over 0.95 makes a point invalid);
	foreignR/T: packets received / sent by another core than the one the NIC belongs to.
	p99 is ab's, over the whole point with its start.

	Per connection, on the server's cores:

	EOF
	columns instr.:8:.0f:1:instructions_per_connection cycles:8:.0f:1:cycles_per_connection \
		CPI:5:.2f:1:cpi 'L1 miss:8:.0f:1:l1_misses_per_connection' \
		'coherence:9:.1f:1:coherence_misses_per_connection' 'spin:5:.3f:1:server_spin' \
		'resent:6:d:1:retransmitted'
	cat <<-EOF

	coherence: lines that another core had modified, or whose sharers had to be told;
	spin: share of the server cores' time in PAUSE; resent: TCP segments, all windows.

	EOF
	fact '.simulator | "Simulator: window Q \(.q_cycles | map(tostring) | join(", ")) cycles, no core ran more than \(.max_ahead_cycles) ahead; \(.mips * 10 | floor / 10) guest MIPS;\noptions \(.options). Its model, with the source of each constant in facts.json:"'
	fact '.simulator.model | to_entries | map("\(.key) \(.value.value)") | join(", ")' | fold -s -w 90 | sed 's/^/  /'
	echo "QEMU $(fact .qemu), guest of $(fact .guest.cpus) CPUs."
}

table()
{
	"table_$(fact .clock)"
}

# In simulated time ratios are drawn, as absolute rates mean nothing.
plot()
{
	local row rows=() data=$dir/plot.tmp title ylabel base='' i=0

	mapfile -t rows < <(summary '.[].row' | uniq)
	title="Connections per second over server cores ($(fact .clock) clock)" ylabel='connections per second'
	if [[ $(fact .clock) == sim ]]; then
		base=$(summary '(map(select(.row == "ordinary" and .cores == 1)) + .)[0] | "\(.rate) \(.row) \(.cores)"')
		title='Connections per second over server cores, simulated'
		ylabel="times row ${base#* }"
		ylabel=${ylabel% *}" on ${base##* } core(s)"
	fi
	: > "$data"
	for row in "${rows[@]}"; do
		{ summary ".[] | select(.row == \"$row\") | [.cores, .rate, (.half // 0)] | @tsv" |
			awk -v base="${base%% *}" '{ print $1, base ? $2 / base : $2, base ? $3 / base : $3 }' | sort -n
		  printf '\n\n'; } >> "$data"
	done
	{
		echo "set terminal svg size 800,520 font 'sans,14'"
		echo "set output '$dir/connections.svg'"
		echo "set title \"$title\"; set xlabel 'server cores'; set ylabel '$ylabel'"
		echo "set grid; set key top left; set yrange [0:*]; set xrange [0.5:*]; set offsets 0, 0.5, 0, 0"
		echo "set xtics ($(summary '[.[].cores] | unique | map("\"\(.)\" \(.)") | join(", ")'))"
		printf 'plot '
		for row in "${rows[@]}"; do
			printf "%s'%s' index %d using 1:2:3 with yerrorlines lw 2 title '%s'" \
				"$([[ $i == 0 ]] || echo ', ')" "$data" "$i" "$row"
			i=$((i + 1))
		done
		echo
	} | gnuplot 2> "$dir/gnuplot.log" || die "gnuplot failed" "$(cat "$dir/gnuplot.log")"
	rm -f "$data" "$dir/gnuplot.log"
}

[[ $collect == no ]] || collect "$dir"
[[ -s $dir/results.json && -s $dir/facts.json ]] || die "$dir holds no results" "name a folder that bench.sh wrote"
jq -r '(["experiment","row","cores","size","metric","value","unit","repeat","seed","clock","kernel","valid","why","errors"] | @csv),
	(.[] | [.experiment,.row,.cores,.params.size,.metric,.value,.unit,.repeat,.seed,.clock,.kernel,.valid,.why,.errors] | @csv)' \
	"$dir/results.json" > "$dir/results.csv"
table > "$dir/table.txt"
plot
