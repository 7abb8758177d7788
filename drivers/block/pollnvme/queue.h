/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rings of a queue pair and the command ids that travel through them.
 * Pure but for the doorbell, which the caller rings: the unit tests compile
 * it in user space. Inline is what every command does, some of it at every
 * turn of the polling loop; but for pollnvme_queue_cqe_pending() it is called
 * with the pair's lock held.
 */
#ifndef POLLNVME_QUEUE_H
#define POLLNVME_QUEUE_H

#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/nvme.h>
#include <linux/string.h>
#include <linux/types.h>
#include <asm/barrier.h>
#include <asm/byteorder.h>

/*
 * Entries of an I/O queue pair. A synchronous submitter has one command in
 * flight, so this is how many tasks may share a CPU's pair before the next
 * one waits for a slot. At most 64: the ids in use are the bits of a u64.
 */
#define POLLNVME_QUEUE_DEPTH	64
#define POLLNVME_SLOTS		(POLLNVME_QUEUE_DEPTH - 1)

/* A command id is a slot and, above it, how often the slot was used. */
#define POLLNVME_ID_SLOT_BITS	6
#define POLLNVME_ID_SLOT_MASK	((1u << POLLNVME_ID_SLOT_BITS) - 1)

/**
 * struct pollnvme_queue - submission ring, completion ring and command ids
 * @sq: submission entries
 * @cq: completion entries, written by the controller
 * @qid: number of the pair, 0 is the admin pair
 * @depth: entries of each ring
 * @slots: commands that may be in flight: @depth - 1, so neither ring overruns
 * @sq_tail: where the next command goes
 * @cq_head: where the next completion is expected
 * @phase: phase tag that a new completion carries
 * @busy: bit per slot in use
 * @uses: per slot, how often it was taken: a late completion of an earlier
 *	use is told from the present one
 */
struct pollnvme_queue {
	struct nvme_command *sq;
	struct nvme_completion *cq;
	u16 qid;
	u16 depth;
	u16 slots;
	u16 sq_tail;
	u16 cq_head;
	u16 phase;
	u64 busy;
	u16 uses[POLLNVME_SLOTS];
};

void pollnvme_queue_init(struct pollnvme_queue *q, u16 qid, u16 depth,
			 struct nvme_command *sq, struct nvme_completion *cq);
void pollnvme_queue_reset(struct pollnvme_queue *q);

/**
 * pollnvme_queue_push() - put a command into the submission ring
 * @q: queue pair
 * @cmd: the command; its id comes from a slot, which guarantees the room
 *
 * Return: the new tail, for the doorbell.
 */
static __always_inline u16 pollnvme_queue_push(struct pollnvme_queue *q,
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
static inline bool pollnvme_queue_cqe_pending(const struct pollnvme_queue *q)
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
static inline bool pollnvme_queue_pop(struct pollnvme_queue *q,
				      struct nvme_completion *cqe)
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
static inline int pollnvme_slot_get(struct pollnvme_queue *q)
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
static inline void pollnvme_slot_put(struct pollnvme_queue *q, unsigned int slot)
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
static inline u16 pollnvme_slot_id(const struct pollnvme_queue *q,
				   unsigned int slot)
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
static inline int pollnvme_slot_find(const struct pollnvme_queue *q,
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

#endif /* POLLNVME_QUEUE_H */
