# SPDX-License-Identifier: GPL-2.0
#
# results.json (input) to an array of one object per row and number of cores:
# each metric's median, the rate's 95 % interval (Student's t, half its
# width), and ratios.  $order and $stock are lists of rows.

include "stats";

def ratio($to): if . == null or $to == null or $to == 0 then null else . / $to end;

group_by([(.row as $r | $order | index($r)), .cores]) | map(
	map(select(.metric == "connections_per_second")) as $rates
	| ((map(.metric) | unique | map(select(. as $m |
		["foreign_rx_packets", "foreign_tx_packets", "retransmitted_segments"] | index($m) | not))) as $metrics
	  | . as $all | $metrics | map({key: ., value: (. as $m | $all | of($m) | median)}) | from_entries)
	+ {row: .[0].row, cores: .[0].cores, rate: (of("connections_per_second") | median),
	   half: (of("connections_per_second") | half),
   half_share: (of("connections_per_second") | median as $m | half | ratio($m)),
	   foreign_rx: (of("foreign_rx_packets") | add), foreign_tx: (of("foreign_tx_packets") | add),
	   retransmitted: (of("retransmitted_segments") | add),
	   client_busy_max: (of("client_busy_max") | max), switch_busy_max: (of("switch_busy_max") | max),
	   errors: ($rates | map(.errors) | add), repeats: ($rates | length),
	   invalid: ($rates | map(select(.valid | not)) | length),
	   why: ($rates | map(.why | select(. != "")) | unique | join("; "))})
| . as $all
| ($all | map(select(.row == "ordinary" and .cores == 1) | .rate) | first) as $ordinary
| map(. as $p
	| .to_one = ($p.rate | ratio($all | map(select(.row == $p.row and .cores == 1) | .rate) | first))
	| .to_ordinary = ($p.rate | ratio($ordinary))
	| .to_stock = ($p.rate | ratio($all | map(select(.cores == $p.cores and
		(.row as $r | $stock | index($r))) | .rate) | max)))
