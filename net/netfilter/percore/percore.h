/* SPDX-License-Identifier: GPL-2.0 */
/*
 * percore: what its rooms share. From the top down:
 *
 *	main		module and per-netns life
 *	hooks		which netfilter hooks a netns has
 *	netlink		the generic netlink family: parse, validate
 *	dump		what it tells: services and counters
 *	notify		what it tells unasked
 *	icmp		errors about our flows, both directions
 *	in		whose service is this packet's; method nat, where it has a socket
 *	out		what leaves: method nat
 *	attach		a socket goes with its packet
 *	rewrite		a port of a packet is replaced
 *	former		connections of the method that a service had before
 *	find6		where the transport header of an IPv6 packet is
 *	nat, steer	two methods: a packet that has no socket
 *	late		steer and front behind a bridge that calls netfilter
 *	front		the third, by a listener of ours
 *	udp		method nat for a datagram
 *	gather		fragments become packets
 *	listener	who listens at a lane's private port
 *	flow		whose packet is this: SYN -> lane, else socket -> lane
 *	timewait	an old connection makes room for a new one
 *	change		a service changes while connections live
 *	service		VIP, port, lanes; RCU table; per-CPU counters
 *	table		address and port -> service and lane
 *	load		how busy the lanes' CPUs are
 *	queue		how full a lane is
 */
#ifndef _PERCORE_H
#define _PERCORE_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/skbuff.h>
#include <linux/smp.h>
#include <linux/tcp.h>
#include <linux/types.h>
#include <linux/udp.h>
#include <linux/workqueue.h>
#include <net/inet_connection_sock.h>
#include <net/ip.h>
#include <net/net_namespace.h>
#include <net/tcp.h>
#include <uapi/linux/percore.h>

/* A kernel without SYN cookies does not say for how long one is valid. */
#ifndef TCP_SYNCOOKIE_VALID
#define TCP_SYNCOOKIE_VALID	(2 * 60 * HZ)
#endif

#include "load.h"
#include "queue.h"
#include "table.h"

/* What a netns has a table of ports for. */
enum percore_kind {
	PERCORE_TCP4,
	PERCORE_TCP6,
	PERCORE_UDP4,
	PERCORE_UDP6,
	PERCORE_KINDS,
};

/* What a netns has hooks for. */
enum percore_family {
	PERCORE_IP4,
	PERCORE_IP6,
	PERCORE_FAMILIES,
};

/* Counters, in the order of their netlink attributes. */
enum percore_stat {
	PERCORE_STAT_NEW,
	PERCORE_STAT_LOCAL,
	PERCORE_STAT_MIGRATED,
	PERCORE_STAT_FALLBACK,
	PERCORE_STAT_REFUSED,
	PERCORE_STAT_COOKIE,
	PERCORE_STAT_STRAY,
	PERCORE_STAT_OUT,
	PERCORE_STAT_ICMP,
	PERCORE_STAT_FRAG,
	PERCORE_STAT_DROPPED_DIRECT,
	PERCORE_STAT_DROPPED_NOMEM,
	PERCORE_STAT_SPILLED,
	PERCORE_STAT_COUNT,
};

struct percore_front;

/**
 * struct percore_place - an address that lanes' listeners may be bound to
 * @addr: address
 * @hash: of it, as the stack hashes listeners, but for the port
 */
struct percore_place {
	union nf_inet_addr addr;
	u32 hash;
};

/* What a CPU does a few times in a tick only. */
enum percore_look {
	PERCORE_LOOK_AGAIN,	/* for a packet without a socket that fits */
	PERCORE_LOOK_UNFIT,	/* on other lanes, beside one that does not fit */
	PERCORE_LOOK_FIRST,	/* on all lanes, for a first packet where flows stay */
	PERCORE_LOOK_SPILL,	/* for a lane that is less loaded */
	PERCORE_LOOKS,
};

/**
 * struct percore_looks - how often a CPU did something
 * @tick: in which tick, in jiffies
 * @n: how often in that
 */
