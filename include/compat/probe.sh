#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# probe.sh KERNEL_BUILD_DIR [OUTPUT]: look into a kernel's headers and say
# what they offer, one "#define HAVE_..." a line.  Distributions backport, so
# a version number proves nothing; the header does.
#
# KERNEL_BUILD_DIR is what /lib/modules/RELEASE/build points to, or a kernel
# source tree.  With OUTPUT the file is replaced only when its text changes,
# so that an unchanged kernel rebuilds nothing.
set -eu

usage() {
	echo "usage: probe.sh KERNEL_BUILD_DIR [OUTPUT]" >&2
	exit 2
}

[ $# -ge 1 ] || usage
kdir=$1
output=${2:-}

# Debian keeps the shared headers beside the flavour's build directory and
# names them in the first line of its Makefile.
common=$(sed -n 's|^include \(.*\)/Makefile$|\1|p' "$kdir/Makefile" 2>/dev/null | head -n 1)
[ -n "$common" ] && [ -d "$common/include" ] || common=$kdir
if [ ! -f "$common/include/linux/module.h" ]; then
	echo "probe.sh: no kernel headers in $kdir: install linux-headers for this kernel, or name its build directory" >&2
	exit 1
fi

# probe NAME FILE REGEX: FILE, below include/, has a line that matches
probe() {
	if [ -f "$common/include/$2" ] && grep -Eq -- "$3" "$common/include/$2"; then
		echo "#define $1 1"
	fi
}

# Sort by module, then by name; say what the probe tells apart.
probes() {
	echo "/* SPDX-License-Identifier: GPL-2.0 */"
	echo "/* Written by include/compat/probe.sh; do not edit. */"

	# percore, pollnvme
	# workqueues: what is bound to no CPU is the default
	probe HAVE_SYSTEM_DFL_WQ linux/workqueue.h '^extern struct workqueue_struct \*system_dfl_wq;'

	# bonding
	# 6.17: sysfs: attributes with binary content are constant
	probe HAVE_CONST_BIN_ATTRIBUTE linux/sysfs.h '\(\*read\)\(.*const struct bin_attribute \*'

	# percore
	# 6.2: netlink: extended ACK with formatted messages
	probe HAVE_NL_SET_ERR_MSG_FMT linux/netlink.h "define NL_SET_ERR_MSG_ATTR_FMT"
	# 6.2: rcu: callbacks may be lazy unless told not to be
	probe HAVE_CALL_RCU_HURRY linux/rcupdate.h 'void call_rcu_hurry\('
	# 6.10: tcp: a reset has a reason
	probe HAVE_SK_RST_REASON net/request_sock.h 'enum sk_rst_reason reason'
	# tcp: who makes a connection may prepare it
	probe HAVE_OPT_CHILD_INIT net/inet_connection_sock.h '\(\*opt_child_init\)'
	# 6.19: net: addresses of sockets have a type that says nothing of their size
	probe HAVE_SOCKADDR_UNSIZED linux/net.h 'int kernel_bind\(struct socket \*sock, struct sockaddr_unsized'
	# 6.8: SYN cookies: the check reads the cookie from the header
	probe HAVE_COOKIE_CHECK_READS_ACK net/tcp.h '__cookie_v4_check\(const struct iphdr \*iph, const struct tcphdr \*th\)'
	# 6.2: udp: a network may have a table of its own
	probe HAVE_UDP_TABLE_OF_NETNS net/netns/ipv4.h 'struct udp_table[[:space:]]+\*udp_table;'
	# udp: lookups find the table by the network
	probe HAVE_UDP_LOOKUP_FINDS_TABLE net/udp.h 'int dif, int sdif, struct sk_buff \*skb\);'
	# 6.18: tcp: lookups find the table of sockets by the network
	probe HAVE_LOOKUP_FINDS_TABLE net/inet_hashtables.h 'return __inet_lookup_listener\(net, skb,'

	# pollnvme
	# Queue features are part of the limits (6.11).
	probe HAVE_BLK_FEAT_SYNCHRONOUS linux/blkdev.h '^#define BLK_FEAT_SYNCHRONOUS'
	# 6.12: block: another task may unfreeze what one has frozen, and says so
	probe HAVE_BLK_FREEZE_NON_OWNER linux/blk-mq.h '^void blk_freeze_queue_start_non_owner\('
	# 6.14: block: limits of a queue in use
	probe HAVE_LIMITS_COMMIT_FROZEN linux/blkdev.h '^int queue_limits_commit_update_frozen\('
	# 6.5: block: modes of opening have a type of their own
	probe HAVE_BLK_MODE_T linux/blkdev.h '^#define BLK_OPEN_READ[[:space:]]'
	# 6.11: nvme: bits of a status that are no code have names of their own
	probe HAVE_NVME_STATUS_DNR linux/nvme.h '^[[:space:]]*NVME_STATUS_DNR[[:space:]]*='
	# 6.13: timers: the function is given at setup
	probe HAVE_HRTIMER_SETUP linux/hrtimer.h '^(extern )?void hrtimer_setup\('
}

if [ -z "$output" ]; then
	probes
	exit 0
fi

tmp=$output.tmp.$$
trap 'rm -f "$tmp"' EXIT
probes > "$tmp"
cmp -s "$tmp" "$output" || mv "$tmp" "$output"
