#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The policy in 802.3ad, negotiating LACP with the lab's switch over real
# NIC drivers: see lab/topology.sh for the picture.

# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=topology.sh
. "$(dirname "$0")/topology.sh"
# shellcheck source=storm.sh
. "$(dirname "$0")/storm.sh"
# shellcheck disable=SC2034  # read by the lab's topology
TOPO_CLIENTS=1
[[ -r /corelane/lab/topology.sh ]] || skip "not in the lab"
# shellcheck disable=SC1091  # only there in the lab
. /corelane/lab/topology.sh

need_cmd ip taskset ping
LANES=4
cleanup()
{
	storm_end
	topo_down
}
trap cleanup EXIT

# aggregated N: N slaves are collecting and distributing with a partner (20 s)
aggregated()
{
	local i n state

	for ((i = 0; i < 200; i++)); do
		n=0
		for state in /sys/class/net/srv*/bonding_slave/ad_actor_oper_port_state; do
			(($(< "$state") & 0x20)) && n=$((n + 1))
		done
		((n != $1)) || return 0
		sleep 0.1
	done
	echo "# $n slaves distribute"
	return 1
}

send()
{
	taskset -c "$1" ping -q -i 0.01 -c 10 -W 5 10.0.0.100 > /dev/null
}

local_map()
{
	local k before

	for ((k = 0; k < LANES; k++)); do
		before=$(bt_cell "srv$k" "$k" local)
		send "$k" || return 1
		(($(bt_cell "srv$k" "$k" local) - before >= 10)) || return 1
	done
}

# bound REASON: so CPU 2's slave is in the bond's map, which follows a moment later
bound() { [[ $(bt_cell srv2 2 bound) == "$1" ]]; }

lane_down()
{
	ip link set srv2 down
	ip -n sw link set sw2 down
	aggregated 3 || return 1
	within 20 bound unusable || return 1
	send 2 &&
		(($(bt_cell srv0 2 fallback) + $(bt_cell srv1 2 fallback) +
		  $(bt_cell srv3 2 fallback) >= 10))
}

lane_up()
{
	local before

	ip link set srv2 up
	ip -n sw link set sw2 up
	{ aggregated 4 && within 20 bound mask; } || return 1
	before=$(bt_cell srv2 2 local)
	send 2 && (($(bt_cell srv2 2 local) - before >= 10))
}

# passed: what went through srv2, ours and all that the device sent
passed()
{
	echo "$(($(bt_sum srv2 local) + $(bt_sum srv2 remote))) $(bt_packets srv2)"
}

sends_again() { (($(bt_cell srv2 2 local) > $1 + 10)); }

# The switch stops speaking LACP on a lane whose link stays, while all CPUs send:
# once that is noticed nothing but our own LACPDUs goes there.
silent_lane()
{
	local before after own

	storm_start bond0 || return 1
	ip -n sw link set sw2 nomaster && ip -n sw link set sw2 up && aggregated 3 || return 1
	[[ $(< /sys/class/net/srv2/bonding_slave/mii_status) == up ]] || return 1
	within 20 bound unusable || return 1
	sleep 0.5
	read -ra before <<< "$(passed)"
	sleep 3
	read -ra after <<< "$(passed)"
	echo "# in 3 s: ours $((after[0] - before[0])), all $((after[1] - before[1])) packets"
	((after[0] == before[0] && after[1] - before[1] <= 20)) || return 1
	ip -n sw link set sw2 down && ip -n sw link set sw2 master bond0 && aggregated 4 || return 1
	own=$(bt_cell srv2 2 local)
	within 20 sends_again "$own" || return 1
	storm_stop
}

ktap_print_header
ktap_set_plan 6
topo_names
[[ -e /sys/class/net/srv$((LANES - 1)) ]] || skip "needs $LANES lanes"
dmesg_mark
topo_switch "$LANES" 802.3ad layer3+4
ip -n sw link set bond0 down
echo fast | ip netns exec sw tee /sys/class/net/bond0/bonding/lacp_rate > /dev/null 2>&1
ip -n sw link set bond0 up
topo_server "$LANES" 802.3ad xmit_hash_policy cpu-bound lacp_rate fast
for ((k = 0; k < LANES; k++)); do
	echo "$k" > "/sys/class/net/srv$k/bonding_slave/tx_cpus"
done
check "LACP brings up all lanes" aggregated "$LANES"
topo_neighbours
check "each CPU sends by its own lane" local_map
check "a lane down: its CPU falls back to the others" lane_down
check "the lane back: its CPU has it again" lane_up
if modprobe -q pktgen; then
	check "the switch leaves a lane under a storm: nothing of ours goes there" silent_lane
else
	ktap_test_skip "the switch leaves a lane under a storm # no pktgen"
fi
check "dmesg is clean" dmesg_clean
ktap_finished
