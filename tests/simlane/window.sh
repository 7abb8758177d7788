#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In a simulated guest: what the simulator says of a window agrees with what
# the guest's own clock and the work done in it say.

set -u
# shellcheck disable=SC1091
. "$(dirname "$0")/../lib.sh"
# shellcheck disable=SC1091
. "$(dirname "$0")/common.sh"

need_cmd simlane jq taskset awk
sim_begin 2

# Begin and end by the guest's clock, against the simulator's span: 0.1 %.
clocks_agree()
{
	local begin end

	read -r _ _ begin end < "/tmp/window-$1"
	awk -v b="$begin" -v e="$end" -v ms="$(jq .virtual_ms <<< "$WINDOW")" 'BEGIN {
		d = (e - b) * 1000 / ms - 1
		printf "# guest %.6f ms, simulator %.6f ms\n", (e - b) * 1000, ms
		exit !(d < 0.001 && d > -0.001)
	}'
}

ktap_print_header
ktap_set_plan 10

sim_window idle 20
check "an idle window: both clocks agree" clocks_agree idle
check "an idle core is idle" holds '.cpu[0].busy < 0.02 and .cpu[1].busy < 0.02'
check "an idle core executes next to nothing" holds '.cpu[0].insn < 500000'

# A shell's endless loop on core 1.
taskset -c 1 bash -c 'while :; do :; done' &
worker=$!
# until it is there and in its loop
sleep 0.05
sim_window busy 20
busy=$WINDOW
simlane scale cpi_base 200
sim_window dear 5
dear=$WINDOW
simlane scale cpi_base 100
kill "$worker"
wait "$worker" 2> /dev/null
WINDOW=$busy
check "a busy window: both clocks agree" clocks_agree busy
check "a busy core is busy" holds '.cpu[1].busy > 0.99 and .cpu[0].busy < 0.05'
# Cycles of the modelled cores: the busy one's are the span's, within 1 %
# and what the idle one did.
check "cycles counted are the span's" holds '
	(.totals.cycles / (.virtual_ms * 1e6 * $ghz)) as $r | $r > 0.99 and $r < 1.06' \
	--argjson ghz "$(jq .ghz.value "$RESULTS/model.json")"
check "instructions counted once" holds '
	((.cpu[0].insn + .cpu[1].insn) / .totals.insn - 1) | fabs < 0.01'
check "levels add up to the misses" holds '
	.totals | .l1_miss == .l2_hit + .llc_hit + .dram + .hitm'
check "a core whose instructions cost double gets half as far" holds '
	def cpi: .totals.cycles / .totals.insn;
	($dear | cpi) / cpi | . > 1.9 and . < 2.1' --argjson dear "$dear"
check "no core ran further ahead than the window and one block" holds '.max_ahead_cycles < .q_cycles + 2000'
ktap_finished
