// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bio disk. Where it polls, submit_bio rings the doorbell, polls, and ends
 * the bio before it returns; else see async.c. Polling at full speed is bounded
 * by the spin limit, then the task sleeps between looks; a command that outlives
 * the I/O timeout is aborted, one that outlives it twice has the controller
 * reset, which ends every command. So a task waits long at worst, never for
 * ever.
 */
#include <linux/delay.h>
#include <linux/sched.h>
#include "path.h"

/* How many looks between two readings of the clock. */
#define POLLNVME_LOOKS_PER_CLOCK	32

static bool pollnvme_done(struct pollnvme_cmd *cmd)
{
	/* Acquire: pairs with the release in pollnvme_qp_end(). */
	return smp_load_acquire(&cmd->done);
}

/* After a look: what was found beside its own completion was for others. */
static __always_inline bool pollnvme_ended(struct pollnvme_ns *ns,
					   struct pollnvme_cmd *cmd,
					   unsigned int found)
{
	bool done = pollnvme_done(cmd);

	if (unlikely(found > done))
		pollnvme_count_add(ns->stats, POLLNVME_REAPED_FOR_OTHERS,
				   found - done);
	return done;
}

/* Whether the task has had the CPU all the time: nowhere else says it what a
 * kernel with preemption takes from it, and cond_resched() does nothing there.
 */
struct pollnvme_clock {
	unsigned long switches;
	u64 seen, away;
};

static __always_inline unsigned long pollnvme_switches(void)
{
	return current->nvcsw + current->nivcsw;
}

/* Reads the clock. Of the time since it was last read others had what there was
 * of it, as soon as they had some; that is soon ago.
 */
static __always_inline u64 pollnvme_clock_read(struct pollnvme_clock *clock)
{
	unsigned long switches = pollnvme_switches();
	u64 now = ktime_get_ns();

	if (unlikely(switches != clock->switches)) {
		clock->switches = switches;
		clock->away += now - clock->seen;
	}
	clock->seen = now;
	return now;
}

/* Lets another task have the CPU, and knows to the turn for how long. */
static noinline void pollnvme_give_way(struct pollnvme_clock *clock)
{
	pollnvme_clock_read(clock);
	cond_resched();
	pollnvme_clock_read(clock);
}

static __always_inline bool pollnvme_spin(struct pollnvme_ns *ns,
					  struct pollnvme_cmd *cmd)
{
	u64 end = cmd->start_ns +
		  READ_ONCE(ns->ctrl->spin_limit_us) * (u64)NSEC_PER_USEC;
	struct pollnvme_clock clock = {
		.switches = pollnvme_switches(),
		.seen = cmd->start_ns,
	};
	unsigned int looks = 0;
	bool done;
	u64 now;

