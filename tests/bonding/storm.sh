# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Packets of no socket from every CPU at once, by pktgen's kernel threads, and
# what became of each. Sourced after topology.sh.

STORM_CPUS=4
# Nanoseconds between a CPU's packets: enough of them for what watches to go on
# under emulation.
STORM_DELAY=4000000
STORM_PROC=/proc/net/pktgen
storm_pid=

# storm_start DEV [COUNT]: COUNT packets from each CPU through DEV, as a packet
# socket sends them; without COUNT until storm_stop. The frame is for nobody, so
# that nobody answers.
storm_start()
{
	local cpu

	modprobe pktgen || return 1
	echo reset > $STORM_PROC/pgctrl
	for ((cpu = 0; cpu < STORM_CPUS; cpu++)); do
		echo "add_device $1@$cpu" > "$STORM_PROC/kpktgend_$cpu" || return 1
		printf '%s\n' "count ${2:-0}" 'clone_skb 0' 'pkt_size 100' "delay $STORM_DELAY" \
			'xmit_mode queue_xmit' 'dst 10.9.0.100' 'dst_mac 02:00:00:00:00:99' \
			'udp_src_min 9' 'udp_src_max 999' 'flag UDPSRC_RND' \
			> "$STORM_PROC/$1@$cpu" || return 1
	done
	echo start > $STORM_PROC/pgctrl &
	storm_pid=$!
}

storm_stop()
{
	[[ -n $storm_pid ]] || return 0
	echo stop > $STORM_PROC/pgctrl
	wait "$storm_pid"
	storm_pid=
}

# storm_wait: until each CPU has sent its COUNT
storm_wait()
{
	wait "$storm_pid"
	storm_pid=
}

# storm_sent DEV: packets that pktgen handed to DEV; it calls an error what did
# not come through, which the bond has counted all the same
storm_sent()
{
	cat "$STORM_PROC/$1"@* | awk '/pkts-sofar:/ { sum += $2 + $4 } END { print sum + 0 }'
}

storm_end()
{
	storm_stop
	[[ ! -e $STORM_PROC/pgctrl ]] || echo reset > $STORM_PROC/pgctrl
	modprobe -r pktgen 2> /dev/null
	return 0
}
