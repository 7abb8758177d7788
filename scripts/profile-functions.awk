# SPDX-License-Identifier: GPL-2.0
#
# Function counts of a window (functions-TAG.csv, one or several repeats) to
# one CSV row per function and per connection, with the function's module and
# room.  Columns are found by name, so counters may be missing.
#
#   awk -v row=ROW -v cores=N -v connections=C -f profile-functions.awk \
#       kind=counts functions-*.csv kind=symbols kallsyms kind=rooms profile.rooms

BEGIN { FS = "," }

# "bond_xmit_hash.isra.0" and its ".cold" half are one function to a reader.
function plain(name)
{
	while (sub(/\.(isra|constprop|part|cold|llvm)(\.[0-9]+)*$/, "", name))
		;
	return name
}

kind == "counts" && FNR == 1 {
	split("", column)
	for (i = 1; i <= NF; i++) {
		gsub(/^[ "]+|[ "\r]+$/, "", $i)
		column[$i] = i
		present[$i] = 1
	}
	next
}

kind == "counts" {
	if (("group" in column) && $column["group"] != "server")
		next
	name = $column["function"]
	module = ""
	if (match(name, / \[[^]]*\]$/)) {
		module = substr(name, RSTART + 2, RLENGTH - 3)
		name = substr(name, 1, RSTART - 1)
	}
	key = name SUBSEP module
	known[key] = 1
	wanted[name] = 1
	for (c in column)
		if (c != "group" && c != "function")
			sum[key, c] += $column[c]
	next
}

# The names alone: a module's function is one that the kernel has not.
kind == "symbols" {
	if (split($0, field, /[ \t]+/) < 3 || field[2] !~ /^[tTwW]$/ || !(field[3] in wanted))
		next
	if (field[4] == "")
		kernel[field[3]] = 1
	else
		owner[field[3]] = substr(field[4], 2, length(field[4]) - 2)
	next
}

kind == "rooms" && /^(module|function|use|mark) / {
	split($0, field, / +/)
	rules++
	rule_kind[rules] = field[1]
	rule_pattern[rules] = "^(" field[2] ")$"
	rule_value[rules] = field[3]
}

function look_up(what, name,    i)
{
	if (what == "function")
		sub(/^_+/, "", name)
	for (i = 1; i <= rules; i++)
		if (rule_kind[i] == what && name ~ rule_pattern[i])
			return rule_value[i]
	return ""
}

function per(key, c)
{
	return (c in present) ? sprintf("%.4f", sum[key, c] / connections) : ""
}

# What left the core's own caches: everything that the L2 did not have
function l2_misses(key)
{
	if ("l2_hit" in present)
		return sprintf("%.4f", (sum[key, "l1_miss"] - sum[key, "l2_hit"]) / connections)
	return per(key, "l2_miss")
}

function mmio(key)
{
	return ("mmio_read" in present) ? sprintf("%.4f", (sum[key, "mmio_read"] + sum[key, "mmio_write"]) / connections) : ""
}

END {
	for (k in known) {
		split(k, part, SUBSEP)
		name = plain(part[1])
		module = part[2]
		if (module == "")
			module = (part[1] in kernel) || !(part[1] in owner) ? "kernel" : owner[part[1]]
		if (name ~ /^\[?user/)
			module = "user"
		merged = name SUBSEP module
		out[merged] = 1
		for (c in present)
			if (merged != k)
				sum[merged, c] += sum[k, c]
	}
	for (k in out) {
		split(k, part, SUBSEP)
		name = part[1]
		module = part[2]
		if (module == "kernel")
			room = look_up("function", name)
		else
			room = look_up("module", module)
		if (module == "user")
			room = "user"
		if (room == "")
			room = "other"
		coherence = ("hitm" in present) ? sprintf("%.4f", (sum[k, "hitm"] + sum[k, "upgrade"]) / connections) : ""
		cpi = ("insn" in present) && sum[k, "insn"] > 0 ? sprintf("%.4f", sum[k, "cycles"] / sum[k, "insn"]) : ""
		printf "%s,%d,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s\n", row, cores, name, module, room,
			look_up("use", name), look_up("mark", name), per(k, "insn"), per(k, "cycles"), cpi,
			per(k, "l1_miss"), l2_misses(k), per(k, "dram"), per(k, "hitm"), per(k, "upgrade"), coherence,
			per(k, "locked"), per(k, "spin"), mmio(k)
	}
}
