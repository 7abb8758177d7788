// SPDX-License-Identifier: GPL-2.0
/*
 * Method nat: what happens to one TCP packet.
 *
 * In: the destination port becomes the private port of the flow's lane, and
 * the socket that was found goes with the packet, so that the stack need not
 * look for it again. Out: the source port becomes the public one.
 */
#include <linux/ip.h>
#include <linux/netfilter_bridge.h>
#include <linux/tcp.h>
#include <net/checksum.h>
#include <net/inet_hashtables.h>
#include <net/ip.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "percore.h"

static struct tcphdr *percore_tcp_hdr(const struct sk_buff *skb,
				      unsigned int thoff)
{
	return (struct tcphdr *)(skb_network_header(skb) + thoff);
}

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

/* A request becomes a connection with the packet that acknowledges it. Behind
 * that one, in the same batch of a NIC, may be the first data, which comes here
 * before the request has become anything. Bound to the request it would make a
 * second connection for nothing; the stack finds the first when its turn comes.
 */
static bool percore_ends_handshake(const struct sk_buff *skb,
				   unsigned int thoff)
{
	const struct tcphdr *th = percore_tcp_hdr(skb, thoff);

	return th->ack && !th->syn && !th->fin && !th->rst &&
	       skb->len - skb_network_offset(skb) == thoff + th->doff * 4;
}

/* Let the socket go with the packet, with the reference we hold, as early
 * demultiplexing would a moment later; with its route if that fits. The user
 * can switch the latter off, and we respect that.
 */
static void percore_attach(struct net *net, struct sk_buff *skb,
			   unsigned int thoff, struct sock *sk)
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

/* A packet that a bridge passes through netfilter may leave by another port,
 * and one that is not for this host will be dropped or forwarded: such a
 * packet carries no socket.
 */
static bool percore_may_attach(const struct sk_buff *skb)
{
	return skb->pkt_type == PACKET_HOST && !nf_bridge_in_prerouting(skb) &&
	       !ip_is_fragment(ip_hdr(skb));
}

static bool percore_is_first(const struct tcphdr *th)
{
	return th->syn && !th->ack;
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
	} else if (th->ack && !th->syn && !th->rst && !th->fin) {
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

static unsigned int percore_nat_service(struct sk_buff *skb,
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
 * percore_nat_in() - a TCP packet arrives
 * @skb: packet, IP header pulled and checked
 * @table: ports of this netns
 * @state: the hook's
 *
 * Context: softirq, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_nat_in(struct sk_buff *skb,
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
	return percore_nat_service(skb, slot->svc, state->net, thoff);
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
	if (!slot || slot->lane == PERCORE_PUBLIC) {
		/* A client on this host: its answers will be untracked, so its
		 * own packets must be.
		 */
		if (percore_table_find(table, ip_hdr(skb)->daddr, th->dest))
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