struct percore_looks {
	unsigned long tick;
	unsigned int n;
};

/**
 * struct percore_stats - one CPU's counters of one service
 * @n: counters, by enum percore_stat; they wrap at the machine's word, as the
 *	SNMP counters do
 * @moved: method nat: when, in jiffies, the CPU last had to do with another's flow; 0
 *	for never
 */
struct percore_stats {
	unsigned long n[PERCORE_STAT_COUNT];
	unsigned long moved;
	/* private: for percore_may_look() alone */
	struct percore_looks looks[PERCORE_LOOKS];
	/* private: for percore_udp_connects() alone */
	bool udp_connects;
	unsigned long udp_tick;
};

/**
 * struct percore_lane - a CPU and the private port of its server
 * @cpu: CPU number
 * @port: private port
 * @drain: the lane gets no new connections; changes under RCU's eyes
 * @used: a connection is on it; for change.c alone
 * @leave: where the service has a mark for CPUs: the share of its new connections
 *	that leaves it because this one is busy, of PERCORE_LEAVE_ALL
 */
struct percore_lane {
	u32 cpu;
	__be16 port;
	bool drain;
	bool used;
	u16 leave;
};

/**
 * struct percore_service - one VIP:port and its lanes; once added only the
 *	lanes' @drain and @leave change
 * @vip: address that clients use; zeros behind an IPv4 address
 * @port: port that clients use
 * @lanes: number of lanes, at least 1
 * @all: number of lanes with those that are retired, which are behind the others
 * @family: AF_INET or AF_INET6
 * @proto: IPPROTO_TCP or IPPROTO_UDP
 * @method: enum percore_method
 * @balance: enum percore_balance
 * @mark: with PERCORE_BALANCE_SPILL: how full a lane's queue of connections to
 *	accept must be for a new one to go elsewhere, in percent of its room
 * @cpu_mark: how busy a lane's CPU may be before new ones go elsewhere, percent; 0:
 *	that does not matter
 * @former: connections of the other method live
 * @salt: seeds the hash that spreads the flows of a lane without a listener
 * @stats: counters per CPU
 * @lane_of_cpu: index of the lane for packets received on each CPU; a CPU that
 *	has no lane of its own is given one of the others
 * @lane: the lanes
 * @place: where their listeners may be; see percore_listener_init()
 * @places: how many of @place there are
 * @public_used: a connection is on the public port; for change.c alone
 * @settled: no packet sees what was before it any more; for change.c alone
 * @born: RCU's state when packets began to see it
 * @front: with method front: what listens at @vip and @port
 * @borrows: @stats belong to the service before this one, or behind it
 * @list: in percore_net.services, under percore_net.lock
 * @rcu: for call_rcu_hurry()
 */
struct percore_service {
	union nf_inet_addr vip;
	__be16 port;
	u16 lanes;
	u16 all;
	u8 family;
	u8 proto;
	u8 method;
	u8 balance;
	u8 mark;
	u8 cpu_mark;
	bool former;
	u32 salt;
	struct percore_stats __percpu *stats;
	u16 *lane_of_cpu;
	struct percore_lane *lane;
	struct percore_place place[2];
	u8 places;
	/* end of what packets read */
	bool public_used;
	bool settled;
	bool borrows;
	unsigned long born;
	struct percore_front *front;
	struct list_head list;
	struct rcu_head rcu;
};

/**
 * struct percore_net - a netns
 * @table: all ports of its services of each kind; NULL where there is none
 * @cookies: methods steer and front: when, in jiffies, a listener may last have sent a SYN
 *	cookie, to the second; 0 for never. Any CPU, so that all know of it
 * @net: the netns itself
 * @lock: serialises changes of everything here
 * @services: list of struct percore_service, oldest first
 * @reap: looks for retired lanes that nobody needs
 * @payer: whom that charges its memory to, while it goes on; or NULL
 * @fronts: looks after the services with method front
 * @hooks: has the hooks registered that packets have asked for
 * @loads: looks how busy the CPUs of lanes are, where a service has a mark for it
 * @count: length of @services
 * @generation: goes up with every change, for consistent dumps
 * @bridged: a bridge has shown a packet to netfilter that a listener may have to go with
 * @late_failed: the hook for these could not be registered
 * @ending: it is going away, and gets no more hooks
 * @hooked_in: by enum percore_family: the netfilter hook for packets that
 *	arrive is registered
 * @hooked_late: the one for those that a bridge shows to that one too early is
 * @hooked_out: the one for packets that leave is
 * @in: that hook, told this struct; lives as long as it is registered
 * @late: likewise
 * @out: likewise
 */
