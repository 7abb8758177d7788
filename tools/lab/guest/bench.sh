#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The guest's half of scripts/bench.sh: connections per second of each row at
# each number of server cores.  A point is set up from nothing and torn down.
# In wall time repeats go round all points, so that no row has a better hour;
# in simulated time there are no hours, and a point's repeats follow each other.
#
# Arguments: name=value, as below; points=ROW:CORES,...  Samples go to
# /results as they come.

# shellcheck disable=SC2034  # much is for the files sourced here
set -u
# shellcheck source=/dev/null
. /corelane/lab/topology.sh
# shellcheck source=/dev/null
. /corelane/lab/web.sh
# shellcheck source=/dev/null
. /corelane/lab/cables.sh
# shellcheck source=/dev/null
. /corelane/lab/rows.sh

points=ordinary:1,lanes:1 max_cores=1 nics=1 clients=0 ports=0 repeats=5 workers=1 size=128 clock=wall switch_hash=layer2+3
seconds=3 warm=1 # wall time
window_ms=20 seed=1 vary='' senders=no keep_alive=no settle=1 # simulated time
for arg; do
	declare "$arg"
done
IFS=, read -ra point_list <<< "$points"
TOPO_SWITCH_HASH=$switch_hash
release=$(uname -r)
out=/results

# Which CPU does what.  Server cores come first, then clients.  In wall time
# they have the rest; in simulated time the switch's ports have cores too, and
# the last is this script's.
client_first=$max_cores
case $clock in
wall)
	client_last=$(($(nproc) - 1))
	TOPO_CLIENTS=$(((client_last - client_first + 1) * 2))
	concurrency=8 ;;
sim)
	client_last=$((client_first + clients - 1))
	TOPO_CLIENTS=$clients TOPO_CLIENT_FIRST=$client_first TOPO_CLIENT_LAST=$client_last
	TOPO_SWITCH_FIRST=$((client_last + 1)) TOPO_SWITCH_CPUS=$ports
	# ab warms the cables here: every virtual CPU's idle time costs
	TOPO_WARM=1
	taskset -pc "$((TOPO_SWITCH_FIRST + ports))" $$ > /dev/null || exit 1
	simlane present || { echo 'bench: this guest does not run in simulated time'; exit 1; } ;;
esac
# Connections under way per server core in simulated time.  Eight cores' worth
# is as much as one cable's ring holds, and row ordinary has but one cable.
CONNECTIONS=32
# shellcheck source=/dev/null
. "/corelane/lab/$clock.sh"

clients_start() # AB-OPTION...
{
	rm -f /tmp/ab.*
	mkfifo /tmp/ab.gate
	ip netns exec sw /corelane/lab/clients.sh "$TOPO_CLIENTS" "$client_first" \
		$((client_last - client_first + 1)) "$concurrency" "http://$TOPO_VIP/f" "$@" &
	clients_pid=$!
	while [[ ! -e /tmp/ab.pids ]] && kill -0 "$clients_pid"; do
		sleep 0.01
	done
	sleep 0.02
	# read and write: does not wait for a reader; stays open for a late one
	exec {gate}<> /tmp/ab.gate
}

clients_end()
{
	wait "$clients_pid"
	exec {gate}>&-
}

# From ab's reports: requests done and failed, mean of the clients' p50, worst
# p99, mean, clients that died
clients_report()
{
	local csv

	# none where a client got no answer
	mapfile -t csv < <(compgen -G '/tmp/ab.*.csv')
	awk -v clients="$TOPO_CLIENTS" -F '[ ,:]+' '
		FNR == 1 { mean = 0 }
		/^Complete requests:/ { done += $3; alive++ }
		/^(Failed requests|Non-2xx responses):/ { failed += $3 }
		/^Time per request:/ && !mean { mean = $4; means += $4 }
		/^50,/ { p50 += $2 }
		/^99,/ && $2 > p99 { p99 = $2 }
		END { print done + 0, failed + 0, alive ? p50 / alive / 1000 : 0, p99 / 1000, alive ? means / alive / 1000 : 0, clients - alive }' \
		/tmp/ab.*.out "${csv[@]}"
}

point() # ROW CORES
{
	local status=0

	row=$1 n=$2
	if [[ $clock == sim ]]; then
		concurrency=$(((CONNECTIONS * n + clients - 1) / clients))
	fi
	if ! "row_${row//-/_}" "$n" > /tmp/setup.log 2>&1; then
		echo "BENCH failed to set up $row at $n cores:"
		tail -n 5 /tmp/setup.log
		cp /tmp/setup.log "$out/setup-$row-$n.log"
		row_down
		return 1
	fi
	[[ $repeat != 0 ]] || row_facts "$n"
	point_run || { status=1; echo "BENCH failed to measure $row at $n cores"; }
	row_down
	return $status
}

cat /proc/cmdline > "$out/cmdline"
nproc --all > "$out/cpus"
topo_names
bench_prepare
failures=0 rounds=$repeats
[[ $clock == wall ]] || rounds=1
for ((repeat = 0; repeat < rounds; repeat++)); do
	for item in "${point_list[@]}"; do
		point "${item%:*}" "${item#*:}" || failures=$((failures + 1))
	done
done
echo "BENCH finished failures=$failures"
[[ $failures == 0 ]]
