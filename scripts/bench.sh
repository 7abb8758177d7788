#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The main job: how many connections per second does each way to run a server
# reach, over a growing number of cores?

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

ALL_ROWS=(ordinary bond-l34 lanes)

usage()
{
	cat <<'EOF'
usage: sudo scripts/bench.sh [options]

Boot a Debian kernel in QEMU with the topology of the flow-parallelism paper
(one e1000e per lane, a link-aggregating switch, clients behind it), load our
modules, and measure connections per second with ab over 1, 2 and 4 server
cores, for each row.  What is missing on this machine is installed first.

  --cores LIST     server cores to measure (default 1,2,4; at most 16)
  --rows LIST      rows to measure (default: all; see --list)
  --repeats N      how often each point is measured, interleaved (default 5)
  --seconds N      length of a measurement (default 3)
  --kernel LINE    Debian kernel, 6.1 or 6.12 (default 6.12)
  --workers N      lighttpd workers per lane in row lanes (default 2, the
                   paper's best)
  --out DIR        results folder (default results/DATE-TIME)
  --quick          one short repeat over 1 and 2 cores: does it work here?
  --no-setup       do not look for missing tools first
  --list           list the rows and what they are
  -h, --help       this text

Results: results.json and results.csv (every sample), facts.json (what it ran
on and with), table.txt, connections.svg.  Ctrl-C leaves nothing behind.
EOF
}

list_rows()
{
	cat <<'EOF'
ordinary   one NIC, its interrupt on core 0; one lighttpd with as many workers
           as cores; one listening socket
bond-l34   a NIC per core, each interrupt on its core, stock bonding with
           layer3+4; one lighttpd, one listening socket
lanes      a NIC, interrupt, listening socket, lighttpd and transmit NIC per
           core: CPU-bound bonding and percore port NAT
EOF
}

cores=1,2,4 rows=$(IFS=,; echo "${ALL_ROWS[*]}") repeats=5 seconds=3 kernel=6.12 workers=2
out='' setup=yes command_line="$0 $*"
while [[ $# -gt 0 ]]; do
	case $1 in
	--cores | --rows | --repeats | --seconds | --kernel | --workers | --out)
		[[ $# -ge 2 && -n $2 ]] || usage_error "$1 wants a value"
		declare "${1#--}=$2"; shift 2 ;;
	--quick) repeats=1 seconds=2 cores=1,2; shift ;;
	--no-setup) setup=no; shift ;;
	--list) list_rows; exit 0 ;;
	-h | --help) usage; exit 0 ;;
	*) usage_error "unknown option $1" ;;
	esac
done

check_options()
{
	local item

	for item in repeats seconds workers; do
		[[ ${!item} =~ ^[1-9][0-9]*$ ]] || usage_error "--$item wants a number, not '${!item}'"
	done
	[[ $cores =~ ^[0-9]+(,[0-9]+)*$ ]] || usage_error "--cores wants numbers like 1,2,4, not '$cores'"
	for item in ${cores//,/ }; do
		((item >= 1 && item <= 16)) || usage_error "--cores: $item is not between 1 and 16"
	done
	for item in ${rows//,/ }; do
		[[ " ${ALL_ROWS[*]} " == *" $item "* ]] || usage_error "--rows: no row '$item'; rows are ${ALL_ROWS[*]}"
	done
	[[ " ${CORELANE_LINES[*]} " == *" $kernel "* ]] ||
		usage_error "--kernel: no line '$kernel'; lines are ${CORELANE_LINES[*]}"
}
check_options

out=${out:-$CORELANE_TOP/results/$(date +%Y%m%d-%H%M%S)}
[[ ! -e $out/results.json ]] || die "$out already holds results" "name another folder with --out"
partial=$out.partial
console=''
finish()
{
	local status=$?

	trap - EXIT
	trap '' INT TERM HUP
	if [[ $status != 0 ]]; then
		progress_clear
		if [[ -s $console ]]; then
			# Keep only the log: a half-written result helps nobody.
			cp "$console" "${TMPDIR:-/tmp}/corelane-console.log"
			say "bench.sh: stopped; the guest's console log is ${TMPDIR:-/tmp}/corelane-console.log"
		fi
		rm -rf "$partial"
	fi
	exit "$status"
}

begun=$SECONDS
progress() # TEXT: one line, in place on a terminal
{
	if [[ -t 2 ]]; then
		printf '\r\033[K[%3d s] %s' "$((SECONDS - begun))" "$1" >&2
	else
		printf '[%3d s] %s\n' "$((SECONDS - begun))" "$1" >&2
	fi
}

progress_clear()
{
	[[ ! -t 2 ]] || printf '\r\033[K' >&2
}

# Follow the guest's console and say where it is and how long it will take.
follow()
{
	local total=$1 done=0 line started=0 eta=''

	while IFS= read -r line; do
		line=${line%$'\r'}
		case $line in
		'LAB up:'*) progress "guest is up: ${line#LAB up: }"; started=$SECONDS ;;
		'BENCH point '*)
			done=$((done + 1))
			eta=$(((SECONDS - started) * (total - done) / done))
			progress "measuring: point $done of $total, about $eta s left (${line#BENCH point })" ;;
		'BENCH failed '*) progress_clear; say "${line#BENCH }" ;;
		'LAB done'*) progress_clear; break ;;
		esac
	done
}

