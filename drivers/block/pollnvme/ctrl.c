// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a controller: enable, identify, queues, reset, shutdown,
 * removal. The same for both transports.
 */
#include <linux/delay.h>
#include <linux/slab.h>
#include "pollnvme.h"

static u32 pollnvme_read32(struct pollnvme_ctrl *ctrl, u32 reg)
{
	return ctrl->transport->read32(ctrl, reg);
}

static void pollnvme_write32(struct pollnvme_ctrl *ctrl, u32 reg, u32 value)
{
	ctrl->transport->write32(ctrl, reg, value);
}

static int pollnvme_wait_csts(struct pollnvme_ctrl *ctrl, u32 mask, u32 want,
			      unsigned int ms)
{
	ktime_t end = ktime_add_ms(ktime_get(), ms);

	for (;;) {
		u32 csts = pollnvme_read32(ctrl, NVME_REG_CSTS);

		if (csts == ~0u)
			return -ENODEV;
		if ((csts & mask) == want)
			return 0;
		if (want == NVME_CSTS_RDY && (csts & NVME_CSTS_CFS))
			return -EIO;
		if (ktime_after(ktime_get(), end))
			return -ETIMEDOUT;
		usleep_range(100, 1000);
	}
}

static int pollnvme_disable(struct pollnvme_ctrl *ctrl)
{
	u32 cc = pollnvme_read32(ctrl, NVME_REG_CC);

	if (cc == ~0u)
		return -ENODEV;
	pollnvme_write32(ctrl, NVME_REG_CC,
			 cc & ~(NVME_CC_ENABLE | NVME_CC_SHN_MASK));
	return pollnvme_wait_csts(ctrl, NVME_CSTS_RDY, 0, ctrl->ready_ms);
}

static void pollnvme_notify_shutdown(struct pollnvme_ctrl *ctrl)
{
	u32 cc = pollnvme_read32(ctrl, NVME_REG_CC);

	if (cc == ~0u || !(cc & NVME_CC_ENABLE))
		return;
	cc = (cc & ~NVME_CC_SHN_MASK) | NVME_CC_SHN_NORMAL;
	pollnvme_write32(ctrl, NVME_REG_CC, cc);
	if (pollnvme_wait_csts(ctrl, NVME_CSTS_SHST_MASK, NVME_CSTS_SHST_CMPLT,
			       ctrl->shutdown_ms))
		dev_warn(&ctrl->dev, "shutdown not completed within %u ms\n",
			 ctrl->shutdown_ms);
}

/*
 * Ends all DMA, then all commands: in that order their memory is ours. An
 * error says that the controller did not obey and was cut off.
 */
static int pollnvme_quiesce(struct pollnvme_ctrl *ctrl, bool shutdown)
{
	unsigned int i;
	int err;

	for (i = 0; i < ctrl->nr_qps; i++)
		pollnvme_qp_stop(ctrl->qps[i]);
	pollnvme_qp_stop(ctrl->admin);
	if (shutdown)
		pollnvme_notify_shutdown(ctrl);
	err = pollnvme_disable(ctrl);
	if (err)
		ctrl->transport->halt(ctrl);
	for (i = 0; i < ctrl->nr_qps; i++)
		pollnvme_qp_cancel(ctrl->qps[i]);
	pollnvme_qp_cancel(ctrl->admin);
	return err;
}

static int pollnvme_enable(struct pollnvme_ctrl *ctrl)
{
	const struct pollnvme_transport *t = ctrl->transport;
	u32 cc = NVME_CC_ENABLE | NVME_CC_AMS_RR | NVME_CC_SHN_NONE |
		 NVME_CC_IOSQES | NVME_CC_IOCQES;
	u32 depth = POLLNVME_ADMIN_DEPTH - 1;

	/* With all command sets selected a namespace says which it has. */
	if (NVME_CAP_CSS(ctrl->cap) & NVME_CAP_CSS_CSI)
		cc |= NVME_CC_CSS_CSI;
	t->write32(ctrl, NVME_REG_AQA, depth << 16 | depth);
	t->write64(ctrl, NVME_REG_ASQ, ctrl->admin->sq_addr);
	t->write64(ctrl, NVME_REG_ACQ, ctrl->admin->cq_addr);
	pollnvme_write32(ctrl, NVME_REG_CC, cc);
	return pollnvme_wait_csts(ctrl, NVME_CSTS_RDY, NVME_CSTS_RDY,
				  ctrl->ready_ms);
}

