#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What percore's tests share.  Sourced.
#
#     netns pc-srv                              netns pc-cli
#
#   VIP 10.9.0.1 -- vs ======== veth ======== vc -- 10.9.0.2
#     fd09::1                                         fd09::2
#   percore_peer serve                           percore_peer talk, conns
#
# PC_FAMILY says which of the addresses are used.
#
# A veth packet is received on the CPU that sent it: taskset chooses the
# server's CPU by choosing the client's.

# shellcheck source-path=SCRIPTDIR/.. source=lib.sh
. "$(dirname "$0")/../lib.sh"

# shellcheck disable=SC2034  # read by those who source this file
PC_FAMILY=${PC_FAMILY:-4}
if [[ $PC_FAMILY == 6 ]]; then
	PC_VIP=fd09::1 PC_CLIENT=fd09::2 PC_NET=/64 PC_SERVICE="[fd09::1]:80" PC_INSIDE=::1
else
	PC_VIP=10.9.0.1 PC_CLIENT=10.9.0.2 PC_NET=/24 PC_SERVICE=10.9.0.1:80 PC_INSIDE=127.0.0.1
fi
# shellcheck disable=SC2034  # read by those who source this file
PC_PORTS=(8000 8016 8032 8048)
PC_SERVER=
PC_PEER=percore_peer
# shellcheck disable=SC2034  # read by those who source this file
PC_PROTO=tcp

# pc_udp: the service, its server and clients are of UDP from here on
pc_udp()
{
	PC_PEER='percore_peer -u' PC_PROTO=udp PC_SERVICE+=/udp
}

pc_srv() { ip netns exec pc-srv "$@"; }
pc_cli() { ip netns exec pc-cli "$@"; }

# pc_setup: the namespaces, the module, no service yet
pc_setup()
{
	need_cmd percore_peer corelane ip jq taskset
	[[ $(nproc) -ge 4 ]] || skip "4 CPUs are needed, $(nproc) here"
	trap pc_cleanup EXIT
	modprobe percore || die "percore does not load"
	ip netns add pc-srv
	ip netns add pc-cli
	ip link add vs netns pc-srv type veth peer name vc netns pc-cli
	pc_addr pc-srv "$PC_VIP$PC_NET" dev vs
	pc_addr pc-cli "$PC_CLIENT$PC_NET" dev vc
	ip -n pc-srv link set lo up
	ip -n pc-cli link set lo up
	ip -n pc-srv link set vs up
	ip -n pc-cli link set vc up
	# A device whose carrier the kernel has not noticed loses packets.
	within 30 pc_cli ping -q -c 1 -W 1 "$PC_VIP" > /dev/null || die "no link"
}

# pc_addr NETNS ADDRESS dev LINK: an address that can be used at once
pc_addr()
{
	if [[ $PC_FAMILY == 6 ]]; then
		ip -n "$1" addr add "${@:2}" nodad
	else
		ip -n "$1" addr add "${@:2}"
		ip netns exec "$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
	fi
}

pc_cleanup()
{
	local ns

	pc_serve_stop
	for ns in pc-srv pc-cli pc-two pc-rt; do
		ip netns pids "$ns" 2> /dev/null | xargs -r kill 2> /dev/null || true
		ip netns del "$ns" 2> /dev/null || true
	done
}

# pc_in_time_wait PORT: the server has a client's port in TIME_WAIT, and the client
# has forgotten it
pc_in_time_wait()
{
	[[ $(pc_srv ss -Htn state time-wait) == *":$1"* &&
	   -z $(pc_cli ss -Htan "sport = :$1") ]]
}

# pc_ready FILE PID: wait until the server PID has said in FILE that it listens
pc_ready()
{
	local i

	for ((i = 0; i < 300; i++)); do
		! grep -q ready "$1" || return 0
		kill -0 "$2" 2> /dev/null || break
		sleep 0.1
	done
	die "the server does not start"
}

# pc_bind: where the lanes' servers listen by PC_METHOD, or PC_BIND
pc_bind()
{
	local address=$PC_VIP

	[[ ${PC_METHOD:-nat} != front ]] || address=$PC_INSIDE
	echo "${PC_BIND:-$address}"
}

