#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# New connections of a lane whose CPU is busier than the mark leave it, and come
# back when it has time, by all methods.  What keeps CPU 1 busy is a loop; the test
# itself keeps to CPU 0, so that 2 and 3 have time.  The topology is drawn in
# common.sh.
#
# Nothing is timed: the test waits until the module says what it has seen.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

LOOP=		# what keeps CPU 1 busy

busy()
{
	[[ -z $LOOP ]] || return 0
	taskset -c 1 bash -c 'while :; do :; done' &
	LOOP=$!
}

idle()
{
	[[ -n $LOOP ]] || return 0
	kill "$LOOP"
	wait "$LOOP" 2> /dev/null || true
	LOOP=
}

# lane CPU FIELD: what is told of its lane
lane()
{
	pc_srv corelane nat show "$PC_SERVICE" --json |
		jq ".services[0].lanes[] | select(.cpu == $1).$2"
}

told() { [[ $(lane "$1" "$2") == "$3" ]]; }

# seen CPU FIELD VALUE: sooner or later that is told
seen()
{
	within 60 told "$@" && return
	ktap_print_msg "$2 of CPU $1: $(lane "$1" "$2")"
	return 1
}

# answered N: who answers N connections from CPU 1, all of them
answered()
{
	ANSWERED=$(pc_conns 1 "$1")
	ktap_print_msg "$ANSWERED"
	[[ $ANSWERED == "ok=$1 bad=0 "* ]]
}

# at_home N: how many of those the lane of CPU 1 answered
at_home()
{
	[[ " $ANSWERED " =~ " 8016="([0-9]+)" " ]] || { echo 0; return; }
	echo "${BASH_REMATCH[1]}"
}

# Without a mark nobody looks.
off()
{
	pc_set --balance spill
	busy
	[[ $(lane 1 load) == null ]] && answered 10 && [[ $(at_home) == 10 ]]
}

# All leave in the end, as no less makes the loop end; most go where there is time:
# not all at once to every lane, for whoever is the busiest of those gets hardly any.
leave()
{
	local before all i

	before=$(pc_stat spilled)
	pc_set --cpu-mark 70
	[[ $(pc_srv corelane nat show --json | jq '.services[0].cpu_mark') == 70 ]] || return 1
	seen 1 leave 100 && answered 40 && [[ $(at_home) -lt 20 ]] &&
		pc_moved spilled $((before + 20)) || return 1
	all=$ANSWERED
	for ((i = 0; i < 10; i++)); do
		[[ $all != *"8032="* || $all != *"8048="* ]] || return 0
		answered 40 || return 1
		all+=" $ANSWERED"
	done
	return 1
}

# A connection that has left is at home where it went.
stays()
{
	local who=8016 i

	for ((i = 0; i < 20 && who == 8016; i++)); do
		[[ $i == 0 ]] || pc_hang_up
		PC_TASKSET="taskset -c 1" pc_talk || return 1
		pc_say first
		who=$REPLY
	done
	idle
	seen 1 leave 0 && pc_say second
	pc_hang_up
	ktap_print_msg "first $who, second $REPLY"
	[[ $who =~ ^80(00|32|48)$ && $REPLY == "$who" ]]
}

# The client itself may keep its CPU busy for a moment.
back() { answered 10 && [[ $(at_home) -ge 5 ]]; }

# A change of other things, or of lanes, goes on with the share; a CPU that gets
# another port, too.
kept()
{
	busy
	seen 1 leave 100 || return 1
	pc_set --mark 60
	[[ $(lane 1 leave) -gt 50 ]] || return 1
	pc_set --cpus 0-2 --ports "$1"
	[[ $(lane 1 leave) -gt 50 && $(lane 3 port) == "" ]] || return 1
	pc_set --cpus 0-3 --ports 8000+16
}

# Switched off it is off, and it does not begin where it was.
switched_off()
{
	pc_set --cpu-mark 0
	[[ $(lane 1 load) == null ]] && answered 10 && [[ $(at_home) == 10 ]] || return 1
	idle
	pc_set --cpu-mark 70
	[[ $(lane 1 leave) -le 2 ]] || return 1
	pc_set --balance none
	[[ $(lane 1 load) == null ]]
}

# A netns dies, and then the module leaves, while CPUs are looked at and connections
# are made.
gone()
{
	local status=0 client

	busy
	pc_add && pc_set --balance spill --cpu-mark 70 && seen 1 leave 100 || return 1
	ip netns add pc-two
	ip -n pc-two link set lo up
	ip -n pc-two addr add "$PC_VIP/32" dev lo
	PC_METHOD=steer pc_add_in pc-two || return 1
	ip netns exec pc-two corelane nat set "$PC_SERVICE" --balance spill --cpu-mark 70
	(while :; do pc_conns 1 10 > /dev/null 2>&1 || true; done) &
	client=$!
	ip netns del pc-two
	within 60 pc_moved spilled 0 && rmmod percore || status=1
	kill "$client"
	wait "$client" 2> /dev/null || true
	return "$status"
}

cleanup()
{
	idle
	pc_cleanup
}

pc_setup
trap cleanup EXIT
ktap_print_header
ktap_set_plan 20
dmesg_mark
taskset -pc 0 $$ > /dev/null
for PC_METHOD in nat steer front; do
	pc_serve "${PC_PORTS[@]}"
	pc_add || die "the service is not accepted"
	check "$PC_METHOD: off by default, however busy a CPU is" off
	check "$PC_METHOD: new connections leave the lane of a busy CPU" leave
	check "$PC_METHOD: one that has left stays where it went" stays
	check "$PC_METHOD: they come back when the CPU has time" back
	if [[ $PC_METHOD == front ]]; then ports=8000+16; else ports=9000+16; fi
	check "$PC_METHOD: a change keeps the share that leaves" kept "$ports"
	check "$PC_METHOD: switched off under load, and on" switched_off
	pc_del || die "the service cannot be deleted"
done
check "a netns dies and the module leaves while CPUs are looked at" gone
check "the kernel's log is clean" dmesg_clean
ktap_finished
