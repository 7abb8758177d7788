// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bio disk, synchronous: submit_bio rings the doorbell, polls, and ends
 * the bio before it returns. Polling at full speed is bounded by the spin
 * limit, then the task sleeps between looks; a command that outlives the I/O
 * timeout is aborted, one that outlives it twice has the controller reset,
 * which ends every command. So a task waits long at worst, never for ever.
 */
#include <linux/delay.h>
#include <linux/sched.h>
#include "pollnvme.h"

/* How many looks between two readings of the clock. */
#define POLLNVME_LOOKS_PER_CLOCK	32
/* How often mapping is tried while there is no memory for it, each 1 ms. */
#define POLLNVME_MAP_TRIES		5000

static bool pollnvme_done(struct pollnvme_cmd *cmd)
{
	/* Acquire: pairs with the release in pollnvme_qp_end(). */
	return smp_load_acquire(&cmd->done);
}

/* Polls once; what it takes beside its own completion is for others. */
static bool pollnvme_look(struct pollnvme_ns *ns, struct pollnvme_cmd *cmd)
{
	unsigned int found = pollnvme_qp_poll(cmd->qp);
	bool done = pollnvme_done(cmd);

	if (unlikely(found > done))
		pollnvme_count_add(ns->stats, POLLNVME_REAPED_FOR_OTHERS,
				   found - done);
	return done;
}

static bool pollnvme_spin(struct pollnvme_ns *ns, struct pollnvme_cmd *cmd)
{
	u64 end = cmd->start_ns +
		  READ_ONCE(ns->ctrl->spin_limit_us) * (u64)NSEC_PER_USEC;
	unsigned int looks = 0;
	bool done;

	for (;;) {
		looks++;
		done = pollnvme_look(ns, cmd);
		if (done)
			break;
		if (!(looks % POLLNVME_LOOKS_PER_CLOCK) &&
		    ktime_get_ns() >= end)
			break;
		/* Spinning is not worth more than a task that wants the CPU. */
		cond_resched();
		cpu_relax();
	}
	pollnvme_count_add(ns->stats, POLLNVME_SPINS, looks);
	pollnvme_count_add(ns->stats, POLLNVME_SPIN_NS,
			   ktime_get_ns() - cmd->start_ns);
	return done;
}

static void pollnvme_expired(struct pollnvme_ns *ns, struct pollnvme_cmd *cmd,
			     unsigned int stage)
{
	dev_warn_ratelimited(&ns->ctrl->dev,
			     "%s: queue %u command %#x opcode %#x not answered: %s\n",
			     ns->disk->disk_name, cmd->qp->q.qid,
			     cmd->c.common.command_id, cmd->c.common.opcode,
			     stage == 1 ? "abort" : "reset");
	if (stage == 1) {
		pollnvme_count(ns->stats, POLLNVME_TIMEOUTS);
		pollnvme_abort(ns->ctrl, cmd);
	} else {
		pollnvme_ctrl_expired(ns->ctrl, cmd->gen);
	}
}

static void pollnvme_sleep(struct pollnvme_ns *ns, struct pollnvme_cmd *cmd)
{
	unsigned int us = 20, stage = 0;
	u64 expires = 0;

	pollnvme_count(ns->stats, POLLNVME_SLEEPS);
	while (!pollnvme_look(ns, cmd)) {
		u64 ms = READ_ONCE(ns->ctrl->io_timeout_ms);
		u64 now = ktime_get_ns();

		if (!expires)
			expires = cmd->start_ns + ms * NSEC_PER_MSEC;
		if (now >= expires) {
			/* From stage 2 on: ask for a reset until one came. */
			stage = min(stage + 1, 2u);
			pollnvme_expired(ns, cmd, stage);
			expires = ktime_get_ns() + ms * NSEC_PER_MSEC;
			continue;
		}
		usleep_range(us, us * 2);
		us = min(us * 2, 1000u);
	}
}

static void pollnvme_wait(struct pollnvme_ns *ns, struct pollnvme_cmd *cmd)
{
	if (unlikely(!pollnvme_spin(ns, cmd)))
		pollnvme_sleep(ns, cmd);
	pollnvme_qp_finish(cmd);
}

/* All slots are taken by tasks that poll; poll for them, then sleep. */
static void pollnvme_wait_slot(struct pollnvme_ns *ns, struct pollnvme_qp *qp,
			       unsigned int turn)
{
	unsigned int found = pollnvme_qp_poll(qp);

	pollnvme_count_add(ns->stats, POLLNVME_REAPED_FOR_OTHERS, found);
	if (!turn)
		pollnvme_count(ns->stats, POLLNVME_SLOT_WAITS);
	if (found || turn < 100) {
		cond_resched();
		cpu_relax();
	} else {
		usleep_range(50, 100);
	}
}

