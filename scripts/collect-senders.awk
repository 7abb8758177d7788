# SPDX-License-Identifier: GPL-2.0
#
# Who sent by which NIC, and who waited for a lock (tools/lab/guest/senders.sh),
# as one JSON object.  NIC K belongs to core K, of more NICs than cores to the
# one at which dealing them out comes round to it.
#
#   awk -v tag=ROW-CORES-senders -v cores=N -v served=CONNECTIONS \
#       -f collect-senders.awk sent waited

# A CPU and a NIC: { common_cpu: 0, name: srv1 } hitcount: 12
FILENAME ~ /\/sent$/ && match($0, /name: +srv[0-9]+/) {
	nic = substr($0, RSTART, RLENGTH)
	sub(/.*srv/, "", nic)
	match($0, /cpu: +[0-9]+/)
	cpu = substr($0, RSTART, RLENGTH)
	sub(/.* /, "", cpu)
	if (cpu + 0 == nic % cores)
		local += $NF
	else
		foreign += $NF
	next
}

# A call chain, innermost function first, a line each, and its number.  What
# called the lock's own functions waited.
FILENAME ~ /\/waited$/ && /stacktrace/ { caller = ""; next }
FILENAME ~ /\/waited$/ && /hitcount:/ {
	waits += $NF
	by[caller == "" ? "unknown" : caller] += $NF
	next
}
FILENAME ~ /\/waited$/ && caller == "" && /\+0x/ {
	name = $1
	sub(/\+0x.*/, "", name)
	sub(/\.(isra|constprop|part|cold).*/, "", name)
	if (name !~ /kprobe|ftrace|spin_lock|^\[/)
		caller = name
}

END {
	printf "{\"tag\": \"%s\", \"served\": %d, \"local\": %d, \"foreign\": %d, \"waits\": %d, \"by\": {", tag, served, local, foreign, waits
	for (name in by)
		printf "%s\"%s\": %d", n++ ? ", " : "", name, by[name]
	print "}}"
}
