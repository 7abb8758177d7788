// SPDX-License-Identifier: GPL-2.0
/*
 * Method nat: what happens to one TCP packet that arrives, and to any that
 * leaves.
 *
 * In: the destination port becomes the private port of the flow's lane, and
 * the socket that was found goes with the packet, so that the stack need not
 * look for it again. Out: the source port becomes the public one.
 */
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/checksum.h>
#include <net/inet_hashtables.h>
#include <net/inet_timewait_sock.h>
#include <net/ip.h>
#include <net/sock.h>

#include "percore_compat.h"
#include "percore.h"

/**
 * percore_set_port() - replace a port of a packet
 * @skb: packet, transport header writable
 * @port: the port, in that header
 * @to: what it becomes
 * @sum: the header's checksum
 *
 * A port is covered by the checksum but not by the pseudo header, so:
 * - CHECKSUM_PARTIAL: the field holds the pseudo header's sum, still right;
 * - CHECKSUM_COMPLETE: the sum over the packet's bytes does not change, since
 *   the checksum moves against the port;
 * - otherwise only the field changes.
 *
 * Context: any.
 */
void percore_set_port(const struct sk_buff *skb, __be16 *port, __be16 to,
		      __sum16 *sum)
{
	if (skb->ip_summed != CHECKSUM_PARTIAL)
		csum_replace2(sum, *port, to);
	*port = to;
}

/* May the first @len bytes be written to? As skb_ensure_writable() finds, without
 * the call: hardly ever is anything to be done.
 */
static inline bool percore_make_writable(struct sk_buff *skb, unsigned int len)
{
	if (likely(len <= skb_headlen(skb) &&
		   (!skb_cloned(skb) || skb_clone_writable(skb, len))))
		return true;
	return !skb_ensure_writable(skb, len);
}

/* The socket of a packet's flow on this CPU's lane. Apart from
 * percore_nat_own(), so that IPv4 need not put a tuple together.
 */
static noinline struct sock *
percore_nat_own_any(struct net *net, const struct percore_service *svc,
		    const struct sk_buff *skb, unsigned int thoff, __be16 port)
{
	struct percore_tuple tuple;

	percore_tuple_of(svc, skb, thoff, &tuple);
	return percore_flow_at(net, svc, &tuple, port);
}

