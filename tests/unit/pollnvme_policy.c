// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hybrid mode: size classes, what is learned, and the rule.
 */
#include <stdbool.h>
#include "ktap.h"
#include "drivers/block/pollnvme/policy.c"

static bool classes(void)
{
	u32 bytes = 1024;
	unsigned int n;

	if (pollnvme_size_class(0) || pollnvme_size_class(512))
		return false;
	for (n = 0; n < POLLNVME_CLASSES; n++, bytes *= 2) {
		unsigned int above = n + 1 < POLLNVME_CLASSES ? n + 1 : n;

		if (pollnvme_size_class(bytes) != n ||
		    pollnvme_size_class(bytes + 1) != above)
			return false;
	}
	return pollnvme_size_class(~0u) == POLLNVME_CLASSES - 1;
}

static bool learns(u32 from, u64 sample, unsigned int turns, u32 low, u32 high)
{
	while (turns--)
		from = pollnvme_estimate(from, sample);
	return from >= low && from <= high;
}

static bool outlier(void)
{
	/* One slow I/O of 100 us does not make a class of 4 us slow. */
	return pollnvme_estimate(4000, 100000) == 16000;
}

static bool sync_sizes(void)
{
	u32 ns[POLLNVME_CLASSES] = { 0 };

	if (pollnvme_sync_bytes(ns, 20000))
		return false;
	ns[2] = 6000;			/* 4 KiB */
	if (pollnvme_sync_bytes(ns, 20000) != 4096)
		return false;
	ns[0] = 5000;
	ns[4] = 20000;			/* 16 KiB, just so */
	ns[6] = 90000;
	if (pollnvme_sync_bytes(ns, 20000) != 16384)
		return false;
	/* What is odd above a slow class is no reason to poll. */
	ns[8] = 1;
	return pollnvme_sync_bytes(ns, 20000) == 16384 &&
	       pollnvme_sync_bytes(ns, 4999) == 0 &&
	       pollnvme_sync_bytes(ns, 100000) == 262144;
}

static bool polls(u64 expected, u64 limit, bool crowded)
{
	struct pollnvme_ask ask = {
		.expected_ns = expected,
		.limit_ns = limit,
		.waits = true,
		.crowded = crowded,
	};

	return pollnvme_worth_polling(&ask);
}

static bool nobody_waits(bool waits, bool background, bool bulk)
{
	struct pollnvme_ask ask = {
		.expected_ns = 1,
		.limit_ns = 20000,
		.waits = waits,
		.background = background,
		.bulk = bulk,
	};

	return !pollnvme_worth_polling(&ask);
}

int main(void)
{
	ktap_plan(16);
	ktap_ok(classes(), "every size has its class");
	ktap_ok(pollnvme_estimate(0, 4100) == 4100, "the first sample is the estimate");
	ktap_ok(learns(4000, 80000, 60, 79900, 80000), "a device that gets slow is seen");
	ktap_ok(learns(80000, 4000, 60, 4000, 4200), "and one that gets fast");
	ktap_ok(outlier(), "one slow I/O weighs an eighth");
	ktap_ok(pollnvme_estimate(0, 0) == 1 && pollnvme_estimate(1, 0) == 1,
		"known is never 0");
	ktap_ok(learns(1000000000, ~0ull, 100, 1000000000, 1000000000),
		"the longest sample does not overflow");
	ktap_ok(polls(0, 20000, false), "an unknown class is polled for");
	ktap_ok(polls(20000, 20000, false), "so is one at the limit");
	ktap_ok(!polls(20001, 20000, false), "but not above");
	ktap_ok(polls(5000, 20000, true) && !polls(5001, 20000, true),
		"a crowded CPU has a quarter of the limit");
	ktap_ok(!polls(1, 0, false), "with a limit of 0 only the unknown is polled for");
	ktap_ok(nobody_waits(false, false, false), "nobody waits for a lazy write");
	ktap_ok(nobody_waits(true, true, false), "nor for readahead");
	ktap_ok(nobody_waits(true, false, true), "a discard is not polled for");
	ktap_ok(sync_sizes(), "which sizes polling is good for");
	ktap_exit();
}
