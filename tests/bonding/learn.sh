#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Without a word of configuration a CPU sends by the slave whose receive work
# runs on it: it follows interrupts as they are pinned and moved, stays where
# slaves share a CPU, and forgets a slave that leaves. Before anything is learned
# the NUMA node decides. Real NICs: see lab/topology.sh for the picture.

# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=topology.sh
. "$(dirname "$0")/topology.sh"
# shellcheck disable=SC2034  # read by the lab's topology
TOPO_CLIENTS=16
[[ -r /corelane/lab/topology.sh ]] || skip "not in the lab"
# shellcheck disable=SC1091  # only there in the lab
. /corelane/lab/topology.sh

need_cmd corelane ip jq taskset ping
LANES=4
ENOUGH=1200	# packets until a slave has a CPU, and some to spare
cleanup()
{
	topo_down
}
trap cleanup EXIT

# whose: for each CPU the slave and the reason, a line each, as corelane says it
whose()
{
	corelane bond show --json bond0 | jq -r '.[0].cpus[] | "\(.slave) \(.why)"'
}

# is WHAT...: CPU 0, 1, ... have these slaves and reasons; - is anything
is()
{
	local cpu=0 want got

	mapfile -t got < <(whose)
	for want; do
		[[ $want == - || ${got[cpu]} == "$want" ]] ||
			{ echo "# CPU $cpu: ${got[cpu]}, not $want"; return 1; }
		cpu=$((cpu + 1))
	done
}

nodes()
{
	local k

	for ((k = 0; k < LANES; k++)); do
		[[ -w /sys/class/net/srv$k/device/numa_node ]] || return 1
		echo "$1" > "/sys/class/net/srv$k/device/numa_node"
	done
	# slaves change: so the map is made anew
	echo "" > /sys/class/net/srv0/bonding_slave/tx_cpus
}

by_hash()
{
	nodes -1
	is "null hash" "null hash" "null hash" "null hash"
}

by_node()
{
	nodes 0 && is "srv0 numa" "srv1 numa" "srv2 numa" "srv3 numa"
}

# flood COUNT LANE...: frames into srvLANE, straight from the far ends of the
# cables, in turns of 60
flood()
{
	ip netns exec sw python3 - "$@" <<-'PYTHON'
	import socket, sys, time

	# a type that nobody takes: the bond sees it, and nobody answers
	frame = b"\xff" * 6 + bytes.fromhex("020000000001") + b"\x88\xb5" + b"x" * 50
	lanes = []
	for lane in sys.argv[2:]:
	    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
	    s.bind(("sw" + lane, 0))
	    lanes.append(s)
	for turn in range(0, int(sys.argv[1]), 60):
	    for s in lanes:
	        for i in range(60):
	            s.send(frame)
	        time.sleep(0.003)
	PYTHON
}

# An interrupt that was pinned moves when it next fires.
pinned() # LANE CPU
{
	topo_pin "srv$1" "$2" && flood 60 "$1"
}

learned()
{
	local k

	for ((k = 0; k < LANES; k++)); do
		topo_pin "srv$k" $((LANES - 1 - k)) || return 1
	done
	flood 60 0 1 2 3 && flood $ENOUGH 0 1 2 3 &&
		is "srv3 learned" "srv2 learned" "srv1 learned" "srv0 learned"
}

sends_by_it()
{
	local before after

	before=$(bt_cell srv2 1 local)
	taskset -c 1 ping -q -i 0.01 -c 10 -W 5 10.0.0.100 > /dev/null || return 1
	after=$(bt_cell srv2 1 local)
	((after - before >= 10))
}

follows()
{
	pinned 0 0 && pinned 3 3 && flood $ENOUGH 0 3 &&
		is "srv0 learned" "srv2 learned" "srv1 learned" "srv3 learned"
}

# Both on CPU 0, with as many packets each: it stays whose it is.
sticky()
{
	pinned 3 0 && flood 3000 3 0 && is "srv0 learned" - - "srv3 learned"
}

mask_wins()
{
	echo 1 > /sys/class/net/srv3/bonding_slave/tx_cpus
	is "srv0 learned" "srv3 mask" "srv1 learned" || return 1
	echo "" > /sys/class/net/srv3/bonding_slave/tx_cpus
	is "srv0 learned" "srv2 learned" "srv1 learned"
}

# becomes WHAT...: so it is as soon as the link monitor has looked
becomes() { within 20 is "$@" > /dev/null || is "$@"; }

down_falls_back()
{
	ip link set srv2 down
	becomes "srv0 learned" "srv2 fallback" "srv1 learned" || return 1
	ip link set srv2 up
	becomes "srv0 learned" "srv2 learned" "srv1 learned"
}

# The slave that comes gets the slot of the one that went, and none of its CPUs.
forgotten()
{
	nodes -1
	ip link set srv2 nomaster
	is - "null hash" || return 1
	ip link set srv2 down
	ip link set srv2 master bond0
	topo_carrier srv2
	is - "null hash" || return 1
	flood $ENOUGH 2 && is "srv0 learned" "srv2 learned"
}

# Under another policy nothing is learned, and nothing costs.
only_ours()
{
	echo layer3+4 > /sys/class/net/bond0/bonding/xmit_hash_policy
	pinned 2 3 && flood $ENOUGH 2 || return 1
	echo cpu-bound > /sys/class/net/bond0/bonding/xmit_hash_policy
	is - "srv2 learned" - "srv3 learned"
}

ktap_print_header
ktap_set_plan 11
topo_names
[[ -e /sys/class/net/srv$((LANES - 1)) ]] || skip "needs $LANES lanes"
command -v python3 > /dev/null || skip "needs python3"
dmesg_mark
topo_switch "$LANES"
topo_server "$LANES" balance-xor xmit_hash_policy cpu-bound
topo_carrier bond0 || die "no links"
topo_carrier bond0 ip netns exec sw || die "no links at the switch"
topo_neighbours
check "nothing known: by hash" by_hash
check "devices on the CPUs' node: its slaves in turn" by_node
check "receive work binds its CPU" learned
check "and what the CPU sends" sends_by_it
check "an interrupt that is moved takes its CPU along" follows
check "slaves that share a CPU leave it to whom it belongs" sticky
check "a mask beats what was learned" mask_wins
check "a learned slave that is down: fallback, and back" down_falls_back
check "a slave that leaves and returns has to learn anew" forgotten
check "other policies learn nothing" only_ours
check "dmesg is clean" dmesg_clean
ktap_finished
