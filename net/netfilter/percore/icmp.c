// SPDX-License-Identifier: GPL-2.0
/*
 * ICMP errors about our flows, of both families. An error quotes the IP header
 * and at least 8 bytes behind it of the packet that it is about: enough for the
 * ports (ICMPv6 quotes as much as fits).
 *
 * In: a router complains about a packet we sent; the quote says VIP:public
 * and must say the private port of the flow's lane, or the stack does not find
 * the socket (and path MTU discovery fails).
 * Out: we complain about a packet we received; the quote has the private port
 * and must say the public one, or the client does not find its socket.
 */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/checksum.h>
#include <net/inet_hashtables.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/sock.h>

#include "percore.h"

/* What is sure to be quoted of a transport header. */
#define PERCORE_QUOTE_LEN	8

/**
 * struct percore_quote - the packet that an ICMP error is about
 * @family: AF_INET or AF_INET6
 * @icmp: offset of the ICMP header from the network header
 * @l4: offset of the quoted transport header from the network header
 * @proto: its protocol
 * @saddr: its source address
 * @daddr: its destination address
 * @source: its source port
 * @dest: its destination port
 */
struct percore_quote {
	u8 family;
	u8 proto;
	unsigned int icmp;
	unsigned int l4;
	union nf_inet_addr saddr;
	union nf_inet_addr daddr;
	__be16 source;
	__be16 dest;
};

/* Read the quoted ports; false when they are not there. */
static bool percore_quote_ports(const struct sk_buff *skb,
				struct percore_quote *q)
{
	unsigned int off = skb_network_offset(skb) + q->l4;
	__be16 _ports[2];
	const __be16 *ports;

	if ((q->proto != IPPROTO_TCP && q->proto != IPPROTO_UDP) ||
	    skb->len < off + PERCORE_QUOTE_LEN)
		return false;
	ports = skb_header_pointer(skb, off, sizeof(_ports), _ports);
	if (!ports)
		return false;
	q->source = ports[0];
	q->dest = ports[1];
	return true;
}

/* Read the quote; false when there is none about a protocol of ours, or it is
 * cut short.
 */
static bool percore_quote_read4(const struct sk_buff *skb,
				struct percore_quote *q)
{
	unsigned int off = skb_network_offset(skb) + ip_hdrlen(skb);
	const struct icmphdr *icmph;
	const struct iphdr *iph;
	struct icmphdr _icmph;
	struct iphdr _iph;

	if (ip_is_fragment(ip_hdr(skb)))
		return false;
	icmph = skb_header_pointer(skb, off, sizeof(_icmph), &_icmph);
	if (!icmph || !icmp_is_err(icmph->type))
		return false;
	iph = skb_header_pointer(skb, off + sizeof(_icmph), sizeof(_iph),
				 &_iph);
	if (!iph || iph->version != 4 || iph->ihl < 5 ||
	    iph->frag_off & htons(IP_OFFSET))
		return false;
	q->family = AF_INET;
	q->proto = iph->protocol;
	q->saddr.ip = iph->saddr;
	q->daddr.ip = iph->daddr;
	q->icmp = ip_hdrlen(skb);
	q->l4 = q->icmp + sizeof(_icmph) + iph->ihl * 4;
	return percore_quote_ports(skb, q);
}

static bool percore_quote_read6(const struct sk_buff *skb, unsigned int thoff,
				struct percore_quote *q)
{
	unsigned int off = skb_network_offset(skb) + thoff;
	const struct icmp6hdr *icmph;
	const struct ipv6hdr *iph;
	struct percore_where where;
	struct icmp6hdr _icmph;
	struct ipv6hdr _iph;

	icmph = skb_header_pointer(skb, off, sizeof(_icmph), &_icmph);
	if (!icmph || icmph->icmp6_type & ICMPV6_INFOMSG_MASK)
		return false;
	iph = skb_header_pointer(skb, off + sizeof(_icmph), sizeof(_iph),
				 &_iph);
	if (!iph || iph->version != 6 ||
	    !percore_find6(skb, thoff + sizeof(_icmph), &where))
		return false;
	q->family = AF_INET6;
	q->proto = where.proto;
	q->saddr.in6 = iph->saddr;
	q->daddr.in6 = iph->daddr;
	q->icmp = thoff;
	q->l4 = where.off;
	return percore_quote_ports(skb, q);
}

