// SPDX-License-Identifier: GPL-2.0
/*
 * Nothing is rewritten, and a bridge shows its packets to netfilter.
 *
 * It does so before it is known whether a packet is for this host at all, and a
 * listener must not go with one that leaves by another port. What is for this host is
 * kept from that hook when it comes again. So where such a packet has been seen there
 * is a hook behind routing, too.
 */
#include <linux/ip.h>
#include <linux/netfilter_bridge.h>
#include <linux/tcp.h>
#include <net/ip.h>
#include <net/sock.h>

#include "percore.h"

/**
 * percore_late() - a packet arrives with which no listener may go
 * @skb: packet to the public port of a service of TCP
 * @svc: service
 * @net: netns
 *
 * Until the hook is there nobody answers: it will be sent again. Where there can be no
 * hook the stack answers.
 *
 * Context: any but hard interrupt, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_late(const struct sk_buff *skb,
			  const struct percore_service *svc, struct net *net)
{
	enum percore_family family = percore_family_of(svc->family);
	struct percore_net *pn = percore_pernet(net);

	/* One of method nat that has been of another: its connections live by that. */
	if (svc->method == PERCORE_METHOD_NAT || !nf_bridge_in_prerouting(skb) ||
	    READ_ONCE(pn->hooked_late[family]) || READ_ONCE(pn->late_failed))
		return NF_ACCEPT;
	WRITE_ONCE(pn->bridged, true);
	percore_hooks_ask(pn);
	return NF_DROP;
}

/* Has a packet been kept from the first hook, because a bridge has shown it there? */
static bool percore_was_bridged(const struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_BRIDGE_NETFILTER)
	const struct nf_bridge_info *bridge = nf_bridge_info_get(skb);

	return bridge && bridge->sabotage_in_done;
#else
	return false;
#endif
}

/* Is there a socket already? The stack has looked: what it has found in TIME_WAIT may
 * make room for a new connection, as long as nobody has chosen it on purpose.
 */
static bool percore_is_found(struct sk_buff *skb, const struct tcphdr *th)
{
	if (!skb->sk)
		return false;
	if (!percore_is_first(th) || skb->sk->sk_state != TCP_TIME_WAIT ||
	    skb_sk_is_prefetched(skb))
		return true;
	skb_orphan(skb);
	return false;
}

/* A packet has come through a bridge: to whom? What method nat has rewritten has a
 * private port by now.
 */
static unsigned int percore_late_in(struct sk_buff *skb,
				    const struct percore_slot *slot,
				    struct net *net, unsigned int thoff)
{
	const struct tcphdr *th = percore_tcp_hdr(skb, thoff);

	if (!slot || slot->lane != PERCORE_PUBLIC ||
	    slot->svc->method == PERCORE_METHOD_NAT ||
	    th->doff < sizeof(*th) / 4 || percore_is_found(skb, th))
		return NF_ACCEPT;
	return percore_steer_in(skb, slot->svc, net, thoff);
}

/**
 * percore_hook_late4() - a packet over IPv4 is for this host
 * @priv: its netns's struct percore_net
 * @skb: packet, whole
 * @state: the hook's
 *
 * Context: any but hard interrupt, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_hook_late4(void *priv, struct sk_buff *skb,
				const struct nf_hook_state *state)
{
	const struct percore_net *pn = priv;
	const struct percore_table *table;
	unsigned int thoff;

	if (!percore_was_bridged(skb) || ip_hdr(skb)->protocol != IPPROTO_TCP)
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
 * Context: any but hard interrupt, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_hook_late6(void *priv, struct sk_buff *skb,
				const struct nf_hook_state *state)
{
	const struct percore_net *pn = priv;
	const struct percore_table *table;
	struct percore_where where;

	if (!percore_was_bridged(skb) || !percore_find6(skb, 0, &where) ||
	    where.proto != IPPROTO_TCP)
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
