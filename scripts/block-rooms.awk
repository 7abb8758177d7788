# SPDX-License-Identifier: GPL-2.0
#
# Function counts of windows (functions-TAG.csv) to instructions by room, a line
# each: TAG, ROOM, INSTRUCTIONS.

BEGIN { FS = "," }

FNR == 1 {
	tag = FILENAME
	sub(/^.*functions-/, "", tag)
	sub(/\.csv$/, "", tag)
	for (i = 1; i <= NF; i++)
		column[$i] = i
	tags[tag]
	next
}

$column["group"] == "server" {
	name = $column["function"]
	room = "kernel"
	if (name ~ /^\[?user/)
		room = "user"
	else if (name ~ /\[(pollnvme|null_blk|brd|nvme|nvme_core)\]$/)
		room = "driver"
	insn[tag, room] += $column["insn"]
}

END {
	for (tag in tags)
		for (n = split("user kernel driver", rooms, " "); n; n--)
			print tag, rooms[n], insn[tag, rooms[n]] + 0
}
