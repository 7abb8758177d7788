#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The bench of ways to send, small: what a stock kernel offers to send by CPU is
# set up as it should be, and our policy costs fewer instructions than
# layer3+4, and writes to no cache line that another core has.

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=../../tools/lab/emulator.sh
. "$CORELANE_TOP/tools/lab/emulator.sh"
out=$TMP/bonding
rows=reuseport-l34,reuseport-team,reuseport-bpf,reuseport

# metric ROW METRIC FILTER: jq's filter holds for the sample
metric()
{
	jq -e --arg row "$1" --arg metric "$2" 'map(select(.row == $row and .metric == $metric))
		| length == 1 and (.[0].value | '"$3"')' "$out/results.json" > /dev/null
}

# policy ROW: the instructions that choosing a NIC costs a packet, and the lines
# that it takes from other cores per 1,000 packets
policy()
{
	awk -v row="$1" '$1 == row && /ok$/ { print $(NF - 2), $(NF - 1); exit }' "$out/table.txt"
}

fewer_instructions()
{
	local ours l34

	read -r ours _ < <(policy reuseport) && read -r l34 _ < <(policy reuseport-l34) || return
	echo "# instructions a packet: cpu-bound $ours, layer3+4 $l34"
	jq -en "$ours > 0 and $ours < $l34" > /dev/null
}

# The policy's functions write no line that others have: no upgrade, and no more
# than a stray read of the packet's own socket, which its neighbours in the hash
# of bound ports write to.
no_lines()
{
	local lines

	lines=("$out"/switch-*/profiles/lines-reuseport-2-0.csv)
	grep -q '^[0-9a-f]' "${lines[0]}" || return
	awk -F , '$3 ~ /^bond_(xmit_)?cpu_bound/ { print "# " $0; reads += $4; writes += $5 }
		END { exit writes > 0 || reads > 3 }' "${lines[0]}"
}

ktap_print_header
ktap_set_plan 10
check 'bonding --help' bash -c '"$CORELANE_TOP/scripts/bench.sh" bonding --help | grep -q "bench.sh bonding"'
check 'a row of another bench' refused "no row 'lanes' here" "$CORELANE_TOP/scripts/bench.sh" bonding --rows lanes
emulator_complete || {
	for ((i = 0; i < 8; i++)); do
		ktap_test_skip "no QEMU $EMULATOR_LINE here"
	done
	ktap_finished
}
check 'bench.sh bonding runs' "$CORELANE_TOP/scripts/bench.sh" bonding --no-setup --cores 2 --nics 2 --repeats 1 \
	--window-ms 3 --rows "$rows" --switch-hash layer2+3 --jobs 1 --out "$out"
check 'every row served, and is valid' jq -e 'map(select(.metric == "connections_per_second"))
	| length == 4 and all(.[]; .value > 0 and .valid and .errors == 0)' "$out/results.json"
check 'layer3+4 sends through foreign NICs' metric reuseport-l34 foreign_tx_share '. > 0.2'
for row in team bpf; do
	check "$row by CPU does not" metric "reuseport-$row" foreign_tx_share '. == 0'
done
check 'nor does cpu-bound, and its own counters agree' eval "metric reuseport foreign_tx_share '. == 0' &&
	metric reuseport foreign_tx_packets '. == 0'"
check 'cpu-bound costs fewer instructions than layer3+4' fewer_instructions
check 'its functions write no line that another core has' no_lines
ktap_finished
