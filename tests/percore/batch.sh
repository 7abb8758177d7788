#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Packets that a NIC hands over together.  netem lets the client's packets go
# in bursts, veth's NAPI takes each burst as one batch: so the end of a
# handshake and the request behind it pass the hooks before the stack sees
# either.  The topology is drawn in common.sh.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

CONNS=12

# sockets made for connections that came in
passive_opens() { pc_srv awk '/^Tcp: [0-9]/ { print $7 }' /proc/net/snmp; }

# made PORT: connections from the client, and how many sockets they made
made()
{
	local before out

	before=$(passive_opens)
	out=$(pc_cli taskset -c 1 percore_peer conns "$PC_VIP" "$1" "$CONNS") || true
	MADE=$(($(passive_opens) - before))
	ktap_print_msg "port $1: $out; $MADE sockets made"
	[[ $out == "ok=$CONNS bad=0"* ]]
}

one_socket() { made 80 && [[ $MADE == "$CONNS" ]]; }

pc_setup
need_cmd ethtool tc
ktap_print_header
ktap_set_plan 3
dmesg_mark
pc_serve "${PC_PORTS[@]}"
pc_srv ethtool -K vs gro on > /dev/null
pc_cli ethtool -K vc tso off > /dev/null
pc_cli tc qdisc add dev vc root netem slot 60ms 60ms || skip "no netem here"
check "without percore" made 8000
pc_add || die "the service is not accepted"
check "a connection makes one socket" one_socket
check "the kernel's log is clean" dmesg_clean
ktap_finished
