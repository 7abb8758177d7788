#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A router with a narrow link between server and client: path MTU discovery,
# fragments, and what connection tracking makes of it all.  icmp6.sh runs it over
# IPv6.
#
#     netns pc-srv               netns pc-rt                netns pc-cli
#
#   10.9.0.1 vs ===== rs 10.9.0.254   10.8.0.254 rc ===== vc 10.8.0.2
#    fd09::1             fd09::fe        fd08::fe             fd08::2
#            mtu 1500                            mtu 1280 (the client's own
#                                                          end says 1500)

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

if [[ $PC_FAMILY == 6 ]]; then
	NEAR=fd09::fe FAR=fd08::fe CLIENT=fd08::2
else
	NEAR=10.9.0.254 FAR=10.8.0.254 CLIENT=10.8.0.2
fi

router()
{
	ip netns add pc-rt
	ip -n pc-cli link del vc
	ip link add vs netns pc-srv type veth peer name rs netns pc-rt
	ip link add vc netns pc-cli type veth peer name rc netns pc-rt
	ip netns exec pc-rt sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	ip -n pc-rt link set lo up
	ip -n pc-srv link set vs up
	ip -n pc-rt link set rs up
	ip -n pc-rt link set rc mtu 1280 up
	ip -n pc-cli link set vc up
	pc_addr pc-srv "$PC_VIP$PC_NET" dev vs
	pc_addr pc-rt "$NEAR$PC_NET" dev rs
	pc_addr pc-rt "$FAR$PC_NET" dev rc
	pc_addr pc-cli "$CLIENT$PC_NET" dev vc
	ip -n pc-srv "-$PC_FAMILY" route add default via "$NEAR"
	ip -n pc-cli "-$PC_FAMILY" route add default via "$FAR"
	# The router must not repair what it cannot send.
	ip netns exec pc-rt ethtool -K rs gro off > /dev/null
	pc_srv ethtool -K vs tso off gso off > /dev/null
}

flush() { pc_srv ip "-$PC_FAMILY" route flush cache; }

# The router says that a packet is too big; the error reaches the socket even
# when it comes in on another CPU than the flow.
pmtu()
{
	local before mask

	before=$(pc_stat icmp)
	for mask in 1 4; do
		flush
		pc_srv sh -c "echo $mask > /sys/class/net/vs/queues/rx-0/rps_cpus"
		pc_talk || return 1
		pc_say first
		mask=$((mask == 1 ? 8 : 2))
		pc_srv sh -c "echo $mask > /sys/class/net/vs/queues/rx-0/rps_cpus"
		pc_say "big 100000"
		pc_hang_up
		[[ $REPLY == "100000 bytes" ]] || { ktap_print_msg "$REPLY"; return 1; }
	done
	pc_srv ip route get "$CLIENT" | grep -q 'mtu 1280' || return 1
	pc_moved icmp "$before"
}

# A server's firewall answers with an ICMP error: the client finds its socket.
error_out()
{
	local before out

	before=$(pc_stat icmp)
	pc_srv nft -f - <<-'RULES' || return 1
	table inet pc {
		chain in {
			type filter hook input priority 0;
			tcp dport 8000-8048 reject with icmpx type port-unreachable
		}
	}
	RULES
	out=$(pc_conns 1 1) || true
	pc_srv nft delete table inet pc
	ktap_print_msg "$out"
	[[ $out == *last=refused ]] && pc_moved icmp "$before"
}

# The client's segments arrive in fragments.
fragments()
{
	local line before

	before=$(pc_stat frag)
	pc_cli sysctl -qw net.ipv4.ip_no_pmtu_disc=1
	ip -n pc-rt link set rc mtu 1500
	ip -n pc-rt link set rs mtu 600
	pc_cli ethtool -K vc tso off gso off > /dev/null
	pc_talk || return 1
	line=$(printf 'y%.0s' {1..4000})
	pc_say "$line"
	pc_hang_up
	ip -n pc-rt link set rs mtu 1500
	ip -n pc-rt link set rc mtu 1280
	pc_cli sysctl -qw net.ipv4.ip_no_pmtu_disc=0
	[[ $REPLY == 80* ]] || { ktap_print_msg "$REPLY"; return 1; }
	pc_moved frag "$before"
}

# With connection tracking on: nothing invalid, nothing tracked, from a client
# outside, one on the server, and with errors under way. To be sure that the
# rules would tell, a connection to no port of a service is tracked.
conntrack()
{
	local out

	pc_track new, established, related || return 1
	pc_cli percore_peer conns "$PC_VIP" 9999 1 > /dev/null || true
	[[ $(pc_tracked tracked) -gt 0 ]] ||
		{ ktap_print_msg "nothing is tracked at all"; return 1; }
	pc_srv nft reset counters > /dev/null
	pc_conns 1 20 > /dev/null || return 1
	out=$(pc_srv taskset -c 2 percore_peer conns "$PC_VIP" 80 20) || return 1
	flush
	pmtu || return 1
	ktap_print_msg "$out; invalid $(pc_tracked invalid), tracked $(pc_tracked tracked)"
	[[ $(pc_tracked invalid) == 0 && $(pc_tracked tracked) == 0 ]]
}

pc_setup
need_cmd ethtool nft
router
ktap_print_header
ktap_set_plan $((PC_FAMILY == 4 ? 5 : 4))
dmesg_mark
pc_serve "${PC_PORTS[@]}"
pc_add || die "the service is not accepted"
check "path MTU discovery, errors on another CPU" pmtu
check "an ICMP error of ours names the public port" error_out
# Nobody fragments TCP over IPv6.
[[ $PC_FAMILY == 6 ]] || check "segments in fragments" fragments
check "connection tracking sees nothing invalid" conntrack
check "the kernel's log is clean" dmesg_clean
ktap_finished
