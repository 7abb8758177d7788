// SPDX-License-Identifier: GPL-2.0-only
/*
 * The blk-mq disk: requests, tags and interrupts, as ordinary drivers have
 * them, and hardware queues that io_uring polls (IORING_SETUP_IOPOLL). It is
 * what synchronous completion is compared with on the same device; a gendisk
 * cannot be both, so a controller's disks are the one or the other.
 *
 * A hardware queue is a queue pair. There are half as many tags as slots: a
 * slot is given back a moment after its request, and so never lacks.
 *
 * While the system sleeps no request has a tag: a CPU that goes waits for those of
 * its hardware queues. So the queues are frozen before, and what the controller
 * does not end in time fails.
 */
#include <linux/blk-mq.h>
#include <linux/crash_dump.h>
#include <linux/slab.h>
#include "pollnvme.h"
#include "pollnvme_compat.h"

/* How long to wait, going to sleep, for requests to end; and once they were cut off. */
#define POLLNVME_DRAIN_MS	30000
#define POLLNVME_CUT_OFF_MS	5000

/**
 * struct pollnvme_mq - what a controller's blk-mq disks share
 * @ctrl: controller
 * @set: tags and hardware queues: first those with interrupts
 * @irqs: hardware queues with interrupts
 * @polled: by hardware queue behind them, what is in flight
 */
struct pollnvme_mq {
	struct pollnvme_ctrl *ctrl;
	struct blk_mq_tag_set set;
	unsigned int irqs;
	struct pollnvme_mq_polled {
		spinlock_t lock;	/* flying */
		struct list_head flying;
	} polled[];
};

/**
 * struct pollnvme_mq_rq - a request's own
 * @cmd: its command
 * @node: in @flying of its hardware queue, while that is polled
 * @retries: how often it was sent again
 * @aborted: it outlived its time, an Abort was sent
 */
struct pollnvme_mq_rq {
	struct pollnvme_cmd cmd;
	struct list_head node;
	unsigned int retries;
	bool aborted;
};

static struct pollnvme_ns *pollnvme_mq_ns(struct request *rq)
{
	return rq->q->queuedata;
}

static struct pollnvme_mq_polled *pollnvme_mq_polled(struct blk_mq_hw_ctx *hctx)
{
	struct pollnvme_mq *mq = hctx->driver_data;

	return hctx->queue_num < mq->irqs ? NULL :
	       &mq->polled[hctx->queue_num - mq->irqs];
}

/* After a reset there may be fewer pairs: several share one then. */
static struct pollnvme_qp *pollnvme_mq_pair(struct pollnvme_mq *mq,
					    unsigned int n)
{
	struct pollnvme_ctrl *ctrl = mq->ctrl;
	unsigned int live = READ_ONCE(ctrl->nr_live);

	if (n >= mq->irqs)
		return ctrl->qps[(n - mq->irqs) % min(live, ctrl->nr_polled)];
	if (live <= ctrl->nr_polled)
		return NULL;
	return ctrl->qps[ctrl->nr_polled + n % (live - ctrl->nr_polled)];
}

static struct pollnvme_qp *pollnvme_mq_qp(struct blk_mq_hw_ctx *hctx)
{
	return pollnvme_mq_pair(hctx->driver_data, hctx->queue_num);
}

static void pollnvme_mq_count(struct pollnvme_ns *ns, struct request *rq)
{
	if (req_op(rq) == REQ_OP_FLUSH)
		pollnvme_count(ns->stats, POLLNVME_FLUSHES);
	else if (op_is_write(req_op(rq)))
		pollnvme_count(ns->stats, POLLNVME_WRITES);
	else
		pollnvme_count(ns->stats, POLLNVME_READS);
	if (!(rq->cmd_flags & REQ_POLLED))
		pollnvme_count(ns->stats, POLLNVME_IRQS);
}

static void pollnvme_mq_complete(struct request *rq)
{
	struct pollnvme_mq_rq *own = blk_mq_rq_to_pdu(rq);
	struct pollnvme_ns *ns = pollnvme_mq_ns(rq);
	blk_status_t status = pollnvme_status_to_blk(own->cmd.status);

	if (unlikely(status && pollnvme_status_may_retry(own->cmd.status) &&
		     !READ_ONCE(ns->ctrl->mq_failing) &&
		     own->retries++ < POLLNVME_RETRIES)) {
		pollnvme_count(ns->stats, POLLNVME_RETRIED);
		blk_mq_requeue_request(rq, true);
		return;
	}
	if (likely(!status))
		pollnvme_mq_count(ns, rq);
	else
		pollnvme_count(ns->stats, POLLNVME_ERRORS);
	blk_mq_end_request(rq, status);
}

