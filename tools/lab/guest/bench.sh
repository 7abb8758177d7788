#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The guest's half of scripts/bench.sh: connections per second of each row at
# each number of server cores.  A point is set up from nothing and torn down,
# and repeats go round all points, so that no row has a better hour.
#
# Arguments: name=value (rows, cores, repeats, seconds, warm, concurrency,
# workers, size, clock).  Samples go to /results/samples.jsonl as they come.

set -u
# shellcheck source=/dev/null
. /corelane/lab/topology.sh
# shellcheck source=/dev/null
. /corelane/lab/rows.sh

rows=ordinary,bond-l34,lanes cores=1,2,4 repeats=5 seconds=3 warm=1
concurrency=8 workers=2 size=128 clock=wall
for arg; do
	declare "$arg"
done
IFS=, read -ra row_list <<< "$rows"
IFS=, read -ra core_list <<< "$cores"

# Server cores come first, clients have the rest, the script the last.
max_cores=$(printf '%s\n' "${core_list[@]}" | sort -n | tail -n 1)
client_first=$max_cores
client_last=$(($(nproc) - 1))
clients=$((client_last - client_first + 1))
TOPO_CLIENTS=$((clients * 2))
release=$(uname -r)
out=/results

sample() # METRIC UNIT VALUE; uses the point's $row $n $repeat $valid $why $errors
{
	printf '{"experiment": "connrate", "row": "%s", "cores": %d, "params": {"size": %d, "workers": %d, "concurrency": %d}, "metric": "%s", "value": %s, "unit": "%s", "repeat": %d, "seed": %d, "clock": "%s", "kernel": "%s", "valid": %s, "why": "%s", "errors": %d}\n' \
		"$row" "$n" "$size" "$workers" "$concurrency" "$1" "$3" "$2" "$repeat" \
		"$repeat" "$clock" "$release" "$valid" "$why" "$errors" >> $out/samples.jsonl
}

# One line of numbers: time, connections accepted, resets sent by the server
# and retransmitted segments.
tcp_now()
{
	awk -v now="$EPOCHREALTIME" '
		$1 == "Tcp:" && $6 ~ /^[0-9]/ { print now, $7, $15, $13 }' /proc/net/snmp
}

# Idle and total ticks of the CPUs first..last
cpu_now() # FIRST LAST
{
	awk -v first="$1" -v last="$2" '
		/^cpu[0-9]/ {
			cpu = substr($1, 4) + 0
			if (cpu < first || cpu > last) next
			idle += $5 + $6
			for (i = 2; i <= 9; i++) all += $i
		}
		END { print idle, all }' /proc/stat
}

# Receive interrupts of server NICs on their own core and elsewhere
irq_now()
{
	awk 'NR == 1 { cpus = NF; next }
		match($NF, /^srv[0-9]+/) {
			own = substr($NF, 4, RLENGTH - 3) + 0
			for (c = 0; c < cpus; c++)
				if (c == own) local += $(c + 2); else foreign += $(c + 2)
		}
		END { print local + 0, foreign + 0 }' /proc/interrupts
}

rx_now()
{
	cat /sys/class/net/srv*/statistics/rx_packets | awk '{ sum += $1 } END { print sum + 0 }'
}

start_clients()
{
	local j cpu

	ab_pids=()
	rm -f /tmp/ab.*
	for ((j = 0; j < TOPO_CLIENTS; j++)); do
		cpu=$((client_first + j % clients))
		ip netns exec sw taskset -c "$cpu" ab -q -t "$((seconds + warm + 1))" -n 10000000 \
			-c "$concurrency" -B "10.0.0.$((100 + j))" -e "/tmp/ab.$j.csv" \
			"http://$TOPO_VIP/f" > "/tmp/ab.$j.out" 2>&1 &
		ab_pids+=($!)
	done
}

# From ab's reports: failed requests, and each client's p50, p99 and mean
ab_summary()
{
	local j
	for ((j = 0; j < TOPO_CLIENTS; j++)); do
		awk -v csv="/tmp/ab.$j.csv" '
			/^Complete requests:/ { done = $3 }
			/^Failed requests:/ { failed = $3 }
			/^Non-2xx responses:/ { failed += $3 }
			/^Time per request:/ && !mean { mean = $4 }
			END {
				while ((getline line < csv) > 0) {
					split(line, f, ",")
					if (f[1] == 50) p50 = f[2]
					if (f[1] == 99) p99 = f[2]
				}
				print done + 0, failed + 0, p50 + 0, p99 + 0, mean + 0, !done
			}' "/tmp/ab.$j.out"
	done | awk '{ done += $1; failed += $2; p50 += $3; if ($4 > p99) p99 = $4; mean += $5; dead += $6 }
		END { print done, failed, p50 / NR / 1000, p99 / 1000, mean / NR / 1000, dead }'
}

