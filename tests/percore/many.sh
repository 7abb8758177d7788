#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# 1,024 lanes: a service gets other ports again and again, and each lane retires
# with a connection in it, until there are as many as there may be. All are told
# of, no connection is lost, and new ones find their lanes.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=crowd.sh
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/crowd.sh"

MOST=1024 STEP=4
MONITOR=/tmp/pc-many
MONITOR_ID=''

many_cleanup()
{
	kill "$MONITOR_ID" "${HOLDER_PID:-}" 2> /dev/null || true
	crowd_serve_stop
	pc_cleanup
}

# ports N: those of the Nth set, which no other has
ports() { echo "$((10000 + $1 * 4 * STEP))+$STEP"; }

# hold: a connection more on each CPU; HELD says how many there are
hold()
{
	echo >&"${HOLDER[1]}" && read -r -t 200 HELD <&"${HOLDER[0]}"
}

lanes() { pc_srv corelane nat show --json | jq "[.services[0].lanes[] | select($1)] | length"; }

# told LANES: of the last change, the monitor says, with all of them
told()
{
	[[ $(jq -c 'select(.event == "changed") | .lanes | length' "$MONITOR" |
		tail -n 1) == "$1" ]]
}

# Every lane has a connection when it retires.
filled()
{
	local i

	pc_srv corelane nat add "$PC_SERVICE" --cpus 0-3 --ports "$(ports 0)" || return 1
	for ((i = 1; i < MOST / 4; i++)); do
		hold && pc_set --cpus 0-3 --ports "$(ports "$i")" || return 1
	done
	ktap_print_msg "$HELD connections, $(lanes .retired) retired"
	[[ $HELD == $((MOST - 4)) && $(lanes .retired) == "$HELD" && $(lanes true) == "$MOST" ]]
}

shown()
{
	local text

	text=$(pc_srv corelane nat show) || return 1
	[[ $(grep -c retired <<< "$text") == $((MOST - 4)) ]] && within 10 told "$MOST"
}

refused()
{
	local out

	out=$(pc_set --cpus 0-3 --ports "$(ports $((MOST / 4)))" 2>&1) && return 1
	ktap_print_msg "$out"
	[[ $out == *"4 lanes and those that retire are too many: at most $MOST"* ]] &&
		[[ $(lanes true) == "$MOST" ]]
}

# Packets of new connections are looked for in all lanes, from any CPU.
served() { crowd 200 4 hop; }

lived()
{
	local right to=${HOLDER[1]}

	exec {to}>&-
	read -r -t 200 right <&"${HOLDER[0]}" || return 1
	ktap_print_msg "$right answer as before"
	[[ $right == "$HELD" ]]
}

# With their connections the retired lanes go.
gone() { [[ $(lanes .retired) == 0 ]]; }

pc_setup
need_cmd percore_crowd
trap many_cleanup EXIT
dmesg_mark
# shellcheck disable=SC2046  # ports
crowd_serve $(seq 10000 "$STEP" $((10000 + (MOST - 1) * STEP)))
coproc HOLDER { exec ip netns exec pc-cli percore_crowd hold "$PC_VIP" 80 4; }
ip netns exec pc-srv corelane nat monitor --json > "$MONITOR" &
MONITOR_ID=$!
ktap_print_header
ktap_set_plan 7
check "lanes retire with connections until there are $MOST" filled
check 'all of them are shown, and the monitor is told of them' shown
check 'one more is refused' refused
check 'new connections find their lanes' served
check 'all connections lived' lived
check 'retired lanes go with them' within 90 gone
check 'the kernel is content' dmesg_clean
ktap_finished