/* A command of a pair with interrupts ended; its copy in the pair is @cmd. */
static void pollnvme_mq_end(struct pollnvme_cmd *cmd)
{
	struct pollnvme_mq_rq *own = blk_mq_rq_to_pdu(cmd->rq);

	own->cmd.status = cmd->status;
	blk_mq_complete_request(cmd->rq);
}

static blk_status_t pollnvme_mq_error(struct pollnvme_ctrl *ctrl, int err)
{
	switch (err) {
	case 0:
		return BLK_STS_OK;
	case -ESHUTDOWN:
		if (READ_ONCE(ctrl->state) == POLLNVME_DEAD ||
		    READ_ONCE(ctrl->mq_failing))
			return BLK_STS_IOERR;
		return BLK_STS_RESOURCE;	/* tried again in a while */
	case -EBUSY:
	case -ENOMEM:
		return BLK_STS_RESOURCE;
	default:
		return BLK_STS_IOERR;
	}
}

/* Listed before it is sent: whoever polls next must find it. */
static int pollnvme_mq_send_polled(struct pollnvme_mq_polled *polled,
				   struct pollnvme_qp *qp,
				   struct pollnvme_mq_rq *own)
{
	int err;

	/* Not done before it is sent, whatever an earlier use left there. */
	own->cmd.done = false;
	spin_lock(&polled->lock);
	list_add_tail(&own->node, &polled->flying);
	spin_unlock(&polled->lock);
	err = pollnvme_qp_submit(qp, &own->cmd);
	if (unlikely(err)) {
		spin_lock(&polled->lock);
		list_del(&own->node);
		spin_unlock(&polled->lock);
	}
	return err;
}

static int pollnvme_mq_send_irq(struct pollnvme_qp *qp,
				struct pollnvme_mq_rq *own)
{
	const struct pollnvme_transport *t = qp->ctrl->transport;
	int err;

	own->cmd.end = pollnvme_mq_end;
	err = pollnvme_qp_submit(qp, &own->cmd);
	if (unlikely(err))
		return err;
	/* From here on the request may have ended. */
	if (t->drive)
		t->drive(qp);
	pollnvme_watch(qp->ctrl);
	return 0;
}

static blk_status_t pollnvme_mq_queue_rq(struct blk_mq_hw_ctx *hctx,
					 const struct blk_mq_queue_data *bd)
{
	struct pollnvme_mq_polled *polled = pollnvme_mq_polled(hctx);
	struct pollnvme_mq_rq *own = blk_mq_rq_to_pdu(bd->rq);
	struct pollnvme_ns *ns = pollnvme_mq_ns(bd->rq);
	struct pollnvme_qp *qp = pollnvme_mq_qp(hctx);
	struct nvme_dsm_range range;
	blk_status_t status;
	int err;

	if (unlikely(!qp || READ_ONCE(ns->lost)))
		return BLK_STS_IOERR;
	if (!(bd->rq->rq_flags & RQF_DONTPREP)) {
		own->retries = 0;
		bd->rq->rq_flags |= RQF_DONTPREP;
	}
	own->aborted = false;
	status = pollnvme_cmd_from_rq(ns, bd->rq, &own->cmd, &range);
	if (unlikely(status))
		return status;
	blk_mq_start_request(bd->rq);
	err = polled ? pollnvme_mq_send_polled(polled, qp, own) :
		       pollnvme_mq_send_irq(qp, own);
	return pollnvme_mq_error(ns->ctrl, err);
}

/* Ends what has ended of a hardware queue that is polled. */
static int pollnvme_mq_reap(struct pollnvme_mq_polled *polled,
			    struct pollnvme_qp *qp)
{
	struct pollnvme_mq_rq *own, *next;
	LIST_HEAD(done);
	int found = 0;

	pollnvme_qp_poll(qp);
	spin_lock(&polled->lock);
	list_for_each_entry_safe(own, next, &polled->flying, node)
		/* Acquire: pairs with the release in pollnvme_qp_end(). */
		if (smp_load_acquire(&own->cmd.done))
			list_move_tail(&own->node, &done);
	spin_unlock(&polled->lock);
	list_for_each_entry_safe(own, next, &done, node) {
		pollnvme_qp_finish(&own->cmd);
		found++;
		blk_mq_complete_request(own->cmd.rq);
	}
	return found;
}

static int pollnvme_mq_poll(struct blk_mq_hw_ctx *hctx,
			    struct io_comp_batch *iob)
{
	struct pollnvme_mq_polled *polled = pollnvme_mq_polled(hctx);
	struct pollnvme_qp *qp = pollnvme_mq_qp(hctx);

	return polled && qp ? pollnvme_mq_reap(polled, qp) : 0;
}

/*
 * Copies a polled request's own that has not ended, and notes that it is aborted
 * now. One that has may be sent again at any moment, and be written to.
 */
