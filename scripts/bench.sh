#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The main job: how many connections per second does each way to run a server
# reach, over a growing number of cores?

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=../tools/lab/emulator.sh
. "$CORELANE_TOP/tools/lab/emulator.sh"
# shellcheck source-path=SCRIPTDIR source=bench-rows.sh
. "$CORELANE_TOP/scripts/bench-rows.sh"

usage()
{
	cat <<'EOF'
usage: sudo scripts/bench.sh [options]
       sudo scripts/bench.sh bonding|listeners|block [options]

Boot a Debian kernel in QEMU with the topology of the flow-parallelism paper
(one e1000e per lane, a link-aggregating switch, clients behind it), load our
modules, and measure connections per second with ab over a growing number of
server cores, for each row.  What is missing on this machine is installed first.
"bonding", "listeners" and "block" are benches of their own, of ways to send, of
ways to give each core a listener, and of reading blocks: see "bench.sh bonding
--help" and so on.

  --clock CLOCK    sim (default): simulated time, every guest core with a clock
                   and caches of its own, so that scaling shows; needs QEMU 10.
                   wall: wall time; shows that the parts work, not how they scale
  --cores LIST     server cores to measure (sim: 1,2,4,8, at most 32;
                   wall: 1,2,4, at most 16)
  --rows LIST      rows to measure, or "all" (see --list)
  --repeats N      how often each point is measured (default 5)
  --kernel LINE    Debian kernel, 6.1 or 6.12 (default 6.12)
  --switch-hash H  what the switch spreads flows by: layer2+3 (default; other
                   than the server's own hash, as real switches) or layer3+4
  --nics N         at least so many NICs where a row has more than one (default:
                   as many as server cores)
  --senders        sim: count after the repeats, at some cost to the run alone,
                   which CPU sends by which NIC and who waits for locks
  --workers N      lighttpd workers per lane in rows with a server per core
                   (sim: 1; wall: 2)
  --file-size N    bytes of the file that is asked for (default 128)
  --keep-alive     sim: one connection for many requests: what is counted as
                   connections are requests then
  --settle N       sim: let load and caches settle for an Nth of the usual time
                   before the first window (default 1): counts per connection
                   want less of it than rates
  --lsm LIST       security modules that the guest has (default: Debian's)
  --window-ms N    sim: length of a measurement in simulated time, from four
                   cores on; fewer get longer ones (default 20)
  --seed N         sim: the first repeat's seed; others follow (default 1)
  --vary LIST      sim: measure each point again with each of these constants of
                   the model at 50 and 150 %, or with all that cost time (see
                   scripts/sensitivity.sh, which says what hangs on them)
  --sim OPTIONS    sim: more options for the simulator, OPTION=VALUE,...
  --jobs N         sim: guests to run at a time, a host core each (default: all)
  --seconds N      wall: length of a measurement (default 3)
  --out DIR        results folder (default results/DATE-TIME)
  --quick          one short repeat over 1 and 2 cores: does it work here?
  --no-setup       do not look for missing tools first
  --list           list the rows and what they are
  -h, --help       this text

Results: results.json and results.csv (every sample), facts.json (what it ran
on and with), table.txt, connections.svg.  Ctrl-C while it measures leaves
nothing behind.
EOF
}

case ${1:-} in
bonding | listeners | block) exec "$CORELANE_TOP/scripts/bench-$1.sh" "${@:2}" ;;
esac

clock=sim cores='' rows='' repeats=5 kernel=6.12 workers='' file_size=128 switch_hash=layer2+3
nics=1 senders=no keep_alive=no settle=1 lsm='' window_ms='' seed=1 vary='' sim='' jobs=$(nproc) seconds='' quick=no
out='' setup=yes command_line="$0 $*"
while [[ $# -gt 0 ]]; do
	case $1 in
	--clock | --cores | --rows | --repeats | --seconds | --kernel | --workers | --out | --switch-hash | --nics | \
	--file-size | --window-ms | --seed | --vary | --sim | --jobs | --lsm | --settle)
		[[ $# -ge 2 && -n $2 ]] || usage_error "$1 wants a value"
		option=${1#--}
		declare "${option//-/_}=$2"; shift 2 ;;
	--senders) senders=yes; shift ;;
	--keep-alive) keep_alive=yes; shift ;;
	--quick) quick=yes; shift ;;
	--no-setup) setup=no; shift ;;
	--list) list_rows; exit 0 ;;
	-h | --help) usage; exit 0 ;;
	*) usage_error "unknown option $1" ;;
	esac
done

