#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The rows of bench-block.sh, and its results as tables and plots. Sourced
# after lib.sh.
# shellcheck disable=SC2034  # the rows are the bench's

# On one core: latency (the paper's Figure 1), what is left to others (Figure
# 2), many in flight; and those worth more cores (Figure 3).
LATENCY_ROWS=(sync sync-now async async-idle hybrid mq mq-idle mq-p1 pci-sync pci-async pci-async-idle
	nvme nvme-idle nvme-p1 null-timer null-timer-idle null-now brd)
SHARE_ROWS=(none-w sync-w async-w hybrid-w mq-w null-timer-w)
DEPTH_ROWS=(sync-x8 async-x8 mq-x8 null-timer-x8 sync-q32 async-q32 mq-q32 mq-p32 null-timer-q32)
SCALE_ROWS=(sync async async-x8 mq mq-x8 null-timer null-timer-x8)
mapfile -t ALL_ROWS < <(printf '%s\n' "${LATENCY_ROWS[@]}" "${SHARE_ROWS[@]}" "${DEPTH_ROWS[@]}" "${SCALE_ROWS[@]}" |
	awk '!seen[$0]++')

# lines EXPERIMENT FILTER: values of its points, tab-separated; $all are all points
lines()
{
	jq -r --arg experiment "block-$1" --argjson order "$(jq -cn '$ARGS.positional' --args "${ALL_ROWS[@]}")" '
		map(select(.experiment == $experiment)) | group_by([(.row as $r | $order | index($r)), .cores])
		| map((map({(.metric): .value}) | add) + {row: .[0].row, cores: .[0].cores, params: .[0].params})
		| . as $all | .[] | '"$2"' | map(. // "-") | @tsv' "$dir/results.json"
}

# columns FORMAT...: of tab-separated values; "-" is as wide
columns()
{
	awk -F '\t' -v formats="$*" 'BEGIN { n = split(formats, format, " ") }
		{
			line = ""
			for (i = 1; i <= n; i++) {
				f = format[i]
				if ($i == "-") {
					match(f, /-?[0-9]+/)
					f = "%" substr(f, RSTART, RLENGTH) "s"
				}
				line = line sprintf(f, $i) " "
			}
			sub(/ +$/, "", line)
			print line
		}'
}

table_latency()
{
	printf '\nOne read after another by one thread (Figure 1), us\n\n%-16s %7s %7s %8s %7s %7s %8s %8s %8s %6s\n' \
		row read device software driver drv-p99 insn/rd drv-insn cyc/rd busy
	lines latency '[.row, .latency * 1e6, .params.device_ns / 1e3, .software * 1e6, .driver_mean * 1e6, .driver_p99 * 1e6,
		.instructions_per_read, .driver_instructions_per_read, .cycles_per_read, .cpu_busy * 100]' |
		columns '%-16s' '%7.2f' '%7.2f' '%8.2f' '%7.2f' '%7.2f' '%8.0f' '%8.0f' '%8.0f' '%5.0f%%'
	cat <<-EOF

	read: a pread(2) with O_DIRECT; software: what of it is not the device's;
	driver: from submit_bio()'s entry to the call of the bio's end, mean and 99th
	percentile; drv-insn: instructions of the disk's driver, its controller's
	included where it is embedded.  sync-now has no device time: its instructions are
	sync's beside the spin.  insn/rd, cyc/rd: of cores that are not idle.
	EOF
}

table_share()
{
	printf '\nA thread that works beside one that reads, on one core (Figure 2)\n\n%-16s %10s %8s %12s\n' \
		row reads/s work 'taken us/rd'
	lines share '($all | map(select(.row == "none-w").turns) | first) as $alone
		| [.row, (if .iops > 0 then .iops else null end), (if $alone then .turns / $alone * 100 else null end),
		   (if $alone and .iops > 0 then (1 - .turns / $alone) / .iops * 1e6 else null end)]' |
		columns '%-16s' '%10.0f' '%7.1f%%' '%12.2f'
	cat <<-EOF

	work: what the other thread got done, of what it does alone; taken: the core's
	time that a read took from it.
	EOF
}

table_depth()
{
	printf '\nMany in flight on one core\n\n%-16s %9s %10s %9s %8s %6s\n' row 'in flight' reads/s 'read us' insn/rd busy
	lines depth '[.row, .params.in_flight, .iops, .latency * 1e6, .instructions_per_read, .cpu_busy * 100]' |
		columns '%-16s' '%9d' '%10.0f' '%9.2f' '%8.0f' '%5.0f%%'
}

