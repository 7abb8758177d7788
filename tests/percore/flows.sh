#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What holds for several methods.  Sourced after common.sh; the topology is drawn
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

# One connection whose packets come from one CPU after another: served by the
# same lane throughout.
one_lane_from_all_cpus()
{
	local i lane

	pc_talk || return 1
	pc_say first
	lane=$REPLY
	for i in 0 1 2 3 2 1 0 3; do
		taskset -pc "$i" "$TALK_ID" > /dev/null
		pc_say "from $i"
		[[ $REPLY == "$lane" ]] || { ktap_print_msg "cpu $i: $REPLY"; return 1; }
		pc_say "big 50000"
		[[ $REPLY == "50000 bytes" ]] || { ktap_print_msg "cpu $i: $REPLY"; return 1; }
	done
	pc_hang_up
}

# A private port is closed to everybody: no answer, and counted.
private_port()
{
	local out

	# shellcheck disable=SC2086  # PC_PEER is a command's words
	out=$(pc_cli $PC_PEER conns "$PC_VIP" 8000 1) || true
	[[ $out == *last=timeout ]] || { ktap_print_msg "$out"; return 1; }
	pc_moved dropped_direct 0
}

# A client on the server itself.
loopback()
{
	local out

	# shellcheck disable=SC2086  # PC_PEER is a command's words
	out=$(pc_srv taskset -c 2 $PC_PEER conns "$PC_VIP" 80 20) || true
	ktap_print_msg "$out"
	[[ $out == "ok=20 bad=0"* ]]
}

# Every connection by cookie, and on the lane of its CPU. A front's first may come
# before there is a hook: the client's data is sent again then, from whatever CPU
# its timer expires on, and what serves it tells that there is a hook.
syn_cookies()
{
	local out before

	pc_srv sysctl -qw net.ipv4.tcp_syncookies=2
	if [[ ${PC_METHOD:-nat} == front ]]; then
		out=$(pc_conns 1 1) || true
		ktap_print_msg "first: $out"
	fi
	before=$(pc_stat cookie)
	out=$(pc_conns 1 20) || true
	pc_srv sysctl -qw net.ipv4.tcp_syncookies=1
	ktap_print_msg "$out"
	[[ $out == "ok=20 bad=0 8016=20" ]] && pc_moved cookie $((before + 19))
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

# The last of the kernel's TCP counters is InCsumErrors, as is the seventh of
# UDP's.
no_bad_checksum()
{
	local ns

	for ns in pc-srv pc-cli; do
		ip netns exec "$ns" awk '
			/^Tcp: [0-9]/ { bad += $NF }
			/^Udp: [0-9]/ { bad += $8 }
			/^Udp6InCsumErrors/ { bad += $2 }
			END { exit bad != 0 }' /proc/net/snmp /proc/net/snmp6 || return 1
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

# A first packet whose TCP header is in two fragments is served, though a rule
# keeps defragmentation from putting them together before percore. IPv4 alone.
first_in_fragments()
{
	local answers i

	pc_srv nft -f - <<-RULES
	table ip pc {
		chain early {
			type filter hook prerouting priority -450;
			ip saddr $PC_CLIENT notrack
		}
		chain out {
			type filter hook output priority 300;
			tcp sport 80 tcp dport 46000 tcp flags & (syn|ack|rst) == syn|ack counter
		}
	}
	RULES
	pc_cli percore_peer tiny "$PC_CLIENT" "$PC_VIP" 80 || return 1
	for ((i = 0; i < 50; i++)); do
		answers=$(pc_packets chain ip pc out)
		[[ $answers == 0 ]] || break
		sleep 0.1
	done
	pc_srv nft delete table ip pc
	ktap_print_msg "answers: $answers"
	[[ $answers -gt 0 ]]
}

# Of a connection percore counts the first packet alone, where nothing is rewritten.
moving_client()
{
	local before

	before=$(pc_stat new)
	one_lane_from_all_cpus || return 1
	[[ $(pc_stat new) == $((before + 1)) && $(pc_stat local) == 0 &&
	   $(pc_stat migrated) == 0 && $(pc_stat out) == 0 ]]
}

# The server sees the public port.
public_name()
{
	pc_talk || return 1
	pc_say name
	pc_hang_up
	[[ $REPLY == 80 ]]
}

client_resets() { pc_cli awk '/^Tcp: [0-9]/ { print $15 }' /proc/net/snmp; }

# A port pair in TIME_WAIT comes back from another CPU and is served by that
# CPU's lane, without the reset that the client would have to send if the stack
# were left alone with the TIME_WAIT.
time_wait()
{
	local resets

	PC_TASKSET="taskset -c 0" pc_talk 45001 || return 1
	pc_say close
	pc_hang_up
	within 30 pc_in_time_wait 45001 || { ktap_print_msg "no TIME_WAIT"; return 1; }
	resets=$(client_resets)
	PC_TASKSET="taskset -c 3" pc_talk 45001 || { ktap_print_msg "again: $REPLY"; return 1; }
	pc_say again
	pc_hang_up
	ktap_print_msg "again: $REPLY, client sent $(($(client_resets) - resets)) resets"
	[[ $REPLY == 8048 && $(client_resets) == "$resets" ]]
}

# No connection of the server's but in TIME_WAIT
all_ended() { [[ -z $(pc_srv ss -Htn) ]]; }

# Connection tracking follows what is not rewritten. The end of a connection that it
# did not see begin is invalid, though.
conntrack()
{
	local out invalid tracked

	within 30 all_ended || { pc_srv ss -Htn; return 1; }
	pc_track established || return 1
	out=$(pc_conns 2 10) || true
	invalid=$(pc_tracked invalid) tracked=$(pc_tracked tracked)
	pc_srv nft delete table inet pc
	ktap_print_msg "$out; invalid $invalid, tracked $tracked"
	[[ $out == "ok=10 bad=0 8032=10" && $invalid == 0 && $tracked -gt 20 ]]
}
