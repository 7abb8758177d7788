#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What holds for both methods.  Sourced after common.sh; the topology is drawn
# there.

# Each client's CPU is served by its own lane and no other.
own_lane()
{
	local cpu out

	for cpu in 0 1 2 3; do
		out=$(pc_conns "$cpu" 20) || { ktap_print_msg "$out"; return 1; }
		ktap_print_msg "cpu $cpu: $out"
		[[ $out == "ok=20 bad=0 ${PC_PORTS[cpu]}=20" ]] || return 1
	done
}

# A client on the server itself.
loopback()
{
	local out

	out=$(pc_srv taskset -c 2 percore_peer conns "$PC_VIP" 80 20) || true
	ktap_print_msg "$out"
	[[ $out == "ok=20 bad=0"* ]]
}

# Every connection by cookie, and on the lane of its CPU.
syn_cookies()
{
	local out

	pc_srv sysctl -qw net.ipv4.tcp_syncookies=2
	out=$(pc_conns 1 20) || true
	pc_srv sysctl -qw net.ipv4.tcp_syncookies=1
	ktap_print_msg "$out"
	[[ $out == "ok=20 bad=0 8016=20" ]] && pc_moved cookie 0
}

# The packet that returns the cookie arrives on another CPU than the first.
syn_cookies_moving() # WHO-SERVES
{
	local out

	pc_srv sysctl -qw net.ipv4.tcp_syncookies=2
	pc_cli sh -c "echo 4 > /sys/class/net/vc/queues/rx-0/rps_cpus"
	out=$(pc_conns 1 20) || true
	pc_cli sh -c "echo 0 > /sys/class/net/vc/queues/rx-0/rps_cpus"
	pc_srv sysctl -qw net.ipv4.tcp_syncookies=1
	ktap_print_msg "$out"
	# shellcheck disable=SC2053  # a pattern
	[[ $out == "ok=20 bad=0 "$1 ]]
}

# The last of the kernel's TCP counters is InCsumErrors.
no_bad_checksum()
{
	local ns

	for ns in pc-srv pc-cli; do
		[[ $(ip netns exec "$ns" grep '^Tcp: [0-9]' /proc/net/snmp) == *' 0' ]] || return 1
	done
}

# Nobody listens on CPU 1's lane: its clients are served by all the others.
dead_lane()
{
	local out

	pc_serve 8000 8032 8048
	out=$(pc_conns 1 60) || true
	ktap_print_msg "$out"
	[[ $out == "ok=60 bad=0 8000="*" 8032="*" 8048="* ]] && pc_moved fallback 0
}

# Nobody listens anywhere: refused at once, with a reset from the public port.
no_lane()
{
	local out

	pc_serve_stop
	out=$(pc_conns 1 3) || true
	ktap_print_msg "$out"
	[[ $out == *last=refused ]] && pc_moved refused 0 && no_bad_checksum
}
