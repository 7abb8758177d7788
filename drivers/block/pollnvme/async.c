// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O that nobody polls for: the interrupt ends the bio. A command that fails
 * in passing is tried again by a worker, which polls for it. A watch looks
 * after the commands in flight while there are any: it finds completions whose
 * interrupt got lost, and has late commands aborted, then the controller reset.
 */
#include <linux/sched/stat.h>
#include "command.h"
#include "pollnvme.h"

/* How often the watch looks. */
#define POLLNVME_WATCH_MS	100

/**
 * pollnvme_has_irqs() - whether I/O can be ended by interrupts
 * @ctrl: controller
 *
 * Return: true when there are queue pairs with interrupts.
 */
bool pollnvme_has_irqs(const struct pollnvme_ctrl *ctrl)
{
	/* Pairs with the release in pollnvme_create_qps(): who sees pairs sees @irq_map. */
	return smp_load_acquire(&ctrl->nr_live) > ctrl->nr_polled;
}

static u32 *pollnvme_expected(struct pollnvme_ns *ns, unsigned int op, u32 bytes)
{
	/* Any CPU's will do when the task moves on: it is an estimate. */
	struct pollnvme_estimates *e = raw_cpu_ptr(ns->estimates);

	return &e->ns[op][pollnvme_size_class(bytes)];
}

static bool pollnvme_waits(const struct bio *bio)
{
	return bio_op(bio) == REQ_OP_READ ||
	       (bio->bi_opf & (REQ_SYNC | REQ_META | REQ_PRIO | REQ_FUA |
			       REQ_SWAP));
}

/**
 * pollnvme_chooses() - whether to poll for a bio where there is a choice
 * @ns: namespace
 * @bio: bio, within the limits
 * @mode: enum pollnvme_mode of the disk, not POLLNVME_SYNC
 *
 * Return: true to poll, false to let an interrupt end it.
 */
bool pollnvme_chooses(struct pollnvme_ns *ns, const struct bio *bio,
		      unsigned int mode)
{
	struct pollnvme_ask ask;
	u32 *expected;

	if (!pollnvme_has_irqs(ns->ctrl))
		return true;
	if (mode == POLLNVME_ASYNC)
		return false;
	expected = pollnvme_expected(ns, op_is_write(bio_op(bio)),
				     bio->bi_iter.bi_size);
	ask.expected_ns = READ_ONCE(*expected);
	ask.limit_ns = READ_ONCE(ns->hybrid_limit_us) * (u64)NSEC_PER_USEC;
	ask.waits = pollnvme_waits(bio);
	ask.background = bio->bi_opf & (REQ_RAHEAD | REQ_BACKGROUND);
	ask.bulk = bio_op(bio) != REQ_OP_READ && bio_op(bio) != REQ_OP_WRITE;
	ask.crowded = !single_task_running();
	return pollnvme_worth_polling(&ask);
}

/**
 * pollnvme_learn() - what a command took, for hybrid mode's choices and for
 * applications'
 * @ns: namespace
 * @cmd: command that ended, or was polled for too long
 * @now: ktime_get_ns()
 */
void pollnvme_learn(struct pollnvme_ns *ns, const struct pollnvme_cmd *cmd,
		    u64 now)
{
	u32 *estimate, bytes;

	/* What is cleared in bulk says nothing about writes. */
	if (!pollnvme_has_data(cmd->bio))
		return;
	bytes = cmd->bio->bi_iter.bi_size;
	estimate = pollnvme_expected(ns, op_is_write(bio_op(cmd->bio)), bytes);
	/* Two at once, one in interrupt: one sample gets lost, no harm. */
	WRITE_ONCE(*estimate, pollnvme_estimate(READ_ONCE(*estimate),
						now - cmd->start_ns));
}

static void pollnvme_unaccount(const struct pollnvme_cmd *cmd)
{
	if (cmd->accounted)
		bio_end_io_acct(cmd->bio, cmd->acct_start);
}

