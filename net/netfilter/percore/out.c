// SPDX-License-Identifier: GPL-2.0
/*
 * A packet leaves. With method nat its source port becomes the public one.
 *
 * All that is done for such a packet is one function, as for those that arrive.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <net/inet_hashtables.h>
#include <net/sock.h>

#include "percore.h"
#include "rewrite.h"

/* A private port whose packets leave with the public one. */
static bool percore_is_nat(const struct percore_slot *slot)
{
	return slot && slot->lane != PERCORE_PUBLIC &&
	       percore_rewrites(slot->svc);
}

/* The address is this host's, and not another one's that has the same service. */
static bool percore_stays_here(const struct sk_buff *skb)
{
	const struct net_device *dev = skb_dst(skb)->dev;

	return dev->flags & IFF_LOOPBACK || netif_is_l3_master(dev);
}

/* Is what a client on this host sends for a connection of the former method? That is
 * tracked, if anything is, and so are its answers.
 */
static bool percore_is_formers(const struct sk_buff *skb,
			       const struct percore_service *svc,
			       unsigned int thoff)
{
	const struct net_device *dev = skb_dst(skb)->dev;
	struct percore_tuple tuple = {
		.port = percore_ports_of(skb, thoff)->source,
		.dif = dev->ifindex,
	};
	struct sock *sk;
	bool lives;

	if (!svc->former)
		return false;
	if (svc->family == AF_INET6)
		tuple.addr.in6 = ipv6_hdr(skb)->saddr;
	else
		tuple.addr.ip = ip_hdr(skb)->saddr;
	sk = percore_flow_at(dev_net(dev), svc, &tuple, svc->port);
	if (!sk)
		return false;
	/* Beside one in TIME_WAIT there may be a new one of the present method. */
	lives = sk->sk_state != TCP_TIME_WAIT;
	sock_gen_put(sk);
	return lives;
}

/* A packet leaves that is not rewritten: must it be untracked all the same? Not
 * inlined, for the sake of those that are.
 */
static noinline unsigned int percore_nat_pass(struct sk_buff *skb,
					      const struct percore_slot *from,
					      const struct percore_slot *to,
					      unsigned int thoff)
{
	/* A VRF runs this hook again, and takes away what the first time left. */
	if (from && from->svc->method == PERCORE_METHOD_NAT &&
	    !from->svc->former && netif_is_l3_slave(skb_dst(skb)->dev))
		percore_untrack(skb);
	/* A client on this host: its answers will be untracked, so its own
	 * packets must be.
	 */
	else if (to && to->svc->method == PERCORE_METHOD_NAT &&
		 percore_stays_here(skb) &&
		 !percore_is_formers(skb, to->svc, thoff))
		percore_untrack(skb);
	return NF_ACCEPT;
}

/* A packet leaves whose source is @from. */
static __always_inline unsigned int
percore_nat_out(struct sk_buff *skb, const struct percore_slot *from,
		unsigned int thoff, u8 proto)
{
	struct percore_service *svc = from->svc;
	struct percore_ports *ports;

	if (!percore_make_writable(skb, thoff + percore_header_len(proto))) {
		percore_count(svc, PERCORE_STAT_DROPPED_NOMEM);
		return NF_DROP;
	}
	ports = percore_ports_of(skb, thoff);
	if (proto == IPPROTO_UDP)
		percore_udp_set_port(skb, thoff, &ports->source, svc->port);
	else
		percore_set_port(skb, &ports->source, svc->port,
				 &percore_tcp_hdr(skb, thoff)->check);
	percore_untrack(skb);
	percore_count(svc, PERCORE_STAT_OUT);
	return NF_ACCEPT;
}

/* A packet of TCP or UDP over IPv4 leaves. */
static __always_inline unsigned int
percore_out4(struct sk_buff *skb, const struct percore_table *table, u8 proto)
{
	unsigned int thoff = ip_hdrlen(skb);
	const struct percore_ports *ports;
	const struct percore_slot *from;

	if (!table || ip_hdr(skb)->frag_off & htons(IP_OFFSET))
		return NF_ACCEPT;
	if (!pskb_may_pull(skb, thoff + percore_header_len(proto)))
		return NF_ACCEPT;
	ports = percore_ports_of(skb, thoff);
	from = percore_table_find(table, ip_hdr(skb)->saddr, ports->source);
	if (percore_is_nat(from))
		return percore_nat_out(skb, from, thoff, proto);
	return percore_nat_pass(skb, from,
				percore_table_find(table, ip_hdr(skb)->daddr,
						   ports->dest), thoff);
}

/**
 * percore_hook_out4() - a packet over IPv4 leaves
 * @priv: its netns's struct percore_net
 * @skb: packet
 * @state: the hook's
 *
 * Context: softirq or process context, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_hook_out4(void *priv, struct sk_buff *skb,
			       const struct nf_hook_state *state)
{
	const struct percore_net *pn = priv;

	/* A raw socket may send less than a header, or a broken one. */
	if (!pskb_may_pull(skb, sizeof(struct iphdr)) || ip_hdr(skb)->ihl < 5)
		return NF_ACCEPT;
	switch (ip_hdr(skb)->protocol) {
	case IPPROTO_TCP:
		return percore_out4(skb,
				    rcu_dereference(pn->table[PERCORE_TCP4]),
				    IPPROTO_TCP);
	case IPPROTO_UDP:
		return percore_out4(skb,
				    rcu_dereference(pn->table[PERCORE_UDP4]),
				    IPPROTO_UDP);
	case IPPROTO_ICMP:
		return percore_icmp_out4(skb, pn);
	}
	return NF_ACCEPT;
}

#if IS_ENABLED(CONFIG_IPV6)
/* A packet of TCP or UDP over IPv6 leaves, no later fragment. */
static __always_inline unsigned int
percore_out6(struct sk_buff *skb, const struct percore_table *table,
	     unsigned int thoff, u8 proto)
{
	const struct percore_ports *ports;
	const struct percore_slot *from;

	if (!table || !pskb_may_pull(skb, thoff + percore_header_len(proto)))
		return NF_ACCEPT;
	ports = percore_ports_of(skb, thoff);
	from = percore_table_find6(table, &ipv6_hdr(skb)->saddr, ports->source);
	if (percore_is_nat(from))
		return percore_nat_out(skb, from, thoff, proto);
	return percore_nat_pass(skb, from,
				percore_table_find6(table,
						    &ipv6_hdr(skb)->daddr,
						    ports->dest), thoff);
}

/**
 * percore_hook_out6() - a packet over IPv6 leaves
 * @priv: its netns's struct percore_net
 * @skb: packet
 * @state: the hook's
 *
 * Context: softirq or process context, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_hook_out6(void *priv, struct sk_buff *skb,
			       const struct nf_hook_state *state)
{
	const struct percore_net *pn = priv;
	struct percore_where where;

	if (!pskb_may_pull(skb, sizeof(struct ipv6hdr)) ||
	    !percore_find6(skb, 0, &where))
		return NF_ACCEPT;
	switch (where.proto) {
	case IPPROTO_TCP:
		return percore_out6(skb,
				    rcu_dereference(pn->table[PERCORE_TCP6]),
				    where.off, IPPROTO_TCP);
	case IPPROTO_UDP:
		return percore_out6(skb,
				    rcu_dereference(pn->table[PERCORE_UDP6]),
				    where.off, IPPROTO_UDP);
	case IPPROTO_ICMPV6:
		return where.fragment ? NF_ACCEPT :
		       percore_icmp_out6(skb, pn, where.off);
	}
	return NF_ACCEPT;
}
#endif
