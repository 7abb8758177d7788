// SPDX-License-Identifier: GPL-2.0-only
/*
 * A queue pair: its memory, its lock, and the way of a command through it (path.h).
 *
 * A command lives on the stack of the task that waits for it. It is mapped
 * without a lock, takes a slot and is pushed (one lock), and is reaped (one
 * lock) by whoever polls the pair first, maybe another task. A command with a
 * PRP list takes its slot, whose memory the list is in, before it is mapped. The
 * reaper writes @done last, with release; the owner reads it with acquire, and
 * only then may its stack frame go away.
 *
 * A command that nobody waits for is sent through a pair with interrupts, and
 * lives in that pair. Its slot is given back when its end was called.
 *
 * The lock of a polled pair is a plain spin lock: all callers are in process
 * context. That of a pair with interrupts is taken with interrupts off.
 */
#include <linux/slab.h>
#include "path.h"

static unsigned long pollnvme_qp_lock(struct pollnvme_qp *qp)
	__acquires(&qp->lock)
{
	return pollnvme_qp_lock_as(qp, qp->cmds);
}

static void pollnvme_qp_unlock(struct pollnvme_qp *qp, unsigned long flags)
	__releases(&qp->lock)
{
	pollnvme_qp_unlock_as(qp, qp->cmds, flags);
}

static int pollnvme_qp_alloc_slots(struct pollnvme_qp *qp, int node)
{
	struct pollnvme_ctrl *ctrl = qp->ctrl;
	unsigned int bytes, i;

	/* A power of two, so that no list crosses a page. */
	bytes = roundup_pow_of_two(ctrl->max_bytes / POLLNVME_PAGE_SIZE *
				   sizeof(__le64));
	bytes = clamp_t(unsigned int, bytes, 64, POLLNVME_PAGE_SIZE);
	qp->prp_entries = bytes / sizeof(__le64);
	qp->prp_mem = ctrl->transport->alloc(ctrl, bytes * qp->q.slots,
					     &qp->prp_addr);
	if (!qp->prp_mem)
		return -ENOMEM;
	qp->addrs = kvzalloc_node(qp->q.slots * POLLNVME_MAX_SEGMENTS *
				  sizeof(u64), GFP_KERNEL, node);
	if (!qp->addrs)
		return -ENOMEM;

	for (i = 0; i < qp->q.slots; i++) {
		struct pollnvme_slot *slot = &qp->slots[i];

		slot->prp = qp->prp_mem + i * bytes;
		slot->prp_addr = qp->prp_addr + i * bytes;
		slot->addrs = qp->addrs + i * POLLNVME_MAX_SEGMENTS;
	}
	return 0;
}

/**
 * pollnvme_qp_alloc() - allocate a queue pair; the controller learns of it later
 * @ctrl: controller
 * @qid: number of the pair, 0 for admin
 * @depth: entries per ring, at most POLLNVME_QUEUE_DEPTH
 * @node: NUMA node of the CPU that will use it
 * @irq: it shall have interrupts; not for admin
 *
 * Return: the pair, not live, or NULL.
 */
struct pollnvme_qp *pollnvme_qp_alloc(struct pollnvme_ctrl *ctrl, u16 qid,
				      u16 depth, int node, bool irq)
{
	const struct pollnvme_transport *t = ctrl->transport;
	struct nvme_completion *cq;
	struct nvme_command *sq;
	struct pollnvme_qp *qp;

	qp = kzalloc_node(sizeof(*qp), GFP_KERNEL, node);
	if (!qp)
		return NULL;
	init_waitqueue_head(&qp->wait);
	qp->ctrl = ctrl;
	if (irq) {
		qp->cmds = kcalloc_node(POLLNVME_SLOTS, sizeof(*qp->cmds),
					GFP_KERNEL, node);
		if (!qp->cmds)
			goto free;
		/* Initialised apart: a lock class of its own for lockdep. */
		spin_lock_init(&qp->lock);
	} else {
		spin_lock_init(&qp->lock);
	}
	qp->q.depth = depth;
	qp->q.slots = depth - 1;

	sq = t->alloc(ctrl, depth * sizeof(*sq), &qp->sq_addr);
	cq = t->alloc(ctrl, depth * sizeof(*cq), &qp->cq_addr);
	qp->q.sq = sq;
	qp->q.cq = cq;
	if (!sq || !cq)
		goto free;
	pollnvme_queue_init(&qp->q, qid, depth, sq, cq);
	/* Admin commands have one page of data at most: no lists. */
	if (qid && pollnvme_qp_alloc_slots(qp, node))
		goto free;
	t->setup_qp(ctrl, qp);
	return qp;

free:
	pollnvme_qp_free(qp);
	return NULL;
}