struct percore_net {
	struct percore_table __rcu *table[PERCORE_KINDS];
	unsigned long cookies;
	/* Serialises changes of everything here. */
	struct mutex lock;
	struct net *net;
	struct list_head services;
	struct delayed_work reap;
	struct mem_cgroup *payer;
	struct delayed_work fronts;
	struct work_struct hooks;
	struct delayed_work loads;
	unsigned int count;
	unsigned int generation;
	bool bridged;
	bool late_failed;
	bool ending;
	bool hooked_in[PERCORE_FAMILIES];
	bool hooked_late[PERCORE_FAMILIES];
	bool hooked_out[PERCORE_FAMILIES];
	struct nf_hook_ops in[PERCORE_FAMILIES];
	struct nf_hook_ops late[PERCORE_FAMILIES];
	struct nf_hook_ops out[PERCORE_FAMILIES];
};

/**
 * struct percore_tuple - the other end of a flow, and where its packet came in
 * @addr: the client's address
 * @port: the client's port
 * @dif: ifindex that sockets may be bound to
 * @sdif: ifindex of the enslaved device when @dif is a VRF, else 0
 */
struct percore_tuple {
	union nf_inet_addr addr;
	__be16 port;
	int dif;
	int sdif;
};

/**
 * struct percore_where - where an IPv6 packet's transport header is
 * @off: its offset from the network header
 * @proto: its protocol
 * @fragment: the packet is the first part of one
 */
struct percore_where {
	unsigned int off;
	u8 proto;
	bool fragment;
};

/**
 * struct percore_ports - how both TCP's and UDP's headers begin
 * @source: source port
 * @dest: destination port
 */
struct percore_ports {
	__be16 source;
	__be16 dest;
};

struct genl_family;
struct inet_timewait_sock;
struct netlink_callback;

/* main.c */
struct percore_net *percore_pernet(const struct net *net);

/* hooks.c */
int percore_hooks_want(struct percore_net *pn, const struct percore_service *svc);
void percore_hooks_renew(struct percore_net *pn);
void percore_hooks_ask(struct percore_net *pn);
void percore_hooks_init(struct percore_net *pn);
void percore_hooks_end(struct percore_net *pn);
void percore_hooks_quit(struct percore_net *pn);

/* netlink.c */
extern struct genl_family percore_family;

int percore_netlink_init(void);
void percore_netlink_exit(void);

/* What a service takes in a message without its lanes, and a lane; both at most. */
#define PERCORE_SERVICE_BYTES	128
#define PERCORE_LANE_BYTES	44

/* dump.c */
int percore_dump_start(struct netlink_callback *cb);
int percore_dump_services(struct sk_buff *skb, struct netlink_callback *cb);
int percore_dump_stats(struct sk_buff *skb, struct netlink_callback *cb);
int percore_fill_service(struct sk_buff *skb,
			 const struct percore_service *svc);

/* notify.c */
struct sk_buff *percore_notice(struct net *net,
			       const struct percore_service *svc, u8 cmd);
void percore_notice_send(struct net *net, struct sk_buff *skb);
void percore_notify(struct net *net, const struct percore_service *svc, u8 cmd);

/* icmp.c */
unsigned int percore_icmp_in4(struct sk_buff *skb, const struct percore_net *pn,
			      struct net *net);
unsigned int percore_icmp_out4(struct sk_buff *skb,
			       const struct percore_net *pn);
