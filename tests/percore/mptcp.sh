#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Servers and clients that speak Multipath TCP, by each method: a connection has its
# lane as any other has, whichever CPU its packets come to. A further subflow joins it
# if it finds a listener at the connection's own port, so with method nat on the same
# lane; with the others the connection does without.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

# Answers each message with its port.
server()
{
	: > /tmp/pc-mptcp
	ip netns exec pc-srv python3 -c '
import selectors, socket, sys
sel = selectors.DefaultSelector()
for port in sys.argv[2:]:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_MPTCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((sys.argv[1], int(port)))
    sock.listen()
    sel.register(sock, selectors.EVENT_READ, (True, port))
print("ready", flush=True)
while True:
    for key, _ in sel.select():
        listens, port = key.data
        if listens:
            sel.register(key.fileobj.accept()[0], selectors.EVENT_READ, (False, port))
        elif key.fileobj.recv(100):
            key.fileobj.sendall(port.encode())
        else:
            sel.unregister(key.fileobj)
            key.fileobj.close()' "$(pc_bind)" "${PC_PORTS[@]}" > /tmp/pc-mptcp &
	PC_SERVER=$!
	pc_ready /tmp/pc-mptcp "$PC_SERVER"
}

# client PROTOCOL: from each CPU a connection, which then says something from all of
# them in turn; print who answered, and how many connections fell back to plain TCP
client()
{
	pc_cli python3 -c '
import os, socket, struct, sys, time
protocol = getattr(socket, "IPPROTO_" + sys.argv[2])
fell_back = 0
for first in range(4):
    os.sched_setaffinity(0, {first})
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)
    sock.settimeout(20)
    sock.connect((sys.argv[1], 80))
    ports = set()
    for i in range(40):
        os.sched_setaffinity(0, {(first + i) % 4})
        sock.sendall(b"who?")
        ports.add(sock.recv(100).decode())
        time.sleep(0.005)
    if protocol != socket.IPPROTO_TCP:
        # SOL_MPTCP, MPTCP_INFO; mptcpi_flags
        info = sock.getsockopt(284, 1, 64)
        fell_back += struct.unpack_from("=8xI", info)[0] & 1
    print(*sorted(ports), end=" ")
    sock.close()
print("fell back", fell_back)' "$PC_VIP" "$1"
}

# counter NAME...: the server's, together
counter() { pc_srv nstat -asz "$@" | awk '/^MPTcp/ { n += $2 } END { print n + 0 }'; }

# answered PROTOCOL: each connection by its own lane, none by plain TCP for want of
# a better one
answered()
{
	local out

	out=$(client "$1") || true
	ktap_print_msg "$out"
	[[ $out == '8000 8016 8032 8048 fell back 0' ]]
}

# mptcp COUNTER...: connections of MPTCP's; these count what became of more subflows
mptcp()
{
	local capable before

	capable=$(counter MPTcpExtMPCapableSYNRX) before=$(counter "$@")
	answered MPTCP || return 1
	ktap_print_msg "$(pc_srv nstat -as | awk '/^MPTcp/ { printf "%s=%s ", $1, $2 }')"
	[[ $(counter MPTcpExtMPCapableSYNRX) -ge $((capable + 4)) ]] &&
		[[ $(counter "$@") -gt $before ]] && dmesg_clean
}

pc_setup
need_cmd python3 nstat
pc_srv sysctl -qw net.mptcp.enabled=1 2> /dev/null || skip "no MPTCP here"
# The client wants a second subflow for each connection, from another address.
pc_addr pc-cli 10.9.0.3/24 dev vc
pc_cli ip mptcp limits set subflow 2 add_addr_accepted 2
pc_cli ip mptcp endpoint add 10.9.0.3 dev vc subflow
pc_srv ip mptcp limits set subflow 2 add_addr_accepted 2
dmesg_mark
ktap_print_header
ktap_set_plan 6
for PC_METHOD in nat steer front; do
	server
	pc_add
	if [[ $PC_METHOD == nat ]]; then
		# On which lane it asks is left to chance.
		check "$PC_METHOD: MPTCP, and a subflow that joins or is refused" \
			mptcp MPTcpExtMPJoinAckRx MPTcpExtMismatchPortSynRx
	else
		check "$PC_METHOD: MPTCP, and a subflow that is refused" \
			mptcp MPTcpExtMismatchPortSynRx
	fi
	check "$PC_METHOD: plain TCP to such a server" answered TCP
	pc_del
	pc_serve_stop
done
ktap_finished
