/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rings of a queue pair and the command ids that travel through them.
 * Pure but for the doorbell, which the caller rings: the unit tests compile
 * it in user space.
 */
#ifndef POLLNVME_QUEUE_H
#define POLLNVME_QUEUE_H

#include <linux/types.h>
#include <linux/nvme.h>

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
u16 pollnvme_queue_push(struct pollnvme_queue *q,
			const struct nvme_command *cmd);
bool pollnvme_queue_cqe_pending(const struct pollnvme_queue *q);
bool pollnvme_queue_pop(struct pollnvme_queue *q, struct nvme_completion *cqe);

int pollnvme_slot_get(struct pollnvme_queue *q);
void pollnvme_slot_put(struct pollnvme_queue *q, unsigned int slot);
u16 pollnvme_slot_id(const struct pollnvme_queue *q, unsigned int slot);
int pollnvme_slot_find(const struct pollnvme_queue *q,
		       const struct nvme_completion *cqe);

#endif /* POLLNVME_QUEUE_H */