/* Whose port is that? */
static const struct percore_slot *
percore_quote_find(const struct percore_net *pn, const struct percore_quote *q,
		   const union nf_inet_addr *addr, __be16 port)
{
	const struct percore_table *table;

	table = rcu_dereference(pn->table[percore_kind_of(q->family, q->proto)]);
	if (!table)
		return NULL;
	if (q->family == AF_INET6)
		return percore_table_find6(table, &addr->in6, port);
	return percore_table_find(table, addr->ip, port);
}

/* Where the quoted header's checksum is. */
static unsigned int percore_quote_check(const struct percore_quote *q)
{
	return q->l4 + (q->proto == IPPROTO_UDP ?
			offsetof(struct udphdr, check) :
			offsetof(struct tcphdr, check));
}

/* Replace the port at @off in the quote. The quoted header's checksum, if it is
 * there, follows the port; the ICMP checksum follows both. The sum over the
 * bytes of the whole packet stays, so CHECKSUM_COMPLETE stays right.
 */
static bool percore_quote_write(struct sk_buff *skb,
				const struct percore_quote *q,
				unsigned int off, __be16 to)
{
	unsigned int check = percore_quote_check(q);
	unsigned int nhoff = skb_network_offset(skb);
	unsigned int len = check + sizeof(__sum16);
	bool whole = skb->len >= nhoff + len;
	__sum16 *icmp_sum, *sum, old;
	__be16 *port, from;
	u8 *base;

	if (skb_ensure_writable(skb, nhoff + (whole ? len : q->l4 +
							    PERCORE_QUOTE_LEN)))
		return false;
	base = skb_network_header(skb);
	/* At the same place in both families' headers. */
	icmp_sum = (__sum16 *)(base + q->icmp +
			       offsetof(struct icmphdr, checksum));
	port = (__be16 *)(base + q->l4 + off);
	from = *port;
	*port = to;
	csum_replace2(icmp_sum, from, to);
	sum = (__sum16 *)(base + check);
	/* A datagram without a checksum is quoted without one. */
	if (whole && (*sum || q->proto == IPPROTO_TCP)) {
		old = *sum;
		csum_replace2(sum, from, to);
		csum_replace2(icmp_sum, (__force __be16)old,
			      (__force __be16)*sum);
	}
	return true;
}

/* The lane whose socket is to hear of an error. A datagram may have come from a
 * socket that is connected to nobody; any lane's will do then, for the route to
 * the client is what the error is about.
 */
static bool percore_icmp_lane(struct net *net,
			      const struct percore_service *svc,
			      const struct percore_tuple *tuple, u16 *lane)
{
	u16 own = percore_own_lane(svc);
	struct sock *sk;

	if (svc->proto == IPPROTO_UDP) {
		percore_udp_find(net, svc, tuple, own, lane);
		return true;
	}
	sk = percore_flow_find(net, svc, tuple, NULL, own, lane);
	if (!sk)
		return false;
	sock_gen_put(sk);
	return true;
}

/* An error about something that we sent. The CPU that receives it need not be
 * the one of the flow, so the flow is searched on every lane.
 */
