// SPDX-License-Identifier: GPL-2.0
/*
 * Whose packet is this? A flow belongs to the lane that has its socket,
 * whichever CPU receives the packet; a flow without a socket goes to the lane
 * of this CPU, or to another lane where somebody listens, where the queue is
 * shorter, or whose CPU has more time.
 */
#include <linux/cpumask.h>
#include <linux/ip.h>
#include <linux/jhash.h>
#include <linux/jiffies.h>
#include <linux/moduleparam.h>
#include <linux/tcp.h>
#include <net/inet6_hashtables.h>
#include <net/inet_connection_sock.h>
#include <net/inet_hashtables.h>
#include <net/ipv6.h>
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
#if IS_ENABLED(CONFIG_IPV6)
	if (svc->family == AF_INET6)
		return __inet6_lookup_established(net, &tuple->addr.in6,
						  tuple->port, &svc->vip.in6,
						  ntohs(port), tuple->dif,
						  tuple->sdif);
#endif
	return __inet_lookup_established(net, tuple->addr.ip, tuple->port,
					 svc->vip.ip, ntohs(port), tuple->dif,
					 tuple->sdif);
}

/* Is there surely no socket of a flow at a port? There is none in most buckets, and
 * a look into one costs half of a search.
 */
static bool percore_nobody_at(struct net *net,
			      const struct percore_service *svc,
			      const struct percore_tuple *tuple, __be16 port)
{
	struct inet_hashinfo *hashinfo = net->ipv4.tcp_death_row.hashinfo;
	u32 hash;

#if IS_ENABLED(CONFIG_IPV6)
	if (svc->family == AF_INET6)
		hash = inet6_ehashfn(net, &svc->vip.in6, ntohs(port),
				     &tuple->addr.in6, tuple->port);
	else
#endif
		hash = inet_ehashfn(net, svc->vip.ip, ntohs(port),
				    tuple->addr.ip, tuple->port);
	return hlist_nulls_empty(&inet_ehash_bucket(hashinfo, hash)->chain);
}

/* What comes for a connection in TIME_WAIT lies before the end that it has received,
 * and not far.
 */
#define PERCORE_REST_WINDOW	U16_MAX

/**
 * percore_flow_means() - does a request, or what is in TIME_WAIT, mean a packet?
 * @sk: that
 * @th: the packet's TCP header; NULL for none
 *
 * Context: any.
 * Return: false if the packet is surely another's, or there is none.
 */
bool percore_flow_means(struct sock *sk, const struct tcphdr *th)
{
	if (!th)
		return false;
	if (percore_is_first(th))
		return true;
	if (sk->sk_state == TCP_TIME_WAIT)
		return READ_ONCE(tcp_twsk(sk)->tw_rcv_nxt) - ntohl(th->seq) <=
		       PERCORE_REST_WINDOW;
	return th->ack &&
	       ntohl(th->ack_seq) == tcp_rsk(inet_reqsk(sk))->snt_isn + 1;
}

/* Which of a flow's two sockets does a packet mean? @here was found first, and does not
 * fit; both may be NULL. What is left of a connection in TIME_WAIT goes when a newer one is
 * found: it would take a share of its packets, and stay for as long as it does. The
 * reference to the one that is not returned is given back.
 */
static struct sock *percore_flow_choose(struct sock *here, struct sock *other,
					const struct tcphdr *th)
{
	if (!here || !other)
		return here ?: other;
	if (!percore_flow_fits(other, th)) {
		sock_gen_put(other);
		return here;
	}
	if (th && sk_fullsock(other) && percore_makes_room(here, th))
		percore_make_room(inet_twsk(here), true);
	else
		sock_gen_put(here);
	return other;
}

/* The same on all lanes but one. */
static struct sock *percore_flow_elsewhere(struct net *net,
					   const struct percore_service *svc,
					   const struct percore_tuple *tuple,
					   const struct tcphdr *th, u16 own,
					   u16 *lane)
{
	struct sock *sk = NULL, *other;
	__be16 port;
	u16 i;

	*lane = own;
	for (i = 0; i < svc->all; i++) {
		port = svc->lane[i].port;
		if (i == own || percore_nobody_at(net, svc, tuple, port))
			continue;
		other = percore_flow_at(net, svc, tuple, port);
		if (!other)
			continue;
		sk = percore_flow_choose(sk, other, th);
		if (sk == other)
			*lane = i;
		if (percore_flow_fits(sk, th))
			break;
	}
	return sk;
}