static void pollnvme_copy_id(char *to, const char *from, size_t len)
{
	memcpy(to, from, len);
	to[len] = '\0';
	strim(to);
}

static int pollnvme_identify_ctrl(struct pollnvme_ctrl *ctrl)
{
	struct nvme_id_ctrl *id = ctrl->page;
	int err;

	mutex_lock(&ctrl->ident_lock);
	err = pollnvme_identify(ctrl, NVME_ID_CNS_CTRL, 0);
	if (err)
		goto unlock;
	pollnvme_copy_id(ctrl->model, id->mn, sizeof(id->mn));
	pollnvme_copy_id(ctrl->serial, id->sn, sizeof(id->sn));
	pollnvme_copy_id(ctrl->firmware, id->fr, sizeof(id->fr));
	ctrl->cntlid = le16_to_cpu(id->cntlid);
	ctrl->nn = le32_to_cpu(id->nn);
	ctrl->oncs = le16_to_cpu(id->oncs);
	ctrl->oaes = le32_to_cpu(id->oaes);
	ctrl->vwc = id->vwc & NVME_CTRL_VWC_PRESENT;
	/* After a reset no more than before: the pairs' PRP lists are as long. */
	if (id->mdts && id->mdts < 8)
		ctrl->max_bytes = min_t(u32, ctrl->max_bytes,
					POLLNVME_PAGE_SIZE << id->mdts);
	/* A bounce buffer takes no more than so much at once. */
	if (ctrl->dma_dev)
		ctrl->max_bytes = min_t(size_t, ctrl->max_bytes,
					dma_max_mapping_size(ctrl->dma_dev) &
					~(size_t)POLLNVME_PAGE_MASK);
	/* RTD3E is in microseconds; believe it up to a minute. */
	ctrl->shutdown_ms = clamp(le32_to_cpu(id->rtd3e) / 1000, 5000u, 60000u);
	if (le32_to_cpu(id->hmmin))
		dev_warn(&ctrl->dev, "controller wants host memory, gets none: expect it to be slow\n");
unlock:
	mutex_unlock(&ctrl->ident_lock);
	return err;
}

/* Which of the first @live pairs a CPU submits to. */
static void pollnvme_map_cpus(struct pollnvme_ctrl *ctrl, unsigned int live)
{
	const struct pollnvme_transport *t = ctrl->transport;
	unsigned int polled = min(ctrl->nr_polled, live);
	unsigned int cpu, i, n = 0;

	for_each_possible_cpu(cpu)
		WRITE_ONCE(ctrl->map[cpu], n++ % polled);
	if (live == polled)
		return;
	n = 0;
	for_each_possible_cpu(cpu)
		WRITE_ONCE(ctrl->irq_map[cpu], polled + n++ % (live - polled));
	/* Where the interrupt comes to is known: submit there. */
	for (i = polled; t->irq_mask && i < live; i++) {
		const struct cpumask *mask =
			t->irq_mask(ctrl, ctrl->qps[i]->vector);

		if (!mask)
			continue;
		for_each_cpu_and(cpu, mask, cpu_possible_mask)
			WRITE_ONCE(ctrl->irq_map[cpu], i);
	}
}

/* Asks for a pair's interrupt, if it is to have one and has none. */
static int pollnvme_get_irq(struct pollnvme_qp *qp)
{
	const struct pollnvme_transport *t = qp->ctrl->transport;
	int err = 0;

	if (!qp->cmds || qp->has_irq)
		return 0;
	if (t->get_irq)
		err = t->get_irq(qp);
	qp->has_irq = !err;
	return err;
}

