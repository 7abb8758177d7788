// SPDX-License-Identifier: GPL-2.0
/*
 * percore's comparison of queues: what is above a mark, and which of two is
 * emptier, at the ends of what numbers there are too.
 */
#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;

#include "net/netfilter/percore/queue.h"
#include "ktap.h"

static bool above(u32 len, u32 max, u8 mark)
{
	const struct percore_queue queue = { .len = len, .max = max };

	return percore_queue_above(&queue, mark);
}

static bool emptier(u32 alen, u32 amax, u32 blen, u32 bmax)
{
	const struct percore_queue a = { .len = alen, .max = amax };
	const struct percore_queue b = { .len = blen, .max = bmax };

	return percore_queue_emptier(&a, &b);
}

/* The stack takes one more than the limit, so 8 have room for 9. */
static void test_mark(void)
{
	ktap_ok(!above(4, 8, 50) && above(5, 8, 50), "half of 9 is 5");
	ktap_ok(!above(8, 8, 100) && above(9, 8, 100), "100 percent is full");
	ktap_ok(!above(0, 8, 1) && above(1, 8, 1), "1 percent of 9 is 1");
	ktap_ok(!above(0, 0, 100) && above(1, 0, 100), "a limit of 0 has room for 1");
	ktap_ok(above(UINT32_MAX, 0, 100) && above(UINT32_MAX, UINT32_MAX, 99) &&
		!above(UINT32_MAX, UINT32_MAX, 100), "the largest numbers");
}

static void test_order(void)
{
	ktap_ok(emptier(0, 8, 1, 8) && !emptier(1, 8, 0, 8), "none is emptier than one");
	ktap_ok(!emptier(3, 8, 3, 8) && !emptier(0, 8, 0, 128), "equal is not emptier");
	ktap_ok(emptier(8, 127, 1, 8) && !emptier(1, 8, 8, 127), "by the part, not the number");
	ktap_ok(!emptier(2, 3, 4, 7) && !emptier(4, 7, 2, 3), "the same part of different room");
	ktap_ok(emptier(0, UINT32_MAX, UINT32_MAX, UINT32_MAX) &&
		emptier(UINT32_MAX - 1, UINT32_MAX, UINT32_MAX, UINT32_MAX) &&
		!emptier(UINT32_MAX, 0, UINT32_MAX, UINT32_MAX), "the largest numbers");
}

/* Whatever the numbers, no two are each emptier than the other, and who is
 * above a mark is not emptier than who is below it.
 */
static void test_all_small(void)
{
	bool good = true;

	for (u32 alen = 0; alen < 8; alen++)
		for (u32 amax = 0; amax < 8; amax++)
			for (u32 blen = 0; blen < 8; blen++)
				for (u32 bmax = 0; bmax < 8; bmax++) {
					good &= !(emptier(alen, amax, blen, bmax) &&
						  emptier(blen, bmax, alen, amax));
					good &= !(above(alen, amax, 60) && !above(blen, bmax, 60) &&
						  emptier(alen, amax, blen, bmax));
				}
	ktap_ok(good, "order and mark agree");
}

int main(void)
{
	ktap_plan(11);
	test_mark();
	test_order();
	test_all_small();
	ktap_exit();
}
