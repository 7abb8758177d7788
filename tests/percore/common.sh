#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What percore's tests share.  Sourced.
#
#     netns pc-srv                              netns pc-cli
#
#   VIP 10.9.0.1 -- vs ======== veth ======== vc -- 10.9.0.2
#   percore_peer serve                           percore_peer talk, conns
#
# A veth packet is received on the CPU that sent it: taskset chooses the
# server's CPU by choosing the client's.

# shellcheck source-path=SCRIPTDIR/.. source=lib.sh
. "$(dirname "$0")/../lib.sh"

PC_VIP=10.9.0.1
# shellcheck disable=SC2034  # read by those who source this file
PC_PORTS=(8000 8016 8032 8048)
PC_SERVER=

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
	ip -n pc-srv addr add "$PC_VIP/24" dev vs
	ip -n pc-cli addr add 10.9.0.2/24 dev vc
	local ns
	for ns in pc-srv pc-cli; do
		ip -n "$ns" link set lo up
		ip netns exec "$ns" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
	done
	ip -n pc-srv link set vs up
	ip -n pc-cli link set vc up
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

# pc_serve PORT...: a server that listens on these ports of the VIP
pc_serve()
{
	local i

	pc_serve_stop
	: > /tmp/pc-server
	ip netns exec pc-srv percore_peer serve "$PC_VIP" "$@" > /tmp/pc-server &
	PC_SERVER=$!
	for ((i = 0; i < 50; i++)); do
		! grep -q ready /tmp/pc-server || return 0
		sleep 0.1
	done
	die "the server does not start"
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
	ip netns exec "$1" corelane nat add "$PC_VIP:80" --cpus 0-3 --ports 8000+16 \
		--method "${PC_METHOD:-nat}"
}

pc_add() { pc_add_in pc-srv; }
pc_del() { pc_srv corelane nat del "$PC_VIP:80"; }

# pc_stat COUNTER: sum over the CPUs
pc_stat()
{
	pc_srv corelane nat stats --json | jq "[.stats[].$1] | add // 0"
}

# pc_moved COUNTER BEFORE: the counter went up
pc_moved() { [[ $(pc_stat "$1") -gt $2 ]]; }

# pc_conns CPU N: N connections from a client on CPU
pc_conns() { pc_cli taskset -c "$1" percore_peer conns "$PC_VIP" 80 "$2"; }

# shellcheck disable=SC2120  # the port is optional
# pc_talk [SPORT]: a connection as a coprocess; pc_say LINE answers in REPLY
pc_talk()
{
	# shellcheck disable=SC2086  # PC_TASKSET is a command's words
	coproc TALK { exec ip netns exec pc-cli ${PC_TASKSET:-} \
		percore_peer talk "$PC_VIP" 80 "$@" 2>&1; }
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
