# SPDX-License-Identifier: GPL-2.0
#
# The lines of bonding.jq as text: a table of points, and for each number of
# cores the functions on the way out, a row's figures in a column each.
#
#   awk -F '\t' -v top=14 -f bonding.awk

function cell(x, format, scale)
{
	return x == "-" ? "-" : sprintf(format, x * scale)
}

$1 == "point" && !points++ {
	printf "%-17s %5s %4s %8s %6s %6s %7s %8s %7s %7s %8s %7s %5s %6s %6s %8s %9s  %s\n", "row", "cores", "NICs",
		"req/s", "+-95%", "to l34", "foreign", "TX waits", "waits", "lines", "tx lines", "instr.", "CPI", "reord",
		"resent", "insn/pkt", "lines/pkt", "check"
}

$1 == "point" {
	printf "%-17s %5d %4d %8s %6s %6s %7s %8s %7s %7s %8s %7s %5s %6s %6s %8s %9s  %s\n", $2, $3, $4, cell($5, "%.0f", 1),
		cell($6, "%.1f%%", 100), cell($7, "%.2f", 1), cell($8, "%.1f%%", 100), cell($9, "%.1f", 1000),
		cell($10, "%.1f", 1000), cell($11, "%.1f", 1), cell($12, "%.1f", 1), cell($13, "%.0f", 1), cell($14, "%.2f", 1),
		cell($15, "%.1f", 1000), cell($16, "%.1f", 1000), cell($17, "%.1f", 1), cell($18, "%.2f", 1000), $19
	next
}

$1 == "function" {
	if (!(($2, $3) in column)) {
		column[$2, $3] = 1
		rows[$3] = rows[$3] (rows[$3] == "" ? "" : SUBSEP) $2
		if (!($3 in seen)) {
			seen[$3] = 1
			order[++numbers] = $3
		}
	}
	misses[$2, $3, $4, $5] = $6
	cpi[$2, $3, $4, $5] = $7
	instructions[$2, $3, $4, $5] = $8
	if ($6 > most[$3, $4, $5])
		most[$3, $4, $5] = $6
	if ($9 == 1)
		chooses[$3, $4, $5] = 1
	name[$4, $5] = 1
}

function heading(n, what,    i, k, row)
{
	printf "\n%s, %d cores\n\n%-11s %-28s", what, n, "module", "function"
	k = split(rows[n], row, SUBSEP)
	for (i = 1; i <= k; i++)
		printf " %17s", row[i]
	print ""
	return k
}

function figures(n, f, values, format, scale,    i, k, row, part)
{
	split(f, part, SUBSEP)
	printf "%-11s %-28s", substr(part[1], 1, 11), substr(part[2], 1, 28)
	k = split(rows[n], row, SUBSEP)
	for (i = 1; i <= k; i++)
		printf " %17s", (row[i], n, f) in cpi ? sprintf(format, values == "misses" ? misses[row[i], n, f] * scale : instructions[row[i], n, f],
			cpi[row[i], n, f]) : "-"
	print ""
}

# next_by(n): the function with most lines that was not printed yet
function next_by(n,    f, best)
{
	for (f in name)
		if (!((n, f) in done) && most[n, f] > 0 &&
		    (best == "" || most[n, f] > most[n, best] || (most[n, f] == most[n, best] && f < best)))
			best = f
	return best
}

END {
	if (!top)
		top = 14
	for (j = 1; j <= numbers; j++) {
		n = order[j]
		if (n == 1)
			continue
		heading(n, "Lines from other cores per 1,000 packets, and CPI")
		for (i = 1; i <= top && (f = next_by(n)) != ""; i++) {
			done[n, f] = 1
			figures(n, f, "misses", "%9.1f %7.2f", 1000)
		}
		heading(n, "Choosing the NIC: instructions a packet, and CPI")
		count = 0
		for (f in name)
			if ((n, f) in chooses)
				list[++count] = f
		for (i = 2; i <= count; i++)
			for (k = i; k > 1 && list[k] < list[k - 1]; k--) {
				f = list[k]; list[k] = list[k - 1]; list[k - 1] = f
			}
		for (i = 1; i <= count; i++)
			figures(n, list[i], "instructions", "%9.1f %7.2f", 1)
	}
}
