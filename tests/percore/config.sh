#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Configuration: what is wrong is refused, with a message that names it.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

# refused NAME TEXT COMMAND...: COMMAND fails and says TEXT
refused()
{
	local name=$1 text=$2 out status=0

	shift 2
	out=$(pc_srv "$@" 2>&1) || status=$?
	if [[ $status != 0 && $out == "corelane: "*"$text"* ]]; then
		ktap_test_pass "refused: $name"
	else
		ktap_print_msg "status $status, said: $out"
		ktap_test_fail "refused: $name"
	fi
}

add() { refused "$1" "$2" corelane nat add "${@:3}"; }

# What the kernel tells must be what it was told.
shown()
{
	[[ $(pc_srv corelane nat show --json |
	     jq -c '.services[] | [.service, [.lanes[] | [.cpu, .port]]]') == \
	   '["10.9.0.1:80",[[0,8000],[1,8016],[2,8032],[3,8048]]]' ]]
}

# says_all TEXT ARG...: a refusal with a long address is not cut off
says_all()
{
	local out

	out=$(pc_srv corelane nat add "${@:2}" 2>&1) && return 1
	[[ $out == *"$1"$'\n'* || $out == *"$1" ]] || { ktap_print_msg "$out"; return 1; }
}

# As long as addresses are that hosts give themselves.
long_addresses()
{
	local host='[2001:db8:aaaa:bbbb:21a:2bff:fe3c:4d5e]' status=0

	pc_srv corelane nat add "$host:60443" --cpus 0 --ports 60000 || return 1
	says_all "port 60000 is a private one of $host:60443" \
		"$host:60000" --cpus 0 --ports 60016 || status=1
	says_all "port 60443, CPU 0: taken by $host:60443" \
		"$host:60080" --cpus 0 --ports 60443 || status=1
	pc_srv corelane nat del "$host:60443"
	return $status
}

# An IPv6 address may have the same ports; a refusal writes it as it is written.
ipv6()
{
	local vip='[fd09::1]:80' out

	pc_srv corelane nat add "$vip" --cpus 0-1 --method steer || return 1
	out=$(pc_srv corelane nat show --json "$vip" |
		jq -c '.services[] | [.service, .method, [.lanes[] | [.cpu, .port]]]')
	[[ $out == '["[fd09::1]:80","steer",[[0,8000],[1,8016]]]' ]] ||
		{ ktap_print_msg "$out"; return 1; }
	[[ $(pc_srv corelane nat stats --json "$vip" | jq '.stats | length') == 2 ]] || return 1
	out=$(pc_srv corelane nat add "$vip" --cpus 0 2>&1) && return 1
	[[ $out == *"$vip has a service already"* ]] || { ktap_print_msg "$out"; return 1; }
	pc_srv corelane nat del "$vip" || return 1
	out=$(pc_srv corelane nat del "$vip" 2>&1) && return 1
	[[ $out == *"$vip has no service"* ]] && shown
}

# As many services as a netns may have, more than one message of a dump, and no
# other.
many()
{
	local out

	out=$(pc_srv percore_nl fill 10.9.1.1 300)
	ktap_print_msg "$out"
	[[ $out == "255 taken, error 28: there are 256 services, and no more can be" ]] || return 1
	[[ $(pc_srv corelane nat show --json | jq '.services | length') == 256 ]] || return 1
	[[ $(pc_srv corelane nat stats --json | jq '.stats | length') == $((4 + 255)) ]] || return 1
	rmmod percore && modprobe percore && pc_add && shown
}

