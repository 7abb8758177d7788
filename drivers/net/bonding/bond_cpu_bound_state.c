// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPU-bound transmit for bonding: what is kept for slaves and bonds, and the
 * arrays that the transmit path reads. All of it under RTNL.
 */

#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/topology.h>
#include <net/rtnetlink.h>

#include "bond_cpu_bound_slave.h"

static void bond_cpu_bound_group_put(struct bond_cpu_bound_group *group)
{
	if (!refcount_dec_and_test(&group->users))
		return;

	kvfree(group->flows);
	free_percpu(group->votes);
	kvfree(group);
}

/* count the CPUs of each node; they and their nodes are known from boot on */
static int bond_cpu_bound_rank(unsigned int *ranks)
{
	unsigned int *next;
	unsigned int cpu;
	int node;

	next = kcalloc(nr_node_ids, sizeof(*next), GFP_KERNEL);
	if (!next)
		return -ENOMEM;

	for_each_possible_cpu(cpu) {
		node = cpu_to_node(cpu);
		if (node >= 0)
			ranks[cpu] = next[node]++;
	}
	kfree(next);

	return 0;
}

static struct bond_cpu_bound_group *bond_cpu_bound_group_create(void)
{
	struct bond_cpu_bound_group *group;

	group = kvzalloc(struct_size(group, ranks, nr_cpu_ids), GFP_KERNEL);
	if (!group)
		return NULL;

	refcount_set(&group->users, 1);
	/* nobody's, so that nobody gets it */
	__set_bit(BOND_CPU_BOUND_NO_SLOT, group->slots);
	group->votes = alloc_percpu(struct bond_cpu_bound_vote);
	if (!group->votes || bond_cpu_bound_rank(group->ranks)) {
		bond_cpu_bound_group_put(group);
		return NULL;
	}

	return group;
}

/* the group of a slave's bond, from any slave that has it already */
static struct bond_cpu_bound_group *
bond_cpu_bound_group_get(const struct slave *slave)
{
	struct bond_cpu_bound_slave *state;
	struct list_head *iter;
	struct slave *other;

	bond_for_each_slave(slave->bond, other, iter) {
		state = rtnl_dereference(other->cpu_bound);
		if (state) {
			refcount_inc(&state->group->users);
			return state->group;
		}
	}

	return bond_cpu_bound_group_create();
}

/* A slot is cleared of what was learned about its last slave. That slave's
 * receive handler is gone for a grace period, so nobody votes for it now.
 */
static u8 bond_cpu_bound_slot_get(struct bond_cpu_bound_group *group)
{
	unsigned int cpu, slot;

	slot = find_first_zero_bit(group->slots, BOND_CPU_BOUND_SLOTS);
	if (slot == BOND_CPU_BOUND_SLOTS)
		return BOND_CPU_BOUND_NO_SLOT;

	set_bit(slot, group->slots);
	for_each_possible_cpu(cpu)
		bond_cpu_bound_vote_forget(per_cpu_ptr(group->votes, cpu),
					   slot);

	return slot;
}

static void bond_cpu_bound_destroy(struct bond_cpu_bound_slave *state)
{
	if (state->slot != BOND_CPU_BOUND_NO_SLOT)
		clear_bit(state->slot, state->group->slots);
	bond_cpu_bound_group_put(state->group);
	free_cpumask_var(state->tx_cpus);
	free_percpu(state->stats);
	kfree(state);
}

/* May there be devices below one? A bond may get its slaves later. A tunnel names no
 * device, but tells in which netns, or between which addresses, it sends. So does one
 * of a pair, such as veth, but its packets are received by the other.
 */
static bool bond_cpu_bound_is_stacked(const struct net_device *dev)
{
	const struct net_device_ops *ops = dev->netdev_ops;

	if (dev->flags & IFF_MASTER || !list_empty(&dev->adj_list.lower))
		return true;
	return ops->ndo_fill_metadata_dst ||
	       (!ops->ndo_get_peer_dev && dev->rtnl_link_ops &&
		dev->rtnl_link_ops->get_link_net);
}

static struct bond_cpu_bound_slave *
bond_cpu_bound_create(const struct slave *slave)
{
	struct bond_cpu_bound_slave *state;

	state = kzalloc(sizeof(*state), GFP_KERNEL);
	if (!state)
		return NULL;

	state->stats = alloc_percpu(struct bond_cpu_bound_stats);
	if (!state->stats)
		goto err_free;

	if (!zalloc_cpumask_var(&state->tx_cpus, GFP_KERNEL))
		goto err_percpu;

	state->group = bond_cpu_bound_group_get(slave);
	if (!state->group)
		goto err_mask;

	state->votes = state->group->votes;
	state->slot = bond_cpu_bound_slot_get(state->group);
	state->stacked = bond_cpu_bound_is_stacked(slave->dev);

	return state;

err_mask:
	free_cpumask_var(state->tx_cpus);
err_percpu:
	free_percpu(state->stats);
err_free:
	kfree(state);
	return NULL;
}

