#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The rows of the connection-rate bench: how each way to run a server is set
# up.  Sourced by bench.sh, after cables.sh and web.sh.  row_NAME CORES
# builds it and fails if any part is not as it should be; row_down undoes it.
#
# Private ports start at PORT_BASE.  Ports next to each other share cache lines
# of the kernel's hash of bound ports; 16 apart they do not.
#
# Rows -tuned have all that is known to help: ports 16 apart, a folder of files
# per core, no metrics kept of each client, and they send by CPU.

# bench.sh's arguments, with defaults for a reader of this file alone
: "${workers:=1}" "${row:=}"

PORT_BASE=8000

bench_prepare()
{
	# The run is IPv4; multicast reports and router solicitations, sent by
	# timers of any CPU, would show up among the packets that are counted.
	sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
	sysctl -qw net.core.somaxconn=4096 net.ipv4.tcp_max_syn_backlog=8192 \
		net.ipv4.tcp_max_tw_buckets=262144 net.core.netdev_max_backlog=8192
	web_root "$WWW"
}

tuned()
{
	sysctl -qw net.ipv4.tcp_no_metrics_save=1
}

# One server on all cores, one listening socket
web_shared() # N
{
	web "0-$(($1 - 1))" "$TOPO_VIP" 80 "$1"
	listening 1 80
}

# A server per core on a port of its own; with "roots", its own folder too; on
# the VIP if no other address is named
web_private() # N SPACING [roots] [ADDRESS]
{
	local k port ports=()

	for ((k = 0; k < $1; k++)); do
		port=$((PORT_BASE + $2 * k))
		web "$k" "${4:-$TOPO_VIP}" "$port" "$workers" "$(web_root_of "$k" "${3:-}")"
		ports+=("$port")
	done
	listening 1 "${ports[@]}"
}

# The public port's packets to the private port of the CPU they are on, and
# back, without connection tracking
nft_stateless() # N SPACING
{
	local map='' k

	for ((k = 0; k < $1; k++)); do
		map+="${map:+, }$k : $((PORT_BASE + $2 * k))"
	done
	nft -f - <<-EOF
	table ip lanes {
		chain in {
			type filter hook prerouting priority raw; policy accept;
			ip daddr $TOPO_VIP tcp dport 80 notrack tcp dport set meta cpu map { $map }
		}
		chain out {
			type filter hook output priority raw; policy accept;
			tcp sport $PORT_BASE-$((PORT_BASE + $2 * ($1 - 1))) notrack tcp sport set 80
		}
	}
	EOF
}

# One NIC, its interrupts on core 0
one_nic()
{
	bonding_is stock || return 1
	topo_switch 1 || return 1
	ip link set srv0 up
	ip addr add "$TOPO_VIP/24" dev srv0
	topo_irqs 1 || return 1
	topo_carrier srv0 && topo_carrier bond0 ip netns exec sw || return 1
	topo_neighbours srv0
	topo_warm
}

# The same, one server, one listener
row_ordinary()
{
	one_nic && web_shared "$1"
}

# A server per core behind percore, all of whose packets come to core 0
one_nic_lanes() # N OPTION...
{
	one_nic && modprobe percore || return 1
	corelane nat add "$TOPO_VIP:80" --method steer --cpus "0-$(($1 - 1))" --ports "$PORT_BASE+16" "${@:2}" || return 1
	web_private "$1" 16
}

row_one_nic_lanes()
{
	one_nic_lanes "$1"
}

row_one_nic_spill()
{
	one_nic_lanes "$1" --balance spill --mark 1
}

row_one_nic_busy()
{
	one_nic_lanes "$1" --balance spill --cpu-mark 80
}

# row_balance_ms: how long a row needs under load to find its balance, beside what
# all need
row_balance_ms()
{
	[[ $row == one-nic-busy ]] && echo 6000 || echo 0
}

# A NIC per core under the stock bond, packets sent in turn
row_bond_rr()
{
	bonding_is stock && bonded "$1" balance-rr && web_shared "$1"
}

# A NIC per core under the stock bond, packets sent by their flow's hash
row_bond_l34()
{
	bonding_is stock && bonded "$1" balance-xor layer3+4 && web_shared "$1"
}

