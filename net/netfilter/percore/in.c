// SPDX-License-Identifier: GPL-2.0
/*
 * A packet arrives: is it a service's? And what the methods share for TCP: a
 * socket goes with a packet.
 */
#include <linux/ip.h>
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
		dst = dst_check(dst, sk->sk_family == AF_INET6 ?
				     sk->sk_rx_dst_cookie : 0);
	if (dst && sk->sk_rx_dst_ifindex == skb->skb_iif)
		skb_dst_set_noref(skb, dst);
}

/**
 * percore_is_fragment6() - is it the first fragment of an IPv6 packet?
 * @svc: its service
 * @skb: packet, IPv6 header pulled and checked
 *
 * Context: softirq, RCU.
 * Return: true if it is, or if that cannot be told.
 */
bool percore_is_fragment6(const struct percore_service *svc,
			  const struct sk_buff *skb)
{
	struct percore_where where;

	return ipv6_hdr(skb)->nexthdr != svc->proto &&
	       (!percore_find6(skb, 0, &where) || where.fragment);
}

/* A packet arrives for a service's port. */
static unsigned int percore_in(struct sk_buff *skb,
			       const struct percore_slot *slot,
			       const struct nf_hook_state *state,
			       unsigned int thoff)
{
	struct percore_service *svc = slot->svc;
	u8 method = svc->method;

	if (unlikely(svc->former) && slot->lane == PERCORE_PUBLIC)
		method = percore_former_method(state->net, svc, skb, thoff);
	/* Method steer rewrites nothing: connection tracking may follow it. */
	if (method == PERCORE_METHOD_NAT)
		percore_untrack(skb);
	if (slot->lane != PERCORE_PUBLIC) {
		/* Nobody listens there: the lanes' listeners are inside. */
		if (method == PERCORE_METHOD_FRONT)
			return NF_ACCEPT;
		percore_count(svc, PERCORE_STAT_DROPPED_DIRECT);
		return NF_DROP;
	}
	/* A VRF runs this hook again with itself as the device, to which its
	 * sockets are bound.
	 */
	if (netif_is_l3_slave(state->in))
		return NF_ACCEPT;
	if (slot->svc->proto == IPPROTO_UDP)
		return percore_udp_in(skb, slot->svc, state->net, thoff);
	/* The stack drops it and counts it; do not lead it anywhere. */
	if (percore_tcp_hdr(skb, thoff)->doff < sizeof(struct tcphdr) / 4)
		return NF_ACCEPT;
	if (method != PERCORE_METHOD_NAT)
		return percore_steer_in(skb, svc, state->net, thoff);
	return percore_nat_in(skb, svc, state->net, thoff);
}

/**
 * percore_in4() - a packet over IPv4 arrives
 * @skb: packet, whole, IP header pulled and checked
 * @table: ports of this netns for its protocol
 * @state: the hook's
 * @len: length of a header of its protocol
 *
 * Context: softirq, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_in4(struct sk_buff *skb, const struct percore_table *table,
			 const struct nf_hook_state *state, unsigned int len)
{
	unsigned int thoff = ip_hdrlen(skb);
	const struct percore_slot *slot;

	/* Somebody at ingress has chosen the socket already. */
	if (skb->sk)
		return NF_ACCEPT;
	/* Nobody takes half a header. */
	if (!pskb_may_pull(skb, thoff + len))
		return NF_DROP;
	slot = percore_table_find(table, ip_hdr(skb)->daddr,
				  percore_ports_of(skb, thoff)->dest);
	return slot ? percore_in(skb, slot, state, thoff) : NF_ACCEPT;
}

/**
 * percore_in6() - a packet over IPv6 arrives
 * @skb: packet, IPv6 header pulled and checked; no later fragment
 * @table: ports of this netns for its protocol
 * @state: the hook's
 * @thoff: offset of the transport header from the network header
 * @len: length of that header
 *
 * Context: softirq, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_in6(struct sk_buff *skb, const struct percore_table *table,
			 const struct nf_hook_state *state, unsigned int thoff,
			 unsigned int len)
{
	const struct percore_slot *slot;

	if (skb->sk)
		return NF_ACCEPT;
	if (!pskb_may_pull(skb, thoff + len))
		return NF_DROP;
	slot = percore_table_find6(table, &ipv6_hdr(skb)->daddr,
				   percore_ports_of(skb, thoff)->dest);
	return slot ? percore_in(skb, slot, state, thoff) : NF_ACCEPT;
}
