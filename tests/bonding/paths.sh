#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Every way a packet can come to the bond: from tasks through VLAN, IPv6 and a
# tunnel; forwarded, routed and bridged; without a socket; from softirqs as
# answers, acknowledgments and retransmits; from a pacing queue's timer. CPU K
# sends by slave K throughout, and the counters prove it.
#
#     netns "in"  in1 ---- in0   here   bt0 ==== netns "peer"
#     10.10.0.2        10.10.0.1    10.9.0.1     10.9.0.100

# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=topology.sh
. "$(dirname "$0")/topology.sh"

need_cmd ip tc taskset ping python3
(($(nproc) >= 4)) || skip "needs 4 CPUs"
PACKETS=20
# what may leave besides: neighbours asked for, memberships told
BACKGROUND=8
WORK=$(mktemp -d)

cleanup()
{
	ip link del brt 2> /dev/null
	ip netns del in 2> /dev/null
	bt_down
	rm -rf "$WORK"
}
trap cleanup EXIT

up()
{
	bt_up balance-xor cpu-bound && bt_bind || return 1
	ip netns add in
	ip link add in0 type veth peer name in1 netns in
	ip addr add 10.10.0.1/24 dev in0
	ip link set in0 up
	ip -n in link set in1 up
	ip -n in addr add 10.10.0.2/24 dev in1
	ip -n in route add default via 10.10.0.1
	ip -n peer route add 10.10.0.0/24 via $BT_HERE
	sysctl -qw net.ipv4.ip_forward=1
}

# cells CPU: what CPU sent through each slave, all of it and as local
cells()
{
	awk -v cpu="$1" '
		FNR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
		$1 == cpu { n = $column["local"]; printf "%d %d ", n + $column["remote"], n }' \
		/sys/class/net/cb[0-3]/bonding_slave/tx_cpu_stats
}

# by_own CPU COMMAND...: what CPU sends in it leaves by the CPU's slave, counted
# as local there and nowhere else
by_own()
{
	local cpu=$1 k own before after

	shift
	read -ra before <<< "$(cells "$cpu")"
	"$@" || { echo "# failed: $*"; return 1; }
	read -ra after <<< "$(cells "$cpu")"
	own=$((after[2 * cpu + 1] - before[2 * cpu + 1]))
	((own >= PACKETS)) || { echo "# CPU $cpu: $own local"; return 1; }
	for ((k = 0; k < BT_CABLES; k++)); do
		((k == cpu || after[2 * k] - before[2 * k] <= BACKGROUND)) ||
			{ echo "# CPU $cpu by cb$k: ${before[2 * k]}, ${after[2 * k]}"; return 1; }
	done
}

# each COMMAND...: from every CPU, which is put in for CPU
each()
{
	local cpu

	for ((cpu = 0; cpu < BT_CABLES; cpu++)); do
		by_own "$cpu" "${@//CPU/$cpu}" || return 1
	done
}

pinging()
{
	taskset -c "$1" "${@:2}" > /dev/null
}

PING=(ping -q -i 0.01 -c "$PACKETS" -W 5)

vlan()
{
	ip link add link bt0 name bt0.7 type vlan id 7 && ip addr add 10.7.0.1/24 dev bt0.7 &&
		ip link set bt0.7 up
	ip -n peer link add link br0 name br0.7 type vlan id 7 &&
		ip -n peer addr add 10.7.0.2/24 dev br0.7 &&
		ip -n peer link set br0.7 up || return 1
	pinging 0 "${PING[@]}" 10.7.0.2 && each pinging CPU "${PING[@]}" 10.7.0.2
}

ipv6()
{
	sysctl -qw net.ipv6.conf.bt0.disable_ipv6=0
	ip netns exec peer sysctl -qw net.ipv6.conf.br0.disable_ipv6=0
	ip -6 addr add fd09::1/64 dev bt0 nodad &&
		ip -n peer -6 addr add fd09::2/64 dev br0 nodad || return 1
	pinging 0 "${PING[@]}" fd09::2 && each pinging CPU "${PING[@]}" fd09::2
}

