// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPU-bound transmit for bonding: a packet leaves by the slave of the CPU that
 * sends it (xmit_hash_policy=cpu-bound, modes balance-xor and 802.3ad).
 *
 * With one NIC per core, each with its interrupt on that core, a hash sends
 * most packets through a NIC whose ring, lock and buffers live in another
 * core's cache. Here the CPU itself is the hash.
 *
 * This is all that happens to a packet. It reads arrays that are built under
 * RTNL together with the array of usable slaves and live and die with it, and
 * what its own CPU has learned. It needs no lock and no reference, and stores
 * to no memory that CPUs share; what it remembers of a flow is in
 * bond_cpu_bound_order.c.
 */

#include <linux/kernel.h>
#include <linux/percpu.h>
#include <net/bonding.h>

#include "bond_cpu_bound_slave.h"

/* count shrinks in place when the array of usable slaves could not be
 * reallocated, so a place may be too large even when it was right once.
 */
static unsigned int bond_cpu_bound_own(const struct bond_cpu_bound_map *map)
{
	if (unlikely(!map))
		return BOND_CPU_BOUND_NONE;

	return bond_cpu_bound_lookup(map->place[raw_smp_processor_id()],
				     &map->slots,
				     this_cpu_read(map->votes->owner));
}

static struct slave *bond_cpu_bound_select(struct bonding *bond,
					   struct sk_buff *skb,
					   enum bond_cpu_bound_kind *kind)
{
	struct bond_up_slave *slaves;
	unsigned int count, place;
	struct slave *slave;

	slaves = rcu_dereference(bond->usable_slaves);
	count = slaves ? READ_ONCE(slaves->count) : 0;
	if (unlikely(!count))
		return NULL;

	place = bond_cpu_bound_own(slaves->cpu_bound);
	if (likely(place < count)) {
		*kind = BOND_CPU_BOUND_LOCAL;
	} else {
		/* addresses and ports, or what the socket or the NIC made
		 * of them already
		 */
		*kind = BOND_CPU_BOUND_FALLBACK;
		place = reciprocal_scale(skb_get_hash(skb), count);
	}
	slave = slaves->arr[place];

	/* A packet without a socket belongs to a flow we know nothing of. */
	if (!skb->sk)
		return slave;

	return bond_cpu_bound_keep_order(skb, slaves, count, slave, kind);
}

/**
 * bond_xmit_cpu_bound() - transmit through the slave of this CPU
 * @skb: packet, consumed
 * @bond_dev: bond in mode balance-xor or 802.3ad
 *
 * Only usable slaves are chosen: link up, and in 802.3ad collecting and
 * distributing in the active aggregator. A CPU that has no slave, or whose
 * slave is not usable, falls back to a hash of addresses and ports.
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
 * bond_cpu_bound_learn() - a packet came in by a slave
 * @slave: slave of a bond whose policy is cpu-bound, any mode
 *
 * Whatever decides where a slave's packets come in (an interrupt's affinity, a
 * queue, RPS, threaded NAPI), it shows here.
 *
 * Context: softirqs disabled, RCU read side.
 */
void bond_cpu_bound_learn(const struct slave *slave)
{
	const struct bond_cpu_bound_slave *state;

	/* All that comes in by a port outside of the active aggregator is what a
	 * switch floods, and nothing can be sent there.
	 */
	if (unlikely(slave->backup))
		return;

	/* there is none in modes that have no use for the policy */
	state = rcu_dereference(slave->cpu_bound);
	if (likely(state && state->slot != BOND_CPU_BOUND_NO_SLOT))
		bond_cpu_bound_vote(this_cpu_ptr(state->votes), state->slot);
}
