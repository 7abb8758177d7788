#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A point of the bench in wall time: counters read before and after a while.
# Sourced by bench.sh.

# bench.sh's arguments and plan, for a reader of this file alone
: "${seconds:=3}" "${warm:=1}" "${concurrency:=8}" "${size:=128}" "${workers:=2}" "${release:=}" "${out:=/results}"
: "${row:=}" "${n:=1}" "${repeat:=0}" "${client_first:=1}" "${client_last:=1}"

sample() # METRIC UNIT VALUE; uses the point's $row $n $repeat $valid $why $errors
{
	printf '{"experiment": "connrate", "row": "%s", "cores": %d, "params": {"size": %d, "workers": %d, "concurrency": %d, "switch_hash": "%s"}, "metric": "%s", "value": %s, "unit": "%s", "repeat": %d, "seed": %d, "clock": "wall", "kernel": "%s", "valid": %s, "why": "%s", "errors": %d}\n' \
		"$row" "$n" "$size" "$workers" "$concurrency" "$TOPO_SWITCH_HASH" "$1" "$3" "$2" "$repeat" \
		"$repeat" "$release" "$valid" "$why" "$errors" >> "$out/samples.jsonl"
}

# One line of numbers: time, connections closed by the server (it closes
# first; PassiveOpens would count sockets made in vain), resets sent by it and
# retransmitted segments.
tcp_now()
{
	awk -v now="$EPOCHREALTIME" '
		$1 == "TcpExt:" && !tw { for (i = 2; i <= NF; i++) if ($i == "TW") tw = i; next }
		$1 == "TcpExt:" { closed = $tw }
		$1 == "Tcp:" && $6 ~ /^[0-9]/ { print now, closed, $15, $13 }' /proc/net/netstat /proc/net/snmp
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
	awk -v cores="$n" 'NR == 1 { cpus = NF; next }
		match($NF, /^srv[0-9]+/) {
			own = substr($NF, 4, RLENGTH - 3) + 0
			for (c = 0; c < cpus; c++)
				if (c == own % cores) local += $(c + 2); else foreign += $(c + 2)
		}
		END { print local + 0, foreign + 0 }' /proc/interrupts
}

rx_now()
{
	cat /sys/class/net/srv*/statistics/rx_packets | awk '{ sum += $1 } END { print sum + 0 }'
}

# point_run: measure the row that is set up
point_run()
{
	local t0 t1 s0 s1 c0 c1 i0 i1 x0 x1 f0 f1 m0 m1
	local rate resets failed p50 p99 mean dead client_idle server_idle foreign_rx served
	local valid=true why='' errors=0

	clients_start -t "$((seconds + warm + 1))" -n 10000000
	sleep "$warm"
	t0=$(tcp_now) s0=$(cpu_now 0 $((n - 1))) c0=$(cpu_now "$client_first" "$client_last")
	i0=$(irq_now) x0=$(rx_now) f0=$(row_foreign_tx) m0=$(row_migrated)
	sleep "$seconds"
	t1=$(tcp_now) s1=$(cpu_now 0 $((n - 1))) c1=$(cpu_now "$client_first" "$client_last")
	i1=$(irq_now) x1=$(rx_now) f1=$(row_foreign_tx) m1=$(row_migrated)
	clients_end

	read -r rate resets < <(echo "$t0 $t1" | awk '{ printf "%.1f %d\n", ($6 - $2) / ($5 - $1), $7 - $3 }')
	read -r _ failed p50 p99 mean dead < <(clients_report)
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
	echo "BENCH point row=$row cores=$n repeat=$repeat rate=$rate idle=$server_idle/$client_idle errors=$errors"
}
