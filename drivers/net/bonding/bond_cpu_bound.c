// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPU-bound transmit for bonding: a packet leaves by the slave of the CPU that
 * sends it (xmit_hash_policy=cpu-bound, modes balance-xor and 802.3ad).
 *
 * With one NIC per core, each with its interrupt on that core, a hash sends
 * most packets through a NIC whose ring, lock and buffers live in another
 * core's cache. Here the CPU itself is the hash.
 *
 * The map from CPU to slave is built under RTNL together with the array of
 * usable slaves and lives and dies with it, so the transmit path needs no
 * lock, no reference and no store to memory that CPUs share.
 */

#include <linux/cpumask.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <net/bonding.h>
#include <net/sock.h>

#include "bond_cpu_bound.h"
#include "bond_cpu_bound_map.h"
#include "bond_cpu_bound_slave.h"

/* A socket remembers the slave of its last packet where it would remember a
 * transmit queue. Bit 15 set and bit 14 clear tell the two apart: no device
 * has that many queues, and neither is USHRT_MAX, which means "nothing". Slaves
 * whose ifindex agree in the low bits look the same, which only costs the rule
 * between those two.
 */
#define BOND_CPU_BOUND_MARK		0x8000
#define BOND_CPU_BOUND_MARK_TYPE	0xc000
#define BOND_CPU_BOUND_MARK_ID		0x3fff

static int bond_cpu_bound_mark(const struct slave *slave)
{
	return BOND_CPU_BOUND_MARK |
	       (slave->dev->ifindex & BOND_CPU_BOUND_MARK_ID);
}

static bool bond_cpu_bound_is_mark(int queue)
{
	return (queue & BOND_CPU_BOUND_MARK_TYPE) == BOND_CPU_BOUND_MARK;
}

/* Nothing of the socket is in a queue or ring below us. TCP says so itself;
 * for everybody else this packet is then all that the socket is charged for.
 */
static bool bond_cpu_bound_may_move(const struct sock *sk,
				    const struct sk_buff *skb)
{
	return skb->ooo_okay || sk_wmem_alloc_get(sk) <= skb->truesize;
}

static struct slave *bond_cpu_bound_find(const struct bond_up_slave *slaves,
					 unsigned int count, int mark)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (bond_cpu_bound_mark(slaves->arr[i]) == mark)
			return slaves->arr[i];

	return NULL;
}

/* The rule that XPS has for queues, for slaves: a flow whose task moves to
 * another CPU follows it to another slave only when no packet of it is still
 * on its way through the old one. A slave that is gone holds nobody back.
 *
 * The memory is the socket's queue mapping. It serves only slaves with a
 * single transmit queue, for which the stack leaves it alone; on others, and on
 * what may lie below a slave, netdev_pick_tx() owns it. As there, a socket
 * without a cached route is not remembered, since nobody would clear the memory
 * when its route changes.
 */
static struct slave *
bond_cpu_bound_keep_order(const struct sk_buff *skb,
			  const struct bond_up_slave *slaves,
			  unsigned int count, struct slave *slave,
			  enum bond_cpu_bound_kind *kind)
{
	struct sock *sk = skb->sk;
	struct slave *last;
	int mark, old;

	if (!sk || !sk_fullsock(sk) || !rcu_access_pointer(sk->sk_dst_cache))
		return slave;

	mark = bond_cpu_bound_mark(slave);
	old = sk_tx_queue_get(sk);
	if (likely(old == mark))
		return slave;

	/* A queue: a device with several keeps the flow's order by it. It would
	 * choose anew for each packet if it met our mark there.
	 */
	if (old >= 0 && !bond_cpu_bound_is_mark(old))
		return slave;

	if (old >= 0 && !bond_cpu_bound_may_move(sk, skb)) {
		last = bond_cpu_bound_find(slaves, count, old);
		if (last) {
			*kind = BOND_CPU_BOUND_HELD;
			return last;
		}
	}

	/* once in the life of a flow, and once for every move it makes */
	if (slave->dev->real_num_tx_queues == 1)
		sk_tx_queue_set(sk, mark);

	return slave;
}

static struct slave *bond_cpu_bound_select(struct bonding *bond,
					   struct sk_buff *skb,
					   enum bond_cpu_bound_kind *kind)
{
	struct bond_up_slave *slaves;
	unsigned int count, index;
	struct slave *slave;
	const u16 *map;

	slaves = rcu_dereference(bond->usable_slaves);
	count = slaves ? READ_ONCE(slaves->count) : 0;
	if (unlikely(!count))
		return NULL;