tunnel()
{
	ip tunnel add tun9 mode gre local $BT_HERE remote $BT_PEER &&
		ip addr add 10.6.0.1/24 dev tun9 &&
		ip link set tun9 up || return 1
	ip -n peer tunnel add tun9 mode gre local $BT_PEER remote $BT_HERE &&
		ip -n peer addr add 10.6.0.2/24 dev tun9 && ip -n peer link set tun9 up || return 1
	pinging 0 "${PING[@]}" 10.6.0.2 && each pinging CPU "${PING[@]}" 10.6.0.2
}

# A veth works on what it receives on the CPU that sent it, as a NIC on the CPU
# of its interrupt.
routed()
{
	each pinging CPU ip netns exec in "${PING[@]}" $BT_PEER
}

# The other way round the bond's end answers from a softirq, for no task of ours.
answered()
{
	each pinging CPU ip netns exec peer "${PING[@]}" $BT_HERE
}

# Frames of a packet socket: no route, no flow.
cat > "$WORK/frames" <<'PYTHON'
import socket, sys
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sock.bind(("bt0", 0))
for i in range(int(sys.argv[1])):
    sock.send(b"\x02\0\0\0\0\x99" + b"\x02\0\0\0\0\x01" + b"\x88\xb5" + b"x" * 50)
PYTHON

framed()
{
	each pinging CPU python3 "$WORK/frames" "$PACKETS"
}

