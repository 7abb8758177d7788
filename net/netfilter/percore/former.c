// SPDX-License-Identifier: GPL-2.0
/*
 * A service that has changed its method while connections live: those that the
 * former method made go on by it. They are told by where their socket is: with
 * nat at a lane's private port, with steer at the public one.
 */
#include <linux/tcp.h>
#include <net/inet_hashtables.h>
#include <net/sock.h>

#include "percore.h"

/* Does a flow live by method nat, or by one of the others? A first packet is not for
 * what is in TIME_WAIT and may make room: it begins a flow of the present method.
 */
static bool percore_lives(struct net *net, const struct percore_service *svc,
			  const struct percore_tuple *tuple,
			  const struct tcphdr *th, bool nat)
{
	struct sock *sk;
	bool lives;
	u16 lane;

	if (nat)
		sk = percore_flow_find(net, svc, tuple, th,
				       percore_own_lane(svc), &lane);
	else
		sk = percore_flow_at(net, svc, tuple, svc->port);
	if (!sk)
		return false;
	lives = !percore_is_first(th) || !percore_makes_room(sk, th);
	sock_gen_put(sk);
	return lives;
}

/**
 * percore_former_method() - by which method does this packet's flow live?
 * @net: netns
 * @svc: service that had another method before
 * @skb: packet to its public port, TCP header pulled
 * @thoff: offset of the TCP header from the network header
 *
 * The present one is asked first: what the former one left in TIME_WAIT has no say
 * in a newer connection. One more search for each packet, and for those of the
 * former method and first ones up to as many as there are lanes, for as long as
 * connections of that live.
 *
 * Context: softirq, RCU.
 * Return: enum percore_method.
 */
u8 percore_former_method(struct net *net, const struct percore_service *svc,
			 const struct sk_buff *skb, unsigned int thoff)
{
	u8 former = svc->method == PERCORE_METHOD_NAT ? PERCORE_METHOD_STEER
						      : PERCORE_METHOD_NAT;
	const struct tcphdr *th = percore_tcp_hdr(skb, thoff);
	bool nat = former == PERCORE_METHOD_NAT;
	struct percore_tuple tuple;

	percore_tuple_of(svc, skb, thoff, &tuple);
	if (percore_lives(net, svc, &tuple, th, !nat))
		return svc->method;
	if (percore_lives(net, svc, &tuple, th, nat))
		return former;
	/* Between a request and its connection neither is hashed for an
	 * instant: look twice, or the present method resets it.
	 */
	if (!percore_is_first(th) &&
	    percore_may_look(svc, PERCORE_LOOK_AGAIN) &&
	    percore_lives(net, svc, &tuple, th, nat))
		return former;
	return svc->method;
}