/**
 * pollnvme_qp_free() - free a queue pair
 * @qp: pair that the controller does not use, with nothing in flight; may be NULL
 */
void pollnvme_qp_free(struct pollnvme_qp *qp)
{
	const struct pollnvme_transport *t;
	struct pollnvme_ctrl *ctrl;
	size_t depth;

	if (!qp)
		return;
	ctrl = qp->ctrl;
	t = ctrl->transport;
	depth = qp->q.depth;
	kvfree(qp->addrs);
	kfree(qp->cmds);
	if (qp->prp_mem)
		t->free(ctrl, qp->prp_entries * sizeof(__le64) * qp->q.slots,
			qp->prp_mem, qp->prp_addr);
	if (qp->q.cq)
		t->free(ctrl, depth * sizeof(*qp->q.cq), qp->q.cq, qp->cq_addr);
	if (qp->q.sq)
		t->free(ctrl, depth * sizeof(*qp->q.sq), qp->q.sq, qp->sq_addr);
	kfree(qp);
}

/**
 * pollnvme_qp_start() - let commands in; the controller knows the pair, or soon will
 * @qp: pair
 */
void pollnvme_qp_start(struct pollnvme_qp *qp)
{
	unsigned long flags = pollnvme_qp_lock(qp);

	qp->live = true;
	pollnvme_qp_unlock(qp, flags);
}

/**
 * pollnvme_qp_stop() - let no more commands in; those in flight stay
 * @qp: pair
 */
void pollnvme_qp_stop(struct pollnvme_qp *qp)
{
	unsigned long flags = pollnvme_qp_lock(qp);

	qp->live = false;
	pollnvme_qp_unlock(qp, flags);
}

/**
 * pollnvme_qp_lied() - a completion belongs to no command: say so, once
 * @qp: pair, its lock held
 * @id: the command's id that the controller gave
 * @qid: the queue's number that it gave
 */
noinline void pollnvme_qp_lied(struct pollnvme_qp *qp, u16 id, u16 qid)
{
	if (!qp->lied)
		dev_err(&qp->ctrl->dev,
			"queue %u: completion of unknown command %#x of queue %u ignored (said once)\n",
			qp->q.qid, id, qid);
	qp->lied = true;
}

/* What follows, without the lock, for commands that nobody waits for. */
static void pollnvme_qp_end_async(struct pollnvme_qp *qp, u64 ended)
{
	unsigned long flags;
	u64 left;

	if (!ended || !qp->cmds)
		return;
	for (left = ended; left; left &= left - 1) {
		struct pollnvme_cmd *cmd = &qp->cmds[__ffs64(left)];

		pollnvme_cmd_unmap(cmd);
		cmd->end(cmd);
	}
	flags = pollnvme_qp_lock(qp);
	WRITE_ONCE(qp->q.busy, qp->q.busy & ~ended);
	pollnvme_qp_unlock(qp, flags);
	/* Its barrier orders the slots before the look at the sleepers. */
	if (wq_has_sleeper(&qp->wait))
		wake_up_all(&qp->wait);
}

/**
 * pollnvme_qp_cancel() - end every command in flight with a status of our own
 * @qp: pair whose controller is disabled or halted, so that no DMA can follow
 *
 * The rings become empty. Owners learn NVME_SC_HOST_ABORTED_CMD.
 */
void pollnvme_qp_cancel(struct pollnvme_qp *qp)
{
	unsigned long flags = pollnvme_qp_lock(qp);
	unsigned int i;
	u64 ended = 0;

	for (i = 0; i < qp->q.slots; i++) {
		if (!qp->slots[i].cmd)
			continue;
		pollnvme_qp_end(qp, i, NVME_SC_HOST_ABORTED_CMD, 0);
		ended |= 1ull << i;
	}
	pollnvme_queue_reset(&qp->q);
	pollnvme_qp_unlock(qp, flags);
	pollnvme_qp_end_async(qp, ended);
}

/**
 * pollnvme_qp_submit_list() - submit a command that needs its slot's memory
 * @qp: pair
 * @cmd: command that pollnvme_cmd_map_simple() does not take; the pair is set
 *
 * Call pollnvme_qp_submit(), which knows which commands these are.
 *
 * Return: as pollnvme_qp_submit() does.
 */
