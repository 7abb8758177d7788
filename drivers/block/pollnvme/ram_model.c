// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long the modelled device takes: a latency, a jitter, channels that work
 * on one command at a time, a bus that moves so many bytes a second.
 */
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/types.h>
#include "ram_model.h"

/**
 * pollnvme_model_due() - when a command completes
 * @model: what the device can do
 * @busy: until when it is busy; the caller's lock guards it
 * @start: when the doorbell was rung, ns
 * @pos: first byte it touches
 * @len: bytes it moves
 * @chance: evenly distributed, for the jitter
 *
 * The command waits for its channel, then takes the latency there; its data
 * waits for the bus from the start on.
 *
 * Return: the time, ns.
 */
u64 pollnvme_model_due(const struct pollnvme_model *model,
		       struct pollnvme_model_busy *busy, u64 start, u64 pos,
		       u32 len, u32 chance)
{
	u32 channels = min_t(u32, model->channels, POLLNVME_MODEL_CHANNELS);
	u64 takes = model->latency_ns +
		    ((u64)chance * model->jitter_ns >> 32);
	u64 due = start + takes;

	if (channels) {
		u32 n = (u32)(pos / POLLNVME_MODEL_STRIPE) % channels;

		due = max(start, busy->channel[n]) + takes;
		busy->channel[n] = due;
	}
	if (model->bandwidth_mbs) {
		busy->bus = max(busy->bus, start) +
			    div_u64(len * 1000ull, model->bandwidth_mbs);
		due = max(due, busy->bus);
	}
	return due;
}
