#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A router with a narrow link between server and client: path MTU discovery,
# fragments, and what connection tracking makes of it all.
#
#     netns pc-srv               netns pc-rt                netns pc-cli
#
#   10.9.0.1 vs ===== rs 10.9.0.254   10.8.0.254 rc ===== vc 10.8.0.2
#            mtu 1500                            mtu 1200 (the client's own
#                                                          end says 1500)

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

router()
{
	ip netns add pc-rt
	ip -n pc-cli link del vc
	ip link add vs netns pc-srv type veth peer name rs netns pc-rt
	ip link add vc netns pc-cli type veth peer name rc netns pc-rt
	ip -n pc-srv addr add "$PC_VIP/24" dev vs
	ip -n pc-rt addr add 10.9.0.254/24 dev rs
	ip -n pc-rt addr add 10.8.0.254/24 dev rc
	ip -n pc-cli addr add 10.8.0.2/24 dev vc
	ip -n pc-rt link set lo up
	ip -n pc-srv link set vs up
	ip -n pc-rt link set rs up
	ip -n pc-rt link set rc mtu 1200 up
	ip -n pc-cli link set vc up
	ip -n pc-srv route add default via 10.9.0.254
	ip -n pc-cli route add default via 10.8.0.254
	ip netns exec pc-rt sysctl -qw net.ipv4.ip_forward=1
	# The router must not repair what it cannot send.
	ip netns exec pc-rt ethtool -K rs gro off > /dev/null
	pc_srv ethtool -K vs tso off gso off > /dev/null
}

# The router says "fragmentation needed"; the error reaches the socket even
# when it comes in on another CPU than the flow.
pmtu()
{
	local before mask

	before=$(pc_stat icmp)
	for mask in 1 4; do
		pc_srv ip route flush cache
		pc_srv sh -c "echo $mask > /sys/class/net/vs/queues/rx-0/rps_cpus"
		pc_talk || return 1
		pc_say first
		mask=$((mask == 1 ? 8 : 2))
		pc_srv sh -c "echo $mask > /sys/class/net/vs/queues/rx-0/rps_cpus"
		pc_say "big 100000"
		pc_hang_up
		[[ $REPLY == "100000 bytes" ]] || { ktap_print_msg "$REPLY"; return 1; }
	done
	pc_srv ip route get 10.8.0.2 | grep -q 'mtu 1200' || return 1
	pc_moved icmp "$before"
}

# A server's firewall answers with an ICMP error: the client finds its socket.
error_out()
{
	local before out

	before=$(pc_stat icmp)
	pc_srv iptables -I INPUT -p tcp --dport 8000:8048 -j REJECT \
		--reject-with icmp-port-unreachable || return 1
	out=$(pc_conns 1 1) || true
	pc_srv iptables -F INPUT
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
	ip -n pc-rt link set rc mtu 1200
	pc_cli sysctl -qw net.ipv4.ip_no_pmtu_disc=0
	[[ $REPLY == 80* ]] || { ktap_print_msg "$REPLY"; return 1; }
	pc_moved frag "$before"
}

# rules counting what connection tracking sees of TCP
track()
{
	pc_srv nft -f - <<-'RULES'
	table ip pc {
		counter invalid {}
		counter tracked {}
		chain in {
			type filter hook input priority 0;
			ct state invalid counter name invalid
			meta l4proto tcp ct state { new, established, related } counter name tracked
		}
		chain out {
			type filter hook output priority 0;
			ct state invalid counter name invalid
			meta l4proto tcp ct state { new, established, related } counter name tracked
		}
	}
	RULES
}

packets() { pc_srv nft -j list counter ip pc "$1" |
	jq '.nftables[] | .counter? // empty | .packets'; }

# With connection tracking on: nothing invalid, nothing tracked, from a client
# outside, one on the server, and with errors under way. To be sure that the
# rules would tell, a connection to no port of a service is tracked.
conntrack()
{
	local out

	track || return 1
	pc_cli percore_peer conns "$PC_VIP" 9999 1 > /dev/null || true
	[[ $(packets tracked) -gt 0 ]] || { ktap_print_msg "nothing is tracked at all"; return 1; }
	pc_srv nft reset counters > /dev/null
	pc_conns 1 20 > /dev/null || return 1
	out=$(pc_srv taskset -c 2 percore_peer conns "$PC_VIP" 80 20) || return 1
	pc_srv ip route flush cache
	pmtu || return 1
	ktap_print_msg "$out; invalid $(packets invalid), tracked $(packets tracked)"
	[[ $(packets invalid) == 0 && $(packets tracked) == 0 ]]
}

pc_setup
need_cmd ethtool nft iptables
router
ktap_print_header
ktap_set_plan 5
dmesg_mark
pc_serve "${PC_PORTS[@]}"
pc_add || die "the service is not accepted"
check "path MTU discovery, errors on another CPU" pmtu
check "an ICMP error of ours names the public port" error_out
check "segments in fragments" fragments
check "connection tracking sees nothing invalid" conntrack
check "the kernel's log is clean" dmesg_clean
ktap_finished
