// SPDX-License-Identifier: GPL-2.0
/*
 * Method nat for UDP: what happens to one datagram that arrives. One that
 * leaves is treated as TCP's are, in out.c.
 *
 * A server that makes a socket of its own for a client, connected to it, has
 * flows: a datagram that such a socket waits for goes to its lane, whichever
 * CPU receives it. Any other datagram is a flow by itself, as it is for the
 * server's socket, and goes to the lane of this CPU. Sockets do not go with
 * datagrams: the stack would note a new route at the socket for each that comes
 * in by another one.
 */
#include <linux/jiffies.h>
#include <linux/udp.h>
#include <net/inet_hashtables.h>
#include <net/ipv6.h>
#include <net/udp.h>

#include "percore_compat.h"
#include "percore.h"
#include "rewrite.h"

/**
 * percore_udp_at() - find the UDP socket that a datagram would get
 * @net: netns
 * @svc: service
 * @tuple: the client's end
 * @port: port at this end
 *
 * Context: softirq, RCU.
 * Return: socket, alive under RCU, or NULL.
 */
struct sock *percore_udp_at(struct net *net, const struct percore_service *svc,
			    const struct percore_tuple *tuple, __be16 port)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (svc->family == AF_INET6)
		return __udp6_lib_lookup(net, &tuple->addr.in6, tuple->port,
					 &svc->vip.in6, port, tuple->dif,
					 tuple->sdif, NULL);
#endif
	return __udp4_lib_lookup(net, tuple->addr.ip, tuple->port, svc->vip.ip,
				 port, tuple->dif, tuple->sdif, NULL);
}

static bool percore_udp_connected(const struct sock *sk)
{
	return sk && READ_ONCE(sk->sk_state) == TCP_ESTABLISHED;
}

/* How many sockets of a hash slot are looked at. */
#define PERCORE_UDP_LOOKS	16

/* May the lane have connected sockets? They are hashed by address and port,
 * as others are that are bound to both.
 */
static bool percore_udp_lane_connects(struct net *net,
				      const struct percore_service *svc,
				      u16 lane)
{
	u16 port = ntohs(svc->lane[lane].port);
	struct udp_hslot *slot;
	struct sock *sk;
	int looks = 0;
	u32 hash;

#if IS_ENABLED(CONFIG_IPV6)
	if (svc->family == AF_INET6)
		hash = ipv6_portaddr_hash(net, &svc->vip.in6, port);
	else
#endif
		hash = ipv4_portaddr_hash(net, svc->vip.ip, port);
	slot = udp_hashslot2(percore_udp_table(net), hash);
	udp_portaddr_for_each_entry_rcu(sk, &slot->head)
		if (percore_udp_connected(sk) || ++looks > PERCORE_UDP_LOOKS)
			return true;
	return false;
}

/* May any lane? Looked up once in a tick on each CPU: with a server that never
 * connects its sockets, a datagram asks no lane but its own.
 */
static bool percore_udp_connects(struct net *net,
				 const struct percore_service *svc)
{
	struct percore_stats *stats = raw_cpu_ptr(svc->stats);
	unsigned long now = jiffies;
	bool connects = false;
	u16 i;

	if (READ_ONCE(stats->udp_tick) == now)
		return READ_ONCE(stats->udp_connects);
	for (i = 0; !connects && i < svc->all; i++)
		connects = percore_udp_lane_connects(net, svc, i);
	WRITE_ONCE(stats->udp_connects, connects);
	WRITE_ONCE(stats->udp_tick, now);
	return connects;
}

/**
 * percore_udp_find() - find the lane with a socket that is connected to a client
 * @net: netns
 * @svc: service
 * @tuple: the client's end
 * @own: lane to try first
 * @lane: result: the lane with the socket; @own when there is none
 *
 * Context: softirq, RCU.
 * Return: true if there is one.
 */
bool percore_udp_find(struct net *net, const struct percore_service *svc,
		      const struct percore_tuple *tuple, u16 own, u16 *lane)
{
	u16 i;

	*lane = own;
	if (!percore_udp_connects(net, svc))
		return false;
	if (percore_udp_connected(percore_udp_at(net, svc, tuple,
						 svc->lane[own].port)))
		return true;
	for (i = 0; i < svc->all; i++) {
		if (i == own ||
		    !percore_udp_connected(percore_udp_at(net, svc, tuple,
							  svc->lane[i].port)))
			continue;
		*lane = i;
		return true;
	}
	return false;
}

