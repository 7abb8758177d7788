// SPDX-License-Identifier: GPL-2.0
/*
 * What both methods do with a TCP packet: find out whether it is a service's,
 * and let a socket go with it.
 */
#include <linux/ip.h>
#include <linux/netfilter_bridge.h>
#include <linux/tcp.h>
#include <net/inet_hashtables.h>
#include <net/ip.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "percore.h"

/* A request becomes a connection with the packet that acknowledges it. Behind
 * that one, in the same batch of a NIC, may be the first data, which comes here
 * before the request has become anything. Bound to the request it would make a
 * second connection for nothing; the stack finds the first when its turn comes.
 */
static bool percore_ends_handshake(const struct sk_buff *skb,
				   unsigned int thoff)
{
	const struct tcphdr *th = percore_tcp_hdr(skb, thoff);

	return percore_is_ack(th) &&
	       skb->len - skb_network_offset(skb) == thoff + th->doff * 4;
}

/**
 * percore_attach() - let the socket go with its packet
 * @net: netns
 * @skb: packet that may carry one (percore_may_attach())
 * @thoff: offset of its TCP header from the network header
 * @sk: socket, with a reference that goes to the packet or is given back
 *
 * As early demultiplexing would do a moment later; with the socket's route if
 * that fits. The user can switch the latter off, and we respect that.
 *
 * Context: softirq, RCU.
 */
void percore_attach(struct net *net, struct sk_buff *skb, unsigned int thoff,
		    struct sock *sk)
{
	struct dst_entry *dst;

	if (sk->sk_state == TCP_NEW_SYN_RECV &&
	    !percore_ends_handshake(skb, thoff)) {
		sock_gen_put(sk);
		return;
	}
	skb->sk = sk;
	skb->destructor = sock_edemux;
	if (!sk_fullsock(sk) || skb_dst(skb) ||
	    !READ_ONCE(net->ipv4.sysctl_ip_early_demux) ||
	    !READ_ONCE(net->ipv4.sysctl_tcp_early_demux))
		return;
	dst = rcu_dereference(sk->sk_rx_dst);
	if (dst)
		dst = dst_check(dst, 0);
	if (dst && sk->sk_rx_dst_ifindex == skb->skb_iif)
		skb_dst_set_noref(skb, dst);
}

/**
 * percore_may_attach() - may a socket go with this packet?
 * @skb: packet
 *
 * Context: softirq, RCU.
 * Return: false for one that a bridge passes through netfilter, which may
 * leave by another port, for one that is not for this host, and for a
 * fragment.
 */
bool percore_may_attach(const struct sk_buff *skb)
{
	return skb->pkt_type == PACKET_HOST && !nf_bridge_in_prerouting(skb) &&
	       !ip_is_fragment(ip_hdr(skb));
}

/**
 * percore_tcp_in() - a TCP packet arrives
 * @skb: packet, IP header pulled and checked
 * @table: ports of this netns
 * @state: the hook's
 *
 * Context: softirq, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_tcp_in(struct sk_buff *skb,
			    const struct percore_table *table,
			    const struct nf_hook_state *state)
{
	unsigned int thoff = ip_hdrlen(skb);
	const struct percore_slot *slot;
	const struct tcphdr *th;

	/* Somebody at ingress has chosen the socket already. */
	if (skb->sk)
		return NF_ACCEPT;
	/* The ports are in the first fragment. Fragments get here only past
	 * defragmentation (rules can make it look away), and go together at
	 * local delivery.
	 */
	if (ip_hdr(skb)->frag_off & htons(IP_OFFSET))
		return NF_ACCEPT;
	/* Nobody takes half a TCP header, unless it is a fragment that got
	 * past defragmentation and would be put together behind us.
	 */
	if (!pskb_may_pull(skb, thoff + sizeof(*th)))
		return NF_DROP;
	th = percore_tcp_hdr(skb, thoff);
	slot = percore_table_find(table, ip_hdr(skb)->daddr, th->dest);
	if (!slot)
		return NF_ACCEPT;
	/* Method steer rewrites nothing: connection tracking may follow it. */
	if (slot->svc->method == PERCORE_METHOD_NAT)
		percore_untrack(skb);
	/* A VRF runs this hook again with itself as the device, to which its
	 * sockets are bound.
	 */
	if (netif_is_l3_slave(state->in))
		return NF_ACCEPT;
	if (slot->lane != PERCORE_PUBLIC) {
		percore_count(slot->svc, PERCORE_STAT_DROPPED_DIRECT);
		return NF_DROP;
	}
	/* The stack drops it and counts it; do not lead it anywhere. */
	if (th->doff < sizeof(*th) / 4)
		return NF_ACCEPT;
	if (slot->svc->method == PERCORE_METHOD_STEER)
		return percore_steer_in(skb, slot->svc, state->net, thoff);
	return percore_nat_in(skb, slot->svc, state->net, thoff);
}