	for (;;) {
		looks++;
		done = pollnvme_ended(ns, cmd, pollnvme_qp_poll_inline(cmd->qp));
		if (done)
			break;
		if (!(looks % POLLNVME_LOOKS_PER_CLOCK) &&
		    pollnvme_clock_read(&clock) >= end)
			break;
		/* Spinning is not worth more than a task that wants the CPU. */
		if (unlikely(need_resched()))
			pollnvme_give_way(&clock);
		cpu_relax();
	}
	pollnvme_count_add(ns->stats, POLLNVME_SPINS, looks);
	/* What others had of the CPU was not spun. */
	now = pollnvme_clock_read(&clock);
	now -= clock.away;
	pollnvme_count_add(ns->stats, POLLNVME_SPIN_NS, now - cmd->start_ns);
	trace_pollnvme_spin(cmd, now - cmd->start_ns, looks, done);
	/* When it ended meanwhile nobody knows. */
	if (unlikely(pollnvme_teaches(ns, cmd)) && !clock.away)
		pollnvme_learn(ns, cmd, now);
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
	while (!pollnvme_ended(ns, cmd, pollnvme_qp_poll(cmd->qp))) {
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

static __always_inline void pollnvme_wait(struct pollnvme_ns *ns,
					  struct pollnvme_cmd *cmd)
{
	if (unlikely(!pollnvme_spin(ns, cmd)))
		pollnvme_sleep(ns, cmd);
	pollnvme_qp_finish(cmd);
}

/* Once, for whatever is not the usual bio. */
static noinline blk_status_t pollnvme_once(struct pollnvme_ns *ns,
					   struct pollnvme_cmd *cmd,
					   bool nowait)
{
	blk_status_t status = pollnvme_submit(ns, cmd, nowait);

	if (!status)
		pollnvme_wait(ns, cmd);
	return status;
}

/* The command has ended with a status that is not zero: what helps is tried. */
static noinline blk_status_t pollnvme_execute_again(struct pollnvme_ns *ns,
						    struct pollnvme_cmd *cmd,
						    bool nowait)
{
	unsigned int retries = 0;
	blk_status_t status;

	do {
		status = pollnvme_status_to_blk(cmd->status);
		if (!status || !pollnvme_status_may_retry(cmd->status) ||
		    retries++ == POLLNVME_RETRIES)
			return status;
		pollnvme_count(ns->stats, POLLNVME_RETRIED);
		if (nowait)
			return BLK_STS_AGAIN;
		usleep_range(1000 << retries, 2000 << retries);
		if (READ_ONCE(ns->lost))
			return BLK_STS_IOERR;
		status = pollnvme_once(ns, cmd, nowait);
		if (status)
			return status;
	} while (cmd->status);
	return BLK_STS_OK;
}

/* What became of a command, once it was sent; or why it was not. */
static __always_inline blk_status_t pollnvme_outcome(struct pollnvme_ns *ns,
						     struct pollnvme_cmd *cmd,
						     blk_status_t status,
						     bool nowait)
{
	if (likely(!status)) {
		if (likely(!cmd->status))
			return BLK_STS_OK;
		status = pollnvme_execute_again(ns, cmd, nowait);
	}
	if (status && status != BLK_STS_AGAIN)
		pollnvme_count(ns->stats, POLLNVME_ERRORS);
	return status;
}

static blk_status_t pollnvme_execute(struct pollnvme_ns *ns,
				     struct pollnvme_cmd *cmd, bool nowait)
{
	return pollnvme_outcome(ns, cmd, pollnvme_once(ns, cmd, nowait), nowait);
}

/**
 * pollnvme_end() - end a bio
 * @bio: bio
 * @status: how
 */
void pollnvme_end(struct bio *bio, blk_status_t status)
{
	if (status == BLK_STS_AGAIN) {
		bio_wouldblock_error(bio);
		return;
	}
	/* Success says nothing of what is chained to it, and may have failed. */
	if (unlikely(status))
		bio->bi_status = status;
	bio_endio(bio);
}

static blk_status_t pollnvme_flush(struct pollnvme_ns *ns, bool nowait)
{
	struct pollnvme_cmd cmd;
	blk_status_t status;

	pollnvme_cmd_flush(ns, &cmd);
	status = pollnvme_execute(ns, &cmd, nowait);
	if (status)
		return status;
	pollnvme_count(ns->stats, POLLNVME_FLUSHES);
	/* It may have taken long: what is to follow is not for another namespace. */
	return READ_ONCE(ns->lost) ? BLK_STS_IOERR : BLK_STS_OK;
}

/*
 * One piece within a page meets whatever limits the disk has: the block layer
 * lets no limit be smaller. That is the usual bio, and its way is to be short.
 */
static bool pollnvme_fits(struct bio *bio)
{
	struct bio_vec bv;

	if (!bio_has_data(bio))
		return false;
	bv = mp_bvec_iter_bvec(bio->bi_io_vec, bio->bi_iter);
	return bv.bv_len == bio->bi_iter.bi_size &&
	       (bv.bv_offset & POLLNVME_PAGE_MASK) + bv.bv_len <=
	       POLLNVME_PAGE_SIZE;
}

/* Polls for the bio's command and ends the bio. */
static __always_inline void pollnvme_sync(struct pollnvme_ns *ns,
					  struct pollnvme_cmd *cmd, bool fits,
					  bool account, bool nowait)
{
	struct bio *bio = cmd->bio;
	unsigned long start = 0;
	blk_status_t status;

	if (account)
		start = bio_start_io_acct(bio);
	status = pollnvme_submit_polled(ns, cmd, fits, nowait);
	if (likely(!status))
		pollnvme_wait(ns, cmd);
	status = pollnvme_outcome(ns, cmd, status, nowait);
	if (likely(!status))
		pollnvme_count_done(ns, bio);
	if (account)
		bio_end_io_acct(bio, start);
	pollnvme_end(bio, status);
}

/**
 * pollnvme_bio_again() - try a bio again that nobody waits for, and wait for it
 * @ns: namespace
 * @bio: bio that was split and accounted before
 */
void pollnvme_bio_again(struct pollnvme_ns *ns, struct bio *bio)
{
	struct nvme_dsm_range range;
	struct pollnvme_cmd cmd;
	blk_status_t status;

	if (READ_ONCE(ns->lost)) {
		pollnvme_count(ns->stats, POLLNVME_ERRORS);
		pollnvme_end(bio, BLK_STS_IOERR);
		return;
	}
	pollnvme_count(ns->stats, POLLNVME_RETRIED);
	status = pollnvme_cmd_from_bio(ns, bio, &cmd, &range);
	if (!status) {
		status = pollnvme_execute(ns, &cmd, false);
		if (!status)
			pollnvme_count_done(ns, bio);
	}
	pollnvme_end(bio, status);
}

/**
 * pollnvme_submit_bio() - the disk's submit_bio
 * @bio: bio; when it is polled for it has ended on return
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
	/*
	 * Kernels that clear what is on the stack would clear it for nothing:
	 * every field is written before it is read, by pollnvme_cmd_from_bio(),
	 * pollnvme_async(), pollnvme_qp_submit_inline(), pollnvme_qp_push() or
	 * pollnvme_qp_end().
	 */
	struct nvme_dsm_range range __uninitialized;
	struct pollnvme_cmd cmd __uninitialized;
	blk_status_t status;
	bool account, fits;

	if (bio->bi_opf & REQ_PREFLUSH) {
		status = pollnvme_flush(ns, nowait);
		if (status || !bio->bi_iter.bi_size) {
			pollnvme_end(bio, status);
			return;
		}
		bio->bi_opf &= ~REQ_PREFLUSH;
	}
	fits = pollnvme_fits(bio);
	if (!fits) {
		bio = bio_split_to_limits(bio);
		if (!bio)
			return;
	}

	status = pollnvme_cmd_from_bio(ns, bio, &cmd, &range);
	if (unlikely(status)) {
		pollnvme_end(bio, status);
		return;
	}
	account = blk_queue_io_stat(bio->bi_bdev->bd_disk->queue);
	if (pollnvme_polls(ns, bio))
		pollnvme_sync(ns, &cmd, fits, account, nowait);
	else
		pollnvme_async(ns, &cmd, account, nowait);
}
