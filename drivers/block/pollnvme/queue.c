// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rings of a queue pair: how they begin. What every command does is in
 * queue.h. All of it is called with the pair's lock held.
 */
#include <linux/compiler.h>
#include <linux/string.h>
#include "queue.h"

/**
 * pollnvme_queue_init() - give a queue pair its memory
 * @q: queue pair
 * @qid: its number
 * @depth: entries of each ring, 2 to POLLNVME_QUEUE_DEPTH
 * @sq: memory of the submission ring
 * @cq: memory of the completion ring
 */
void pollnvme_queue_init(struct pollnvme_queue *q, u16 qid, u16 depth,
			 struct nvme_command *sq, struct nvme_completion *cq)
{
	memset(q, 0, sizeof(*q));
	q->sq = sq;
	q->cq = cq;
	q->qid = qid;
	q->depth = depth;
	q->slots = depth - 1;
	pollnvme_queue_reset(q);
}

/**
 * pollnvme_queue_reset() - empty both rings, as a new controller queue is
 * @q: queue pair; the controller must not use it now
 *
 * Slots stay as they are: each belongs to a submitter who gives it back.
 */
void pollnvme_queue_reset(struct pollnvme_queue *q)
{
	memset(q->cq, 0, q->depth * sizeof(*q->cq));
	q->sq_tail = 0;
	WRITE_ONCE(q->cq_head, 0);
	WRITE_ONCE(q->phase, 1);
}
