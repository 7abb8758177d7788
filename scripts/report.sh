#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Turn the samples of a run into results.json, results.csv, facts.json, a
# text table and a plot; or make table and plot again from a results folder.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

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

collect_results()
{
	local largest

	[[ -s $dir/samples.jsonl ]] || die "no sample was taken" "see $dir/console.log"
	jq -s . "$dir/samples.jsonl" > "$dir/results.json"
	largest=$(find "$dir" -name 'irqs-*.jsonl' | sort -V | xargs -r cat | jq -s '
		group_by(.row) | map(. as $r | ($r | map(.cores) | max) as $m | $r[] | select(.cores == $m))')
	jq -n --arg cpu "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)" \
	      --arg cpus "$(nproc)" \
	      --arg qemu "$(qemu-system-x86_64 --version | head -n 1)" \
	      --arg host "$(uname -sr)" \
	      --arg accel "$(sed -n 's/.*corelane.accel=\([a-z]*\).*/\1/p' "$dir/cmdline")" \
	      --arg cmdline "$(cat "$dir/cmdline")" \
	      --arg guest_cpus "$(cat "$dir/cpus")" \
	      --arg command "${COMMAND_LINE:-}" \
	      --arg git "$(git -C "$CORELANE_TOP" describe --always --dirty 2> /dev/null || echo unknown)" \
	      --arg date "$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
	      --argjson irqs "$largest" \
	      --argjson modules "$(jq -s 'unique' "$dir/modules.jsonl")" \
	      --slurpfile results "$dir/results.json" '
		{date: $date, git: $git, command_line: $command,
		 host: {cpu: $cpu, cpus: ($cpus | tonumber), kernel: $host},
		 qemu: $qemu, accel: $accel,
		 guest: {kernel: $results[0][0].kernel, cpus: ($guest_cpus | tonumber), command_line: $cmdline},
		 clock: $results[0][0].clock, modules: $modules, irq_map: $irqs,
		 errors: ([$results[0][] | select(.metric == "connections_per_second") | .errors] | add)}' \
		> "$dir/facts.json"
	rm -f "$dir/cmdline" "$dir/cpus"
}

# Median and a 95 % interval of the mean (Student's t) per row and cores.
summary()
{
	jq -r '
		def median: sort | if length % 2 == 1 then .[length / 2 | floor]
			else (.[length / 2 - 1] + .[length / 2]) / 2 end;
		def t95: [0, 12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26][.] // 2.1;
		def half: . as $v | ($v | length) as $n | if $n < 2 then null else
			(($v | add) / $n) as $m
			| (([$v[] | (. - $m) * (. - $m)] | add) / ($n - 1) | sqrt) * (($n - 1) | t95) / ($n | sqrt) end;
		def of($m): map(select(.metric == $m) | .value);
		def mid($m): of($m) | if length > 0 then median else null end;
		(reduce .[].row as $r ([]; if index($r) then . else . + [$r] end)) as $order
		| group_by([(.row as $r | $order | index($r)), .cores]) | map({
			row: .[0].row, cores: .[0].cores,
			rate: mid("connections_per_second"),
			half: (of("connections_per_second") | half),
			p99: mid("latency_p99"), client_idle: mid("client_idle"), server_idle: mid("server_idle"),
			foreign_rx: (of("foreign_rx_packets") | add), foreign_tx: (of("foreign_tx_packets") | add),
			errors: (map(select(.metric == "connections_per_second") | .errors) | add),
			invalid: (map(select(.metric == "connections_per_second" and (.valid | not))) | length),
			repeats: (of("connections_per_second") | length)})
		| .[] | [.row, .cores, .rate, (.half // "nan"), (.p99 // "nan"), .client_idle, .server_idle,
			(.foreign_rx // "-"), (.foreign_tx // "-"), .errors, .invalid, .repeats] | @tsv' "$dir/results.json"
}

clock_note()
{
	local clock accel

	clock=$(jq -r .clock "$dir/facts.json")
	accel=$(jq -r .accel "$dir/facts.json")
	if [[ $clock == wall ]]; then
		cat <<-EOF
		Clock: wall time, in a guest of $(jq .guest.cpus "$dir/facts.json") virtual CPUs on $(jq .host.cpus "$dir/facts.json") host CPUs ($accel).
		This is NOT a scaling result: an emulated core is no core, and the guest has
		more of them than the host.  It shows that every part works together; measure
		scaling on a real server, or in simulated time.
		EOF
	else
		echo "Clock: simulated time; ratios mean something, absolute rates are no prediction."
	fi
}

table()
{
	echo "Connections per second, $(jq -r '.[0].params.size' "$dir/results.json")-byte file, no keep-alive; Linux $(jq -r .guest.kernel "$dir/facts.json")"
	echo
	printf '%-10s %5s %10s %9s %7s %9s %7s %7s %8s %8s %7s\n' row cores 'conn/s' '+-95%' 'to 1' 'p99 ms' 'srv idl' 'cli idl' 'foreignR' 'foreignT' errors
	summary | awk -F '\t' '
		$1 != row { row = $1; base = ($2 == 1) ? $3 : 0 }
		{
			printf "%-10s %5d %10.1f %9s %7s %9s %7.2f %7.2f %8s %8s %7d%s\n", $1, $2, $3,
				($4 == "nan") ? "-" : sprintf("%.1f", $4), base ? sprintf("%.2f", $3 / base) : "-",
				($5 == "nan") ? "-" : sprintf("%.1f", $5 * 1000), $7, $6, $8, $9, $10,
				$11 ? "  (" $11 " of " $12 " samples invalid)" : ""
		}'
	echo
	echo 'conn/s: median of the repeats, +-95%: interval of their mean; to 1: against one core;'
	echo 'foreignR/T: packets received / sent by another core than the one the NIC belongs to.'
	echo
	clock_note
}

plot()
{
	local row rows=() data=$dir/plot.tmp title

	mapfile -t rows < <(summary | cut -f 1 | uniq)
	: > "$data"
	for row in "${rows[@]}"; do
		{ summary | awk -F '\t' -v r="$row" '$1 == r { print $2, $3, $4 }' | sort -n; printf '\n\n'; } >> "$data"
	done
	title="Connections per second over server cores ($(jq -r .clock "$dir/facts.json") clock)"
	{
		echo "set terminal svg size 800,520 font 'sans,14'"
		echo "set output '$dir/connections.svg'"
		echo "set title \"$title\"; set xlabel 'server cores'; set ylabel 'connections per second'"
		echo "set grid; set key top left; set yrange [0:*]; set xtics 1; set xrange [0.5:*]; set offsets 0, 0.5, 0, 0"
		printf 'plot '
		local i=0
		for row in "${rows[@]}"; do
			printf "%s'%s' index %d using 1:2:3 with yerrorlines lw 2 title '%s'" \
				"$([[ $i == 0 ]] || echo ', ')" "$data" "$i" "$row"
			i=$((i + 1))
		done
		echo
	} | gnuplot 2> "$dir/gnuplot.log" || die "gnuplot failed" "$(cat "$dir/gnuplot.log")"
	rm -f "$data" "$dir/gnuplot.log"
}

[[ $collect == no ]] || collect_results
[[ -s $dir/results.json && -s $dir/facts.json ]] || die "$dir holds no results" "name a folder that bench.sh wrote"
jq -r '(["experiment","row","cores","size","metric","value","unit","repeat","seed","clock","kernel","valid","why","errors"] | @csv),
	(.[] | [.experiment,.row,.cores,.params.size,.metric,.value,.unit,.repeat,.seed,.clock,.kernel,.valid,.why,.errors] | @csv)' \
	"$dir/results.json" > "$dir/results.csv"
table > "$dir/table.txt"
plot
