# SPDX-License-Identifier: GPL-2.0
#
# Samples of bench-block.sh: $points are the guest's, $windows the simulator's,
# $rooms what scripts/block-rooms.awk made of the functions' counts; they meet
# by their tag.

[$points[] as $p
	| ([$windows[] | select(.tag == $p.tag)] | last) as $w
	| ([$rooms[] | select(.tag == $p.tag) | {(.room): .insn}] | add) as $insn
	| ($p.cores * $p.threads * $p.depth) as $in_flight
	# blkread's counts are read a little further apart than the window is long.
	| ($p.reads / $p.seconds) as $rate
	| ($rate * $w.virtual_ms / 1000) as $reads
	| {iops: ["1/s", $rate],
	   turns: ["1/s", (if $p.turns > 0 then $p.turns / $p.seconds else null end)],
	   cpu_busy: ["fraction", ([$w.cpu[:$p.cores][].busy] | add / length)],
	   driver_mean: ["s", ($p.driver_mean_ns | if . then . / 1e9 else null end)],
	   driver_p50: ["s", ($p.driver_p50_ns | if . then . / 1e9 else null end)],
	   driver_p99: ["s", ($p.driver_p99_ns | if . then . / 1e9 else null end)]}
	+ (if $reads == 0 then {} else
	  # As many are in flight at any time: Little's law.
	  {latency: ["s", ($in_flight / $rate)],
	   software: ["s", (if $p.threads * $p.depth == 1 then $in_flight / $rate - $p.device_ns / 1e9 else null end)],
	   instructions_per_read: ["1", ($w.totals.insn / $reads)],
	   user_instructions_per_read: ["1", ($insn.user / $reads)],
	   driver_instructions_per_read: ["1", ($insn.driver / $reads)],
	   cycles_per_read: ["1", ($w.totals.cycles / $reads)],
	   coherence_misses_per_read: ["1", (($w.totals.hitm + $w.totals.upgrade) / $reads)]} end)
	| to_entries[] | select(.value[1] != null)
	| {experiment: ("block-" + $experiment), row: $p.row, cores: $p.cores,
	   params: {device_ns: $p.device_ns, bs: $p.bs, in_flight: $in_flight, idle_ns: (if $p.idle then $idle_ns else $idle_ns / 100 end)},
	   metric: .key, value: .value[1], unit: .value[0], repeat: 0, seed: 1, clock: "sim", kernel: $p.kernel,
	   valid: ($p.reads + $p.turns > 0), why: (if $p.reads + $p.turns > 0 then "" else "nothing was done" end), errors: 0}]
