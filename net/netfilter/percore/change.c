// SPDX-License-Identifier: GPL-2.0
/*
 * A service changes its lanes or its method while connections live.
 *
 * Its heir takes its place in one step, and has its lanes too: those that it
 * does not go on with are retired. A retired lane gets nothing new; what it has
 * goes on. Now and then somebody looks through the table of connections, which
 * lanes are still needed. A lane of UDP is needed as long as it has sockets.
 */
#include <linux/in.h>
#include <linux/memcontrol.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/workqueue.h>
#include <net/inet_hashtables.h>
#include <net/inet_timewait_sock.h>
#include <net/sock.h>

#include "percore.h"

/* How often that is. It takes a look at each bucket of the table. */
#define PERCORE_REAP_INTERVAL	(5 * HZ)

/* For all netns, a few at a time: anybody may have many. */
static struct workqueue_struct *percore_reap_wq;

/**
 * percore_heir_alloc() - allocate what shall take the place of a service
 * @old: service of a locked netns
 * @lanes: number of lanes that it shall have
 *
 * Everything is as with @old but the lanes' contents. The counters are those of
 * @old itself.
 *
 * Context: may sleep.
 * Return: service, for percore_service_free() if not for
 * percore_service_put(), or NULL.
 */
struct percore_service *percore_heir_alloc(const struct percore_service *old,
					   u16 lanes)
{
	struct percore_service *svc;

	svc = percore_service_alloc(lanes, old->all, old->stats);
	if (!svc)
		return NULL;
	svc->family = old->family;
	svc->vip = old->vip;
	svc->port = old->port;
	svc->proto = old->proto;
	svc->method = old->method;
	svc->balance = old->balance;
	svc->mark = old->mark;
	svc->cpu_mark = old->cpu_mark;
	svc->former = old->former;
	svc->salt = old->salt;
	return svc;
}

static bool percore_has_port(const struct percore_service *svc, __be16 port)
{
	u16 i;

	for (i = 0; i < svc->lanes; i++)
		if (svc->lane[i].port == port)
			return true;
	return false;
}

/**
 * percore_heir_retire() - give an heir what its predecessor leaves behind
 * @svc: heir, its lanes and method filled in
 * @old: predecessor
 *
 * Return: 0, or -E2BIG when that would be too many lanes.
 */
int percore_heir_retire(struct percore_service *svc,
			const struct percore_service *old)
{
	u16 i;

	/* Connections are at the public port, whoever accepted them. */
	if (svc->method == PERCORE_METHOD_FRONT)
		return 0;
	for (i = 0; i < old->all; i++) {
		if (percore_has_port(svc, old->lane[i].port))
			continue;
		if (svc->all == PERCORE_MAX_LANES)
			return -E2BIG;
		svc->lane[svc->all++] = old->lane[i];
	}
	if (svc->method != old->method)
		svc->former = true;
	return 0;
}

static bool percore_is_changing(const struct percore_service *svc)
{
	return svc->all > svc->lanes || svc->former;
}

static void percore_reap_use(const struct percore_slot *slot)
{
	if (!slot)
		return;
	if (slot->lane == PERCORE_PUBLIC)
		slot->svc->public_used = true;
	else
		slot->svc->lane[slot->lane].used = true;
}

/* A connection: whose? An IPv6 socket may have an IPv4 connection; a lane that
 * is kept for nothing does no harm.
 */
static void percore_reap_mark(struct percore_net *pn, const struct sock *sk)
{
	const struct percore_table *table;
	__be16 port = htons(sk->sk_num);

	table = rcu_dereference_protected(pn->table[PERCORE_TCP4],
					  lockdep_is_held(&pn->lock));
	if (table)
		percore_reap_use(percore_table_find(table, sk->sk_rcv_saddr,
						    port));
#if IS_ENABLED(CONFIG_IPV6)
	table = rcu_dereference_protected(pn->table[PERCORE_TCP6],
					  lockdep_is_held(&pn->lock));
	if (table && sk->sk_family == AF_INET6)
		percore_reap_use(percore_table_find6(table,
						     &sk->sk_v6_rcv_saddr,
						     port));
#endif
}

/* Half-open connections and TIME_WAIT are in the table as well. What moves from
 * one state to another does so under the bucket's lock.
 */
static void percore_reap_look_tcp(struct percore_net *pn)
{
	struct inet_hashinfo *hashinfo =
		pn->net->ipv4.tcp_death_row.hashinfo;
	struct hlist_nulls_node *node;
	struct sock *sk;
	unsigned int i;

	for (i = 0; i <= hashinfo->ehash_mask; i++) {
		struct inet_ehash_bucket *head = &hashinfo->ehash[i];
		spinlock_t *lock = inet_ehash_lockp(hashinfo, i);

		cond_resched();
		if (hlist_nulls_empty(&head->chain))
			continue;
		spin_lock_bh(lock);
		sk_nulls_for_each(sk, node, &head->chain)
			if (net_eq(sock_net(sk), pn->net))
				percore_reap_mark(pn, sk);
		spin_unlock_bh(lock);
	}
}