# A server per core behind nftables
row_nft()
{
	bonding_is stock && bonded "$1" balance-xor layer3+4 && nft_stateless "$1" 1 && web_private "$1" 1
}

# The same, sending by CPU
row_nft_cpu()
{
	bonded_by_cpu "$1" && nft_stateless "$1" 1 && web_private "$1" 1
}

row_nft_tuned()
{
	tuned && bonded_by_cpu "$1" && nft_stateless "$1" 16 && web_private "$1" 16 roots
}

# One server for all cores: on a single one nothing chooses a listener
row_shared_tuned()
{
	tuned && bonded_by_cpu "$1" && web_shared "$1"
}

# A server per core behind xt_cpu and REDIRECT, which tracks connections
redirect() # N SPACING [roots]
{
	local k

	bonded_by_cpu "$1" || return 1
	modprobe nf_conntrack && sysctl -qw net.netfilter.nf_conntrack_max=1048576 || return 1
	for ((k = 0; k < $1; k++)); do
		iptables-legacy -t nat -A PREROUTING -d "$TOPO_VIP" -p tcp --dport 80 -m cpu --cpu "$k" \
			-j REDIRECT --to-ports $((PORT_BASE + $2 * k)) || return 1
	done
	web_private "$@"
}

row_redirect()
{
	redirect "$1" 1
}

row_redirect_tuned()
{
	tuned && redirect "$1" 16 roots
}

# A server per core on private ports, and a BPF program that looks its listener
# up by CPU: nothing is rewritten
SK_LOOKUP=/sys/fs/bpf/sklookup
row_sklookup_tuned()
{
	local k

	tuned && bonded_by_cpu "$1" && web_private "$1" 16 roots || return 1
	mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf || return 1
	mkdir -p "$SK_LOOKUP" && sklookup attach "$SK_LOOKUP" "$TOPO_VIP" 80 "$1" || return 1
	for ((k = 0; k < $1; k++)); do
		# shellcheck disable=SC2154  # server_pids is of web.sh
		sklookup add "$SK_LOOKUP" "$k" "${server_pids[k]}" || return 1
	done
}

# A listener per core without NAT, for servers that take one
reuseport() # N [roots]
{
	local k

	for ((k = 0; k < $1; k++)); do
		web_activated "$k" "$TOPO_VIP" 80 "$(web_root_of "$k" "${2:-}")"
	done
	listening "$1" 80
}

# One way to receive and to serve, as many ways to send: the rows of the
# bonding bench
row_reuseport_rr()
{
	bonding_is stock && bonded "$1" balance-rr && reuseport "$1"
}

row_reuseport_l34()
{
	bonding_is stock && bonded "$1" balance-xor layer3+4 && reuseport "$1"
}

row_reuseport_team()
{
	teamed "$1" && reuseport "$1"
}

row_reuseport_skbedit()
{
	bonded_by_queue "$1" && queue_by_skbedit "$1" && reuseport "$1"
}

row_reuseport_bpf()
{
	bonded_by_queue "$1" && queue_by_program && reuseport "$1"
}

row_reuseport()
{
	bonded_by_cpu "$1" && reuseport "$1"
}

row_reuseport_tuned()
{
	tuned && bonded_by_cpu "$1" && reuseport "$1" roots
}

# A lane per core: NIC, interrupt, listener, server, transmit NIC
lanes() # METHOD N [roots]
{
	local address=$TOPO_VIP

	[[ $1 != front ]] || address=127.0.0.1
	modprobe percore || return 1
	bonded_by_cpu "$2" || return 1
	corelane nat add "$TOPO_VIP:80" --method "$1" --cpus "0-$(($2 - 1))" --ports "$PORT_BASE+16" || return 1
	web_private "$2" 16 "${3:-}" "$address"
}

row_lanes()
{
	lanes nat "$1"
}

row_lanes_tuned()
{
	tuned && lanes nat "$1" roots
}

row_lanes_steer()
{
	lanes steer "$1"
}

row_lanes_steer_tuned()
{
	tuned && lanes steer "$1" roots
}

row_lanes_front()
{
	lanes front "$1"
}

