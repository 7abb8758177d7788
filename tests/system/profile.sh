#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The profile's tables from counts that are known (tests/system/profile: 100
# connections of row ordinary, 200 of lanes), and perf's way with a perf that
# says what we tell it.  Boots nothing.

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$CORELANE_TOP" || exit 1

counts=$TMP/counts
cp -r tests/system/profile "$counts"

# all FILTER: jq's filter holds for the profile
all()
{
	jq -e --argjson near 0.001 '
		def is($x): (. - $x) | (if . < 0 then -. else . end) < $near;
		def fn($row; $name): .functions[] | select(.row == $row and .function == $name);
		def total($row; $c): [.functions[] | select(.row == $row) | .[$c]] | add;
		'"$1" "$json" > /dev/null
}

# printed PATTERN: the text has such a line
printed()
{
	grep -qE "$1" "${json%.json}.txt"
}

same_columns()
{
	awk -F , 'NR == 1 { n = NF } NF != n { bad = 1 } END { exit bad || NR < 2 }' "$1"
}

ktap_print_header
ktap_set_plan 36
check 'profile.sh --help' bash -c 'scripts/profile.sh --help | grep -q ^usage:'
check 'no row' refused 'name a row' scripts/profile.sh
check 'two rows' refused 'one row only' scripts/profile.sh lanes ordinary
check 'a list of cores' refused "one number, not '1,2'" scripts/profile.sh lanes --cores 1,2
check 'wall time' refused 'wants --clock sim' scripts/profile.sh lanes --clock wall
check 'no folder' refused 'there is no folder' scripts/profile.sh lanes --results "$TMP/none"
check 'a folder without counts' refused 'has no counts' scripts/profile.sh lanes --results "$TMP"
check 'a number of cores that was not run' refused 'it has: lanes-8-0 ordinary-8-0' \
	scripts/profile.sh lanes --cores 4 --results "$counts"

check 'tables from counts' bash -c "scripts/profile.sh lanes --results '$counts' > '$TMP/said' 2>&1"
json=$counts/profile-ordinary-lanes-8.json
check 'what is printed is the text file' cmp -s <(head -n -2 "$TMP/said") "${json%.json}.txt"
check 'counts are per connection' all '(total("ordinary"; "coherence_misses") | is(87.9)) and
	(total("lanes"; "coherence_misses") | is(0.8)) and (total("lanes"; "instructions") | is(4240))'
check 'rate and connections' all '.per == "connection" and .sides == [
	{row: "ordinary", cores: 8, connections: 100, seconds: 0.01, rate: 10000, repeats: 1, why: null},
	{row: "lanes", cores: 8, connections: 200, seconds: 0.01, rate: 20000, repeats: 1, why: null}]'
check 'other cores than the server are left out' all 'fn("ordinary"; "try_to_wake_up").instructions | is(300)'
check 'parts of a function are one' all '(fn("ordinary"; "tcp_v4_rcv").instructions | is(501)) and
	(fn("lanes"; "bond_xmit_cpu_bound").instructions | is(30))'
check 'misses: L2 is what the L2 did not have, CPI is cycles by instructions' all 'fn("ordinary"; "__dev_queue_xmit") |
	(.l1_misses | is(30)) and (.l2_misses | is(20)) and (.llc_misses | is(1)) and
	(.hitm | is(12)) and (.upgrades | is(7)) and (.coherence_misses | is(19)) and (.cpi | is(4))'
check 'module functions are named' all 'fn("lanes"; "bond_xmit_cpu_bound").module == "bonding" and
	fn("lanes"; "percore_pre").module == "percore" and fn("lanes"; "e1000_xmit_frame").module == "e1000e"'
check "the kernel's function is not its namesake's in a module" all 'fn("lanes"; "__tcp_close").module == "kernel"'
check 'rooms' all '[fn("ordinary"; "_raw_spin_lock_bh", "tcp_v4_rcv", "try_to_wake_up", "kmem_cache_alloc",
	"e1000_xmit_frame", "__dev_queue_xmit", "[user]").room] == ["lock", "tcp-ip", "scheduler", "memory",
	"driver", "device", "user"] and fn("lanes"; "percore_pre").room == "netfilter"'
check 'purposes of table 4' all '[fn("ordinary"; "tcp_v4_rcv", "tcp_v4_conn_request", "inet_csk_accept",
	"tcp_sendmsg_locked", "__tcp_close").use] == ["1-receive", "2-listen", "3-accept", "4-transfer", "5-close"]'
check 'table 2: most misses first, the way out marked' bash -c "
	grep -A 3 '^Table 2. ordinary' '${json%.json}.txt' | tail -n 1 | grep -qE '^kernel +__dev_queue_xmit \(\*\) +20.0 +19.0 +4.00 +600'"
check 'table 3: our transmit function is there' printed '^bonding +bond_xmit_cpu_bound \(\*\) +0.00 +0.00 +1.50 +30.0'
check 'table 4: sum and CPI of both sides' printed '^all such, and their CPI +40.0 +27.5 +27.4 +2.14 +17.0 +2.30 +0.30 +1.40$'
check 'side by side: the largest difference' printed '^try_to_wake_up +20.0 +4.00 +15.0 +0.30 +21.0 +0.20 +-20.8 '
check 'contended lines: order, and who' all '[.lines[] | select(.row == "ordinary") | [.rank, .function, .function_coherence_misses]][0:4] ==
	[[1, "inet_csk_accept", 8], [1, "__inet_lookup_listener", 4], [1, "tcp_v4_rcv", 1], [2, "__dev_queue_xmit", 5]]'
