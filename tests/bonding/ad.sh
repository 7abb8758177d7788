#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# 802.3ad while everything changes under a storm from all CPUs: only slaves that
# collect and distribute in the active aggregator are sent through, and every
# packet is in a counter.
#
#           bt0: cb0 .. cb3, slave K has CPU K
#             |    |    |    |
#            cp0  cp1  cp2  cp3
#             +-br0+    +-br1+       two switches, so two aggregators
#
# For all but the change of aggregators the four are one switch, br0.

# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=topology.sh
. "$(dirname "$0")/topology.sh"
# shellcheck source=storm.sh
. "$(dirname "$0")/storm.sh"

need_cmd ip taskset ping
(($(nproc) >= 4)) || skip "needs 4 CPUs"
modprobe -q pktgen || skip "no pktgen in this kernel"
trap 'storm_end; bt_down' EXIT

# slave K ATTRIBUTE
slave()
{
	cat "/sys/class/net/cb$1/bonding_slave/$2"
}

# until COMMAND...: 20 s at most
until_true()
{
	within 20 "$@" && return
	echo "# not in 20 s: $*"
	return 1
}

# distributing K...: these slaves are, of four, and no other
distributing()
{
	local k want

	for ((k = 0; k < BT_CABLES; k++)); do
		want=0
		[[ " $* " != *" $k "* ]] || want=$((0x30))
		[[ -e /sys/class/net/cb$k/bonding_slave ]] || continue
		((($(slave "$k" ad_actor_oper_port_state) & 0x30) == want)) || return 1
	done
}

# usable K...: the bond sends through these slaves and no other, by its own map
usable()
{
	local k

	for ((k = 0; k < BT_CABLES; k++)); do
		[[ -e /sys/class/net/cb$k/bonding_slave ]] || continue
		if [[ " $* " == *" $k "* ]]; then
			[[ $(bt_cell "cb$k" "$k" bound) == mask ]] || return 1
		else
			[[ $(bt_cell "cb$k" "$k" bound) == unusable ]] || return 1
		fi
	done
}

# port N: give far end N a carrier, or take it
port()
{
	ip -n peer link set "cp$1" "$2"
}

# up: the topology, in 802.3ad on both sides
up()
{
	bt_up 802.3ad cpu-bound 802.3ad || return 1
	bt_bind || return 1
	until_true distributing 0 1 2 3 && until_true usable 0 1 2 3
}

# packets through slave K: ours, and all that the device was given
ours()
{
	[[ -e /sys/class/net/cb$1/bonding_slave ]] || { echo 0; return; }
	awk 'NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
		{ sum += $column["local"] + $column["remote"] } END { printf "%d\n", sum }' \
		"/sys/class/net/cb$1/bonding_slave/tx_cpu_stats"
}

# Some of what veth drops it counts as sent, some not; both went to the cable.
given()
{
	echo $(($(bt_packets "cb$1") + $(dropped "cb$1")))
}

dropped()
{
	cat "/sys/class/net/$1/statistics/tx_dropped"
}

# What the bond did with all it was given: through a slave, or dropped for want
# of one. The bond's statistics repeat what its slaves dropped, which ours have
# counted already.
total()
{
	local k sum

	sum=$(dropped bt0)
	for ((k = 0; k < BT_CABLES; k++)); do
		sum=$((sum + $(ours "$k") - $(dropped "cb$k")))
	done
	echo "$sum"
}

# quiet FRAMES K...: the storm goes on, and through these slaves goes nothing of
# it; their devices were given at most FRAMES of LACP's own
quiet()
{
	local frames=$1 k before=() device=() all

	shift
	all=$(total)
	for k; do
		before[k]=$(ours "$k")
		device[k]=$(given "$k")
	done
	sleep 1
	for k; do
		(($(ours "$k") == before[k] && $(given "$k") <= device[k] + frames)) ||
			{ echo "# cb$k: more than ${before[k]} and ${device[k]}"; return 1; }
	done
	(($(total) > all + 100)) || { echo "# the storm is over: $(($(total) - all))"; return 1; }
}

