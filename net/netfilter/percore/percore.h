/* SPDX-License-Identifier: GPL-2.0 */
/*
 * percore: what its rooms share. From the top down:
 *
 *	main		module and per-netns life, hook registration
 *	netlink		the generic netlink family: parse, validate
 *	dump		what it tells: services and counters
 *	icmp		errors about our flows, both directions
 *	tcp		whose service is this packet's; a socket goes with it
 *	nat, steer	the two methods: what happens to one packet
 *	flow		whose packet is this: SYN -> lane, else socket -> lane
 *	service		VIP, port, lanes; RCU table; per-CPU counters
 *	table		address and port -> service and lane
 */
#ifndef _PERCORE_H
#define _PERCORE_H

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
#include <net/net_namespace.h>
#include <uapi/linux/percore.h>

#include "table.h"

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
	PERCORE_STAT_COUNT,
};

/**
 * struct percore_stats - one CPU's counters of one service
 * @n: counters, by enum percore_stat; they wrap at the machine's word, as the
 *	SNMP counters do
 */
struct percore_stats {
	unsigned long n[PERCORE_STAT_COUNT];
	/* private: for percore_look_again() alone */
	unsigned long look_tick;
	unsigned int looks;
};

/**
 * struct percore_lane - a CPU and the private port of its server
 * @cpu: CPU number
 * @port: private port
 * @drain: the lane gets no new connections; changes under RCU's eyes
 */
struct percore_lane {
	u32 cpu;
	__be16 port;
	bool drain;
};

/**
 * struct percore_service - one VIP:port and its lanes; once added only @cookies
 *	and the lanes' @drain change
 * @vip: IPv4 address that clients use
 * @port: port that clients use
 * @lanes: number of lanes, at least 1
 * @proto: IPPROTO_TCP
 * @method: enum percore_method
 * @salt: seeds the hash that spreads the flows of a lane without a listener
 * @cookies: method steer: when, in jiffies, a listener may last have sent a SYN
 *	cookie, to the second; 0 for never. Any CPU, so that all know of it
 * @stats: counters per CPU
 * @lane_of_cpu: index of the lane for packets received on each CPU; a CPU that
 *	has no lane of its own is given one of the others
 * @lane: the lanes
 * @list: in percore_net.services, under percore_net.lock
 * @rcu: for call_rcu()
 */
struct percore_service {
	__be32 vip;
	__be16 port;
	u16 lanes;
	u8 proto;
	u8 method;
	u32 salt;
	unsigned long cookies;
	struct percore_stats __percpu *stats;
	u16 *lane_of_cpu;
	struct percore_lane *lane;
	/* end of what packets read */
	struct list_head list;
	struct rcu_head rcu;
};

/**
 * struct percore_net - a netns
 * @table: all ports of its services; NULL when there is none
 * @lock: serialises changes of everything here
 * @services: list of struct percore_service, oldest first
 * @count: length of @services
 * @ports: ports of all services, public and private
 * @generation: goes up with every change, for consistent dumps
 * @nats: how many of @services have method nat
 * @hooked_in: the netfilter hook for packets that arrive is registered
 * @hooked_out: the one for packets that leave is
 */
struct percore_net {
	struct percore_table __rcu *table;
	/* Serialises changes of everything here. */
	struct mutex lock;
	struct list_head services;
	unsigned int count;
	unsigned int ports;
	unsigned int generation;
	unsigned int nats;
	bool hooked_in;
	bool hooked_out;
};

/**
 * struct percore_tuple - the other end of a flow, and where its packet came in
 * @addr: the client's address
 * @port: the client's port
 * @dif: ifindex that sockets may be bound to
 * @sdif: ifindex of the enslaved device when @dif is a VRF, else 0
 */
struct percore_tuple {
	__be32 addr;
	__be16 port;
	int dif;
	int sdif;
};

struct genl_family;
struct netlink_callback;

/* main.c */
struct percore_net *percore_pernet(const struct net *net);
int percore_hooks_set(struct net *net, bool in, bool out);

/* netlink.c */
extern struct genl_family percore_family;

int percore_netlink_init(void);
void percore_netlink_exit(void);

/* dump.c */
int percore_dump_start(struct netlink_callback *cb);
int percore_dump_services(struct sk_buff *skb, struct netlink_callback *cb);
int percore_dump_stats(struct sk_buff *skb, struct netlink_callback *cb);

/* icmp.c */
unsigned int percore_icmp_in(struct sk_buff *skb,
			     const struct percore_table *table,
			     struct net *net);
unsigned int percore_icmp_out(struct sk_buff *skb,
			      const struct percore_table *table);

/* tcp.c */
unsigned int percore_tcp_in(struct sk_buff *skb,
			    const struct percore_table *table,
			    const struct nf_hook_state *state);
bool percore_may_attach(const struct sk_buff *skb);
void percore_attach(struct net *net, struct sk_buff *skb, unsigned int thoff,
		    struct sock *sk);

/* nat.c */
unsigned int percore_nat_in(struct sk_buff *skb,
			    const struct percore_service *svc,
			    struct net *net, unsigned int thoff);
unsigned int percore_nat_out(struct sk_buff *skb,
			     const struct percore_table *table);

/* steer.c */
unsigned int percore_steer_in(struct sk_buff *skb, struct percore_service *svc,
			      struct net *net, unsigned int thoff);

/* flow.c */
struct sock *percore_flow_at(struct net *net, const struct percore_service *svc,
			     const struct percore_tuple *tuple, __be16 port);
struct sock *percore_flow_find(struct net *net,
			       const struct percore_service *svc,
			       const struct percore_tuple *tuple, u16 own,
			       u16 *lane);
bool percore_look_again(const struct percore_service *svc);
struct sock *percore_flow_cookie(struct net *net,
				 const struct percore_service *svc,
				 struct sk_buff *skb, unsigned int thoff,
				 u16 own, u16 *lane);
void percore_attach_listener(struct sk_buff *skb, struct sock *sk);
u16 percore_flow_steer(struct net *net, const struct percore_service *svc,
		       struct sk_buff *skb, unsigned int thoff, u16 own,
		       bool attach);

/* service.c */
struct percore_service *percore_service_alloc(u16 lanes);
void percore_service_free(struct percore_service *svc);
struct percore_service *percore_service_find(struct percore_net *pn, __be32 vip,
					     __be16 port, u8 proto);
int percore_service_add(struct net *net, struct percore_service *svc,
			struct percore_slot *clash, u16 *lane);
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

static inline struct tcphdr *percore_tcp_hdr(const struct sk_buff *skb,
					     unsigned int thoff)
{
	return (struct tcphdr *)(skb_network_header(skb) + thoff);
}

/* The first packet of a connection. */
static inline bool percore_is_first(const struct tcphdr *th)
{
	return th->syn && !th->ack;
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