	map = slaves->cpu_map;
	index = map ? map[raw_smp_processor_id()] : BOND_CPU_BOUND_NONE;

	/* count shrinks in place when the array could not be reallocated */
	if (likely(index < count)) {
		*kind = BOND_CPU_BOUND_LOCAL;
	} else {
		/* bond_flow_dissect() gives our policy the keys of layer3+4,
		 * whose lowest bit carries little: ports are mostly even
		 */
		*kind = BOND_CPU_BOUND_FALLBACK;
		index = (bond_xmit_hash(bond, skb) >> 1) % count;
	}
	slave = slaves->arr[index];

	return bond_cpu_bound_keep_order(skb, slaves, count, slave, kind);
}

/**
 * bond_xmit_cpu_bound() - transmit through the slave of this CPU
 * @skb: packet, consumed
 * @bond_dev: bond in mode balance-xor or 802.3ad
 *
 * Only usable slaves are chosen: link up, and in 802.3ad collecting and
 * distributing in the active aggregator. A CPU that has no slave, or whose
 * slave is not usable, falls back to the hash of layer3+4.
 *
 * Context: softirqs disabled, RCU read side.
 * Return: what dev_queue_xmit() returns, NETDEV_TX_OK or NET_XMIT_DROP.
 */
netdev_tx_t bond_xmit_cpu_bound(struct sk_buff *skb,
				struct net_device *bond_dev)
{
	struct bonding *bond = netdev_priv(bond_dev);
	struct bond_cpu_bound_slave *state;
	enum bond_cpu_bound_kind kind;
	struct slave *slave;

	slave = bond_cpu_bound_select(bond, skb, &kind);
	if (unlikely(!slave))
		return bond_tx_drop(bond_dev, skb);

	state = rcu_dereference(slave->cpu_bound);
	if (likely(state))
		this_cpu_inc(state->stats->packets[kind]);

	return bond_dev_queue_xmit(bond, skb, slave->dev);
}

/**
 * bond_cpu_bound_members() - describe a bond's slaves to the map
 * @all: all slaves, in the order of their enslavement
 * @usable: those of @all, in the same order, that can transmit; may be NULL
 *
 * Context: RTNL, may sleep.
 * Return: array with an element for each slave in @all, to be freed with
 *	kfree(); NULL when there is no memory.
 */
struct bond_cpu_bound_member *
bond_cpu_bound_members(const struct bond_up_slave *all,
		       const struct bond_up_slave *usable)
{
	struct bond_cpu_bound_member *members;
	struct bond_cpu_bound_slave *state;
	unsigned int i, next = 0;

	members = kcalloc(all->count, sizeof(*members), GFP_KERNEL);
	if (!members)
		return NULL;

	for (i = 0; i < all->count; i++) {
		state = bond_cpu_bound_state(all->arr[i]);
		if (state && !cpumask_empty(state->tx_cpus))
			members[i].mask = cpumask_bits(state->tx_cpus);

		members[i].index = BOND_CPU_BOUND_NONE;
		if (usable && next < usable->count &&
		    usable->arr[next] == all->arr[i])
			members[i].index = next++;
	}

	return members;
}

/**
 * bond_cpu_bound_attach() - give a new array of usable slaves its CPU map
 * @bond: bond, any mode
 * @usable: usable slaves, not yet published
 * @all: all slaves that stay in the bond
 *
 * The map goes into the same allocation, behind the array, so whoever frees
 * the one frees the other. Without memory for it the bond still works: every
 * packet takes the fallback, and the next change of slaves tries again.
 *
 * Context: RTNL, may sleep.
 * Return: the array to publish, @usable or what it was reallocated to.
 */
struct bond_up_slave *bond_cpu_bound_attach(struct bonding *bond,
					    struct bond_up_slave *usable,
					    const struct bond_up_slave *all)
{
	size_t size = struct_size(usable, arr, usable->count);
	struct bond_cpu_bound_member *members;
	struct bond_up_slave *grown;

	if (!bond_cpu_bound_mode(bond) || !all->count)
		return usable;

	members = bond_cpu_bound_members(all, usable);
	if (!members)
		return usable;

	grown = krealloc(usable, size + array_size(nr_cpu_ids, sizeof(u16)),
			 GFP_KERNEL);
	if (grown) {
		usable = grown;
		usable->cpu_map = (void *)usable + size;
		bond_cpu_bound_fill(usable->cpu_map, nr_cpu_ids, members,
				    all->count);
	}
	kfree(members);

	return usable;
}
