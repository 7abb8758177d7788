// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hybrid mode: which I/O is worth polling for.
 *
 *  1. What nobody waits for is never polled for: readahead, background
 *     writeback, writes that are not synchronous, discard and write zeroes.
 *  2. Else it is polled for when its class (operation and size) is expected
 *     to take no longer than the limit.
 *  3. Where another task wants the CPU, no longer than a quarter of the
 *     limit: what is spun away is that task's time.
 *  4. A class of which nothing is known yet is polled for, and so learned.
 *
 * Polled and interrupted I/O both teach. An interrupted one is seen later
 * than it ended, so a class has to become well faster than the limit before
 * it is polled for again: it does not swing between the two.
 */
#include <linux/types.h>
#include "policy.h"

/* A sample's weight in an estimate is one part in so many. */
#define POLLNVME_WEIGHT		8

/**
 * pollnvme_size_class() - class of an I/O's size
 * @bytes: its size
 *
 * Return: 0 to POLLNVME_CLASSES - 1.
 */
unsigned int pollnvme_size_class(u32 bytes)
{
	unsigned int class = 0;
	u32 most = 1024;

	while (bytes > most && class < POLLNVME_CLASSES - 1) {
		most *= 2;
		class++;
	}
	return class;
}

/**
 * pollnvme_estimate() - learn from an I/O: a moving average
 * @old: estimate in nanoseconds, 0 for none
 * @sample_ns: what the I/O took, nanoseconds
 *
 * Return: the new estimate, not 0.
 */
u32 pollnvme_estimate(u32 old, u64 sample_ns)
{
	u64 estimate;

	/* A second says as much as an hour, and cannot overflow. */
	if (sample_ns > 1000000000)
		sample_ns = 1000000000;
	estimate = sample_ns;
	if (old)
		estimate = ((u64)old * (POLLNVME_WEIGHT - 1) + sample_ns) /
			   POLLNVME_WEIGHT;
	return estimate ? estimate : 1;
}

/**
 * pollnvme_sync_bytes() - the largest I/O that is worth polling for
 * @expected_ns: by size class, what an I/O takes, nanoseconds; 0: unknown
 * @limit_ns: what it may take
 *
 * A class of which nothing is known is taken for the next larger one that is
 * known: what is larger is not faster.
 *
 * Return: bytes, the size of a class; 0 when none is known to be.
 */
u32 pollnvme_sync_bytes(const u32 *expected_ns, u64 limit_ns)
{
	unsigned int class;
	u32 bytes = 0;

	for (class = 0; class < POLLNVME_CLASSES; class++) {
		if (!expected_ns[class])
			continue;
		if (expected_ns[class] > limit_ns)
			break;
		bytes = 1024u << class;
	}
	return bytes;
}

/**
 * pollnvme_worth_polling() - the rule
 * @ask: the I/O
 *
 * Return: true to poll, false to let an interrupt end it.
 */
bool pollnvme_worth_polling(const struct pollnvme_ask *ask)
{
	if (ask->background || ask->bulk || !ask->waits)
		return false;
	return ask->expected_ns <=
	       (ask->crowded ? ask->limit_ns / 4 : ask->limit_ns);
}
