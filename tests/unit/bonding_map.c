// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit test of the map from CPU to slave (drivers/net/bonding).
 */
#include <stdlib.h>

#include "ktap.h"
#include "drivers/net/bonding/bond_cpu_bound_map.h"

#define CPUS	70	/* more than one word of a bitmap */
#define SLAVES	100

static const unsigned long low[2] = { 0x3 };		/* CPUs 0-1 */
static const unsigned long high[2] = { 0x4, 0x1 };	/* CPUs 2, 64 */

static struct bond_cpu_bound_slots slots;
static u8 learned[CPUS];

/* four CPUs a node: 0-3, 4-7, ... */
static struct bond_cpu_bound_cpu describe(unsigned int cpu)
{
	return (struct bond_cpu_bound_cpu){ cpu, cpu / 4, cpu % 4 };
}

/* what the transmit path finds */
static unsigned int lookup(unsigned int cpu,
			   const struct bond_cpu_bound_member *m, unsigned int n)
{
	struct bond_cpu_bound_cpu described = describe(cpu);

	bond_cpu_bound_fill_slots(&slots, m, n);
	return bond_cpu_bound_lookup(bond_cpu_bound_place(&described, m, n),
				     &slots, learned[cpu]);
}

/* what a user is shown */
static int owner(unsigned int cpu, const struct bond_cpu_bound_member *m,
		 unsigned int n, enum bond_cpu_bound_why *why)
{
	struct bond_cpu_bound_cpu described = describe(cpu);

	return bond_cpu_bound_owner(&described, m, n, learned[cpu], why);
}

/* slaves without any information, all usable */
static void plain(struct bond_cpu_bound_member *m, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		m[i] = (struct bond_cpu_bound_member){
			.node = -1, .place = i, .slot = i + 1,
		};
}

static void test_order(void)
{
	struct bond_cpu_bound_member m[3];
	enum bond_cpu_bound_why why;

	plain(m, 3);
	ktap_ok(lookup(0, m, 3) >= 3 && owner(0, m, 3, &why) == -1 &&
		why == BOND_CPU_BOUND_WHY_HASH, "nothing known: by hash");

	m[2].node = 0;
	ktap_ok(lookup(0, m, 3) == 2 && owner(0, m, 3, &why) == 2 &&
		why == BOND_CPU_BOUND_WHY_NUMA, "the slave of the CPU's node");
	ktap_ok(lookup(4, m, 3) >= 3, "no slave on the CPU's node: by hash");

	learned[0] = 2;
	ktap_ok(lookup(0, m, 3) == 1 && owner(0, m, 3, &why) == 1 &&
		why == BOND_CPU_BOUND_WHY_LEARNED, "what was learned beats the node");

	m[0].mask = low;
	ktap_ok(lookup(0, m, 3) == 0 && owner(0, m, 3, &why) == 0 &&
		why == BOND_CPU_BOUND_WHY_MASK, "a mask beats what was learned");

	learned[2] = 2;
	ktap_ok(lookup(2, m, 3) == 1 && lookup(3, m, 3) == 2 && lookup(5, m, 3) >= 3,
		"CPUs in no mask go on to the other answers");

	learned[0] = 9;
	m[0].mask = NULL;
	ktap_ok(lookup(0, m, 3) == 2 && owner(0, m, 3, &why) == 2,
		"a slot that nobody has is nobody's");
	learned[0] = learned[2] = 0;
}

static void test_masks(void)
{
	struct bond_cpu_bound_member m[3];

	plain(m, 3);
	m[1].mask = low;
	m[2].mask = high;
	ktap_ok(lookup(0, m, 3) == 1 && lookup(1, m, 3) == 1 &&
		lookup(2, m, 3) == 2 && lookup(64, m, 3) == 2,
		"masks count beyond the first word too");
}

static void test_down(void)
{
	struct bond_cpu_bound_member m[3];
	enum bond_cpu_bound_why why;

	plain(m, 3);
	m[1].mask = low;
	m[1].place = BOND_CPU_BOUND_DOWN;
	m[2].place = 1;
	m[2].node = 0;
	learned[0] = 3;
	ktap_ok(lookup(0, m, 3) >= 2 && owner(0, m, 3, &why) == 1,
		"a masked slave that is down keeps its CPUs from all others");

	m[1].mask = NULL;
	learned[0] = 2;
	ktap_ok(lookup(0, m, 3) >= 2 && owner(0, m, 3, &why) == 1,
		"so does one that was learned");

	learned[0] = 0;
	m[1].node = 0;
	ktap_ok(lookup(0, m, 3) >= 2 && lookup(1, m, 3) == 1,
		"and one of the node, but only its own CPUs");
}

static void test_turns(void)
{
	struct bond_cpu_bound_member m[SLAVES];
	unsigned int cpu, i, wrong = 0;

	plain(m, 5);
	for (i = 0; i < 5; i++)
		m[i].node = i < 3 ? 0 : 1;
	for (cpu = 0; cpu < 8; cpu++)
		wrong += lookup(cpu, m, 5) !=
			 (cpu < 4 ? cpu % 3 : 3 + (cpu - 4) % 2);
	ktap_ok(!wrong, "several slaves on a node are dealt to its CPUs in turn");

	plain(m, SLAVES);
	for (i = 0; i < SLAVES; i++)
		m[i].node = 0;
	ktap_ok(lookup(0, m, SLAVES) == 0 && lookup(3, m, SLAVES) == 3,
		"more slaves than CPUs: one each");
	m[0].node = 3;
	ktap_ok(lookup(15, m, 1) == 0 && lookup(12, m, 1) == 0,
		"one slave serves all CPUs of its node");
	ktap_ok(lookup(0, m, 0) == BOND_CPU_BOUND_NONE, "a bond without slaves");
}

/* The transmit path and what a user is shown come from different code. */
static void test_agreement(void)
{
	static unsigned long masks[SLAVES][2];
	struct bond_cpu_bound_member m[SLAVES];
	unsigned int round, cpu, n, i, up, wrong = 0;
	enum bond_cpu_bound_why why;
	int who;

	srand(1);
	for (round = 0; round < 2000; round++) {
		n = 1 + rand() % (round & 1 ? SLAVES : 4);
		plain(m, n);
		for (i = up = 0; i < n; i++) {
			masks[i][0] = 1ul << rand() % 64;
			m[i].mask = rand() % 3 ? NULL : masks[i];
			m[i].node = rand() % 20 - 1;
			m[i].place = rand() % 4 ? up++ : BOND_CPU_BOUND_DOWN;
			if (!(rand() % 8))
				m[i].slot = BOND_CPU_BOUND_NO_SLOT;
		}
		for (cpu = 0; cpu < CPUS; cpu++) {
			learned[cpu] = rand() % (n + 3);
			who = owner(cpu, m, n, &why);
			i = lookup(cpu, m, n);
			if (who < 0 || m[who].place == BOND_CPU_BOUND_DOWN)
				wrong += i < n;
			else
				wrong += i != m[who].place;
		}
	}
	ktap_ok(!wrong, "the transmit path does what is shown");
}

int main(void)
{
	ktap_plan(16);
	test_order();
	test_masks();
	test_down();
	test_turns();
	test_agreement();
	ktap_exit();
}