/**
 * percore_flow_beside() - find the socket of a flow of method nat, not here alone
 * @net: netns
 * @svc: service
 * @tuple: the client's end
 * @th: the packet's TCP header; NULL for none
 * @own: lane that was looked at
 * @here: what was there, and does not fit, with a reference that is given back if it is
 *	not returned; or NULL
 * @lane: result: the lane with the socket; @own when there is none
 *
 * A packet on its own lane costs one search; only a packet that belongs to
 * another lane, or to nobody, costs one look per lane.
 *
 * Context: softirq, RCU.
 * Return: socket with a reference that sock_gen_put() gives back, one that fits if there
 * is one; or NULL.
 */
struct sock *percore_flow_beside(struct net *net,
				 const struct percore_service *svc,
				 const struct percore_tuple *tuple,
				 const struct tcphdr *th, u16 own,
				 struct sock *here, u16 *lane)
{
	struct sock *other, *sk;

	other = percore_flow_elsewhere(net, svc, tuple, th, own, lane);
	sk = percore_flow_choose(here, other, th);
	if (sk != other)
		*lane = own;
	return sk;
}

/**
 * percore_flow_find() - find the socket of a flow of method nat
 * @net: netns
 * @svc: service
 * @tuple: the client's end
 * @th: the packet's TCP header; NULL for none
 * @own: lane to try first
 * @lane: result: the lane with the socket; @own when there is none
 *
 * Context: softirq, RCU.
 * Return: socket with a reference that sock_gen_put() gives back, or NULL.
 */
struct sock *percore_flow_find(struct net *net,
			       const struct percore_service *svc,
			       const struct percore_tuple *tuple,
			       const struct tcphdr *th, u16 own, u16 *lane)
{
	struct sock *here;

	*lane = own;
	here = percore_flow_at(net, svc, tuple, svc->lane[own].port);
	if (here && percore_flow_fits(here, th))
		return here;
	return percore_flow_beside(net, svc, tuple, th, own, here, lane);
}

/* For how many packets a CPU may do each of enum percore_look in a tick. */
#define PERCORE_LOOKS_PER_TICK	64

static unsigned int first_looks = 8;
module_param(first_looks, uint, 0644);
MODULE_PARM_DESC(first_looks, "first packets that each CPU looks for on all lanes in a tick where flows stay (method nat, default 8)");

static unsigned int percore_looks_per_tick(enum percore_look what)
{
	return what == PERCORE_LOOK_FIRST ? READ_ONCE(first_looks)
					  : PERCORE_LOOKS_PER_TICK;
}

/**
 * percore_may_look() - may a packet that has no socket, or one that does not fit, cost more
 *	searches?
 * @svc: service
 * @what: which
 *
 * Few packets need that in earnest; a flood must not get it. Each kind has its
 * own share, so that a flood of one kind does not starve the others. A packet
 * that is counted on the wrong CPU or not at all does no harm.
 *
 * Context: any.
 * Return: true for the first few packets of each tick.
 */
bool percore_may_look(const struct percore_service *svc,
		      enum percore_look what)
{
	struct percore_looks *looks = &raw_cpu_ptr(svc->stats)->looks[what];
	unsigned long now = jiffies;

	if (looks->tick != now) {
		looks->tick = now;
		looks->n = 0;
	}
	if (looks->n >= percore_looks_per_tick(what))
		return false;
	looks->n++;
	return true;
}

/**
 * percore_look_paid() - percore_may_look() has said yes, and what was looked for was there
 * @svc: service
 * @what: which
 *
 * So only what is in vain is limited.
 *
 * Context: any.
 */
void percore_look_paid(const struct percore_service *svc,
		       enum percore_look what)
{
	struct percore_looks *looks = &raw_cpu_ptr(svc->stats)->looks[what];

	if (looks->n)
		looks->n--;
}

#ifdef CONFIG_SYN_COOKIES
/* Is the packet the answer to a cookie that was sent from @port? Asked only
 * while the listener sends cookies, as the stack does.
 */
static bool percore_cookie_fits(const struct percore_service *svc,
				const struct sock *sk,
				const struct sk_buff *skb, unsigned int thoff,
				__be16 port)
{
	struct tcphdr th = *percore_tcp_hdr(skb, thoff);

	if (tcp_synq_no_recent_overflow(sk))
		return false;
	th.dest = port;
#if IS_ENABLED(CONFIG_IPV6)
	if (svc->family == AF_INET6)
		return __cookie_v6_check(ipv6_hdr(skb), &th) > 0;
#endif
	return __cookie_v4_check(ip_hdr(skb), &th) > 0;
}
#else
static bool percore_cookie_fits(const struct percore_service *svc,
				const struct sock *sk,
				const struct sk_buff *skb, unsigned int thoff,
				__be16 port)
{
	return false;
}
#endif

