# SPDX-License-Identifier: GPL-2.0
#
# A bonding bench's results.json (input), with the profiles of its points
# ($profiles: {row, cores, functions}), to lines for bonding.awk: a kind and its
# fields.  $order is the list of rows.

include "stats";

def sum: add // 0;
def show: if . == null then "-" else . end;

# What chooses a NIC: the bond, the team and tc on the way out, and what serves
# nobody else on a core that sends.
def chooses: ((.module | test("^(bonding|team|cls_bpf|act_skbedit)"))
		and (.function | test("handle_frame|receive|recv|should_deliver|mii|link") | not))
	or (.function | test("^(__skb_flow_dissect|__skb_get_hash.*|skb_flow_.*|tcf_.*|tc_run|sch_handle_egress|tcx_run|netdev_xmit_skip_txqueue|bpf_prog_run.*)$"))
	or (.function | test("^bpf_prog_[0-9a-f]{16}"));
# Where the paper looked: on the way out, and locks
def out: .mark == "transmit" or chooses or .room == "lock"
	or (.function | test("codel|qdisc|validate_xmit|netif_skb_features|^e1000_(xmit|tx|clean_tx|unmap|put_txbuf)|skb_tx|sock_wfree|kfree_skb|consume_skb|skb_release|napi_consume"));

. as $samples
| ($samples | group_by([(.row as $r | $order | index($r)), .cores])
   | map(. as $s | .[0] as $one
	| of("connections_per_second") as $rates
	| (($profiles[0][] | select(.row == $one.row and .cores == $one.cores).functions) // []) as $functions
	| (of("packets_per_connection") | median) as $packets
	# a window's connections: its rate, for as long as it was
	| ([$rates[] * $one.params.window_ms / 1000] | sum) as $requests
	| {row: $one.row, cores: $one.cores, nics: $one.params.nics, rate: ($rates | median),
	   half: ($rates | half),
	   foreign: (of("foreign_tx_share") | first),
	   tx_waits: (of("tx_lock_waits_per_connection") | first),
	   waits: (of("lock_waits_per_connection") | first),
	   lines: (of("coherence_misses_per_connection") | median),
	   tx_lines: ([$functions[] | select(out).coherence_misses] | sum),
	   cpi: (of("cpi") | median), insn: (of("instructions_per_connection") | median),
	   reordered: ((of("reordered_segments") | sum) / ([$requests, 1] | max)),
	   resent: ((of("retransmitted_segments") | sum) / ([$requests, 1] | max)),
	   packets: $packets, functions: $functions,
	   chosen: ([$functions[] | select(chooses)] | {insn: ([.[].instructions] | sum), lines: ([.[].coherence_misses] | sum)}),
	   repeats: ($rates | length),
	   invalid: ([$s[] | select(.metric == "connections_per_second" and (.valid | not))] | length),
	   why: ([$s[] | .why | select(. != "")] | unique | join("; "))})) as $points
| ($points[] | . as $p
	| (first($points[] | select(.row == "reuseport-l34" and .cores == $p.cores).rate) // null) as $l34
	| ["point", .row, .cores, .nics, .rate, (if .half == null or .rate == 0 then null else .half / .rate end),
	   (if $l34 == null or $l34 == 0 then null else .rate / $l34 end), .foreign, .tx_waits, .waits, .lines, .tx_lines,
	   .insn, .cpi, .reordered, .resent, .chosen.insn / ([.packets, 1] | max), .chosen.lines / ([.packets, 1] | max),
	   (if .invalid > 0 then "\(.invalid) of \(.repeats) INVALID: \(.why)" else "ok" end)]
	| map(show) | @tsv),
  ([$points[].cores] | unique | .[] as $n
	| $points[] | select(.cores == $n) | . as $p
	| .functions[] | select(out)
	| ["function", $p.row, $n, .module, .function, .coherence_misses / ([$p.packets, 1] | max), .cpi,
	   .instructions / ([$p.packets, 1] | max), (if chooses then 1 else 0 end)] | map(show) | @tsv)