unsigned int percore_icmp_in6(struct sk_buff *skb, const struct percore_net *pn,
			      struct net *net, unsigned int thoff);
unsigned int percore_icmp_out6(struct sk_buff *skb,
			       const struct percore_net *pn,
			       unsigned int thoff);

/* in.c */
unsigned int percore_hook_in4(void *priv, struct sk_buff *skb,
			      const struct nf_hook_state *state);
unsigned int percore_hook_in6(void *priv, struct sk_buff *skb,
			      const struct nf_hook_state *state);

/* out.c */
unsigned int percore_hook_out4(void *priv, struct sk_buff *skb,
			       const struct nf_hook_state *state);
unsigned int percore_hook_out6(void *priv, struct sk_buff *skb,
			       const struct nf_hook_state *state);

/* gather.c */
bool percore_gather4(struct sk_buff *skb, const struct nf_hook_state *state);

/* former.c */
u8 percore_former_method(struct net *net, const struct percore_service *svc,
			 const struct sk_buff *skb, unsigned int thoff);

/* find6.c */
bool percore_find6(const struct sk_buff *skb, unsigned int off,
		   struct percore_where *where);
bool percore_is_fragment6(const struct sk_buff *skb);

/* nat.c */
u16 percore_nat_elsewhere(struct net *net, const struct percore_service *svc,
			  struct sk_buff *skb, unsigned int thoff, u16 own);
u16 percore_nat_partly(struct net *net, const struct percore_service *svc,
		       struct sk_buff *skb, unsigned int thoff, u16 own,
		       struct sock *sk);

/* udp.c */
struct sock *percore_udp_at(struct net *net, const struct percore_service *svc,
			    const struct percore_tuple *tuple, __be16 port);
bool percore_udp_find(struct net *net, const struct percore_service *svc,
		      const struct percore_tuple *tuple, u16 own, u16 *lane);
bool percore_udp_bound(struct net *net, const struct percore_service *svc,
		       __be16 port);
void percore_udp_set_port(const struct sk_buff *skb, unsigned int thoff,
			  __be16 *port, __be16 to);
unsigned int percore_udp_in(struct sk_buff *skb,
			    const struct percore_service *svc, struct net *net,
			    unsigned int thoff);

/* timewait.c */
bool percore_makes_room(const struct sock *sk, const struct tcphdr *th);
void percore_make_room(struct inet_timewait_sock *tw, bool listens);

/* front.c */
bool percore_is_front(const struct sock *sk);
int percore_front_open(struct net *net, struct percore_service *svc);
void percore_front_move(struct percore_service *svc,
			struct percore_service *old);
void percore_front_close(struct percore_service *svc);
void percore_fronts_init(struct percore_net *pn);
void percore_fronts_look(struct percore_net *pn);
void percore_fronts_stop(struct percore_net *pn);

/* steer.c */
void percore_note_cookies(struct net *net);
unsigned int percore_steer_in(struct sk_buff *skb,
			      const struct percore_service *svc,
			      struct net *net, unsigned int thoff);

/* late.c */
unsigned int percore_late(const struct sk_buff *skb,
			  const struct percore_service *svc, struct net *net);
unsigned int percore_hook_late4(void *priv, struct sk_buff *skb,
				const struct nf_hook_state *state);
unsigned int percore_hook_late6(void *priv, struct sk_buff *skb,
				const struct nf_hook_state *state);

/* flow.c */
struct sock *percore_flow_at(struct net *net, const struct percore_service *svc,
			     const struct percore_tuple *tuple, __be16 port);
bool percore_flow_means(struct sock *sk, const struct tcphdr *th);
struct sock *percore_flow_find(struct net *net,
			       const struct percore_service *svc,
			       const struct percore_tuple *tuple,
			       const struct tcphdr *th, u16 own, u16 *lane);
struct sock *percore_flow_beside(struct net *net,
				 const struct percore_service *svc,
				 const struct percore_tuple *tuple,
				 const struct tcphdr *th, u16 own,
				 struct sock *here, u16 *lane);
