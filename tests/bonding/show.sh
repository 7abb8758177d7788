#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# corelane bond show: which slave each CPU sends through and why, as text and
# as JSON, by hash, by mask, with a slave down, and where it has to refuse; what
# was learned and NUMA nodes are in learn.sh.

# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=topology.sh
. "$(dirname "$0")/topology.sh"

need_cmd corelane ip jq taskset ping
(($(nproc) >= 4)) || skip "needs 4 CPUs"
trap bt_down EXIT

# says LINE...: the text has all these lines, blanks squeezed
says()
{
	local text line

	text=$(corelane bond show bt0 | tr -s ' ' | sed 's/^ //; s/ $//') || return 1
	for line; do
		grep -qFx -- "$line" <<< "$text" ||
			{ echo "# no \"$line\" in:"; sed 's/^/# /' <<< "$text"; return 1; }
	done
}

# json FILTER: true of the JSON
json()
{
	local text

	text=$(corelane bond show --json bt0) || return 1
	jq -e "$1" <<< "$text" > /dev/null ||
		{ echo "# not so: $1"; jq -c . <<< "$text" | sed 's/^/# /'; return 1; }
}

by_hash()
{
	says "bt0: mode balance-xor, transmit policy cpu-bound" "cpu slave why" \
		"0 by hash hash" "1 by hash hash" "2 by hash hash" "3 by hash hash" &&
		json '.[0] | .bond == "bt0" and .mode == "balance-xor" and
			.policy == "cpu-bound"' &&
		json '[.[0].cpus[0:4][] | "\(.cpu) \(.slave) \(.why)"] ==
			["0 null hash", "1 null hash", "2 null hash", "3 null hash"]'
}

by_mask()
{
	echo 1-2 > /sys/class/net/cb3/bonding_slave/tx_cpus
	echo 0 > /sys/class/net/cb2/bonding_slave/tx_cpus
	says "0 cb2 mask" "1 cb3 mask" "2 cb3 mask" "3 by hash hash" &&
		json '[.[0].cpus[0:4][] | "\(.cpu) \(.slave) \(.why)"] ==
			["0 cb2 mask", "1 cb3 mask", "2 cb3 mask", "3 null hash"]' &&
		json '[.[0].slaves[] | "\(.name) \(.tx_cpus)"] ==
			["cb0 ", "cb1 ", "cb2 0", "cb3 1-2"]'
}

# The counters are the kernel's, packet for packet: nothing is sent meanwhile.
counters()
{
	local row

	bt_send 1 10 || return 1
	(($(bt_cell cb3 1 local) >= 10)) || return 1
	row="cb3 up 1-2 $(bt_sum cb3 local) $(bt_sum cb3 remote)"
	row+=" $(bt_sum cb3 fallback) $(bt_sum cb3 held)"
	says "$row" && json ".[0].slaves[3].packets_per_cpu[\"1\"].local == $(bt_cell cb3 1 local)"
}

unusable()
{
	ip -n peer link set cp2 down
	bt_wait_links 3 && says "0 by hash fallback: cb2 is not usable" "1 cb3 mask" &&
		json '.[0].cpus[0].why == "fallback" and .[0].cpus[0].slave == "cb2" and
			.[0].slaves[2].link == "down"'
}

not_in_use()
{
	echo layer3+4 > $BT_SYSFS/xmit_hash_policy
	says "bt0: mode balance-xor, transmit policy layer3+4 (cpu-bound is not in use)"
}

# The mode has no use for a policy.
by_mode()
{
	local text

	ip link add bt1 type bond mode active-backup || return 1
	echo cpu-bound > /sys/class/net/bt1/bonding/xmit_hash_policy
	text=$(corelane bond show bt1 | head -n 1)
	ip link del bt1
	echo "# $text"
	[[ $text == "bt1: mode active-backup, "*"policy cpu-bound (cpu-bound is not in use)" ]]
}

# More bonds than bonding_masters, a page, can name
many()
{
	local i n

	ip netns add many && for i in {1..260}; do
		printf 'link add many%011d type bond\n' "$i"
	done | ip -n many -batch - || return 1
	n=$(ip netns exec many corelane bond show --json | jq length)
	ip netns del many
	echo "# ${n:-no} bonds"
	[[ $n == 260 ]]
}

# refused STATUS TEXT ARGUMENT...
refused()
{
	local want=$1 text=$2 status=0 error

	shift 2
	error=$(corelane bond "$@" 2>&1 > /dev/null) || status=$?
	[[ $status == "$want" && $error == *"$text"* ]] ||
		{ echo "# status $status: $error"; return 1; }
}

# Any bytes may be a name; a bond or a slave is not missing for that, and a terminal
# gets none that mean something to it.
odd_names()
{
	local bond=$'bt\xff' slave=$'cb\xff' text plain

	ip link add "$bond" type bond && ip link add "$slave" type veth peer name cbx &&
		ip link set "$slave" master "$bond" || return 1
	text=$(corelane bond show --json)
	plain=$(corelane bond show | LC_ALL=C tr -d ' -~\n')
	ip link del "$bond"
	ip link del "$slave"
	[[ -z $plain ]] || { echo "# a terminal gets $(od -An -tx1 <<< "$plain")"; return 1; }
	jq -c 'map({bond, slaves: [.slaves[].name]})' <<< "$text" | sed 's/^/# /'
	jq -e 'map(.bond) == ["bt0", "bt?"] and
		(.[1] | [.slaves[].name] == ["cb?"])' <<< "$text" > /dev/null
}

ktap_print_header
ktap_set_plan 12
dmesg_mark
bt_up balance-xor cpu-bound || die "no links"
check "nothing known: by hash" by_hash
check "by mask, and a CPU in no mask" by_mask
check "the counters are the kernel's" counters
check "a slave that is down: its CPU goes by hash" unusable
check "under another policy it says so" not_in_use
check "so it does in a mode that has no use for it" by_mode
check "names that are no UTF-8" odd_names
check "more bonds than a page has names for" many
check "what is no bond is refused" refused 1 "lo is not a bond" show lo
check "a path is refused" refused 2 "no interface name" show ../bt0
check "without a command it says what to do" refused 2 "corelane bond show"
check "dmesg is clean" dmesg_clean
ktap_finished
