// SPDX-License-Identifier: GPL-2.0
/*
 * simlane's caches against what MESI and least-recently-used say: what an
 * access meets, and what it leaves to the others.
 */
#include "tools/simlane/cache.c"
#include "ktap.h"

#define MEMORY	(64ULL << 20)

/* Small caches, so that a test can fill them. */
enum { L1_KB = 8, L2_KB = 64, LLC_KB = 1024 };

static void fresh(void)
{
	cache_free();
	if (!cache_init(MEMORY, L1_KB, L2_KB, LLC_KB))
		abort();
}

static void test_one_core(void)
{
	fresh();
	ktap_ok(cache_access(0, 7, false) == CACHE_DRAM, "a first load comes from memory");
	ktap_ok(cache_access(0, 7, false) == CACHE_L1, "a second one from L1");
	ktap_ok(cache_access(0, 7, true) == CACHE_L1, "a store to a line nobody shares is no upgrade");
	ktap_ok(cache_access(0, 7, true) == CACHE_L1, "nor is a second store");
}

static void test_modified(void)
{
	fresh();
	cache_access(0, 7, true);
	ktap_ok(cache_access(1, 7, false) == CACHE_HITM, "a load of another's modified line takes it");
	ktap_ok(cache_access(1, 7, false) == CACHE_L1, "and has it then");
	ktap_ok(cache_access(0, 7, false) == CACHE_L1, "its former owner keeps a copy");
	ktap_ok(cache_access(0, 7, true) == (CACHE_L1 | CACHE_UPGRADE),
		"which it must upgrade to store");
	ktap_ok(cache_access(1, 7, true) == CACHE_HITM, "a store of the other takes it again");
	ktap_ok(cache_access(0, 7, true) == CACHE_HITM, "and so on");
}

static void test_shared(void)
{
	unsigned int core;
	int good = 1;

	fresh();
	for (core = 0; core < CACHE_MAX_CORES; core++)
		good &= cache_access(core, 9, false) == (core ? CACHE_LLC : CACHE_DRAM);
	ktap_ok(good, "loads of one line share it, and only the first goes to memory");
	ktap_ok(cache_access(5, 9, true) == (CACHE_L1 | CACHE_UPGRADE), "a store takes it from all");
	for (good = 1, core = 0; core < CACHE_MAX_CORES; core++)
		good &= core == 5 || cache_access(core, 9, false) != CACHE_L1;
	ktap_ok(good, "and none of them has it");
	fresh();
	cache_access(0, 9, false);
	cache_access(1, 9, false);
	ktap_ok(cache_access(2, 9, true) == (CACHE_LLC | CACHE_UPGRADE),
		"a store of a line that only others share is fetched and upgraded");
}

/* Walk more lines than a level has, in one set of it. */
static void test_replacement(void)
{
	u32 l1_sets = L1_KB * 1024 / 64 / L1_WAYS, l2_sets = L2_KB * 1024 / 64 / L2_WAYS, i;

	fresh();
	for (i = 0; i <= L1_WAYS; i++)
		cache_access(0, (u64)i * l1_sets, false);
	ktap_ok(cache_access(0, (u64)l1_sets, false) == CACHE_L1, "L1 keeps the recent lines of a set");
	ktap_ok(cache_access(0, 0, false) == CACHE_L2, "L2 has the one that L1 lost");
	fresh();
	for (i = 0; i <= L2_WAYS; i++)
		cache_access(0, (u64)i * l2_sets, true);
	ktap_ok(cache_access(0, 0, false) == CACHE_LLC,
		"a modified line that L2 loses is written back to the shared cache");
	ktap_ok(cache_access(1, (u64)L2_WAYS * l2_sets, false) == CACHE_HITM,
		"one it keeps is still its own");
	ktap_ok(cache_access(1, (u64)l2_sets, false) == CACHE_LLC, "one it lost is not");
}

static void test_devices(void)
{
	fresh();
	cache_access(0, 3, true);
	ktap_ok(cache_device_write(3) == 1, "a device's write takes a line from its core");
	ktap_ok(cache_access(0, 3, false) == CACHE_LLC, "which finds it in the shared cache");
	ktap_ok(cache_device_write(4) == 0, "a line nobody has is taken from nobody");
	cache_access(0, 3, true);
	ktap_ok(cache_device_read(3) == 1, "a device's read finds the modified line");
	ktap_ok(cache_access(0, 3, true) == CACHE_L1, "and its core stores on");
	ktap_ok(!cache_device_write(MEMORY) && !cache_device_read(~0ULL),
		"addresses beyond memory are nobody's");
}

/* Whatever happens: at most one owner, and an owner shares with nobody. */
static void test_invariant(void)
{
	u64 x = 1, line, d;
	int good = 1, i;

	fresh();
	for (i = 0; i < 300000; i++) {
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		line = (x >> 33) % 5000;
		if ((x >> 20) % 50 == 0)
			cache_device_write(line);
		else
			cache_access((unsigned int)(x >> 40) % 8, line, (x >> 50) & 1);
		d = directory[line];
		good &= !OWNER(d) || SHARERS(d) == 1ULL << (OWNER(d) - 1);
	}
	ktap_ok(good, "an owner is its line's only sharer, 300,000 accesses long");
	for (good = 1, line = 0; line < 5000; line++) {
		u32 *set = set_of(&l2[0], L2_WAYS, line);

		if (directory[line] & 1) {
			good &= touch(set, L2_WAYS, (u32)line + 1);
			good &= cache_access(0, line, false) <= CACHE_L2;
		}
	}
	ktap_ok(good, "what the directory says a core has is in its L2");
}

int main(void)
{
	ktap_plan(27);
	test_one_core();
	test_modified();
	test_shared();
	test_replacement();
	test_devices();
	test_invariant();
	cache_free();
	ktap_exit();
}