# accounted BEFORE: what the storm sent since is what the slaves' counters say
accounted()
{
	local sent counted

	storm_stop
	sent=$(storm_sent bt0)
	counted=$(($(total) - $1))
	echo "# sent $sent, counted $counted: $(for k in 0 1 2 3; do
		echo "cb$k $(bt_sum "cb$k" local)+$(bt_sum "cb$k" remote)"; done | paste -sd ' ')"
	((sent > 1000 && sent == counted))
}

# count CPU KIND SLAVE...
count()
{
	local k sum=0

	for k in "${@:3}"; do
		sum=$((sum + $(bt_cell "cb$k" "$1" "$2")))
	done
	echo "$sum"
}

# beyond N CPU KIND SLAVE...
beyond() { (($(count "${@:2}") > $1)); }

# CPU K's packets now go through slave K
returns() { until_true beyond $(($(count "$1" local "$1") + 10)) "$1" local "$1"; }

falls_back() # CPU SLAVE...
{
	set -- "$1" fallback "${@:2}"
	until_true beyond $(($(count "$@") + 10)) "$@"
}

cut_in_storm()
{
	local before

	before=$(total)
	storm_start bt0 && sleep 0.5 && port 1 down && until_true usable 0 2 3 || return 1
	quiet 0 1 && falls_back 1 0 2 3 && port 1 up && until_true usable 0 1 2 3 && returns 1 &&
		accounted "$before"
}

flap_in_storm()
{
	local before i

	before=$(total)
	STORM_DELAY=1000000 storm_start bt0 || return 1
	for ((i = 0; i < 12; i++)); do
		port $((i % 4)) down
		sleep 0.$((i % 3))
		port $((i % 4)) up
	done
	until_true usable 0 1 2 3 && accounted "$before"
}

# Our side's port stops being one of the aggregate though its link stays: the
# switch no longer speaks LACP there.
silent_partner()
{
	local before

	before=$(total)
	storm_start bt0 || return 1
	ip -n peer link set cp2 nomaster && ip -n peer link set cp2 up || return 1
	until_true usable 0 1 3 && [[ $(slave 2 mii_status) == up ]] || return 1
	quiet 8 2 && falls_back 2 0 1 3 || return 1
	port 2 down && ip -n peer link set cp2 master br0 && port 2 up
	until_true usable 0 1 2 3 && returns 2 && accounted "$before"
}

removed_in_storm()
{
	storm_start bt0 || return 1
	ip link set cb1 nomaster && ip link set cb1 up || return 1
	quiet 0 1 && falls_back 1 0 2 3 || return 1
	ip link set cb1 down
	ip link set cb1 master bt0 && echo 1 > /sys/class/net/cb1/bonding_slave/tx_cpus || return 1
	until_true usable 0 1 2 3 && returns 1 || return 1
	storm_stop
}

# Fewer links than wanted: the bond has no carrier, so that nothing is sent.
min_links()
{
	local before now ping=0

	echo 3 > $BT_SYSFS/min_links
	port 0 down && port 1 down && until_true usable 2 3 || return 1
	# A device that has lost its carrier is shut within a second: after the state is
	# told, but under the lock that changing the alias takes.
	until_true grep -q down /sys/class/net/bt0/operstate || return 1
	ip link set bt0 alias shut
	# some kernels count on the bond what the stack drops above it: look at
	# what went through slaves
	before=$(($(ours 2) + $(ours 3)))
	bt_send 2 3 || ping=1
	now=$(($(ours 2) + $(ours 3)))
	echo "# without carrier: $((now - before)) packets"
	((ping == 1 && now == before)) || return 1
	port 0 up && until_true usable 0 2 3 && until_true bt_send 0 3
	port 1 up && echo 0 > $BT_SYSFS/min_links && until_true usable 0 1 2 3
}

# Two of the four to another switch, which makes two aggregators.
split()
{
	local k

	ip -n peer link add br1 type bond mode 802.3ad miimon 50 lacp_rate fast || return 1
	for k in 2 3; do
		ip -n peer link set "cp$k" nomaster && ip -n peer link set "cp$k" master br1 ||
			return 1
	done
	ip -n peer link set br1 up
	until_true active_pair
}