static bool pollnvme_mq_late(struct pollnvme_mq_polled *polled,
			     struct pollnvme_mq_rq *own,
			     struct pollnvme_mq_rq *late)
{
	struct pollnvme_mq_rq *other;
	bool found = false;

	spin_lock(&polled->lock);
	list_for_each_entry(other, &polled->flying, node) {
		/* Acquire: pairs with the release in pollnvme_qp_end(). */
		if (other != own || smp_load_acquire(&own->cmd.done))
			continue;
		found = true;
		*late = *own;
		own->aborted = true;
		break;
	}
	spin_unlock(&polled->lock);
	return found;
}

/*
 * The watch looks after what has interrupts. A polled command whose poller
 * went away is polled for here; one that does not end is aborted, then the
 * controller is reset.
 */
static enum blk_eh_timer_return pollnvme_mq_timeout(struct request *rq)
{
	struct pollnvme_mq_rq *own = blk_mq_rq_to_pdu(rq);
	struct pollnvme_mq_polled *polled = pollnvme_mq_polled(rq->mq_hctx);
	struct pollnvme_ns *ns = pollnvme_mq_ns(rq);
	struct pollnvme_mq_rq late;

	if (!polled)
		return BLK_EH_RESET_TIMER;
	pollnvme_mq_poll(rq->mq_hctx, NULL);
	/* It ended, here or meanwhile; maybe it is to be sent again, or was. */
	if (blk_mq_rq_state(rq) != MQ_RQ_IN_FLIGHT)
		return BLK_EH_DONE;
	if (!pollnvme_mq_late(polled, own, &late))
		return BLK_EH_RESET_TIMER;
	if (late.aborted) {
		pollnvme_ctrl_expired(ns->ctrl, late.cmd.gen);
		return BLK_EH_RESET_TIMER;
	}
	pollnvme_count(ns->stats, POLLNVME_TIMEOUTS);
	pollnvme_abort(ns->ctrl, &late.cmd);
	return BLK_EH_RESET_TIMER;
}

static int pollnvme_mq_init_hctx(struct blk_mq_hw_ctx *hctx, void *data,
				 unsigned int index)
{
	hctx->driver_data = data;
	return 0;
}

static void pollnvme_mq_map_queues(struct blk_mq_tag_set *set)
{
	struct pollnvme_mq *mq = container_of(set, struct pollnvme_mq, set);
	struct blk_mq_queue_map *irq = &set->map[HCTX_TYPE_DEFAULT];
	struct blk_mq_queue_map *poll = &set->map[HCTX_TYPE_POLL];
	struct pollnvme_ctrl *ctrl = mq->ctrl;
	unsigned int cpu;

	irq->nr_queues = mq->irqs;
	irq->queue_offset = 0;
	poll->nr_queues = set->nr_hw_queues - mq->irqs;
	poll->queue_offset = mq->irqs;
	set->map[HCTX_TYPE_READ].nr_queues = 0;
	/* The driver's own way from CPU to pair, where the interrupt comes to. */
	for_each_possible_cpu(cpu) {
		unsigned int pair = READ_ONCE(ctrl->irq_map[cpu]);

		irq->mq_map[cpu] = (pair - ctrl->nr_polled) % mq->irqs;
		poll->mq_map[cpu] = mq->irqs + READ_ONCE(ctrl->map[cpu]) %
					       poll->nr_queues;
	}
}

static const struct blk_mq_ops pollnvme_mq_ops = {
	.queue_rq	= pollnvme_mq_queue_rq,
	.complete	= pollnvme_mq_complete,
	.timeout	= pollnvme_mq_timeout,
	.poll		= pollnvme_mq_poll,
	.init_hctx	= pollnvme_mq_init_hctx,
	.map_queues	= pollnvme_mq_map_queues,
};

/**
 * pollnvme_mq_setup() - tags and hardware queues for a controller's disks
 * @ctrl: live controller
 *
 * Return: what its disks share, or an ERR_PTR: -EOPNOTSUPP without a pair
 * with interrupts.
 */
struct pollnvme_mq *pollnvme_mq_setup(struct pollnvme_ctrl *ctrl)
{
	/* Once, and as pollnvme_has_irqs() does: a reset may change it. */
	unsigned int live = smp_load_acquire(&ctrl->nr_live);
	unsigned int i, irqs = live - ctrl->nr_polled;
	struct pollnvme_mq *mq;
	int err;

