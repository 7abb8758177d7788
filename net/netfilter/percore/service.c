// SPDX-License-Identifier: GPL-2.0
/*
 * Services of a netns: the list that the configuration works on, the table
 * that packets read, and the counters.
 */
#include <linux/cache.h>
#include <linux/cpumask.h>
#include <linux/log2.h>
#include <linux/overflow.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "percore_compat.h"
#include "percore.h"

/* An array that packets read, on cache lines of its own: no neighbour's writes take
 * them away. Powers of two are aligned to themselves.
 */
static void *percore_array_alloc(size_t n, size_t size)
{
	size_t bytes = max_t(size_t, n * size, SMP_CACHE_BYTES);

	return kvzalloc(roundup_pow_of_two(bytes), GFP_KERNEL_ACCOUNT);
}

/**
 * percore_service_alloc() - allocate a service without lanes' contents
 * @lanes: number of lanes, 1 to PERCORE_MAX_LANES
 * @room: for how many more that are retired
 * @stats: counters to borrow, or NULL for counters of its own
 *
 * Context: may sleep.
 * Return: zeroed service, or NULL.
 */
struct percore_service *
percore_service_alloc(u16 lanes, u16 room, struct percore_stats __percpu *stats)
{
	struct percore_service *svc;

	svc = kzalloc(sizeof(*svc), GFP_KERNEL_ACCOUNT);
	if (!svc)
		return NULL;
	svc->lanes = lanes;
	svc->all = lanes;
	svc->salt = get_random_u32();
	svc->lane = percore_array_alloc(lanes + room, sizeof(*svc->lane));
	svc->lane_of_cpu = percore_array_alloc(nr_cpu_ids,
					       sizeof(*svc->lane_of_cpu));
	svc->borrows = stats;
	svc->stats = stats ? stats : alloc_percpu_gfp(struct percore_stats,
						      GFP_KERNEL_ACCOUNT);
	if (svc->lane && svc->lane_of_cpu && svc->stats)
		return svc;
	percore_service_free(svc);
	return NULL;
}

/**
 * percore_service_free() - free a service that no packet can see
 * @svc: service
 *
 * Context: any but hard interrupt.
 */
void percore_service_free(struct percore_service *svc)
{
	if (!svc->borrows)
		free_percpu(svc->stats);
	kvfree(svc->lane_of_cpu);
	kvfree(svc->lane);
	kfree(svc);
}

static void percore_service_free_rcu(struct rcu_head *rcu)
{
	percore_service_free(container_of(rcu, struct percore_service, rcu));
}

/* Every CPU gets a lane: its own, else one of the others in turn. Returns
 * false, with the lane in @bad, when a CPU has two.
 */
static bool percore_map_cpus(struct percore_service *svc, u16 *bad)
{
	unsigned int cpu, next = 0;
	u16 i;

	for (cpu = 0; cpu < nr_cpu_ids; cpu++)
		svc->lane_of_cpu[cpu] = PERCORE_PUBLIC;
	for (i = 0; i < svc->lanes; i++) {
		if (svc->lane_of_cpu[svc->lane[i].cpu] != PERCORE_PUBLIC) {
			*bad = i;
			return false;
		}
		svc->lane_of_cpu[svc->lane[i].cpu] = i;
	}
	for (cpu = 0; cpu < nr_cpu_ids; cpu++)
		if (svc->lane_of_cpu[cpu] == PERCORE_PUBLIC)
			svc->lane_of_cpu[cpu] = next++ % svc->lanes;
	return true;
}

static struct percore_table *percore_table_alloc(enum percore_kind kind,
						 u32 entries)
{
	u32 slots = percore_table_slots(entries);
	struct percore_table *table;

	table = kvzalloc(struct_size(table, slots, slots), GFP_KERNEL_ACCOUNT);
	if (!table)
		return NULL;
	get_random_bytes(&table->factor, sizeof(table->factor));
	get_random_bytes(table->seed, sizeof(table->seed));
	percore_table_init(table, slots,
			   kind == PERCORE_TCP6 || kind == PERCORE_UDP6);
	return table;
}

/* Enter a service's public port (lane PERCORE_PUBLIC) and its private ports.
 * On a clash returns the slot that was there first, and in @lane whose port
 * it was.
 */
