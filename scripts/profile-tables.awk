# SPDX-License-Identifier: GPL-2.0
#
# The tables of scripts/profile.sh as text.  All figures are per connection.
#
#   awk -v top=K -v unit=connection -f profile-sides.awk -f profile-tables.awk \
#       kind=sides sides.csv kind=functions functions.csv kind=lines lines.csv
#
# One or two sides; counters that the source does not have print as "-".

function rule(n,    s)
{
	while (n-- > 0)
		s = s "-"
	return s
}

function total_row(text, c,    s, line)
{
	line = sprintf("%-34s", text)
	for (s = 1; s <= sides; s++)
		line = line sprintf(" %14s", show(of_group(s, "all", c)))
	if (sides == 2)
		line = line sprintf(" %10s", change(of_group(1, "all", c), of_group(2, "all", c)))
	print line
}

function side_row(text, c, format,    s, line)
{
	line = sprintf("%-34s", text)
	for (s = 1; s <= sides; s++)
		line = line sprintf(" %14s", about[s, c] == "" ? "-" : sprintf(format, about[s, c]))
	if (sides == 2)
		line = line sprintf(" %10s", change(about[1, c], about[2, c]))
	print line
}

function totals(    s, line)
{
	line = sprintf("%-34s", "Per " unit)
	for (s = 1; s <= sides; s++)
		line = line sprintf(" %14s", side[s])
	print line (sides == 2 ? sprintf(" %10s", "change") : "")
	if (unit == "connection") {
		side_row("  connections counted", "connections", "%.0f")
		side_row("  connections per second", "rate", "%.0f")
	} else {
		side_row("  seconds counted", "seconds", "%.3f")
	}
	total_row("  instructions", "instructions")
	total_row("  cycles", "cycles")
	total_row("  CPI", "cpi")
	total_row("  L1 misses", "l1_misses")
	total_row("  L2 misses (left the core)", "l2_misses")
	total_row("  LLC misses (memory)", "llc_misses")
	total_row("  coherence misses", "coherence_misses")
	total_row("    lines modified elsewhere (hitm)", "hitm")
	total_row("    upgrades to write", "upgrades")
	total_row("  locked operations", "locked")
	total_row("  PAUSE while waiting for a lock", "spins")
	total_row("  device register accesses", "mmio")
}

# The function that has most of key among those not yet taken
function most(key,    i, f, x, best, best_x)
{
	best = ""
	for (i = 1; i <= functions; i++) {
		f = fn[i]
		if (f in taken)
			continue
		x = (key == "difference") ? of(2, f, sort_by) - of(1, f, sort_by) : of(key, f, miss_by) + 0
		if (key == "difference" && x < 0)
			x = -x
		if (x > 0 && (best == "" || x > best_x || (x == best_x && f < best))) {
			best = f
			best_x = x
		}
	}
	return best
}

function one_row(s, f,    part)
{
	split(f, part, SUBSEP)
	printf "%-10s %-38s %10s %10s %7s %9s\n", part[2], part[1] (mark[f] != "" ? " (*)" : ""),
		show(of(s, f, miss_by)), show(of(s, f, "coherence_misses")), show(cpi_of(s, f)),
		show(of(s, f, "instructions"))
}

# Tables 2 and 3: one side, the functions with most misses, then the rest of
# the way through the bond to the NIC
function one_side(s, number,    k, f, i)
{
	printf "\nTable %d. %s: functions with most cache misses per %s\n", number, side[s], unit
	printf "%-10s %-38s %10s %10s %7s %9s\n", "module", "function", miss_name, "coherence", "CPI", "instr"
	print rule(89)
	split("", taken)
	for (k = 1; k <= top && (f = most(s)) != ""; k++) {
		one_row(s, f)
		taken[f] = 1
	}
	for (i = 1; i <= functions; i++)
		if ((s, fn[i]) in has && mark[fn[i]] != "" && room[fn[i]] == "bonding" && !(fn[i] in taken))
			one_row(s, fn[i])
	print "(*) on the way out to the NIC"
}

function pair(a, b)
{
	return sprintf(" %8s %8s", show(a), show(b))
}

function head(text, width)
{
	printf "%-" width "s %17s %17s %26s %17s %17s\n", "", "L1 misses", miss_name, "coherence misses", "CPI", "instructions"
	printf "%-" width "s", text
	printf " %8s %8s %8s %8s %8s %8s %8s %8s %8s %8s %8s\n", short[1], short[2], short[1], short[2],
		short[1], short[2], "diff", short[1], short[2], short[1], short[2]
	print rule(width + 99)
}

function both(text, width, f, group,    a, b)
{
	a = group == "" ? of(1, f, sort_by) : of_group(1, group, sort_by)
	b = group == "" ? of(2, f, sort_by) : of_group(2, group, sort_by)
	printf "%-" width "s%s%s%s %8s", text, two("l1_misses", f, group), two(miss_by, f, group),
		two("coherence_misses", f, group), difference(a, b)
	if (group == "")
		printf "%s", pair(cpi_of(1, f), cpi_of(2, f))
	else
		printf "%s", two("cpi", f, group)
	print two("instructions", f, group)
}