bool percore_may_look(const struct percore_service *svc,
		      enum percore_look what);
void percore_look_paid(const struct percore_service *svc,
		       enum percore_look what);
struct sock *percore_flow_cookie(struct net *net,
				 const struct percore_service *svc,
				 struct sk_buff *skb, unsigned int thoff,
				 u16 own, u16 *lane);
bool percore_flow_takes(struct net *net, const struct percore_service *svc,
			struct sk_buff *skb, unsigned int thoff, u16 lane);
struct sock *percore_flow_listener(struct net *net,
				   const struct percore_service *svc,
				   struct sk_buff *skb, unsigned int thoff,
				   u16 own, u16 *lane);
void percore_count_refused(const struct percore_service *svc,
			   const struct sk_buff *skb, unsigned int thoff);
u16 percore_flow_steer(struct net *net, const struct percore_service *svc,
		       struct sk_buff *skb, unsigned int thoff, u16 own,
		       bool attach);

/* listener.c */
void percore_listener_init(struct net *net, struct percore_service *svc);
struct sock *percore_listener(struct net *net,
			      const struct percore_service *svc,
			      struct sk_buff *skb, unsigned int thoff,
			      __be16 port);
void percore_attach_listener(struct sk_buff *skb, struct sock *sk);

/* change.c */
struct percore_service *percore_heir_alloc(const struct percore_service *old,
					   u16 lanes);
int percore_heir_retire(struct percore_service *svc,
			const struct percore_service *old);
void percore_reap_init(struct percore_net *pn);
void percore_reap_later(struct percore_net *pn);
void percore_reap_stop(struct percore_net *pn);
int percore_change_init(void);
void percore_change_exit(void);

/* load.c */
void percore_loads_init(struct percore_net *pn);
u8 percore_cpu_load(unsigned int cpu);
void percore_loads_look(struct percore_net *pn);
void percore_loads_inherit(struct percore_service *svc,
			   const struct percore_service *old);
void percore_loads_stop(struct percore_net *pn);
int percore_load_init(void);
void percore_load_exit(void);

/* service.c */
struct percore_service *
percore_service_alloc(u16 lanes, u16 room, struct percore_stats __percpu *stats);
void percore_service_free(struct percore_service *svc);
struct percore_service *percore_service_find(struct percore_net *pn, u8 family,
					     const union nf_inet_addr *vip,
					     __be16 port, u8 proto);
int percore_service_put(struct net *net, struct percore_service *svc,
			struct percore_service *old, struct percore_slot *clash,
			u16 *lane);
int percore_service_del(struct net *net, struct percore_service *svc);
int percore_service_drain(struct percore_net *pn, struct percore_service *svc,
			  u32 cpu, bool drain);
void percore_service_purge(struct percore_net *pn);
void percore_stats_read(const struct percore_service *svc, unsigned int cpu,
			u64 n[PERCORE_STAT_COUNT]);

/**
 * percore_count() - count one event on this CPU
 * @svc: service
 * @stat: what happened
 *
 * Context: any; LOCAL_OUT runs in process context too, and this_cpu_inc() is
 * whole there.
 */
static inline void percore_count(const struct percore_service *svc,
				 enum percore_stat stat)
{
	this_cpu_inc(svc->stats->n[stat]);
}

/**
 * percore_note_moved() - this CPU has to do with a flow of another's lane
 * @svc: service
 *
 * Context: any; a note that another CPU gets does no harm.
 */
static inline void percore_note_moved(const struct percore_service *svc)
{
	WRITE_ONCE(raw_cpu_ptr(svc->stats)->moved, jiffies | 1);
}

/**
 * percore_is_settled() - do all flows of this CPU belong to its lane?
 * @svc: service with method nat
 *
 * They do as long as the same packets come to the same CPU, and its lane takes
 * connections. Then the first packet of one need not be looked for on all other
 * lanes, at a price that grows with their number. That packets have begun to come to
 * another CPU is seen by those that are not first ones, at once on a CPU with so many
 * first ones that not all are looked for (PERCORE_LOOK_FIRST). What one of these may
 * do before, percore_flow_fits() puts right: it is a guess that costs little when it
 * is wrong. Two minutes: a lane remembers ends and beginnings of connections for one.
 *
 * Context: any.
 * Return: true if nothing else was seen for two minutes.
 */
