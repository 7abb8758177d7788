#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The block half: what a read costs when its task polls for it, and when an
# interrupt ends it, over a growing number of cores.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

ALL_ROWS=(sync null-timer null-now brd)

usage()
{
	cat <<'EOF'
usage: sudo scripts/bench-block.sh [options]

Boot a Debian kernel in QEMU, in simulated time, and let fio read blocks with
one process a core: from pollnvme's embedded controller, and from the kernel's
own devices, whose answer takes as long.

  --cores LIST     cores that read, a process each (default 1,2,4,8; at most 32)
  --rows LIST      rows to measure (default: all)
                     sync        pollnvme over its embedded controller
                     null-timer  null_blk, blk-mq, ended by a timer's interrupt
                     null-now    null_blk that answers at once
                     brd         a RAM disk: a bio driver that answers at once
  --device-ns N    how long the device takes (sync, null-timer; default 4100,
                   the polling paper's prototype)
  --block-size B   fio's bs (default 4k)
  --kernel LINE    Debian kernel, 6.1 or 6.12 (default 6.12)
  --sim OPTIONS    more options for the simulator, OPTION=VALUE,...
  --out DIR        results folder (default results/block-DATE-TIME)
  --no-setup       do not look for missing tools first
  -h, --help       this text

Results: results.json, facts.json, table.txt, profiles/.
EOF
}

cores=1,2,4,8 rows=$(IFS=,; echo "${ALL_ROWS[*]}") device_ns=4100 block_size=4k kernel=6.12 sim='' out='' setup=yes
command_line="$0 $*"
while [[ $# -gt 0 ]]; do
	case $1 in
	--cores | --rows | --device-ns | --block-size | --kernel | --sim | --out)
		[[ $# -ge 2 && -n $2 ]] || usage_error "$1 wants a value"
		option=${1#--}
		declare "${option//-/_}=$2"; shift 2 ;;
	--no-setup) setup=no; shift ;;
	-h | --help) usage; exit 0 ;;
	*) usage_error "unknown option $1" ;;
	esac
done

check_options()
{
	[[ $device_ns =~ ^[0-9]+$ ]] || usage_error "--device-ns wants a number, not '$device_ns'"
	[[ $block_size =~ ^[1-9][0-9]*k?$ ]] || usage_error "--block-size wants bytes or KiB like 4k, not '$block_size'"
	check_points 32
}
check_options

out=${out:-$CORELANE_TOP/results/block-$(date +%Y%m%d-%H%M%S)}
[[ ! -e $out/results.json ]] || die "$out already holds results" "name another folder with --out"
partial=$out.partial lab=''
finish()
{
	local status=$?

	trap - EXIT
	trap '' INT TERM HUP
	[[ -z $lab ]] || { kill "$lab" 2> /dev/null || true; wait "$lab" 2> /dev/null || true; }
	rm -rf "$partial"
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

quietly()
{
	"$@" > "$partial/build.log" 2>&1 || { tail -n 5 "$partial/build.log" >&2; die "the build failed" "try it alone: $*"; }
}

measure()
{
	local max points=() row n

	max=$(tr , '\n' <<< "$cores" | sort -n | tail -n 1)
	for n in ${cores//,/ }; do
		for row in ${rows//,/ }; do
			points+=("$row:$n")
		done
	done
	say "booting Linux $kernel with $((max + 1)) cores in simulated time: ${#points[@]} points to measure"
	"$CORELANE_TOP/tools/lab/run.sh" --clock sim --kernel "$kernel" --cpus "$((max + 2))" --mem 3072 \
		--results "$partial" --timeout $((300 + 120 * ${#points[@]})) ${sim:+--sim "$sim"} --watch \
		tools/lab/guest/block.sh "points=$(IFS=,; echo "${points[*]}")" "device_ns=$device_ns" "bs=$block_size" \
		> "$partial/lab.log" 2>&1 &
	lab=$!
	tail -n +1 -F --pid="$lab" "$partial/lab.log" 2> /dev/null |
		awk '/BENCH (point|failed)/ { sub(/\{.*/, ""); print; fflush() }' >&2 &
	wait "$lab" || die "the run failed" "$(tail -n 3 "$partial/lab.log")"
	lab=''
}

# One sample a metric, as the other bench has them
collect()
{
	jq -n --slurpfile points "$partial/block.jsonl" --slurpfile windows "$partial/windows.jsonl" '
		[$points[] | . as $p | ([$windows[] | select(.tag == $p.tag)] | last) as $w
		 | {latency_mean: ["s", $p.mean], latency_p50: ["s", $p.p50], latency_p99: ["s", $p.p99],
		    cpu_busy: ["fraction", ([$w.cpu[:$p.cores][].busy] | add / length)]}
		 + (if $p.window_ios == 0 then {} else
		   {iops: ["1/s", ($p.window_ios / $w.virtual_ms * 1000)],
		    instructions_per_io: ["1", ($w.totals.insn / $p.window_ios)],
		    cycles_per_io: ["1", ($w.totals.cycles / $p.window_ios)],
		    coherence_misses_per_io: ["1", (($w.totals.hitm + $w.totals.upgrade) / $p.window_ios)]} end)
		 | to_entries[] | {experiment: "block", row: $p.row, cores: $p.cores,
			params: {device_ns: $p.device_ns, bs: $p.bs}, metric: .key, value: .value[1], unit: .value[0],
			repeat: 0, seed: 1, clock: "sim", kernel: $p.kernel,
			valid: ($p.ios > 0), why: (if $p.ios > 0 then "" else "no read ended" end), errors: 0}]' \
		> "$partial/results.json"
	jq -n --arg command "$command_line" --arg cmdline "$(cat "$partial/cmdline")" \
		--arg git "$(git -C "$CORELANE_TOP" describe --always --dirty 2> /dev/null || echo unknown)" \
		--slurpfile model "$partial/model.json" --slurpfile windows "$partial/windows.jsonl" \
		'{command_line: $command, git: $git, guest: {command_line: $cmdline}, clock: "sim",
		  simulator: {model: $model[0], q_cycles: ($windows | map(.q_cycles) | unique),
		  max_ahead_cycles: ($windows | map(.max_ahead_cycles) | max)}}' > "$partial/facts.json"
}

table()
{
	echo "Reads of $block_size, one process a core, device time $device_ns ns where it has one; Linux $(jq -r '.[0].kernel' "$partial/results.json")"
	echo
	printf '%-11s %5s %10s %9s %9s %9s %9s %9s %8s %7s\n' row cores IOPS 'to 1' 'p50 us' 'p99 us' 'mean us' insn/IO 'lines/IO' 'busy'
	jq -r 'group_by([.row, .cores]) | .[] | (map({(.metric): .value}) | add) as $m
		| [.[0].row, .[0].cores, $m.iops // 0, $m.latency_p50 * 1e6, $m.latency_p99 * 1e6, $m.latency_mean * 1e6,
		   $m.instructions_per_io // 0, $m.coherence_misses_per_io // 0, $m.cpu_busy] | @tsv' "$partial/results.json" |
		awk -F '\t' '$1 != row { row = $1; one = $2 == 1 ? $3 : 0 }
			{ printf "%-11s %5d %10s %9s %9.2f %9.2f %9.2f %9s %8s %6.0f%%\n", $1, $2, known($3, "%.0f"),
				(one ? sprintf("%.2f", $3 / one) : "-"), $4, $5, $6, known($7, "%.0f"),
				($7 > 0 ? sprintf("%.1f", $8) : "-"), $9 * 100 }
			function known(x, format) { return (x > 0 ? sprintf(format, x) : "-") }'
	cat <<-EOF

	IOPS and per-I/O costs: a window of simulated time; latencies: fio's, its own work
	included.  lines/IO: cache lines taken from another core.  brd counts no reads.  Simulated: ratios, never
	a prediction; the model's constants are in facts.json.
	EOF
}

# All that takes long is read before it begins: the file may change meanwhile.
main()
{
	[[ $setup == no ]] || "$CORELANE_TOP/scripts/setup.sh" --quiet
	mkdir -p "$partial"
	say "building pollnvme for Linux $kernel and the simulator"
	MODULES=drivers/block/pollnvme quietly "$CORELANE_TOP/scripts/build-modules.sh" "$kernel"
	quietly make -s -C "$CORELANE_TOP" tools simlane
	measure
	collect
	table > "$partial/table.txt"
	mkdir -p "$out/profiles"
	mv "$partial"/{functions,lines}-*.csv "$out/profiles/"
	mv "$partial"/{results.json,facts.json,table.txt,console.log,dmesg.log} "$out/"
	cat "$out/table.txt"
	say "results are in $out"
}

main; exit