row_lanes_front_tuned()
{
	tuned && lanes front "$1" roots
}

# row_foreign_tx: packets so far that left by another core's NIC, where the
# bond counts them
row_foreign_tx()
{
	compgen -G '/sys/class/net/bond0/lower_srv*/bonding_slave/tx_cpu_stats' > /dev/null || return 0
	cat /sys/class/net/bond0/lower_srv*/bonding_slave/tx_cpu_stats |
		awk '$1 ~ /^[0-9]+$/ { sum += $4 } END { print sum + 0 }'
}

# row_migrated: packets of known connections that arrived on another CPU than
# their lane's, and packets that named a private port, where percore counts them
row_migrated()
{
	[[ $row == lanes* || $row == one-nic-* ]] || return 0
	corelane nat stats --json | jq -r '"\([.stats[].migrated] | add) \([.stats[].dropped_direct] | add)"'
}

# row_balanced: how much leaves by now, where some may; the console's log keeps it
row_balanced()
{
	[[ $row != one-nic-busy ]] || corelane nat show
}

# row_modules: the modules this row is about, each with its file
row_modules()
{
	local dir module

	dir=/lib/modules/$(uname -r)
	for module in bonding percore nf_tables nf_conntrack team cls_bpf; do
		! grep -q "^$module " /proc/modules ||
			echo "$module $(modprobe --show-depends "$module" | sed -n 's/^insmod \([^ ]*\).*/\1/p' | tail -n 1)"
	done | case $row in
	# which of the two is a matter of the row, not of modprobe
	ordinary | one-nic-* | nft | *-rr | *-l34 | *-skbedit | *-bpf) sed "s|^bonding .*|bonding $dir/kernel/drivers/net/bonding/bonding.ko|" ;;
	*) sed "s|^bonding .*|bonding $dir/updates/bonding.ko|" ;;
	esac
}

# row_facts CORES: what this point ran with, for facts.json
row_facts()
{
	local module file

	# Not every module carries a srcversion; the file's digest always tells.
	while read -r module file; do
		printf '{"row": "%s", "module": "%s", "srcversion": "%s", "sha256": "%s"}\n' "$row" "$module" \
			"$(cat "/sys/module/$module/srcversion" 2> /dev/null)" \
			"$(sha256sum < "$file" | cut -d ' ' -f 1)"
	done < <(row_modules) >> /results/modules.jsonl
	awk -v row="$row" -v cores="$1" '$NF ~ /^srv[0-9]+(-.*)?$/ {
		irq = $1 + 0
		getline cpus < ("/proc/irq/" irq "/smp_affinity_list")
		printf "{\"row\": \"%s\", \"cores\": %d, \"irq\": %d, \"name\": \"%s\", \"cpus\": \"%s\"}\n",
			row, cores, irq, $NF, cpus
	}' /proc/interrupts > "/results/irqs-$row-$1.jsonl"
}

# filters_out: no filter module stays, as its hooks would cost the next row.
# One may hold another, so several rounds.
filters_out()
{
	local round modules

	nft flush ruleset 2> /dev/null
	for round in 1 2 3 4 5 6 7 8; do
		mapfile -t modules < <(awk '$1 ~ /^(percore|x_tables|ip_tables|iptable_|xt_|nft_|nf_|nfnetlink|team|cls_|act_|sch_ingress)/ && $3 == 0 { print $1 }' /proc/modules)
		[[ ${#modules[@]} -gt 0 ]] || break
		rmmod "${modules[@]}"
	done
	[[ $round != 8 ]]
}

row_down()
{
	web_stop
	rm -rf "$SK_LOOKUP"
	! grep -q '^percore ' /proc/modules || corelane nat del "$TOPO_VIP:80" > /dev/null 2>&1
	! grep -q '^iptable_nat ' /proc/modules || iptables-legacy -t nat -F
	filters_out || echo 'rows: a filter module does not go'
	topo_down > /dev/null 2>&1
	rmmod bonding 2> /dev/null
	# What connections leave behind slows the next row's.
	sysctl -qw net.ipv4.tcp_no_metrics_save=0
	ip tcp_metrics flush > /dev/null 2>&1
	ss -K state time-wait > /dev/null 2>&1
}