# pc_serve PORT...: a server that listens on these ports
pc_serve()
{
	pc_serve_stop
	: > /tmp/pc-server
	# shellcheck disable=SC2086  # PC_PEER is a command's words
	ip netns exec pc-srv $PC_PEER serve "$(pc_bind)" "$@" > /tmp/pc-server &
	PC_SERVER=$!
	pc_ready /tmp/pc-server "$PC_SERVER"
}

pc_serve_stop()
{
	[[ -n $PC_SERVER ]] || return 0
	kill "$PC_SERVER" 2> /dev/null || true
	wait "$PC_SERVER" 2> /dev/null || true
	PC_SERVER=
}

# pc_add_in NETNS: the service VIP:80 with a lane on CPUs 0-3, by PC_METHOD
pc_add_in()
{
	ip netns exec "$1" corelane nat add "$PC_SERVICE" --cpus 0-3 --ports 8000+16 \
		--method "${PC_METHOD:-nat}"
}

pc_add() { pc_add_in pc-srv; }
pc_set() { pc_srv corelane nat set "$PC_SERVICE" "$@"; }
pc_del() { pc_srv corelane nat del "$PC_SERVICE"; }

# pc_stat COUNTER: sum over the CPUs
pc_stat()
{
	pc_srv corelane nat stats --json | jq "[.stats[].$1] | add // 0"
}

# pc_moved COUNTER BEFORE: the counter went up
pc_moved() { [[ $(pc_stat "$1") -gt $2 ]]; }

# pc_conns CPU N: N connections from a client on CPU
# shellcheck disable=SC2086  # PC_PEER is a command's words
pc_conns() { pc_cli taskset -c "$1" $PC_PEER conns "$PC_VIP" 80 "$2"; }

# shellcheck disable=SC2120  # the port is optional
# pc_talk [SPORT]: a connection as a coprocess; pc_say LINE answers in REPLY
pc_talk()
{
	# shellcheck disable=SC2086  # PC_TASKSET and PC_PEER are a command's words
	coproc TALK { exec ip netns exec pc-cli ${PC_TASKSET:-} \
		$PC_PEER talk "$PC_VIP" 80 "$@" 2>&1; }
	# shellcheck disable=SC2153  # bash sets TALK_PID
	TALK_TO=${TALK[1]} TALK_FROM=${TALK[0]} TALK_ID=$TALK_PID
	read -r -t 10 REPLY <&"$TALK_FROM" || REPLY=silence
	[[ $REPLY == connected ]]
}

pc_say()
{
	echo "$1" >&"$TALK_TO" || true
	read -r -t 15 REPLY <&"$TALK_FROM" || REPLY=silence
}

pc_hang_up()
{
	exec {TALK_TO}>&-
	wait "$TALK_ID" 2> /dev/null || true
}

# pc_rest PORT: a client's port is in TIME_WAIT on a lane, named in $lane
pc_rest()
{
	pc_talk "$1" || return 1
	taskset -pc 0 "$TALK_ID" > /dev/null
	pc_say first
	# shellcheck disable=SC2034  # the caller's
	lane=$REPLY
	pc_say close
	pc_hang_up
	within 30 pc_in_time_wait "$1" || { ktap_print_msg "no TIME_WAIT"; return 1; }
}

# pc_again PORT CPU: it comes back
pc_again()
{
	PC_TASKSET="taskset -c $2" pc_talk "$1" ||
		{ ktap_print_msg "again: $REPLY"; return 1; }
	pc_say again
	ktap_print_msg "lane $lane, then $REPLY"
}

# pc_track STATE...: count what connection tracking calls invalid, and
# PC_PROTO's packets of these states, in and out
pc_track()
{
	pc_srv nft -f - <<-RULES
	table inet pc {
		counter invalid {}
		counter tracked {}
		chain in {
			type filter hook input priority 0;
			ct state invalid counter name invalid
			meta l4proto $PC_PROTO ct state { $* } counter name tracked
		}
		chain out {
			type filter hook output priority 0;
			ct state invalid counter name invalid
			meta l4proto $PC_PROTO ct state { $* } counter name tracked
		}
	}
	RULES
}

# pc_packets counter|chain FAMILY TABLE NAME: packets that a counter of nft's has
# seen, or all those of a chain's rules
pc_packets()
{
	pc_srv nft -j list "$@" | jq '[.. | .counter? | .packets? // empty] | add'
}

# pc_tracked COUNTER: packets of one of pc_track's counters
pc_tracked() { pc_packets counter inet pc "$1"; }