static void pollnvme_put_irq(struct pollnvme_qp *qp)
{
	if (qp->has_irq && qp->ctrl->transport->put_irq)
		qp->ctrl->transport->put_irq(qp);
	qp->has_irq = false;
}

static int pollnvme_alloc_qp(struct pollnvme_ctrl *ctrl, unsigned int cpu,
			     bool irq)
{
	unsigned int n = ctrl->nr_qps;
	struct pollnvme_qp *qp;
	int err;

	qp = pollnvme_qp_alloc(ctrl, n + 1, ctrl->depth, cpu_to_node(cpu), irq);
	if (!qp)
		return -ENOMEM;
	if (irq) {
		/* Vector 0 is the admin pair's. */
		qp->vector = n - ctrl->nr_polled + 1;
		err = pollnvme_get_irq(qp);
		if (err) {
			pollnvme_qp_free(qp);
			return err;
		}
	}
	ctrl->qps[ctrl->nr_qps++] = qp;
	return 0;
}

/* A polled pair per CPU, then as many with interrupts as are left. */
static int pollnvme_alloc_qps(struct pollnvme_ctrl *ctrl, unsigned int count)
{
	unsigned int irqs = min3(count / 2, num_possible_cpus(),
				 ctrl->max_irqs);
	unsigned int cpu, n = 0;
	int err;

	/* Each CPU is one vector's, but only if all the vectors are used. */
	if (irqs && irqs < ctrl->max_irqs && ctrl->transport->set_irqs) {
		ctrl->max_irqs = ctrl->transport->set_irqs(ctrl, irqs);
		irqs = min(irqs, ctrl->max_irqs);
	}
	ctrl->nr_polled = min(count - irqs, num_possible_cpus());
	ctrl->qps = kcalloc(count, sizeof(*ctrl->qps), GFP_KERNEL);
	if (!ctrl->qps)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		if (n++ == ctrl->nr_polled)
			break;
		err = pollnvme_alloc_qp(ctrl, cpu, false);
		if (err)
			return err;
	}
	n = 0;
	for_each_possible_cpu(cpu) {
		if (n++ == irqs)
			break;
		err = pollnvme_alloc_qp(ctrl, cpu, true);
		if (err) {
			dev_warn(&ctrl->dev, "%u of %u queue pairs with interrupts (%d)%s\n",
				 n - 1, irqs, err,
				 n > 1 ? "" : ": completion by polling only");
			break;
		}
	}
	return 0;
}

static int pollnvme_create_qps(struct pollnvme_ctrl *ctrl)
{
	unsigned int count = min(2 * num_possible_cpus(), ctrl->max_qps);
	unsigned int i;
	int err;

	if (ctrl->nr_qps)
		count = ctrl->nr_qps;
	err = pollnvme_set_queue_count(ctrl, &count);
	if (err)
		return err;
	if (!ctrl->nr_qps) {
		err = pollnvme_alloc_qps(ctrl, count);
		if (err)
			return err;
		count = ctrl->nr_qps;
	}
	for (i = 0; i < count; i++) {
		err = pollnvme_create_qp(ctrl, ctrl->qps[i]);
		if (err == -EIO && i)
			break;	/* fewer than it granted: live with these */
		if (err)
			return err;
	}
	pollnvme_map_cpus(ctrl, i);
	/* Pairs with the acquire in pollnvme_has_irqs(). */
	smp_store_release(&ctrl->nr_live, i);
	for (i = 0; i < ctrl->nr_live; i++)
		pollnvme_qp_start(ctrl->qps[i]);
	return 0;
}

static int pollnvme_bring_up(struct pollnvme_ctrl *ctrl)
{
	int err = pollnvme_enable(ctrl);

	if (err)
		return err;
	pollnvme_qp_start(ctrl->admin);
	err = pollnvme_identify_ctrl(ctrl);
	if (err)
		return err;
	err = pollnvme_create_qps(ctrl);
	if (err)
		return err;
	/* Its blk-mq disks have hardware queues that nothing would end I/O of. */
	if (READ_ONCE(ctrl->mq) && !pollnvme_has_irqs(ctrl)) {
		dev_err(&ctrl->dev, "no queue pair with interrupts, which disks of kind mq need\n");
		return -EOPNOTSUPP;
	}
	return pollnvme_events_enable(ctrl);
}