# talk: TIMES times SIZE bytes from a sender to a receiver, which compares; the
# sender's task moves to another CPU before every piece when told so.
cat > "$WORK/talk" <<'PYTHON'
import os, socket, sys
role, address, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
text = os.urandom(1) * 7 + bytes(range(251)) * (size // 251)
if role == "send":
    sock = socket.create_connection((address, 7000))
    sock.settimeout(100)
    if sys.argv[5] != "0":
        sock.setsockopt(socket.SOL_SOCKET, 47, int(sys.argv[5]))	# SO_MAX_PACING_RATE
    for i in range(0, len(text), 10000):
        if sys.argv[4] == "moving":
            os.sched_setaffinity(0, {i // 10000 % 4})
        sock.sendall(text[i:i + 10000])
    sock.shutdown(socket.SHUT_WR)
    sys.exit(sock.recv(10) != b"good")
listener = socket.create_server((address, 7000))
listener.settimeout(100)
print("ready", flush=True)
sock, _ = listener.accept()
sock.settimeout(100)
got = b""
while piece := sock.recv(1000000):
    got += piece
sock.send(b"good" if got[7:] == bytes(range(251)) * (size // 251) else b"bad")
PYTHON

# talk SIZE moving|still RATE [CPU]: a TCP transfer, whole at its end; with CPU
# from the peer to here, from that CPU to CPU 0
talk()
{
	local receive=(ip netns exec peer) send=() address=$BT_PEER i pid

	if [[ -n ${4:-} ]]; then
		receive=(taskset -c 0) send=(taskset -c "$4" ip netns exec peer) address=$BT_HERE
	fi
	: > "$WORK/ready"
	"${receive[@]}" python3 "$WORK/talk" receive "$address" "$1" > "$WORK/ready" &
	pid=$!
	for ((i = 0; i < 100; i++)); do
		[[ ! -s $WORK/ready ]] || break
		sleep 0.1
	done
	"${send[@]}" python3 "$WORK/talk" send "$address" "$1" "$2" "$3" && wait "$pid"
}

# stat NAME: a counter of TCP, here
stat()
{
	awk -v name="$1" '!($1 in head) { head[$1] = $0; next }
		{ split(head[$1], key); for (i = 2; i <= NF; i++) if (key[i] == name) print $i }' \
		/proc/net/snmp /proc/net/netstat
}

sums()
{
	local k

	for ((k = 0; k < BT_CABLES; k++)); do
		printf 'cb%d %d+%d(%d) ' "$k" "$(bt_sum "cb$k" local)" \
			"$(bt_sum "cb$k" remote)" "$(bt_sum "cb$k" held)"
	done
}

# all our counters, and what the devices sent
both()
{
	local k ours=0 theirs=0

	for ((k = 0; k < BT_CABLES; k++)); do
		ours=$((ours + $(bt_sum "cb$k" local) + $(bt_sum "cb$k" remote)))
		theirs=$((theirs + $(bt_packets "cb$k")))
		theirs=$((theirs + $(cat "/sys/class/net/cb$k/statistics/tx_dropped")))
	done
	echo "$((ours - theirs))"
}

# Counters are read one after another, and a packet of the kernel's own may leave
# between two readings.
begins()
{
	begin=$(both)
	agrees
}

agrees() { [[ $(both) == "$begin" ]]; }

# The data comes to CPU 2, where its sender is; the receiver's task is on CPU 0.
acknowledged()
{
	local before

	before=$(bt_cell cb2 2 local)
	talk 2000000 still 0 2 || return 1
	echo "# $(sums)"
	(($(bt_cell cb2 2 local) - before >= PACKETS))
}

# Every slave loses some; what is sent again leaves from timers and softirqs.
retransmitted()
{
	local k before after

	for ((k = 0; k < BT_CABLES; k++)); do
		tc qdisc add dev "cb$k" root netem loss 3% || return 1
	done
	before=$(stat RetransSegs)
	talk 3000000 moving 0
	local status=$?
	after=$(stat RetransSegs)
	for ((k = 0; k < BT_CABLES; k++)); do
		tc qdisc del dev "cb$k" root
	done
	echo "# sent again: $((after - before))"
	((status == 0 && after > before + 3))
}

# paced WHAT: the queue above the bond lets the packets out by its timer, on
# another CPU than the task's as often as not. The order stays.
paced()
{
	local before status=0 k

	# The far ends share a receive queue, or they would show how four CPUs
	# race, not the order of leaving.
	for k in 0 1 2 3; do
		ip netns exec peer tee "/sys/class/net/cp$k/queues/rx-0/rps_cpus" <<< 1 > /dev/null
	done
	tc qdisc replace dev bt0 root "${@:2}" || return 1
	before=$(stat TCPSACKReorder)
	talk 3000000 moving "$1" || status=1
	echo "# $(sums)reordered $(($(stat TCPSACKReorder) - before))"
	tc qdisc del dev bt0 root
	((status == 0)) && [[ $(stat TCPSACKReorder) == "$before" ]]
}

bridged()
{
	local address

	ip link add brt type bridge && ip link set bt0 master brt &&
		ip link set in0 master brt && ip link set brt up || return 1
	ip -n in addr add 10.9.0.7/24 dev in1
	for address in 1 2 3; do
		pinging 0 ip netns exec in "${PING[@]}" $BT_PEER && break
	done
	each pinging CPU ip netns exec in "${PING[@]}" $BT_PEER
}

ktap_print_header
ktap_set_plan 13
dmesg_mark
up || die "no links"
within 20 begins || die "counters that differ each time"
check "VLAN on top" vlan
check "IPv6" ipv6
check "GRE tunnel over the bond" tunnel
check "routed packets leave by the CPU that received them" routed
check "echo replies from a softirq" answered
check "frames of a packet socket" framed
check "acknowledgments from a softirq" acknowledged
check "our counters and the devices' are one" within 20 agrees
check "retransmits: all arrives though every slave loses" retransmitted
check "paced by fq above the bond, the task moves: whole and in order" paced 4000000 fq
check "paced by fq's maxrate: whole and in order" paced 0 fq maxrate 40mbit
check "bridged frames leave by the CPU that received them" bridged
cleanup
check "dmesg is clean" dmesg_clean
ktap_finished
