// SPDX-License-Identifier: GPL-2.0
/*
 * Whose packet is this? A flow belongs to the lane that has its socket,
 * whichever CPU receives the packet; a flow without a socket goes to the lane
 * of this CPU, or to another lane where somebody listens.
 */
#include <linux/cpumask.h>
#include <linux/ip.h>
#include <linux/jhash.h>
#include <linux/jiffies.h>
#include <linux/tcp.h>
#include <net/inet_hashtables.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "percore_compat.h"
#include "percore.h"

/**
 * percore_flow_at() - find the socket of a flow by the port it is bound to
 * @net: netns
 * @svc: service
 * @tuple: the client's end
 * @port: port at this end
 *
 * Connected sockets, half-open ones and TIME_WAIT live in the same table.
 *
 * Context: softirq, RCU.
 * Return: socket with a reference that sock_gen_put() gives back, or NULL.
 */
struct sock *percore_flow_at(struct net *net, const struct percore_service *svc,
			     const struct percore_tuple *tuple, __be16 port)
{
	return __inet_lookup_established(net, tuple->addr, tuple->port,
					 svc->vip, ntohs(port), tuple->dif,
					 tuple->sdif);
}

/**
 * percore_flow_find() - find the socket of a flow of method nat
 * @net: netns
 * @svc: service
 * @tuple: the client's end
 * @own: lane to try first
 * @lane: result: the lane with the socket; @own when there is none
 *
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
	sk = percore_flow_at(net, svc, tuple, svc->lane[own].port);
	for (i = 0; !sk && i < svc->lanes; i++) {
		if (i == own)
			continue;
		sk = percore_flow_at(net, svc, tuple, svc->lane[i].port);
		if (sk)
			*lane = i;
	}
	return sk;
}

/**
 * percore_attach_listener() - let a listener go with a packet
 * @skb: packet that may carry one (percore_may_attach())
 * @sk: listener
 *
 * As one that a BPF program assigned at ingress does: not counted, alive under
 * RCU, dropped by sock_pfree().
 *
 * Context: softirq, RCU.
 */
void percore_attach_listener(struct sk_buff *skb, struct sock *sk)
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

	return __inet_lookup_listener(net, skb, thoff + __tcp_hdrlen(th),
				      iph->saddr, th->source, iph->daddr,
				      ntohs(port), skb->skb_iif,
				      inet_sdif(skb));
}

/* How many packets a CPU may look at again in a tick. */
#define PERCORE_LOOKS_PER_TICK	64

/**
 * percore_look_again() - may a packet that has no socket cost more searches?
 * @svc: service
 *
 * Few packets need that in earnest; a flood of strays must not get it. A
 * packet that is counted on the wrong CPU or not at all does no harm.
 *
 * Context: any.
 * Return: true for the first few packets of each tick.
 */
bool percore_look_again(const struct percore_service *svc)
{
	struct percore_stats *stats = raw_cpu_ptr(svc->stats);
	unsigned long now = jiffies;

	if (stats->look_tick != now) {
		stats->look_tick = now;
		stats->looks = 0;
	}
	if (stats->looks >= PERCORE_LOOKS_PER_TICK)
		return false;
	stats->looks++;
	return true;
}

#ifdef CONFIG_SYN_COOKIES
/* Is the packet the answer to a cookie that was sent from @port? Asked only
 * while the listener sends cookies, as the stack does.
 */
static bool percore_cookie_fits(const struct sock *sk,
				const struct sk_buff *skb, unsigned int thoff,
				__be16 port)
{
	struct tcphdr th = *(struct tcphdr *)(skb_network_header(skb) + thoff);

	th.dest = port;
	return !tcp_synq_no_recent_overflow(sk) &&
	       __cookie_v4_check(ip_hdr(skb), &th) > 0;
}
#else
static bool percore_cookie_fits(const struct sock *sk,
				const struct sk_buff *skb, unsigned int thoff,
				__be16 port)
{
	return false;
}
#endif

/**
 * percore_flow_cookie() - find the lane whose SYN cookie a packet returns
 * @net: netns
 * @svc: service
 * @skb: acknowledgment without a socket, headers pulled
 * @thoff: offset of its TCP header from the network header
 * @own: lane to try first
 * @lane: result: the lane that sent the cookie
 *
 * With method nat a cookie covers the private port, so it is good on one lane
 * alone, which is not this CPU's when the flow changed CPU in the middle of its
 * handshake. With method steer it is good on every lane that sends cookies.
 *
 * Context: softirq, RCU.
 * Return: that lane's listener, alive under RCU; NULL when no lane sent it.
 */