static const struct percore_slot *
percore_table_fill(struct percore_table *table, struct percore_service *svc,
		   u16 *lane)
{
	struct percore_slot slot = {
		.addr = svc->vip,
		.port = svc->port,
		.lane = PERCORE_PUBLIC,
		.svc = svc,
	};
	const struct percore_slot *clash;
	u16 i;

	table->nat |= percore_rewrites(svc);
	*lane = PERCORE_PUBLIC;
	clash = percore_table_insert(table, &slot);
	for (i = 0; !clash && i < svc->all; i++) {
		*lane = i;
		slot.lane = i;
		slot.port = svc->lane[i].port;
		clash = percore_table_insert(table, &slot);
	}
	return clash;
}

static enum percore_kind percore_service_kind(const struct percore_service *svc)
{
	return percore_kind_of(svc->family, svc->proto);
}

/* How many ports the services of a kind have, but @without; the lock is held. */
static u32 percore_ports(const struct percore_net *pn, enum percore_kind kind,
			 const struct percore_service *without)
{
	const struct percore_service *svc;
	u32 ports = 0;

	list_for_each_entry(svc, &pn->services, list)
		if (svc != without && percore_service_kind(svc) == kind)
			ports += 1 + svc->all;
	return ports;
}

/* The table of all services of a kind but @without, with room for @entries; the
 * lock is held.
 */
static struct percore_table *
percore_table_build(struct percore_net *pn, enum percore_kind kind, u32 entries,
		    const struct percore_service *without)
{
	struct percore_table *table = percore_table_alloc(kind, entries);
	struct percore_service *svc;
	u16 lane;

	if (!table)
		return NULL;
	list_for_each_entry(svc, &pn->services, list) {
		if (svc != without && percore_service_kind(svc) == kind)
			WARN_ON_ONCE(percore_table_fill(table, svc, &lane));
		cond_resched();
	}
	return table;
}

/* Not kvfree_rcu(), which may gather for seconds what takes megabytes, nor in the lazy
 * way of call_rcu().
 */
static void percore_table_free_rcu(struct rcu_head *rcu)
{
	kvfree(container_of(rcu, struct percore_table, rcu));
}

/* Let packets see @table in place of the present one; the lock is held. */
static void percore_table_publish(struct percore_net *pn,
				  enum percore_kind kind,
				  struct percore_table *table)
{
	struct percore_table *old;

	old = rcu_replace_pointer(pn->table[kind], table,
				  lockdep_is_held(&pn->lock));
	if (old)
		call_rcu_hurry(&old->rcu, percore_table_free_rcu);
	pn->generation++;
}

/**
 * percore_service_find() - look a service up in the list
 * @pn: netns, locked
 * @family: AF_INET or AF_INET6
 * @vip: address
 * @port: port
 * @proto: protocol
 *
 * Return: service, or NULL.
 */
struct percore_service *percore_service_find(struct percore_net *pn, u8 family,
					     const union nf_inet_addr *vip,
					     __be16 port, u8 proto)
{
	struct percore_service *svc;

	list_for_each_entry(svc, &pn->services, list)
		if (svc->family == family && svc->port == port &&
		    svc->proto == proto &&
		    nf_inet_addr_cmp(&svc->vip, vip))
			return svc;
	return NULL;
}

/* Flows may be on any lane from now on. */
static void percore_unsettle(const struct percore_service *svc)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		WRITE_ONCE(per_cpu_ptr(svc->stats, cpu)->moved, jiffies | 1);
}

/**
 * percore_service_put() - check a service against all others and publish it
 * @net: netns, its percore_net locked
 * @svc: service, filled in; belongs to the netns on success
 * @old: service whose place and counters it takes, or NULL
 * @clash: with -EEXIST: what was there first; its @svc is NULL when a CPU has
 *	two lanes
 * @lane: with -EEXIST: the lane of @svc that is wrong, PERCORE_PUBLIC for its
 *	public port
 *
 * Context: may sleep.
 * Return: 0, -EEXIST (see @clash and @lane), -ENOMEM, or what the netfilter
 * hooks or, with method front, the socket answered.
 */
