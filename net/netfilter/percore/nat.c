// SPDX-License-Identifier: GPL-2.0
/*
 * Method nat: what happens to one TCP packet.
 *
 * In: the destination port becomes the private port of the flow's lane, and
 * the socket that was found goes with the packet, so that the stack need not
 * look for it again. Out: the source port becomes the public one.
 */
#include <linux/ip.h>
#include <linux/tcp.h>
#include <net/checksum.h>
#include <net/inet_hashtables.h>
#include <net/ip.h>
#include <net/sock.h>

#include "percore.h"

/* Replace a port. It is covered by the TCP checksum but not by the pseudo
 * header, so:
 * - CHECKSUM_PARTIAL: the field holds the pseudo header's sum, still right;
 * - CHECKSUM_COMPLETE: the sum over the packet's bytes does not change, since
 *   the checksum moves against the port;
 * - otherwise only the field changes.
 */
static void percore_set_port(struct sk_buff *skb, struct tcphdr *th,
			     __be16 *port, __be16 to)
{
	if (skb->ip_summed != CHECKSUM_PARTIAL)
		csum_replace2(&th->check, *port, to);
	*port = to;
}

/* A packet without a socket: count what it is, and choose its lane. */
static u16 percore_nat_new(struct net *net, const struct percore_service *svc,
			   struct sk_buff *skb, unsigned int thoff, u16 own,
			   bool attach, bool thorough)
{
	const struct tcphdr *th = percore_tcp_hdr(skb, thoff);
	u16 lane;

	if (percore_is_first(th)) {
		percore_count(svc, PERCORE_STAT_NEW);
	} else if (percore_is_ack(th)) {
		/* The stack looks again, and may find what is just being
		 * hashed.
		 */
		attach = false;
		percore_count(svc, PERCORE_STAT_COOKIE);
		if (thorough &&
		    percore_flow_cookie(net, svc, skb, thoff, own, &lane))
			return lane;
	} else {
		/* No listener wants it; the stack answers as it must. */
		percore_count(svc, PERCORE_STAT_STRAY);
		return own;
	}
	return percore_flow_steer(net, svc, skb, thoff, own, attach);
}

/* The lane of a packet; its socket or listener is attached. */
static u16 percore_nat_lane(struct net *net, const struct percore_service *svc,
			    struct sk_buff *skb, unsigned int thoff)
{
	const struct percore_tuple tuple = {
		.addr = ip_hdr(skb)->saddr,
		.port = percore_tcp_hdr(skb, thoff)->source,
		.dif = skb->skb_iif,
		.sdif = inet_sdif(skb),
	};
	bool attach = percore_may_attach(skb);
	u16 own = percore_own_lane(svc), lane;
	bool thorough = false;
	struct sock *sk;

	sk = percore_flow_find(net, svc, &tuple, own, &lane);
	/* Between a request and the connection that it becomes, neither is
	 * hashed for an instant. On its own lane a flow would get over that,
	 * on another it would be reset; so look twice.
	 */
	if (!sk && !percore_is_first(percore_tcp_hdr(skb, thoff))) {
		thorough = percore_look_again(svc);
		if (thorough)
			sk = percore_flow_find(net, svc, &tuple, own, &lane);
	}
	if (!sk)
		return percore_nat_new(net, svc, skb, thoff, own, attach,
				       thorough);

	percore_count(svc, lane == own ? PERCORE_STAT_LOCAL
				       : PERCORE_STAT_MIGRATED);
	if (attach)
		percore_attach(net, skb, thoff, sk);
	else
		sock_gen_put(sk);
	return lane;
}

/**
 * percore_nat_in() - a TCP packet arrives for a service's public port
 * @skb: packet, TCP header pulled
 * @svc: service
 * @net: netns
 * @thoff: offset of the TCP header from the network header
 *
 * Context: softirq, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_nat_in(struct sk_buff *skb,
			    const struct percore_service *svc,
			    struct net *net, unsigned int thoff)
{
	struct tcphdr *th;
	u16 lane;

	/* Before the search: nothing is held yet that a failure would leak.
	 * It may also move the header.
	 */
	if (skb_ensure_writable(skb, thoff + sizeof(*th))) {
		percore_count(svc, PERCORE_STAT_DROPPED_NOMEM);
		return NF_DROP;
	}
	if (unlikely(IPCB(skb)->frag_max_size))
		percore_count(svc, PERCORE_STAT_FRAG);
	lane = percore_nat_lane(net, svc, skb, thoff);
	th = percore_tcp_hdr(skb, thoff);
	percore_set_port(skb, th, &th->dest, svc->lane[lane].port);
	return NF_ACCEPT;
}

/**
 * percore_nat_out() - a TCP packet leaves
 * @skb: packet, IP header pulled
 * @table: ports of this netns
 *
 * Context: softirq or process context, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_nat_out(struct sk_buff *skb,
			     const struct percore_table *table)
{
	unsigned int thoff = ip_hdrlen(skb);
	const struct percore_slot *slot;
	struct tcphdr *th;

	if (ip_hdr(skb)->frag_off & htons(IP_OFFSET))
		return NF_ACCEPT;
	if (!pskb_may_pull(skb, thoff + sizeof(*th)))
		return NF_ACCEPT;
	th = percore_tcp_hdr(skb, thoff);
	slot = percore_table_find(table, ip_hdr(skb)->saddr, th->source);
	if (!slot || slot->lane == PERCORE_PUBLIC ||
	    slot->svc->method != PERCORE_METHOD_NAT) {
		/* A client on this host: its answers will be untracked, so its
		 * own packets must be.
		 */
		slot = percore_table_find(table, ip_hdr(skb)->daddr, th->dest);
		if (slot && slot->svc->method == PERCORE_METHOD_NAT)
			percore_untrack(skb);
		return NF_ACCEPT;
	}
	if (skb_ensure_writable(skb, thoff + sizeof(*th))) {
		percore_count(slot->svc, PERCORE_STAT_DROPPED_NOMEM);
		return NF_DROP;
	}
	th = percore_tcp_hdr(skb, thoff);
	percore_set_port(skb, th, &th->source, slot->svc->port);
	percore_untrack(skb);
	percore_count(slot->svc, PERCORE_STAT_OUT);
	return NF_ACCEPT;
}