# active: the slaves that bt0 sends through, by its map
active()
{
	local k

	for ((k = 0; k < BT_CABLES; k++)); do
		[[ $(bt_cell "cb$k" "$k" bound) != mask ]] || printf '%s ' "$k"
	done
}

active_pair()
{
	[[ $(active) == '0 1 ' || $(active) == '2 3 ' ]] &&
		[[ $(slave 0 ad_aggregator_id) == "$(slave 1 ad_aggregator_id)" &&
		   $(slave 2 ad_aggregator_id) == "$(slave 3 ad_aggregator_id)" &&
		   $(slave 0 ad_aggregator_id) != "$(slave 2 ad_aggregator_id)" ]]
}

# One link fewer in the active pair: the other aggregator takes over.
aggregator_changes()
{
	local before from to

	echo 0 > $BT_SYSFS/min_links
	split || { echo "# active: $(active)"; return 1; }
	read -ra from <<< "$(active)"
	to=(2 3)
	[[ ${from[0]} == 0 ]] || to=(0 1)
	before=$(total)
	storm_start bt0 && quiet 8 "${to[@]}" && falls_back "${to[0]}" "${from[@]}" || return 1
	port "${from[1]}" down
	until_true usable "${to[@]}" || { echo "# active: $(active)"; return 1; }
	echo "# from ${from[*]} to ${to[*]}"
	[[ $(cat $BT_SYSFS/ad_aggregator) == "$(slave "${to[0]}" ad_aggregator_id)" ]] || return 1
	quiet 0 "${from[1]}" && returns "${to[0]}" && falls_back "${from[0]}" "${to[@]}" &&
		accounted "$before"
}

# flood CPU SLAVE: 3,000 frames of a type that nobody takes, which come in there
flood()
{
	taskset -c "$1" ip netns exec peer python3 - "cp$2" <<-'PYTHON'
	import socket, sys

	s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
	s.bind((sys.argv[1], 0))
	for i in range(3000):
	    s.send(b"\xff" * 6 + bytes.fromhex("020000000001") + b"\x88\xb5" + b"x" * 50)
	PYTHON
}

# A port outside of the active aggregator gets what a switch floods. It takes no
# CPU with that from one that can be sent through.
standby_learns_nothing()
{
	local k active standby

	read -r active _ <<< "$(active)"
	standby=$(((active + 2) % 4))
	for k in 0 1 2 3; do
		echo "" > "/sys/class/net/cb$k/bonding_slave/tx_cpus"
	done
	flood 0 "$active" && [[ $(bt_cell "cb$active" 0 bound) == learned ]] || return 1
	flood 0 "$standby"
	# also where what comes in there is delivered
	echo 1 > $BT_SYSFS/all_slaves_active && flood 0 "$standby"
	echo 0 > $BT_SYSFS/all_slaves_active
	echo "# CPU 0: cb$active $(bt_cell "cb$active" 0 bound)," \
		"cb$standby $(bt_cell "cb$standby" 0 bound)"
	[[ $(bt_cell "cb$active" 0 bound) == learned ]]
}

ktap_print_header
ktap_set_plan 9
dmesg_mark
check "LACP brings up all four" up
check "a link is cut under a storm: nothing more goes to it, all is counted" cut_in_storm
check "links flap under a storm: every packet is counted" flap_in_storm
check "the switch leaves the aggregate, the link stays: nothing of ours goes there" silent_partner
check "the mapped slave is removed and comes back under a storm" removed_in_storm
check "min_links: below it nothing is sent, above it all is as before" min_links
check "the aggregator changes under a storm: only the new one is sent through" aggregator_changes
if command -v python3 > /dev/null; then
	check "a port outside of the active aggregator learns no CPU" standby_learns_nothing
else
	ktap_test_skip "a port outside of the active aggregator: no python3"
fi
storm_end
bt_down
check "dmesg is clean" dmesg_clean
ktap_finished
