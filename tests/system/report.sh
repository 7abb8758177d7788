#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# report.sh over hand-made windows of simulated time: rates, what is counted
# per connection, intervals, ratios, and the points that it must call invalid.  And
# sensitivity.sh over a run whose constants move its rates.

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# counters DIR OPENS RECEIVED LOCAL FOREIGN: what the guest copied at one time
counters()
{
	mkdir -p "$1"
	printf 'Tcp: RtoAlgorithm PassiveOpens InSegs OutSegs RetransSegs OutRsts\nTcp: 1 %d %d %d 7 0\n' \
		"$(($2 * 2))" "$(($2 * 6))" "$(($2 * 5))" > "$1/snmp"
	printf 'TcpExt: ListenDrops TW TCPOrigDataSent\nTcpExt: 0 %d %d\nIpExt: InOctets\nIpExt: 9\n' \
		"$2" "$(($2 * 3))" > "$1/netstat"
	printf 'Inter-| Receive\n face |bytes packets\n  srv0:%d %d 0\n  lo: 1 1\n' $(($3 * 100)) "$3" > "$1/dev"
	printf '     CPU0 CPU1 CPU2\n 30: %d %d 0 PCI-MSI 5-edge srv0-rx-0\n 31: 4 4 4 PCI-MSI 6-edge sw0-rx-0\n' \
		"$4" "$5" > "$1/interrupts"
	printf 'TcpExt: TCPOFOQueue TCPDSACKOldSent\nTcpExt: %d 5\n' "$(($2 / 10))" > "$1/clients"
}

# senders ROW CORES: who sent by srv0 and srv1, and who waited for what
senders()
{
	local dir=$TMP/run/job0/windows/$1-$2-senders

	counters "$dir/before" 100 1000 50 3
	counters "$dir/after" 200 2000 150 3
	echo "WINDOW $1-$2-senders 6.000000000 6.010000000" > "$dir/times"
	cat > "$dir/after/sent" <<-EOF
	# event histogram
	{ common_cpu:          0, name: srv0                 } hitcount:        300
	{ common_cpu:          0, name: srv1                 } hitcount:         60
	{ common_cpu:          1, name: srv1                 } hitcount:         30
	{ common_cpu:          1, name: srv2                 } hitcount:         10
	EOF
	cat > "$dir/after/waited" <<-EOF
	{ stacktrace:
	         kprobe_ftrace_handler+0x10c/0x1a0
	         native_queued_spin_lock_slowpath+0x5/0x2c0
	         _raw_spin_lock+0x29/0x30
	         sch_direct_xmit+0x6f/0x210
	         __dev_queue_xmit+0x6a0/0xe00
	} hitcount:         20
	{ stacktrace:
	         native_queued_spin_lock_slowpath+0x5/0x2c0
	         _raw_spin_lock_bh+0x29/0x30
	         inet_csk_accept+0x50/0x300
	} hitcount:          5
	EOF
}

# window ROW CORES REPEAT OPENS CLIENT-BUSY SWITCH-BUSY FOREIGN: 10 ms of a
# server core, a client core and a switch core
window()
{
	local tag=$1-$2-$3 dir

	dir=$TMP/run/job0/windows/$tag
	counters "$dir/before" 100 1000 50 3
	counters "$dir/after" $((100 + $4)) 2000 $((150 - $7)) $((3 + $7))
	echo "WINDOW $tag 5.000000000 5.010000000" > "$dir/times"
	printf '{"tag": "%s", "virtual_ms": 10.0, "wall_s": 2.0, "mips": 20.0, "max_ahead_cycles": 600, "q_cycles": 500, "cache": true, "cores": 1, "cpu": [{"busy": 0.9, "spin": 0.1, "insn": 1}, {"busy": %s, "spin": 0, "insn": 1}, {"busy": %s, "spin": 0, "insn": 1}], "totals": {"insn": 1000000, "cycles": 1500000, "l1_miss": 5000, "hitm": 300, "upgrade": 200}}\n' \
		"$tag" "$5" "$6" >> "$TMP/run/job0/windows.jsonl"
}