/* Moves on unless it is too late for that; a deletion is never undone. */
static bool pollnvme_set_state(struct pollnvme_ctrl *ctrl,
			       enum pollnvme_state state)
{
	bool moved = false;

	spin_lock(&ctrl->lock);
	switch (state) {
	case POLLNVME_LIVE:
		moved = ctrl->state == POLLNVME_NEW ||
			ctrl->state == POLLNVME_RESETTING;
		break;
	case POLLNVME_RESETTING:
		moved = ctrl->state == POLLNVME_LIVE;
		break;
	case POLLNVME_DELETING:
		moved = ctrl->state != POLLNVME_DEAD;
		break;
	default:
		moved = true;
	}
	if (moved)
		WRITE_ONCE(ctrl->state, state);
	spin_unlock(&ctrl->lock);
	return moved;
}

static void pollnvme_set_ready(struct pollnvme_ctrl *ctrl, bool ready)
{
	WRITE_ONCE(ctrl->ready, ready);
	if (ready)
		wake_up_all(&ctrl->wait);
}

static void pollnvme_die(struct pollnvme_ctrl *ctrl)
{
	pollnvme_set_state(ctrl, POLLNVME_DEAD);
	pollnvme_quiesce(ctrl, false);
	/* Dead before ready: who wakes sees why submission fails. */
	pollnvme_set_ready(ctrl, true);
}

static void pollnvme_reset_work(struct work_struct *work)
{
	struct pollnvme_ctrl *ctrl = container_of(work, struct pollnvme_ctrl,
						  reset_work);
	int err;

	if (READ_ONCE(ctrl->state) == POLLNVME_DEAD)
		return;
	pollnvme_set_ready(ctrl, false);
	err = pollnvme_quiesce(ctrl, false);
	spin_lock(&ctrl->lock);
	WRITE_ONCE(ctrl->gen, ctrl->gen + 1);
	spin_unlock(&ctrl->lock);
	if (!err)
		err = pollnvme_bring_up(ctrl);
	if (err) {
		dev_err(&ctrl->dev, "reset failed (%d): all further I/O fails\n",
			err);
		pollnvme_die(ctrl);
		pollnvme_ns_mark_dead(ctrl);
		return;
	}
	/* What it said meanwhile is lost: look what there is. */
	if (pollnvme_set_state(ctrl, POLLNVME_LIVE))
		pollnvme_events_start(ctrl, true);
	pollnvme_set_ready(ctrl, true);
	dev_info(&ctrl->dev, "reset done, %u queues\n", ctrl->nr_live);
}

/**
 * pollnvme_ctrl_reset() - reset on request, and wait for the end
 * @ctrl: controller
 *
 * Return: 0, -EBUSY when it is not live, -EIO when it did not come back.
 */
int pollnvme_ctrl_reset(struct pollnvme_ctrl *ctrl)
{
	if (!pollnvme_set_state(ctrl, POLLNVME_RESETTING))
		return -EBUSY;
	queue_work(pollnvme_wq, &ctrl->reset_work);
	flush_work(&ctrl->reset_work);
	return READ_ONCE(ctrl->state) == POLLNVME_DEAD ? -EIO : 0;
}

/**
 * pollnvme_ctrl_expired() - a command was not answered, not even to an Abort
 * @ctrl: controller
 * @gen: generation the command was sent to: a reset since then was the answer
 */
void pollnvme_ctrl_expired(struct pollnvme_ctrl *ctrl, unsigned int gen)
{
	bool reset = false;

	spin_lock(&ctrl->lock);
	if (ctrl->gen == gen && ctrl->state == POLLNVME_LIVE) {
		WRITE_ONCE(ctrl->state, POLLNVME_RESETTING);
		reset = true;
	} else if (ctrl->gen == gen && ctrl->state == POLLNVME_DELETING) {
		reset = true;
	}
	spin_unlock(&ctrl->lock);
	if (reset)
		queue_work(pollnvme_wq, &ctrl->reset_work);
}