function two(c, f, group)
{
	return group == "" ? pair(of(1, f, c), of(2, f, c)) : pair(of_group(1, group, c), of_group(2, group, c))
}

function side_by_side(    k, f)
{
	printf "\nFunctions that differ most (%s), %s against %s, per %s\n", sort_name, side[1], side[2], unit
	head("function", 40)
	split("", taken)
	for (k = 1; k <= top && (f = most("difference")) != ""; k++) {
		both(title(f), 40, f, "")
		taken[f] = 1
	}
}

function by_room(    i, n, r, names, used)
{
	printf "\nBy room of the stack, per %s\n", unit
	head("room", 16)
	n = split("driver bonding netfilter device tcp-ip socket-vfs security scheduler lock memory entry block user other", names, " ")
	for (i = 1; i <= n; i++)
		if (names[i] in rooms)
			both(names[i], 16, "", "room " names[i])
	both("all", 16, "", "all")
}

function table4_row(text, name, f, group,    s)
{
	printf "%-24s %-30s", text, name
	for (s = 1; s <= sides; s++)
		if (group == "")
			printf " %9s %9s %9s %6s", show(of(s, f, "l1_misses")), show(of(s, f, miss_by)),
				show(of(s, f, "coherence_misses")), show(cpi_of(s, f))
		else
			printf " %9s %9s %9s %6s", show(of_group(s, group, "l1_misses")), show(of_group(s, group, miss_by)),
				show(of_group(s, group, "coherence_misses")), show(of_group(s, group, "cpi"))
	printf "\n"
}

# Table 4: what TCP does for a connection, by purpose
function by_use(    i, j, n, uses, text, s, f, c, first, rows)
{
	n = split("1-receive 2-listen 3-accept 4-transfer 5-close", uses, " ")
	split("1 receive a packet|2 listen, make a socket|3 accept (system call)|4 transfer (system call)|5 close (system call)", text, "|")
	for (i = 1; i <= n; i++) {
		first = 1
		for (j = 1; j <= functions; j++) {
			f = fn[j]
			if (use[f] != uses[i])
				continue
			for (s = 1; s <= sides; s++)
				for (c in present)
					sum[s, "table 4", c] += of(s, f, c)
			if (!worth(f))
				continue
			if (!rows++)
				table4_head()
			table4_row(first ? text[i] : "", title(f), f, "")
			first = 0
		}
	}
	if (!rows)
		return
	print rule(55 + 37 * sides)
	table4_row("all such, and their CPI", "", "", "table 4")
}

# Does it miss often enough on a side for a line of its own?
function worth(f,    s)
{
	for (s = 1; s <= sides; s++)
		if (of(s, f, "l1_misses") >= 1 || of(s, f, miss_by) >= 0.2 || of(s, f, "coherence_misses") >= 0.1)
			return 1
	return 0
}

function table4_head(    s)
{
	printf "\nTable 4. The TCP functions by purpose, per %s\n%-55s", unit, ""
	for (s = 1; s <= sides; s++)
		printf " %36s", side[s]
	printf "\n%-24s %-30s", "purpose", "function"
	for (s = 1; s <= sides; s++)
		printf " %9s %9s %9s %6s", "L1 misses", miss_name, "coherence", "CPI"
	printf "\n%s\n", rule(55 + 37 * sides)
}

function contended(s,    k, n, i, best, text)
{
	if (!line_count[s])
		return
	printf "\nMost contended cache lines, %s: coherence misses per %s, and who\n%s\n", side[s], unit, rule(89)
	for (k = 1; k <= line_count[s]; k++) {
		text = ""
		split("", taken)
		for (n = 1; n <= 4; n++) {
			best = 0
			for (i = 1; i <= line_functions[s, k]; i++)
				if (!(i in taken) && (!best || line_share[s, k, i] > line_share[s, k, best]))
					best = i
			if (!best)
				break
			taken[best] = 1
			text = text (text == "" ? "" : ", ") line_name[s, k, best] " " show(line_share[s, k, best])
		}
		if (line_functions[s, k] > 4)
			text = text ", " line_functions[s, k] - 4 " more"
		printf "%2d. %6s  %s\n            %s\n", k, show(line_total[s, k]), line_at[s, k], text
	}
}

END {
	# What "cache misses" are: those that leave the core's own caches, where
	# the source tells them apart.
	miss_by = ("l2_misses" in present) ? "l2_misses" : "llc_misses"
	miss_name = (miss_by == "l2_misses") ? "L2 misses" : "LLC misses"
	sort_by = (sum[1, "all", "coherence_misses"] + sum[2, "all", "coherence_misses"] > 0) ? "coherence_misses" : miss_by
	sort_name = (sort_by == "coherence_misses") ? "coherence misses" : miss_name
	for (s = 1; s <= sides; s++)
		short[s] = substr(side[s], 1, 8)
	totals()
	for (s = 1; s <= sides; s++)
		one_side(s, s + 1)
	if (sides == 2) {
		side_by_side()
		by_room()
	}
	by_use()
	for (s = 1; s <= sides; s++)
		contended(s)
}
