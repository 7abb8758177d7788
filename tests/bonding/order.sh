#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A flow whose sender moves to another CPU all the time stays in order, though
# the slaves are unequal; on slaves with one queue and with several. The receiver
# counts. The same under balance-rr, which minds no order, shows that it would
# see it.
#
# TCP: unequal links. A cable's delay is behind the socket's accounts, as that of
# a switch is. UDP: unequal queues, which is all that the rule sees of UDP.

# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=topology.sh
. "$(dirname "$0")/topology.sh"

need_cmd hop ip tc
(($(nproc) >= 4)) || skip "needs 4 CPUs"
PACKETS=1800
WORK=$(mktemp -d)
cleanup()
{
	bt_down
	rm -rf "$WORK"
}
trap cleanup EXIT

# one_receiver: the far ends share one receive queue, so that they show the
# order of leaving, not of four CPUs at work
one_receiver()
{
	local queue

	for queue in $(ip netns exec peer bash -c 'echo /sys/class/net/cp*/queues/rx-*'); do
		echo 1 | ip netns exec peer tee "$queue/rps_cpus" > /dev/null || return 1
	done
}

# unequal tcp|udp: every other cable is slow
unequal()
{
	local k

	for ((k = 0; k < BT_CABLES; k++)); do
		if [[ $1 == tcp ]]; then
			tc qdisc replace dev "cb$k" root \
				netem delay $((1 + 7 * (k % 2)))ms limit 10000 || return 1
		else
			tc qdisc replace dev "cb$k" root \
				tbf rate $((1 + 79 * (k % 2)))mbit burst 2k \
				latency 900ms || return 1
		fi
	done
}

# build MODE POLICY QUEUES
build()
{
	# shellcheck disable=SC2034  # topology.sh reads it
	BT_QUEUES=$3
	bt_up "$1" "$2" && one_receiver || return 1
	[[ $2 != cpu-bound ]] || bt_bind || return 1
	[[ $(find /sys/class/net/cb0/queues -name 'tx-*' | wc -l) == "$3" ]]
}

# ofo: segments that the receiver had to keep because others were missing
ofo()
{
	ip netns exec peer cat /proc/net/netstat | awk '
		/^TcpExt:/ && !n { for (i = 1; i <= NF; i++) if ($i == "TCPOFOQueue") n = i; next }
		/^TcpExt:/ { print $n }'
}

total()
{
	local k sum=0

	for ((k = 0; k < BT_CABLES; k++)); do
		sum=$((sum + $(bt_sum "cb$k" "$1")))
	done
	echo "$sum"
}

listens() { [[ -n $(ip netns exec peer ss -Hln "--$1" "sport = :7") ]]; }

# flow tcp|udp: $reordered is what the receiver counted
flow()
{
	local pid before
	unequal "$1" || return 1

	before=$(ofo)
	ip netns exec peer hop receive "$1" 7 > "$WORK/got" &
	pid=$!
	within 30 listens "$1" || return 1
	hop send "$1" $BT_PEER 7 $PACKETS
	wait "$pid" || return 1
	reordered=$(awk '{ print $4 }' "$WORK/got")
	[[ $1 == udp ]] || reordered=$(($(ofo) - before))
	echo "# $1: $(< "$WORK/got"), $reordered out of order;" \
		"$(total local) local, $(total held) held"
	[[ $(awk '{ print $2 }' "$WORK/got") == "$PACKETS" ]]
}

# used: slaves by which the flow left by the sender's CPU
used()
{
	local k n=0

	for ((k = 0; k < BT_CABLES; k++)); do
		(($(bt_sum "cb$k" local) < 20)) || n=$((n + 1))
	done
	echo "$n"
}

# Sooner or later: where the host starves us the slow queue runs empty meanwhile, and
# all comes in order by chance.
reorders()
{
	local turn

	for ((turn = 0; turn < 5; turn++)); do
		flow "$1" || return 1
		((reordered == 0)) || return 0
	done
	return 1
}

# In order, though it was held back at times and moved at others.
keeps()
{
	flow "$1" && ((reordered == 0 && $(total held) > 0 && $(used) > 1))
}

ktap_print_header
ktap_set_plan 7
dmesg_mark
build balance-rr layer3+4 1 || die "no links"
check "control: balance-rr reorders TCP" reorders tcp
check "control: balance-rr reorders UDP" reorders udp
for queues in 1 4; do
	build balance-xor cpu-bound "$queues" || die "no links"
	check "$queues queue(s): TCP stays in order over unequal links" keeps tcp
	build balance-xor cpu-bound "$queues" || die "no links"
	check "$queues queue(s): UDP stays in order through unequal queues" keeps udp
done
bt_down
check "dmesg is clean" dmesg_clean
ktap_finished