/* The port that a cookie covers. */
static __be16 percore_cookie_port(const struct percore_service *svc, u16 lane)
{
	return svc->method == PERCORE_METHOD_NAT ? svc->lane[lane].port
						 : svc->port;
}

/* The lane whose cookie a packet returns, from @lane on; NULL if none sent it. */
static struct sock *percore_find_cookie(struct net *net,
					const struct percore_service *svc,
					struct sk_buff *skb, unsigned int thoff,
					u16 *lane)
{
	struct sock *sk;
	u16 i;

	for (i = 0; i < svc->all; i++) {
		sk = percore_listener(net, svc, skb, thoff,
				      svc->lane[*lane].port);
		if (sk && percore_cookie_fits(svc, sk, skb, thoff,
					      percore_cookie_port(svc, *lane)))
			return sk;
		*lane = *lane + 1 < svc->all ? *lane + 1 : 0;
	}
	return NULL;
}

/* The same for all packets of a flow, any for different flows: below @range, and
 * for each @attempt another.
 */
static u32 percore_dice(const struct percore_service *svc,
			const struct sk_buff *skb, unsigned int thoff,
			u32 attempt, u32 range)
{
	__be16 port = percore_ports_of(skb, thoff)->source;
	u32 addr, hash;

	if (svc->family == AF_INET6)
		addr = __ipv6_addr_jhash(&ipv6_hdr(skb)->saddr, svc->salt);
	else
		addr = (__force u32)ip_hdr(skb)->saddr;
	hash = jhash_3words(addr, (__force u16)port, attempt, svc->salt);
	return reciprocal_scale(hash, range);
}

/* The @attempt-th lane for a flow whose own lane is dead, or leaves it. */
static u16 percore_spread(const struct percore_service *svc,
			  const struct sk_buff *skb, unsigned int thoff,
			  u32 attempt)
{
	return percore_dice(svc, skb, thoff, attempt, svc->lanes);
}

/* Lanes chosen by hash before all are tried in order. */
#define PERCORE_SPREAD_TRIES	8

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

static struct percore_search
percore_search_of(struct net *net, const struct percore_service *svc,
		  struct sk_buff *skb, unsigned int thoff)
{
	return (struct percore_search) {
		.net = net,
		.svc = svc,
		.skb = skb,
		.thoff = thoff,
	};
}

static struct sock *percore_try(struct percore_search *s, u16 lane)
{
	const struct percore_lane *l = &s->svc->lane[lane];

	s->lane = lane;
	if (percore_is_resting(l) != s->resting)
		return NULL;
	return percore_listener(s->net, s->svc, s->skb, s->thoff, l->port);
}

/* Some lanes by hash so that a flow's packets agree and the flows share the load,
 * then all.
 */
static noinline struct sock *percore_try_others(struct percore_search *s)
{
	struct sock *sk = NULL;
	u32 i;

	for (i = 0; !sk && i < PERCORE_SPREAD_TRIES; i++)
		sk = percore_try(s, percore_spread(s->svc, s->skb, s->thoff,
						   i));
	for (i = 0; !sk && i < s->svc->lanes; i++)
		sk = percore_try(s, i);
	return sk;
}

/* Read without the queue's lock: a moment's error leaves one flow where it would
 * have been, or takes it elsewhere.
 */
static struct percore_queue percore_queue_of(const struct sock *sk)
{
	return (struct percore_queue) {
		.len = READ_ONCE(sk->sk_ack_backlog),
		.max = READ_ONCE(sk->sk_max_ack_backlog),
	};
}

/* Lanes that one first packet may ask how full they are. */
#define PERCORE_SPILL_TRIES	64

/* May the flow go to this lane? A first packet had better not be answered with
 * a cookie, which keeps no note of its lane; an acknowledgment that returns one
 * is good only where cookies were sent.
 */
static bool percore_spill_fits(const struct percore_search *s,
			       const struct sock *sk)
{
	if (percore_is_first(percore_tcp_hdr(s->skb, s->thoff)))
		return !percore_requests_many(sk);
	return percore_cookie_fits(s->svc, sk, s->skb, s->thoff,
				   percore_cookie_port(s->svc, s->lane));
}

/* The least loaded lane, if the one found, whose listener is @sk, is overloaded.
 * The search begins anywhere, so that flows share those that are equal, and ends
 * where there is nothing to wait for.
 */
static struct sock *percore_spill(struct percore_search *s, struct sock *sk)
{
	struct percore_queue least = percore_queue_of(sk), queue;
	u16 tries = min_t(u16, s->svc->lanes, PERCORE_SPILL_TRIES);
	u16 home = s->lane, best = s->lane, lane, i;
	struct sock *other;

