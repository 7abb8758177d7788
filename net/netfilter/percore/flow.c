// SPDX-License-Identifier: GPL-2.0
/*
 * Whose packet is this? A flow belongs to the lane that has its socket,
 * whichever CPU receives the packet; a flow without a socket goes to the lane
 * of this CPU, or to the next lane where somebody listens.
 */
#include <linux/ip.h>
#include <linux/tcp.h>
#include <net/inet_hashtables.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "percore.h"

static struct sock *percore_established(struct net *net,
					const struct percore_service *svc,
					const struct percore_tuple *tuple,
					u16 lane)
{
	return __inet_lookup_established(net,
					 net->ipv4.tcp_death_row.hashinfo,
					 tuple->addr, tuple->port, svc->vip,
					 ntohs(svc->lane[lane].port),
					 tuple->dif, tuple->sdif);
}

/**
 * percore_flow_find() - find the socket of a flow
 * @net: netns
 * @svc: service
 * @tuple: the client's end
 * @own: lane to try first
 * @lane: result: the lane with the socket; @own when there is none
 *
 * Connected sockets, half-open ones and TIME_WAIT live in the same table.
 * A packet on its own lane costs one search; only a packet that belongs to
 * another lane, or to nobody, costs one per lane.
 *
 * Context: softirq, RCU.
 * Return: socket with a reference that sock_gen_put() gives back, or NULL.
 */
struct sock *percore_flow_find(struct net *net,
			       const struct percore_service *svc,
			       const struct percore_tuple *tuple, u16 own,
			       u16 *lane)
{
	struct sock *sk;
	u16 i;

	*lane = own;
	sk = percore_established(net, svc, tuple, own);
	for (i = 0; !sk && i < svc->lanes; i++) {
		if (i == own)
			continue;
		sk = percore_established(net, svc, tuple, i);
		if (sk)
			*lane = i;
	}
	return sk;
}

/* The listener goes with the packet, as one that a BPF program assigned at
 * ingress does: not counted, alive under RCU, dropped by sock_pfree().
 */
static void percore_attach_listener(struct sk_buff *skb, struct sock *sk)
{
	/* A listener that would need a reference is found again later. */
	if (sk_is_refcounted(sk))
		return;
	skb->sk = sk;
	skb->destructor = sock_pfree;
}

static struct sock *percore_listener(struct net *net, struct sk_buff *skb,
				     unsigned int thoff, __be16 port)
{
	const struct tcphdr *th = (void *)(skb_network_header(skb) + thoff);
	const struct iphdr *iph = ip_hdr(skb);

	return __inet_lookup_listener(net, net->ipv4.tcp_death_row.hashinfo,
				      skb, thoff + __tcp_hdrlen(th),
				      iph->saddr, th->source, iph->daddr,
				      ntohs(port), skb->skb_iif,
				      inet_sdif(skb));
}

/**
 * percore_flow_steer() - choose the lane of a packet that has no socket
 * @net: netns
 * @svc: service
 * @skb: packet to the service's public port, headers pulled
 * @thoff: offset of its TCP header from the network header
 * @attach: let the listener go with the packet
 *
 * Context: softirq, RCU.
 * Return: this CPU's lane if somebody listens there, else the next one where
 * somebody does, else this CPU's all the same, counted as refused: the stack
 * answers with the reset that a closed port deserves.
 */
u16 percore_flow_steer(struct net *net, const struct percore_service *svc,
		       struct sk_buff *skb, unsigned int thoff, bool attach)
{
	u16 own = svc->lane_of_cpu[smp_processor_id()];
	u16 lane = own;
	struct sock *sk;

	do {
		sk = percore_listener(net, skb, thoff, svc->lane[lane].port);
		if (sk) {
			if (attach)
				percore_attach_listener(skb, sk);
			if (lane != own)
				percore_count(svc, PERCORE_STAT_FALLBACK);
			return lane;
		}
		lane = lane + 1 < svc->lanes ? lane + 1 : 0;
	} while (lane != own);

	if (((struct tcphdr *)(skb_network_header(skb) + thoff))->syn)
		percore_count(svc, PERCORE_STAT_REFUSED);
	return own;
}
