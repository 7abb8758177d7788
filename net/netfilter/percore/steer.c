// SPDX-License-Identifier: GPL-2.0
/*
 * Method steer: the listener of this CPU's lane goes with the first packet, as
 * TPROXY would assign it. Nothing is rewritten: the connection that the
 * listener makes has the public port, so the stack finds it by itself, on
 * whichever CPU its packets arrive, and nothing is left to do for them.
 *
 * But for one case. The acknowledgment that returns a SYN cookie belongs to no
 * socket, and no listener has the public port. So while listeners may be
 * sending cookies, acknowledgments are looked at too.
 */
#include <linux/ip.h>
#include <linux/tcp.h>
#include <net/inet_hashtables.h>
#include <net/inet_timewait_sock.h>
#include <net/ip.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "percore.h"
#include "attach.h"

/**
 * percore_note_cookies() - note that a listener may answer with a cookie
 * @net: netns
 *
 * The note is written once a second at most.
 *
 * Context: softirq, RCU.
 */
void percore_note_cookies(struct net *net)
{
	struct percore_net *pn = percore_pernet(net);
	unsigned long last = READ_ONCE(pn->cookies), now = jiffies | 1;

	if (!last || !time_in_range(now, last, last + HZ))
		WRITE_ONCE(pn->cookies, now);
}

/* Is the port pair free for a new connection? If not, the socket that has it
 * answers. *tw: the connection in TIME_WAIT that would have to make room, with a
 * reference.
 */
static bool percore_is_free(struct net *net, const struct percore_service *svc,
			    struct sk_buff *skb, unsigned int thoff,
			    struct inet_timewait_sock **tw)
{
	struct percore_tuple tuple;
	struct sock *sk;

	percore_tuple_of(svc, skb, thoff, &tuple);
	sk = percore_flow_at(net, svc, &tuple, svc->port);
	if (!sk)
		return true;
	if (!percore_makes_room(sk, percore_tcp_hdr(skb, thoff))) {
		sock_gen_put(sk);
		return false;
	}
	*tw = inet_twsk(sk);
	return true;
}

static void percore_steer_first(struct net *net,
				const struct percore_service *svc,
				struct sk_buff *skb, unsigned int thoff)
{
	struct inet_timewait_sock *tw = NULL;

	if (!percore_is_free(net, svc, skb, thoff, &tw))
		return;
	percore_count(svc, PERCORE_STAT_NEW);
	percore_flow_steer(net, svc, skb, thoff, percore_own_lane(svc), true);
	if (skb->sk && unlikely(percore_sends_cookies(net, skb->sk)))
		percore_note_cookies(net);
	if (unlikely(tw))
		percore_make_room(tw, skb->sk);
}

/* An acknowledgment, while cookies may be under way. */
static void percore_steer_ack(struct net *net,
			      const struct percore_service *svc,
			      struct sk_buff *skb, unsigned int thoff)
{
	u16 own = percore_own_lane(svc), lane;
	struct percore_tuple tuple;
	bool thorough = false;
	struct sock *sk;

	percore_tuple_of(svc, skb, thoff, &tuple);
	sk = percore_flow_at(net, svc, &tuple, svc->port);
	/* Between a request and its connection neither is hashed for an
	 * instant, and a listener would answer with a reset: look twice.
	 */
	if (!sk) {
		thorough = percore_may_look(svc, PERCORE_LOOK_AGAIN);
		if (thorough)
			sk = percore_flow_at(net, svc, &tuple, svc->port);
	}
	if (sk) {
		percore_attach(net, skb, thoff, sk, svc->family);
		return;
	}
	percore_count(svc, PERCORE_STAT_COOKIE);
	if (thorough)
		sk = percore_flow_cookie(net, svc, skb, thoff, own, &lane);
	if (sk)
		percore_attach_listener(skb, sk);
	else
		percore_flow_steer(net, svc, skb, thoff, own, true);
}

/**
 * percore_steer_in() - a TCP packet arrives for a service's public port
 * @skb: packet, TCP header pulled
 * @svc: service
 * @net: netns
 * @thoff: offset of the TCP header from the network header
 *
 * With method front the stack knows what to do with a first packet.
 *
 * Context: softirq, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_steer_in(struct sk_buff *skb,
			      const struct percore_service *svc,
			      struct net *net, unsigned int thoff)
{
	const struct tcphdr *th = percore_tcp_hdr(skb, thoff);

	if (percore_is_first(th)) {
		if (svc->method == PERCORE_METHOD_FRONT)
			return NF_ACCEPT;
		if (!percore_may_attach(skb, svc->family))
			return percore_late(skb, svc, net);
		percore_steer_first(net, svc, skb, thoff);
	} else if (unlikely(percore_cookies_recent(percore_pernet(net))) &&
		   percore_is_ack(th)) {
		if (!percore_may_attach(skb, svc->family))
			return percore_late(skb, svc, net);
		percore_steer_ack(net, svc, skb, thoff);
	}
	return NF_ACCEPT;
}