	/* A crash kernel gets one queue from blk-mq: not worth a case of its own. */
	if (live <= ctrl->nr_polled || is_kdump_kernel())
		return ERR_PTR(-EOPNOTSUPP);
	mq = kzalloc(struct_size(mq, polled, ctrl->nr_polled), GFP_KERNEL);
	if (!mq)
		return ERR_PTR(-ENOMEM);
	mq->ctrl = ctrl;
	mq->irqs = irqs;
	for (i = 0; i < ctrl->nr_polled; i++) {
		spin_lock_init(&mq->polled[i].lock);
		INIT_LIST_HEAD(&mq->polled[i].flying);
	}
	mq->set.ops = &pollnvme_mq_ops;
	mq->set.nr_maps = HCTX_MAX_TYPES;
	mq->set.nr_hw_queues = irqs + ctrl->nr_polled;
	mq->set.queue_depth = max((ctrl->depth - 1) / 2, 1u);
	mq->set.numa_node = dev_to_node(&ctrl->dev);
	mq->set.cmd_size = sizeof(struct pollnvme_mq_rq);
	mq->set.timeout = msecs_to_jiffies(READ_ONCE(ctrl->io_timeout_ms));
	mq->set.driver_data = mq;
	err = blk_mq_alloc_tag_set(&mq->set);
	if (err) {
		kfree(mq);
		return ERR_PTR(err);
	}
	return mq;
}

/**
 * pollnvme_mq_teardown() - undo pollnvme_mq_setup()
 * @mq: what it made, whose disks are gone; may be NULL
 */
void pollnvme_mq_teardown(struct pollnvme_mq *mq)
{
	if (!mq)
		return;
	blk_mq_free_tag_set(&mq->set);
	kfree(mq);
}

/* Whether no request is left. Who polls may sleep already: done here instead. */
static bool pollnvme_mq_drain(struct pollnvme_ctrl *ctrl, unsigned int ms)
{
	unsigned long end = jiffies + msecs_to_jiffies(ms);
	struct pollnvme_mq *mq = ctrl->mq;
	struct pollnvme_ns *ns;
	unsigned int i;

	list_for_each_entry(ns, &ctrl->namespaces, node)
		while (!blk_mq_freeze_queue_wait_timeout(ns->disk->queue, 1)) {
			for (i = 0; i < ctrl->nr_polled; i++)
				pollnvme_mq_reap(&mq->polled[i],
						 pollnvme_mq_pair(mq, mq->irqs + i));
			if (time_after(jiffies, end))
				return false;
		}
	return true;
}

/**
 * pollnvme_mq_freeze() - before sleep: end what blk-mq disks have under way
 * @ctrl: controller, still live as a rule; @scan_lock is held
 *
 * New I/O waits for pollnvme_mq_thaw().
 *
 * Context: process; waits, for half a minute at most.
 */
void pollnvme_mq_freeze(struct pollnvme_ctrl *ctrl)
{
	struct pollnvme_ns *ns;

	if (!ctrl->mq)
		return;
	list_for_each_entry(ns, &ctrl->namespaces, node) {
		blk_freeze_queue_start_non_owner(ns->disk->queue);
		ns->frozen = true;
	}
	if (!pollnvme_mq_drain(ctrl, POLLNVME_DRAIN_MS))
		WRITE_ONCE(ctrl->mq_failing, true);
}

/**
 * pollnvme_mq_cut_off() - have what pollnvme_mq_freeze() waited for in vain fail
 * @ctrl: paused controller; @scan_lock is held, and was since then
 *
 * Context: process; waits, for seconds at most.
 */
void pollnvme_mq_cut_off(struct pollnvme_ctrl *ctrl)
{
	if (!READ_ONCE(ctrl->mq_failing))
		return;
	dev_err(&ctrl->dev, "requests without an answer fail, before sleep\n");
	if (!pollnvme_mq_drain(ctrl, POLLNVME_CUT_OFF_MS))
		dev_err(&ctrl->dev, "requests are left, before sleep\n");
}

/**
 * pollnvme_mq_thaw() - undo pollnvme_mq_freeze()
 * @ctrl: controller
 *
 * Not under @scan_lock: a scan may be waiting for I/O that waits for this.
 */
void pollnvme_mq_thaw(struct pollnvme_ctrl *ctrl)
{
	struct pollnvme_ns *ns;

	WRITE_ONCE(ctrl->mq_failing, false);
	mutex_lock(&ctrl->ns_lock);
	list_for_each_entry(ns, &ctrl->namespaces, node) {
		if (ns->frozen)
			blk_mq_unfreeze_queue_non_owner(ns->disk->queue);
		ns->frozen = false;
	}
	mutex_unlock(&ctrl->ns_lock);
}

/**
 * pollnvme_mq_alloc_disk() - allocate a disk
 * @ns: namespace of a controller with pollnvme_mq_setup() done
 * @lim: its limits
 *
 * Return: the disk or an ERR_PTR.
 */
struct gendisk *pollnvme_mq_alloc_disk(struct pollnvme_ns *ns,
				       struct queue_limits *lim)
{
	return blk_mq_alloc_disk(&ns->ctrl->mq->set, lim, ns);
}
