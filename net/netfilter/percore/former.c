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

static bool percore_former_find(struct net *net,
				const struct percore_service *svc,
				const struct percore_tuple *tuple)
{
	struct sock *sk;
	u16 lane;

	if (svc->method == PERCORE_METHOD_NAT)
		sk = percore_flow_at(net, svc, tuple, svc->port);
	else
		sk = percore_flow_find(net, svc, tuple, percore_own_lane(svc),
				       &lane);
	if (sk)
		sock_gen_put(sk);
	return sk;
}

/**
 * percore_former_method() - by which method does this packet's flow live?
 * @net: netns
 * @svc: service that had another method before
 * @skb: packet to its public port, TCP header pulled
 * @thoff: offset of the TCP header from the network header
 *
 * One more search for each packet, or as many as there are lanes, for as long
 * as connections of the former method live.
 *
 * Context: softirq, RCU.
 * Return: enum percore_method.
 */
u8 percore_former_method(struct net *net, const struct percore_service *svc,
			 const struct sk_buff *skb, unsigned int thoff)
{
	u8 former = svc->method == PERCORE_METHOD_NAT ? PERCORE_METHOD_STEER
						      : PERCORE_METHOD_NAT;
	struct percore_tuple tuple;

	percore_tuple_of(svc, skb, thoff, &tuple);
	if (percore_former_find(net, svc, &tuple))
		return former;
	/* Between a request and its connection neither is hashed for an
	 * instant: look twice, or the present method resets it.
	 */
	if (!percore_is_first(percore_tcp_hdr(skb, thoff)) &&
	    percore_may_look(svc, PERCORE_LOOK_AGAIN) &&
	    percore_former_find(net, svc, &tuple))
		return former;
	return svc->method;
}
