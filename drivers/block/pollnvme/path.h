/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way of a command into its pair and out of it: inline, for the bio disk's
 * polled I/O goes it in one piece. Others call qp.c, which is made of the same.
 */
#ifndef POLLNVME_PATH_H
#define POLLNVME_PATH_H

#include "command.h"
#include "trace.h"

static __always_inline unsigned long
pollnvme_qp_lock_as(struct pollnvme_qp *qp, bool irqs)
	__acquires(&qp->lock)
{
	unsigned long flags = 0;

	if (irqs)
		spin_lock_irqsave(&qp->lock, flags);
	else
		spin_lock(&qp->lock);
	return flags;
}

static __always_inline void pollnvme_qp_unlock_as(struct pollnvme_qp *qp,
						  bool irqs,
						  unsigned long flags)
	__releases(&qp->lock)
{
	if (irqs)
		spin_unlock_irqrestore(&qp->lock, flags);
	else
		spin_unlock(&qp->lock);
}

/* Takes a slot; the lock is held. */
static inline int pollnvme_qp_get_slot(struct pollnvme_qp *qp)
{
	return likely(qp->live) ? pollnvme_slot_get(&qp->q) : -ESHUTDOWN;
}

/*
 * Sends a mapped command that has its slot; the lock is held. @polled, a constant,
 * says that somebody waits for it: @end is not set, the pair has no interrupts.
 * The compiler cannot know, once a command's address is in a pair.
 */
static __always_inline void pollnvme_qp_push(struct pollnvme_qp *qp,
					     struct pollnvme_cmd *cmd,
					     bool polled)
{
	if (!polled && cmd->end) {
		/* The caller's goes away: the pair keeps this one. */
		qp->cmds[cmd->slot] = *cmd;
		cmd = &qp->cmds[cmd->slot];
	}
	cmd->gen = READ_ONCE(qp->ctrl->gen);
	cmd->c.common.command_id = pollnvme_slot_id(&qp->q, cmd->slot);
	qp->slots[cmd->slot].cmd = cmd;
	cmd->start_ns = ktime_get_ns();
	WRITE_ONCE(qp->rung_ns, cmd->start_ns);
	trace_pollnvme_start(qp, cmd);
	qp->ctrl->transport->ring_sq(qp, pollnvme_queue_push(&qp->q, &cmd->c));
}

/* Sends a command that is mapped without a slot. */
static __always_inline int pollnvme_qp_submit_mapped(struct pollnvme_qp *qp,
						     struct pollnvme_cmd *cmd,
						     bool polled)
{
	bool irqs = !polled && qp->cmds;
	unsigned long flags;
	int slot;

	flags = pollnvme_qp_lock_as(qp, irqs);
	slot = pollnvme_qp_get_slot(qp);
	cmd->slot = slot;
	if (likely(slot >= 0))
		pollnvme_qp_push(qp, cmd, polled);
	pollnvme_qp_unlock_as(qp, irqs, flags);
	if (likely(slot >= 0))
		return 0;
	pollnvme_cmd_unmap(cmd);
	return slot;
}

/* pollnvme_qp_submit() tells what it does, pollnvme_cmd_map_simple() what fits. */
static __always_inline int pollnvme_qp_submit_inline(struct pollnvme_qp *qp,
						     struct pollnvme_cmd *cmd,
						     bool polled, bool fits)
{
	int err;

	cmd->qp = qp;
	cmd->done = false;
	cmd->segments = 0;
	err = pollnvme_cmd_map_simple(cmd, fits);
	if (likely(!err))
		return pollnvme_qp_submit_mapped(qp, cmd, polled);
	if (err > 0)
		return pollnvme_qp_submit_list(qp, cmd);
	pollnvme_cmd_unmap(cmd);
	return err;
}

/* As pollnvme_submit(), for a bio's command that is polled for. */
static __always_inline blk_status_t
pollnvme_submit_polled(struct pollnvme_ns *ns, struct pollnvme_cmd *cmd,
		       bool fits, bool nowait)
{
	const struct pollnvme_ctrl *ctrl = ns->ctrl;
	int err = pollnvme_qp_submit_inline(pollnvme_pair(ctrl, ctrl->map), cmd,
					    true, fits);

	if (likely(!err))
		return BLK_STS_OK;
	return pollnvme_submit_again(ns, cmd, nowait, err);
}

/* In a slot: its owner gave up, the controller may still complete it. */
#define POLLNVME_DISOWNED	((struct pollnvme_cmd *)ERR_PTR(-ETIMEDOUT))

/* Ends a command in flight towards its owner, who may be gone right after. */
static inline void pollnvme_qp_end(struct pollnvme_qp *qp, unsigned int slot,
				   u16 status, u64 result)
{
	struct pollnvme_cmd *cmd = qp->slots[slot].cmd;

	qp->slots[slot].cmd = NULL;
	if (cmd == POLLNVME_DISOWNED) {
		pollnvme_slot_put(&qp->q, slot);
		return;
	}
	cmd->status = status;
	cmd->result = result;
	trace_pollnvme_end(qp, cmd);
	if (cmd->end)
		return;		/* the caller calls it, without the lock */
	/*
	 * With several pieces the addresses are in the slot, and the owner
	 * needs them to unmap: it gives the slot back itself.
	 */
	if (cmd->segments <= 1)
		pollnvme_slot_put(&qp->q, slot);
	/*
	 * Release: status and result, and the data that dma_rmb() ordered
	 * before them, are seen by whoever sees done. It is the last access:
	 * the owner's stack frame may be gone the next moment.
	 */
	smp_store_release(&cmd->done, true);
}

/*
 * The bit of the slot that ended, 0 when the controller lied. Inline, so that
 * the entry stays in registers.
 */
static __always_inline u64
pollnvme_qp_complete(struct pollnvme_qp *qp, const struct nvme_completion *cqe)
{
	int slot = pollnvme_slot_find(&qp->q, cqe);

	/* A busy slot without a command is not, or no longer, in flight. */
	if (unlikely(slot < 0 || !qp->slots[slot].cmd)) {
		pollnvme_qp_lied(qp, cqe->command_id, le16_to_cpu(cqe->sq_id));
		return 0;
	}
	pollnvme_qp_end(qp, slot, le16_to_cpu(cqe->status) >> 1,
			le64_to_cpu(cqe->result.u64));
	return 1ull << slot;
}

/* pollnvme_qp_reap() tells what it does. */
static __always_inline unsigned int
pollnvme_qp_reap_inline(struct pollnvme_qp *qp)
{
	struct nvme_completion cqe;
	unsigned int found = 0;

	/*
	 * Where the holder can be preempted by us, it must inherit our priority:
	 * else we might look for ever.
	 */
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		spin_lock(&qp->lock);
	else if (!spin_trylock(&qp->lock))
		return 0;
	/* Bounded, lest a controller that plays with the phase keep us. */
	while (found < qp->q.depth && pollnvme_queue_pop(&qp->q, &cqe)) {
		found++;
		pollnvme_qp_complete(qp, &cqe);
	}
	if (found && qp->live)
		qp->ctrl->transport->ring_cq(qp, qp->q.cq_head);
	spin_unlock(&qp->lock);
	return found;
}

/* As pollnvme_qp_poll(). */
static __always_inline unsigned int
pollnvme_qp_poll_inline(struct pollnvme_qp *qp)
{
	return pollnvme_qp_look(qp) ? pollnvme_qp_reap_inline(qp) : 0;
}

#endif /* POLLNVME_PATH_H */