/* Has submission wait, unless it is too late for that. */
static void pollnvme_stop(struct pollnvme_ctrl *ctrl)
{
	/* A reset under way ends first; then none begins. */
	for (;;) {
		flush_work(&ctrl->reset_work);
		ctrl->paused = pollnvme_set_state(ctrl, POLLNVME_RESETTING);
		if (ctrl->paused || READ_ONCE(ctrl->state) != POLLNVME_RESETTING)
			break;
		/* Whoever chose a reset is about to queue it. */
		usleep_range(100, 1000);
	}
	if (ctrl->paused)
		pollnvme_set_ready(ctrl, false);
}

/* No scan meanwhile: it would add disks that are not frozen, or wait for those. */
static void pollnvme_pause_for_sleep(struct pollnvme_ctrl *ctrl)
{
	mutex_lock(&ctrl->scan_lock);
	pollnvme_mq_freeze(ctrl);
	pollnvme_stop(ctrl);
	if (ctrl->paused) {
		pollnvme_quiesce(ctrl, true);
		pollnvme_mq_cut_off(ctrl);
	} else {
		pollnvme_mq_thaw(ctrl);
	}
	mutex_unlock(&ctrl->scan_lock);
}

/**
 * pollnvme_ctrl_pause() - stop for a while, for sleep or a reset from outside
 * @ctrl: controller
 * @shutdown: its registers can be reached, and it may lose power: tell it
 *
 * What is in flight is cut off, and sent again after pollnvme_ctrl_resume();
 * new I/O waits for that. But of blk-mq disks, with @shutdown, nothing is left in
 * flight.
 *
 * Context: process; not beside another pause or removal.
 */
void pollnvme_ctrl_pause(struct pollnvme_ctrl *ctrl, bool shutdown)
{
	/* Still, since a bus error that the bus did not recover from. */
	if (ctrl->paused)
		return;
	if (shutdown) {
		pollnvme_pause_for_sleep(ctrl);
		return;
	}
	pollnvme_stop(ctrl);
	if (ctrl->paused)
		pollnvme_quiesce(ctrl, false);
}

/**
 * pollnvme_ctrl_resume() - undo a pause: reset the controller
 * @ctrl: controller that can be reached again
 *
 * Return: 0, or -EIO when it does not come back.
 */
int pollnvme_ctrl_resume(struct pollnvme_ctrl *ctrl)
{
	if (!ctrl->paused)
		return 0;
	ctrl->paused = false;
	queue_work(pollnvme_wq, &ctrl->reset_work);
	flush_work(&ctrl->reset_work);
	pollnvme_mq_thaw(ctrl);
	return READ_ONCE(ctrl->state) == POLLNVME_DEAD ? -EIO : 0;
}

/**
 * pollnvme_ctrl_put_irqs() - give back the interrupts of a controller that sleeps
 * @ctrl: paused, or dead
 *
 * CPUs go and come while the system sleeps, which stops and starts what only they
 * are interrupted by. Kernels without irq_startup_managed() lose count there of how
 * often it was switched off ("Unbalanced enable") while somebody has asked for it.
 *
 * Context: process; waits for an interrupt under way. Not beside removal.
 */
void pollnvme_ctrl_put_irqs(struct pollnvme_ctrl *ctrl)
{
	unsigned int i;

	for (i = 0; i < ctrl->nr_qps; i++)
		pollnvme_put_irq(ctrl->qps[i]);
}

/**
 * pollnvme_ctrl_get_irqs() - ask for the interrupts again
 * @ctrl: controller, still paused, or dead
 *
 * A pair that gets none is looked after by the watch alone: slow, but it works.
 *
 * Context: process; may sleep. Not beside removal.
 */
void pollnvme_ctrl_get_irqs(struct pollnvme_ctrl *ctrl)
{
	unsigned int i;
	int err;

	for (i = 0; i < ctrl->nr_qps; i++) {
		err = pollnvme_get_irq(ctrl->qps[i]);
		if (err)
			dev_warn(&ctrl->dev, "queue %u has no interrupt after sleep (%d)\n",
				 ctrl->qps[i]->q.qid, err);
	}
}

