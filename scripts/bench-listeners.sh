#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Ways to give each core a listening socket for one address and port, side by
# side: percore's two methods and what else there is.  All rows are tuned and
# send alike; bench.sh measures, this puts it together.

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
usage: sudo scripts/bench.sh listeners [options]

Connections per second, in simulated time, of servers that differ only in how a
connection finds its core's listener: percore's nat, steer and front, nft stateless,
xt_cpu and REDIRECT with connection tracking, SO_REUSEPORT and SO_INCOMING_CPU,
a BPF program at sk_lookup, and one listener for all.  For each also what that
costs in instructions and cycles: a SYN, a packet of an established connection, a
packet that leaves, and the whole connection with what is saved subtracted; and
the cache lines that cores fight over most.

  --cores LIST     server cores (default 1,2,4,8; costs want 1 among them)
  --rows LIST      rows (default: all; "bench.sh --list" tells what they are);
                   costs are against shared-tuned, so it should be among them
  --lsm LIST       security modules (default yama: SELinux, which Debian's kernel
                   would turn on, has a lock that all cores meet at)
  --out DIR        results folder (default results/listeners-DATE-TIME)
  --results DIR    measure nothing: the tables of an earlier run
  --repeats, --kernel, --window-ms, --seed, --jobs, --sim, --switch-hash,
  --settle, --no-setup: as for bench.sh
  -h, --help       this text

Results: results.json (every sample), table.txt, connections.svg, and two folders
of bench.sh's: connect, with a connection a request, and keep, with connections
that are kept, on one core, which tells an established packet's cost alone.
EOF
}

cores=1,2,4,8 rows=$(IFS=,; echo "${LISTENER_ROWS[*]}") lsm=yama out='' results='' work=''
bench_options=()
while [[ $# -gt 0 ]]; do
	case $1 in
	--cores | --rows | --lsm | --out | --results)
		[[ $# -ge 2 && -n $2 ]] || usage_error "$1 wants a value"
		declare "${1#--}=$2"; shift 2 ;;
	--repeats | --kernel | --window-ms | --seed | --jobs | --sim | --switch-hash | --settle)
		[[ $# -ge 2 && -n $2 ]] || usage_error "$1 wants a value"
		bench_options+=("$1" "$2"); shift 2 ;;
	--no-setup) bench_options+=("$1"); shift ;;
	-h | --help) usage; exit 0 ;;
	*) usage_error "unknown option $1" ;;
	esac
done

# bench NAME OPTION...: one of the two folders
bench()
{
	run_group "$CORELANE_TOP/scripts/bench.sh" --rows "$rows" --lsm "$lsm" --out "$out/$1" "${@:2}" \
		${bench_options[@]+"${bench_options[@]}"} > /dev/null
}

measure()
{
	say 'a connection a request:'
	bench connect --cores "$cores"
	say 'connections that are kept, on one core:'
	bench keep --cores 1 --keep-alive --settle 8
}

# tables: from the samples and profiles of both folders
tables()
{
	jq -r -L "$CORELANE_TOP/scripts" --argjson order "$(jq -n '$ARGS.positional' --args "${LISTENER_ROWS[@]}")" \
		--slurpfile profiles "$work/connect.json" --slurpfile kept "$work/keep.json" \
		-f "$CORELANE_TOP/scripts/listeners.jq" "$out/results.json" |
		awk -F '\t' -f "$CORELANE_TOP/scripts/listeners.awk"
}

report()
{
	local name

	for name in connect keep; do
		[[ -s $out/$name/results.json ]] ||
			die "$out has no results" "name a folder that bench.sh listeners wrote"
		profiles "$out/$name" > "$work/$name.json"
	done
	jq -s 'add | map(.experiment = "listeners")' "$out"/{connect,keep}/results.json > "$out/results.json"
	{
		echo 'Simulated: compare the rows with each other; none of it predicts real hardware.'
		jq -r '.[0] | "\(.params.size)-byte file; switch hashes \(.params.switch_hash); Linux \(.kernel)"' "$out/results.json"
		echo
		tables
		legend
	} > "$out/table.txt"
	cp "$out/connect/connections.svg" "$out/connections.svg"
}

legend()
{
	cat <<'EOF'

req/s: median of the repeats, +-95%: interval of their mean; to best: against the
best row on as many cores that is not percore's; insn, cycles, lines: a connection's
instructions, cycles, and cache lines taken from other cores; in, out: its packets.
The rest is what finding the listener costs a packet, averaged over the
connection's, less what the same takes where nothing is to be found (shared-tuned
on one core): net insn and net cyc in the functions that have to do with it, all
insn in all functions, which says how much else has changed.

By kind of packet: the same functions, less shared-tuned's, on one core.  est: a
packet that arrives for an established connection, out: one that leaves, both from
connections that are kept (helpers that serve both are shared out by packets);
SYN: what a connection's arriving packets cost beyond that.  conn: all of a
connection's packets together.
Lines: the most contended, times taken from another core per connection, what lies
there where that is known, and who takes it.
EOF
}

# All that takes long is read before it begins: the file may change meanwhile.
main()
{
	check_parts "$results" "${LISTENER_ROWS[@]}"
	run_parts listeners "$results"
	say ""
	say "results are in $out: results.json, table.txt, connections.svg, and the folders connect and keep"
}

main; exit
