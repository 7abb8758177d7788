/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the cpu-bound policy keeps for a slave and for a bond; shared by its
 * own files only.
 */
#ifndef _BOND_CPU_BOUND_SLAVE_H
#define _BOND_CPU_BOUND_SLAVE_H

#include <linux/bitmap.h>
#include <linux/cpumask.h>
#include <linux/refcount.h>
#include <linux/rtnetlink.h>
#include <net/bonding.h>

#include "bond_cpu_bound_map.h"

/**
 * enum bond_cpu_bound_kind - why a packet left by the slave it left by
 * @BOND_CPU_BOUND_LOCAL: it is the slave of the sending CPU
 * @BOND_CPU_BOUND_FALLBACK: that CPU has no usable slave, the hash chose
 * @BOND_CPU_BOUND_HELD: the flow has packets under way through this slave
 * @BOND_CPU_BOUND_KINDS: number of kinds
 */
enum bond_cpu_bound_kind {
	BOND_CPU_BOUND_LOCAL,
	BOND_CPU_BOUND_FALLBACK,
	BOND_CPU_BOUND_HELD,
	BOND_CPU_BOUND_KINDS,
};

/**
 * struct bond_cpu_bound_stats - packets one CPU sent through one slave
 * @packets: number of packets of each kind since the slave was enslaved;
 *	written by that CPU alone, wraps at the size of a long
 */
struct bond_cpu_bound_stats {
	unsigned long packets[BOND_CPU_BOUND_KINDS];
};

/**
 * struct bond_cpu_bound_group - what the slaves of a bond have in common
 * @users: slaves that have a pointer to it; the last one frees it
 * @votes: what each CPU has learned
 * @flows: memory of flows, see bond_cpu_bound_order.c; NULL as long as no
 *	slave needed it, written under RTNL
 * @slots: slots that are taken; bits are set under RTNL, cleared at any time
 * @ranks: of each CPU, how many possible CPUs of its node come before it
 */
struct bond_cpu_bound_group {
	refcount_t users;
	struct bond_cpu_bound_vote __percpu *votes;
	u32 *flows;
	DECLARE_BITMAP(slots, BOND_CPU_BOUND_SLOTS);
	unsigned int ranks[];
};

/**
 * struct bond_cpu_bound_slave - the policy's part of a slave
 * @stats: counters, one set a CPU
 * @votes: the group's
 * @slot: the slave's number in the votes and in the memory of flows
 * @stacked: there are, or may be, devices below the slave
 * @group: shared with the bond's other slaves
 * @tx_cpus: CPUs given to the slave, empty for none; under RTNL
 *
 * Made when the slave is first seen, freed with the slave itself, a grace
 * period after the last packet came in or went out through it.
 */
struct bond_cpu_bound_slave {
	struct bond_cpu_bound_stats __percpu *stats;
	struct bond_cpu_bound_vote __percpu *votes;
	u8 slot;
	bool stacked;
	struct bond_cpu_bound_group *group;
	cpumask_var_t tx_cpus;
};

/**
 * struct bond_cpu_bound_map - what the transmit path reads
 * @votes: the group's
 * @flows: the group's, may be NULL
 * @stacked: a slave has devices below it, which may have queues, or be a bond
 *	of this policy
 * @slots: places by slot
 * @place: places by CPU
 *
 * Lies behind the array of usable slaves, in the same allocation. Nothing in
 * it is ever written once it is published.
 */
struct bond_cpu_bound_map {
	struct bond_cpu_bound_vote __percpu *votes;
	u32 *flows;
	bool stacked;
	struct bond_cpu_bound_slots slots;
	u16 place[];
};

struct bond_cpu_bound_slave *bond_cpu_bound_state(struct slave *slave);
struct bond_cpu_bound_member *
bond_cpu_bound_members(const struct bond_up_slave *all,
		       const struct bond_up_slave *usable);
void bond_cpu_bound_describe(unsigned int cpu, const unsigned int *ranks,
			     struct bond_cpu_bound_cpu *described);

u32 *bond_cpu_bound_flows_alloc(void);
struct slave *bond_cpu_bound_keep_order(const struct sk_buff *skb,
					const struct bond_up_slave *slaves,
					unsigned int count, struct slave *slave,
					enum bond_cpu_bound_kind *kind);

/**
 * bond_cpu_bound_mode() - can a bond's mode use the policy
 * @bond: bond
 *
 * Return: true in modes balance-xor and 802.3ad.
 */
static inline bool bond_cpu_bound_mode(const struct bonding *bond)
{
	return BOND_MODE(bond) == BOND_MODE_XOR ||
	       BOND_MODE(bond) == BOND_MODE_8023AD;
}

#endif /* _BOND_CPU_BOUND_SLAVE_H */
