#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# corelane nat monitor: a line for whatever becomes of services, in the order in
# which it happens, and for connections that did not get their lane.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

LINES=/tmp/pc-monitor
MONITOR=''
KNOCK=99

# monitor_begin OPTION...: it listens when this returns
monitor_begin()
{
	local i

	: > "$LINES"
	ip netns exec pc-srv corelane nat monitor "$@" > "$LINES" 2> "$LINES.err" &
	MONITOR=$!
	# What it tells first is no part of the test.
	for ((i = 0; i < 300; i++)); do
		! grep -q ":$KNOCK" "$LINES" || return 0
		kill -0 "$MONITOR" 2> /dev/null || break
		pc_srv corelane nat add "$PC_VIP:$KNOCK" --cpus 0 --ports 9999
		pc_srv corelane nat del "$PC_VIP:$KNOCK"
		sleep 0.1
	done
	die "the monitor does not listen: $(< "$LINES.err")"
}

# seen PATTERN: a line of the monitor's matches, sooner or later
seen()
{
	local i

	for ((i = 0; i < 300; i++)); do
		! grep -q -- "$1" "$LINES" || return 0
		kill -0 "$MONITOR" 2> /dev/null || break
		sleep 0.1
	done
	ktap_print_msg "no '$1' in: $(tail -n 5 "$LINES")"
	return 1
}

# monitor_end SIGNAL: it ends well, and at once
monitor_end()
{
	kill "-$1" "$MONITOR"
	wait "$MONITOR"
}

# What happened, without times and lanes.
events() { sed -E "/:$KNOCK /d; s/^[^ ]+ //; s/: .*//" "$LINES"; }

in_order()
{
	[[ $(events) == "added $PC_SERVICE tcp nat, balance none
changed $PC_SERVICE tcp steer, balance none
changed $PC_SERVICE tcp steer, balance none
changed $PC_SERVICE tcp steer, balance spill 50%
deleted $PC_SERVICE tcp steer, balance spill 50%" ]] && return
	ktap_print_msg "$(< "$LINES")"
	return 1
}

# Another service, with all of its lanes.
another()
{
	pc_srv corelane nat add 10.9.0.1:81 --cpus 0-3 --ports 9000+16 || return 1
	seen 'added 10.9.0.1:81 .*cpu 3 port 9048$' || return 1
	pc_srv corelane nat del 10.9.0.1:81 && seen 'deleted 10.9.0.1:81'
}

# A lane without a server: its connections go elsewhere, and the monitor says so.
trouble()
{
	pc_add && pc_serve 8000 8032 8048
	pc_conns 1 10 > /dev/null || return 1
	seen '"event":"fallback".*"cpu":1,"n":[0-9]'
}

filtered()
{
	pc_srv corelane nat add 10.9.0.1:82 --cpus 0 --ports 9100 || return 1
	pc_srv corelane nat del 10.9.0.1:82
	pc_srv corelane nat drain "$PC_SERVICE" --cpus 2 || return 1
	seen '"event":"changed"' && ! grep -q 10.9.0.1:82 "$LINES"
}

all_json() { jq -es 'length > 0 and all(.time and .event)' "$LINES" > /dev/null; }

# What was told of fallback comes to what was counted.
adds_up()
{
	local told

	told=$(jq -s '[.[] | select(.event == "fallback") | .n] | add' "$LINES")
	[[ $told == "$(pc_stat fallback)" ]]
}

# Other services change while the counters of many are read. It goes on, and tells
# everything once.
interrupted()
{
	pc_srv percore_nl fill 10.9.1.1 250 4 > /dev/null
	ktap_print_msg "$(pc_srv percore_nl stir 10.9.1.1 5)"
	kill -0 "$MONITOR" || { ktap_print_msg "$(< "$LINES.err")"; return 1; }
	pc_conns 1 10 > /dev/null && within 30 adds_up
}

foreign()
{
	ip netns exec pc-cli corelane nat add 10.9.0.2:80 --cpus 0 --ports 9000 || return 1
	ip netns exec pc-cli corelane nat del 10.9.0.2:80
	pc_srv corelane nat undrain "$PC_SERVICE" --cpus 2 || return 1
	seen '"cpu":2,"port":8032,"drain":false.*"event":"changed"' && ! grep -q 10.9.0.2 "$LINES"
}

ktap_print_header
ktap_set_plan 11
pc_setup
need_cmd percore_nl
dmesg_mark
monitor_begin
pc_add
pc_set --method steer
pc_srv corelane nat drain "$PC_SERVICE" --cpus 1
pc_set --balance spill
pc_del
check "told until the end" seen "deleted $PC_SERVICE"
check "every change, in order" in_order
check "with its lanes" \
	grep -q "added .*: cpu 0 port 8000, cpu 1 port 8016, cpu 2 port 8032" "$LINES"
check "another service" another
check "Ctrl-C ends it" monitor_end INT
KNOCK=80
monitor_begin --json "$PC_SERVICE"
check "connections that go to another lane" trouble
check "only the service that was asked for" filtered
check "while other services change, too" interrupted
check "not another namespace's" foreign
check "each line is JSON" all_json
monitor_end TERM || die "SIGTERM: not a good end"
check "dmesg is clean" dmesg_clean
ktap_finished