static void pollnvme_free_queues(struct pollnvme_ctrl *ctrl)
{
	while (ctrl->nr_qps) {
		struct pollnvme_qp *qp = ctrl->qps[--ctrl->nr_qps];

		pollnvme_put_irq(qp);
		pollnvme_qp_free(qp);
	}
	kfree(ctrl->qps);
	ctrl->qps = NULL;
	pollnvme_qp_free(ctrl->admin);
	ctrl->admin = NULL;
	if (ctrl->page)
		ctrl->transport->free(ctrl, POLLNVME_PAGE_SIZE, ctrl->page,
				      ctrl->page_addr);
	ctrl->page = NULL;
}

/**
 * pollnvme_ctrl_init() - set up what every controller has
 * @ctrl: zeroed controller, embedded in its transport's object
 * @transport: how it is reached
 * @parent: parent device or NULL
 *
 * After success the object is freed by put_device(&ctrl->dev) alone; after a
 * failure it is the caller's.
 *
 * Return: 0 or an error.
 */
int pollnvme_ctrl_init(struct pollnvme_ctrl *ctrl,
		       const struct pollnvme_transport *transport,
		       struct device *parent)
{
	int err;

	ctrl->transport = transport;
	spin_lock_init(&ctrl->lock);
	mutex_init(&ctrl->abort_lock);
	init_rwsem(&ctrl->user_lock);
	mutex_init(&ctrl->ns_lock);
	mutex_init(&ctrl->ident_lock);
	mutex_init(&ctrl->scan_lock);
	INIT_LIST_HEAD(&ctrl->namespaces);
	INIT_WORK(&ctrl->reset_work, pollnvme_reset_work);
	INIT_DELAYED_WORK(&ctrl->watch, pollnvme_watch_work);
	INIT_DEFERRABLE_WORK(&ctrl->event_work, pollnvme_event_work);
	init_waitqueue_head(&ctrl->wait);
	ctrl->spin_limit_us = POLLNVME_SPIN_LIMIT_US;
	ctrl->io_timeout_ms = POLLNVME_IO_TIMEOUT_MS;
	ctrl->shutdown_ms = 5000;
	ctrl->max_bytes = POLLNVME_MAX_BYTES;

	/* Both maps in one. */
	ctrl->map = kcalloc(2 * nr_cpu_ids, sizeof(*ctrl->map), GFP_KERNEL);
	if (!ctrl->map)
		return -ENOMEM;
	ctrl->irq_map = ctrl->map + nr_cpu_ids;
	err = pollnvme_instance_get(ctrl);
	if (err) {
		kfree(ctrl->map);
		return err;
	}
	device_initialize(&ctrl->dev);
	ctrl->dev.class = &pollnvme_class;
	ctrl->dev.parent = parent;
	ctrl->dev.groups = pollnvme_ctrl_groups;
	dev_set_drvdata(&ctrl->dev, ctrl);
	err = dev_set_name(&ctrl->dev, POLLNVME_NAME "%d", ctrl->instance);
	if (err)
		dev_warn(parent, "no memory for a name\n");
	return 0;
}

/**
 * pollnvme_ctrl_start() - enable the controller and attach its namespaces
 * @ctrl: controller whose registers can be reached
 *
 * Return: 0, or an error with everything undone but the reference.
 */