static blk_status_t pollnvme_submit(struct pollnvme_ns *ns,
				    struct pollnvme_cmd *cmd, bool nowait)
{
	struct pollnvme_ctrl *ctrl = ns->ctrl;
	struct pollnvme_qp *qp;
	unsigned int turn = 0, tries = 0;

	for (;;) {
		/* A hint of locality only: the pair's lock makes it safe. */
		qp = ctrl->qps[READ_ONCE(ctrl->map[raw_smp_processor_id()])];
		switch (pollnvme_qp_submit(qp, cmd)) {
		case 0:
			return BLK_STS_OK;
		case -EBUSY:
			if (nowait)
				return BLK_STS_AGAIN;
			pollnvme_wait_slot(ns, qp, turn++);
			break;
		case -ESHUTDOWN:
			if (READ_ONCE(ctrl->state) == POLLNVME_DEAD)
				return BLK_STS_IOERR;
			if (nowait)
				return BLK_STS_AGAIN;
			/* Bounded: a reset ends, alive or dead. */
			wait_event(ctrl->wait, READ_ONCE(ctrl->ready));
			cond_resched();
			break;
		case -ENOMEM:
			if (nowait)
				return BLK_STS_AGAIN;
			/* Bounce buffers come back when other I/O ends. */
			if (tries++ == POLLNVME_MAP_TRIES)
				return BLK_STS_RESOURCE;
			usleep_range(1000, 2000);
			break;
		default:
			return BLK_STS_IOERR;
		}
	}
}

static blk_status_t pollnvme_execute(struct pollnvme_ns *ns,
				     struct pollnvme_cmd *cmd, bool nowait)
{
	unsigned int retries = 0;
	blk_status_t status;

	for (;;) {
		status = pollnvme_submit(ns, cmd, nowait);
		if (unlikely(status))
			break;
		pollnvme_wait(ns, cmd);
		status = pollnvme_status_to_blk(cmd->status);
		if (likely(!status))
			return status;
		if (!pollnvme_status_may_retry(cmd->status) ||
		    retries++ == POLLNVME_RETRIES)
			break;
		pollnvme_count(ns->stats, POLLNVME_RETRIED);
		if (nowait)
			return BLK_STS_AGAIN;
		usleep_range(1000 << retries, 2000 << retries);
	}
	if (status != BLK_STS_AGAIN)
		pollnvme_count(ns->stats, POLLNVME_ERRORS);
	return status;
}

static void pollnvme_end(struct bio *bio, blk_status_t status)
{
	if (status == BLK_STS_AGAIN) {
		bio_wouldblock_error(bio);
		return;
	}
	bio->bi_status = status;
	bio_endio(bio);
}

static blk_status_t pollnvme_flush(struct pollnvme_ns *ns, bool nowait)
{
	struct pollnvme_cmd cmd;
	blk_status_t status;

	pollnvme_cmd_flush(ns, &cmd);
	status = pollnvme_execute(ns, &cmd, nowait);
	if (!status)
		pollnvme_count(ns->stats, POLLNVME_FLUSHES);
	return status;
}

/**
 * pollnvme_submit_bio() - the disk's submit_bio: returns when the bio has ended
 * @bio: bio
 *
 * A flush that goes before is done before the bio is split, so that it is
 * sent once. FUA is a bit of the write itself: we advertise it with the cache.
 *
 * Context: process; may sleep.
 */
void pollnvme_submit_bio(struct bio *bio)
{
	struct pollnvme_ns *ns = bio->bi_bdev->bd_disk->private_data;
	bool nowait = bio->bi_opf & REQ_NOWAIT;
	struct nvme_dsm_range range;
	struct pollnvme_cmd cmd;
	unsigned long start = 0;
	blk_status_t status;
	bool account;

	if (bio->bi_opf & REQ_PREFLUSH) {
		status = pollnvme_flush(ns, nowait);
		if (status || !bio->bi_iter.bi_size) {
			pollnvme_end(bio, status);
			return;
		}
		bio->bi_opf &= ~REQ_PREFLUSH;
	}
	bio = bio_split_to_limits(bio);
	if (!bio)
		return;

	status = pollnvme_cmd_from_bio(ns, bio, &cmd, &range);
	if (unlikely(status)) {
		pollnvme_end(bio, status);
		return;
	}
	account = blk_queue_io_stat(bio->bi_bdev->bd_disk->queue);
	if (account)
		start = bio_start_io_acct(bio);
	status = pollnvme_execute(ns, &cmd, nowait);
	if (likely(!status)) {
		if (op_is_write(bio_op(bio)))
			pollnvme_count(ns->stats, POLLNVME_WRITES);
		else
			pollnvme_count(ns->stats, POLLNVME_READS);
	}
	if (account)
		bio_end_io_acct(bio, start);
	pollnvme_end(bio, status);
}