check 'contended lines: what lies there' all '([.lines[] | select(.row == "ordinary") | .what] | unique ==
	["bond_stats+0x8 [bonding]", "heap", "net_flags+0x4 (beside net_counter netns_total)", "per-cpu",
	"per-cpu runqueues+0x18"]) and ([.lines[] | select(.function == "skb_clone") | .what] == ["heap"])'
check 'csv: every line has every column' same_columns "${json%.json}.csv"
check 'csv of lines: every line has every column' same_columns "${json%.json}-lines.csv"
check 'plot' grep -q '</svg>' "${json%.json}.svg"

# A second repeat with twice the counts in as many connections: the mean; and
# when bench calls it invalid, as if it were not there.
awk -F , -v OFS=, 'NR > 1 { for (i = 3; i <= NF; i++) $i *= 2 } 1' "$counts/functions-ordinary-8-0.csv" > "$counts/functions-ordinary-8-1.csv"
echo '{"tag": "ordinary-8-1", "virtual_ms": 10}' >> "$counts/windows.jsonl"
repeat() # VALID: bench's sample of it
{
	jq --argjson valid "$1" '. + [.[0] | .repeat = 1 | .valid = $valid | .why = "clients were busy"]' \
		tests/system/profile/results.json > "$counts/results.json"
	scripts/profile-report.sh "$counts" 8 ordinary lanes > /dev/null
}
repeat true
check 'repeats are taken together' all '.sides[0].connections == 200 and (total("ordinary"; "coherence_misses") | is(131.85))'
repeat false
check 'an invalid repeat is left out' all '.sides[0].connections == 100 and (total("ordinary"; "coherence_misses") | is(87.9))'

# As bench.sh leaves it: counts in a folder of their own, and the number of
# connections only by what it says of their instructions.
mkdir -p "$TMP/bench/profiles"
cp tests/system/profile/{functions,lines}-* "$TMP/bench/profiles/"
cp tests/system/profile/kallsyms "$TMP/bench/profiles/kallsyms-modules"
jq '. + map(.metric = "instructions_per_connection" | .value = {ordinary: 4431, lanes: 4240}[.row])' \
	tests/system/profile/results.json > "$TMP/bench/results.json"
check "a bench run's folder" bash -c "scripts/profile-report.sh '$TMP/bench' 8 ordinary lanes > /dev/null"
json=$TMP/bench/profile-ordinary-lanes-8.json
check 'connections, from instructions for each' all '[.sides[] | .connections, .rate] == [100, 10000, 200, 20000] and
	(total("ordinary"; "coherence_misses") | is(87.9))'

mkdir "$TMP/bin" "$TMP/tmp"
cat > "$TMP/bin/perf" <<'EOF'
#!/bin/bash
case $1 in
stat)
	[[ ! -e ${0%/*}/no-pmu && $* != *mem_load* ]] && exit
	echo '<not supported>,,event,0,100.00,,' >&2 ;;
record)
	while [[ $1 != -- ]]; do shift; done
	shift; exec "$@" ;;
report)
	printf "# Samples: 1K of event '%s'\n#\n# Period;Shared Object;Symbol\n" cycles:P
	printf ' %s ;%s ;%s  \n' 3000 '[kernel.kallsyms]' '[k] tcp_v4_rcv' 1000 '[bonding]' '[k] bond_start_xmit' 500 lighttpd '[.] main'
	printf "\n# Samples: 1K of event '%s'\n" instructions
	printf '%s;%s;%s\n' 1000 '[kernel.kallsyms]' '[k] tcp_v4_rcv' 1000 '[bonding]' '[k] bond_start_xmit' 500 lighttpd '[.] main' ;;
c2c) exit 1 ;;
esac
EOF
chmod +x "$TMP/bin/perf"
with_perf()
{
	TMPDIR=$TMP/tmp PATH=$TMP/bin:$PATH scripts/profile.sh here --perf --results "$TMP/perf" "$@" > "$TMP/said" 2>&1
}
check 'perf: a command is measured' with_perf -- sleep 0.2
json=$(echo "$TMP"/perf/profile-here-*.json)
check 'perf: functions, modules, programs' all '[.functions[] | [.function, .module, .cpi]] ==
	[["tcp_v4_rcv", "kernel", 3], ["bond_start_xmit", "bonding", 1], ["lighttpd:main", "user", 1]]'
check 'perf: stopped, it leaves nothing' bash -c "
	TMPDIR='$TMP/tmp' PATH='$TMP/bin:$PATH' scripts/profile.sh none --perf --results '$TMP/perf' --seconds 234 > /dev/null 2>&1 & child=\$!
	sleep 1; kill \$child; wait \$child; [[ \$? == 143 ]] &&
	[[ -z \$(ls '$TMP/tmp') && ! -e '$TMP/perf/functions-none-'* ]] && ! pgrep -f '^sleep 234\$' > /dev/null"
touch "$TMP/bin/no-pmu"
check 'perf: without counters it says what to do' bash -c "! PATH='$TMP/bin:$PATH' scripts/profile.sh here --perf > '$TMP/said' 2>&1 &&
	grep -qE 'no hardware counters|no PMU' '$TMP/said' && grep -q 'use simulated time' '$TMP/said'"
ktap_finished
