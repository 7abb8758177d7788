// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit test of the map from CPU to slave (drivers/net/bonding).
 */
#include "ktap.h"
#include "drivers/net/bonding/bond_cpu_bound_map.h"

#define CPUS	70	/* more than one word of a bitmap */

static const unsigned long low[2] = { 0x3 };		/* CPUs 0-1 */
static const unsigned long high[2] = { 0x4, 0x1 };	/* CPUs 2, 64 */

static u16 map[CPUS + 1];

static void fill(const struct bond_cpu_bound_member *members, unsigned int n)
{
	map[CPUS] = 0x5a5a;
	bond_cpu_bound_fill(map, CPUS, members, n);
}

static int all_are(u16 value)
{
	unsigned int cpu;

	for (cpu = 0; cpu < CPUS; cpu++)
		if (map[cpu] != value)
			return 0;
	return 1;
}

static void test_default(void)
{
	struct bond_cpu_bound_member m[3] = { { .index = 0 }, { .index = 1 }, { .index = 2 } };
	unsigned int cpu, wrong = 0;

	fill(m, 3);
	for (cpu = 0; cpu < CPUS; cpu++)
		wrong += map[cpu] != cpu % 3;
	ktap_ok(!wrong, "no masks: CPUs are dealt out in turn");
	ktap_ok(map[CPUS] == 0x5a5a, "nothing is written behind the map");

	m[1].index = BOND_CPU_BOUND_NONE;
	m[2].index = 1;
	fill(m, 3);
	ktap_ok(map[0] == 0 && map[1] == BOND_CPU_BOUND_NONE && map[2] == 1,
		"a slave that is down keeps its CPUs from the others");
}

static void test_masks(void)
{
	struct bond_cpu_bound_member m[3] = {
		{ .index = 0 },
		{ .index = 1, .mask = low },
		{ .index = 2, .mask = high },
	};
	enum bond_cpu_bound_why why;

	fill(m, 3);
	ktap_ok(map[0] == 1 && map[1] == 1 && map[2] == 2 && map[64] == 2,
		"masks win, beyond the first word too");
	ktap_ok(map[3] == BOND_CPU_BOUND_NONE && map[65] == BOND_CPU_BOUND_NONE,
		"with a mask anywhere, CPUs in none have no slave");

	ktap_ok(bond_cpu_bound_owner(2, m, 3, &why) == 2 &&
		why == BOND_CPU_BOUND_WHY_MASK, "the reason is the mask");
	ktap_ok(bond_cpu_bound_owner(3, m, 3, &why) == -1 &&
		why == BOND_CPU_BOUND_WHY_NOT, "no slave, no reason");

	m[2].index = BOND_CPU_BOUND_NONE;
	fill(m, 3);
	ktap_ok(map[2] == BOND_CPU_BOUND_NONE && map[0] == 1,
		"a masked slave that is down maps to none");
	ktap_ok(bond_cpu_bound_owner(64, m, 3, &why) == 2 &&
		why == BOND_CPU_BOUND_WHY_MASK, "and still owns its CPUs");
}

static void test_edges(void)
{
	struct bond_cpu_bound_member one = { .index = 0 };
	struct bond_cpu_bound_member many[100];
	enum bond_cpu_bound_why why;
	unsigned int i, wrong = 0;

	fill(&one, 0);
	ktap_ok(all_are(BOND_CPU_BOUND_NONE), "a bond without slaves");
	fill(&one, 1);
	ktap_ok(all_are(0), "one slave serves every CPU");

	for (i = 0; i < 100; i++)
		many[i] = (struct bond_cpu_bound_member){ .index = i };
	fill(many, 100);
	for (i = 0; i < CPUS; i++)
		wrong += map[i] != i;
	ktap_ok(!wrong, "more slaves than CPUs: one each");
	ktap_ok(bond_cpu_bound_owner(5, many, 100, &why) == 5 &&
		why == BOND_CPU_BOUND_WHY_DEFAULT, "the reason is the default");
}

int main(void)
{
	ktap_plan(13);
	test_default();
	test_masks();
	test_edges();
	ktap_exit();
}