/* The same; nearly every packet finds it. */
static struct sock *percore_nat_own(struct net *net,
				    const struct percore_service *svc,
				    const struct sk_buff *skb,
				    unsigned int thoff, __be16 port)
{
	const struct tcphdr *th = percore_tcp_hdr(skb, thoff);

	if (svc->family != AF_INET)
		return percore_nat_own_any(net, svc, skb, thoff, port);
	return __inet_lookup_established(net, ip_hdr(skb)->saddr, th->source,
					 svc->vip.ip, ntohs(port),
					 skb->skb_iif, inet_sdif(skb));
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

/* A packet's socket was found. Inlined: nearly every packet comes here. */
static __always_inline u16
percore_nat_known(struct net *net, const struct percore_service *svc,
		  struct sk_buff *skb, unsigned int thoff, u16 own, u16 lane,
		  struct sock *sk)
{
	percore_count(svc, lane == own ? PERCORE_STAT_LOCAL
				       : PERCORE_STAT_MIGRATED);
	if (percore_may_attach(svc, skb))
		percore_attach(net, skb, thoff, sk);
	else
		sock_gen_put(sk);
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
	       percore_may_attach(svc, skb) &&
	       !percore_flow_takes(net, svc, skb, thoff, lane);
}

/* A packet's socket was found, and may be in TIME_WAIT. If it is that of a former
 * connection, on a lane that takes none, the new one goes to a lane as any other
 * does. The old one must go: on its lane's CPU it would be found first. Where nobody
 * listens it stays, and answers.
 */
static noinline u16 percore_nat_rests(struct net *net,
				      const struct percore_service *svc,
				      struct sk_buff *skb, unsigned int thoff,
				      u16 own, u16 lane, struct sock *sk)
{
	u16 other;

	if (!percore_nat_is_left(net, svc, skb, thoff, lane, sk))
		return percore_nat_known(net, svc, skb, thoff, own, lane, sk);
	percore_count(svc, PERCORE_STAT_NEW);
	other = percore_flow_steer(net, svc, skb, thoff, own, true);
	percore_make_room(inet_twsk(sk), skb->sk);
	return skb->sk ? other : lane;
}

/* The lane of a packet without a socket on this CPU's; its socket or listener
 * is attached. Not inlined: few packets come here.
 */
static noinline u16 percore_nat_elsewhere(struct net *net,
					  const struct percore_service *svc,
					  struct sk_buff *skb,
					  unsigned int thoff, u16 own)
{
	struct percore_tuple tuple;
	bool thorough = false;
	struct sock *sk;
	u16 lane;

	percore_tuple_of(svc, skb, thoff, &tuple);
	sk = percore_flow_elsewhere(net, svc, &tuple, own, &lane);
	/* Between a request and the connection that it becomes, neither is
	 * hashed for an instant. On its own lane a flow would get over that,
	 * on another it would be reset; so look twice.
	 */
	if (!sk && !percore_is_first(percore_tcp_hdr(skb, thoff))) {
		thorough = percore_may_look(svc, PERCORE_LOOK_AGAIN);
		if (thorough)
			sk = percore_flow_find(net, svc, &tuple, own, &lane);
	}
	if (!sk)
		return percore_nat_new(net, svc, skb, thoff, own,
				       percore_may_attach(svc, skb), thorough);
	return percore_nat_rests(net, svc, skb, thoff, own, lane, sk);
}

/* The lane of a packet; its socket or listener is attached. */
static u16 percore_nat_lane(struct net *net, const struct percore_service *svc,
			    struct sk_buff *skb, unsigned int thoff)
{
	u16 own = percore_own_lane(svc);
	struct sock *sk;

	sk = percore_nat_own(net, svc, skb, thoff, svc->lane[own].port);
	if (unlikely(!sk))
		return percore_nat_elsewhere(net, svc, skb, thoff, own);
	if (unlikely(sk->sk_state == TCP_TIME_WAIT))
		return percore_nat_rests(net, svc, skb, thoff, own, own, sk);
	return percore_nat_known(net, svc, skb, thoff, own, own, sk);
}

/**
 * percore_nat_in() - a TCP packet arrives for a service's public port
 * @skb: packet, TCP header pulled
 * @svc: service
 * @net: netns
 * @thoff: offset of the TCP header from the network header
 *
 * Context: softirq, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_nat_in(struct sk_buff *skb,
			    const struct percore_service *svc,
			    struct net *net, unsigned int thoff)
{
	struct tcphdr *th;
	u16 lane;

	/* Before the search: nothing is held yet that a failure would leak.
	 * It may also move the header.
	 */
	if (!percore_make_writable(skb, thoff + sizeof(*th))) {
		percore_count(svc, PERCORE_STAT_DROPPED_NOMEM);
		return NF_DROP;
	}
	percore_count_fragments(svc, skb);
	lane = percore_nat_lane(net, svc, skb, thoff);
	th = percore_tcp_hdr(skb, thoff);
	percore_set_port(skb, &th->dest, svc->lane[lane].port, &th->check);
	return NF_ACCEPT;
}

/* A private port whose packets leave with the public one. */
static bool percore_is_nat(const struct percore_slot *slot)
{
	return slot && slot->lane != PERCORE_PUBLIC &&
	       percore_rewrites(slot->svc);
}

/* The address is this host's, and not another one's that has the same service. */
static bool percore_stays_here(const struct sk_buff *skb)
{
	const struct net_device *dev = skb_dst(skb)->dev;

	return dev->flags & IFF_LOOPBACK || netif_is_l3_master(dev);
}

/* Is what a client on this host sends for a connection of the former method? That is
 * tracked, if anything is, and so are its answers.
 */
static bool percore_is_formers(const struct sk_buff *skb,
			       const struct percore_service *svc,
			       unsigned int thoff)
{
	const struct net_device *dev = skb_dst(skb)->dev;
	struct percore_tuple tuple = {
		.port = percore_ports_of(skb, thoff)->source,
		.dif = dev->ifindex,
	};
	struct sock *sk;
	bool lives;

	if (!svc->former)
		return false;
	if (svc->family == AF_INET6)
		tuple.addr.in6 = ipv6_hdr(skb)->saddr;
	else
		tuple.addr.ip = ip_hdr(skb)->saddr;
	sk = percore_flow_at(dev_net(dev), svc, &tuple, svc->port);
	if (!sk)
		return false;
	/* Beside one in TIME_WAIT there may be a new one of the present method. */
	lives = sk->sk_state != TCP_TIME_WAIT;
	sock_gen_put(sk);
	return lives;
}