static inline bool percore_is_settled(const struct percore_service *svc)
{
	unsigned long moved = READ_ONCE(raw_cpu_ptr(svc->stats)->moved);

	return !moved || !time_in_range(jiffies | 1, moved,
					moved + 2 * TCP_TIMEWAIT_LEN);
}

/**
 * percore_is_resting() - has a lane no share of its own?
 * @lane: lane that is not retired
 *
 * Context: any.
 * Return: true when it is drained or its CPU is gone.
 */
static inline bool percore_is_resting(const struct percore_lane *lane)
{
	return READ_ONCE(lane->drain) || !cpu_online(lane->cpu);
}

/**
 * percore_lane_of() - the lane that a CPU has for itself
 * @svc: service that was put
 * @cpu: CPU that is possible
 *
 * Return: lane, or NULL when the CPU shares one of another.
 */
static inline const struct percore_lane *
percore_lane_of(const struct percore_service *svc, unsigned int cpu)
{
	const struct percore_lane *lane = &svc->lane[svc->lane_of_cpu[cpu]];

	return lane->cpu == cpu ? lane : NULL;
}

/**
 * percore_rewrites() - has the service connections at private ports?
 * @svc: service
 *
 * Return: true with method nat, and as long as connections of it live.
 */
static inline bool percore_rewrites(const struct percore_service *svc)
{
	return svc->method == PERCORE_METHOD_NAT || svc->former;
}

/**
 * percore_own_lane() - the lane of this CPU
 * @svc: service
 *
 * Context: any; softirq but for a packet that comes back from a queue to user
 * space, whose CPU may change under it. So a packet's lane is asked for once.
 * Return: index of the lane.
 */
static inline u16 percore_own_lane(const struct percore_service *svc)
{
	return svc->lane_of_cpu[raw_smp_processor_id()];
}

static inline enum percore_kind percore_kind_of(u8 family, u8 proto)
{
	if (proto == IPPROTO_UDP)
		return family == AF_INET6 ? PERCORE_UDP6 : PERCORE_UDP4;
	return family == AF_INET6 ? PERCORE_TCP6 : PERCORE_TCP4;
}

static inline enum percore_family percore_family_of(u8 family)
{
	return family == AF_INET6 ? PERCORE_IP6 : PERCORE_IP4;
}

/**
 * percore_iif() - where the stack says that a packet came in
 * @family: AF_INET or AF_INET6
 * @skb: packet
 * @tuple: result: @dif and @sdif
 *
 * Context: softirq, before local delivery.
 */
static inline void percore_iif(u8 family, const struct sk_buff *skb,
			       struct percore_tuple *tuple)
{
	if (family == AF_INET6) {
		tuple->dif = inet6_iif(skb);
		tuple->sdif = inet6_sdif(skb);
	} else {
		tuple->dif = skb->skb_iif;
		tuple->sdif = inet_sdif(skb);
	}
}

static inline struct percore_ports *percore_ports_of(const struct sk_buff *skb,
						     unsigned int thoff)
{
	return (struct percore_ports *)(skb_network_header(skb) + thoff);
}

/* A packet that was put together on its way here. */
static inline void percore_count_fragments(const struct percore_service *svc,
					   const struct sk_buff *skb, u8 family)
{
	if (unlikely(family == AF_INET6 ? IP6CB(skb)->frag_max_size
					: IPCB(skb)->frag_max_size))
		percore_count(svc, PERCORE_STAT_FRAG);
}

static inline unsigned int percore_header_len(u8 proto)
{
	return proto == IPPROTO_UDP ? sizeof(struct udphdr)
				    : sizeof(struct tcphdr);
}

