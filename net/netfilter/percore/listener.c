// SPDX-License-Identifier: GPL-2.0
/*
 * Who listens at a lane's private port?
 */
#include <linux/filter.h>
#include <linux/in.h>
#include <linux/rculist_nulls.h>
#include <linux/tcp.h>
#include <net/inet6_hashtables.h>
#include <net/inet_hashtables.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/sock.h>

#include "percore_compat.h"
#include "percore.h"

static u32 percore_hash_of(struct net *net, const struct percore_service *svc,
			   const union nf_inet_addr *addr)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (svc->family == AF_INET6)
		return ipv6_portaddr_hash(net, &addr->in6, 0);
#endif
	return ipv4_portaddr_hash(net, addr->ip, 0);
}

/**
 * percore_listener_init() - note where the listeners of a service's lanes may be
 * @net: netns
 * @svc: service, filled in, not yet published
 *
 * With method front at the loopback address; else at the service's own, or at any
 * (the wildcard), in this order, which is that in which the stack looks.
 */
void percore_listener_init(struct net *net, struct percore_service *svc)
{
	int i;

	/* A datagram's socket may be connected. */
	if (svc->proto == IPPROTO_UDP)
		return;
	svc->place[0].addr = svc->vip;
	svc->places = ARRAY_SIZE(svc->place);
	if (svc->method == PERCORE_METHOD_FRONT) {
		svc->places = 1;
		if (svc->family == AF_INET6)
			svc->place[0].addr.in6 = in6addr_loopback;
		else
			svc->place[0].addr.ip = htonl(INADDR_LOOPBACK);
	}
	for (i = 0; i < svc->places; i++)
		svc->place[i].hash = percore_hash_of(net, svc,
						     &svc->place[i].addr);
}

/* Is a listener bound to this and to nothing else, and alone there? */
static bool percore_is_bound(const struct net *net,
			     const struct percore_service *svc,
			     const struct percore_place *place,
			     const struct sock *sk, u16 port)
{
	if (!net_eq(sock_net(sk), net) || READ_ONCE(sk->sk_num) != port ||
	    sk->sk_family != svc->family || READ_ONCE(sk->sk_bound_dev_if) ||
	    sk->sk_reuseport ||
	    (svc->method == PERCORE_METHOD_FRONT && percore_is_front(sk)))
		return false;
#if IS_ENABLED(CONFIG_IPV6)
	if (svc->family == AF_INET6)
		return ipv6_addr_equal(&sk->sk_v6_rcv_saddr, &place->addr.in6);
#endif
	return sk->sk_rcv_saddr == place->addr.ip;
}

/* The listener that is all there is in its bucket, as it nearly always is: then no
 * other can have a better claim. NULL says nothing: look as the stack does.
 */
static struct sock *percore_listener_alone(struct net *net,
					   const struct percore_service *svc,
					   __be16 port)
{
	struct inet_hashinfo *hashinfo = net->ipv4.tcp_death_row.hashinfo;
	const struct inet_listen_hashbucket *bucket;
	const struct percore_place *place;
	struct hlist_nulls_node *node;
	struct sock *sk;
	u16 num = ntohs(port);
	int i;

	for (i = 0; i < svc->places; i++) {
		place = &svc->place[i];
		bucket = inet_lhash2_bucket(hashinfo, place->hash ^ num);
		node = rcu_dereference(hlist_nulls_first_rcu(&bucket->nulls_head));
		if (is_a_nulls(node))
			continue;
		sk = hlist_nulls_entry(node, struct sock, sk_nulls_node);
		return is_a_nulls(READ_ONCE(node->next)) &&
		       percore_is_bound(net, svc, place, sk, num) ? sk : NULL;
	}
	return NULL;
}

/* Is a listener one for method front? One that can be reached from outside, or is
 * bound to a device, has not been told what it is for. With SO_REUSEPORT its
 * connections would let others bind the public port. A front is no lane's.
 */
static bool percore_is_inside(const struct sock *sk, u8 family)
{
	if (sk->sk_family != family || sk->sk_bound_dev_if ||
	    sk->sk_reuseport || percore_is_front(sk))
		return false;
#if IS_ENABLED(CONFIG_IPV6)
	if (family == AF_INET6)
		return ipv6_addr_loopback(&sk->sk_v6_rcv_saddr);
#endif
	return ipv4_is_loopback(sk->sk_rcv_saddr);
}