/* A packet leaves that is not rewritten: must it be untracked all the same? Not
 * inlined, for the sake of those that are.
 */
static noinline unsigned int percore_nat_pass(struct sk_buff *skb,
					      const struct percore_slot *from,
					      const struct percore_slot *to,
					      unsigned int thoff)
{
	/* A VRF runs this hook again, and takes away what the first time left. */
	if (from && from->svc->method == PERCORE_METHOD_NAT &&
	    !from->svc->former && netif_is_l3_slave(skb_dst(skb)->dev))
		percore_untrack(skb);
	/* A client on this host: its answers will be untracked, so its own
	 * packets must be.
	 */
	else if (to && to->svc->method == PERCORE_METHOD_NAT &&
		 percore_stays_here(skb) &&
		 !percore_is_formers(skb, to->svc, thoff))
		percore_untrack(skb);
	return NF_ACCEPT;
}

/* A packet leaves whose source is @from. */
static unsigned int percore_nat_out(struct sk_buff *skb,
				    const struct percore_slot *from,
				    unsigned int thoff, unsigned int len)
{
	struct percore_ports *ports;

	if (!percore_make_writable(skb, thoff + len)) {
		percore_count(from->svc, PERCORE_STAT_DROPPED_NOMEM);
		return NF_DROP;
	}
	ports = percore_ports_of(skb, thoff);
	if (from->svc->proto == IPPROTO_UDP)
		percore_udp_set_port(skb, thoff, &ports->source,
				     from->svc->port);
	else
		percore_set_port(skb, &ports->source, from->svc->port,
				 &percore_tcp_hdr(skb, thoff)->check);
	percore_untrack(skb);
	percore_count(from->svc, PERCORE_STAT_OUT);
	return NF_ACCEPT;
}

/**
 * percore_nat_out4() - a TCP or UDP packet over IPv4 leaves
 * @skb: packet, IP header pulled
 * @table: ports of this netns for its protocol
 * @len: length of a header of its protocol
 *
 * Context: softirq or process context, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_nat_out4(struct sk_buff *skb,
			      const struct percore_table *table,
			      unsigned int len)
{
	unsigned int thoff = ip_hdrlen(skb);
	const struct percore_ports *ports;
	const struct percore_slot *from;

	if (ip_hdr(skb)->frag_off & htons(IP_OFFSET))
		return NF_ACCEPT;
	if (!pskb_may_pull(skb, thoff + len))
		return NF_ACCEPT;
	ports = percore_ports_of(skb, thoff);
	from = percore_table_find(table, ip_hdr(skb)->saddr, ports->source);
	if (percore_is_nat(from))
		return percore_nat_out(skb, from, thoff, len);
	return percore_nat_pass(skb, from,
				percore_table_find(table, ip_hdr(skb)->daddr,
						   ports->dest), thoff);
}

/**
 * percore_nat_out6() - a TCP or UDP packet over IPv6 leaves
 * @skb: packet, IPv6 header pulled
 * @table: ports of this netns for its protocol
 * @thoff: offset of the transport header from the network header
 * @len: length of that header
 *
 * Context: softirq or process context, RCU.
 * Return: netfilter verdict.
 */
unsigned int percore_nat_out6(struct sk_buff *skb,
			      const struct percore_table *table,
			      unsigned int thoff, unsigned int len)
{
	const struct percore_ports *ports;
	const struct percore_slot *from;

	if (!pskb_may_pull(skb, thoff + len))
		return NF_ACCEPT;
	ports = percore_ports_of(skb, thoff);
	from = percore_table_find6(table, &ipv6_hdr(skb)->saddr, ports->source);
	if (percore_is_nat(from))
		return percore_nat_out(skb, from, thoff, len);
	return percore_nat_pass(skb, from,
				percore_table_find6(table,
						    &ipv6_hdr(skb)->daddr,
						    ports->dest), thoff);
}
