#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The rows of the connection-rate bench and what is said of them.  How each is
# set up is in tools/lab/guest/rows.sh.  Sourced.

# shellcheck disable=SC2034  # for those who source this file
ALL_ROWS=(ordinary one-nic-lanes one-nic-spill one-nic-busy bond-rr bond-l34 nft reuseport-rr reuseport-l34 reuseport-team reuseport-skbedit reuseport-bpf
	nft-cpu nft-tuned redirect reuseport lanes lanes-tuned lanes-steer lanes-steer-tuned
	lanes-front lanes-front-tuned
	shared-tuned redirect-tuned reuseport-tuned sklookup-tuned)
# Rows that a stock kernel serves
STOCK_ROWS=(ordinary bond-rr bond-l34 nft reuseport-rr reuseport-l34 reuseport-team reuseport-skbedit reuseport-bpf)
# Rows that differ in how they send, and in nothing else
BONDING_ROWS=(reuseport-rr reuseport-l34 reuseport-team reuseport-skbedit reuseport-bpf reuseport)
# Rows that differ in how a connection finds its core's listener
LISTENER_ROWS=(shared-tuned nft-tuned redirect-tuned reuseport-tuned sklookup-tuned lanes-tuned lanes-steer-tuned
	lanes-front-tuned)
DEFAULT_ROWS_SIM=ordinary,bond-l34,reuseport,lanes
DEFAULT_ROWS_WALL=ordinary,bond-l34,lanes

list_rows()
{
	cat <<'EOF'
With what a stock kernel has:
ordinary       one NIC, its interrupt on core 0; one lighttpd with as many
               workers as cores; one listening socket
bond-rr        a NIC per core, each interrupt on its core, bonding balance-rr;
               one lighttpd, one listening socket
bond-l34       the same with bonding by layer3+4
nft            the same bond; a lighttpd per core, nftables sends each core's
               packets to its own, without connection tracking
reuseport-l34  the same bond; a listening socket per core (SO_REUSEPORT and
               SO_INCOMING_CPU), so for servers that take one
reuseport-rr   the same servers behind bonding balance-rr
reuseport-team the same servers behind a team, mode loadbalance, whose hash is
               the sending CPU's number (classic BPF)
reuseport-skbedit  the same behind the stock bond with a queue_id a slave, which
               tc chooses by the CPU: classic BPF and the action skbedit
reuseport-bpf  the same, the queue written by one BPF program

One NIC as well, so that all packets come to core 0; a lighttpd per core behind
percore, method steer:
one-nic-lanes  each connection stays on core 0
one-nic-spill  some leave while 1 % or more of the queue there is full
one-nic-busy   some leave while core 0 is busy for more than 80 % of the time

With our bonding (xmit_hash_policy=cpu-bound):
nft-cpu        nft, sending by CPU
redirect       xt_cpu and REDIRECT, which tracks connections
reuseport      reuseport-l34, sending by CPU
lanes          percore's port NAT: a NIC, interrupt, listening socket, lighttpd
               and transmit NIC per core, for any server
lanes-steer    the same with percore's method steer, which rewrites nothing
lanes-front    the same with percore's method front: nor looks at packets

The same tuned: ports 16 apart, a folder of files per core, no metrics kept of
each client, sending by CPU:
nft-tuned, redirect-tuned, reuseport-tuned, lanes-tuned, lanes-steer-tuned,
lanes-front-tuned
shared-tuned   one lighttpd, one listening socket (one folder)
sklookup-tuned a lighttpd per core, a BPF program at sk_lookup that gives a
               connection to the listener of its CPU
EOF
}
