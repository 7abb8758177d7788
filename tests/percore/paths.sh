#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Ways in that are not just a NIC: a VRF, a bridge, a tunnel.  paths6.sh takes
# those that IPv6 has too.
#
#     netns pc-srv                             netns pc-cli
#
#   VIP on vrf9's, br9's or gre9's -- vs ======== veth ======== vc

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=flows.sh
. "$(dirname "$0")/flows.sh"

# Lane by lane, and, by nat, a connection that moves.
served()
{
	local cpu out

	for cpu in 1 3; do
		out=$(pc_conns "$cpu" 5) || true
		[[ $out == "ok=5 bad=0 ${PC_PORTS[cpu]}=5" ]] ||
			{ ktap_print_msg "cpu $cpu: $out"; return 1; }
	done
	one_lane_from_all_cpus && no_bad_checksum
}

# with_service METHOD COMMAND...: what the command says while there is one
with_service()
{
	# shellcheck disable=SC2034  # common.sh reads it
	local PC_METHOD=$1 status=0

	pc_add || die "the service is not accepted"
	"${@:2}" || status=1
	pc_del || die "the service cannot be deleted"
	return $status
}

by_both()
{
	local method

	for method in nat steer; do
		check "$1, $method" with_service "$method" served
	done
}

# The address moves with the link: IPv6 loses it when the link gets a master.
address_again() # LINK
{
	ip -n pc-srv addr flush dev vs
	pc_addr pc-srv "$PC_VIP$PC_NET" dev "$1"
}

# Nothing is tracked, nor called invalid.
untracked()
{
	local out invalid tracked

	pc_track new, established || return 1
	out=$(pc_conns 2 5) || true
	invalid=$(pc_tracked invalid) tracked=$(pc_tracked tracked)
	pc_srv nft delete table inet pc
	ktap_print_msg "$out; invalid $invalid, tracked $tracked"
	[[ $out == "ok=5 bad=0 ${PC_PORTS[2]}=5" && $invalid == 0 && $tracked == 0 ]]
}

# The server's sockets are bound to the VRF, which has the packets a second time.
vrf()
{
	modprobe vrf 2> /dev/null || true
	ip -n pc-srv link add vrf9 type vrf table 9
	ip -n pc-srv link set vrf9 up
	ip -n pc-srv link set vs master vrf9
	address_again vs
	PERCORE_PEER_DEV=vrf9 pc_serve "${PC_PORTS[@]}"
	by_both "through a VRF"
	check "through a VRF, past connection tracking" with_service nat untracked
	pc_serve_stop
	ip -n pc-srv link del vrf9
}

# The first connection is sent again, as nobody has seen before what the bridge does.
first()
{
	[[ $(pc_conns 1 1) == "ok=1 bad=0 "* ]]
}

# Every handshake by a SYN cookie, which belongs to no socket.
by_cookies()
{
	local status=0

	pc_srv sysctl -qw net.ipv4.tcp_syncookies=2
	served || status=1
	pc_srv sysctl -qw net.ipv4.tcp_syncookies=1
	return $status
}

front_by_cookies()
{
	local status=0

	PC_METHOD=front pc_serve "${PC_PORTS[@]}"
	with_service front by_cookies || status=1
	pc_serve "${PC_PORTS[@]}"
	return $status
}

# first_cookie: in a netns of its own, where nobody has ever sent one, neither the hook for
# cookies is there nor that behind routing, when the first comes back. It asks for both.
first_cookie()
{
	local out server

	ip netns add pc-two && ip -n pc-two link set lo up &&
		ip link add vb netns pc-two type veth peer name vd netns pc-cli &&
		ip -n pc-two link add br8 type bridge &&
		ip -n pc-two link set vb master br8 up && ip -n pc-two link set br8 up &&
		ip -n pc-cli link set vd up && pc_addr pc-two "$PC_VIP$PC_NET" dev br8 &&
		pc_addr pc-cli "$1$PC_NET" dev vd && PC_METHOD=front pc_add_in pc-two || return 1
	ip netns exec pc-two sysctl -qw net.ipv4.tcp_syncookies=2
	: > /tmp/pc-two
	ip netns exec pc-two percore_peer serve "$PC_INSIDE" "${PC_PORTS[@]}" > /tmp/pc-two &
	server=$!
	pc_ready /tmp/pc-two "$server"
	out=$(pc_conns 1 1) || true
	ktap_print_msg "$out; $(ip netns exec pc-two corelane nat stats --json | jq -c '[.stats[].cookie] | add') by cookie"
	kill "$server"
	wait "$server" || true
	[[ $out == "ok=1 bad=0 "* ]]
}