table_scale()
{
	printf '\nReads per second over cores (Figure 3), %s bytes\n\n%-16s %5s %10s %6s %9s %8s %8s %6s\n' \
		"$(jq -r '[.[] | select(.experiment == "block-scale").params.bs] | first' "$dir/results.json")" \
		row cores reads/s 'to 1' 'read us' insn/rd lines/rd busy
	lines scale '.row as $row | ($all | map(select(.row == $row and .cores == 1).iops) | first) as $one
		| [.row, .cores, .iops, (if $one then .iops / $one else null end), .latency * 1e6, .instructions_per_read,
		   .coherence_misses_per_read, .cpu_busy * 100]' |
		columns '%-16s' '%5d' '%10.0f' '%6.2f' '%9.2f' '%8.0f' '%8.2f' '%5.0f%%'
	echo
	echo 'lines/rd: cache lines taken from another core, per read'
}

# measured EXPERIMENT: there are results of it
measured()
{
	jq -e --arg experiment "block-$1" 'any(.[]; .experiment == $experiment)' "$dir/results.json" > /dev/null
}

# block_tables DIR: of its results.json
block_tables()
{
	local dir=$1 name

	echo "Reads of pollnvme's embedded controller, QEMU's NVMe controller and the kernel's own devices; Linux $(jq -r '.[0].kernel' "$dir/results.json")"
	echo 'Simulated: compare the rows with each other; none of it predicts real hardware.'
	for name in latency share depth scale; do
		! measured "$name" || "table_$name"
	done
}

# gnuplot_svg NAME: a figure, by the commands on stdin
gnuplot_svg()
{
	{
		echo "set terminal svg size 800,520 font 'sans,14'"
		echo "set output '$dir/$1.svg'"
		echo 'set grid y; set yrange [0:*]'
		cat
	} | gnuplot 2> "$dir/gnuplot.log" || die "gnuplot failed" "$(cat "$dir/gnuplot.log")"
	rm -f "$dir/gnuplot.log"
}

# Rows become stacked bars, each above its name
BARS="set style data histograms; set style histogram rowstacked; set style fill solid 0.8 border -1
set boxwidth 0.7; set xtics rotate by -35; set grid noxtics"

# What a read takes, split into the device's part and the rest
plot_latency()
{
	{
		echo "set title 'A read after another, simulated (Figure 1)'; set ylabel 'us'; set key top right"
		echo "$BARS"
		echo "\$d << EOD"
		lines latency '[.row, .params.device_ns / 1e3, (.latency * 1e6 - .params.device_ns / 1e3)]'
		echo EOD
		echo "plot \$d using 2:xtic(1) title 'device', '' using 3 title 'software'"
	} | gnuplot_svg latency
}

# What is left to a thread that works beside the reader; nothing to compare with, no figure
plot_share()
{
	[[ -n $(lines share 'select(.row == "none-w") | [.row]') ]] || return 0
	{
		echo "set title 'A thread that works beside one that reads, simulated (Figure 2)'"
		echo "set ylabel \"the other's work, % of what it does alone\"; set yrange [0:110]; unset key"
		echo "$BARS"
		echo "\$d << EOD"
		lines share '($all | map(select(.row == "none-w").turns) | first) as $alone
			| [.row, .turns / $alone * 100]'
		echo EOD
		echo "plot \$d using 2:xtic(1), '' using 0:2:(sprintf('%.0f %%', \$2)) with labels offset 0,0.7"
	} | gnuplot_svg share
}

# Rates over cores, as multiples of row sync's on one
plot_scale()
{
	local row list i base

	mapfile -t list < <(lines scale '[.row]' | uniq)
	base=$(lines scale 'select(.row == "sync" and .cores == 1) | [.iops]')
	[[ -n $base ]] || return 0
	{
		echo "set title 'Reads per second over cores, simulated (Figure 3)'; set xlabel 'cores'"
		echo "set ylabel 'times row sync on one core'; set key top left; set xrange [0.5:*]; set offsets 0, 0.5, 0, 0"
		for i in "${!list[@]}"; do
			row=${list[i]}
			echo "\$d$i << EOD"
			lines scale "select(.row == \"$row\") | [.cores, .iops / $base]"
			echo EOD
		done
		printf 'plot '
		for i in "${!list[@]}"; do
			printf "%s\$d%d using 1:2 with linespoints lw 2 title '%s'" "$([[ $i == 0 ]] || echo ', ')" "$i" "${list[i]}"
		done
		echo
	} | gnuplot_svg scale
}

# block_plots DIR: a figure of each experiment that has one
block_plots()
{
	local dir=$1 name

	for name in latency share scale; do
		! measured "$name" || "plot_$name"
	done
}
