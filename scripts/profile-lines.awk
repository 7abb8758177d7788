# SPDX-License-Identifier: GPL-2.0
#
# The most contended cache lines of a window (lines-TAG.csv) to one CSV row
# per line and function, with what lies in the line.
#
#   awk -v row=ROW -v cores=N -v connections=C -v top=K -f profile-lines.awk \
#       -f profile-percpu.awk kind=counts lines-TAG.csv kind=more lines-OTHER.csv \
#       kind=log dmesg.log kind=symbols kallsyms
#
# Of other windows' lines (more) only those are looked at that tell where the
# per-CPU variables are.
#
# Addresses are compared as strings of 16 hex digits: awk's numbers are too
# short for them.

BEGIN { FS = ","; digits = "0123456789abcdef" }

function padded(address)
{
	address = tolower(address)
	sub(/^0x/, "", address)
	while (length(address) < 16)
		address = "0" address
	return address
}

# The low 32 bits as a number
function low(address,    i, value)
{
	for (i = 9; i <= 16; i++)
		value = value * 16 + index(digits, substr(address, i, 1)) - 1
	return value
}

(kind == "counts" || kind == "more") && FNR == 1 {
	for (i = 1; i <= NF; i++) {
		gsub(/^[ "]+|[ "\r]+$/, "", $i)
		column[$i] = i
	}
	next
}

kind == "more" {
	percpu_seen(padded($column["va"]), $column["function"])
	next
}

kind == "counts" {
	if ($column["function"] == "[table full]")
		next
	percpu_seen(padded($column["va"]), $column["function"])
	line = $column["line"]
	name = $column["function"]
	while (sub(/\.(isra|constprop|part|cold|llvm)(\.[0-9]+)*$/, "", name))
		;
	count = $column["hitm"] + $column["upgrade"]
	total[line] += count
	if (!((line, name) in fight))
		names[line] = names[line] (names[line] == "" ? "" : ",") name
	fight[line, name] += count
	hitm[line, name] += $column["hitm"]
	if (!(line in address) || count > most[line]) {
		most[line] = count
		address[line] = padded($column["va"])
	}
	next
}

function choose(    k, l, best, nibble)
{
	for (k = 1; k <= top; k++) {
		best = ""
		for (l in total)
			if (!(l in taken) && total[l] > 0 &&
			    (best == "" || total[l] > total[best] || (total[l] == total[best] && l < best)))
				best = l
		if (best == "")
			break
		taken[best] = 1
		chosen[++count_chosen] = best
		# Kernel image and modules have symbols, nothing else has.
		if (address[best] ~ /^ffffffff/) {
			named++
			want[named] = best
nibble = index(digits, substr(address[best], 15, 1)) - 1
			first[named] = substr(address[best], 1, 14) substr(digits, nibble - nibble % 4 + 1, 1) "0"
			last[named] = substr(address[best], 1, 14) substr(digits, nibble - nibble % 4 + 4, 1) "f"
		}
	}
	ready = 1
}

kind == "symbols" && !ready { choose() }

# The last symbol that begins at or before the address covers it; those that
# begin within the line share it.
kind == "symbols" && /^ffffffff/ {
	at = substr($0, 1, 16) ""
	for (k = 1; k <= named; k++) {
		l = want[k]
		if (at >= first[k] && at <= last[k]) {
			split($0, field, /[ \t]+/)
			shared[l] = shared[l] " " field[3]
		}
		if (at <= address[l] && (!(l in cover) || at >= cover[l])) {
			split($0, field, /[ \t]+/)
			cover[l] = at
			symbol[l] = field[3]
			owner[l] = field[4]
		}
	}
}

# What is at an address of no symbol; x86-64's map of virtual memory.
function place(a,    name)
{
	if (a < "0000800000000000")
		return "user memory"
	if (a >= "ffff888000000000" && a < "ffffc88000000000")
		return (name = percpu_what(a)) == "" ? "heap" : name
	if (a >= "ffffe8f000000000" && a < "ffffe90000000000")
		return "per-cpu"
	if (a >= "ffffc90000000000" && a < "ffffe90000000000")
		return "vmalloc"
	if (a >= "ffffea0000000000" && a < "ffffeb0000000000")
		return "struct page"
	if (a >= "fffffe0000000000" && a < "ffffff8000000000")
		return "cpu entry area"
	return "other"
}

function what(l,    text, n, i, others, name)
{
	if (!(l in symbol))
		return place(address[l])
	text = symbol[l]
	if (low(address[l]) != low(cover[l]))
		text = text sprintf("+0x%x", low(address[l]) - low(cover[l]))
	if (owner[l] != "")
		text = text " " owner[l]
	n = split(shared[l], others, " ")
	for (i = 1; i <= n && i <= 4; i++)
		if (others[i] != symbol[l])
			name = name (name == "" ? "" : " ") others[i]
	return name == "" ? text : text " (beside " name ")"
}

END {
	if (!ready)
		choose()
	for (k = 1; k <= count_chosen; k++) {
		l = chosen[k]
		n = split(names[l], list, ",")
		for (i = 1; i <= n; i++)
			printf "%s,%d,%d,%s,%s,%s,%.4f,%s,%.4f,%.4f\n", row, cores, k, l, address[l], what(l),
				total[l] / connections, list[i], fight[l, list[i]] / connections,
				hitm[l, list[i]] / connections
	}
}
