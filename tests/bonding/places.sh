#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Every place of the driver that knows a hash policy, with ours in it: netlink
# and what ip shows, XDP, the modes that choose in another way, TLS. policy.sh
# has sysfs, procfs and the module's parameter.

# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=topology.sh
. "$(dirname "$0")/topology.sh"

need_cmd ip jq taskset ping python3 ethtool
WORK=$(mktemp -d)
server=
cleanup()
{
	[[ -z $server ]] || kill "$server" 2> /dev/null
	bt_down
	rm -rf "$WORK"
}
trap cleanup EXIT

# rtnl: netlink and the bpf system call, for what ip cannot say. It prints the
# kernel's own words for a refusal.
cat > "$WORK/rtnl" <<'PYTHON'
import ctypes, socket, struct, sys

NESTED = 0x8000

def attr(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)

def attrs(data):
    found = {}
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        found[kind & 0x3fff] = data[4:size]
        data = data[(size + 3) & ~3:]
    return found

def ask(kind, flags, dev, body=b""):
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    sock.setsockopt(270, 10, 1)		# NETLINK_CAP_ACK
    sock.setsockopt(270, 11, 1)		# NETLINK_EXT_ACK
    body = struct.pack("=BxHiII", 0, 0, socket.if_nametoindex(dev), 0, 0) + body
    sock.sendto(struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body, (0, 0))
    reply = sock.recv(65536)
    if struct.unpack_from("=H", reply, 4)[0] != 2:	# NLMSG_ERROR
        return attrs(reply[32:])
    error = -struct.unpack_from("=i", reply, 16)[0]
    if error:
        print(error, attrs(reply[36:]).get(1, b"").rstrip(b"\0").decode())
        sys.exit(1)

def xdp_pass():
    insns = ctypes.create_string_buffer(struct.pack("=BBhiBBhi", 0xb7, 0, 0, 2, 0x95, 0, 0, 0))
    name = ctypes.create_string_buffer(b"GPL")
    load = ctypes.create_string_buffer(128)		# XDP is program type 6
    struct.pack_into("=IIQQ", load, 0, 6, 2, ctypes.addressof(insns), ctypes.addressof(name))
    fd = ctypes.CDLL(None, use_errno=True).syscall(321, 5, load, len(load))
    if fd < 0:
        print("bpf:", ctypes.get_errno())
        sys.exit(2)
    return fd

what, dev = sys.argv[1:3]
if what == "get":
    info = attrs(ask(18, 1, dev)[18])			# IFLA_LINKINFO
    print(attrs(info[2])[14][0])			# its policy
elif what == "set":
    policy = attr(14, bytes([int(sys.argv[3])]))
    ask(16, 5, dev, attr(18 | NESTED, attr(1, b"bond\0") + attr(2 | NESTED, policy)))
elif what == "xdp":
    fd = xdp_pass() if sys.argv[3] == "on" else -1
    # IFLA_XDP: descriptor, and "in the driver"
    ask(16, 5, dev, attr(43 |
	NESTED, attr(1, struct.pack("=i", fd)) + attr(3, struct.pack("=I", 4))))
PYTHON

rtnl()
{
	python3 "$WORK/rtnl" "$@"
}

policy_is()
{
	[[ $(< $BT_SYSFS/xmit_hash_policy) == "$1" && $(rtnl get bt0) == "${1##* }" ]]
}

netlink_both_ways()
{
	rtnl set bt0 1 && policy_is "layer3+4 1" && rtnl set bt0 6 && policy_is "cpu-bound 6"
}

netlink_refuses()
{
	local said

	! said=$(rtnl set bt0 7) && [[ $said == 22* ]] && policy_is "cpu-bound 6"
}

# iproute2 knows the number by no name and says so; the rest is as ever.
ip_shows()
{
	ip -d link show bt0 | grep -q 'xmit_hash_policy UNKNOWN' &&
		ip -d -j link show bt0 | jq -e '.[0].linkinfo.info_data |
			.mode == "balance-xor" and .xmit_hash_policy == "UNKNOWN" and
			.miimon == 50' > /dev/null
}

# refuses WORDS COMMAND...
refuses()
{
	local words=$1 said

	shift
	if said=$("$@"); then
		echo "# not refused: $*"
		return 1
	fi
	echo "# $said"
	[[ $said == *"$words"* ]]
}

# A program that a bond runs sends by a hash of the frame, not from a CPU.
xdp_refused()
{
	refuses "95 No native XDP support" rtnl xdp bt0 on
}

policy_refused_under_xdp()
{
	rtnl set bt0 1 && rtnl xdp bt0 on || return 1
	refuses 95 rtnl set bt0 6 && policy_is "layer3+4 1" || return 1
	! echo cpu-bound 2> /dev/null > $BT_SYSFS/xmit_hash_policy && policy_is "layer3+4 1" ||
		return 1
	bt_send 1 5 && rtnl xdp bt0 off && rtnl set bt0 6 && policy_is "cpu-bound 6"
}

# A slave may have a program of its own.
xdp_on_slave()
{
	ip link add xdp0 type veth peer name xdp1 || return 1
	rtnl xdp xdp0 on && ip link set xdp0 master bt0 2> /dev/null &&
		[[ -e /sys/class/net/xdp0/bonding_slave ]]
	ip link del xdp0
	bt_wait_links "$BT_CABLES"
}

