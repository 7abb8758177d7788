#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The block half: what a read costs when its task polls for it, and when an
# interrupt ends it: the polling paper's Figures 1 to 3.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=block-tables.sh
. "$CORELANE_TOP/scripts/block-tables.sh"

usage()
{
	cat <<'EOF'
usage: sudo scripts/bench.sh block [options]

Boot a Debian kernel in QEMU, in simulated time, and keep reading blocks: from
pollnvme's embedded controller, from QEMU's NVMe controller by pollnvme and by the
kernel's driver, and from the kernel's own devices, whose answer takes as long.
Four experiments, on one core but for the last:

  latency   what a read takes and costs, as a pread(2) with O_DIRECT and from
            submit_bio()'s entry to the bio's end
  share     what a thread gets that works on the core beside the one that reads
  depth     many reads in flight, by threads or by io_uring
  scale     reads per second over a growing number of cores

  --experiments LIST  (default latency,share,depth,scale)
  --cores LIST     cores of scale (default 1,2,4,8; at most 32)
  --rows LIST      only these rows (default: all; --list tells what they are)
  --device-ns N    how long the device takes where it takes time (default 4100,
                   the polling paper's prototype)
  --block-size B   bytes of a read, at most 4k (default 4k; scale: 512)
  --idle-ns N      what leaving idle takes in rows "-idle" (default 2000, C1 by
                   Linux's tables; elsewhere 1 % of it)
  --window-ms N    length of a measurement in simulated time (default 10; share: 6
                   times that)
  --kernel LINE    Debian kernel, 6.1 or 6.12 (default 6.12)
  --sim OPTIONS    more options for the simulator, OPTION=VALUE,...
  --out DIR        results folder (default results/block-DATE-TIME)
  --results DIR    measure nothing: tables and plots of an earlier run
  --json           print results.json instead of the tables
  --no-setup       do not look for missing tools first
  --list           list the rows
  -h, --help       this text

Results: results.json, facts.json, table.txt, latency.svg, share.svg, scale.svg,
profiles/.
EOF
}

list_rows()
{
	cat <<'EOF'
sync           pollnvme over its embedded controller, polled in submit_bio
sync-now       the same where the controller takes no time: all that is not waiting
async          the same disk in mode async: a timer's interrupt ends the bio
hybrid         the same disk in mode hybrid
mq             a blk-mq disk of the same controller
pci-sync       pollnvme over QEMU's NVMe controller, mode sync
pci-async      the same in mode async: the controller's interrupt ends the bio
nvme           the kernel's driver over the same controller, by interrupt; with -p
               by a queue that is polled
null-timer     null_blk, blk-mq, ended by a timer's interrupt
null-now       null_blk that answers at once
brd            a RAM disk: a bio driver that answers at once
none           no reader
  -idle        where a core takes long to leave idle
  -xN          N threads a core
  -qN, -pN     io_uring with N reads in flight; -p polls (IOPOLL)
  -w           a thread that works beside the one that reads
EOF
}

experiments=latency,share,depth,scale cores=1,2,4,8 rows='' device_ns=4100 block_size='' idle_ns=2000 window_ms=10
kernel=6.12 sim='' out='' results='' setup=yes json=no command_line="$0 $*"
while [[ $# -gt 0 ]]; do
	case $1 in
	--experiments | --cores | --rows | --device-ns | --block-size | --idle-ns | --window-ms | --kernel | --sim | \
	--out | --results)
		[[ $# -ge 2 && -n $2 ]] || usage_error "$1 wants a value"
		option=${1#--}
		declare "${option//-/_}=$2"; shift 2 ;;
	--json) json=yes; shift ;;
	--no-setup) setup=no; shift ;;
	--list) list_rows; exit 0 ;;
	-h | --help) usage; exit 0 ;;
	*) usage_error "unknown option $1" ;;
	esac
done

check_options()
{
	local item

	for item in device_ns idle_ns; do
		[[ ${!item} =~ ^[0-9]+$ ]] || usage_error "--${item/_/-} wants a number, not '${!item}'"
	done
	[[ $window_ms =~ ^[1-9][0-9]*$ ]] || usage_error "--window-ms wants a number, not '$window_ms'"
	if [[ -n $block_size ]]; then
		[[ $block_size =~ ^[1-9][0-9]*k?$ ]] || usage_error "--block-size wants bytes or KiB like 4k, not '$block_size'"
		[[ $block_size != *k ]] || block_size=$((${block_size%k} * 1024))
		((block_size <= 4096 && block_size % 512 == 0)) ||
			usage_error "--block-size: $block_size is no multiple of 512 up to 4096"
	fi
	check_list --experiments "$experiments"
	for item in ${experiments//,/ }; do
		[[ $item =~ ^(latency|share|depth|scale)$ ]] || usage_error "--experiments: no experiment '$item'"
	done
	[[ -z $results || -s $results/results.json ]] || usage_error "--results: $results has no results.json"
	check_points 32
}
check_options

out=${out:-$CORELANE_TOP/results/block-$(date +%Y%m%d-%H%M%S)}
[[ -n $results ]] || fresh_results
partial='' lab=''
finish()
{
	local status=$?

	trap - EXIT
	trap '' INT TERM HUP
	[[ -z $lab ]] || { kill "$lab" 2> /dev/null || true; wait "$lab" 2> /dev/null || true; }
	if [[ -n $partial ]] && compgen -G "$partial/*/results.json" > /dev/null; then
		say "bench-block.sh: what was measured is in $partial"
	elif [[ -n $partial ]]; then
		keep_console "$(echo "$partial"/*/console.log)"
		rm -rf "$partial"
	fi
	exit "$status"
}
trap finish EXIT
end_on_signals :

quietly()
{
	"$@" > "$partial/build.log" 2>&1 || { tail -n 5 "$partial/build.log" >&2; die "the build failed" "try it alone: $*"; }
}

# points_of EXPERIMENT: ROW:CORES, a line each
points_of()
{
	local -n all=${1^^}_ROWS
	local row n

	for row in "${all[@]}"; do
		[[ -z $rows || ,$rows, == *",$row,"* ]] || continue
		if [[ $1 == scale ]]; then
			printf '%s\n' ${cores//,/ } | while read -r n; do
				echo "$row:$n"
			done
		else
			echo "$row:1"
		fi
	done
}

# measure EXPERIMENT: in one guest; nothing where --rows leaves none of its rows
measure()
{
	local points max bs=${block_size:-4096} disk=() sim_options

	mapfile -t points < <(points_of "$1")
	[[ ${#points[@]} -gt 0 ]] || return 0
	[[ $1 != scale ]] || bs=${block_size:-512}
	max=$(printf '%s\n' "${points[@]#*:}" | sort -n | tail -n 1)
	# idle_exit is in cycles of the model's 2.5 GHz.
	sim_options=idle_exit=$((idle_ns * 5 / 2))
	if [[ ${points[*]} =~ pci-|nvme ]]; then
		disk=(--nvme 64M)
		# It knows no zero.
		sim_options+=,disk_ns=$((device_ns > 0 ? device_ns : 1))
	fi
	say "$1: booting Linux $kernel with $((max + 2)) cores in simulated time: ${#points[@]} points to measure"
	mkdir -p "$partial/$1"
	"$CORELANE_TOP/tools/lab/run.sh" --clock sim --kernel "$kernel" --cpus "$((max + 2))" --mem 2048 \
		--results "$partial/$1" --timeout $((600 + 240 * ${#points[@]})) --watch \
		${disk[@]+"${disk[@]}"} --sim "$sim_options${sim:+,$sim}" \
		tools/lab/guest/block.sh "points=$(IFS=,; echo "${points[*]}")" "device_ns=$device_ns" "bs=$bs" \
		"window_ms=$window_ms" "work_ms=$((6 * window_ms))" > "$partial/$1.log" 2>&1 &
	lab=$!
	tail -n +1 -F --pid="$lab" "$partial/$1.log" 2> /dev/null |
		awk '/BENCH (point|failed)/ { sub(/\{.*/, ""); print; fflush() }' >&2 &
	wait "$lab" || die "the run failed" "$(tail -n 3 "$partial/$1.log")"
	lab=''
	awk -v OFS='\t' -f "$CORELANE_TOP/scripts/block-rooms.awk" "$partial/$1"/functions-*.csv |
		jq -R 'split("\t") | {tag: .[0], room: .[1], insn: (.[2] | tonumber)}' > "$partial/$1/rooms.jsonl"
	jq -n --arg experiment "$1" --argjson idle_ns "$idle_ns" --slurpfile points "$partial/$1/block.jsonl" \
		--slurpfile windows "$partial/$1/windows.jsonl" --slurpfile rooms "$partial/$1/rooms.jsonl" \
		-f "$CORELANE_TOP/scripts/block-collect.jq" > "$partial/$1/results.json"
}

facts() # DIR
{
	jq -n --arg command "$command_line" --arg cmdline "$(cat "$1/cmdline")" \
		--arg git "$(git -C "$CORELANE_TOP" describe --always --dirty 2> /dev/null || echo unknown)" \
		--slurpfile model "$1/model.json" --slurpfile windows "$1/windows.jsonl" \
		'{command_line: $command, git: $git, guest: {command_line: $cmdline}, clock: "sim",
		  simulator: {model: $model[0], q_cycles: ($windows | map(.q_cycles) | unique),
		  max_ahead_cycles: ($windows | map(.max_ahead_cycles) | max)}}'
}

run()
{
	local name dirs

	[[ $setup == no ]] || "$CORELANE_TOP/scripts/setup.sh" --quiet
	claim_partial
	say "building pollnvme for Linux $kernel and the simulator"
	MODULES='drivers/block/pollnvme tests/modules/biotime' quietly "$CORELANE_TOP/scripts/build-modules.sh" "$kernel"
	quietly make -s -C "$CORELANE_TOP" tools test-tools simlane
	for name in ${experiments//,/ }; do
		measure "$name"
	done
	dirs=("$partial"/*/results.json)
	[[ -s ${dirs[0]} ]] || usage_error "no experiment has one of the rows $rows"
	dirs=("${dirs[@]%/results.json}")
	mkdir -p "$out/profiles"
	jq -s add "${dirs[@]/%//results.json}" > "$out/results.json"
	facts "${dirs[0]}" > "$out/facts.json"
	for name in "${dirs[@]}"; do
		mkdir -p "$out/profiles/${name##*/}"
		mv "$name"/{functions,lines}-*.csv "$name"/{windows,block}.jsonl "$name"/{console,dmesg}.log "$out/profiles/${name##*/}/"
	done
	# All that is to be kept has moved.
	rm -rf "$partial"
	partial=''
}

# All that takes long is read before it begins: the file may change meanwhile.
main()
{
	if [[ -n $results ]]; then
		out=$results
	else
		run
	fi
	block_tables "$out" > "$out/table.txt"
	block_plots "$out"
	if [[ $json == yes ]]; then
		cat "$out/results.json"
	else
		cat "$out/table.txt"
	fi
	say "results are in $out"
}

main; exit
