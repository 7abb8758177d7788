# SPDX-License-Identifier: GPL-2.0
#
# A listeners bench's results.json (input), with the profiles of its points
# ($profiles and, of connections that are kept, $kept: {row, cores, functions,
# lines}), to lines for listeners.awk: a kind and its fields.  $order is the list
# of rows; the first is the one where nothing is to be found.

include "stats";

def sum: add // 0;
def show: if . == null then "-" else . end;

# What finds a listener or a socket, and what that calls for: netfilter and the
# hooks' callers, the searches, what goes with a packet, its route, checksums, and
# a connection's place among the bound ports.
def finds: (.module | test("^(percore|nf_|nft_|nfnetlink|x_tables|xt_|ip_tables|iptable_|libcrc32c)"))
	or (.function | test("^_*(nf_|nft_|ipt_|xt_|inet6?_lookup|inet_lhash2_lookup|inet_ehashfn|lookup_reuseport|reuseport_select|tcp_v4_early_demux|ipv4_dst_check|sock_edemux|sock_gen_put|sock_pfree|bpf_|sock_map_lookup|skb_ensure_writable|pskb_expand_head|inet_proto_csum|csum_|ip_route_|ip_defrag|siphash|percore|jhash|ip_rcv|ip_list_rcv|ip_sublist_rcv|ip_local_deliver|ip_local_out|ip_output|rcu_read_(un)?lock|fib_validate_source|inet_inherit_port|inet_bind2?_bucket|inet_csk_update_fastreuse)"));
def leaves: .function | test("percore_(hook|nat|udp|icmp)6?_?out|ip_local_out|ip_output|local_out|conntrack_local|_out_");
def arrives: (leaves | not) and ((.module == "percore") or
	(.function | test("lookup|ehashfn|reuseport|early_demux|edemux|sock_gen_put|sock_pfree|bpf_|sock_map|ip_route_|fib_validate|bucket|inherit_port|fastreuse|ip_rcv|list_rcv|ip_sublist_rcv|ip_local_deliver|conntrack_in|defrag|slow_list|xt_cpu|cpu_mt|redirect")));

# That of a connection's, on the way in and on the way out
def sides($functions; $metric; $in; $out): ([$functions[] | select(finds)]) as $f
	| ([$f[] | select(arrives)[$metric]] | sum) as $arriving
	| ([$f[] | select(leaves)[$metric]] | sum) as $leaving
	| (([$f[][$metric]] | sum) - $arriving - $leaving) as $both
	| {in: ($arriving + $both * $in / ([$in + $out, 1e-9] | max)),
	   out: ($leaving + $both * $out / ([$in + $out, 1e-9] | max))};

# A point from its samples and its profile
def point($profile): . as $s | .[0] as $one | of("connections_per_second") as $rates
	| (of("tcp_in_per_connection") | median) as $in | (of("tcp_out_per_connection") | median) as $out
	| {row: $one.row, cores: $one.cores, rate: ($rates | median), half: ($rates | half), in: $in, out: $out,
	   insn: (of("instructions_per_connection") | median), cycles: (of("cycles_per_connection") | median),
	   lines: (of("coherence_misses_per_connection") | median),
	   own: ([$profile.functions[] | select(.module == "percore").coherence_misses] | sum),
	   find: {insn: sides($profile.functions; "instructions"; $in; $out), cycles: sides($profile.functions; "cycles"; $in; $out)},
	   fought: $profile.lines, repeats: ($rates | length),
	   invalid: ([$s[] | select(.metric == "connections_per_second" and (.valid | not))] | length),
	   why: ([$s[] | .why | select(. != "")] | unique | join("; "))};

def points($from; $keep): map(select((.params.keep_alive // false) == $keep))
	| group_by([(.row as $r | $order | index($r)), .cores])
	| map(.[0] as $one | point(first($from[0][] | select(.row == $one.row and .cores == $one.cores))));

# What a row costs beyond the other, a packet's worth of which is taken for as
# many packets
def net($p; $base; $metric; $way): if $base == null then null
	else $p.find[$metric][$way] - $base.find[$metric][$way] * $p[$way] / ([$base[$way], 1e-9] | max) end;

points($profiles; false) as $connect | points($kept; true) as $keep
| (first($connect[] | select(.row == $order[0] and .cores == 1)) // null) as $base
| (first($keep[] | select(.row == $order[0])) // null) as $kept_base
| ($connect[] | . as $p | (.in + .out) as $packets
	| ([$connect[] | select(.cores == $p.cores and (.row | startswith("lanes") | not)).rate] | max) as $best
	| ["point", .row, .cores, .rate, (if .half == null or .rate == 0 then null else .half / .rate end),
	   (if $best == null or $best == 0 then null else .rate / $best end), .insn, .cycles, .lines, .own, .in, .out]
	  + (if $base == null or $packets == 0 then [null, null, null] else
		[(net($p; $base; "insn"; "in") + net($p; $base; "insn"; "out")) / $packets,
		 (net($p; $base; "cycles"; "in") + net($p; $base; "cycles"; "out")) / $packets,
		 ($p.insn - $base.insn) / $packets] end)
	  + [if .invalid > 0 then "\(.invalid) of \(.repeats) INVALID: \(.why)" else "ok" end]
	| map(show) | @tsv),
  ($connect[] | select(.cores == 1 and .row != $order[0] and $base != null and $kept_base != null) | . as $p
	| first($keep[] | select(.row == $p.row)) as $k
	| ["insn", "cycles"] | map(. as $metric
		| (net($k; $kept_base; $metric; "in") / $k.in) as $est
		| [net($p; $base; $metric; "in") - $est * ($p.in - 1), $est, net($k; $kept_base; $metric; "out") / $k.out,
		   net($p; $base; $metric; "in") + net($p; $base; $metric; "out")])
	| ["kind", $p.row] + .[0] + .[1] | @tsv),
  (([$connect[].cores] | max) as $most | $connect[] | select(.cores == $most and .cores > 1) | .row as $row
	| .fought | group_by(.rank)[:6][]
	| (sort_by(-.function_coherence_misses)) as $f
	| ["line", $row, $most, $f[0].coherence_misses, $f[0].what, ([$f[:3][].function] | join(" "))] | @tsv)
