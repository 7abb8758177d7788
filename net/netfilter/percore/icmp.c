// SPDX-License-Identifier: GPL-2.0
/*
 * ICMP errors about our flows. An error quotes the IP header and at least 8
 * bytes behind it of the packet that it is about: enough for the ports.
 *
 * In: a router complains about a packet we sent; the quote says VIP:public
 * and must say the private port of the flow's lane, or the stack does not find
 * the socket (and path MTU discovery fails).
 * Out: we complain about a packet we received; the quote has the private port
 * and must say the public one, or the client does not find its socket.
 */
#include <linux/icmp.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <net/checksum.h>
#include <net/inet_hashtables.h>
#include <net/ip.h>
#include <net/sock.h>

#include "percore.h"

/* What is sure to be quoted of a TCP header. */
#define PERCORE_QUOTE_LEN	8
/* What must be quoted for its checksum to be there. */
#define PERCORE_QUOTE_CHECK	(offsetof(struct tcphdr, check) + \
				 sizeof(__sum16))

/**
 * struct percore_quote - the packet that an ICMP error is about
 * @icmp: offset of the ICMP header from the network header
 * @tcp: offset of the quoted TCP header from the network header
 * @saddr: its source address
 * @daddr: its destination address
 * @source: its source port
 * @dest: its destination port
 */
struct percore_quote {
	unsigned int icmp;
	unsigned int tcp;
	__be32 saddr;
	__be32 daddr;
	__be16 source;
	__be16 dest;
};

/* Read the quote; false when there is none about TCP, or it is cut short. */
static bool percore_quote_read(const struct sk_buff *skb,
			       struct percore_quote *q)
{
	unsigned int nhoff = skb_network_offset(skb);
	const struct icmphdr *icmph;
	const struct iphdr *iph;
	struct icmphdr _icmph;
	struct iphdr _iph;
	__be16 _ports[2];
	const __be16 *ports;

	if (ip_is_fragment(ip_hdr(skb)))
		return false;
	q->icmp = ip_hdrlen(skb);
	icmph = skb_header_pointer(skb, nhoff + q->icmp, sizeof(_icmph),
				   &_icmph);
	if (!icmph || !icmp_is_err(icmph->type))
		return false;
	iph = skb_header_pointer(skb, nhoff + q->icmp + sizeof(_icmph),
				 sizeof(_iph), &_iph);
	if (!iph || iph->version != 4 || iph->ihl < 5 ||
	    iph->protocol != IPPROTO_TCP ||
	    iph->frag_off & htons(IP_OFFSET))
		return false;
	q->saddr = iph->saddr;
	q->daddr = iph->daddr;
	q->tcp = q->icmp + sizeof(_icmph) + iph->ihl * 4;
	if (skb->len < nhoff + q->tcp + PERCORE_QUOTE_LEN)
		return false;
	ports = skb_header_pointer(skb, nhoff + q->tcp, sizeof(_ports), _ports);
	if (!ports)
		return false;
	q->source = ports[0];
	q->dest = ports[1];
	return true;
}

/* Replace the port at @off in the quote. The quoted TCP checksum, if it is
 * there, follows the port; the ICMP checksum follows both. The sum over the
 * bytes of the whole packet stays, so CHECKSUM_COMPLETE stays right.
 */
static bool percore_quote_write(struct sk_buff *skb,
				const struct percore_quote *q,
				unsigned int off, __be16 to)
{
	bool check = skb->len >= skb_network_offset(skb) + q->tcp +
				 PERCORE_QUOTE_CHECK;
	unsigned int len = q->tcp + (check ? PERCORE_QUOTE_CHECK
					   : PERCORE_QUOTE_LEN);
	struct icmphdr *icmph;
	struct tcphdr *th;
	__be16 *port, from;
	__sum16 old;

	if (skb_ensure_writable(skb, skb_network_offset(skb) + len))
		return false;
	icmph = (struct icmphdr *)(skb_network_header(skb) + q->icmp);
	th = (struct tcphdr *)(skb_network_header(skb) + q->tcp);
	port = (__be16 *)((u8 *)th + off);
	from = *port;
	*port = to;
	csum_replace2(&icmph->checksum, from, to);
	if (check) {
		old = th->check;
		csum_replace2(&th->check, from, to);
		csum_replace2(&icmph->checksum, (__force __be16)old,
			      (__force __be16)th->check);
	}
	return true;
}

/**
 * percore_icmp_in() - an ICMP packet arrives
 * @skb: packet, IP header pulled and checked
 * @table: ports of this netns
 * @net: netns
 *
 * The CPU that receives the error need not be the one of the flow, so the
 * flow is searched on every lane.
 *
 * Context: softirq, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_icmp_in(struct sk_buff *skb,
			     const struct percore_table *table,
			     struct net *net)
{
	const struct percore_service *svc;
	const struct percore_slot *slot;
	struct percore_tuple tuple;
	struct percore_quote q;
	struct sock *sk;
	u16 lane;

	if (!percore_quote_read(skb, &q))
		return NF_ACCEPT;
	slot = percore_table_find(table, q.saddr, q.source);
	/* The sockets of method steer have the port that is quoted. */
	if (!slot || slot->svc->method != PERCORE_METHOD_NAT)
		return NF_ACCEPT;
	svc = slot->svc;
	percore_untrack(skb);
	if (netif_is_l3_slave(skb->dev))
		return NF_ACCEPT;
	/* No packet with a private port was ever sent. */
	if (slot->lane != PERCORE_PUBLIC) {
		percore_count(svc, PERCORE_STAT_DROPPED_DIRECT);
		return NF_DROP;
	}
	tuple = (struct percore_tuple){
		.addr = q.daddr,
		.port = q.dest,
		.dif = skb->skb_iif,
		.sdif = inet_sdif(skb),
	};
	sk = percore_flow_find(net, svc, &tuple, percore_own_lane(svc), &lane);
	/* Of no flow of ours: the stack finds nobody either. */
	if (!sk)
		return NF_ACCEPT;
	sock_gen_put(sk);
	if (!percore_quote_write(skb, &q, offsetof(struct tcphdr, source),
				 svc->lane[lane].port)) {
		percore_count(svc, PERCORE_STAT_DROPPED_NOMEM);
		return NF_DROP;
	}
	percore_count(svc, PERCORE_STAT_ICMP);
	return NF_ACCEPT;
}

/**
 * percore_icmp_out() - an ICMP packet leaves
 * @skb: packet, IP header pulled
 * @table: ports of this netns
 *
 * Context: softirq or process context, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_icmp_out(struct sk_buff *skb,
			      const struct percore_table *table)
{
	const struct percore_slot *slot;
	struct percore_quote q;

	if (!percore_quote_read(skb, &q))
		return NF_ACCEPT;
	slot = percore_table_find(table, q.daddr, q.dest);
	if (!slot || slot->svc->method != PERCORE_METHOD_NAT)
		return NF_ACCEPT;
	percore_untrack(skb);
	if (slot->lane == PERCORE_PUBLIC)
		return NF_ACCEPT;
	if (!percore_quote_write(skb, &q, offsetof(struct tcphdr, dest),
				 slot->svc->port)) {
		percore_count(slot->svc, PERCORE_STAT_DROPPED_NOMEM);
		return NF_DROP;
	}
	percore_count(slot->svc, PERCORE_STAT_ICMP);
	return NF_ACCEPT;
}