/**
 * bond_cpu_bound_state() - get a slave's state, make it when there is none
 * @slave: slave
 *
 * Context: RTNL, may sleep.
 * Return: the state, NULL when there is no memory.
 */
struct bond_cpu_bound_slave *bond_cpu_bound_state(struct slave *slave)
{
	struct bond_cpu_bound_slave *state = rtnl_dereference(slave->cpu_bound);

	if (!state) {
		state = bond_cpu_bound_create(slave);
		rcu_assign_pointer(slave->cpu_bound, state);
	}

	return state;
}

/**
 * bond_cpu_bound_free() - free a slave's state
 * @slave: slave that nobody can find any more
 *
 * Context: may sleep; after a grace period, as for the slave itself.
 */
void bond_cpu_bound_free(struct slave *slave)
{
	struct bond_cpu_bound_slave *state;

	/* the last user of the slave: nothing can run against us */
	state = rcu_dereference_protected(slave->cpu_bound, true);
	if (state)
		bond_cpu_bound_destroy(state);
}

/* A NIC's device may be told its node by hand, so ask there first. */
static int bond_cpu_bound_node(struct net_device *dev)
{
	return dev_to_node(dev->dev.parent ? dev->dev.parent : &dev->dev);
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
		if (state) {
			members[i].slot = state->slot;
			if (!cpumask_empty(state->tx_cpus))
				members[i].mask = cpumask_bits(state->tx_cpus);
		}

		members[i].node = bond_cpu_bound_node(all->arr[i]->dev);
		members[i].place = BOND_CPU_BOUND_DOWN;
		if (usable && next < usable->count &&
		    usable->arr[next] == all->arr[i])
			members[i].place = next++;
	}

	return members;
}

/**
 * bond_cpu_bound_describe() - describe a CPU to the map
 * @cpu: possible CPU
 * @ranks: the group's
 * @described: written
 */
void bond_cpu_bound_describe(unsigned int cpu, const unsigned int *ranks,
			     struct bond_cpu_bound_cpu *described)
{
	described->cpu = cpu;
	described->node = cpu_to_node(cpu);
	described->rank = ranks[cpu];
}

/* Who needs the memory of flows: a device with several queues, and what has
 * devices below it, see bond_cpu_bound_order.c. Without memory for it the rule
 * of order holds for fewer sockets, and the next change of slaves tries again.
 */
static void bond_cpu_bound_need_flows(struct bond_cpu_bound_group *group,
				      const struct bond_up_slave *all,
				      bool stacked)
{
	unsigned int i;

	for (i = 0; i < all->count && !group->flows; i++)
		if (stacked || all->arr[i]->dev->num_tx_queues > 1)
			group->flows = bond_cpu_bound_flows_alloc();
}

static bool bond_cpu_bound_any_stacked(const struct bond_up_slave *all)
{
	struct bond_cpu_bound_slave *state;
	unsigned int i;

	for (i = 0; i < all->count; i++) {
		state = rtnl_dereference(all->arr[i]->cpu_bound);
		if (state && state->stacked)
			return true;
	}

	return false;
}

static void bond_cpu_bound_fill(struct bond_cpu_bound_map *map,
				const struct bond_cpu_bound_group *group,
				const struct bond_cpu_bound_member *members,
				unsigned int n)
{
	struct bond_cpu_bound_cpu described;
	unsigned int cpu;

	map->votes = group->votes;
	map->flows = group->flows;
	bond_cpu_bound_fill_slots(&map->slots, members, n);
	for_each_possible_cpu(cpu) {
		bond_cpu_bound_describe(cpu, group->ranks, &described);
		map->place[cpu] = bond_cpu_bound_place(&described, members, n);
	}
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
	size_t at = ALIGN(struct_size(usable, arr, usable->count),
			  __alignof__(struct bond_cpu_bound_map));
	struct bond_cpu_bound_member *members;
	struct bond_cpu_bound_slave *state;
	struct bond_cpu_bound_map *map;
	struct bond_up_slave *grown;

	if (!bond_cpu_bound_mode(bond) || !all->count)
		return usable;

	members = bond_cpu_bound_members(all, usable);
	if (!members)
		return usable;

	/* any slave's will do, all have the same */
	state = rtnl_dereference(all->arr[0]->cpu_bound);
	if (!state)
		goto out;

	grown = krealloc(usable, at + struct_size(map, place, nr_cpu_ids),
			 GFP_KERNEL);
	if (!grown)
		goto out;

	usable = grown;
	map = (void *)usable + at;
	map->stacked = bond_cpu_bound_any_stacked(all);
	bond_cpu_bound_need_flows(state->group, all, map->stacked);
	bond_cpu_bound_fill(map, state->group, members, all->count);
	usable->cpu_bound = map;

out:
	kfree(members);
	return usable;
}