point() # ROW CORES
{
	local t0 t1 s0 s1 c0 c1 i0 i1 x0 x1 f0 f1 m0 m1 ab served

	row=$1 n=$2 valid=true why='' errors=0
	: > /tmp/setup.log
	if ! "row_${row//-/_}" "$n" > /tmp/setup.log 2>&1; then
		echo "BENCH failed to set up $row at $n cores:"
		tail -n 5 /tmp/setup.log
		cp /tmp/setup.log "$out/setup-$row-$n.log"
		row_down
		return 1
	fi
	start_clients
	sleep "$warm"
	t0=$(tcp_now) s0=$(cpu_now 0 $((n - 1))) c0=$(cpu_now "$client_first" "$client_last")
	i0=$(irq_now) x0=$(rx_now) f0=$(row_foreign_tx) m0=$(row_migrated)
	sleep "$seconds"
	t1=$(tcp_now) s1=$(cpu_now 0 $((n - 1))) c1=$(cpu_now "$client_first" "$client_last")
	i1=$(irq_now) x1=$(rx_now) f1=$(row_foreign_tx) m1=$(row_migrated)
	wait "${ab_pids[@]}"
	ab=$(ab_summary)

	read -r rate resets < <(echo "$t0 $t1" | awk '{ printf "%.1f %d\n", ($6 - $2) / ($5 - $1), $7 - $3 }')
	read -r _ failed p50 p99 mean dead <<< "$ab"
	errors=$((failed + dead))
	read -r client_idle < <(echo "$c0 $c1" | awk '{ printf "%.4f\n", ($4 > $2) ? ($3 - $1) / ($4 - $2) : 0 }')
	read -r server_idle < <(echo "$s0 $s1" | awk '{ printf "%.4f\n", ($4 > $2) ? ($3 - $1) / ($4 - $2) : 0 }')
	read -r foreign_rx < <(echo "$i0 $i1 $x0 $x1" | awk '{
		own = $3 - $1; other = $4 - $2
		printf "%d\n", other ? ($6 - $5) * other / (own + other) + 0.5 : 0 }')
	served=$(awk -v r="$rate" 'BEGIN { print (r > 0) }')
	if [[ $served == 0 ]]; then
		valid=false why='no connection was served'
	elif [[ $errors -gt 0 ]]; then
		valid=false why="$failed failed requests, $dead clients gave up"
	elif awk -v i="$client_idle" 'BEGIN { exit !(i < 0.05) }'; then
		valid=false why='clients had less than 5 % idle time: they may be the bottleneck'
	fi
	sample connections_per_second 1/s "$rate"
	# ab gives no percentiles when it got too few answers.
	if [[ $p99 != 0 ]]; then
		sample latency_p50 s "$p50"
		sample latency_p99 s "$p99"
		sample latency_mean s "$mean"
	fi
	sample client_idle fraction "$client_idle"
	sample server_idle fraction "$server_idle"
	sample foreign_rx_packets 1 "$foreign_rx"
	sample connections_reset 1 "$resets"
	[[ -z $f0 || -z $f1 ]] || sample foreign_tx_packets 1 "$((f1 - f0))"
	if [[ -n $m0 && -n $m1 ]]; then
		sample packets_migrated 1 "$((${m1% *} - ${m0% *}))"
		sample dropped_direct 1 "$((${m1#* } - ${m0#* }))"
	fi
	row_facts "$n"
	row_down
	echo "BENCH point row=$row cores=$n repeat=$repeat rate=$rate idle=$server_idle/$client_idle errors=$errors"
}

topo_names
bench_prepare
failures=0
for ((repeat = 0; repeat < repeats; repeat++)); do
	for n in "${core_list[@]}"; do
		for row in "${row_list[@]}"; do
			point "$row" "$n" || failures=$((failures + 1))
		done
	done
done
echo "BENCH finished failures=$failures"
[[ $failures == 0 ]]