# point ROW CORES REPEATS FAILED [KEEP-ALIVE]
point()
{
	printf '{"row": "%s", "cores": %d, "repeats": %d, "seed": 3, "kernel": "6.1.0", "params": {"size": 128, "workers": 1, "concurrency": 2, "switch_hash": "layer2+3", "window_ms": 10, "keep_alive": %s}, "clients": [1, 1], "switch": [2, 2], "requests": 900, "failed": %d, "dead": 0, "latency_p50": 0.001, "latency_p99": 0.002, "latency_mean": 0.001, "foreign_tx": 0, "migrated": null, "direct": null}\n' \
		"$1" "$2" "$3" "${5:-false}" "$4" >> "$TMP/run/job0/points.jsonl"
}

# value ROW CORES REPEAT METRIC FIELD
value()
{
	jq -r --arg row "$1" --argjson cores "$2" --argjson repeat "$3" --arg metric "$4" \
		"map(select(.row == \$row and .cores == \$cores and .repeat == \$repeat and .metric == \$metric))[0].$5" \
		"$TMP/run/results.json"
}

is() # EXPECTED ACTUAL, equal to six digits
{
	[[ $(jq -n "($1) as \$a | ($2) as \$b | (\$a - \$b) * (\$a - \$b) < 1e-12 * \$a * \$a + 1e-20") == true ]] && return
	echo "# expected $1, is $2"
	return 1
}

invalid() # ROW TEXT
{
	[[ $(value "$1" 1 0 connections_per_second valid) == false &&
	   $(value "$1" 1 0 connections_per_second why) == *"$2"* ]]
}

# sensitivity CORES...: lanes serve 98, the rows at 50 and 150 % of a constant what
# stands there
sensitivity()
{
	mkdir -p "$TMP/sensitivity"
	jq -n '{lanes: 98, nft: 97, reuseport: 100} | to_entries
		| map({metric: "connections_per_second", row: .key, value})' > "$TMP/sensitivity/results.json"
	jq -n '[$ARGS.positional[] | tonumber as $n | {lanes: [98, 98], nft: [90, 99], reuseport: [101, 99]}
		| to_entries[] | {row: .key, cores: $n, constant: "dram_ns", percent: 50, rate: .value[0]},
			{row: .key, cores: $n, constant: "dram_ns", percent: 150, rate: .value[1]}]' \
		--args "$@" > "$TMP/sensitivity/sensitivity.json"
	"$CORELANE_TOP/scripts/sensitivity.sh" --results "$TMP/sensitivity" > "$TMP/said"
}

# comma: the report is the same where numbers have a decimal comma
comma()
{
	local file

	env LOCPATH="$TMP/locale" LC_ALL=de_DE.UTF-8 "$CORELANE_TOP/scripts/report.sh" --collect "$TMP/comma" &&
		for file in results.json results.csv table.txt; do
			cmp "$TMP/run/$file" "$TMP/comma/$file" || return
		done
}

mkdir -p "$TMP/run/job0"
point ordinary 1 2 0
window ordinary 1 0 100 0.5 0.2 0
window ordinary 1 1 110 0.5 0.2 0
point ordinary 2 1 0
window ordinary 2 0 150 0.5 0.2 0
point lanes 2 1 0
window lanes 2 0 210 0.5 0.2 0
point bond-l34 1 1 0
window bond-l34 1 0 100 0.96 0.2 25
point bond-rr 1 1 0
window bond-rr 1 0 100 0.5 0.97 0
point nft 1 1 3
window nft 1 0 100 0.5 0.2 0
point redirect 1 1 0
window redirect 1 0 0 0.5 0.2 0
point reuseport 1 1 0 true
window reuseport 1 0 100 0.5 0.2 0
echo '{"ghz": {"value": 2.5}}' > "$TMP/run/job0/model.json"
echo 'corelane.qemu=10.0.2 corelane.accel=sim' > "$TMP/run/job0/cmdline"
echo 3 > "$TMP/run/job0/cpus"
echo '{"row": "lanes", "module": "percore"}' > "$TMP/run/job0/modules.jsonl"
echo '{"row": "lanes", "cores": 2, "irq": 30, "name": "srv0-rx-0", "cpus": "0"}' > "$TMP/run/job0/irqs-lanes-2.jsonl"
touch "$TMP/run/job0/functions-lanes-2-0.csv"
senders lanes 2
cp -r "$TMP/run" "$TMP/comma"
mkdir "$TMP/locale"

