// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit test of what the cpu-bound policy learns (drivers/net/bonding).
 */
#include <stdlib.h>
#include <string.h>

#include "ktap.h"
#include "drivers/net/bonding/bond_cpu_bound_vote.h"

#define ENOUGH	BOND_CPU_BOUND_CREDIT

static struct bond_cpu_bound_vote vote;

static void packets(u8 slot, unsigned int n)
{
	while (n--)
		bond_cpu_bound_vote(&vote, slot);
}

static void test_take(void)
{
	struct bond_cpu_bound_vote before;

	packets(1, ENOUGH - 1);
	ktap_ok(vote.owner == BOND_CPU_BOUND_NO_SLOT, "not yet");
	packets(1, 1);
	ktap_ok(vote.owner == 1, "a CPU goes to the slave that it serves alone");

	before = vote;
	packets(1, 100);
	ktap_ok(!memcmp(&before, &vote, sizeof(vote)), "its owner's packets write nothing");

	packets(2, ENOUGH - 1);
	packets(1, 1);
	packets(2, 1);
	ktap_ok(vote.owner == 1, "the owner's packets count two each");
	packets(2, 2);
	ktap_ok(vote.owner == 2, "a pin that moves takes the CPU along");
}

/* PERMILLE of what comes in is slot 2's, in runs of up to RUN, the rest is
 * dealt to slots 1 and 3. Is 2 the owner in the end?
 */
static int won(unsigned int permille, unsigned int run, unsigned int others)
{
	unsigned int i;

	vote = (struct bond_cpu_bound_vote){ .owner = 1 };
	for (i = 0; i < 400000 / run && vote.owner == 1; i++)
		packets((unsigned int)rand() % 1000 < permille ? 2 :
			rand() % others ? 3 : 1, 1 + rand() % run);
	return vote.owner == 2;
}

static int never(unsigned int permille, unsigned int run, unsigned int others)
{
	unsigned int tries;

	for (tries = 0; tries < 20; tries++)
		if (won(permille, run, others))
			return 0;
	return 1;
}

static int always(unsigned int permille, unsigned int run, unsigned int others)
{
	unsigned int tries;

	for (tries = 0; tries < 20; tries++)
		if (!won(permille, run, others))
			return 0;
	return 1;
}

static void test_share(void)
{
	unsigned int i;

	srand(1);
	ktap_ok(always(750, 1, 1), "three quarters take the CPU over");
	ktap_ok(always(750, 1, 2), "from several others too");
	ktap_ok(never(500, 1, 1), "one of two equals does not");
	ktap_ok(never(600, 1, 1), "nor does six tenths");
	ktap_ok(never(333, 1, 2), "nor one of three equals");
	ktap_ok(never(500, 16, 1), "nor one of two equals in runs of up to 16");

	vote = (struct bond_cpu_bound_vote){ .owner = 1 };
	for (i = 0; i < 4000; i++)
		packets(1 + i % 2, 64);
	ktap_ok(vote.owner == 1, "nor one of two that take turns with full polls");

	vote = (struct bond_cpu_bound_vote){ 0 };
	for (i = 0; i < 400000; i++)
		packets(1 + i % 4, 1);
	ktap_ok(vote.owner == BOND_CPU_BOUND_NO_SLOT, "a CPU that all share is nobody's");
}

static void test_forget(void)
{
	vote = (struct bond_cpu_bound_vote){ 0 };
	packets(1, ENOUGH);
	packets(2, ENOUGH - 1);
	bond_cpu_bound_vote_forget(&vote, 3);
	ktap_ok(vote.owner == 1 && vote.candidate == 2, "other slots keep what they have");
	bond_cpu_bound_vote_forget(&vote, 2);
	packets(2, 1);
	ktap_ok(vote.owner == 1, "a reused slot inherits no votes");
	packets(2, 2 * ENOUGH);
	ktap_ok(vote.owner == 2, "and earns its own");
	bond_cpu_bound_vote_forget(&vote, 2);
	ktap_ok(vote.owner == BOND_CPU_BOUND_NO_SLOT, "a reused slot inherits no CPU");
}

int main(void)
{
	ktap_plan(17);
	test_take();
	test_share();
	test_forget();
	ktap_exit();
}
