/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which slave belongs to which CPU: the pure part of the cpu-bound policy.
 *
 * Nothing in here knows a lock, a socket or a device, so the same lines are
 * compiled into the driver and into the unit test.
 */
#ifndef _BOND_CPU_BOUND_MAP_H
#define _BOND_CPU_BOUND_MAP_H

#include <linux/bitops.h>
#include <linux/types.h>

/* a CPU without a slave; never a valid index, a bond has far fewer slaves */
#define BOND_CPU_BOUND_NONE	((u16)~0)

/**
 * enum bond_cpu_bound_why - why a CPU belongs to a slave
 * @BOND_CPU_BOUND_WHY_NOT: it belongs to no slave
 * @BOND_CPU_BOUND_WHY_MASK: the administrator put it into the slave's tx_cpus
 * @BOND_CPU_BOUND_WHY_DEFAULT: no slave has a mask, CPUs are dealt out in turn
 */
enum bond_cpu_bound_why {
	BOND_CPU_BOUND_WHY_NOT,
	BOND_CPU_BOUND_WHY_MASK,
	BOND_CPU_BOUND_WHY_DEFAULT,
};

/**
 * struct bond_cpu_bound_member - a slave as the map sees it
 * @mask: bitmap of the CPUs given to it, NULL when none was given
 * @index: its place among the usable slaves, BOND_CPU_BOUND_NONE when it
 *	cannot transmit now
 */
struct bond_cpu_bound_member {
	const unsigned long *mask;
	u16 index;
};

/**
 * bond_cpu_bound_owner() - find the slave that a CPU belongs to
 * @cpu: CPU number
 * @members: all slaves of the bond in the order of their enslavement
 * @n: number of @members
 * @why: the reason, always written
 *
 * Explicit masks win. As soon as one slave has a mask, the administrator is
 * taken to have described the machine: CPUs in no mask stay without a slave.
 * With no mask at all CPU c belongs to slave c modulo @n, so that NIC k serves
 * core k on a machine whose NICs are pinned in that order.
 *
 * Link state plays no part: a slave that is down keeps its CPUs, and they
 * return to it when it does.
 *
 * Return: position in @members, or -1 for none.
 */
static inline int bond_cpu_bound_owner(unsigned int cpu,
				       const struct bond_cpu_bound_member *members,
				       unsigned int n,
				       enum bond_cpu_bound_why *why)
{
	bool masks = false;
	unsigned int i;

	*why = BOND_CPU_BOUND_WHY_NOT;
	for (i = 0; i < n; i++) {
		if (!members[i].mask)
			continue;
		if (test_bit(cpu, members[i].mask)) {
			*why = BOND_CPU_BOUND_WHY_MASK;
			return i;
		}
		masks = true;
	}
	if (masks || !n)
		return -1;

	*why = BOND_CPU_BOUND_WHY_DEFAULT;
	return cpu % n;
}

/**
 * bond_cpu_bound_fill() - compute the map that the transmit path reads
 * @map: one entry a CPU, written: index among the usable slaves, or
 *	BOND_CPU_BOUND_NONE
 * @cpus: number of entries in @map
 * @members: all slaves of the bond in the order of their enslavement
 * @n: number of @members
 */
static inline void bond_cpu_bound_fill(u16 *map, unsigned int cpus,
				       const struct bond_cpu_bound_member *members,
				       unsigned int n)
{
	enum bond_cpu_bound_why why;
	unsigned int cpu;
	int owner;

	for (cpu = 0; cpu < cpus; cpu++) {
		owner = bond_cpu_bound_owner(cpu, members, n, &why);
		map[cpu] = owner < 0 ? BOND_CPU_BOUND_NONE :
				       members[owner].index;
	}
}

#endif /* _BOND_CPU_BOUND_MAP_H */
