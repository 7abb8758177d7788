/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long the modelled device takes. Pure: it builds in user space, too.
 */
#ifndef POLLNVME_RAM_MODEL_H
#define POLLNVME_RAM_MODEL_H

#include <linux/types.h>

#define POLLNVME_MODEL_CHANNELS	64

/* Neighbours of so many bytes are on the same channel. */
#define POLLNVME_MODEL_STRIPE	4096

/**
 * struct pollnvme_model - what the device can do; may change at any time
 * @latency_ns: from doorbell to completion
 * @jitter_ns: up to so much more, evenly by chance
 * @channels: commands it works on at once, by place; 0: any number
 * @bandwidth_mbs: megabytes (10^6) per second it moves in all; 0: any number
 */
struct pollnvme_model {
	u32 latency_ns;
	u32 jitter_ns;
	u32 channels;
	u32 bandwidth_mbs;
};

/**
 * struct pollnvme_model_busy - until when it has something to do
 * @channel: each channel, ns
 * @bus: what moves the data, ns
 */
struct pollnvme_model_busy {
	u64 channel[POLLNVME_MODEL_CHANNELS];
	u64 bus;
};

u64 pollnvme_model_due(const struct pollnvme_model *model,
		       struct pollnvme_model_busy *busy, u64 start, u64 pos,
		       u32 len, u32 chance);

#endif /* POLLNVME_RAM_MODEL_H */