int percore_service_put(struct net *net, struct percore_service *svc,
			struct percore_service *old, struct percore_slot *clash,
			u16 *lane)
{
	enum percore_kind kind = percore_service_kind(svc);
	struct percore_net *pn = percore_pernet(net);
	const struct percore_slot *taken;
	struct percore_table *table;
	int err;

	percore_listener_init(net, svc);
	*clash = (struct percore_slot){};
	if (!percore_map_cpus(svc, lane))
		return -EEXIST;
	table = percore_table_build(pn, kind, percore_ports(pn, kind, old) +
					      1 + svc->all, old);
	if (!table)
		return -ENOMEM;
	taken = percore_table_fill(table, svc, lane);
	if (taken) {
		*clash = *taken;
		kvfree(table);
		return -EEXIST;
	}
	err = percore_hooks_want(pn, svc);
	if (err)
		goto err_free;
	if (!old && svc->method == PERCORE_METHOD_FRONT) {
		err = percore_front_open(net, svc);
		if (err)
			goto err_hooks;
	}
	if (old) {
		percore_unsettle(svc);
		list_replace(&old->list, &svc->list);
	} else {
		list_add_tail(&svc->list, &pn->services);
		pn->count++;
	}
	percore_table_publish(pn, kind, table);
	svc->born = start_poll_synchronize_rcu();
	/* Hooks that are not wanted any more go, and one that can do without comes. */
	if (old || READ_ONCE(pn->bridged))
		percore_hooks_renew(pn);
	if (old) {
		percore_front_move(svc, old);
		svc->borrows = false;
		old->borrows = true;
		call_rcu_hurry(&old->rcu, percore_service_free_rcu);
	}
	if (svc->front)
		percore_fronts_look(pn);
	if (svc->cpu_mark)
		percore_loads_look(pn);
	return 0;

err_hooks:
	percore_hooks_renew(pn);
err_free:
	kvfree(table);
	return err;
}

/**
 * percore_service_del() - take a service away from packets and free it
 * @net: netns, its percore_net locked
 * @svc: service of it
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM (the service stays).
 */
int percore_service_del(struct net *net, struct percore_service *svc)
{
	enum percore_kind kind = percore_service_kind(svc);
	struct percore_net *pn = percore_pernet(net);
	u32 ports = percore_ports(pn, kind, svc);
	struct percore_table *table = NULL;

	if (ports) {
		table = percore_table_build(pn, kind, ports, svc);
		if (!table)
			return -ENOMEM;
	}
	list_del(&svc->list);
	pn->count--;
	percore_table_publish(pn, kind, table);
	percore_hooks_renew(pn);
	percore_front_close(svc);
	call_rcu_hurry(&svc->rcu, percore_service_free_rcu);
	return 0;
}

/**
 * percore_service_drain() - keep new connections from a lane, or let them in
 * @pn: netns, locked
 * @svc: service of it
 * @cpu: the lane's CPU
 * @drain: keep them from it
 *
 * Context: may sleep.
 * Return: 0, or -ENOENT when the CPU has no lane.
 */
int percore_service_drain(struct percore_net *pn, struct percore_service *svc,
			  u32 cpu, bool drain)
{
	u16 i;

	for (i = 0; i < svc->lanes; i++) {
		if (svc->lane[i].cpu != cpu)
			continue;
		WRITE_ONCE(svc->lane[i].drain, drain);
		pn->generation++;
		return 0;
	}
	return -ENOENT;
}

/**
 * percore_service_purge() - free all services of a netns that is going away
 * @pn: netns; its hooks are gone and a grace period has passed since
 *
 * Context: may sleep.
 */
void percore_service_purge(struct percore_net *pn)
{
	struct percore_service *svc, *next;
	int kind;

	mutex_lock(&pn->lock);
	for (kind = 0; kind < PERCORE_KINDS; kind++)
		percore_table_publish(pn, kind, NULL);
	list_for_each_entry_safe(svc, next, &pn->services, list) {
		list_del(&svc->list);
		percore_service_free(svc);
	}
	pn->count = 0;
	mutex_unlock(&pn->lock);
}

/**
 * percore_stats_read() - one CPU's counters of a service
 * @svc: service
 * @cpu: CPU, possible or not
 * @n: counters, by enum percore_stat
 */
void percore_stats_read(const struct percore_service *svc, unsigned int cpu,
			u64 n[PERCORE_STAT_COUNT])
{
	const struct percore_stats *stats = per_cpu_ptr(svc->stats, cpu);
	int i;

	for (i = 0; i < PERCORE_STAT_COUNT; i++)
		n[i] = READ_ONCE(stats->n[i]);
}