	if (!percore_queue_above(&least, s->svc->mark) ||
	    !percore_may_look(s->svc, PERCORE_LOOK_SPILL))
		return sk;
	lane = percore_spread(s->svc, s->skb, s->thoff, 0);
	for (i = 0; least.len && i < tries; i++) {
		other = lane == home ? NULL : percore_try(s, lane);
		if (other) {
			queue = percore_queue_of(other);
			if (percore_queue_emptier(&queue, &least) &&
			    percore_spill_fits(s, other)) {
				least = queue;
				best = lane;
				sk = other;
			}
		}
		lane = lane + 1 < s->svc->lanes ? lane + 1 : 0;
	}
	s->lane = best;
	return sk;
}

/* The attempt whose dice say whether a flow leaves: none that chooses a lane. */
#define PERCORE_LEAVE_DICE	U32_MAX

/* May the flow leave for this lane, because its CPU has time? */
static bool percore_has_time(const struct percore_search *s,
			     const struct sock *sk)
{
	struct percore_queue queue = percore_queue_of(sk);

	return !percore_queue_above(&queue, s->svc->mark) &&
	       percore_spill_fits(s, sk);
}

/* Where the CPU of the lane found, whose listener is @sk, is above the mark, a
 * share of new connections leaves. Each goes to the less busy of two lanes that its
 * hash chooses. To the least busy of all they would all go, until the next look;
 * where there are but three lanes it comes to that.
 */
static struct sock *percore_leave(struct percore_search *s, struct sock *sk)
{
	const struct percore_service *svc = s->svc;
	u16 home = s->lane, best = s->lane, lane;
	u16 leave = READ_ONCE(svc->lane[home].leave);
	u8 least = svc->cpu_mark, load;
	unsigned int choices = 0;
	struct sock *other;
	u32 i;

	if (!leave ||
	    percore_dice(svc, s->skb, s->thoff, PERCORE_LEAVE_DICE,
			 PERCORE_LEAVE_ALL) >= leave ||
	    !percore_may_look(svc, PERCORE_LOOK_SPILL))
		return sk;
	for (i = 0; i < PERCORE_SPREAD_TRIES && choices < 2; i++) {
		lane = percore_spread(svc, s->skb, s->thoff, i);
		load = percore_cpu_load(svc->lane[lane].cpu);
		if (lane == home || lane == best || load >= svc->cpu_mark)
			continue;
		other = percore_try(s, lane);
		if (!other || !percore_has_time(s, other))
			continue;
		choices++;
		if (load < least) {
			least = load;
			best = lane;
			sk = other;
		}
	}
	s->lane = best;
	return sk;
}

/* A first packet leaves its lane if that, or its CPU, is overloaded. */
static struct sock *percore_unload(struct percore_search *s, struct sock *sk)
{
	u16 home = s->lane;

	sk = percore_spill(s, sk);
	if (s->lane == home && s->svc->cpu_mark)
		sk = percore_leave(s, sk);
	return sk;
}

/**
 * percore_flow_cookie() - find the lane whose SYN cookie a packet returns
 * @net: netns
 * @svc: service
 * @skb: acknowledgment without a socket that fits, headers pulled
 * @thoff: offset of its TCP header from the network header
 * @own: lane to try first
 * @lane: result: the lane that shall have it
 *
 * With method nat a cookie covers the private port, so it is good on one lane
 * alone, which is not this CPU's when the flow changed CPU in the middle of its
 * handshake, or was spilled. With method steer it is good on every lane that
 * sends cookies, and does not tell which one it was: so where the service
 * spills, the choice is made again.
 *
 * Context: softirq, RCU.
 * Return: that lane's listener, alive under RCU; NULL when no lane sent it.
 */
struct sock *percore_flow_cookie(struct net *net,
				 const struct percore_service *svc,
				 struct sk_buff *skb, unsigned int thoff,
				 u16 own, u16 *lane)
{
	struct percore_search search = percore_search_of(net, svc, skb, thoff);
	struct sock *sk;

	if (!READ_ONCE(net->ipv4.sysctl_tcp_syncookies))
		return NULL;
	*lane = own;
	sk = percore_find_cookie(net, svc, skb, thoff, lane);
	if (!sk || svc->balance != PERCORE_BALANCE_SPILL ||
	    svc->method == PERCORE_METHOD_NAT)
		return sk;
	search.lane = *lane;
	sk = percore_spill(&search, sk);
	*lane = search.lane;
	return sk;
}

