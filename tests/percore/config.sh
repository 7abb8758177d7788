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

# A hundred services: more than one message of a dump.
many()
{
	local i n=100

	for ((i = 1; i <= n; i++)); do
		pc_srv corelane nat add "10.9.1.$i:80" --cpus 0-3 || return 1
	done
	[[ $(pc_srv corelane nat show --json | jq '.services | length') == $((n + 1)) ]] || return 1
	[[ $(pc_srv corelane nat stats --json | jq '.stats | length') == $(((n + 1) * 4)) ]] ||
		return 1
	for ((i = 1; i <= n; i++)); do
		pc_srv corelane nat del "10.9.1.$i:80" || return 1
	done
	shown
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

# An administrator of a user namespace rules its own netns.
user_namespace()
{
	unshare -Urn sh -c "ip link set lo up && corelane nat add 10.9.0.1:80 --cpus 0-1 &&
		corelane nat show --json" | jq -e '.services | length == 1' > /dev/null
}

pc_setup
need_cmd setpriv unshare
ktap_print_header
ktap_set_plan 22
dmesg_mark
check "a good service is accepted" pc_add
check "and shown as it was given" shown
vip=$PC_VIP
add "port 0" "port 0 is no port" "$vip:0" --cpus 0
add "VIP 0.0.0.0" "vip4 0.0.0.0 is no host's address" 0.0.0.0:80 --cpus 0
add "a multicast VIP" "vip4 224.0.0.5 is no host's address" 224.0.0.5:80 --cpus 0
add "a broadcast VIP" "vip4 255.255.255.255" 255.255.255.255:80 --cpus 0
add "a CPU that does not exist" "CPU 4000 does not exist" "$vip:81" --cpus 4000 --ports 9000
add "a CPU twice" "CPU 1 has two lanes" "$vip:81" --cpus 1,2,1 --ports 9000
add "private port 0" "port 0 of CPU 0 is no port" "$vip:81" --cpus 0 --ports 0
add "a private port twice" "port 9000 is used twice: by CPU 0 and CPU 1" \
	"$vip:81" --cpus 0-1 --ports 9000+0
add "the public port as a private one" "port 81 of CPU 1 is the service's own port" \
	"$vip:81" --cpus 1 --ports 81
add "another service's public port" "port 80 of CPU 0 belongs to service $vip:80" \
	"$vip:81" --cpus 0 --ports 80
add "another service's private port" "port 8016 of CPU 0 belongs to service $vip:80" \
	"$vip:81" --cpus 0 --ports 8016
add "a private port as a public one" "port 8016 is a private port of service $vip:80" \
	"$vip:8016" --cpus 0 --ports 9000
add "a VIP twice" "$vip:80 has a service already" "$vip:80" --cpus 0 --ports 9000
refused "deleting what is not there" "$vip:81 has no service" corelane nat del "$vip:81"

# A CPU that is there but offline.
echo 0 > /sys/devices/system/cpu/cpu3/online
add "a CPU that is offline" "CPU 3 is offline" "$vip:81" --cpus 3 --ports 9000
echo 1 > /sys/devices/system/cpu/cpu3/online

check "refusals changed nothing; a hundred services" many
check "every counter is explained" explained
check "only an administrator may change it" unprivileged
check "a user namespace's administrator rules its own netns" user_namespace
check "the kernel's log is clean" dmesg_clean
ktap_finished