measure()
{
	local max_cores points row_count core_count lab tailer status=0

	max_cores=$(tr , '\n' <<< "$cores" | sort -n | tail -n 1)
	row_count=$(tr , '\n' <<< "$rows" | wc -l)
	core_count=$(tr , '\n' <<< "$cores" | wc -l)
	points=$((row_count * core_count * repeats))
	console=$partial/console.log
	: > "$console"
	progress "booting Linux $kernel with $max_cores lanes: $points points to measure"
	"$CORELANE_TOP/tools/lab/run.sh" --kernel "$kernel" --lanes "$max_cores" \
		--cpus "$((max_cores * 2 > 4 ? max_cores * 2 : 4))" --mem 3072 --results "$partial" \
		--timeout "$((180 + points * (seconds * 4 + 40)))" tools/lab/guest/bench.sh \
		"rows=$rows" "cores=$cores" "repeats=$repeats" "seconds=$seconds" \
		"workers=$workers" > "$partial/lab.log" 2>&1 &
	lab=$!
	# -F: the lab makes the log anew
	follow "$points" < <(tail -n +1 -F --pid="$lab" "$console" 2> /dev/null) &
	tailer=$!
	# Both die with us: the lab cleans up after itself when told to stop.
	trap 'kill "$lab" "$tailer" 2> /dev/null; wait "$lab" 2> /dev/null; exit 130' INT
	trap 'kill "$lab" "$tailer" 2> /dev/null; wait "$lab" 2> /dev/null; exit 143' TERM HUP
	wait "$lab" || status=$?
	wait "$tailer" || true
	progress_clear
	trap - INT TERM HUP
	if [[ $status != 0 ]]; then
		cat "$partial/lab.log" >&2
		die "the run failed (status $status)"
	fi
}

trap finish EXIT
[[ $setup == no ]] || "$CORELANE_TOP/scripts/setup.sh" --quiet
mkdir -p "$partial"
build()
{
	"$@" > "$partial/build.log" 2>&1 || {
		tail -n 5 "$partial/build.log" >&2
		die "the build failed" "try it alone: $*"
	}
	rm -f "$partial/build.log"
}
progress "building modules for Linux $kernel and the corelane tool"
MODULES='drivers/net/bonding net/netfilter/percore' build "$CORELANE_TOP/scripts/build-modules.sh" "$kernel"
build make -s -C "$CORELANE_TOP" tools
progress_clear
measure
COMMAND_LINE=$command_line "$CORELANE_TOP/scripts/report.sh" --collect "$partial"
rm -f "$partial"/{status,samples.jsonl,modules.jsonl,irqs-*.jsonl,lab.log,qemu.log,bench.log}
mkdir -p "${out%/*}"
mv "$partial" "$out"
cat "$out/table.txt"
say ""
say "results are in $out: results.json, results.csv, facts.json, table.txt, connections.svg"
