#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A socket has one memory for the transmit queue it uses. Where a device below
# the bond has several queues, that memory is the device's: what it does with a
# flow whose task moves it does under the stock policies, too. Kernels differ: to
# some, nothing under way is enough for another queue. The flow's slave is
# remembered elsewhere, see order.sh.
#
#   bt0 (cpu-bound) -- vqK, a VLAN with one queue -- mqK, a NIC with four
#
# And bonds of this policy below the bond make their marks there for themselves.
#
#   bt0 (cpu-bound) -- inK (cpu-bound), CPU K's -- slK0, CPU 1's, and slK1, CPU 0's
#
# A tunnel does not say what it goes through.
#
#   bt0 (cpu-bound) -- gtK, a tunnel with one queue, CPU K's -- mq0, a NIC with four
#
# Where the memory is ours it lasts, though kernels forget a queue in a second.
#
#   bt0 (cpu-bound) -- slK0, CPU K's, slow

# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=topology.sh
. "$(dirname "$0")/topology.sh"

need_cmd ip tc taskset
(($(nproc) >= 2)) || skip "needs 2 CPUs"
PACKETS=20
HERE=10.8.0.1
PEER=10.8.0.2

cleanup()
{
	local k

	exec 3>&-
	ip link del bt0 2> /dev/null
	for k in 0 1; do
		ip link del "gt$k" 2> /dev/null
		ip link del "mq$k" 2> /dev/null
		ip link del "in$k" 2> /dev/null
		ip link del "sl${k}0" 2> /dev/null
		ip link del "sl${k}1" 2> /dev/null
	done
	return 0
}
trap cleanup EXIT

# bond NAME
bond()
{
	ip link add "$1" type bond mode balance-xor miimon 50 &&
		echo cpu-bound > "/sys/class/net/$1/bonding/xmit_hash_policy"
}

# slow DEVICE: what was sent stays under way, one datagram in half a second
slow() { tc qdisc add dev "$1" root tbf rate 1kbit burst 64 latency 100s; }

# enslave SLAVE BOND CPU
enslave()
{
	ip link set "$1" master "$2" && echo "$3" > "/sys/class/net/$1/bonding_slave/tx_cpus"
}

# nic NAME: a NIC with a queue a CPU
nic()
{
	local queue

	ip link add "$1" numtxqueues 4 type dummy || return 1
	for ((queue = 0; queue < 4; queue++)); do
		printf '%x' $((1 << queue)) \
			> "/sys/class/net/$1/queues/tx-$queue/xps_cpus" || return 1
	done
}

up()
{
	local k

	bond bt0 || return 1
	for k in 0 1; do
		nic "mq$k" || return 1
		tc qdisc add dev "mq$k" root handle 1: mq || return 1
		ip link set "mq$k" up
		ip link add link "mq$k" name "vq$k" type vlan id 8 || return 1
		enslave "vq$k" bt0 "$k" || return 1
	done
	ready
}

up_nested()
{
	local k

	bond bt0 || return 1
	for k in 0 1; do
		bond "in$k" && ip link add "sl${k}0" type dummy &&
			ip link add "sl${k}1" type dummy &&
			enslave "sl${k}0" "in$k" 1 && enslave "sl${k}1" "in$k" 0 &&
			enslave "in$k" bt0 "$k" || return 1
		slow "sl${k}1" || return 1
	done
	ready
}

up_slow()
{
	local k

	bond bt0 || return 1
	for k in 0 1; do
		ip link add "sl${k}0" type dummy && enslave "sl${k}0" bt0 "$k" &&
			slow "sl${k}0" || return 1
	done
	ready
}

up_tunnels()
{
	local k

	bond bt0 && nic mq0 || return 1
	ip addr add 10.9.0.1/24 dev mq0
	ip link set mq0 up
	for k in 0 1; do
		ip neigh replace "10.9.0.$((k + 2))" lladdr 02:00:00:00:01:02 dev mq0 nud permanent
		ip link add "gt$k" type gretap local 10.9.0.1 remote "10.9.0.$((k + 2))" &&
			enslave "gt$k" bt0 "$k" || return 1
	done
	ready || return 1
	tc qdisc add dev mq0 root tbf rate 1kbit burst 200 latency 100s
}