static struct sock *percore_look_inside(struct net *net,
					const struct percore_service *svc,
					struct sk_buff *skb, unsigned int doff,
					__be16 sport, __be16 port)
{
	int dif = net->loopback_dev->ifindex;

#if IS_ENABLED(CONFIG_IPV6)
	if (svc->family == AF_INET6)
		return inet6_lookup_listener(net, skb, doff,
					     &ipv6_hdr(skb)->saddr, sport,
					     &in6addr_loopback, ntohs(port),
					     dif, 0);
#endif
	return __inet_lookup_listener(net, skb, doff, ip_hdr(skb)->saddr, sport,
				      htonl(INADDR_LOOPBACK), ntohs(port), dif,
				      0);
}

/* As the stack looks, by all that a listener may be bound to. */
static noinline struct sock *
percore_listener_search(struct net *net, const struct percore_service *svc,
			struct sk_buff *skb, unsigned int thoff, __be16 port)
{
	const struct tcphdr *th = percore_tcp_hdr(skb, thoff);
	struct percore_tuple tuple;
	unsigned int doff;
	struct sock *sk;

	if (svc->proto == IPPROTO_UDP) {
		percore_tuple_of(svc, skb, thoff, &tuple);
		return percore_udp_at(net, svc, &tuple, port);
	}
	/* In front of the network header before routing, behind it later. */
	doff = skb_network_offset(skb) + thoff + __tcp_hdrlen(th);
	if (svc->method == PERCORE_METHOD_FRONT) {
		sk = percore_look_inside(net, svc, skb, doff, th->source, port);
		return sk && percore_is_inside(sk, svc->family) ? sk : NULL;
	}
#if IS_ENABLED(CONFIG_IPV6)
	if (svc->family == AF_INET6)
		return inet6_lookup_listener(net, skb, doff,
					     &ipv6_hdr(skb)->saddr, th->source,
					     &svc->vip.in6, ntohs(port),
					     inet6_iif(skb), inet6_sdif(skb));
#endif
	return __inet_lookup_listener(net, skb, doff, ip_hdr(skb)->saddr,
				      th->source, svc->vip.ip, ntohs(port),
				      skb->skb_iif, inet_sdif(skb));
}

/* May the listener not be the one that the place says? A program may have its say,
 * and one that is not bound to a device hears what comes in by a VRF only if the user
 * wants that.
 */
static bool percore_depends(const struct percore_service *svc,
			    const struct sk_buff *skb)
{
	if (static_branch_unlikely(&bpf_sk_lookup_enabled))
		return true;
	/* Inside there is no other device. */
	if (svc->method == PERCORE_METHOD_FRONT)
		return false;
	return svc->family == AF_INET6 ? inet6_sdif(skb) : inet_sdif(skb);
}

/**
 * percore_listener() - who listens at a lane's private port?
 * @net: netns
 * @svc: service
 * @skb: packet that is for whoever does, headers pulled
 * @thoff: offset of its transport header from the network header
 * @port: private port
 *
 * Context: softirq, RCU.
 * Return: listener, or with UDP the socket that would get the datagram, alive under
 * RCU; or NULL.
 */
struct sock *percore_listener(struct net *net,
			      const struct percore_service *svc,
			      struct sk_buff *skb, unsigned int thoff,
			      __be16 port)
{
	struct sock *sk = NULL;

	if (likely(!percore_depends(svc, skb)))
		sk = percore_listener_alone(net, svc, port);
	if (unlikely(!sk))
		return percore_listener_search(net, svc, skb, thoff, port);
	return sk;
}

/**
 * percore_attach_listener() - let a listener go with a packet
 * @skb: packet that may carry one (percore_may_attach())
 * @sk: listener
 *
 * As one that a BPF program assigned at ingress does: not counted, alive under
 * RCU, dropped by sock_pfree(). But a packet that IPsec has unwrapped waits for a
 * work until it is delivered: its listener is counted.
 *
 * Context: softirq, RCU.
 */
void percore_attach_listener(struct sk_buff *skb, struct sock *sk)
{
	/* A listener that would need a reference is found again later. */
	if (sk_is_refcounted(sk))
		return;
	if (skb_sec_path(skb)) {
		if (!refcount_inc_not_zero(&sk->sk_refcnt))
			return;
		skb->destructor = sock_edemux;
	} else {
		skb->destructor = sock_pfree;
	}
	skb->sk = sk;
}