/**
 * percore_flow_takes() - does a lane take new connections?
 * @net: netns
 * @svc: service
 * @skb: first packet of one, headers pulled
 * @thoff: offset of its TCP header from the network header
 * @lane: lane
 *
 * Context: softirq, RCU.
 * Return: true if it is in service, not resting, and somebody listens.
 */
bool percore_flow_takes(struct net *net, const struct percore_service *svc,
			struct sk_buff *skb, unsigned int thoff, u16 lane)
{
	struct percore_search search = percore_search_of(net, svc, skb, thoff);

	return lane < svc->lanes && percore_try(&search, lane);
}

/* percore_flow_listener() where the own lane has no listener, @sk, or connections may
 * leave it.
 */
static noinline struct sock *
percore_flow_search(struct net *net, const struct percore_service *svc,
		    struct sk_buff *skb, unsigned int thoff, struct sock *sk,
		    u16 own, u16 *lane)
{
	struct percore_search search = percore_search_of(net, svc, skb, thoff);
	u16 home;

	search.lane = own;
	if (!sk)
		sk = percore_try_others(&search);
	if (!sk) {
		search.resting = true;
		sk = percore_try(&search, own) ?: percore_try_others(&search);
	}
	if (!sk)
		return NULL;
	home = search.lane;
	if (home != own)
		percore_count(svc, PERCORE_STAT_FALLBACK);
	if (svc->balance == PERCORE_BALANCE_SPILL && !search.resting &&
	    percore_is_first(percore_tcp_hdr(skb, thoff)))
		sk = percore_unload(&search, sk);
	if (search.lane != home)
		percore_count(svc, PERCORE_STAT_SPILLED);
	*lane = search.lane;
	if (*lane != own)
		percore_note_moved(svc);
	return sk;
}

/**
 * percore_flow_listener() - choose the lane of a packet that has no socket
 * @net: netns
 * @svc: service
 * @skb: packet to the service's public port, headers pulled
 * @thoff: offset of its TCP header from the network header
 * @own: this CPU's lane
 * @lane: result: @own if somebody listens there, else one of the lanes where
 *	somebody does, chosen by a hash of the flow so that they share the load
 *	evenly; or the lane to which the connection spills
 *
 * A drained lane, and one whose CPU is offline, takes part only when nobody
 * listens on any other: late service is better than a reset.
 *
 * Where the service spills, the first packet of a connection for a lane that is
 * overloaded goes to the least loaded of those that are not resting; and a share
 * of those for a lane whose CPU is, to one whose CPU is not.
 *
 * Context: softirq, RCU.
 * Return: that lane's listener, alive under RCU; NULL if there is none, with
 * @own all the same.
 */
struct sock *percore_flow_listener(struct net *net,
				   const struct percore_service *svc,
				   struct sk_buff *skb, unsigned int thoff,
				   u16 own, u16 *lane)
{
	const struct percore_lane *l = &svc->lane[own];
	struct sock *sk = NULL;

	*lane = own;
	if (likely(!percore_is_resting(l)))
		sk = percore_listener(net, svc, skb, thoff, l->port);
	if (likely(sk && svc->balance != PERCORE_BALANCE_SPILL))
		return sk;
	return percore_flow_search(net, svc, skb, thoff, sk, own, lane);
}

/**
 * percore_count_refused() - nobody listens for a packet
 * @svc: service
 * @skb: packet, headers pulled
 * @thoff: offset of its transport header from the network header
 *
 * A reset is what a closed port deserves.
 *
 * Context: any.
 */
void percore_count_refused(const struct percore_service *svc,
			   const struct sk_buff *skb, unsigned int thoff)
{
	if (svc->proto == IPPROTO_UDP || percore_tcp_hdr(skb, thoff)->syn)
		percore_count(svc, PERCORE_STAT_REFUSED);
}

/**
 * percore_flow_steer() - percore_flow_listener(), and let the listener go with the packet
 * @net: netns
 * @svc: service
 * @skb: packet to the service's public port, headers pulled
 * @thoff: offset of its TCP header from the network header
 * @own: this CPU's lane
 * @attach: do let it
 *
 * Context: softirq, RCU.
 * Return: the lane, as percore_flow_listener() tells it.
 */
u16 percore_flow_steer(struct net *net, const struct percore_service *svc,
		       struct sk_buff *skb, unsigned int thoff, u16 own,
		       bool attach)
{
	struct sock *sk;
	u16 lane;

	sk = percore_flow_listener(net, svc, skb, thoff, own, &lane);
	if (!sk)
		percore_count_refused(svc, skb, thoff);
	else if (attach)
		percore_attach_listener(skb, sk);
	return lane;
}