static inline struct tcphdr *percore_tcp_hdr(const struct sk_buff *skb,
					     unsigned int thoff)
{
	return (struct tcphdr *)(skb_network_header(skb) + thoff);
}

/**
 * percore_tuple_of() - the client's end of a packet that arrives
 * @svc: its service
 * @skb: packet, transport header pulled
 * @thoff: offset of that header from the network header
 * @tuple: result
 *
 * Context: softirq, before local delivery.
 */
static inline void percore_tuple_of(const struct percore_service *svc,
				    const struct sk_buff *skb,
				    unsigned int thoff,
				    struct percore_tuple *tuple)
{
	if (svc->family == AF_INET6)
		tuple->addr.in6 = ipv6_hdr(skb)->saddr;
	else
		tuple->addr.ip = ip_hdr(skb)->saddr;
	tuple->port = percore_ports_of(skb, thoff)->source;
	percore_iif(svc->family, skb, tuple);
}

/* The first packet of a connection. */
static inline bool percore_is_first(const struct tcphdr *th)
{
	return th->syn && !th->ack;
}

/**
 * percore_requests_many() - is a listener's queue of requests half full?
 * @sk: listener, alive under RCU
 *
 * Context: any.
 * Return: true if it is: it may be sending SYN cookies, or will be soon.
 */
static inline bool percore_requests_many(const struct sock *sk)
{
	return inet_csk_reqsk_queue_len(sk) >=
	       READ_ONCE(sk->sk_max_ack_backlog) / 2;
}

/**
 * percore_sends_cookies() - may a listener answer with a cookie?
 * @net: netns
 * @sk: listener, alive under RCU
 *
 * It does when its queue of requests is full, and the packets of a whole batch
 * come here before the first of them is queued, so half full is near enough.
 *
 * Context: any.
 * Return: true if it may.
 */
static inline bool percore_sends_cookies(const struct net *net,
					 const struct sock *sk)
{
	u8 mode = READ_ONCE(net->ipv4.sysctl_tcp_syncookies);

	return mode && (mode != 1 || percore_requests_many(sk));
}

/**
 * percore_cookies_recent() - may a SYN cookie that is still valid have been sent?
 * @pn: netns
 *
 * Context: any.
 * Return: true if a listener of a service with method steer or front may have
 * sent one.
 */
static inline bool percore_cookies_recent(const struct percore_net *pn)
{
	unsigned long last = READ_ONCE(pn->cookies);

	/* A range: where jiffies wrap, what is old would come to lie ahead. The note may
	 * be ahead of us by a tick or two.
	 */
	return unlikely(last) &&
	       time_in_range(jiffies, last - HZ,
			     last + TCP_SYNCOOKIE_VALID + HZ);
}

/**
 * percore_flow_fits() - is a packet for this socket, or for another of its flow?
 * @sk: socket
 * @th: the packet's TCP header; NULL for none
 *
 * A flow may have two, on two lanes: a first packet that was sent again and came to
 * another CPU than before makes another request (see percore_is_settled()). Of a
 * request and of what is in TIME_WAIT it can be told whether they mean the packet.
 *
 * Context: any.
 * Return: false if @sk is one of these, and it does not.
 */
static inline bool percore_flow_fits(struct sock *sk, const struct tcphdr *th)
{
	return likely(sk_fullsock(sk)) || percore_flow_means(sk, th);
}

/* One that may end a handshake. */
static inline bool percore_is_ack(const struct tcphdr *th)
{
	return th->ack && !th->syn && !th->rst && !th->fin;
}

/**
 * percore_untrack() - keep a packet out of connection tracking
 * @skb: packet
 *
 * Connection tracking would see public ports on the way in and private ones
 * at the socket, one half of a loopback flow twice, and call it invalid.
 * Outside of it on both ways, none of that happens.
 */
static inline void percore_untrack(struct sk_buff *skb)
{
	nf_reset_ct(skb);
	skb_set_nfct(skb, IP_CT_UNTRACKED);
}

#endif /* _PERCORE_H */
