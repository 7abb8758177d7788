#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What a bench run left becomes results.json (every sample) and facts.json
# (what it ran on and with).  Sourced by report.sh.
#
# A run has a folder per guest, job0, job1, ...  In wall time a guest writes
# samples itself.  In simulated time it leaves points.jsonl (what it set up,
# and what ab said) and its counters before and after each window; the
# simulator leaves windows.jsonl (what the cores did in it).

# counters DIR: one window's counters as JSON: what it gained
counters()
{
	awk -v tag="${1##*/}" -v cores="$(cores_of "$1")" '
		FNR == 1 { after = FILENAME ~ /\/after\// }
		# pairs of lines: names, then values
		FILENAME ~ /\/(snmp|netstat|clients)$/ {
			if (!($1 in names) || names[$1] == "") { names[$1] = $0; next }
			n = split(names[$1], name, " ")
			whose = FILENAME ~ /\/clients$/ ? "clients " : ""
			for (i = 2; i <= n; i++)
				gain[whose $1 name[i]] += after ? $i : -$i
			names[$1] = ""
		}
		FILENAME ~ /\/dev$/ && match($1, /^srv[0-9]+:/) {
			sub(/:/, ": ")
			received += after ? $3 : -$3
			sent += after ? $11 : -$11
		}
		FILENAME ~ /\/interrupts$/ {
			if (FNR == 1) { cpus = NF; next }
			if (match($NF, /^srv[0-9]+/)) {
				own = substr($NF, 4, RLENGTH - 3) + 0
				for (c = 0; c < cpus; c++) {
					count = after ? $(c + 2) : -$(c + 2)
					if (c == own % cores) local += count; else foreign += count
				}
			}
		}
		FILENAME ~ /\/times$/ { seconds = $4 - $3 }
		END {
			printf "{\"tag\": \"%s\", \"seconds\": %.9f, \"served\": %d, \"answers\": %d, \"tcp_in\": %d, \"tcp_out\": %d, \"opens\": %d, \"resets\": %d, \"retransmitted\": %d, \"dropped\": %d, \"foreign_rx\": %d, \"sent\": %d, \"out_of_order\": %d, \"duplicates\": %d}\n",
				tag, seconds, gain["TcpExt:TW"], gain["TcpExt:TCPOrigDataSent"], gain["Tcp:InSegs"], gain["Tcp:OutSegs"], gain["Tcp:PassiveOpens"], gain["Tcp:OutRsts"], gain["Tcp:RetransSegs"],
				gain["TcpExt:ListenDrops"],
				(foreign > 0 ? received * foreign / (local + foreign) + 0.5 : 0), sent,
				gain["clients TcpExt:TCPOFOQueue"],
				gain["clients TcpExt:TCPDSACKOldSent"] + gain["clients TcpExt:TCPDSACKOfoSent"]
		}' "$1"/{before,after}/{snmp,netstat,dev,interrupts,clients} "$1/times"
}

# cores_of WINDOW: the first of its name's parts that is a number
cores_of()
{
	tr - '\n' <<< "${1##*/}" | grep -xm 1 '[0-9]*'
}

# collect_sim DIR: print the samples of a run in simulated time
collect_sim()
{
	local window

	for window in "$1"/job*/windows/*; do
		counters "$window"
	done > "$1/counters.jsonl"
	for window in "$1"/job*/windows/*-senders; do
		[[ ! -e $window ]] || awk -v tag="${window##*/}" -v cores="$(cores_of "$window")" \
			-v served="$(jq --arg tag "${window##*/}" 'select(.tag == $tag).served' "$1/counters.jsonl")" \
			-f "$CORELANE_TOP/scripts/collect-senders.awk" "$window"/after/{sent,waited}
	done > "$1/senders.jsonl"
	jq -n --slurpfile points <(cat "$1"/job*/points.jsonl) --slurpfile senders "$1/senders.jsonl" \
		--slurpfile windows <(cat "$1"/job*/windows.jsonl) \
		--slurpfile counters "$1/counters.jsonl" -f "$CORELANE_TOP/scripts/collect.jq"
	# ROW-CORES-CONSTANT-PERCENT: measured with a constant changed (--vary)
	jq -s '[.[] | . as $c | .tag | capture("^(?<row>.*)-(?<cores>[0-9]+)-(?<constant>[a-z][a-z0-9_]*)-(?<percent>[0-9]+)$")
		| {row, cores: (.cores | tonumber), constant, percent: (.percent | tonumber),
		   rate: (if $c.seconds > 0 then $c.served / $c.seconds else 0 end)}]' \
		"$1/counters.jsonl" > "$1/sensitivity.json"
	[[ $(jq length "$1/sensitivity.json") != 0 ]] || rm "$1/sensitivity.json"
	[[ -s $1/senders.jsonl ]] || rm "$1/senders.jsonl"
	rm -f "$1/counters.jsonl"
}