int pollnvme_ctrl_start(struct pollnvme_ctrl *ctrl)
{
	const struct pollnvme_transport *t = ctrl->transport;
	int err = -ENOMEM;

	ctrl->cap = t->read64(ctrl, NVME_REG_CAP);
	if (ctrl->cap == ~0ull)
		return -ENODEV;
	ctrl->version = pollnvme_read32(ctrl, NVME_REG_VS);
	ctrl->ready_ms = (NVME_CAP_TIMEOUT(ctrl->cap) + 1) * 500;
	ctrl->depth = min_t(u32, NVME_CAP_MQES(ctrl->cap) + 1,
			    POLLNVME_QUEUE_DEPTH);
	if (ctrl->depth < 2) {
		/* One entry is always unused: no command would ever fit. */
		dev_err(&ctrl->dev, "controller claims queues of one entry\n");
		return -ENODEV;
	}
	if (NVME_CAP_MPSMIN(ctrl->cap)) {
		dev_err(&ctrl->dev, "controller has no 4 KiB memory page\n");
		return -ENODEV;
	}
	ctrl->page = t->alloc(ctrl, POLLNVME_PAGE_SIZE, &ctrl->page_addr);
	ctrl->admin = pollnvme_qp_alloc(ctrl, 0, POLLNVME_ADMIN_DEPTH,
					dev_to_node(&ctrl->dev), false);
	if (!ctrl->page || !ctrl->admin)
		goto free;

	/* Whoever had it before may have left it running. */
	err = pollnvme_disable(ctrl);
	if (err) {
		dev_err(&ctrl->dev, "controller does not stop (%d)\n", err);
		t->halt(ctrl);
		goto free;
	}
	err = pollnvme_bring_up(ctrl);
	if (err)
		goto down;
	err = pollnvme_chardev_add(ctrl);
	if (err)
		goto down;
	pollnvme_set_state(ctrl, POLLNVME_LIVE);
	pollnvme_set_ready(ctrl, true);
	dev_info(&ctrl->dev, "%s: %s, %u queues of %u, transfers up to %u KiB%s\n",
		 t->name, ctrl->model, ctrl->nr_live, ctrl->depth,
		 ctrl->max_bytes / 1024, ctrl->vwc ? ", write cache" : "");
	pollnvme_rescan(ctrl);
	pollnvme_events_start(ctrl, false);
	return 0;

down:
	dev_err(&ctrl->dev, "controller does not start (%d)\n", err);
	pollnvme_quiesce(ctrl, false);
free:
	pollnvme_free_queues(ctrl);
	return err;
}

/**
 * pollnvme_ctrl_remove() - detach the disks and stop the controller
 * @ctrl: controller that was started
 * @gone: the hardware is not there any more
 *
 * Returns with no submitter inside the driver and no DMA possible.
 */
void pollnvme_ctrl_remove(struct pollnvme_ctrl *ctrl, bool gone)
{
	pollnvme_set_state(ctrl, POLLNVME_DELETING);
	/* No new reset by request now; one under way may end. */
	flush_work(&ctrl->reset_work);
	/* Paused it will not be resumed, and I/O waits for that. */
	if (gone || ctrl->paused) {
		pollnvme_die(ctrl);
		pollnvme_ns_mark_dead(ctrl);
		pollnvme_mq_thaw(ctrl);
	}
	/* It may be waiting for I/O of a disk that goes. */
	pollnvme_events_stop(ctrl);
	/* Writes back what is dirty, and waits for every submit_bio. */
	mutex_lock(&ctrl->scan_lock);
	pollnvme_ns_remove_all(ctrl);
	mutex_unlock(&ctrl->scan_lock);
	cancel_delayed_work_sync(&ctrl->watch);
	/* Waits for attributes being written, and so for a scan of theirs. */
	pollnvme_chardev_remove(ctrl);
	pollnvme_mq_teardown(ctrl->mq);
	pollnvme_set_state(ctrl, POLLNVME_DEAD);
	/* A command of a user's that is not answered asks for a reset until here... */
	cancel_work_sync(&ctrl->reset_work);
	pollnvme_quiesce(ctrl, !gone);
	pollnvme_chardev_gone(ctrl);
	/* ...and may have queued the work since, for nothing. */
	cancel_work_sync(&ctrl->reset_work);
	pollnvme_free_queues(ctrl);
}

/**
 * pollnvme_ctrl_shutdown() - the machine goes down: tell the controller
 * @ctrl: controller
 */
void pollnvme_ctrl_shutdown(struct pollnvme_ctrl *ctrl)
{
	pollnvme_set_state(ctrl, POLLNVME_DEAD);
	cancel_work_sync(&ctrl->reset_work);
	pollnvme_quiesce(ctrl, true);
	pollnvme_set_ready(ctrl, true);
}