static unsigned int percore_icmp_in(struct sk_buff *skb,
				    const struct percore_net *pn,
				    struct net *net,
				    const struct percore_quote *q)
{
	const struct percore_service *svc;
	const struct percore_slot *slot;
	struct percore_tuple tuple;
	u16 lane;

	slot = percore_quote_find(pn, q, &q->saddr, q->source);
	/* The sockets of method steer have the port that is quoted. */
	if (!slot || !percore_rewrites(slot->svc))
		return NF_ACCEPT;
	svc = slot->svc;
	/* What another method's connections have sent may be tracked. */
	if (!svc->former)
		percore_untrack(skb);
	if (netif_is_l3_slave(skb->dev))
		return NF_ACCEPT;
	/* No packet with a private port was ever sent. */
	if (slot->lane != PERCORE_PUBLIC) {
		percore_count(svc, PERCORE_STAT_DROPPED_DIRECT);
		return NF_DROP;
	}
	tuple.addr = q->daddr;
	tuple.port = q->dest;
	percore_iif(svc->family, skb, &tuple);
	/* Of no flow of ours: the stack finds nobody either. */
	if (!percore_icmp_lane(net, svc, &tuple, &lane))
		return NF_ACCEPT;
	percore_untrack(skb);
	if (!percore_quote_write(skb, q, offsetof(struct percore_ports, source),
				 svc->lane[lane].port)) {
		percore_count(svc, PERCORE_STAT_DROPPED_NOMEM);
		return NF_DROP;
	}
	percore_count(svc, PERCORE_STAT_ICMP);
	return NF_ACCEPT;
}

/* An error about something that we received. */
static unsigned int percore_icmp_out(struct sk_buff *skb,
				     const struct percore_net *pn,
				     const struct percore_quote *q)
{
	const struct percore_slot *slot;

	slot = percore_quote_find(pn, q, &q->daddr, q->dest);
	if (!slot || !percore_rewrites(slot->svc))
		return NF_ACCEPT;
	percore_untrack(skb);
	if (slot->lane == PERCORE_PUBLIC)
		return NF_ACCEPT;
	if (!percore_quote_write(skb, q, offsetof(struct percore_ports, dest),
				 slot->svc->port)) {
		percore_count(slot->svc, PERCORE_STAT_DROPPED_NOMEM);
		return NF_DROP;
	}
	percore_count(slot->svc, PERCORE_STAT_ICMP);
	return NF_ACCEPT;
}

/**
 * percore_icmp_in4() - an ICMP packet arrives
 * @skb: packet, IP header pulled and checked
 * @pn: percore_pernet() of this netns
 * @net: netns
 *
 * Context: softirq, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_icmp_in4(struct sk_buff *skb, const struct percore_net *pn,
			      struct net *net)
{
	struct percore_quote q;

	return percore_quote_read4(skb, &q) ?
	       percore_icmp_in(skb, pn, net, &q) : NF_ACCEPT;
}

/**
 * percore_icmp_out4() - an ICMP packet leaves
 * @skb: packet, IP header pulled
 * @pn: percore_pernet() of this netns
 *
 * Context: softirq or process context, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_icmp_out4(struct sk_buff *skb,
			       const struct percore_net *pn)
{
	struct percore_quote q;

	return percore_quote_read4(skb, &q) ?
	       percore_icmp_out(skb, pn, &q) : NF_ACCEPT;
}

/**
 * percore_icmp_in6() - an ICMPv6 packet arrives
 * @skb: packet, IPv6 header pulled and checked; no fragment
 * @pn: percore_pernet() of this netns
 * @net: netns
 * @thoff: offset of the ICMPv6 header from the network header
 *
 * Context: softirq, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_icmp_in6(struct sk_buff *skb, const struct percore_net *pn,
			      struct net *net, unsigned int thoff)
{
	struct percore_quote q;

	return percore_quote_read6(skb, thoff, &q) ?
	       percore_icmp_in(skb, pn, net, &q) : NF_ACCEPT;
}

/**
 * percore_icmp_out6() - an ICMPv6 packet leaves
 * @skb: packet, IPv6 header pulled; no fragment
 * @pn: percore_pernet() of this netns
 * @thoff: offset of the ICMPv6 header from the network header
 *
 * Context: softirq or process context, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_icmp_out6(struct sk_buff *skb,
			       const struct percore_net *pn,
			       unsigned int thoff)
{
	struct percore_quote q;

	return percore_quote_read6(skb, thoff, &q) ?
	       percore_icmp_out(skb, pn, &q) : NF_ACCEPT;
}