set_defaults()
{
	local default_cores

	case $clock in
	sim) default_cores=1,2,4,8 rows=${rows:-$DEFAULT_ROWS_SIM} workers=${workers:-1} ;;
	wall) default_cores=1,2,4 rows=${rows:-$DEFAULT_ROWS_WALL} workers=${workers:-2} ;;
	*) usage_error "--clock: no clock '$clock'; clocks are sim and wall" ;;
	esac
	if [[ $quick == yes ]]; then
		default_cores=1,2 repeats=1 seconds=${seconds:-2} window_ms=${window_ms:-5}
	fi
	cores=${cores:-$default_cores} seconds=${seconds:-3} window_ms=${window_ms:-20}
	# What costs time: not the clock's frequency, nor a cache's size.
	[[ $vary != all ]] || vary=$(sed -nE 's/^([a-z0-9_]+) .*/\1/p' "$CORELANE_TOP/tools/simlane/model/server.conf" |
		grep -vE '^ghz$|_kb$' | paste -sd ,)
	vary_windows=$(tr , '\n' <<< "$vary" | grep -c . || true)
	vary_windows=$((vary_windows * 2))
	[[ $rows != all ]] || rows=$(IFS=,; echo "${ALL_ROWS[*]}")
}

check_options()
{
	local item limit=16

	for item in repeats seconds workers file_size window_ms seed jobs nics settle; do
		[[ ${!item} =~ ^[1-9][0-9]*$ ]] || usage_error "--${item//_/-} wants a number, not '${!item}'"
	done
	# --vary has one of its own
	((seed + repeats + (vary_windows > 0) <= 256)) ||
		usage_error "--seed: seeds end at 255, those of the repeats and of --vary included"
	[[ $clock != sim ]] || limit=32
	check_points "$limit"
	((nics <= limit)) || usage_error "--nics: at most $limit"
	[[ $vary =~ ^[a-z0-9_,]*$ ]] || usage_error "--vary wants names of constants, not '$vary'"
	[[ -z $vary ]] || check_list --vary "$vary"
	[[ $lsm =~ ^[a-z,]*$ ]] || usage_error "--lsm wants names of security modules, not '$lsm'"
	[[ $clock == sim || $keep_alive == no ]] || usage_error "--keep-alive is for --clock sim"
	[[ $switch_hash != *,* ]] || usage_error "--switch-hash wants one hash, not '$switch_hash'"
	check_hashes "$switch_hash"
}
set_defaults
check_options

out=${out:-$CORELANE_TOP/results/$(date +%Y%m%d-%H%M%S)}
fresh_results
partial=''
measured=no failed=''
labs=()

# Of what was not measured to its end keep only a log: it helps nobody.  That of the
# guest that failed, or where none did of the first that has one.
discard()
{
	local log

	[[ -n $partial ]] || return 0
	for log in "$partial"/job${failed:-*}/console.log; do
		[[ ! -s $log ]] || break
	done
	keep_console "$log"
	rm -rf "$partial"
}

