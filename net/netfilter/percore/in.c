// SPDX-License-Identifier: GPL-2.0
/*
 * A packet arrives: is it a service's? And what nearly every packet of method nat
 * then finds: its socket, on this CPU's lane.
 *
 * With nat the destination port becomes the private port of the flow's lane, and
 * the socket that was found goes with the packet, so that the stack need not look
 * for it again. All that is done for such a packet is one function, so that none
 * of it is spent on calls; the family and the protocol are constants in it.
 */
#include <linux/ip.h>
#include <linux/tcp.h>
#include <net/inet_hashtables.h>
#include <net/ip.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "percore_compat.h"
#include "percore.h"
#include "attach.h"
#include "rewrite.h"

/* The first byte of an IPv4 header without options, which nearly all are. */
#define PERCORE_SHORT_IP4	0x45

/* A TCP packet over IPv4, where no service rewrites ports: need we not look at it? Only a
 * connection's first packet and what may return a SYN cookie are of interest. The
 * stack finds the socket of every other by itself, and a private port that lets no
 * first packet pass has none. What remains is few instructions for each packet of an
 * established connection.
 */
static __always_inline bool percore_is_plain4(const struct percore_net *pn,
					      const struct sk_buff *skb,
					      unsigned int thoff)
{
	return skb_headlen(skb) >= thoff + sizeof(struct tcphdr) &&
	       !percore_tcp_hdr(skb, thoff)->syn &&
	       !percore_cookies_recent(pn);
}

/* The socket of a packet's flow on this CPU's lane. */
static __always_inline struct sock *
percore_nat_own(struct net *net, const struct percore_service *svc,
		const struct sk_buff *skb, unsigned int thoff, __be16 port,
		u8 family)
{
	struct percore_tuple tuple;

	/* IPv4 need not put a tuple together. */
	if (family == AF_INET)
		return __inet_lookup_established(net, ip_hdr(skb)->saddr,
						 percore_tcp_hdr(skb, thoff)->source,
						 svc->vip.ip, ntohs(port),
						 skb->skb_iif, inet_sdif(skb));
	percore_tuple_of(svc, skb, thoff, &tuple);
	return percore_flow_at(net, svc, &tuple, port);
}

/* The lane of a packet; its socket or listener is attached. */
static __always_inline u16
percore_nat_lane(struct net *net, const struct percore_service *svc,
		 struct sk_buff *skb, unsigned int thoff, u8 family)
{
	u16 own = percore_own_lane(svc);
	struct sock *sk;

	sk = percore_nat_own(net, svc, skb, thoff, svc->lane[own].port, family);
	if (unlikely(!sk))
		return percore_nat_elsewhere(net, svc, skb, thoff, own);
	if (unlikely(sk->sk_state == TCP_TIME_WAIT ||
		     !percore_flow_fits(sk, percore_tcp_hdr(skb, thoff))))
		return percore_nat_partly(net, svc, skb, thoff, own, sk);
	percore_count(svc, PERCORE_STAT_LOCAL);
	percore_attach_if(net, skb, thoff, sk, family);
	return own;
}

/* A TCP packet arrives for the public port of a service with method nat. */
static __always_inline unsigned int
percore_nat_in(struct sk_buff *skb, const struct percore_service *svc,
	       struct net *net, unsigned int thoff, u8 family)
{
	struct tcphdr *th;
	u16 lane;

	/* Before the search: nothing is held yet that a failure would leak.
	 * It may also move the header.
	 */
	if (!percore_make_writable(skb, thoff + sizeof(*th))) {
		percore_count(svc, PERCORE_STAT_DROPPED_NOMEM);
		return NF_DROP;
	}
	percore_count_fragments(svc, skb, family);
	lane = percore_nat_lane(net, svc, skb, thoff, family);
	th = percore_tcp_hdr(skb, thoff);
	percore_set_port(skb, &th->dest, svc->lane[lane].port, &th->check);
	return NF_ACCEPT;
}

/* Nobody listens at a private port: the lanes' listeners are inside. */
static noinline unsigned int
percore_in_private(const struct percore_service *svc)
{
	if (svc->method == PERCORE_METHOD_FRONT)
		return NF_ACCEPT;
	percore_count(svc, PERCORE_STAT_DROPPED_DIRECT);
	return NF_DROP;
}

/* A packet arrives for a service's port. */
static __always_inline unsigned int
percore_in(struct sk_buff *skb, const struct percore_slot *slot,
	   const struct nf_hook_state *state, unsigned int thoff, u8 family,
	   u8 proto)
{
	struct percore_service *svc = slot->svc;
	u8 method = svc->method;

	if (unlikely(svc->former) && slot->lane == PERCORE_PUBLIC)
		method = percore_former_method(state->net, svc, skb, thoff);
	/* Method steer rewrites nothing: connection tracking may follow it. */
	if (method == PERCORE_METHOD_NAT)
		percore_untrack(skb);
	if (unlikely(slot->lane != PERCORE_PUBLIC))
		return percore_in_private(svc);
	/* A VRF runs this hook again with itself as the device, to which its
	 * sockets are bound.
	 */
	if (netif_is_l3_slave(state->in))
		return NF_ACCEPT;
	if (proto == IPPROTO_UDP)
		return percore_udp_in(skb, svc, state->net, thoff);
	/* The stack drops it and counts it; do not lead it anywhere. */
	if (percore_tcp_hdr(skb, thoff)->doff < sizeof(struct tcphdr) / 4)
		return NF_ACCEPT;
	if (method != PERCORE_METHOD_NAT)
		return percore_steer_in(skb, svc, state->net, thoff);
	return percore_nat_in(skb, svc, state->net, thoff, family);
}

