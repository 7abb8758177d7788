/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hybrid mode: which I/O is worth polling for. Pure: no kernel service is
 * used, so the unit tests compile it in user space.
 */
#ifndef POLLNVME_POLICY_H
#define POLLNVME_POLICY_H

#include <linux/types.h>

/* Size classes: to 1 KiB, to 2 KiB, ... to 1 MiB and above. */
#define POLLNVME_CLASSES	11
/* How many operations are told apart: reads and writes. */
#define POLLNVME_CLASS_OPS	2

/**
 * struct pollnvme_estimates - what I/O takes, learned
 * @ns: by operation and size class, nanoseconds; 0: nothing was seen yet
 */
struct pollnvme_estimates {
	u32 ns[POLLNVME_CLASS_OPS][POLLNVME_CLASSES];
};

/**
 * struct pollnvme_ask - an I/O that is about to be submitted
 * @expected_ns: what its class takes; 0: unknown
 * @limit_ns: what it may take to be polled for
 * @waits: somebody waits for it: a read, a synchronous write, metadata, swap
 * @background: nobody does: readahead, writeback in the background
 * @bulk: it has no data and may take long: discard, write zeroes
 * @crowded: another task wants this CPU
 */
struct pollnvme_ask {
	u64 expected_ns;
	u64 limit_ns;
	bool waits;
	bool background;
	bool bulk;
	bool crowded;
};

unsigned int pollnvme_size_class(u32 bytes);
u32 pollnvme_estimate(u32 old, u64 sample_ns);
u32 pollnvme_sync_bytes(const u32 *expected_ns, u64 limit_ns);
bool pollnvme_worth_polling(const struct pollnvme_ask *ask);

#endif /* POLLNVME_POLICY_H */