static void pollnvme_retry(struct pollnvme_ns *ns, struct bio *bio)
{
	unsigned long flags;

	spin_lock_irqsave(&ns->retry_lock, flags);
	bio_list_add(&ns->retry, bio);
	spin_unlock_irqrestore(&ns->retry_lock, flags);
	queue_work(pollnvme_retry_wq, &ns->retry_work);
}

/* Ends a bio's command, usually in hard interrupt. */
static void pollnvme_async_end(struct pollnvme_cmd *cmd)
{
	struct bio *bio = cmd->bio;
	struct pollnvme_ns *ns = bio->bi_bdev->bd_disk->private_data;
	blk_status_t status = pollnvme_status_to_blk(cmd->status);

	if (unlikely(status)) {
		if (pollnvme_status_may_retry(cmd->status)) {
			/* Accounted up to here; the rest is the worker's. */
			pollnvme_unaccount(cmd);
			pollnvme_retry(ns, bio);
			return;
		}
		pollnvme_count(ns->stats, POLLNVME_ERRORS);
		pollnvme_unaccount(cmd);
		pollnvme_end(bio, status);
		return;
	}
	if (pollnvme_teaches(ns, cmd))
		pollnvme_learn(ns, cmd, ktime_get_ns());
	pollnvme_count(ns->stats, POLLNVME_IRQS);
	pollnvme_count_done(ns, bio);
	pollnvme_unaccount(cmd);
	pollnvme_end(bio, BLK_STS_OK);
}

/**
 * pollnvme_retry_work() - try bios again
 * @work: @retry_work of a namespace
 */
void pollnvme_retry_work(struct work_struct *work)
{
	struct pollnvme_ns *ns = container_of(work, struct pollnvme_ns,
					      retry_work);
	struct bio *bio;

	do {
		spin_lock_irq(&ns->retry_lock);
		bio = bio_list_pop(&ns->retry);
		spin_unlock_irq(&ns->retry_lock);
		if (bio)
			pollnvme_bio_again(ns, bio);
	} while (bio);
}

/**
 * pollnvme_watch() - there is something in flight to look after
 * @ctrl: controller; a command was sent through a pair with interrupts
 */
void pollnvme_watch(struct pollnvme_ctrl *ctrl)
{
	/*
	 * Orders the slot that was taken before the look at @watching. Pairs
	 * with the barrier in pollnvme_watch_work(): one of the two sees the
	 * other's write.
	 */
	smp_mb();
	if (unlikely(!READ_ONCE(ctrl->watching))) {
		WRITE_ONCE(ctrl->watching, true);
		queue_delayed_work(pollnvme_wq, &ctrl->watch,
				   msecs_to_jiffies(POLLNVME_WATCH_MS));
	}
}

/**
 * pollnvme_async() - send a bio's command; an interrupt ends the bio
 * @ns: namespace
 * @cmd: command
 * @account: account the bio
 * @nowait: end the bio with BLK_STS_AGAIN where it would have to wait
 */
void pollnvme_async(struct pollnvme_ns *ns, struct pollnvme_cmd *cmd,
		    bool account, bool nowait)
{
	const struct pollnvme_transport *t = ns->ctrl->transport;
	struct bio *bio = cmd->bio;
	blk_status_t status;

	cmd->end = pollnvme_async_end;
	cmd->accounted = account;
	if (account)
		cmd->acct_start = bio_start_io_acct(bio);
	status = pollnvme_submit(ns, cmd, nowait);
	if (unlikely(status)) {
		pollnvme_unaccount(cmd);
		if (status == BLK_STS_AGAIN && !nowait) {
			pollnvme_retry(ns, bio);
			return;
		}
		if (status != BLK_STS_AGAIN)
			pollnvme_count(ns->stats, POLLNVME_ERRORS);
		pollnvme_end(bio, status);
		return;
	}
	/* From here on the bio may have ended; cmd->qp is our copy's. */
	if (t->drive)
		t->drive(cmd->qp);
	pollnvme_watch(ns->ctrl);
}

