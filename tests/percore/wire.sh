#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Packet by packet: send this, expect that.  percore_wire plays the clients, at
# the far end of a tun device; by every method.  wire6.sh runs it over IPv6.
#
#     netns pc-srv
#
#   VIP 10.9.0.1 -- pcw (tun) -- 10.7.0.2 percore_wire
#     fd09::1                     fd07::2

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

if [[ $PC_FAMILY == 6 ]]; then
	WIRE_NET=fd07::/64 WIRE=fd07::
else
	WIRE_NET=10.7.0.0/24 WIRE=10.7.0.
fi

# wire CASE: an address for each method, since what the host learns of a path it
# keeps
wire() { wire_begin "$1"; wire_end; }

wire_begin() { echo "$1 $WIRE$CLIENT" >&"$WIRE_TO"; }

wire_end()
{
	local line

	while read -r line <&"$WIRE_FROM"; do
		[[ $line != done* ]] || break
		ktap_print_msg "${line#\# }"
	done
	[[ $line == "done 0" ]]
}

tun()
{
	pc_srv ip tuntap add dev pcw mode tun vnet_hdr
	ip -n pc-srv link set pcw up
	ip -n pc-srv "-$PC_FAMILY" route add "$WIRE_NET" dev pcw src "$PC_VIP"
	coproc PLAYER { exec ip netns exec pc-srv percore_wire pcw "$PC_VIP"; }
	# shellcheck disable=SC2153  # bash sets it
	WIRE_TO=${PLAYER[1]} WIRE_FROM=${PLAYER[0]}
	local line i
	read -r line <&"$WIRE_FROM" && [[ $line == ready ]] || die "percore_wire: $line"
	# The kernel takes a while to notice the carrier.
	for ((i = 0; i < 100; i++)); do
		[[ $(pc_srv cat /sys/class/net/pcw/operstate) == down ]] || return 0
		sleep 0.1
	done
	die "the tun device has no carrier"
}

# The server's host calls the client from a private port and the client calls
# the service; they meet.
simultaneous()
{
	local said

	wire_begin simultaneous
	said=$(pc_srv percore_peer talk "$WIRE$CLIENT" 5130 8048 < /dev/null) || true
	wire_end && [[ $said == connected ]]
}

# The lane's queue of requests is full, and what ends the next handshake comes in
# on another CPU.
cookies()
{
	local sent case=cookies up

	# The kernel's count of ticks begins anew five minutes after boot, and for two
	# minutes a listener that has never sent a cookie looks as if it just had.
	read -r up _ < /proc/uptime
	up=${up%.*}
	((up < 290 || up > 425)) || sleep $((426 - up))
	# before there is a hook, see percore_wire
	[[ $PC_METHOD != front ]] || case=cookies-insist
	sent=$(cookies_sent)
	wire $case && [[ $(cookies_sent) -gt $sent ]]
}

# The kernel's counter, which is named in the line above its value.
cookies_sent()
{
	pc_srv awk '/^TcpExt:/ {
		if (!at) {
			for (i = 1; i <= NF; i++) if ($i == "SyncookiesSent") at = i
		} else {
			print $at
		}
	}' /proc/net/netstat
}

closed()
{
	pc_serve_stop
	wire closed
}

# No room is made where there is nobody to have it.
closed_rest()
{
	wire rest || return 1
	pc_serve_stop
	wire closed-rest
}

counted() { pc_packets counter inet rules "$1"; }

# Rules before and behind: where each sees which port.
rules()
{
	pc_srv nft -f - <<-'RULES' || return 1
	table inet rules {
		counter raw {}
		counter in {}
		counter out {}
		chain raw {
			type filter hook prerouting priority -300;
			iif pcw tcp dport 80 counter name raw
		}
		chain in {
			type filter hook input priority 0;
			iif pcw tcp dport 8032 counter name in
		}
		chain out {
			type filter hook output priority 0;
			oif pcw tcp sport 80 counter name out
		}
	}
	RULES
	wire plain || return 1
	ktap_print_msg "raw $(counted raw), in $(counted in), out $(counted out)"
	[[ $(counted raw) -ge 6 && $(counted in) == "$(counted raw)" && $(counted out) -ge 3 ]] ||
		return 1
	pc_srv nft delete table inet rules
}

