#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A profile of this machine by perf, written as the counts that
# profile-report.sh reads: what each function did in a window, and how many
# connections the machine accepted meanwhile.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# Samples a second and CPU of each event
FREQUENCY=2000

usage()
{
	cat <<'EOF'
usage: profile-perf.sh [--seconds N] [--cpus LIST] DIR NAME [-- COMMAND...]

Record this machine's functions for N seconds (10), or while COMMAND runs, with
perf, and file the counts in DIR under NAME.
EOF
}

seconds=10 cpus='' where=(-a)
while [[ $# -gt 0 ]]; do
	case $1 in
	--seconds | --cpus)
		[[ $# -ge 2 && -n $2 ]] || usage_error "$1 wants a value"
		declare "${1#--}=$2"; shift 2 ;;
	-h | --help) usage; exit 0 ;;
	-*) usage_error "unknown option $1" ;;
	*) break ;;
	esac
done
[[ $# -ge 2 ]] || usage_error "name a folder and a name for the profile"
dir=$1 name=$2
shift 2
[[ ${1:-} != -- ]] || shift
command=("$@")
timed=no
[[ ${#command[@]} -gt 0 ]] || { command=(sleep "$seconds"); timed=yes; }
[[ -z $cpus ]] || where=(-a -C "$cpus")

work=$(mktemp -d)
child=''
# shellcheck disable=SC2317,SC2329  # called by trap
finish()
{
	local status=$?

	trap - EXIT
	trap '' INT TERM HUP
	if [[ -n $child ]]; then
		kill "$child" 2> /dev/null || true
		wait "$child" 2> /dev/null || true
	fi
	rm -rf "$work"
	exit "$status"
}
trap finish EXIT
end_on_signals :

# counts EVENT: does this machine count it?
counts()
{
	local said

	said=$(perf stat -x , "${where[@]}" -e "$1" true 2>&1) && [[ $said != *'not supported'* && $said != *'not counted'* ]]
}

check_machine()
{
	local said paranoid

	command -v perf > /dev/null || die "perf is not installed" \
		"on Debian: apt-get install linux-perf; elsewhere the linux-tools of your kernel"
	paranoid=$(cat /proc/sys/kernel/perf_event_paranoid 2> /dev/null) || paranoid=0
	[[ $(id -u) == 0 || $paranoid -le -1 ]] || die "perf may not look at the whole machine" "run with sudo"
	counts cycles && counts instructions && return
	said=$(perf stat -x , -e cycles,instructions true 2>&1) || true
	[[ $said == *'not supported'* ]] || die "perf does not work here" "$(head -n 1 <<< "$said")"
	if grep -q '^flags.* hypervisor' /proc/cpuinfo; then
		die "this virtual machine has no hardware counters (PMU)" \
		    "run it on the host or on bare metal, have the host give the guest a PMU (QEMU: -cpu host with KVM), or use simulated time: profile.sh ROW --cores N"
	fi
	die "this machine counts neither cycles nor instructions (no PMU, or it is taken)" \
	    "stop other profilers and the NMI watchdog (sysctl kernel.nmi_watchdog=0), or use simulated time: profile.sh ROW --cores N"
}

# perf's events and the columns they fill.  A load that hits a line modified
# in another core has a name for each family of CPUs.
choose_events()
{
	local event

	events=(cycles instructions)
	columns=cycles=cycles,instructions=insn
	if counts cache-misses; then
		events+=(cache-misses)
		columns+=,cache-misses=dram
	fi
	if counts L1-dcache-load-misses; then
		events+=(L1-dcache-load-misses)
		columns+=,L1-dcache-load-misses=l1_miss
	fi
	for event in mem_load_l3_hit_retired.xsnp_fwd mem_load_l3_hit_retired.xsnp_hitm \
		     mem_load_uops_l3_hit_retired.xsnp_hitm mem_load_uops_llc_hit_retired.xsnp_hitm; do
		if counts "$event"; then
			events+=("$event")
			columns+=,$event=hitm
			break
		fi
	done
}

# The window is inside of perf's: the counters of TCP are read there.
record()
{
	local status=0

	# shellcheck disable=SC2016  # expanded by the inner shell
	perf record -q "${where[@]}" -F "$FREQUENCY" -e "$(IFS=,; echo "${events[*]}")" -o "$work/perf.data" -- \
		sh -c 'dir=$1; shift
			trap "kill \$pid" TERM INT
			cat /proc/net/snmp /proc/uptime > "$dir/before"
			"$@" & pid=$!
			wait "$pid"; status=$?
			cat /proc/net/snmp /proc/uptime > "$dir/after"
			exit "$status"' \
		sh "$work" "${command[@]}" > "$work/record.log" 2>&1 < /dev/null &
	child=$!
	wait "$child" || status=$?
	child=''
	[[ $status == 0 && -s $work/after ]] || {
		tail -n 3 "$work/record.log" >&2
		die "perf record, or what it ran, ended with status $status"
	}
}

# perf report's lines ("period;object;[k] symbol", a section for each event)
# to a line per function.
functions()
{
	perf report -i "$work/perf.data" --stdio -F period,dso,symbol -t ';' 2> "$work/report.log" | awk -F ';' -v columns="$columns" '
		BEGIN {
			n = split(columns, pair, ",")
			for (i = 1; i <= n; i++) {
				split(pair[i], half, "=")
				column[half[1]] = half[2]
				order[i] = half[2]
			}
		}
		/^# Samples:.* of event / {
			event = $0
			sub(/^.* of event .?/, "", event)
			sub(/[^A-Za-z0-9_.-].*$/, "", event)
			current = column[event]
			next
		}
		/^#/ || NF < 3 || current == "" { next }
		{
			object = $2
			symbol = $3
			gsub(/^ +| +$/, "", object)
			gsub(/ +$/, "", symbol)
			kernel = symbol ~ /^ *\[[kgH]\]/
			sub(/^ *\[[^]]*\] */, "", symbol)
			gsub(/,/, ";", symbol)
			if (kernel)
				name = (object ~ /^\[(kernel|guest)\./ || object !~ /^\[.*\]$/) ? symbol : symbol " " object
			else
				name = object ":" (symbol ~ /^0x/ ? "?" : symbol) " [user]"
			seen[name] = 1
			sum[name, current] += $1
		}
		END {
			line = "function"
			for (i = 1; i <= n; i++)
				line = line "," order[i]
			print line
			for (name in seen) {
				line = name
				for (i = 1; i <= n; i++)
					line = line sprintf(",%.0f", sum[name, order[i]])
				print line
			}
		}'
}

# The window's line: how long it was, and how many connections were accepted
window() # TAG CORES
{
	awk -v tag="$1" -v cores="$2" '
		$1 == "Tcp:" && $6 ~ /^[0-9]/ { opens[FILENAME] = $7 }
		NF == 2 && $1 ~ /^[0-9.]+$/ { time[FILENAME] = $1 }
		END {
			printf "{\"tag\": \"%s\", \"clock\": \"perf\", \"virtual_ms\": %.0f, \"connections\": %d, \"cores\": %d}\n", tag,
				(time[ARGV[2]] - time[ARGV[1]]) * 1000, opens[ARGV[2]] - opens[ARGV[1]], cores
		}' "$work/before" "$work/after"
}

# Which lines the cores fight over: perf's own report, where the CPU can tell.
contended()
{
	local status=0

	[[ $timed == yes ]] || return 0
	perf c2c record "${where[@]}" -o "$work/c2c.data" -- "${command[@]}" > "$work/c2c.log" 2>&1 < /dev/null &
	child=$!
	wait "$child" || status=$?
	child=''
	if [[ $status != 0 ]] || ! perf c2c report -i "$work/c2c.data" --stdio > "$work/c2c.txt" 2>> "$work/c2c.log"; then
		say "perf c2c does not work on this CPU: no table of contended lines ($(grep -v '^$' "$work/c2c.log" | head -n 1))"
		return 0
	fi
	cp "$work/c2c.txt" "$dir/c2c-$name.txt"
	say "contended cache lines, perf c2c's own report: $dir/c2c-$name.txt"
}

check_machine
choose_events
cores=$(nproc)
[[ -z $cpus ]] || cores=$(awk -v list="$cpus" 'BEGIN {
	n = split(list, part, ",")
	for (i = 1; i <= n; i++) { m = split(part[i], end, "-"); count += m == 2 ? end[2] - end[1] + 1 : 1 }
	print count }')
tag=$name-$cores-0
say "measuring ${events[*]} ($([[ $timed == yes ]] && echo "$seconds s" || echo "while ${command[0]} runs"))"
record
functions > "$work/functions.csv"
[[ $(wc -l < "$work/functions.csv") -gt 1 ]] || die "perf report showed no function" "$(head -n 1 "$work/report.log")"
mkdir -p "$dir"
contended
jq -n --arg kernel "$(uname -r)" --arg cpu "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)" \
	--arg events "${events[*]}" '{kernel: $kernel, host: {cpu: $cpu}, clock: "perf", events: $events}' > "$work/facts.json"
mv "$work/facts.json" "$dir/facts.json"
mv "$work/functions.csv" "$dir/functions-$tag.csv"
window "$tag" "$cores" >> "$dir/windows.jsonl"
