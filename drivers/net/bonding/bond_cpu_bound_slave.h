/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the cpu-bound policy keeps for a slave; shared by its own files only.
 */
#ifndef _BOND_CPU_BOUND_SLAVE_H
#define _BOND_CPU_BOUND_SLAVE_H

#include <linux/cpumask.h>
#include <linux/rtnetlink.h>
#include <net/bonding.h>

struct bond_cpu_bound_member;

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
 * struct bond_cpu_bound_slave - the policy's part of a slave
 * @stats: counters, one set a CPU
 * @tx_cpus: CPUs given to the slave, empty for none; under RTNL
 *
 * Made when the slave is first seen, freed with the slave itself.
 */
struct bond_cpu_bound_slave {
	struct bond_cpu_bound_stats __percpu *stats;
	cpumask_var_t tx_cpus;
};

struct bond_cpu_bound_slave *bond_cpu_bound_state(struct slave *slave);
struct bond_cpu_bound_member *
bond_cpu_bound_members(const struct bond_up_slave *all,
		       const struct bond_up_slave *usable);

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