both_up() { [[ $(cat /sys/class/net/bt0/lower_*/bonding_slave/mii_status) == $'up\nup' ]]; }

# bt0 and its slaves can be used
ready()
{
	ip link set bt0 up
	ip addr add $HERE/24 dev bt0
	ip neigh replace $PEER lladdr 02:00:00:00:00:02 dev bt0 nud permanent
	within 10 both_up || return 1
	# routes settle: one that changes makes sockets forget
	sleep 1
}

# sent K QUEUE: packets that went into a queue of mqK
sent()
{
	tc -s qdisc show dev "mq$1" | awk -v parent="1:$(($2 + 1))" '
		/^qdisc/ { ours = $4 == "parent" && $5 == parent }
		ours && $1 == "Sent" { print $4; exit }'
}

# send CPU: datagrams of the one connected socket, from CPU
send()
{
	local i

	taskset -cp "$1" $BASHPID > /dev/null
	for ((i = 0; i < PACKETS; i++)); do
		echo text >&3
	done
}

# Under a stock policy, by whichever slave: $stock is the queue, 0 or 1, that is
# used from CPU 1 by a flow that began in queue 0.
learn_queue()
{
	echo layer2 > /sys/class/net/bt0/bonding/xmit_hash_policy
	exec 3<> "/dev/udp/$PEER/9" || return 1
	send 0
	send 1
	stock=$(($(sent 0 1) + $(sent 1 1) >= PACKETS))
}

# The flow starts in queue 0, the queue of CPU 0, and goes on from CPU 1.
queue_as_stock()
{
	exec 3<> "/dev/udp/$PEER/9" || return 1
	send 0
	(($(sent 0 0) >= PACKETS)) || { echo "# mq0: $(sent 0 0) in queue 0"; return 1; }
	send 1
	echo "# mq1: $(sent 1 0) in queue 0, $(sent 1 1) in queue 1; stock: queue $stock"
	(($(sent 1 "$stock") >= PACKETS && $(sent 1 $((1 - stock))) < PACKETS))
}

# CPU 0's slave below is the second, as CPU 1's slave above is.
marks_apart()
{
	local above held below

	exec 3<> "/dev/udp/$PEER/9" || return 1
	send 0
	above=$(bt_cell in0 0 local) held=$(bt_cell in1 0 held) below=$(bt_cell sl01 0 local)
	echo "# CPU 0: $above by in0, $held held by in1; $below by sl01"
	((above == PACKETS && held == 0 && below == PACKETS))
}

# What CPU 0 has sent is still under way when CPU 1 goes on.
tunnel_held()
{
	local held

	exec 3<> "/dev/udp/$PEER/9" || return 1
	send 0
	send 1
	held=$(bt_cell gt0 1 held)
	echo "# CPU 1: $held held by gt0"
	((held == PACKETS))
}

# Long after it began, with packets of it still under way.
mark_lasts()
{
	local held

	exec 3<> "/dev/udp/$PEER/9" || return 1
	send 0
	sleep 2
	send 1
	held=$(bt_cell sl00 1 held)
	echo "# $held held by sl00, $(bt_cell sl10 1 local) by sl10"
	((held == PACKETS))
}

ktap_print_header
ktap_set_plan 6
dmesg_mark
sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
up || die "cannot build the topology"
learn_queue || die "the flow's queue cannot be seen"
cleanup
up || die "cannot build the topology"
check "each CPU sends by its own slave, the queue is as under a stock policy" queue_as_stock
cleanup
up_nested || die "cannot build the topology"
check "a bond below keeps its flows' slaves for itself" marks_apart
cleanup
if modprobe ip_gre 2> /dev/null; then
	up_tunnels || die "cannot build the topology"
	check "tunnels through a NIC with queues: the flow is held" tunnel_held
	cleanup
else
	ktap_test_skip "tunnels through a NIC with queues: no ip_gre here"
fi
up_slow || die "cannot build the topology"
check "a flow is held back however long ago it began" mark_lasts
cleanup
check "all of it goes" test ! -e /sys/class/net/bt0
check "dmesg is clean" dmesg_clean
ktap_finished