ktap_print_header
ktap_set_plan 30
check 'report.sh --collect runs' "$CORELANE_TOP/scripts/report.sh" --collect "$TMP/run"
check 'a rate is connections over simulated seconds' is 10000 "$(value ordinary 1 0 connections_per_second value)"
check 'sockets made for a connection are told' is 2 "$(value ordinary 1 0 sockets_per_connection value)"
check 'each repeat has its seed' is 4 "$(value ordinary 1 1 connections_per_second seed)"
check 'segments per connection, in' is 6 "$(value ordinary 1 0 tcp_in_per_connection value)"
check 'and out' is 5 "$(value ordinary 1 0 tcp_out_per_connection value)"
check 'where connections are kept, answers are counted' is 30000 "$(value reuseport 1 0 connections_per_second value)"
check 'instructions per connection' is 10000 "$(value ordinary 1 0 instructions_per_connection value)"
check 'coherence misses are modified lines and upgrades' is 5 "$(value ordinary 1 0 coherence_misses_per_connection value)"
check 'cycles per instruction' is 1.5 "$(value ordinary 1 0 cpi value)"
check 'idle is what was not busy' is 0.1 "$(value ordinary 1 0 server_idle value)"
check 'a good point is valid' test "$(value ordinary 1 0 connections_per_second valid)" = true
check 'a busy client core makes it invalid' invalid bond-l34 'client core was busy 96 %'
check 'a busy switch core makes it invalid' invalid bond-rr 'switch core was busy 97 %'
check 'failed requests make it invalid' invalid nft '3 failed requests'
check 'no connection makes it invalid' invalid redirect 'no connection was served'
check 'packets by foreign interrupts are told' is 250 "$(value bond-l34 1 0 foreign_rx_packets value)"
check 'segments that reached clients out of order are told' is 10 "$(value ordinary 1 0 reordered_segments value)"
# srv1 by core 0, and srv2 by core 1, which is core 0's
check 'a packet is foreign by its CPU and its NIC' is 0.175 "$(value lanes 2 0 foreign_tx_share value)"
check 'waits for any lock' is 0.25 "$(value lanes 2 0 lock_waits_per_connection value)"
check 'waits to send, by who called the lock' is 0.2 "$(value lanes 2 0 tx_lock_waits_per_connection value)"
# the median of 10,000 and 11,000; 12.71 * 707.1 / sqrt(2) = 6355
check 'median and interval are in the table' grep -qE '^ordinary +1 +10500 +60\.5% +1\.00 +1\.00 ' "$TMP/run/table.txt"
check 'ratios to one core, to the ordinary server, to the best stock row' \
	grep -qE '^lanes +2 +21000 +- +- +2\.00 +1\.40 ' "$TMP/run/table.txt"
check 'an invalid point is marked in the table' grep -qE '^nft .*1 of 1 INVALID' "$TMP/run/table.txt"
check 'profiles are kept' test -e "$TMP/run/profiles/functions-lanes-2-0.csv"
if localedef -i de_DE -f UTF-8 "$TMP/locale/de_DE.UTF-8" 2> /dev/null; then
	check "the user's language changes nothing" comma
else
	ktap_test_skip "the user's language changes nothing: no locale with a comma can be made here"
fi
check 'sensitivity.sh runs' sensitivity 4
check 'an order that a constant turns' grep -qx 'to nft: 0.990 (dram_ns) to 1.089 (dram_ns); the order CHANGES' "$TMP/said"
check 'one that none does, the slower' grep -qx 'to reuseport: 0.970 (dram_ns) to 0.990 (dram_ns); the order stays' "$TMP/said"
check 'rows of several numbers of cores are not mixed' refused 'rows of 1, 8 cores' sensitivity 1 8
ktap_finished
