/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which slave belongs to which CPU: the pure part of the cpu-bound policy.
 *
 * Nothing in here knows a lock, a socket or a device, so the same lines are
 * compiled into the driver and into the unit test.
 *
 * What an administrator gave and where devices sit is put into an array of
 * places by CPU when slaves change; what was learned is asked for at every
 * packet, through an array of places by slot.
 */
#ifndef _BOND_CPU_BOUND_MAP_H
#define _BOND_CPU_BOUND_MAP_H

#include <linux/bitops.h>
#include <linux/types.h>

#include "bond_cpu_bound_vote.h"

/* A place is a position among the usable slaves, or one of these two, which
 * are larger than any. FIXED is added to what a mask decides.
 */
#define BOND_CPU_BOUND_NONE	0x7fff	/* no slave: the hash chooses */
#define BOND_CPU_BOUND_DOWN	0x7ffe	/* a slave that cannot transmit now */
#define BOND_CPU_BOUND_FIXED	0x8000

/**
 * enum bond_cpu_bound_why - why a CPU belongs to a slave
 * @BOND_CPU_BOUND_WHY_HASH: it belongs to none, the hash chooses
 * @BOND_CPU_BOUND_WHY_MASK: the administrator put it into the slave's tx_cpus
 * @BOND_CPU_BOUND_WHY_LEARNED: the slave's receive work runs on it
 * @BOND_CPU_BOUND_WHY_NUMA: the slave's device is on the CPU's NUMA node
 */
enum bond_cpu_bound_why {
	BOND_CPU_BOUND_WHY_HASH,
	BOND_CPU_BOUND_WHY_MASK,
	BOND_CPU_BOUND_WHY_LEARNED,
	BOND_CPU_BOUND_WHY_NUMA,
};

/**
 * struct bond_cpu_bound_member - a slave as the map sees it
 * @mask: bitmap of the CPUs given to it, NULL when none was given
 * @node: NUMA node of its device, negative when unknown
 * @place: its place among the usable slaves, or BOND_CPU_BOUND_DOWN
 * @slot: its slot, BOND_CPU_BOUND_NO_SLOT when it has none
 */
struct bond_cpu_bound_member {
	const unsigned long *mask;
	int node;
	u16 place;
	u8 slot;
};

/**
 * struct bond_cpu_bound_cpu - a CPU as the map sees it
 * @cpu: its number
 * @node: its NUMA node, negative when unknown
 * @rank: how many possible CPUs of that node come before it
 */
struct bond_cpu_bound_cpu {
	unsigned int cpu;
	int node;
	unsigned int rank;
};

/**
 * struct bond_cpu_bound_slots - places by slot
 * @place: place of the slave that has the slot, BOND_CPU_BOUND_NONE when
 *	nobody has
 */
struct bond_cpu_bound_slots {
	u16 place[BOND_CPU_BOUND_SLOTS];
};

static inline int bond_cpu_bound_by_mask(unsigned int cpu,
					 const struct bond_cpu_bound_member *members,
					 unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (members[i].mask && test_bit(cpu, members[i].mask))
			return i;

	return -1;
}

static inline int bond_cpu_bound_by_slot(u8 slot,
					 const struct bond_cpu_bound_member *members,
					 unsigned int n)
{
	unsigned int i;

	if (slot == BOND_CPU_BOUND_NO_SLOT)
		return -1;

	for (i = 0; i < n; i++)
		if (members[i].slot == slot)
			return i;

	return -1;
}

/* the slaves on the CPU's node are dealt to the node's CPUs in turn */
static inline int bond_cpu_bound_by_node(const struct bond_cpu_bound_cpu *cpu,
					 const struct bond_cpu_bound_member *members,
					 unsigned int n)
{
	unsigned int i, near = 0;

	if (cpu->node < 0)
		return -1;

	for (i = 0; i < n; i++)
		near += members[i].node == cpu->node;
	if (!near)
		return -1;

	near = cpu->rank % near;
	for (i = 0; i < n; i++)
		if (members[i].node == cpu->node && !near--)
			break;

	return i;
}

