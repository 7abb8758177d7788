# SPDX-License-Identifier: GPL-2.0
#
# The lines of listeners.jq as text: a table of points, one of costs by kind of
# packet, and the most contended lines.
#
#   awk -F '\t' -f listeners.awk

function cell(x, format, scale)
{
	return x == "-" ? "-" : sprintf(format, x * scale)
}

$1 == "point" && !points++ {
	printf "%-17s %5s %8s %6s %7s %8s %8s %7s %7s %5s %5s %8s %7s %8s  %s\n", "row", "cores", "req/s", "+-95%",
		"to best", "insn", "cycles", "lines", "percore", "in", "out", "net insn", "net cyc", "all insn", "check"
}

$1 == "point" {
	printf "%-17s %5d %8s %6s %7s %8s %8s %7s %7s %5s %5s %8s %7s %8s  %s\n", $2, $3, cell($4, "%.0f", 1),
		cell($5, "%.1f%%", 100), cell($6, "%.3f", 1), cell($7, "%.0f", 1), cell($8, "%.0f", 1), cell($9, "%.1f", 1),
		cell($10, "%.2f", 1), cell($11, "%.2f", 1), cell($12, "%.2f", 1), cell($13, "%.0f", 1), cell($14, "%.0f", 1),
		cell($15, "%.0f", 1), $16
}

$1 == "kind" && !kinds++ {
	printf "\nBy kind of packet\n\n%-17s %35s %35s\n%-17s", "", "instructions", "cycles", "row"
	for (i = 0; i < 2; i++)
		printf " %8s %8s %8s %8s", "SYN", "est", "out", "conn"
	print ""
}

$1 == "kind" {
	printf "%-17s", $2
	for (i = 3; i <= 10; i++)
		printf " %8s", cell($i, "%.0f", 1)
	print ""
}

$1 == "line" && !lines++ {
	printf "\nLines, %d cores\n\n%-17s %8s  %-34s %s\n", $3, "row", "per conn", "what", "who"
}

$1 == "line" {
	printf "%-17s %8s  %-34s %s\n", $2, cell($4, "%.2f", 1), substr($5, 1, 34), $6
}
