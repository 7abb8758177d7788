#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The rows of the connection-rate bench: how each way to run a server is set
# up.  Sourced by bench.sh, after topology.sh.  row_NAME CORES builds it and
# fails if any part is not as it should be; row_down undoes it.

# bench.sh's arguments, with defaults for a reader of this file alone
: "${size:=128}" "${workers:=2}" "${row:=}"

WWW=/tmp/www
server_pids=()

bench_prepare()
{
	# The run is IPv4; multicast reports and router solicitations, sent by
	# timers of any CPU, would show up among the packets that are counted.
	sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
	rm -f /results/*.jsonl
	cat /proc/cmdline > /results/cmdline
	nproc > /results/cpus
	mkdir -p $WWW /tmp/upload
	head -c "$size" /dev/zero | tr '\0' x > $WWW/f
	sysctl -qw net.core.somaxconn=4096 net.ipv4.tcp_max_syn_backlog=8192 \
		net.ipv4.tcp_max_tw_buckets=262144 net.core.netdev_max_backlog=8192
}

# bonding_is stock|ours: have that bonding module loaded
bonding_is()
{
	local dir

	dir=/lib/modules/$(uname -r)
	! grep -q '^bonding ' /proc/modules || rmmod bonding
	modprobe -q tls || true
	case $1 in
	stock) insmod "$dir/kernel/drivers/net/bonding/bonding.ko" max_bonds=0 ;;
	ours) insmod "$dir/updates/bonding.ko" max_bonds=0 ;;
	esac
}

# web CPUS ADDRESS PORT WORKERS: a lighttpd on these CPUs
web()
{
	local conf=/tmp/lighttpd.$3.conf

	cat > "$conf" <<-EOF
	server.document-root = "$WWW"
	server.bind = "$2"
	server.port = $3
	server.errorlog = "/tmp/lighttpd.$3.log"
	server.max-fds = 8192
	server.max-connections = 4096
	server.listen-backlog = 1024
	server.upload-dirs = ( "/tmp/upload" )
	server.max-worker = $4
	EOF
	# A session of its own: lighttpd ends by signalling its whole process group.
	setsid taskset -c "$1" lighttpd -D -f "$conf" &
	server_pids+=($!)
}

# listening PORT...: wait until these are listened to (10 s)
listening()
{
	local port i

	for port; do
		for ((i = 0; i < 100; i++)); do
			grep -q "$(printf ':%04X 00000000:0000 0A' "$port")" /proc/net/tcp && continue 2
			sleep 0.1
		done
		echo "nothing listens on port $port"
		return 1
	done
}

# The cable side, common to the rows with a bond
bonded() # N POLICY
{
	topo_switch "$1" || return 1
	topo_server "$1" balance-xor xmit_hash_policy "$2" || return 1
	[[ $(cat /sys/class/net/bond0/bonding/xmit_hash_policy) == "$2 "* ]] || return 1
	topo_irqs "$1" || return 1
	topo_carrier bond0 && topo_carrier bond0 ip netns exec sw || return 1
	topo_neighbours
	topo_warm
}

# One NIC, its interrupts on core 0, one server, one listener
row_ordinary()
{
	bonding_is stock || return 1
	topo_switch 1 || return 1
	ip link set srv0 up
	ip addr add "$TOPO_VIP/24" dev srv0
	topo_irqs 1 || return 1
	topo_carrier srv0 && topo_carrier bond0 ip netns exec sw || return 1
	topo_neighbours srv0
	topo_warm || return 1
	web "0-$(($1 - 1))" "$TOPO_VIP" 80 "$1"
	listening 80
}

# A NIC per core under the stock bond, one server, one listener
row_bond_l34()
{
	bonding_is stock || return 1
	bonded "$1" layer3+4 || return 1
	web "0-$(($1 - 1))" "$TOPO_VIP" 80 "$1"
	listening 80
}

# A lane per core: NIC, interrupt, listener, server, transmit NIC
row_lanes()
{
	local k port ports=()

	bonding_is ours || return 1
	modprobe percore || return 1
	bonded "$1" cpu-bound || return 1
	for ((k = 0; k < $1; k++)); do
		echo "$k" > "/sys/class/net/srv$k/bonding_slave/tx_cpus" || return 1
	done
	corelane nat add "$TOPO_VIP:80" --cpus "0-$(($1 - 1))" --ports 8000+16 || return 1
	for ((k = 0; k < $1; k++)); do
		port=$((8000 + 16 * k))
		web "$k" "$TOPO_VIP" "$port" "$workers"
		ports+=("$port")
	done
	listening "${ports[@]}"
}

# row_foreign_tx: packets so far that left by another core's NIC, where the
# bond counts them
row_foreign_tx()
{
	[[ $row == lanes ]] || return 0
	cat /sys/class/net/bond0/lower_srv*/bonding_slave/tx_cpu_stats |
		awk '$1 ~ /^[0-9]+$/ { sum += $4 } END { print sum + 0 }'
}

# row_migrated: packets of known connections that arrived on another CPU than
# their lane's, and packets that named a private port, where percore counts them
row_migrated()
{
	[[ $row == lanes ]] || return 0
	corelane nat stats --json | jq -r '"\([.stats[].migrated] | add) \([.stats[].dropped_direct] | add)"'
}

# row_modules: the modules this row is about, each with its file
row_modules()
{
	local dir

	dir=/lib/modules/$(uname -r)
	case $row in
	ordinary | bond-l34) echo "bonding $dir/kernel/drivers/net/bonding/bonding.ko" ;;
	lanes) printf '%s\n' "bonding $dir/updates/bonding.ko" "percore $dir/updates/percore.ko" ;;
	esac
}

# row_facts CORES: what this point ran with, for facts.json
row_facts()
{
	local module file irq

	# Not every module carries a srcversion; the file's digest always tells.
	while read -r module file; do
		printf '{"row": "%s", "module": "%s", "srcversion": "%s", "sha256": "%s"}\n' "$row" "$module" \
			"$(cat "/sys/module/$module/srcversion" 2> /dev/null)" \
			"$(sha256sum < "$file" | cut -d ' ' -f 1)"
	done < <(row_modules) >> /results/modules.jsonl
	for irq in $(sed -nE 's/^ *([0-9]+):.* srv[0-9]+(-[^ ]*)?$/\1/p' /proc/interrupts); do
		printf '{"row": "%s", "cores": %d, "irq": %d, "name": "%s", "cpus": "%s"}\n' "$row" "$1" "$irq" \
			"$(awk -v i="$irq:" '$1 == i { print $NF }' /proc/interrupts)" \
			"$(cat "/proc/irq/$irq/smp_affinity_list")"
	done > "/results/irqs-$row-$1.jsonl"
}

row_down()
{
	[[ ${#server_pids[@]} == 0 ]] || {
		kill "${server_pids[@]}" 2> /dev/null
		wait "${server_pids[@]}" 2> /dev/null
	}
	server_pids=()
	! grep -q '^percore ' /proc/modules || { corelane nat del "$TOPO_VIP:80" > /dev/null 2>&1; rmmod percore; }
	topo_down > /dev/null 2>&1
	rmmod bonding 2> /dev/null
}
