// SPDX-License-Identifier: GPL-2.0-only
/*
 * The software controller as a transport: memory, registers, life.
 */
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/slab.h>
#include "ram.h"
#include "pollnvme_compat.h"

/* Forgets a queue pair and what is in flight; the lock is held. */
static void pollnvme_ram_queue_clear(struct pollnvme_ram_queue *rq)
{
	rq->sq = NULL;
	rq->cq = NULL;
	rq->sq_head = 0;
	rq->cq_tail = 0;
	rq->phase = 1;
	rq->irq = false;
	rq->flying = 0;
	WRITE_ONCE(rq->next_due, POLLNVME_RAM_NEVER);
	WRITE_ONCE(rq->sq_db, 0);
	WRITE_ONCE(rq->cq_db, 0);
}

/*
 * Not ready was said, so nothing more is fetched. Wait for commands being
 * carried out: after this the controller touches no memory of the host.
 */
static void pollnvme_ram_queue_stop(struct pollnvme_ram_queue *rq)
{
	bool moving;

	do {
		spin_lock_irq(&rq->lock);
		moving = rq->moving;
		if (!moving)
			pollnvme_ram_queue_clear(rq);
		spin_unlock_irq(&rq->lock);
		if (moving)
			usleep_range(20, 100);
	} while (moving);
	hrtimer_cancel(&rq->timer);
	rq->armed = POLLNVME_RAM_NEVER;
}

static void pollnvme_ram_disable(struct pollnvme_ram *ram)
{
	unsigned int i;

	WRITE_ONCE(ram->csts, 0);
	for (i = 0; i <= ram->nr_queues; i++)
		pollnvme_ram_queue_stop(&ram->queues[i]);
}

/* What its channels and bus still had to do is forgotten. */
static void pollnvme_ram_idle(struct pollnvme_ram *ram)
{
	spin_lock_irq(&ram->busy_lock);
	memset(&ram->busy, 0, sizeof(ram->busy));
	spin_unlock_irq(&ram->busy_lock);
}

static void pollnvme_ram_enable(struct pollnvme_ram *ram)
{
	struct pollnvme_ram_queue *rq = &ram->queues[0];

	pollnvme_ram_idle(ram);
	spin_lock_irq(&rq->lock);
	pollnvme_ram_queue_clear(rq);
	rq->sq = phys_to_virt(ram->asq);
	rq->cq = phys_to_virt(ram->acq);
	rq->sq_depth = (ram->aqa & 0xfff) + 1;
	rq->cq_depth = (ram->aqa >> 16 & 0xfff) + 1;
	ram->event_held = false;
	spin_unlock_irq(&rq->lock);
	WRITE_ONCE(ram->csts, NVME_CSTS_RDY);
}

static u32 pollnvme_ram_read32(struct pollnvme_ctrl *ctrl, u32 reg)
{
	struct pollnvme_ram *ram = to_ram(ctrl);

	if (READ_ONCE(ram->dark))
		return ~0u;
	switch (reg) {
	case NVME_REG_VS:
		return NVME_VS(1, 4, 0);
	case NVME_REG_CC:
		return ram->cc;
	case NVME_REG_CSTS:
		return READ_ONCE(ram->csts);
	default:
		return 0;
	}
}

static u64 pollnvme_ram_read64(struct pollnvme_ctrl *ctrl, u32 reg)
{
	if (reg != NVME_REG_CAP)
		return 0;
	/* Entries from zero, contiguous queues, 500 ms, both command sets. */
	return (POLLNVME_QUEUE_DEPTH - 1) | 1ull << 16 | 1ull << 24 |
	       (u64)(NVME_CAP_CSS_NVM | NVME_CAP_CSS_CSI) << 37;
}

static void pollnvme_ram_write_cc(struct pollnvme_ram *ram, u32 value)
{
	u32 changed = ram->cc ^ value;

	if (ram->dark)
		return;
	ram->cc = value;
	if ((value & NVME_CC_SHN_MASK) && (changed & NVME_CC_SHN_MASK)) {
		pollnvme_media_flush(ram->media, 0, ram->media->blocks);
		WRITE_ONCE(ram->csts, ram->csts | NVME_CSTS_SHST_CMPLT);
	}
	if (!(changed & NVME_CC_ENABLE))
		return;
	if (value & NVME_CC_ENABLE)
		pollnvme_ram_enable(ram);
	else
		pollnvme_ram_disable(ram);
}

