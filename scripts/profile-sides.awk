# SPDX-License-Identifier: GPL-2.0
#
# What profile-tables.awk is about: the sides, their functions and lines, and
# sums over all functions, rooms and purposes.

BEGIN { FS = "," }

FNR == 1 {
	split("", column)
	for (i = 1; i <= NF; i++)
		column[$i] = i
	next
}

kind == "sides" {
	side[++sides] = $column["row"]
	for (c in column)
		about[sides, c] = $column[c]
	index_of[$column["row"]] = sides
}

kind == "functions" {
	s = index_of[$column["row"]]
	f = $column["function"] SUBSEP $column["module"]
	if (!(f in seen)) {
		seen[f] = 1
		fn[++functions] = f
		room[f] = $column["room"]
		use[f] = $column["use"]
		mark[f] = $column["mark"]
	}
	has[s, f] = 1
	for (c in column) {
		if ($column[c] == "" || c ~ /^(row|cores|function|module|room|use|mark)$/)
			continue
		value[s, f, c] = $column[c]
		present[c] = 1
		add("all", c)
		add("room " room[f], c)
		if (use[f] != "")
			add("use " use[f], c)
	}
	rooms[room[f]] = 1
}

function add(group, c)
{
	sum[s, group, c] += $column[c]
}

kind == "lines" {
	s = index_of[$column["row"]]
	k = $column["rank"]
	if (k > line_count[s])
		line_count[s] = k
	line_at[s, k] = $column["what"] (($column["what"] ~ /^(heap|per-cpu|vmalloc|user|struct|cpu|other)/) ? " " $column["va"] : "")
	line_total[s, k] = $column["coherence_misses"]
	n = ++line_functions[s, k]
	line_name[s, k, n] = $column["function"]
	line_share[s, k, n] = $column["function_coherence_misses"] + 0
}

# A number of a width that says about three digits
function show(x)
{
	if (x == "")
		return "-"
	x += 0
	if (x >= 100 || x <= -100)
		return sprintf("%.0f", x)
	return sprintf((x >= 10 || x <= -10) ? "%.1f" : "%.2f", x)
}

function of(s, f, c)
{
	if (!(c in present))
		return ""
	return ((s, f, c) in value) ? value[s, f, c] : 0
}

function of_group(s, group, c)
{
	if (c == "cpi")
		return sum[s, group, "instructions"] > 0 ? sum[s, group, "cycles"] / sum[s, group, "instructions"] : ""
	return (c in present) ? sum[s, group, c] + 0 : ""
}

function cpi_of(s, f)
{
	return (s, f, "cpi") in value ? value[s, f, "cpi"] : ""
}

function difference(a, b)
{
	return (a == "" || b == "") ? "-" : (b - a >= 0 ? "+" : "") show(b - a)
}

function change(a, b)
{
	return (a == "" || b == "" || a + 0 == 0) ? "" : sprintf("%+.0f %%", (b - a) * 100 / a)
}

function title(f,    part)
{
	split(f, part, SUBSEP)
	return (part[2] == "kernel" || part[2] == "user") ? part[1] : part[1] " [" part[2] "]"
}