int pollnvme_qp_submit_list(struct pollnvme_qp *qp, struct pollnvme_cmd *cmd)
{
	unsigned long flags;
	int slot, err;

	flags = pollnvme_qp_lock(qp);
	slot = pollnvme_qp_get_slot(qp);
	pollnvme_qp_unlock(qp, flags);
	if (slot < 0)
		return slot;

	/* Unlocked: with a bounce buffer mapping copies up to a megabyte. */
	cmd->slot = slot;
	err = pollnvme_cmd_map(cmd);

	flags = pollnvme_qp_lock(qp);
	if (!err && !qp->live)
		err = -ESHUTDOWN;	/* stopped while we mapped */
	if (likely(!err)) {
		pollnvme_qp_push(qp, cmd, false);
		pollnvme_qp_unlock(qp, flags);
		return 0;
	}
	pollnvme_qp_unlock(qp, flags);
	pollnvme_cmd_unmap(cmd);
	flags = pollnvme_qp_lock(qp);
	pollnvme_slot_put(&qp->q, slot);
	pollnvme_qp_unlock(qp, flags);
	return err;
}

/**
 * pollnvme_qp_submit() - map a command and ring the doorbell
 * @qp: pair
 * @cmd: command; must stay until it is done or disowned
 *
 * Return: 0, -EBUSY without a free slot, -ESHUTDOWN when the pair is stopped,
 * or why the data could not be mapped.
 */
int pollnvme_qp_submit(struct pollnvme_qp *qp, struct pollnvme_cmd *cmd)
{
	return pollnvme_qp_submit_inline(qp, cmd, false, false);
}

/**
 * pollnvme_qp_reap() - end what a polled pair's controller has completed
 * @qp: pair
 *
 * Return: completions taken; none where another task holds the lock, unless with
 * PREEMPT_RT.
 */
unsigned int pollnvme_qp_reap(struct pollnvme_qp *qp)
{
	return pollnvme_qp_reap_inline(qp);
}

/**
 * pollnvme_qp_irq() - a pair has interrupted: end what is found
 * @qp: pair with interrupts
 *
 * Also for whoever fears that an interrupt got lost.
 *
 * Context: any. The lock is waited for, not tried: nobody would look again.
 *
 * Return: completions taken.
 */
unsigned int pollnvme_qp_irq(struct pollnvme_qp *qp)
{
	struct nvme_completion cqe;
	unsigned int found = 0;
	unsigned long flags;
	u64 ended = 0;

	flags = pollnvme_qp_lock(qp);
	/* Bounded, lest a controller that plays with the phase keep us. */
	while (found < qp->q.depth && pollnvme_queue_pop(&qp->q, &cqe)) {
		found++;
		ended |= pollnvme_qp_complete(qp, &cqe);
	}
	if (found && qp->live)
		qp->ctrl->transport->ring_cq(qp, qp->q.cq_head);
	pollnvme_qp_unlock(qp, flags);
	pollnvme_qp_end_async(qp, ended);
	return found;
}

/**
 * pollnvme_qp_late() - find a command that outlived its time
 * @qp: pair with interrupts
 * @timeout_ns: the time; it is late once for each time it lasts so long
 * @late: filled with a copy of the command
 *
 * Return: true when one was found.
 */
bool pollnvme_qp_late(struct pollnvme_qp *qp, u64 timeout_ns,
		      struct pollnvme_cmd *late)
{
	unsigned long flags = pollnvme_qp_lock(qp);
	u64 now = ktime_get_ns();
	bool found = false;
	unsigned int i;

	for (i = 0; i < qp->q.slots && !found; i++) {
		struct pollnvme_cmd *cmd = qp->slots[i].cmd;

		if (!cmd || now - cmd->start_ns < timeout_ns * (cmd->stage + 1))
			continue;
		if (cmd->stage < U8_MAX)
			cmd->stage++;
		*late = *cmd;
		found = true;
	}
	pollnvme_qp_unlock(qp, flags);
	return found;
}

/**
 * pollnvme_qp_finish_list() - unmap a command that kept its slot, and give it back
 * @cmd: command of several pieces that is done
 *
 * Call pollnvme_qp_finish(), which knows which commands these are.
 */
void pollnvme_qp_finish_list(struct pollnvme_cmd *cmd)
{
	struct pollnvme_qp *qp = cmd->qp;

	pollnvme_cmd_unmap(cmd);
	spin_lock(&qp->lock);
	pollnvme_slot_put(&qp->q, cmd->slot);
	spin_unlock(&qp->lock);
}

/**
 * pollnvme_qp_disown() - leave a command that does not end
 * @cmd: command without data of its owner
 *
 * Its slot stays taken until the controller answers or is reset.
 *
 * Return: false when the command got done meanwhile.
 */
bool pollnvme_qp_disown(struct pollnvme_cmd *cmd)
{
	struct pollnvme_qp *qp = cmd->qp;
	bool disowned = false;

	spin_lock(&qp->lock);
	if (qp->slots[cmd->slot].cmd == cmd) {
		qp->slots[cmd->slot].cmd = POLLNVME_DISOWNED;
		disowned = true;
	}
	spin_unlock(&qp->lock);
	return disowned;
}