front_first()
{
	local PC_VIP=10.8.0.1 PC_SERVICE=10.8.0.1:80 client=10.8.0.2 status=0

	[[ $PC_FAMILY == 4 ]] ||
		PC_VIP=fd08::1 PC_SERVICE="[fd08::1]:80" client=fd08::2
	first_cookie "$client" || status=1
	ip netns del pc-two || status=1
	return $status
}

# Its netns's hooks go with it, whatever its packets have asked for.
gone()
{
	pc_cleanup
	modprobe -r percore
}

# A client's port comes back whose connection is in TIME_WAIT. A reset would not end that.
comes_back()
{
	local status=0

	pc_srv sysctl -qw net.ipv4.tcp_rfc1337=1
	pc_rest 45100 && pc_again 45100 1 || status=1
	pc_hang_up
	pc_srv sysctl -qw net.ipv4.tcp_rfc1337=0
	[[ $status == 0 && $REPLY == "${PC_PORTS[1]}" ]]
}

# The bridge puts what comes into a VLAN, on which the service is.
vlan()
{
	local status=0

	ip -n pc-srv link set br9 type bridge vlan_filtering 1
	bridge -n pc-srv vlan add dev vs vid 10 pvid untagged
	bridge -n pc-srv vlan add dev br9 vid 10 self
	ip -n pc-srv link add link br9 name br9.10 type vlan id 10
	ip -n pc-srv addr flush dev br9
	ip -n pc-srv link set br9.10 up
	pc_addr pc-srv "$PC_VIP$PC_NET" dev br9.10
	with_service steer served || status=1
	ip -n pc-srv link del br9.10
	ip -n pc-srv link set br9 type bridge vlan_filtering 0
	pc_addr pc-srv "$PC_VIP$PC_NET" dev br9
	return $status
}

# netfilter 0|1: does the bridge call it? It does by default where br_netfilter is
# loaded.
netfilter()
{
	[[ -d /proc/sys/net/bridge ]] || return 0
	pc_srv sysctl -qw "net.bridge.bridge-nf-call-iptables=$1" \
		"net.bridge.bridge-nf-call-ip6tables=$1"
}

by_bridge()
{
	local through="through a bridge that calls netfilter" what

	ip -n pc-srv link add br9 type bridge
	ip -n pc-srv link set br9 up
	ip -n pc-srv link set vs master br9
	address_again br9
	pc_serve "${PC_PORTS[@]}"
	netfilter 0
	by_both "through a bridge"
	# Netfilter sees the packet before the bridge knows where it goes.
	if modprobe br_netfilter; then
		netfilter 1
		check "$through, the first one" with_service steer first
		by_both "$through"
		check "$through, by SYN cookies" with_service steer by_cookies
		check "$through, a front's first SYN cookie" front_first
		check "$through, front's by SYN cookies" front_by_cookies
		check "$through, a port comes back" with_service steer comes_back
		check "$through, on a VLAN" vlan
		netfilter 0
	else
		for what in "the first one" nat steer "by SYN cookies" "a front's first SYN cookie" \
			"front's by SYN cookies" "a port comes back" "on a VLAN"; do
			ktap_test_skip "$through, $what: no br_netfilter here"
		done
	fi
	pc_serve_stop
	ip -n pc-srv link del br9
	address_again vs
}

# A tunnel with checksums of its own: what it carries has been summed up by the
# time it gets out (CHECKSUM_COMPLETE).
tunnel()
{
	local outer=$PC_VIP service=$PC_SERVICE

	ip -n pc-srv link add gre9 type gre local "$PC_VIP" remote "$PC_CLIENT" csum
	ip -n pc-cli link add gre9 type gre local "$PC_CLIENT" remote "$PC_VIP" csum
	PC_VIP=10.6.0.1 PC_SERVICE=10.6.0.1:80
	ip -n pc-srv addr add 10.6.0.1/24 dev gre9
	ip -n pc-cli addr add 10.6.0.2/24 dev gre9
	ip -n pc-srv link set gre9 up
	ip -n pc-cli link set gre9 up
	pc_serve "${PC_PORTS[@]}"
	by_both "through a tunnel with checksums"
	pc_serve_stop
	ip -n pc-srv link del gre9
	ip -n pc-cli link del gre9
	PC_VIP=$outer PC_SERVICE=$service
}

pc_setup
ktap_print_header
ktap_set_plan $((PC_FAMILY == 4 ? 17 : 15))
dmesg_mark
[[ $PC_FAMILY == 6 ]] || tunnel
by_bridge
vrf
check "the module leaves" gone
check "the kernel's log is clean" dmesg_clean
ktap_finished
