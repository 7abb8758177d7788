#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What TCP connections notice of it: nothing. A slave that goes down loses no
# new connection, a flow whose task moves keeps its order, and the bond and the
# module can go while packets flow.

# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=topology.sh
. "$(dirname "$0")/topology.sh"

need_cmd ip tc taskset ping lighttpd ab
WORK=$(mktemp -d)
jobs_pids=()

cleanup()
{
	local pid

	for pid in "${jobs_pids[@]}"; do
		kill "$pid" 2> /dev/null
	done
	bt_down
	rm -rf "$WORK"
}
trap cleanup EXIT

served() { (exec 3<> "/dev/tcp/$BT_HERE/80") 2> /dev/null; }

web_server()
{
	mkdir -p "$WORK/up"
	head -c 128 /dev/zero > "$WORK/file"
	head -c 4000000 /dev/zero > "$WORK/large"
	cat > "$WORK/conf" <<-CONF
		server.document-root = "$WORK"
		server.bind = "$BT_HERE"
		server.port = 80
		server.upload-dirs = ( "$WORK/up" )
	CONF
	lighttpd -D -f "$WORK/conf" &
	jobs_pids+=($!)
	within 30 served || die "lighttpd does not start"
}

# clients COUNT FILE: connections one after another from behind the switch
clients()
{
	ip netns exec peer ab -q -n "$1" -c 4 -s 20 "http://$BT_HERE/$2" > "$WORK/ab" 2>&1
}

none_lost()
{
	grep -Eq "^Complete requests: +$1$" "$WORK/ab" &&
		grep -Eq "^Failed requests: +0$" "$WORK/ab" && return 0
	sed 's/^/# /' "$WORK/ab"
	return 1
}

survives_down()
{
	clients 400 file &
	local pid=$!

	sleep 0.5
	ip -n peer link set cp1 down
	sleep 1
	ip -n peer link set cp2 down
	sleep 1
	ip -n peer link set cp1 up
	ip -n peer link set cp2 up
	wait "$pid" && none_lost 400 && bt_wait_links "$BT_CABLES"
}

# reordered: how often senders here have learnt of it from SACKs
reordered()
{
	awk '/^TcpExt:/ && !n { for (i = 1; i <= NF; i++) if ($i == "TCPSACKReorder") n = i; next }
		/^TcpExt:/ { print $n }' /proc/net/netstat
}

# unequal: cables of two speeds, so that what waits in a slow one can be
# overtaken. The far ends share one receive queue, so that they show the order of
# leaving, not of four CPUs at work.
unequal()
{
	local k

	for ((k = 0; k < BT_CABLES; k++)); do
		tc qdisc add dev "cb$k" root \
			tbf rate $((20 + 40 * (k % 2)))mbit burst 20k latency 400ms || return 1
		ip netns exec peer tee "/sys/class/net/cp$k/queues/rx-0/rps_cpus" <<< 1 > /dev/null
	done
}

# The same cables under a policy that minds no order: the test sees reordering.
control()
{
	local before

	bt_up balance-rr layer3+4 && unequal || return 1
	before=$(reordered)
	clients 4 large
	echo "# reordered: $before before, $(reordered) after"
	none_lost 4 && (($(reordered) > before))
}

# The server's task hops between CPUs during large answers.
migrating()
{
	local server=${jobs_pids[0]} cpu=0 k pid before held=0

	bt_up balance-xor cpu-bound && bt_bind && unequal || return 1
	before=$(reordered)
	clients 6 large &
	pid=$!
	while kill -0 "$pid" 2> /dev/null; do
		taskset -cp "$((cpu++ % 4))" "$server" > /dev/null
	done
	wait "$pid"
	taskset -cp 0-3 "$server" > /dev/null
	for ((k = 0; k < BT_CABLES; k++)); do
		held=$((held + $(bt_sum "cb$k" held)))
		tc qdisc del dev "cb$k" root
	done
	echo "# $held packets held, reordered: $before before, $(reordered) after"
	none_lost 6 && ((held > 0)) && [[ $(reordered) == "$before" ]]
}

# Both ends of the argument in one: bond and module go under a storm.
unload_under_storm()
{
	local k

	for ((k = 0; k < 4; k++)); do
		taskset -c "$k" ping -q -i 0.002 $BT_PEER > /dev/null 2>&1 &
		jobs_pids+=($!)
	done
	for k in 1 2 3; do
		ip link set "cb$k" nomaster
		sleep 0.1
		ip link set "cb$k" down
		ip link set "cb$k" master bt0
		echo "$k" > "/sys/class/net/cb$k/bonding_slave/tx_cpus"
		cat "/sys/class/net/cb$k/bonding_slave/tx_cpu_stats" > /dev/null
	done
	ip -n peer link del br0
	modprobe -r bonding
}

ktap_print_header
ktap_set_plan 6
dmesg_mark
bt_up balance-xor cpu-bound || die "no links"
bt_bind || die "tx_cpus cannot be written"
web_server

check "connections are served" clients 100 file
check "two slaves go down: no new connection is lost" survives_down
check "control: packets in turn over unequal cables are reordered" control
check "a task that keeps moving: no answer lost, none out of order" migrating
check "slaves, bond and module go while CPUs send" unload_under_storm
check "dmesg is clean" dmesg_clean
ktap_finished
