#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# xmit_hash_policy=cpu-bound: every way to set it, where it shows, who refuses
# it, and that the policies beside it are as they were.

# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=topology.sh
. "$(dirname "$0")/topology.sh"

need_cmd ip taskset
cleanup()
{
	bt_down
	ip link del bt1 2> /dev/null
	modprobe -r bonding 2> /dev/null
}
trap cleanup EXIT

fresh_module()
{
	bt_down
	modprobe -r bonding && modprobe bonding max_bonds=0 "$@"
}

by_sysfs()
{
	echo "$1" > $BT_SYSFS/xmit_hash_policy &&
		[[ $(< $BT_SYSFS/xmit_hash_policy) == "cpu-bound 6" ]]
}

stock_policies()
{
	local policy

	for policy in "layer2 0" "layer3+4 1" "layer2+3 2" "encap2+3 3" "encap3+4 4" \
		"vlan+srcmac 5"; do
		echo "${policy% *}" > $BT_SYSFS/xmit_hash_policy || return 1
		[[ $(< $BT_SYSFS/xmit_hash_policy) == "$policy" ]] || return 1
	done
}

unknown_refused()
{
	! echo 7 2> /dev/null > $BT_SYSFS/xmit_hash_policy &&
		! echo cpu-bounds 2> /dev/null > $BT_SYSFS/xmit_hash_policy
}

# Raw netlink, since iproute2 sends no number outside its own table.
by_netlink()
{
	python3 - <<-'PYTHON'
	import socket, struct, sys

	def attr(kind, data):
	    pad = -len(data) % 4
	    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * pad

	NESTED = 0x8000
	policy = attr(14, bytes([6]))		# IFLA_BOND_XMIT_HASH_POLICY
	info = attr(1, b"bond\0") + attr(2 | NESTED, attr(1, bytes([2])) + policy)
	body = struct.pack("=BxHiII", 0, 0, 0, 0, 0)
	body += attr(3, b"bt1\0") + attr(18 | NESTED, info)
	# RTM_NEWLINK with NLM_F_REQUEST, _ACK, _CREATE, _EXCL
	head = struct.pack("=IHHII", 16 + len(body), 16, 0x605, 1, 0)
	sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
	sock.sendto(head + body, (0, 0))
	sys.exit(struct.unpack_from("=i", sock.recv(4096), 16)[0] != 0)
	PYTHON
	[[ $(< /sys/class/net/bt1/bonding/xmit_hash_policy) == "cpu-bound 6" ]]
}

by_parameter()
{
	fresh_module mode=balance-xor xmit_hash_policy=cpu-bound || return 1
	echo +bt1 > /sys/class/net/bonding_masters
	[[ $(< /sys/class/net/bt1/bonding/xmit_hash_policy) == "cpu-bound 6" ]]
}

bad_parameter_refused()
{
	modprobe -r bonding
	! modprobe bonding max_bonds=0 mode=balance-xor xmit_hash_policy=cpu-bond 2> /dev/null
}

masked_files()
{
	local file=/sys/class/net/cb0/bonding_slave

	[[ -w $file/tx_cpus && -r $file/tx_cpu_stats && -z $(< $file/tx_cpus) ]]
}

# The policies beside ours count nothing of ours.
stock_counts_nothing()
{
	local k

	echo layer3+4 > $BT_SYSFS/xmit_hash_policy
	bt_send 0 5
	for ((k = 0; k < BT_CABLES; k++)); do
		[[ $(bt_sum "cb$k" local) == 0 && $(bt_sum "cb$k" remote) == 0 ]] || return 1
	done
}

round_robin_works()
{
	bt_up balance-rr cpu-bound && bt_send 1 8 && [[ $(bt_sum cb1 local) == 0 ]] &&
		(($(bt_packets cb0) > 0 && $(bt_packets cb3) > 0))
}

ktap_print_header
ktap_set_plan 13
dmesg_mark
fresh_module || die "our bonding module does not load"
bt_up balance-xor layer2 || die "no links"

check "the module in use knows the policy's files" masked_files
check "sysfs: by name" by_sysfs cpu-bound
check "sysfs: by number" by_sysfs 6
check "shown in /proc/net/bonding" \
	grep -q "Transmit Hash Policy: cpu-bound (6)" /proc/net/bonding/bt0
check "every stock policy can still be set and shows its number" stock_policies
check "an unknown number and an unknown name are refused" unknown_refused
check "under a stock policy our counters stand still" stock_counts_nothing
if command -v python3 > /dev/null; then
	check "raw netlink: by number" by_netlink
	ip link del bt1
else
	ktap_test_skip "raw netlink: by number # no python3"
fi
check "mode balance-rr ignores it and works" round_robin_works
check "module parameter: by name" by_parameter
check "module parameter: a wrong name is refused" bad_parameter_refused
check "the module still answers to its alias" \
	grep -q "^alias rtnl-link-bond bonding" "/lib/modules/$(uname -r)/modules.alias"
check "dmesg is clean" dmesg_clean
ktap_finished