struct sock *percore_flow_cookie(struct net *net,
				 const struct percore_service *svc,
				 struct sk_buff *skb, unsigned int thoff,
				 u16 own, u16 *lane)
{
	struct sock *sk;
	__be16 port;
	u16 i;

	if (!READ_ONCE(net->ipv4.sysctl_tcp_syncookies))
		return NULL;
	*lane = own;
	for (i = 0; i < svc->lanes; i++) {
		sk = percore_listener(net, skb, thoff, svc->lane[*lane].port);
		port = svc->method == PERCORE_METHOD_STEER ?
		       svc->port : svc->lane[*lane].port;
		if (sk && percore_cookie_fits(sk, skb, thoff, port))
			return sk;
		*lane = *lane + 1 < svc->lanes ? *lane + 1 : 0;
	}
	return NULL;
}

/* The @attempt-th lane for a flow whose own lane is dead: the same for all
 * packets of the flow, any for different flows.
 */
static u16 percore_spread(const struct percore_service *svc,
			  const struct sk_buff *skb, unsigned int thoff,
			  u32 attempt)
{
	struct tcphdr *th = (void *)(skb_network_header(skb) + thoff);
	u32 hash = jhash_3words((__force u32)ip_hdr(skb)->saddr,
				(__force u16)th->source, attempt, svc->salt);

	return reciprocal_scale(hash, svc->lanes);
}

/* Lanes chosen by hash before all are tried in order. */
#define PERCORE_SPREAD_TRIES	8

/* A lane whose CPU is gone or that is drained has no share of its own. */
static bool percore_is_resting(const struct percore_lane *lane)
{
	return READ_ONCE(lane->drain) || !cpu_online(lane->cpu);
}

/**
 * struct percore_search - the search of a lane for a packet without a socket
 * @net: netns
 * @svc: service
 * @skb: packet
 * @thoff: offset of its TCP header from the network header
 * @resting: look at resting lanes alone, instead of at all others
 * @lane: the lane looked at last
 */
struct percore_search {
	struct net *net;
	const struct percore_service *svc;
	struct sk_buff *skb;
	unsigned int thoff;
	bool resting;
	u16 lane;
};

static struct sock *percore_try(struct percore_search *s, u16 lane)
{
	const struct percore_lane *l = &s->svc->lane[lane];

	s->lane = lane;
	if (percore_is_resting(l) != s->resting)
		return NULL;
	return percore_listener(s->net, s->skb, s->thoff, l->port);
}

/* Own lane, then some by hash so that a flow's packets agree and the flows
 * share the load, then all.
 */
static struct sock *percore_try_all(struct percore_search *s, u16 own)
{
	struct sock *sk;
	u32 i;

	sk = percore_try(s, own);
	for (i = 0; !sk && i < PERCORE_SPREAD_TRIES; i++)
		sk = percore_try(s, percore_spread(s->svc, s->skb, s->thoff,
						   i));
	for (i = 0; !sk && i < s->svc->lanes; i++)
		sk = percore_try(s, i);
	return sk;
}

/**
 * percore_flow_steer() - choose the lane of a packet that has no socket
 * @net: netns
 * @svc: service
 * @skb: packet to the service's public port, headers pulled
 * @thoff: offset of its TCP header from the network header
 * @own: this CPU's lane
 * @attach: let the listener go with the packet
 *
 * A drained lane, and one whose CPU is offline, takes part only when nobody
 * listens on any other: late service is better than a reset.
 *
 * Context: softirq, RCU.
 * Return: @own if somebody listens there, else one of the lanes where somebody
 * does, chosen by a hash of the flow so that they share the load evenly; if
 * there is none @own all the same, counted as refused: the stack answers with
 * the reset that a closed port deserves.
 */
u16 percore_flow_steer(struct net *net, const struct percore_service *svc,
		       struct sk_buff *skb, unsigned int thoff, u16 own,
		       bool attach)
{
	struct percore_search search = {
		.net = net,
		.svc = svc,
		.skb = skb,
		.thoff = thoff,
	};
	struct sock *sk;

	sk = percore_try_all(&search, own);
	if (!sk) {
		search.resting = true;
		sk = percore_try_all(&search, own);
	}
	if (sk) {
		if (attach)
			percore_attach_listener(skb, sk);
		if (search.lane != own)
			percore_count(svc, PERCORE_STAT_FALLBACK);
		return search.lane;
	}
	if (percore_tcp_hdr(skb, thoff)->syn)
		percore_count(svc, PERCORE_STAT_REFUSED);
	return own;
}
