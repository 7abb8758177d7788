// SPDX-License-Identifier: GPL-2.0
/*
 * Method steer, where a bridge shows its packets to netfilter.
 *
 * It does so before it is known whether a packet is for this host at all, and a
 * listener must not go with one that leaves by another port. What is for this host
 * does not come to that hook again. So where such a first packet has been seen there is
 * a hook behind routing, too.
 */
#include <linux/ip.h>
#include <linux/netfilter_bridge.h>
#include <linux/tcp.h>
#include <net/ip.h>

#include "percore.h"

/**
 * percore_late() - a first packet arrives with which no listener may go
 * @skb: packet to the public port of a service with method steer
 * @net: netns
 * @family: AF_INET or AF_INET6
 *
 * Until the hook is there nobody answers: it will be sent again.
 *
 * Context: softirq, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_late(const struct sk_buff *skb, struct net *net, u8 family)
{
	struct percore_net *pn = percore_pernet(net);

	if (!nf_bridge_in_prerouting(skb) ||
	    READ_ONCE(pn->hooked_late[percore_family_of(family)]))
		return NF_ACCEPT;
	WRITE_ONCE(pn->bridged, true);
	percore_fronts_look(pn);
	return NF_DROP;
}

/* A packet has come through a bridge: to whom? What method nat has rewritten has a
 * private port by now.
 */
static unsigned int percore_late_in(struct sk_buff *skb,
				    const struct percore_slot *slot,
				    struct net *net, unsigned int thoff)
{
	if (!slot || slot->lane != PERCORE_PUBLIC ||
	    slot->svc->method != PERCORE_METHOD_STEER ||
	    percore_tcp_hdr(skb, thoff)->doff < sizeof(struct tcphdr) / 4)
		return NF_ACCEPT;
	return percore_steer_in(skb, slot->svc, net, thoff);
}

/**
 * percore_hook_late4() - a packet over IPv4 is for this host
 * @priv: its netns's struct percore_net
 * @skb: packet, whole
 * @state: the hook's
 *
 * Context: softirq, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_hook_late4(void *priv, struct sk_buff *skb,
				const struct nf_hook_state *state)
{
	const struct percore_net *pn = priv;
	const struct percore_table *table;
	unsigned int thoff;

	if (!netif_is_bridge_master(state->in) || skb->sk ||
	    ip_hdr(skb)->protocol != IPPROTO_TCP)
		return NF_ACCEPT;
	table = rcu_dereference(pn->table[PERCORE_TCP4]);
	thoff = ip_hdrlen(skb);
	if (!table || !pskb_may_pull(skb, thoff + sizeof(struct tcphdr)))
		return NF_ACCEPT;
	return percore_late_in(skb,
			       percore_table_find(table, ip_hdr(skb)->daddr,
						  percore_tcp_hdr(skb, thoff)->dest),
			       state->net, thoff);
}

#if IS_ENABLED(CONFIG_IPV6)
/**
 * percore_hook_late6() - a packet over IPv6 is for this host
 * @priv: its netns's struct percore_net
 * @skb: packet
 * @state: the hook's
 *
 * Context: softirq, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_hook_late6(void *priv, struct sk_buff *skb,
				const struct nf_hook_state *state)
{
	const struct percore_net *pn = priv;
	const struct percore_table *table;
	struct percore_where where;

	if (!netif_is_bridge_master(state->in) || skb->sk ||
	    !percore_find6(skb, 0, &where) || where.proto != IPPROTO_TCP)
		return NF_ACCEPT;
	table = rcu_dereference(pn->table[PERCORE_TCP6]);
	if (!table || !pskb_may_pull(skb, where.off + sizeof(struct tcphdr)))
		return NF_ACCEPT;
	return percore_late_in(skb,
			       percore_table_find6(table, &ipv6_hdr(skb)->daddr,
						   percore_tcp_hdr(skb, where.off)->dest),
			       state->net, where.off);
}
#endif
