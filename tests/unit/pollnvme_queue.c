// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rings: wrap and phase, completions out of order, ids that lie.
 */
#include "ktap.h"
#include <linux/bitops.h>
#ifndef __ffs64
#define __ffs64(x)	((unsigned int)__builtin_ctzll(x))
#endif
#include "drivers/block/pollnvme/queue.c"

#define DEPTH	8

static struct nvme_command sq[POLLNVME_QUEUE_DEPTH];
static struct nvme_completion cq[POLLNVME_QUEUE_DEPTH];
static struct pollnvme_queue q;
static u16 tail, phase;

static void setup(u16 depth)
{
	memset(cq, 0xff, sizeof(cq));	/* phases of an earlier life */
	pollnvme_queue_init(&q, 3, depth, sq, cq);
	tail = 0;
	phase = 1;
}

static void post(u16 id, u16 sqid)
{
	cq[tail].command_id = id;
	cq[tail].sq_id = cpu_to_le16(sqid);
	cq[tail].status = cpu_to_le16(phase);
	if (++tail == q.depth) {
		tail = 0;
		phase ^= 1;
	}
}

static int take(void)
{
	struct nvme_completion cqe;

	if (!pollnvme_queue_pop(&q, &cqe))
		return -EAGAIN;
	return pollnvme_slot_find(&q, &cqe);
}

static bool wraps(void)
{
	int turn, slot;

	setup(DEPTH);
	for (turn = 0; turn < 1000; turn++) {
		struct nvme_command c = {};

		slot = pollnvme_slot_get(&q);
		c.common.command_id = pollnvme_slot_id(&q, slot);
		if (pollnvme_queue_push(&q, &c) != (turn + 1) % DEPTH)
			return false;
		if (pollnvme_queue_cqe_pending(&q) || take() != -EAGAIN)
			return false;
		post(sq[turn % DEPTH].common.command_id, 3);
		if (take() != slot)
			return false;
		pollnvme_slot_put(&q, slot);
	}
	return !q.busy;
}

static bool full(u16 depth)
{
	int n;

	setup(depth);
	for (n = 0; n < depth - 1; n++)
		if (pollnvme_slot_get(&q) != n)
			return false;
	return pollnvme_slot_get(&q) == -EBUSY;
}

static bool out_of_order(void)
{
	int n;

	setup(DEPTH);
	for (n = 0; n < DEPTH - 1; n++)
		pollnvme_slot_get(&q);
	for (n = DEPTH - 2; n >= 0; n--)
		post(pollnvme_slot_id(&q, n), 3);
	for (n = DEPTH - 2; n >= 0; n--)
		if (take() != n)
			return false;
	return take() == -EAGAIN;
}

static int lie(u16 wrong, u16 sqid)
{
	setup(DEPTH);
	post(pollnvme_slot_id(&q, pollnvme_slot_get(&q)) ^ wrong, sqid);
	return take();
}

static bool late(void)
{
	u16 old;

	setup(DEPTH);
	pollnvme_slot_get(&q);
	old = pollnvme_slot_id(&q, 0);
	pollnvme_slot_put(&q, 0);
	pollnvme_slot_get(&q);
	post(old, 3);
	post(pollnvme_slot_id(&q, 0), 3);
	return take() == -ENOENT && take() == 0;
}

static bool freed(void)
{
	setup(DEPTH);
	pollnvme_slot_get(&q);
	post(pollnvme_slot_id(&q, 0), 3);
	pollnvme_slot_put(&q, 0);
	return take() == -ENOENT;
}

static bool reset_keeps_slots(void)
{
	setup(DEPTH);
	pollnvme_slot_get(&q);
	post(pollnvme_slot_id(&q, 0), 3);
	pollnvme_queue_reset(&q);
	return q.busy == 1 && !q.sq_tail && !q.cq_head && take() == -EAGAIN;
}

static bool never_reserved(void)
{
	int turn;

	setup(POLLNVME_QUEUE_DEPTH);
	q.busy = (1ull << 62) - 1;
	for (turn = 0; turn < 70000; turn++) {
		int slot = pollnvme_slot_get(&q);

		if (slot != 62 || pollnvme_slot_id(&q, slot) == 0xffff)
			return false;
		pollnvme_slot_put(&q, slot);
	}
	return true;
}

int main(void)
{
	ktap_plan(11);
	ktap_ok(wraps(), "a thousand commands through eight entries");
	ktap_ok(full(DEPTH), "a pair of 8 takes 7 commands");
	ktap_ok(full(POLLNVME_QUEUE_DEPTH), "a pair of 64 takes 63");
	ktap_ok(out_of_order(), "completions out of order find their slots");
	ktap_ok(lie(0, 3) == 0, "a true completion");
	ktap_ok(lie(1, 3) == -ENOENT && lie(0x3f, 3) == -ENOENT && lie(0x8000, 3) == -ENOENT,
		"a free slot, no slot, another use of the slot");
	ktap_ok(lie(0, 4) == -ENOENT, "another queue's completion");
	ktap_ok(late(), "a late completion is not taken for the present use");
	ktap_ok(freed(), "a completion after the slot was given back");
	ktap_ok(reset_keeps_slots(), "a reset empties the rings, not the slots");
	ktap_ok(never_reserved(), "the reserved id 0xffff is never used");
	ktap_exit();
}