# counted: what our counters say of all slaves
counted()
{
	local k sum=0

	for ((k = 0; k < BT_CABLES; k++)); do
		sum=$((sum + $(bt_sum "cb$k" local) + $(bt_sum "cb$k" remote)))
	done
	echo "$sum"
}

# sent: what their devices say
sent()
{
	local k sum=0

	for ((k = 0; k < BT_CABLES; k++)); do
		sum=$((sum + $(bt_packets "cb$k")))
	done
	echo "$sum"
}

# In these modes the policy is a hash at most: traffic flows, none is ours.
by_other_mode() # MODE [DYNAMIC]
{
	local before

	# a switch without aggregation: what it sends comes by every cable
	bt_up "$1" cpu-bound broadcast && bt_bind || return 1
	if [[ -n ${2:-} ]]; then
		ip link set bt0 down && echo "$2" > $BT_SYSFS/tlb_dynamic_lb &&
			ip link set bt0 up &&
			bt_wait_links "$BT_CABLES" || return 1
		bt_neighbours
	fi
	before=$(sent)
	bt_send 2 10 && bt_send 3 10 || { echo "# no answers"; return 1; }
	echo "# $(($(sent) - before)) sent, $(counted) of them counted as ours"
	(($(sent) >= before + 20)) && [[ $(counted) == 0 ]]
}

# Slaves choose for a TLS socket only under layer3+4, whose answer stays the
# same for a socket: with ours the bond offers no TLS by NICs.
tls_offered()
{
	ethtool -k bt0 | grep -q '^tls-hw-tx-offload: on'
}

tls_follows()
{
	echo cpu-bound > $BT_SYSFS/xmit_hash_policy
	! tls_offered || return 1
	echo layer3+4 > $BT_SYSFS/xmit_hash_policy
	tls_offered
}

# TLS by the kernel's own hand: records encrypted here, decrypted there, while
# the sender's task moves.
ktls()
{
	cat > "$WORK/ktls" <<-'PYTHON'
	import os, socket, struct, sys
	SIZE = 2000000
	def secure(sock):
	    # TLS 1.2, AES-GCM-128; the same key both ways will do here
	    info = struct.pack("=HH8s16s4s8s", 0x0303, 51,
	                       b"12345678", b"k" * 16, b"salt", b"\0" * 8)
	    sock.setsockopt(socket.IPPROTO_TCP, 31, b"tls")
	    sock.setsockopt(282, 1 if sys.argv[1] == "send" else 2, info)
	text = bytes(range(256)) * (SIZE // 256)
	if sys.argv[1] == "send":
	    sock = socket.create_connection((sys.argv[2], 4433))
	    secure(sock)
	    for i in range(0, len(text), 20000):
	        os.sched_setaffinity(0, {i // 20000 % 4})
	        sock.sendall(text[i:i + 20000])
	    sock.shutdown(socket.SHUT_WR)
	    sys.exit(sock.recv(10) != b"")
	listener = socket.create_server((sys.argv[2], 4433))
	print("ready", flush=True)
	sock, _ = listener.accept()
	secure(sock)
	got = b""
	while len(got) < len(text):
	    piece = sock.recv(100000)
	    if not piece:
	        break
	    got += piece
	sys.exit(got != text)
	PYTHON
	modprobe tls || return 1
	bt_up balance-xor cpu-bound && bt_bind || return 1
	ip netns exec peer python3 "$WORK/ktls" receive $BT_PEER > "$WORK/ready" &
	server=$!
	for ((i = 0; i < 100; i++)); do
		[[ ! -s $WORK/ready ]] || break
		sleep 0.1
	done
	python3 "$WORK/ktls" send $BT_PEER && wait "$server" || return 1
	server=
	echo "# $(awk '/^TlsTxSw/ { print $1, $2 }' /proc/net/tls_stat)"
	(($(counted) > 100))
}

ktap_print_header
ktap_set_plan 13
dmesg_mark
bt_up balance-xor cpu-bound && bt_bind || die "no links"
check "netlink: set and get, by number" netlink_both_ways
check "netlink: another number is refused" netlink_refuses
check "ip -d link shows a policy without a name" ip_shows
check "XDP: a program for the bond is refused, in words" xdp_refused
check "XDP: the policy is refused while a program runs" policy_refused_under_xdp
check "XDP: a bond under the policy refuses no slave for its program" xdp_on_slave
check "balance-tlb: works, the policy is not in use" by_other_mode balance-tlb
check "balance-tlb by the hash: works, a hash of addresses" by_other_mode balance-tlb 0
check "balance-alb: works, the policy is not in use" by_other_mode balance-alb
check "active-backup: works, the policy is not in use" by_other_mode active-backup
if bt_up balance-xor layer3+4 && tls_offered; then
	check "TLS: no offload through slaves, as under all but layer3+4" tls_follows
else
	# nor is there a NIC here that could be asked to
	ktap_test_skip "TLS: no offload through slaves # this bond shows no such feature"
fi
check "TLS: records of a sender that moves arrive whole" ktls
bt_down
check "dmesg is clean" dmesg_clean
ktap_finished