static void pollnvme_ram_write32(struct pollnvme_ctrl *ctrl, u32 reg, u32 value)
{
	struct pollnvme_ram *ram = to_ram(ctrl);

	if (reg == NVME_REG_CC) {
		mutex_lock(&ram->power);
		pollnvme_ram_write_cc(ram, value);
		mutex_unlock(&ram->power);
	} else if (reg == NVME_REG_AQA) {
		ram->aqa = value;
	}
}

static void pollnvme_ram_write64(struct pollnvme_ctrl *ctrl, u32 reg, u64 value)
{
	if (reg == NVME_REG_ASQ)
		to_ram(ctrl)->asq = value;
	else if (reg == NVME_REG_ACQ)
		to_ram(ctrl)->acq = value;
}

static void *pollnvme_ram_alloc(struct pollnvme_ctrl *ctrl, size_t size,
				u64 *addr)
{
	void *mem = alloc_pages_exact(size, GFP_KERNEL | __GFP_ZERO);

	if (mem)
		*addr = virt_to_phys(mem);
	return mem;
}

static void pollnvme_ram_free(struct pollnvme_ctrl *ctrl, size_t size,
			      void *mem, u64 addr)
{
	free_pages_exact(mem, size);
}

static void pollnvme_ram_setup_qp(struct pollnvme_ctrl *ctrl,
				  struct pollnvme_qp *qp)
{
	struct pollnvme_ram_queue *rq = &to_ram(ctrl)->queues[qp->q.qid];

	rq->qp = qp;
	qp->hw = rq;
}

static void pollnvme_ram_ring_sq(struct pollnvme_qp *qp, u16 tail)
{
	struct pollnvme_ram_queue *rq = qp->hw;

	/* Release: pairs with the acquire in pollnvme_ram_fetch(). */
	smp_store_release(&rq->sq_db, tail);
}

static void pollnvme_ram_ring_cq(struct pollnvme_qp *qp, u16 head)
{
	struct pollnvme_ram_queue *rq = qp->hw;

	/* Release: entries were read before the controller may reuse them. */
	smp_store_release(&rq->cq_db, head);
}

static void pollnvme_ram_halt(struct pollnvme_ctrl *ctrl)
{
	struct pollnvme_ram *ram = to_ram(ctrl);

	mutex_lock(&ram->power);
	pollnvme_ram_disable(ram);
	mutex_unlock(&ram->power);
}

static void pollnvme_ram_release(struct pollnvme_ctrl *ctrl)
{
	struct pollnvme_ram *ram = to_ram(ctrl);

	kvfree(ram->queues);
	kfree(ram);
}

static const struct pollnvme_transport pollnvme_ram_transport = {
	.name		= "ram",
	.read32		= pollnvme_ram_read32,
	.read64		= pollnvme_ram_read64,
	.write32	= pollnvme_ram_write32,
	.write64	= pollnvme_ram_write64,
	.alloc		= pollnvme_ram_alloc,
	.free		= pollnvme_ram_free,
	.setup_qp	= pollnvme_ram_setup_qp,
	.ring_sq	= pollnvme_ram_ring_sq,
	.ring_cq	= pollnvme_ram_ring_cq,
	.drive		= pollnvme_ram_drive,
	.halt		= pollnvme_ram_halt,
	.release	= pollnvme_ram_release,
};

static void pollnvme_ram_set_model(struct pollnvme_ram *ram,
				   const struct pollnvme_ram_config *config)
{
	bool shaped = config->jitter_ns || config->channels ||
		      config->bandwidth_mbs;

	WRITE_ONCE(ram->model.latency_ns, config->latency_ns);
	WRITE_ONCE(ram->model.jitter_ns, config->jitter_ns);
	WRITE_ONCE(ram->model.channels, config->channels);
	WRITE_ONCE(ram->model.bandwidth_mbs, config->bandwidth_mbs);
	WRITE_ONCE(ram->shaped, shaped);
}

