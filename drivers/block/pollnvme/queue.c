// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rings of a queue pair. All functions but pollnvme_queue_cqe_pending()
 * are called with the pair's lock held.
 */
#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/string.h>
#include <asm/barrier.h>
#include <asm/byteorder.h>
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

/**
 * pollnvme_queue_push() - put a command into the submission ring
 * @q: queue pair
 * @cmd: the command; its id comes from a slot, which guarantees the room
 *
 * Return: the new tail, for the doorbell.
 */
u16 pollnvme_queue_push(struct pollnvme_queue *q,
			const struct nvme_command *cmd)
{
	memcpy(&q->sq[q->sq_tail], cmd, sizeof(*cmd));
	if (++q->sq_tail == q->depth)
		q->sq_tail = 0;
	return q->sq_tail;
}

/**
 * pollnvme_queue_cqe_pending() - whether a completion waits at the head
 * @q: queue pair
 *
 * Without the lock it is a hint: head and phase may be from before and after
 * another task's reaping, so the answer may be wrong either way. The caller
 * looks again, or asks under the lock.
 *
 * Return: true when the entry at the head carries the expected phase.
 */
bool pollnvme_queue_cqe_pending(const struct pollnvme_queue *q)
{
	u16 head = READ_ONCE(q->cq_head);
	u16 status = le16_to_cpu(READ_ONCE(q->cq[head].status));

	return (status & 1) == READ_ONCE(q->phase);
}

/**
 * pollnvme_queue_pop() - take the completion at the head
 * @q: queue pair
 * @cqe: filled with the entry
 *
 * Return: false when there is none.
 */
bool pollnvme_queue_pop(struct pollnvme_queue *q, struct nvme_completion *cqe)
{
	u16 head = q->cq_head;

	if (!pollnvme_queue_cqe_pending(q))
		return false;

	/*
	 * The controller writes the phase last. Read nothing else of the
	 * entry, nor any data it announces, before the phase was seen.
	 */
	dma_rmb();
	*cqe = q->cq[head];

	if (++head == q->depth) {
		head = 0;
		WRITE_ONCE(q->phase, q->phase ^ 1);
	}
	WRITE_ONCE(q->cq_head, head);
	return true;
}

/**
 * pollnvme_slot_get() - take a free slot
 * @q: queue pair
 *
 * Return: slot, or -EBUSY when all are in use.
 */
int pollnvme_slot_get(struct pollnvme_queue *q)
{
	u64 free = ~q->busy;
	unsigned int slot;

	/* One bit at least is free: there are fewer slots than bits. */
	slot = __ffs64(free);
	if (slot >= q->slots)
		return -EBUSY;
	WRITE_ONCE(q->busy, q->busy | 1ull << slot);
	q->uses[slot]++;
	return slot;
}

/**
 * pollnvme_slot_put() - give a slot back
 * @q: queue pair
 * @slot: from pollnvme_slot_get()
 */
void pollnvme_slot_put(struct pollnvme_queue *q, unsigned int slot)
{
	WRITE_ONCE(q->busy, q->busy & ~(1ull << slot));
}

/**
 * pollnvme_slot_id() - the command id of a slot's present use
 * @q: queue pair
 * @slot: slot in use
 *
 * Slots end at 62, so that the id is never 0xffff, which NVMe reserves.
 *
 * Return: command id.
 */
u16 pollnvme_slot_id(const struct pollnvme_queue *q, unsigned int slot)
{
	return q->uses[slot] << POLLNVME_ID_SLOT_BITS | slot;
}

/**
 * pollnvme_slot_find() - the slot a completion belongs to
 * @q: queue pair
 * @cqe: completion, believed in nothing
 *
 * Return: slot, or -ENOENT for a foreign queue, a slot that does not exist or
 * is free, or an earlier use of the slot.
 */
int pollnvme_slot_find(const struct pollnvme_queue *q,
		       const struct nvme_completion *cqe)
{
	unsigned int slot = cqe->command_id & POLLNVME_ID_SLOT_MASK;

	if (le16_to_cpu(cqe->sq_id) != q->qid || slot >= q->slots)
		return -ENOENT;
	if (!(q->busy & 1ull << slot))
		return -ENOENT;
	if (cqe->command_id != pollnvme_slot_id(q, slot))
		return -ENOENT;
	return slot;
}