# end_jobs: all die with us; the lab cleans up after itself when told to stop.  By
# the shell's list: a signal may come before we have noted who was started.
end_jobs()
{
	local running

	mapfile -t running < <(jobs -pr)
	[[ ${#running[@]} != 0 ]] || return 0
	kill "${running[@]}" 2> /dev/null || true
	wait "${running[@]}" 2> /dev/null || true
}

finish()
{
	local status=$?

	trap - EXIT
	trap '' INT TERM HUP
	if [[ $status != 0 ]]; then
		end_jobs
		progress_clear
		if [[ $measured == yes ]]; then
			say "bench.sh: what was measured is in $partial"
		else
			discard
		fi
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

build()
{
	"$@" > "$partial/build.log" 2>&1 || {
		tail -n 5 "$partial/build.log" >&2
		die "the build failed" "try it alone: $*"
	}
	rm -f "$partial/build.log"
}

# Simulated time never turns into wall time unasked: they answer different
# questions.
need_simulator()
{
	local refused=$EMULATOR_CACHE/refused

	emulator_complete ||
		die "simulated time needs QEMU $EMULATOR_LINE, which is not here$([[ ! -s $refused ]] || printf ' (%s)' "$(cat "$refused")")" \
		    "run tools/lab/fetch-emulator.sh, or take --clock wall, which works without it"
	progress "building the simulator"
	build make -s -C "$CORELANE_TOP" simlane
}

# What there is to do, "row:cores" each.
points=()
list_points()
{
	local row n

	for n in ${cores//,/ }; do
		for row in ${rows//,/ }; do
			points+=("$row:$n")
		done
	done
}

# share_points: deal them to the jobs, the costly ones first, each to the job
# with the least to do: a guest runs on one host core, at a cost that grows
# with the cores it simulates
share_points()
{
	local i n point best load=() count=${#points[@]}

	((jobs <= count)) || jobs=$count
	[[ $clock == sim ]] || { jobs=1 job_points=("$(IFS=,; echo "${points[*]}")"); return; }
	job_points=()
	for ((i = 0; i < jobs; i++)); do
		load+=(0) job_points+=('')
	done
	while read -r n point; do
		best=0
		for ((i = 1; i < jobs; i++)); do
			((load[i] >= load[best])) || best=$i
		done
		load[best]=$((load[best] + n + 1))
		job_points[best]+="${job_points[best]:+,}$point"
	done < <(for point in "${points[@]}"; do echo "${point#*:} $point"; done | sort -s -k 1,1nr)
}

# QEMU's e1000e waits 128 us between interrupts, whatever its driver asks.  The
# driver asks for 20,000 interrupts a second, which a real one gives.
NIC_OPTIONS=nic_itr_ns=50000

# The lab's guests have no more CPUs.
MAX_CPUS=100

# start_lab JOB: its guest, in the background
start_lab()
{
	local dir=$partial/job$1 max cables lab_options guest_options clients ports limit

	max=$(tr , '\n' <<< "$cores" | sort -n | tail -n 1)
	cables=$((max > nics ? max : nics))
	# Two client cores a server core
	clients=$((max * 2 > 4 ? max * 2 : 4))
	guest_options=("points=${job_points[$1]}" "max_cores=$max" "clock=$clock" "repeats=$repeats" \
		"workers=$workers" "size=$file_size" "switch_hash=$switch_hash" "nics=$nics")
	if [[ $clock == sim ]]; then
		# A core for each of the switch's ports, and the script's.  A
		# port needs a quarter of its core, a client a half, so many
		# of them share.
		ports=$((cables > 16 ? (cables + 1) / 2 : cables))
		((clients + ports + max < MAX_CPUS)) || clients=$((MAX_CPUS - 1 - max - ports))
		lab_options=(--clock sim --seed "$seed" --cpus "$((max + clients + ports + 1))" --sim "$NIC_OPTIONS${sim:+,$sim}")
		guest_options+=("clients=$clients" "ports=$ports" "window_ms=$window_ms" "seed=$seed" "vary=$vary" "senders=$senders"
			"keep_alive=$keep_alive" "settle=$settle")
		# Four times what it takes here: for a guest that hangs, not for
		# a host that is busy.
		limit=$((4 * (600 + ${#points[@]} * (120 + max * (repeats + vary_windows + 1) * window_ms))))
	else
		lab_options=(--cpus "$clients")
		guest_options+=("seconds=$seconds")
		limit=$((180 + ${#points[@]} * repeats * (seconds * 4 + 40)))
	fi
	mkdir -p "$dir"
	: > "$dir/console.log"
	"$CORELANE_TOP/tools/lab/run.sh" --kernel "$kernel" --lanes "$cables" --mem 3072 --results "$dir" \
		--timeout "$limit" ${lsm:+--append "lsm=$lsm"} "${lab_options[@]}" tools/lab/guest/bench.sh "${guest_options[@]}" \
		> "$dir/lab.log" 2>&1 &
	labs+=($!)
}

# Watch the guests' consoles, and say where they are and how long it will take.
follow()
{
	local total=$1 measured=0 now said=0 started=0 text

	while sleep 0.5; do
		if [[ $started == 0 ]] && grep -qs '^LAB up' "$partial"/job*/console.log; then
			progress "guest is up"
			started=$SECONDS
		fi
		mapfile -t text < <(grep -hs '^BENCH failed' "$partial"/job*/console.log | tr -d '\r')
		for ((; said < ${#text[@]}; said++)); do
			progress_clear
			say "${text[said]#BENCH }"
		done
		mapfile -t text < <(grep -hs '^BENCH point' "$partial"/job*/console.log | tr -d '\r')
		now=${#text[@]}
		if ((now > measured)); then
			measured=$now
			progress "measuring: $now of $total, about $(((SECONDS - started) * (total - now) / now)) s left (${text[-1]#BENCH point })"
		fi
	done
}

measure()
{
	local follower i status=0 total=${#points[@]}

	[[ $clock == sim ]] || total=$((total * repeats))
	share_points
	progress "booting Linux $kernel: $total points to measure, guests at a time: $jobs"
	for ((i = 0; i < jobs; i++)); do
		start_lab "$i"
	done
	ln -s job0/console.log "$partial/console.log"
	follow "$total" &
	follower=$!
	for i in "${!labs[@]}"; do
		wait "${labs[i]}" || { status=$?; failed=$i; }
	done
	kill "$follower" 2> /dev/null || true
	wait "$follower" 2> /dev/null || true
	progress_clear
	if [[ $status != 0 ]]; then
		cat "$partial/job$failed/lab.log" >&2
		die "the run failed (status $status)"
	fi
}

trap finish EXIT
end_on_signals :
# All that takes long is read before it begins: the file may change meanwhile.
main()
{
	[[ $setup == no ]] || "$CORELANE_TOP/scripts/setup.sh" --quiet
	claim_partial
	[[ $clock == wall ]] || need_simulator
	progress "building modules for Linux $kernel, the corelane tool and the guest's programs"
	MODULES='drivers/net/bonding net/netfilter/percore' build "$CORELANE_TOP/scripts/build-modules.sh" "$kernel"
	build make -s -C "$CORELANE_TOP" tools test-tools
	progress_clear
	list_points
	measure
	measured=yes
	COMMAND_LINE=$command_line SIM_OPTIONS=$NIC_OPTIONS${sim:+,$sim} "$CORELANE_TOP/scripts/report.sh" --collect "$partial"
	mv -T "$partial" "$out"
	partial=$out
	cat "$out/table.txt"
	say ""
	say "results are in $out: results.json, results.csv, facts.json, table.txt, connections.svg"
}

main; exit