# What add tells, and what a dry run tells that it would, is what is there then.
told()
{
	local add=(corelane nat add "$vip:81" --cpus 0 --ports 9000 --json) dry out way
	local facts='[.service, .method, .balance, .mark, .cpu_mark, [.lanes[] | [.cpu, .port]]]'

	for way in "--balance none" "--balance spill" "--balance spill --mark 70" \
		"--balance spill --cpu-mark 80"; do
		# shellcheck disable=SC2086  # a command's words
		dry=$(pc_srv "${add[@]}" $way --dry-run | jq -c "$facts") &&
			out=$(pc_srv "${add[@]}" $way | jq -c "$facts") || return 1
		ktap_print_msg "$out"
		[[ $dry == "$out" && $out == "$(pc_srv corelane nat show "$vip:81" --json |
			jq -c ".services[] | $facts")" ]] || return 1
		pc_srv corelane nat del "$vip:81"
	done
}

# becomes LANES OPTION...: set with these options gives the service these lanes
becomes()
{
	local want=$1 out

	shift
	pc_srv corelane nat set "$vip:81" "$@" || return 1
	out=$(pc_srv corelane nat show "$vip:81" --json | jq -c '[.services[0].lanes[] |
		select(.retired | not) | "\(.cpu) \(.port)\(if .drain then " drain" else "" end)"] |
		join(", ")')
	[[ $out == "\"$want\"" ]] || { ktap_print_msg "set $*: $out"; return 1; }
}

# What set is not told stays: CPUs have the ports that they had, and are drained
# still; other CPUs' ports go on where these end.
stays()
{
	pc_srv corelane nat add "$vip:81" --cpus 0-1 --ports 9000+32 &&
		pc_srv corelane nat drain "$vip:81" --cpus 1 &&
		becomes "0 9000, 1 9032 drain, 2 9064" --cpus 0-2 &&
		becomes "0 9500, 1 9501 drain, 2 9502" --ports 9500+1 &&
		becomes "0 8500, 1 8516 drain" --cpus 0-1 --ports 8500 &&
		becomes "0 8500, 1 8516 drain" --method steer &&
		becomes "3 8532, 1 8516 drain" --cpus 3,1 &&
		becomes "0 8548, 2 8564" --cpus 0,2 &&
		becomes "1 8580" --cpus 1 &&
		becomes "1 8580, 0 8596" --cpus 1,0
}

# Set beside drain: each is done whole. A CPU that stays is drained if that was said
# last, whoever was first, and what is undrained in the end is.
beside()
{
	local turn status=0

	becomes "0 9000, 1 9016, 2 9032" --cpus 0-2 --ports 9000 || return 1
	for ((turn = 0; turn < 30; turn++)); do
		pc_srv corelane nat drain "$vip:81" --cpus 1 &&
			pc_srv corelane nat undrain "$vip:81" --cpus 1 || exit 1
	done &
	for ((turn = 0; turn < 15; turn++)); do
		pc_srv corelane nat set "$vip:81" --cpus 0-1 &&
			pc_srv corelane nat set "$vip:81" --cpus 0-2 || status=1
	done
	wait $! && [[ $status == 0 ]] && becomes "0 9000, 1 9016, 2 9032" --cpus 0-2 &&
		pc_srv corelane nat drain "$vip:81" --cpus 1 &&
		becomes "0 9000, 1 9016 drain" --cpus 0-1 &&
		pc_srv corelane nat undrain "$vip:81" --cpus 1
}

# Where nothing tells which port is next, set asks.
asks()
{
	becomes "0 9000, 1 9016, 2 9032, 3 9048" --cpus 0-3 --ports 9000 &&
		becomes "0 9000, 1 9016, 3 9048" --cpus 0-1,3 || return 1
	refused "ports that are not equally far apart" "not equally far apart: give --ports" \
		corelane nat set "$vip:81" --cpus 0-3
	becomes "0 65503, 1 65519" --cpus 0-1 --ports 65503 &&
		becomes "0 65503, 1 65519, 2 65535" --cpus 0-2 || return 1
	refused "no port is left behind the last" "beyond 65535: give --ports" \
		corelane nat set "$vip:81" --cpus 0-3
	becomes "0 65503, 1 65519, 2 65535" --mark 50 --balance spill
}

# Every counter has its sentence.
explained()
{
	pc_srv corelane nat stats --json --explain |
		jq -e '.stats[0] as $s | .explain | to_entries |
		       length >= 12 and all(.value != "") and
		       all(.key as $k | $s | has($k))' > /dev/null
}

# Without CAP_NET_ADMIN in the netns's user namespace: no.
unprivileged()
{
	! pc_srv setpriv --bounding-set -all --inh-caps -all --reuid 65534 --clear-groups \
		corelane nat del "$PC_VIP:80" 2> /dev/null && shown
}

# Nor does an administrator of another user namespace rule it.
other_user_namespace()
{
	local out

	out=$(pc_srv unshare -Ur corelane nat del "$PC_VIP:80" 2>&1) && return 1
	ktap_print_msg "$out"
	[[ $out == *"Operation not permitted"* ]] && shown
}

# An administrator of a user namespace rules its own netns.
user_namespace()
{
	unshare -Urn sh -c "ip link set lo up && corelane nat add 10.9.0.1:80 --cpus 0-1 &&
		corelane nat show --json" | jq -e '.services | length == 1' > /dev/null
}

pc_setup
need_cmd percore_nl setpriv unshare
ktap_print_header
ktap_set_plan 36
dmesg_mark
check "a good service is accepted" pc_add
check "and shown as it was given" shown
vip=$PC_VIP
add "port 0" "port 0 is no port" "$vip:0" --cpus 0
add "VIP 0.0.0.0" "vip4 0.0.0.0 is no host's address" 0.0.0.0:80 --cpus 0
add "a multicast VIP" "vip4 224.0.0.5 is no host's address" 224.0.0.5:80 --cpus 0
add "a broadcast VIP" "vip4 255.255.255.255" 255.255.255.255:80 --cpus 0
add "VIP ::" "vip6 :: is no host's address" "[::]:80" --cpus 0
add "an IPv6 multicast VIP" "vip6 ff02::1 is no host's address" "[ff02::1]:80" --cpus 0
add "an IPv4 address as an IPv6 VIP" "no host's address" "[::ffff:10.9.0.1]:80" --cpus 0
check "a service over IPv6 beside it" ipv6
check "a refusal with a long address is whole" long_addresses
check "a new service is told as it is" told
check "what set is not told stays" stays
check "set and drain at the same time" beside
check "where it cannot tell, it asks" asks
pc_srv corelane nat del "$vip:81"
add "a mark without spill, before the kernel is asked" "mark 50: only with --balance spill" \
	"$vip:81" --cpus 0 --ports 9000 --mark 50 --dry-run
add "a CPU that does not exist" "CPU 4000 does not exist" "$vip:81" --cpus 4000 --ports 9000
add "a CPU twice" "CPU 1 has two lanes" "$vip:81" --cpus 1,2,1 --ports 9000
add "private port 0" "port 0 of CPU 0 is no port" "$vip:81" --cpus 0 --ports 0
add "a private port twice" "port 9000 is used twice: by CPU 0 and CPU 1" \
	"$vip:81" --cpus 0-1 --ports 9000+0
add "the public port as a private one" "port 81 of CPU 1 is the service's own port" \
	"$vip:81" --cpus 1 --ports 81
add "another service's public port" "port 80, CPU 0: taken by $vip:80" \
	"$vip:81" --cpus 0 --ports 80
add "another service's private port" "port 8016, CPU 0: taken by $vip:80" \
	"$vip:81" --cpus 0 --ports 8016
add "a private port as a public one" "port 8016 is a private one of $vip:80" \
	"$vip:8016" --cpus 0 --ports 9000
add "a VIP twice" "$vip:80 has a service already" "$vip:80" --cpus 0 --ports 9000
refused "deleting what is not there" "$vip:81 has no service" corelane nat del "$vip:81"

# A CPU that is there but offline.
echo 0 > /sys/devices/system/cpu/cpu3/online
add "a CPU that is offline" "CPU 3 is offline" "$vip:81" --cpus 3 --ports 9000
echo 1 > /sys/devices/system/cpu/cpu3/online

check "whatever is malformed is told what is wrong with it" pc_srv percore_nl bad
check "refusals changed nothing; 256 services and no more" many
check "every counter is explained" explained
check "only an administrator may change it" unprivileged
check "an administrator of another user namespace may not" other_user_namespace
check "a user namespace's administrator rules its own netns" user_namespace
check "the kernel's log is clean" dmesg_clean
ktap_finished
