// SPDX-License-Identifier: GPL-2.0
/*
 * Method nat: a TCP packet whose flow has no connection on this CPU's lane. Which lane
 * is it for, and what goes with it? (in.c has those that find theirs.)
 */
#include <linux/tcp.h>
#include <net/inet_hashtables.h>
#include <net/inet_timewait_sock.h>
#include <net/sock.h>

#include "percore.h"
#include "attach.h"

/* A packet without a socket: count what it is, and choose its lane. */
static u16 percore_nat_new(struct net *net, const struct percore_service *svc,
			   struct sk_buff *skb, unsigned int thoff, u16 own,
			   bool thorough)
{
	const struct tcphdr *th = percore_tcp_hdr(skb, thoff);
	bool attach = percore_may_attach(skb, svc->family);
	u16 lane;

	if (percore_is_first(th)) {
		percore_count(svc, PERCORE_STAT_NEW);
	} else if (percore_is_ack(th)) {
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

/* A packet's socket was found. */
static u16 percore_nat_known(struct net *net, const struct percore_service *svc,
			     struct sk_buff *skb, unsigned int thoff, u16 own,
			     u16 lane, struct sock *sk)
{
	if (lane == own) {
		percore_count(svc, PERCORE_STAT_LOCAL);
	} else {
		percore_count(svc, PERCORE_STAT_MIGRATED);
		percore_note_moved(svc);
	}
	percore_attach_if(net, skb, thoff, sk, svc->family);
	return lane;
}

/* Would a new connection come to a lane that takes none, because one of the same
 * client is in TIME_WAIT there?
 */
static bool percore_nat_is_left(struct net *net,
				const struct percore_service *svc,
				struct sk_buff *skb, unsigned int thoff,
				u16 lane, const struct sock *sk)
{
	const struct tcphdr *th = percore_tcp_hdr(skb, thoff);

	return percore_is_first(th) && percore_makes_room(sk, th) &&
	       percore_may_attach(skb, svc->family) &&
	       !percore_flow_takes(net, svc, skb, thoff, lane);
}

/* A packet's socket was found, and may be in TIME_WAIT. If it is that of a former
 * connection, on a lane that takes none, the new one goes to a lane as any other
 * does. The old one must go: on its lane's CPU it would be found first. Where nobody
 * listens it stays, and answers.
 */
static u16 percore_nat_rests(struct net *net, const struct percore_service *svc,
			     struct sk_buff *skb, unsigned int thoff, u16 own,
			     u16 lane, struct sock *sk)
{
	u16 other;

	if (!percore_nat_is_left(net, svc, skb, thoff, lane, sk))
		return percore_nat_known(net, svc, skb, thoff, own, lane, sk);
	percore_count(svc, PERCORE_STAT_NEW);
	other = percore_flow_steer(net, svc, skb, thoff, own, true);
	percore_make_room(inet_twsk(sk), skb->sk);
	return skb->sk ? other : lane;
}

/* What the packet is for has not been found, but @sk, which does not fit: on this CPU's
 * lane or another, with a reference. It may return a cookie. Nothing of a connection in
 * TIME_WAIT lies behind its end: on another lane, there was a newer one on this.
 */
static u16 percore_nat_unfit(struct net *net, const struct percore_service *svc,
			     struct sk_buff *skb, unsigned int thoff, u16 own,
			     u16 lane, bool thorough, struct sock *sk)
{
	const struct tcphdr *th = percore_tcp_hdr(skb, thoff);
	u16 home;

	if (lane != own && percore_makes_room(sk, th)) {
		sock_gen_put(sk);
		return percore_nat_new(net, svc, skb, thoff, own, thorough);
	}
	if (thorough && percore_is_ack(th) &&
	    percore_flow_cookie(net, svc, skb, thoff, own, &home)) {
		sock_gen_put(sk);
		percore_count(svc, PERCORE_STAT_COOKIE);
		return home;
	}
	return percore_nat_rests(net, svc, skb, thoff, own, lane, sk);
}

/* Look on the other lanes. @here is what this one has, with a reference, but does not
 * fit; or NULL.
 */
static u16 percore_nat_look(struct net *net, const struct percore_service *svc,
			    struct sk_buff *skb, unsigned int thoff, u16 own,
			    struct sock *here)
{
	const struct tcphdr *th = percore_tcp_hdr(skb, thoff);
	struct percore_tuple tuple;
	bool thorough = false;
	struct sock *sk;
	u16 lane;

	percore_tuple_of(svc, skb, thoff, &tuple);
	sk = percore_flow_beside(net, svc, &tuple, th, own, here, &lane);
	if (sk && percore_flow_fits(sk, th)) {
		if (here)
			percore_look_paid(svc, PERCORE_LOOK_UNFIT);
		return percore_nat_rests(net, svc, skb, thoff, own, lane, sk);
	}
	/* Between a request and the connection that it becomes, neither is
	 * hashed for an instant. On its own lane a flow would get over that,
	 * on another it would be reset; so look twice.
	 */
	if (!percore_is_first(th) && !(sk && th->rst) &&
	    percore_may_look(svc, PERCORE_LOOK_AGAIN)) {
		thorough = true;
		if (sk)
			sock_gen_put(sk);
		sk = percore_flow_find(net, svc, &tuple, th, own, &lane);
	}
	if (!sk)
		return percore_nat_new(net, svc, skb, thoff, own, thorough);
	if (!percore_flow_fits(sk, th))
		return percore_nat_unfit(net, svc, skb, thoff, own, lane,
					 thorough, sk);
	return percore_nat_rests(net, svc, skb, thoff, own, lane, sk);
}

/**
 * percore_nat_partly() - what this CPU's lane has is in TIME_WAIT, or does not fit
 * @net: netns
 * @svc: service
 * @skb: packet, TCP header writable
 * @thoff: offset of the TCP header from the network header
 * @own: this CPU's lane
 * @sk: what it has, with a reference that goes to the packet or is given back
 *
 * Resets that acknowledge nothing fit no request, and may come in floods; so looks that
 * are in vain are limited.
 *
 * Context: softirq, RCU.
 * Return: the packet's lane; its socket or listener is attached.
 */
u16 percore_nat_partly(struct net *net, const struct percore_service *svc,
		       struct sk_buff *skb, unsigned int thoff, u16 own,
		       struct sock *sk)
{
	if (percore_flow_fits(sk, percore_tcp_hdr(skb, thoff)) ||
	    !percore_may_look(svc, PERCORE_LOOK_UNFIT))
		return percore_nat_rests(net, svc, skb, thoff, own, own, sk);
	return percore_nat_look(net, svc, skb, thoff, own, sk);
}

/* Need a first packet not be looked for on other lanes, if somebody takes it? With Fast
 * Open it may have made a connection there, not just a request.
 */
static bool percore_nat_is_new(struct net *net,
			       const struct percore_service *svc,
			       const struct sk_buff *skb, unsigned int thoff)
{
	return percore_is_first(percore_tcp_hdr(skb, thoff)) &&
	       percore_is_settled(svc) &&
	       !percore_may_look(svc, PERCORE_LOOK_FIRST) &&
	       !(READ_ONCE(net->ipv4.sysctl_tcp_fastopen) & TFO_SERVER_ENABLE) &&
	       percore_may_attach(skb, svc->family);
}

/**
 * percore_nat_elsewhere() - a packet has no socket on this CPU's lane
 * @net: netns
 * @svc: service
 * @skb: packet, TCP header writable
 * @thoff: offset of the TCP header from the network header
 * @own: this CPU's lane
 *
 * Context: softirq, RCU.
 * Return: the packet's lane; its socket or listener is attached.
 */
u16 percore_nat_elsewhere(struct net *net, const struct percore_service *svc,
			  struct sk_buff *skb, unsigned int thoff, u16 own)
{
	struct sock *sk;
	u16 lane;

	if (!percore_nat_is_new(net, svc, skb, thoff))
		return percore_nat_look(net, svc, skb, thoff, own, NULL);
	sk = percore_flow_listener(net, svc, skb, thoff, own, &lane);
	/* Where nobody listens, what is in TIME_WAIT answers. */
	if (unlikely(!sk))
		return percore_nat_look(net, svc, skb, thoff, own, NULL);
	percore_count(svc, PERCORE_STAT_NEW);
	percore_attach_listener(skb, sk);
	return lane;
}
