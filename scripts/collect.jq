# SPDX-License-Identifier: GPL-2.0
#
# Samples of a bench run in simulated time.  $points, $windows and $counters
# are what scripts/collect.sh names; windows and counters meet by their tag,
# ROW-CORES-REPEAT; $senders has a tag ROW-CORES-senders for a point.

# The busy shares of the cores first..last of a window
def busy($first; $last): .cpu[$first:$last + 1] | map(.busy);
def mean: add / length;
# Waiting for these is waiting to send: the qdisc's lock, the NIC queue's
def sends: test("dev_queue_xmit|sch_direct_xmit|qdisc|net_tx_action|_xmit_frame|dev_hard_start|tx_timeout|codel|bond|team|lb_");

($windows | map({key: .tag, value: .}) | from_entries) as $window
| ($counters | map({key: .tag, value: .}) | from_entries) as $counter
| [$points[] as $p | range($p.repeats) as $repeat
	| "\($p.row)-\($p.cores)-\($repeat)" as $tag
	| $window[$tag] as $w | $counter[$tag] as $c
	| ($senders | map(select(.tag == "\($p.row)-\($p.cores)-senders")) | last) as $s
	| ($w | busy($p.clients[0]; $p.clients[1])) as $clients
	| ($w | busy($p.switch[0]; $p.switch[1])) as $switch
	# Counters are read before and after the simulator's window, a little
	# further apart than it is long.  A connection is counted when the server,
	# which closes first, puts it into TIME_WAIT: PassiveOpens counts sockets
	# made, and a race may make one in vain.
	# A connection that is kept ends seldom; a request has one segment's answer.
	| (if $p.params.keep_alive then $c.answers else $c.served end) as $served
	| (if $c.seconds > 0 then $served / $c.seconds else 0 end) as $rate
	| ($rate * $w.virtual_ms / 1000) as $connections
	| (if $rate == 0 then "no connection was served"
	   elif $p.failed + $p.dead > 0 then "\($p.failed) failed requests, \($p.dead) clients gave up"
	   elif ($clients | max) > 0.95 then "a client core was busy \($clients | max * 100 | floor) % of the time: the clients may be the bottleneck"
	   elif ($clients | mean) > 0.95 then "clients had less than 5 % idle time: they may be the bottleneck"
	   elif ($switch | max) > 0.95 then "a switch core was busy \($switch | max * 100 | floor) % of the time: the switch may be the bottleneck"
	   else "" end) as $why
	| def per_connection($what): if $connections > 0 then $what / $connections else 0 end;
	  ([
		["connections_per_second", "1/s", $rate],
		["client_idle", "fraction", 1 - ($clients | mean)],
		["client_busy_max", "fraction", ($clients | max)],
		["switch_busy_max", "fraction", ($switch | max)],
		["server_idle", "fraction", 1 - ($w | busy(0; $p.cores - 1) | mean)],
		["server_spin", "fraction", ($w.cpu[0:$p.cores] | map(.spin) | mean)],
		["foreign_rx_packets", "1", $c.foreign_rx],
		["connections_reset", "1", $c.resets],
		["retransmitted_segments", "1", $c.retransmitted],
		["listen_drops", "1", $c.dropped],
		["reordered_segments", "1", $c.out_of_order],
		["duplicate_segments", "1", $c.duplicates],
		["packets_per_connection", "1", (if $served > 0 then $c.sent / $served else 0 end)],
		["tcp_in_per_connection", "1", (if $served > 0 then $c.tcp_in / $served else 0 end)],
		["tcp_out_per_connection", "1", (if $served > 0 then $c.tcp_out / $served else 0 end)],
		["sockets_per_connection", "1", (if $served > 0 then $c.opens / $served else 0 end)]
	   ]
	   + (if $w.cache then [
		["instructions_per_connection", "1", per_connection($w.totals.insn)],
		["cycles_per_connection", "1", per_connection($w.totals.cycles)],
		["l1_misses_per_connection", "1", per_connection($w.totals.l1_miss)],
		["coherence_misses_per_connection", "1", per_connection($w.totals.hitm + $w.totals.upgrade)],
		["cpi", "1", $w.totals.cycles / ([$w.totals.insn, 1] | max)]
	   ] else [] end)
	   # ab and the modules count a point's windows as one.
	   + (if $repeat == 0 then [
		["foreign_tx_packets", "1", $p.foreign_tx],
		["packets_migrated", "1", $p.migrated],
		["dropped_direct", "1", $p.direct]
	   ] else [] end)
	   + (if $repeat == 0 and $s != null then [
		["foreign_tx_share", "fraction", $s.foreign / ([$s.local + $s.foreign, 1] | max)],
		["lock_waits_per_connection", "1", $s.waits / ([$s.served, 1] | max)],
		["tx_lock_waits_per_connection", "1",
		 ([$s.by | to_entries[] | select(.key | sends).value] | add // 0) / ([$s.served, 1] | max)]
	   ] else [] end)
	   + (if $repeat == 0 and $p.latency_p99 > 0 then [
		["latency_p50", "s", $p.latency_p50],
		["latency_p99", "s", $p.latency_p99],
		["latency_mean", "s", $p.latency_mean]
	   ] else [] end))[]
	| select(.[2] != null)
	| {experiment: "connrate", row: $p.row, cores: $p.cores, params: $p.params,
	   metric: .[0], value: .[2], unit: .[1], repeat: $repeat, seed: ($p.seed + $repeat),
	   clock: "sim", kernel: $p.kernel, valid: ($why == ""), why: $why,
	   errors: (if $repeat == 0 then $p.failed + $p.dead else 0 end)}]