/**
 * pollnvme_ram_create() - make a software controller and its disks
 * @media: its contents, which must outlive it and are as @config says
 * @config: what it shall be; at least 1 queue pair
 *
 * Return: the controller or an ERR_PTR.
 */
struct pollnvme_ram *
pollnvme_ram_create(struct pollnvme_media *media,
		    const struct pollnvme_ram_config *config)
{
	unsigned int i, queues = config->queues;
	struct pollnvme_ram *ram;
	int err;

	ram = kzalloc(sizeof(*ram), GFP_KERNEL);
	if (!ram)
		return ERR_PTR(-ENOMEM);
	mutex_init(&ram->power);
	ram->media = media;
	ram->nr_ns = config->namespaces;
	ram->ns_blocks = div_u64(media->blocks, ram->nr_ns);
	ram->active = config->active;
	ram->identity = config->identity;
	ram->kind = config->kind;
	pollnvme_ram_set_model(ram, config);
	spin_lock_init(&ram->busy_lock);
	ram->nr_queues = queues;
	ram->ctrl.max_qps = queues;
	ram->ctrl.max_irqs = queues;
	err = -ENOMEM;
	ram->queues = kvcalloc(queues + 1, sizeof(*ram->queues), GFP_KERNEL);
	if (!ram->queues)
		goto free;
	for (i = 0; i <= queues; i++) {
		struct pollnvme_ram_queue *rq = &ram->queues[i];

		spin_lock_init(&rq->lock);
		hrtimer_setup(&rq->timer, pollnvme_ram_timer, CLOCK_MONOTONIC,
			      HRTIMER_MODE_ABS_PINNED);
		rq->armed = POLLNVME_RAM_NEVER;
		prandom_seed_state(&rq->dice, i);
		pollnvme_ram_queue_clear(rq);
	}
	err = pollnvme_ctrl_init(&ram->ctrl, &pollnvme_ram_transport, NULL);
	if (err)
		goto free;
	err = pollnvme_ctrl_start(&ram->ctrl);
	if (err) {
		put_device(&ram->ctrl.dev);
		return ERR_PTR(err);
	}
	return ram;

free:
	kvfree(ram->queues);
	kfree(ram);
	return ERR_PTR(err);
}

/**
 * pollnvme_ram_change() - change what may change with power on
 * @ram: controller
 * @config: what it shall be now; only @active, @identity and the model
 *	count
 */
void pollnvme_ram_change(struct pollnvme_ram *ram,
			 const struct pollnvme_ram_config *config)
{
	struct pollnvme_ram_queue *rq = &ram->queues[0];

	pollnvme_ram_set_model(ram, config);
	if (ram->active == config->active &&
	    ram->identity == config->identity)
		return;
	spin_lock_irq(&rq->lock);
	WRITE_ONCE(ram->active, config->active);
	WRITE_ONCE(ram->identity, config->identity);
	ram->changed = true;
	/* So that the next look at the admin pair takes the lock. */
	WRITE_ONCE(rq->next_due, 0);
	spin_unlock_irq(&rq->lock);
}

/**
 * pollnvme_ram_destroy() - remove a software controller; its contents stay
 * @ram: from pollnvme_ram_create()
 */
void pollnvme_ram_destroy(struct pollnvme_ram *ram)
{
	pollnvme_ctrl_remove(&ram->ctrl, false);
	put_device(&ram->ctrl.dev);
}

/**
 * pollnvme_ram_cut() - cut its power, and remove what is left of it
 * @ram: from pollnvme_ram_create()
 * @seed: see pollnvme_media_cut()
 *
 * What was under way at that moment is carried out or not, and not answered.
 */
void pollnvme_ram_cut(struct pollnvme_ram *ram, u32 seed)
{
	mutex_lock(&ram->power);
	WRITE_ONCE(ram->dark, true);
	pollnvme_ram_disable(ram);
	mutex_unlock(&ram->power);
	pollnvme_media_cut(ram->media, seed);
	pollnvme_ctrl_remove(&ram->ctrl, true);
	put_device(&ram->ctrl.dev);
}
