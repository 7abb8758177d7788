# SPDX-License-Identifier: GPL-2.0
#
# Which per-CPU variable lies at an address?  With profile-lines.awk.
#
# The kernel's own per-CPU variables sit in one piece of ordinary memory, a unit
# of equal size for each CPU, and x86-64's symbols give their places within a
# unit.  Where that piece begins no file tells.  But it begins at a multiple of
# 2 MiB, of which a unit is a part, so an address gives its place within the unit
# at once; and the queues of calls from other CPUs, which nothing but these
# functions touch, show which units there are.

BEGIN {
	split("llist_add_batch flush_smp_call_function_queue __flush_smp_call_function_queue", field, " ")
	for (i in field)
		queue_function[field[i]] = 1
}

# The low 48 bits of an address of 16 digits as a number
function number(address,    i, value)
{
	for (i = 5; i <= 16; i++)
		value = value * 16 + index(digits, substr(address, i, 1)) - 1
	return value
}

function percpu_seen(address, function_name)
{
	if (function_name in queue_function && address ~ /^ffff8/)
		queue_at[address] = 1
}

# The kernel's log: "percpu: Embedded 66 pages/cpu s233472 r8192 d28672 u524288"
kind == "log" {
	if (match($0, /percpu: Embedded .* s[0-9]+ r[0-9]+ d[0-9]+ u[0-9]+/)) {
		n = split(substr($0, RSTART, RLENGTH), field, / [a-z]/)
		unit = field[n] + 0
		embedded = field[n - 1] + field[n - 2] + field[n - 3]
	}
	next
}

kind == "symbols" && /^00000000/ {
	split($0, field, /[ \t]+/)
	percpu_name[++percpu_count] = field[3]
	percpu_offset[percpu_count] = number(field[1])
	if (field[3] == "call_single_queue")
		queue = number(field[1])
	if (field[3] == "__per_cpu_end")
		percpu_end = number(field[1])
	next
}

# Which units does the evidence span?
function percpu_units(    a, n)
{
	units_known = 1
	if (!unit || 2097152 % unit || queue == "" || !percpu_end)
		return
	for (a in queue_at) {
		n = number(a)
		if (int(n % unit / 64) != int(queue / 64))
			continue
		n -= n % unit
		if (!unit_last || n < unit_first)
			unit_first = n
		if (n > unit_last)
			unit_last = n
	}
}

function percpu_what(address,    n, at, i, best)
{
	if (!units_known)
		percpu_units()
	n = number(address)
	if (!unit_last || n < unit_first || n >= unit_last + unit)
		return ""
	at = n % unit
	if (at >= percpu_end)
		return at < embedded ? "per-cpu, allocated" : ""
	for (i = 1; i <= percpu_count; i++)
		if (percpu_offset[i] <= at && (!best || percpu_offset[i] >= percpu_offset[best]))
			best = i
	return "per-cpu " percpu_name[best] (at > percpu_offset[best] ? sprintf("+0x%x", at - percpu_offset[best]) : "")
}