# collect_model DIR: the simulator's part of facts.json
collect_model()
{
	[[ -f $1/job0/windows.jsonl ]] || { echo null; return; }
	jq -n --slurpfile model "$1/job0/model.json" --arg options "${SIM_OPTIONS:-}" --rawfile check <(cat "$1/job0/check.txt" 2> /dev/null) \
		--slurpfile windows <(cat "$1"/job*/windows.jsonl) '
		{options: $options, model: $model[0], checks: ($check | split("\n") | map(select(. != ""))),
		 q_cycles: ($windows | map(.q_cycles) | unique),
		 max_ahead_cycles: ($windows | map(.max_ahead_cycles) | max),
		 host_seconds: ($windows | map(.wall_s) | add),
		 mips: ($windows | map(.mips) | add / length)}'
}

# collect DIR: make DIR's results.json and facts.json
collect()
{
	local dir=$1 irqs samples

	if compgen -G "$dir/job*/points.jsonl" > /dev/null; then
		collect_sim "$dir" > "$dir/results.json"
	else
		samples=("$dir"/job*/samples.jsonl)
		[[ -s ${samples[0]} ]] || die "no sample was taken" "see $dir/job0/console.log"
		jq -s . "${samples[@]}" > "$dir/results.json"
	fi
	irqs=$(find "$dir" -name 'irqs-*.jsonl' | sort -V | xargs -r cat | jq -s '
		group_by(.row) | map(. as $r | ($r | map(.cores) | max) as $m | $r[] | select(.cores == $m))')
	jq -n --arg cpu "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)" \
	      --arg cpus "$(nproc)" \
	      --arg qemu "$(sed -n 's/.*corelane.qemu=\([0-9.]*\).*/\1/p' "$dir/job0/cmdline")" \
	      --arg host "$(uname -sr)" \
	      --arg accel "$(sed -n 's/.*corelane.accel=\([a-z]*\).*/\1/p' "$dir/job0/cmdline")" \
	      --arg cmdline "$(cat "$dir/job0/cmdline")" \
	      --arg guest_cpus "$(cat "$dir/job0/cpus")" \
	      --arg command "${COMMAND_LINE:-}" \
	      --arg git "$(git -C "$CORELANE_TOP" describe --always --dirty 2> /dev/null || echo unknown)" \
	      --arg date "$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
	      --argjson irqs "$irqs" \
	      --argjson modules "$(cat "$dir"/job*/modules.jsonl | jq -s 'unique')" \
	      --argjson simulator "$(collect_model "$dir")" \
	      --slurpfile results "$dir/results.json" '
		{date: $date, git: $git, command_line: $command,
		 host: {cpu: $cpu, cpus: ($cpus | tonumber), kernel: $host},
		 qemu: $qemu, accel: $accel,
		 guest: {kernel: $results[0][0].kernel, cpus: ($guest_cpus | tonumber), command_line: $cmdline},
		 clock: $results[0][0].clock, seed: ($results[0] | map(.seed) | min), simulator: $simulator,
		 modules: $modules, irq_map: $irqs,
		 errors: ([$results[0][] | select(.metric == "connections_per_second") | .errors] | add)}' \
		> "$dir/facts.json"
	tidy "$dir"
}

# tidy DIR: keep what a reader may want: logs, and the simulator's profiles
tidy()
{
	local dir=$1 job

	# What the simulator counted, whole
	cat "$dir"/job*/windows.jsonl > "$dir/windows.jsonl" 2> /dev/null || rm -f "$dir/windows.jsonl"
	mkdir -p "$dir/profiles"
	for job in "$dir"/job*; do
		find "$job" -maxdepth 1 \( -name 'functions-*.csv' -o -name 'lines-*.csv' \) -exec mv -t "$dir/profiles" {} +
		mkdir -p "$dir/logs/${job##*/}"
		find "$job" -maxdepth 1 \( -name 'console*.log' -o -name dmesg.log -o -name 'setup-*.log' \) \
			-exec mv -t "$dir/logs/${job##*/}" {} +
		rm -r "$job"
	done
	rm -f "$dir/console.log"
	rmdir --ignore-fail-on-non-empty "$dir/profiles"
}