static void pollnvme_watch_late(struct pollnvme_ctrl *ctrl,
				struct pollnvme_qp *qp)
{
	u64 timeout = READ_ONCE(ctrl->io_timeout_ms) * (u64)NSEC_PER_MSEC;
	struct pollnvme_cmd late;
	struct pollnvme_ns *ns;

	/* One a look: an Abort may take long, and a reset ends them all. */
	if (!pollnvme_qp_late(qp, timeout, &late))
		return;
	dev_warn_ratelimited(&ctrl->dev,
			     "queue %u command %#x opcode %#x not answered: %s\n",
			     qp->q.qid, late.c.common.command_id,
			     late.c.common.opcode,
			     late.stage == 1 ? "abort" : "reset");
	if (late.stage > 1) {
		pollnvme_ctrl_expired(ctrl, late.gen);
		return;
	}
	/* The bio may have ended by now, but its disk is here: see drain. */
	mutex_lock(&ctrl->ns_lock);
	list_for_each_entry(ns, &ctrl->namespaces, node)
		if (cpu_to_le32(ns->nsid) == late.c.common.nsid)
			pollnvme_count(ns->stats, POLLNVME_TIMEOUTS);
	mutex_unlock(&ctrl->ns_lock);
	pollnvme_abort(ctrl, &late);
}

/**
 * pollnvme_watch_work() - look after what is in flight; stop when nothing is
 * @work: @watch of a controller
 */
void pollnvme_watch_work(struct work_struct *work)
{
	struct pollnvme_ctrl *ctrl = container_of(to_delayed_work(work),
						  struct pollnvme_ctrl, watch);
	bool busy = false;
	unsigned int i;

	WRITE_ONCE(ctrl->watching, false);
	/* Pairs with the barrier in pollnvme_watch(). */
	smp_mb();
	for (i = ctrl->nr_polled; i < ctrl->nr_qps; i++) {
		struct pollnvme_qp *qp = ctrl->qps[i];

		if (!READ_ONCE(qp->q.busy))
			continue;
		busy = true;
		pollnvme_qp_irq(qp);
		pollnvme_watch_late(ctrl, qp);
	}
	if (busy) {
		WRITE_ONCE(ctrl->watching, true);
		queue_delayed_work(pollnvme_wq, &ctrl->watch,
				   msecs_to_jiffies(POLLNVME_WATCH_MS));
	}
}

/* Whether a pair has a command of a namespace, or may get one. */
static bool pollnvme_serves(struct pollnvme_qp *qp, const struct pollnvme_ns *ns)
{
	__le32 nsid = cpu_to_le32(ns->nsid);
	bool serves = false;
	unsigned int i;

	spin_lock_irq(&qp->lock);
	for (i = 0; i < qp->q.slots && !serves; i++)
		/* One that has its slot, and no more yet, shows its last use. */
		serves = (qp->q.busy & 1ull << i) &&
			 qp->cmds[i].c.common.nsid == nsid;
	spin_unlock_irq(&qp->lock);
	return serves;
}

/**
 * pollnvme_async_drain() - wait for the I/O of a disk that nobody waits for
 * @ns: namespace whose disk gets no new bios
 *
 * Bounded: the watch ends what the controller does not.
 */
void pollnvme_async_drain(struct pollnvme_ns *ns)
{
	struct pollnvme_ctrl *ctrl = ns->ctrl;
	unsigned int i;

	for (i = ctrl->nr_polled; i < ctrl->nr_qps; i++)
		/* Not every way to give back a slot wakes: look again. */
		while (!wait_event_timeout(ctrl->qps[i]->wait,
					   !pollnvme_serves(ctrl->qps[i], ns),
					   HZ / 10))
			;
}