/* A packet of TCP or UDP over IPv4 arrives, whole. */
static __always_inline unsigned int
percore_in4(struct sk_buff *skb, const struct percore_table *table,
	    const struct nf_hook_state *state, unsigned int thoff, u8 proto)
{
	const struct percore_slot *slot;

	/* Somebody at ingress has chosen the socket already. */
	if (!table || skb->sk)
		return NF_ACCEPT;
	/* Nobody takes half a header. */
	if (!pskb_may_pull(skb, thoff + percore_header_len(proto)))
		return NF_DROP;
	slot = percore_table_find(table, ip_hdr(skb)->daddr,
				  percore_ports_of(skb, thoff)->dest);
	return slot ? percore_in(skb, slot, state, thoff, AF_INET, proto)
		    : NF_ACCEPT;
}

/* TCP, without options of IP. Not inlined, as the next one: packets that are plain need no
 * stack frame for them.
 */
static noinline unsigned int percore_short4(const struct percore_table *table,
					    struct sk_buff *skb,
					    const struct nf_hook_state *state)
{
	return percore_in4(skb, table, state, sizeof(struct iphdr),
			   IPPROTO_TCP);
}

/* Anything. */
static noinline unsigned int percore_look4(const struct percore_net *pn,
					   struct sk_buff *skb,
					   const struct nf_hook_state *state)
{
	const struct percore_table *table;
	unsigned int thoff;

	if (unlikely(ip_is_fragment(ip_hdr(skb))) &&
	    !percore_gather4(skb, state))
		return NF_STOLEN;
	thoff = ip_hdrlen(skb);
	switch (ip_hdr(skb)->protocol) {
	case IPPROTO_TCP:
		table = rcu_dereference(pn->table[PERCORE_TCP4]);
		if (table && !table->nat && percore_is_plain4(pn, skb, thoff))
			return NF_ACCEPT;
		return percore_in4(skb, table, state, thoff, IPPROTO_TCP);
	case IPPROTO_UDP:
		return percore_in4(skb,
				   rcu_dereference(pn->table[PERCORE_UDP4]),
				   state, thoff, IPPROTO_UDP);
	case IPPROTO_ICMP:
		return percore_icmp_in4(skb, pn, state->net);
	}
	return NF_ACCEPT;
}

/**
 * percore_hook_in4() - a packet over IPv4 arrives
 * @priv: its netns's struct percore_net
 * @skb: packet, IP header pulled and checked
 * @state: the hook's
 *
 * Context: softirq, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_hook_in4(void *priv, struct sk_buff *skb,
			      const struct nf_hook_state *state)
{
	const struct percore_net *pn = priv;
	const struct percore_table *table;

	table = rcu_dereference(pn->table[PERCORE_TCP4]);
	if (*skb_network_header(skb) == PERCORE_SHORT_IP4 && table &&
	    ip_hdr(skb)->protocol == IPPROTO_TCP &&
	    !ip_is_fragment(ip_hdr(skb))) {
		if (table->nat)
			return percore_short4(table, skb, state);
		if (percore_is_plain4(pn, skb, sizeof(struct iphdr)))
			return NF_ACCEPT;
	}
	return percore_look4(pn, skb, state);
}

#if IS_ENABLED(CONFIG_IPV6)
/* A packet of TCP or UDP over IPv6 arrives, no later fragment. */
static __always_inline unsigned int
percore_in6(struct sk_buff *skb, const struct percore_table *table,
	    const struct nf_hook_state *state, unsigned int thoff, u8 proto)
{
	const struct percore_slot *slot;

	if (!table || skb->sk)
		return NF_ACCEPT;
	if (!pskb_may_pull(skb, thoff + percore_header_len(proto)))
		return NF_DROP;
	slot = percore_table_find6(table, &ipv6_hdr(skb)->daddr,
				   percore_ports_of(skb, thoff)->dest);
	return slot ? percore_in(skb, slot, state, thoff, AF_INET6, proto)
		    : NF_ACCEPT;
}

/**
 * percore_hook_in6() - a packet over IPv6 arrives
 * @priv: its netns's struct percore_net
 * @skb: packet, IPv6 header pulled and checked
 * @state: the hook's
 *
 * Context: softirq, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_hook_in6(void *priv, struct sk_buff *skb,
			      const struct nf_hook_state *state)
{
	const struct percore_net *pn = priv;
	struct percore_where where;

	if (!percore_find6(skb, 0, &where))
		return NF_ACCEPT;
	switch (where.proto) {
	case IPPROTO_TCP:
		return percore_in6(skb,
				   rcu_dereference(pn->table[PERCORE_TCP6]),
				   state, where.off, IPPROTO_TCP);
	case IPPROTO_UDP:
		return percore_in6(skb,
				   rcu_dereference(pn->table[PERCORE_UDP6]),
				   state, where.off, IPPROTO_UDP);
	case IPPROTO_ICMPV6:
		return where.fragment ? NF_ACCEPT :
		       percore_icmp_in6(skb, pn, state->net, where.off);
	}
	return NF_ACCEPT;
}
#endif
