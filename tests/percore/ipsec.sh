#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A service whose packets are IPsec's, in transport mode: encapsulated (ESP), or
# authenticated alone (AH), which over IPv6 comes with the ports in the clear before
# it was checked.  Unwrapped they wait for a work until they are delivered.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

KEY=0x000102030405060708090a0b0c0d0e0f10111213

# one_way PROTO FROM TO SPI IN-NETNS OUT-NETNS ARGUMENTS...
one_way()
{
	local ns

	for ns in "$5" "$6"; do
		ip -n "$ns" xfrm state add src "$2" dst "$3" proto "$1" spi "$4" \
			mode transport "${@:7}" || return 1
	done
	ip -n "$5" xfrm policy add src "$2" dst "$3" proto tcp dir in \
		tmpl proto "$1" mode transport || return 1
	ip -n "$6" xfrm policy add src "$2" dst "$3" proto tcp dir out \
		tmpl proto "$1" mode transport
}

# ipsec_on PROTO
ipsec_on()
{
	local how=(auth 'hmac(sha1)' "$KEY")

	[[ $1 == ah ]] || how+=(enc 'ecb(cipher_null)' '')
	one_way "$1" "$PC_CLIENT" "$PC_VIP" 0x100 pc-srv pc-cli "${how[@]}" &&
		one_way "$1" "$PC_VIP" "$PC_CLIENT" 0x200 pc-cli pc-srv "${how[@]}"
}

ipsec_off()
{
	local ns

	for ns in pc-srv pc-cli; do
		ip -n "$ns" xfrm policy flush
		ip -n "$ns" xfrm state flush
	done
}

# packets that the server's host has taken from a client's SA
unwrapped()
{
	ip -n pc-srv -s xfrm state get src "$PC_CLIENT" dst "$PC_VIP" proto "$1" spi 0x100 |
		awk '/lifetime current/ { getline; match($0, /[0-9]+\(packets\)/)
			print substr($0, RSTART, RLENGTH - 9) }'
}

# served PROTO: by the lane of the CPU that receives, and nothing in the clear
served()
{
	local out packets

	out=$(pc_conns 1 10) || true
	packets=$(unwrapped "$1")
	ktap_print_msg "$out, $packets packets of IPsec's"
	[[ $out == "ok=10 bad=0 8016=10" && $packets -ge 40 ]]
}

# The server goes and comes while clients call.
restarts()
{
	local i clients=()

	rm -f /tmp/pc-stop
	for i in 0 1 2 3; do
		(while [[ ! -e /tmp/pc-stop ]]; do
			pc_conns "$i" 20 > /dev/null 2>&1 || true
		done) &
		clients+=($!)
	done
	for ((i = 0; i < 8; i++)); do
		sleep 0.3
		pc_serve "${PC_PORTS[@]}"
	done
	touch /tmp/pc-stop
	wait "${clients[@]}"
	served "$1"
}

pc_setup
for module in xfrm_user esp4 ah4 esp6 ah6 authenc crypto_null; do
	modprobe -q "$module" || skip "no $module in this kernel"
done
ktap_print_header
ktap_set_plan 10
dmesg_mark
for PC_METHOD in nat steer front; do
	pc_serve "${PC_PORTS[@]}"
	pc_add || die "the service is not accepted"
	for proto in esp ah; do
		ipsec_on $proto || die "no IPsec"
		check "$PC_METHOD, $proto: served by the lane of its CPU" served $proto
		[[ $proto == ah ]] ||
			check "$PC_METHOD, $proto: the server goes and comes" restarts $proto
		ipsec_off
	done
	pc_del || die "the service cannot be deleted"
done
check "the kernel's log is clean" dmesg_clean
ktap_finished