static void percore_reap_look_udp(struct percore_net *pn)
{
	struct percore_service *svc;
	u16 i;

	list_for_each_entry(svc, &pn->services, list) {
		if (svc->proto != IPPROTO_UDP)
			continue;
		for (i = svc->lanes; i < svc->all; i++)
			svc->lane[i].used =
				percore_udp_bound(pn->net, svc,
						  svc->lane[i].port);
	}
}

/* Does a connection of the former method live? */
static bool percore_former_lives(const struct percore_service *svc)
{
	u16 i;

	if (svc->method == PERCORE_METHOD_NAT)
		return svc->public_used;
	for (i = 0; i < svc->all; i++)
		if (svc->lane[i].used)
			return true;
	return false;
}

/* What is left of @old when retired lanes without a connection are gone. */
static struct percore_service *
percore_reap_heir(const struct percore_service *old)
{
	struct percore_service *svc;
	u16 i;

	svc = percore_heir_alloc(old, old->lanes);
	if (!svc)
		return NULL;
	memcpy(svc->lane, old->lane, old->lanes * sizeof(*old->lane));
	for (i = old->lanes; i < old->all; i++)
		if (old->lane[i].used)
			svc->lane[svc->all++] = old->lane[i];
	svc->former = old->former && percore_former_lives(old);
	return svc;
}

/* One service; when memory is short, or nothing is to be done, the next time
 * will do.
 */
static void percore_reap_service(struct percore_net *pn,
				 struct percore_service *old)
{
	struct percore_service *svc = percore_reap_heir(old);
	struct percore_slot clash;
	u16 lane;

	if (!svc)
		return;
	if ((svc->all == old->all && svc->former == old->former) ||
	    percore_service_put(pn->net, svc, old, &clash, &lane))
		percore_service_free(svc);
	else
		percore_notify(pn->net, svc, PERCORE_CMD_SERVICE_SET_NTF);
}

/* Is a service of this protocol changing? */
static bool percore_reap_begin(struct percore_net *pn, u8 proto)
{
	struct percore_service *svc;
	bool changing = false;
	u16 i;

	list_for_each_entry(svc, &pn->services, list) {
		if (svc->proto != proto)
			continue;
		changing |= percore_is_changing(svc);
		/* Asked before the look at connections: then no packet is about to
		 * make one by what was before.
		 */
		svc->settled = poll_state_synchronize_rcu(svc->born);
		svc->public_used = false;
		for (i = 0; i < svc->all; i++)
			svc->lane[i].used = false;
	}
	return changing;
}

static void percore_reap_again(struct percore_net *pn)
{
	queue_delayed_work(percore_reap_wq, &pn->reap, PERCORE_REAP_INTERVAL);
}

/* Takes the reference over. */
static void percore_reap_pay(struct percore_net *pn, struct mem_cgroup *payer)
{
	mem_cgroup_put(pn->payer);
	pn->payer = payer;
}

static void percore_reap(struct work_struct *work)
{
	struct percore_net *pn = container_of(to_delayed_work(work),
					      struct percore_net, reap);
	struct percore_service *svc, *next;
	struct mem_cgroup *before;
	bool tcp, udp;

	mutex_lock(&pn->lock);
	/* What takes a service's place is paid by who has asked for it. */
	before = set_active_memcg(pn->payer);
	tcp = percore_reap_begin(pn, IPPROTO_TCP);
	udp = percore_reap_begin(pn, IPPROTO_UDP);
	if (tcp || udp) {
		if (tcp)
			percore_reap_look_tcp(pn);
		if (udp)
			percore_reap_look_udp(pn);
		list_for_each_entry_safe(svc, next, &pn->services, list)
			if (percore_is_changing(svc) && svc->settled)
				percore_reap_service(pn, svc);
		percore_reap_again(pn);
	} else {
		percore_reap_pay(pn, NULL);
	}
	set_active_memcg(before);
	mutex_unlock(&pn->lock);
}

/**
 * percore_reap_init() - prepare a netns
 * @pn: netns
 */
void percore_reap_init(struct percore_net *pn)
{
	INIT_DELAYED_WORK(&pn->reap, percore_reap);
}

/**
 * percore_reap_later() - look for retired lanes in a while
 * @pn: netns, locked; percore_reap_stop() comes before its end
 *
 * Context: process of the user who has changed a service.
 */
void percore_reap_later(struct percore_net *pn)
{
	percore_reap_pay(pn, get_mem_cgroup_from_mm(current->mm));
	percore_reap_again(pn);
}

/**
 * percore_reap_stop() - never look again
 * @pn: netns in which nobody can change anything any more; not locked
 *
 * Context: may sleep.
 */
void percore_reap_stop(struct percore_net *pn)
{
	cancel_delayed_work_sync(&pn->reap);
	percore_reap_pay(pn, NULL);
}

/**
 * percore_change_init() - when the module is loaded
 *
 * Return: 0 or -ENOMEM.
 */
int __init percore_change_init(void)
{
	percore_reap_wq = alloc_workqueue("percore_reap", WQ_UNBOUND, 4);
	return percore_reap_wq ? 0 : -ENOMEM;
}

/**
 * percore_change_exit() - when it leaves; no netns is left
 */
void percore_change_exit(void)
{
	destroy_workqueue(percore_reap_wq);
}
