#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A point of the bench in simulated time: one set-up, all its repeats as
# windows one after another, each with a seed of its own.  Sourced by bench.sh.
#
# The guest only marks windows and keeps copies of its counters; the host
# reads both after the run (scripts/collect.sh), at no cost to the simulation.

# bench.sh's arguments and plan, for a reader of this file alone
: "${repeats:=5}" "${window_ms:=20}" "${seed:=1}" "${vary=}" "${start_ms:=60}" "${cache_ms:=160}" "${warm_ms:=4}"
: "${concurrency:=2}" "${size:=128}" "${workers:=1}" "${release:=}" "${out:=/results}"
: "${senders:=no}" "${keep_alive:=no}" "${settle:=1}" "${row:=}" "${n:=1}" "${client_first:=1}" "${client_last:=1}" "${ports:=1}" "${TOPO_SWITCH_FIRST:=0}"

# shellcheck source=/dev/null
. /corelane/lab/senders.sh

# The first is read at the very times that simlane prints.  The last is the
# clients' own netstat.
COUNTERS=(/proc/net/snmp /proc/net/netstat /proc/net/dev /proc/interrupts /tmp/clients)

# ms N: sleep so many milliseconds
ms()
{
	sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"
}

# windows_plan: the repeats, each with a seed of its own, then what --vary asks
windows_plan()
{
	local repeat constant percent

	for ((repeat = 0; repeat < repeats; repeat++)); do
		echo "$row-$n-$repeat $((seed + repeat))"
	done
	for constant in ${vary//,/ }; do
		for percent in 50 150; do
			echo "$row-$n-$constant-$percent $((seed + repeats)) $constant $percent"
		done
	done
}

# count_senders MS: a load of its own, as to switch tracing on and off under one
# takes long
count_senders()
{
	local status=0

	senders_begin "$n" || return 1
	load_begin 2
	# shellcheck disable=SC2153  # SENDERS is of senders.sh
	simlane windows "$1" "${COUNTERS[@]}" "${SENDERS[@]}" <<< "$row-$n-senders $seed" > /dev/null || status=1
	load_end
	senders_end
	return $status
}

# load_begin PART: and wait until all has settled, or only for a PARTth of that.
# RCU, the allocators and then the caches do so by the coarse clock, too, which
# costs less.  More cores fill what they share sooner.
load_begin()
{
	if [[ $keep_alive == yes ]]; then
		clients_start -k -n 1000000
	else
		clients_start -n 1000000
	fi
	mapfile -t pids < /tmp/ab.pids
	ln -sf "/proc/${pids[0]}/net/netstat" /tmp/clients
	ms $((start_ms / $1 + $(row_balance_ms)))
	simlane cores "$n"
	simlane cache on
	ms $((cache_ms / n / $1))
	simlane pace fine
	ms "$warm_ms"
}

# load_end: the clients take this as the end, and report
load_end()
{
	kill -INT "${pids[@]}"
	clients_end
}

# point_run: measure the row that is set up
point_run()
{
	local length pids count status=0 f0 f1 m0 m1 requests failed p50 p99 mean dead

	# Fewer than four cores serve as many connections in a longer window.
	length=$window_ms count=$(row_cables "$n")
	((n >= 4)) || length=$((window_ms * 4 / n))
	simlane symbols
	f0=$(row_foreign_tx) m0=$(row_migrated)
	rm -rf /tmp/simlane
	windows_plan > /tmp/plan
	load_begin "$settle"
	simlane windows "$length" "${COUNTERS[@]}" < /tmp/plan > /dev/null || status=1
	row_balanced
	load_end
	f1=$(row_foreign_tx) m1=$(row_migrated)
	read -r requests failed p50 p99 mean dead < <(clients_report)
	[[ $senders == no ]] || count_senders "$length" || status=1
	mkdir -p "$out/windows"
	cp -r /tmp/simlane/. "$out/windows/"
	printf '{"row": "%s", "cores": %d, "repeats": %d, "seed": %d, "kernel": "%s", "params": {"size": %d, "workers": %d, "concurrency": %d, "switch_hash": "%s", "window_ms": %d, "nics": %d, "keep_alive": %s}, "clients": [%d, %d], "switch": [%d, %d], "requests": %d, "failed": %d, "dead": %d, "latency_p50": %s, "latency_p99": %s, "latency_mean": %s, "foreign_tx": %s, "migrated": %s, "direct": %s}\n' \
		"$row" "$n" "$repeats" "$seed" "$release" "$size" "$workers" "$concurrency" "$TOPO_SWITCH_HASH" "$length" "$count" \
		"$([[ $keep_alive == yes ]] && echo true || echo false)" \
		"$client_first" "$client_last" "$TOPO_SWITCH_FIRST" "$((TOPO_SWITCH_FIRST + (count < ports ? count : ports) - 1))" \
		"$requests" "$failed" "$dead" "$p50" "$p99" "$mean" \
		"$(gained "$f0" "$f1")" "$(gained "${m0% *}" "${m1% *}")" "$(gained "${m0#* }" "${m1#* }")" \
		>> "$out/points.jsonl"
	echo "BENCH point row=$row cores=$n windows=$repeats requests=$requests failed=$failed dead=$dead"
	return $status
}

gained() # BEFORE AFTER: as JSON
{
	if [[ -n $1 && -n $2 ]]; then
		echo $(($2 - $1))
	else
		echo null
	fi
}
