#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Many connections at once (percore_crowd), and what makes their packets change
# CPU.  Sourced after common.sh; the topology is drawn there.

CROWD=''	# what became of the last crowd
CROWD_SERVER='' CROWD_ID='' CROWD_SHAKER=''

# crowd_serve PORT...: a server for crowds, beside the one of common.sh
crowd_serve()
{
	: > /tmp/pc-crowd-server
	ip netns exec pc-srv percore_crowd serve "$(pc_bind)" "$@" > /tmp/pc-crowd-server &
	CROWD_SERVER=$!
	pc_ready /tmp/pc-crowd-server "$CROWD_SERVER"
}

crowd_serve_stop()
{
	[[ -n $CROWD_SERVER ]] || return 0
	kill "$CROWD_SERVER" 2> /dev/null || true
	wait "$CROWD_SERVER" 2> /dev/null || true
	CROWD_SERVER=''
}

# TCP sockets of the server's namespace, but TIME_WAIT
# shellcheck disable=SC2016  # awk's
crowd_sockets() { pc_srv awk '/^TCP:/ { print $3 }' /proc/net/sockstat; }

# crowd_gone BEFORE: the server closes what a crowd has left, until it has no more
# sockets than before. A big crowd's goodbyes keep it busy for longer than the next
# one is willing to wait for an answer.
crowd_gone()
{
	local before=$1 last=0 now quiet=0

	while now=$(crowd_sockets) && [[ $now -gt $before && $quiet -lt 300 ]]; do
		if [[ $now == "$last" ]]; then quiet=$((quiet + 1)); else quiet=0; fi
		last=$now
		sleep 0.2
	done
	[[ $now -le $before ]] || ktap_print_msg "the server keeps $now sockets, $before before" \
		"(the client reset $(crowd_orphans) for want of memory;" \
		"$(softnet 1) packets were dropped)"
}

# A client with too many sockets that nobody has open any more resets them, and does
# not say so twice.
crowd_orphans() { pc_cli nstat -asz TcpExtTCPAbortOnMemory | awk '/TCPAbort/ { print $2 }'; }

# crowd CONNS ROUNDS [hop] [churn]: succeeds when every connection lived
crowd()
{
	local status=0 before

	before=$(crowd_sockets)
	CROWD=$(pc_cli percore_crowd talk "$PC_VIP" 80 "$@") || status=1
	ktap_print_msg "$CROWD"
	[[ $status != 0 ]] || crowd_gone "$before"
	return "$status"
}

# crowd_start CONNS [hop] [churn]: one that talks until crowd_end
crowd_start()
{
	ip netns exec pc-cli percore_crowd talk "$PC_VIP" 80 "$1" 0 "${@:2}" > /tmp/pc-crowd &
	CROWD_ID=$!
}

# crowd_end: succeeds when every connection lived
crowd_end()
{
	local status=0

	kill "$CROWD_ID" || true
	wait "$CROWD_ID" || status=1
	CROWD_ID=''
	CROWD=$(cat /tmp/pc-crowd)
	ktap_print_msg "$CROWD"
	return "$status"
}

# shake QUEUE-OWNER: the receive packet steering of a device of pc-srv changes
# every few milliseconds
shake()
{
	pc_srv sh -c "exec percore_crowd shake /sys/class/net/$1/queues/rx-0/rps_cpus 4 3" &
	CROWD_SHAKER=$!
}

shake_stop()
{
	kill "$CROWD_SHAKER" || true
	wait "$CROWD_SHAKER" || true
	CROWD_SHAKER=''
}

# softnet COLUMN: of all CPUs' backlogs together
softnet()
{
	local sum=0 line

	while read -r -a line; do
		sum=$((sum + 0x${line[$1]}))
	done < /proc/net/softnet_stat
	echo "$sum"
}

# Packets that steering has given to another CPU.
steered() { softnet 9; }