/**
 * bond_cpu_bound_owner() - find the slave that a CPU belongs to, and why
 * @cpu: CPU
 * @members: all slaves of the bond in the order of their enslavement
 * @n: number of @members
 * @learned: slot of the slave that the CPU was found to serve
 * @why: the reason, always written
 *
 * The first that knows an answer gives it: the administrator's masks, what was
 * learned, NUMA nodes. Link state plays no part: a slave that is down keeps its
 * CPUs, and they return to it when it does.
 *
 * Return: position in @members, or -1 when the hash chooses.
 */
static inline int bond_cpu_bound_owner(const struct bond_cpu_bound_cpu *cpu,
				       const struct bond_cpu_bound_member *members,
				       unsigned int n, u8 learned,
				       enum bond_cpu_bound_why *why)
{
	int owner;

	*why = BOND_CPU_BOUND_WHY_MASK;
	owner = bond_cpu_bound_by_mask(cpu->cpu, members, n);
	if (owner >= 0)
		return owner;

	*why = BOND_CPU_BOUND_WHY_LEARNED;
	owner = bond_cpu_bound_by_slot(learned, members, n);
	if (owner >= 0)
		return owner;

	*why = BOND_CPU_BOUND_WHY_NUMA;
	owner = bond_cpu_bound_by_node(cpu, members, n);
	if (owner < 0)
		*why = BOND_CPU_BOUND_WHY_HASH;

	return owner;
}

/**
 * bond_cpu_bound_place() - compute a CPU's entry in the array by CPU
 * @cpu: CPU
 * @members: all slaves of the bond in the order of their enslavement
 * @n: number of @members
 *
 * Return: the place of its slave but for what was learned, with
 *	BOND_CPU_BOUND_FIXED when that does not count here.
 */
static inline u16 bond_cpu_bound_place(const struct bond_cpu_bound_cpu *cpu,
				       const struct bond_cpu_bound_member *members,
				       unsigned int n)
{
	enum bond_cpu_bound_why why;
	int owner;

	owner = bond_cpu_bound_owner(cpu, members, n, BOND_CPU_BOUND_NO_SLOT,
				     &why);
	if (owner < 0)
		return BOND_CPU_BOUND_NONE;
	if (why == BOND_CPU_BOUND_WHY_MASK)
		return members[owner].place | BOND_CPU_BOUND_FIXED;

	return members[owner].place;
}

/**
 * bond_cpu_bound_fill_slots() - compute the array by slot
 * @slots: written
 * @members: all slaves of the bond
 * @n: number of @members
 */
static inline void bond_cpu_bound_fill_slots(struct bond_cpu_bound_slots *slots,
					     const struct bond_cpu_bound_member *members,
					     unsigned int n)
{
	unsigned int i;

	for (i = 0; i < BOND_CPU_BOUND_SLOTS; i++)
		slots->place[i] = BOND_CPU_BOUND_NONE;
	for (i = 0; i < n; i++)
		if (members[i].slot != BOND_CPU_BOUND_NO_SLOT)
			slots->place[members[i].slot] = members[i].place;
}

/**
 * bond_cpu_bound_lookup() - which slave does a CPU send through
 * @place: the CPU's entry in the array by CPU
 * @slots: array by slot
 * @learned: slot of the slave that the CPU was found to serve
 *
 * Return: its place, or a number larger than any when the hash chooses.
 */
static inline unsigned int
bond_cpu_bound_lookup(u16 place, const struct bond_cpu_bound_slots *slots,
		      u8 learned)
{
	if (place & BOND_CPU_BOUND_FIXED)
		return place & ~BOND_CPU_BOUND_FIXED;
	if (slots->place[learned] != BOND_CPU_BOUND_NONE)
		return slots->place[learned];

	return place;
}

#endif /* _BOND_CPU_BOUND_MAP_H */