# But for the packet with a routing header, which is not the service's yet.
untracked()
{
	ktap_print_msg "invalid $(pc_tracked invalid), tracked $(pc_tracked tracked)"
	[[ $(pc_tracked invalid) == 0 && $(pc_tracked tracked) == $((PC_FAMILY == 6)) ]]
}

# What was not checked yet is not looked into: the one that was counted is another,
# which follows.
authenticated()
{
	local new

	new=$(pc_stat new)
	wire authenticated && [[ $(pc_stat new) == $((new + 1)) ]]
}

# anew CASE: where no packet has come to a CPU that was another's, and without Fast Open
anew()
{
	local status=0

	pc_srv sysctl -qw net.ipv4.tcp_fastopen=1
	pc_del && pc_add && wire "$1" || status=1
	pc_srv sysctl -qw net.ipv4.tcp_fastopen=1027 net.ipv4.tcp_syncookies=1
	return $status
}

# settled CASE: and where first packets are not looked for
settled()
{
	local looks=/sys/module/percore/parameters/first_looks status=0 before

	before=$(cat $looks)
	echo 0 > $looks
	anew "$1" || status=1
	echo "$before" > $looks
	return $status
}

each()
{
	check "$PC_METHOD: a connection, its packets on two CPUs" wire plain
	check "$PC_METHOD: fragments in either order" wire fragments
	[[ $PC_FAMILY == 4 ]] || check "$PC_METHOD: extension headers" wire extension
	# Nobody listens there where it could be seen: a reset, and not for percore to give.
	[[ $PC_METHOD == front ]] || check "$PC_METHOD: private ports are closed" wire private
	check "$PC_METHOD: checksums left to us, found right, found wrong" wire checksum
	check "$PC_METHOD: many segments as one" wire gso
	check "$PC_METHOD: too big, says a router to another CPU" wire too-big
	check "$PC_METHOD: a half is closed and the other goes on" wire half-close
	check "$PC_METHOD: keepalive on another CPU" wire keepalive
	check "$PC_METHOD: TIME_WAIT, and a new connection from another CPU" wire time-wait
	check "$PC_METHOD: the client resets from another CPU" wire reset
	check "$PC_METHOD: Fast Open, the data on another CPU than the cookie" wire fast-open
	check "$PC_METHOD: a full queue, a cookie, its end on another CPU" cookies
}

pc_setup
need_cmd percore_wire nft
modprobe tun || skip "no tun here"
tun
ktap_print_header
ktap_set_plan $((PC_FAMILY == 4 ? 50 : 56))
dmesg_mark
# Fast Open for all listeners
pc_srv sysctl -qw net.ipv4.tcp_fastopen=1027
CLIENT=1
# A front first: what has sent cookies within two minutes gives it a hook.
for PC_METHOD in front nat steer; do
	CLIENT=$((CLIENT + 1))
	pc_serve "${PC_PORTS[@]}"
	pc_add || die "the service is not accepted"
	if [[ $PC_METHOD == nat ]]; then
		check "rules see the public port before and the private one behind" rules
		pc_track new, established, related || die "no rules"
		each
		pc_serve "${PC_PORTS[@]:0:3}"
		check "both ends call each other at once" simultaneous
		check "connection tracking saw nothing of all that" untracked
		pc_srv nft delete table inet pc
		pc_serve "${PC_PORTS[@]}"
		check "a SYN on two CPUs, the first's answer is taken" settled syn-first
		check "a SYN on two CPUs, the second's answer is taken" settled syn-second
		check "TIME_WAIT on a CPU, a connection on another, packets on both" \
			settled rest-moved
		check "TIME_WAIT on a CPU, a connection from another, looked for" \
			anew rest-looked
		check "a SYN on two CPUs, a cookie's answer on both" settled syn-cookie
		check "TIME_WAIT on a CPU, a cookie on another" settled rest-cookie
	else
		each
	fi
	# after the rules of connection tracking's, which sees it as any other's
	[[ $PC_FAMILY == 4 ]] || check "$PC_METHOD: an authentication header" authenticated
	# A front is a listener, and the stack makes room for it.
	[[ $PC_METHOD == front ]] || check "$PC_METHOD: TIME_WAIT where nobody listens" closed_rest
	check "$PC_METHOD: nobody listens" closed
	pc_del || die "the service cannot be deleted"
done
check "the kernel's log is clean" dmesg_clean
ktap_finished
