#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A lane's server hands over to its successor: both have the lane's port by
# SO_REUSEPORT, and net.ipv4.tcp_migrate_req gives what the first one did not accept
# to the second. That is the kernel's; this sees that percore does not stand in its
# way, and what happens without it.
#
# limit: 1200 s

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

need_cmd python3 nft nstat

PORT=47000

# server NAME: listens on lane 1's port; NAME "first" accepts nothing
server()
{
	: > "/tmp/pc-$1"
	ip netns exec pc-srv python3 -c '
import socket, sys, time
name, address = sys.argv[1:]
sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
sock.bind((address, 8016))
sock.listen()
print("ready", flush=True)
while name == "first":
    time.sleep(1000)
while True:
    peer = sock.accept()[0]
    peer.recv(100)
    peer.sendall(name.encode())
    peer.close()' "$1" "$PC_VIP" > "/tmp/pc-$1" &
	SERVER=$!
	pc_ready "/tmp/pc-$1" "$SERVER"
}

# Two clients of lane 1, one with a handshake that the server does not see the end
# of: they are connected, then wait to be told who serves them. From ports of their
# own, for the ones before may be in TIME_WAIT.
clients()
{
	: > /tmp/pc-clients
	pc_cli taskset -c 1 python3 -c '
import socket, sys
def said(port):
    try:
        return socks[port].recv(100).decode() or "closed"
    except ConnectionResetError:
        return "reset"
    except socket.timeout:
        return "nothing"
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
port = int(sys.argv[3])
socks = {}
for port in port, port + 1:
    socks[port] = socket.socket(family)
    socks[port].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    socks[port].bind((sys.argv[2], port))
    socks[port].settimeout(100)
    socks[port].connect((sys.argv[1], 80))
    socks[port].sendall(b"who?")
print("ready", flush=True)
print("accepted by", said(port - 1), "half open", said(port))' \
		"$PC_VIP" "$PC_CLIENT" "$PORT" > /tmp/pc-clients &
	CLIENTS=$!
	pc_ready /tmp/pc-clients "$CLIENTS"
}

# The second one's acknowledgments, and what it says, do not arrive.
hold()
{
	pc_srv nft -f - <<-RULES
	table inet pc {
		chain early {
			type filter hook prerouting priority -400;
			tcp sport $((PORT + 1)) tcp flags & (syn | ack) == ack drop
		}
	}
	RULES
}

# How many handshakes and connections the kernel has given to another listener
migrated()
{
	pc_srv nstat -asz TcpExtTCPMigrateReqSuccess | awk '/^TcpExt/ { print $2 }'
}

hands_over() # EXPECTED MIGRATED
{
	local first second said before

	PORT=$((PORT + 2))
	before=$(migrated)
	hold || return 1
	server first
	first=$SERVER
	clients
	server second
	second=$SERVER
	kill "$first"
	wait "$first" 2> /dev/null || true
	pc_srv nft delete table inet pc
	wait "$CLIENTS" || true
	kill "$second"
	wait "$second" 2> /dev/null || true
	said=$(tail -n 1 /tmp/pc-clients)
	ktap_print_msg "$said, migrated $(($(migrated) - before))"
	[[ $said == "$1" && $(($(migrated) - before)) -eq $2 ]]
}

nobody_lost()
{
	pc_srv sysctl -qw net.ipv4.tcp_migrate_req=1
	hands_over "accepted by second half open second" 2
}

as_any_listener()
{
	pc_srv sysctl -qw net.ipv4.tcp_migrate_req=0
	hands_over "accepted by reset half open reset" 0
}

pc_setup
ktap_print_header
ktap_set_plan 5
dmesg_mark
pc_serve 8000 8032 8048
for PC_METHOD in nat steer; do
	pc_add || die "the service is not accepted"
	check "$PC_METHOD: what a server leaves behind its successor has" nobody_lost
	check "$PC_METHOD: not unless tcp_migrate_req says so" as_any_listener
	pc_del
done
check "the kernel's log is clean" dmesg_clean
ktap_finished
