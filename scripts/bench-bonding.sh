#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Ways to choose the NIC a packet leaves by, side by side: the flow paper's
# comparison of bonding drivers (its Fig. 4, Tables 2 and 3).  Every row serves
# and receives in the same way; bench.sh measures, this puts it together.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=bench-rows.sh
. "$CORELANE_TOP/scripts/bench-rows.sh"
# shellcheck source-path=SCRIPTDIR source=bench-parts.sh
. "$CORELANE_TOP/scripts/bench-parts.sh"

usage()
{
	cat <<'EOF'
usage: sudo scripts/bench.sh bonding [options]

Requests per second, in simulated time, of servers that differ only in how the
kernel chooses the NIC a packet leaves by: the bond's round robin, its hash
layer3+4, a team whose hash is the CPU, the bond's queue_id chosen by tc, and
our bonding's cpu-bound.  A lighttpd per core (SO_REUSEPORT) and nothing else
of ours in any row.  For each also: packets sent from a foreign core, waits for
the qdisc's and the NIC queue's lock, lines taken from other cores and cycles
per instruction by function, and reordered segments.

  --cores LIST     server cores (default 1,2,4,8)
  --nics N         NICs, where there are not more cores (default 4)
  --switch-hash LIST  the switch's hashes (default layer2+3,layer3+4); the first
                   with all numbers of cores, others with as many as NICs
  --rows LIST      rows (default: all; "bench.sh --list" tells what they are)
  --out DIR        results folder (default results/bonding-DATE-TIME)
  --results DIR    measure nothing: the tables of an earlier run
  --repeats, --kernel, --window-ms, --seed, --jobs, --sim, --no-setup: as for
                   bench.sh
  -h, --help       this text

Results: results.json (every sample of both switches), table.txt, fig4.svg, and
a folder of bench.sh's for each switch.
EOF
}

cores=1,2,4,8 nics=4 switch_hash=layer2+3,layer3+4 rows=$(IFS=,; echo "${BONDING_ROWS[*]}") out='' results='' work=''
bench_options=()
while [[ $# -gt 0 ]]; do
	case $1 in
	--cores | --nics | --switch-hash | --rows | --out | --results)
		[[ $# -ge 2 && -n $2 ]] || usage_error "$1 wants a value"
		option=${1#--}
		declare "${option//-/_}=$2"; shift 2 ;;
	--repeats | --kernel | --window-ms | --seed | --jobs | --sim)
		[[ $# -ge 2 && -n $2 ]] || usage_error "$1 wants a value"
		bench_options+=("$1" "$2"); shift 2 ;;
	--no-setup) bench_options+=("$1"); shift ;;
	-h | --help) usage; exit 0 ;;
	*) usage_error "unknown option $1" ;;
	esac
done
IFS=, read -ra hashes <<< "$switch_hash"

# cores_for HASH: all for the first of the switches
cores_for()
{
	if [[ $1 == "${hashes[0]}" || ",$cores," != *",$nics,"* ]]; then
		echo "$cores"
	else
		echo "$nics"
	fi
}

measure()
{
	local hash

	for hash in "${hashes[@]}"; do
		say "switch that hashes $hash:"
		run_group "$CORELANE_TOP/scripts/bench.sh" --rows "$rows" --cores "$(cores_for "$hash")" --nics "$nics" --senders \
			--switch-hash "$hash" --out "$out/switch-$hash" ${bench_options[@]+"${bench_options[@]}"} > /dev/null
	done
}

# tables DIR: of one switch
tables()
{
	profiles "$1" > "$work/profiles.json"
	jq -r -L "$CORELANE_TOP/scripts" --argjson order "$(jq -n '$ARGS.positional' --args "${BONDING_ROWS[@]}")" \
		--slurpfile profiles "$work/profiles.json" -f "$CORELANE_TOP/scripts/bonding.jq" "$1/results.json" |
		awk -F '\t' -f "$CORELANE_TOP/scripts/bonding.awk"
}

report()
{
	local dir dirs=("$out"/switch-*)

	[[ -s ${dirs[0]}/results.json ]] || die "$out has no results" "name a folder that bench.sh bonding wrote"
	jq -s 'add | map(.experiment = "bonding")' "${dirs[@]/%//results.json}" > "$out/results.json"
	{
		echo 'Simulated: compare the rows with each other; none of it predicts real hardware.'
		jq -r '.[0] | "\(.params.size)-byte file, a connection a request; a lighttpd per core; Linux \(.kernel)"' "$out/results.json"
		for dir in "${dirs[@]}"; do
			printf '\nSwitch hashes %s\n\n' "${dir##*/switch-}"
			tables "$dir"
		done
		legend
	} > "$out/table.txt"
	# The paper's figure: rates over cores
	cp "${dirs[0]}/connections.svg" "$out/fig4.svg"
}

legend()
{
	cat <<'EOF'

req/s: median of the repeats, +-95%: interval of their mean; to l34: against
reuseport-l34 on as many cores; foreign: share of packets that left by a NIC of
another core than the sending one's; TX waits: how often a core waited for a
qdisc's or a NIC queue's lock, waits: for any spinlock, per 1,000 requests (both
counted by tracing, in a window of its own); lines: cache lines taken from other
cores, per request, tx lines: by functions on the way out; CPI: cycles per
instruction; reord: segments that reached the clients out of order, resent:
segments sent again, per 1,000 requests; insn/pkt: instructions that choosing
the NIC costs a packet in bond, team or tc and in what they call for it;
lines/pkt: lines that takes from other cores, per 1,000 packets.
The functions' table: lines taken from other cores per 1,000 packets, and CPI.
EOF
}

# All that takes long is read before it begins: the file may change meanwhile.
main()
{
	check_hashes "$switch_hash"
	check_parts "$results" "${BONDING_ROWS[@]}"
	run_parts bonding "$results"
	say ""
	say "results are in $out: results.json, table.txt, fig4.svg, and a folder for each switch"
}

main; exit