/* May the socket, whose port is a lane's, send from the service's address? An
 * IPv6 socket may do so for an IPv4 service; a lane that is kept for nothing does
 * no harm.
 */
static bool percore_udp_serves(const struct percore_service *svc,
			       const struct sock *sk)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (svc->family == AF_INET6)
		return sk->sk_family == AF_INET6 &&
		       (ipv6_addr_any(&sk->sk_v6_rcv_saddr) ||
			ipv6_addr_equal(&sk->sk_v6_rcv_saddr, &svc->vip.in6));
#endif
	return !sk->sk_rcv_saddr || sk->sk_rcv_saddr == svc->vip.ip;
}

/**
 * percore_udp_bound() - has a private port a socket?
 * @net: netns
 * @svc: service
 * @port: port
 *
 * Any will do, connected or not: who knows what it still has to answer? Sockets
 * are looked for where the stack does when one is bound, by port alone and under
 * the same lock: one that is just being connected moves between the places that
 * go by the address as well.
 *
 * Context: any but hard interrupt.
 * Return: true if it has.
 */
bool percore_udp_bound(struct net *net, const struct percore_service *svc,
		       __be16 port)
{
	struct udp_hslot *slot = udp_hashslot(percore_udp_table(net), net,
					      ntohs(port));
	bool bound = false;
	struct sock *sk;

	spin_lock_bh(&slot->lock);
	sk_for_each(sk, &slot->head) {
		bound = net_eq(sock_net(sk), net) && sk->sk_num == ntohs(port) &&
			percore_udp_serves(svc, sk);
		if (bound)
			break;
	}
	spin_unlock_bh(&slot->lock);
	return bound;
}

/**
 * percore_udp_set_port() - replace a port of a datagram
 * @skb: datagram, UDP header writable
 * @thoff: offset of the UDP header from the network header
 * @port: the port, in that header
 * @to: what it becomes
 *
 * A checksum of 0 says that there is none, and one that is 0 is sent as all
 * ones (RFC 768).
 *
 * Context: any.
 */
void percore_udp_set_port(const struct sk_buff *skb, unsigned int thoff,
			  __be16 *port, __be16 to)
{
	struct udphdr *uh = (void *)percore_ports_of(skb, thoff);

	if (!uh->check && skb->ip_summed != CHECKSUM_PARTIAL) {
		*port = to;
		return;
	}
	percore_set_port(skb, port, to, &uh->check);
	if (!uh->check)
		uh->check = CSUM_MANGLED_0;
}

static u16 percore_udp_lane(struct net *net, const struct percore_service *svc,
			    struct sk_buff *skb, unsigned int thoff)
{
	u16 own = percore_own_lane(svc), lane;
	struct percore_tuple tuple;

	percore_tuple_of(svc, skb, thoff, &tuple);
	if (percore_udp_find(net, svc, &tuple, own, &lane)) {
		percore_count(svc, lane == own ? PERCORE_STAT_LOCAL
					       : PERCORE_STAT_MIGRATED);
		return lane;
	}
	percore_count(svc, PERCORE_STAT_NEW);
	return percore_flow_steer(net, svc, skb, thoff, own, false);
}

/**
 * percore_udp_in() - a datagram arrives for a service's public port
 * @skb: datagram, UDP header pulled
 * @svc: service
 * @net: netns
 * @thoff: offset of the UDP header from the network header
 *
 * Context: softirq, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_udp_in(struct sk_buff *skb,
			    const struct percore_service *svc, struct net *net,
			    unsigned int thoff)
{
	u16 lane;

	if (skb_ensure_writable(skb, thoff + sizeof(struct udphdr))) {
		percore_count(svc, PERCORE_STAT_DROPPED_NOMEM);
		return NF_DROP;
	}
	percore_count_fragments(svc, skb, svc->family);
	lane = percore_udp_lane(net, svc, skb, thoff);
	percore_udp_set_port(skb, thoff, &percore_ports_of(skb, thoff)->dest,
			     svc->lane[lane].port);
	return NF_ACCEPT;
}
