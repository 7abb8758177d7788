// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ram controller's model: latency, jitter, channels, bandwidth.
 */
#include <string.h>
#include "ktap.h"
#include "drivers/block/pollnvme/ram_model.c"

static struct pollnvme_model_busy busy;

static u64 due(struct pollnvme_model model, u64 start, u64 pos, u32 len)
{
	return pollnvme_model_due(&model, &busy, start, pos, len, 0);
}

static bool plain(void)
{
	struct pollnvme_model model = { .latency_ns = 4100 };

	/* Nobody waits for anybody, and nothing shared is written to. */
	memset(&busy, 0xff, sizeof(busy));
	return due(model, 1000, 0, 4096) == 5100 && due(model, 1000, 0, 1 << 20) == 5100 &&
	       busy.bus == ~0ull && busy.channel[0] == ~0ull;
}

static bool jitter(void)
{
	struct pollnvme_model model = { .latency_ns = 100, .jitter_ns = 1000 };

	return pollnvme_model_due(&model, &busy, 0, 0, 0, 0) == 100 &&
	       pollnvme_model_due(&model, &busy, 0, 0, 0, 1u << 31) == 600 &&
	       pollnvme_model_due(&model, &busy, 0, 0, 0, ~0u) == 1099;
}

static bool one_channel(void)
{
	struct pollnvme_model model = { .latency_ns = 100, .channels = 1 };
	u64 n;

	memset(&busy, 0, sizeof(busy));
	for (n = 1; n <= 10; n++)
		if (due(model, 0, n * 12345, 512) != n * 100)
			return false;
	/* Idle meanwhile: it begins at once. */
	return due(model, 5000, 0, 512) == 5100;
}

static bool by_place(void)
{
	struct pollnvme_model model = { .latency_ns = 100, .channels = 4 };

	memset(&busy, 0, sizeof(busy));
	return due(model, 0, 0, 512) == 100 && due(model, 0, 4096, 512) == 100 &&
	       due(model, 0, 3 * 4096, 512) == 100 && due(model, 0, 512, 512) == 200 &&
	       due(model, 0, 4 * 4096, 512) == 300;
}

static bool bounded(void)
{
	struct pollnvme_model model = { .latency_ns = 1, .channels = ~0u };
	u64 pos;

	memset(&busy, 0, sizeof(busy));
	for (pos = 0; pos < 1000; pos++)
		due(model, 0, pos * 4096, 512);
	due(model, ~0ull >> 1, ~0ull, ~0u);
	return busy.bus == 0;
}

static bool bandwidth(void)
{
	struct pollnvme_model model = { .latency_ns = 100, .bandwidth_mbs = 1000 };

	memset(&busy, 0, sizeof(busy));
	/* 4096 bytes at 1000 MB/s take 4096 ns, one after another. */
	return due(model, 0, 0, 4096) == 4096 && due(model, 0, 0, 4096) == 8192 &&
	       due(model, 10000, 0, 4096) == 14096 && due(model, 20000, 0, 0) == 20100;
}

int main(void)
{
	ktap_plan(6);
	ktap_ok(plain(), "a latency alone, whatever else is under way");
	ktap_ok(jitter(), "a jitter of its size");
	ktap_ok(one_channel(), "one channel: one after another");
	ktap_ok(by_place(), "several: by place");
	ktap_ok(bounded(), "no more than there are");
	ktap_ok(bandwidth(), "a bus is shared by all");
	ktap_exit();
}
