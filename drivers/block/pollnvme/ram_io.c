// SPDX-License-Identifier: GPL-2.0-only
/*
 * The software controller at work: fetch commands, carry them out, post
 * completions when they are due; where the pair has interrupts a timer posts.
 * A command's data is moved when it is fetched, inside the time the modelled
 * device takes.
 */
#include <linux/highmem.h>
#include <linux/io.h>
#include <linux/mm.h>
#include "ram.h"
#include "pollnvme_compat.h"

/*
 * Whole pages by copy_page(): where the processor has no fast short copies,
 * memcpy() moves eight bytes at a time and waits for every line's miss, which
 * made a 4 KiB read later than the latency that was asked for.
 */
static void pollnvme_ram_move(void *to, const void *from, u32 len)
{
	if (len == PAGE_SIZE && PAGE_ALIGNED(to) && PAGE_ALIGNED(from))
		copy_page(to, (void *)from);
	else
		memcpy(to, from, len);
}

static u16 pollnvme_ram_copy(struct pollnvme_ram *ram,
			     const struct nvme_command *c, u64 pos, u32 len)
{
	bool write = c->rw.opcode == nvme_cmd_write;
	struct pollnvme_prp_walk walk;
	u64 addr, prp2 = le64_to_cpu(c->rw.dptr.prp2);
	u32 here;
	int more;

	if (pollnvme_prp_walk_begin(&walk, le64_to_cpu(c->rw.dptr.prp1), prp2,
				    len)) {
		if (!pfn_valid(PHYS_PFN(prp2)))
			return NVME_SC_DATA_XFER_ERROR;
		walk.list = phys_to_virt(prp2);
	}
	while ((more = pollnvme_prp_walk_next(&walk, &addr, &here)) > 0) {
		u32 offset = offset_in_page(addr);
		void *mem;

		if (!pfn_valid(PHYS_PFN(addr)))
			return NVME_SC_DATA_XFER_ERROR;
		mem = kmap_local_page(pfn_to_page(PHYS_PFN(addr)));
		if (write)
			pollnvme_ram_move(ram->media->store + pos, mem + offset, here);
		else
			pollnvme_ram_move(mem + offset, ram->media->store + pos, here);
		kunmap_local(mem);
		pos += here;
	}
	return more < 0 ? NVME_SC_PRP_INVALID_OFFSET : NVME_SC_SUCCESS;
}

static u16 pollnvme_ram_move_all(struct pollnvme_ram *ram,
				 const struct nvme_command *c, u64 lba, u32 blocks)
{
	struct pollnvme_media *media = ram->media;
	u64 pos = lba << media->lba_shift, len = (u64)blocks << media->lba_shift;

	if (c->rw.opcode == nvme_cmd_write_zeroes) {
		memset(media->store + pos, 0, len);
		return NVME_SC_SUCCESS;
	}
	if (len > POLLNVME_MAX_BYTES)
		return NVME_SC_INVALID_FIELD | NVME_STATUS_DNR;
	return pollnvme_ram_copy(ram, c, pos, len);
}

static u16 pollnvme_ram_rw(struct pollnvme_ram *ram,
			   const struct nvme_command *c)
{
	struct pollnvme_media *media = ram->media;
	u32 blocks = le16_to_cpu(c->rw.length) + 1;
	u64 lba = le64_to_cpu(c->rw.slba);
	u16 status;

	/* Of an active namespace: pollnvme_ram_command() has looked. */
	if (lba >= ram->ns_blocks || blocks > ram->ns_blocks - lba)
		return NVME_SC_LBA_RANGE | NVME_STATUS_DNR;
	lba += (le32_to_cpu(c->rw.nsid) - 1) * ram->ns_blocks;
	if (c->rw.opcode == nvme_cmd_read || !media->durable)
		return pollnvme_ram_move_all(ram, c, lba, blocks);

	read_lock(&media->lock);
	status = pollnvme_ram_move_all(ram, c, lba, blocks);
	/* A write that failed half way wrote that half. */
	pollnvme_media_wrote(media, lba, blocks);
	read_unlock(&media->lock);
	if (c->rw.control & cpu_to_le16(NVME_RW_FUA))
		pollnvme_media_flush(media, lba, blocks);
	return status;
}

static u16 pollnvme_ram_command(struct pollnvme_ram *ram,
				const struct nvme_command *c)
{
	if (!pollnvme_ram_is_active(ram, le32_to_cpu(c->common.nsid)))
		return NVME_SC_INVALID_NS | NVME_STATUS_DNR;
	switch (c->common.opcode) {
	case nvme_cmd_read:
	case nvme_cmd_write:
	case nvme_cmd_write_zeroes:
		return pollnvme_ram_rw(ram, c);
	case nvme_cmd_flush:
		pollnvme_media_flush(ram->media, 0, ram->media->blocks);
		return NVME_SC_SUCCESS;
	default:
		return NVME_SC_INVALID_OPCODE | NVME_STATUS_DNR;
	}
}

static bool pollnvme_ram_cq_full(const struct pollnvme_ram_queue *rq)
{
	/* Acquire: pairs with the release in pollnvme_ram_ring_cq(). */
	u32 head = smp_load_acquire(&rq->cq_db);

	return (rq->cq_tail + 1) % rq->cq_depth == head;
}

static void pollnvme_ram_post(struct pollnvme_ram_queue *rq, u16 qid, u16 cid,
			      u16 status, u32 result)
{
	struct nvme_completion *cqe = &rq->cq[rq->cq_tail];

	cqe->result.u64 = cpu_to_le64(result);
	cqe->sq_head = cpu_to_le16(rq->sq_head);
	cqe->sq_id = cpu_to_le16(qid);
	cqe->command_id = cid;
	/*
	 * The phase says that the entry, and the data, are there: it goes
	 * last. Pairs with dma_rmb() in pollnvme_queue_pop().
	 */
	dma_wmb();
	WRITE_ONCE(cqe->status, cpu_to_le16(status << 1 | rq->phase));
	if (++rq->cq_tail == rq->cq_depth) {
		rq->cq_tail = 0;
		rq->phase ^= 1;
	}
}

/* Says that the namespaces changed, if anybody asked; the lock is held. */
static void pollnvme_ram_event(struct pollnvme_ram *ram,
			       struct pollnvme_ram_queue *rq)
{
	/* Disabled it has no queue, but may still have the request. */
	if (!rq->cq || !ram->event_held || !ram->changed ||
	    pollnvme_ram_cq_full(rq))
		return;
	ram->event_held = false;
	pollnvme_ram_post(rq, 0, ram->event_cid, NVME_SC_SUCCESS,
			  NVME_AER_NOTICE | NVME_AER_NOTICE_NS_CHANGED << 8 |
			  NVME_LOG_CHANGED_NS << 16);
}

/*
 * Admin commands are answered at once, and by the book: under the lock. The
 * request for an event waits for one.
 */
static void pollnvme_ram_answer(struct pollnvme_ram *ram,
				struct pollnvme_ram_queue *rq)
{
	struct nvme_command c;
	u32 result = 0;
	u16 status;

	c = rq->sq[rq->sq_head];
	WRITE_ONCE(rq->sq_head, (rq->sq_head + 1) % rq->sq_depth);
	if (c.common.opcode == nvme_admin_async_event && !ram->event_held) {
		ram->event_held = true;
		ram->event_cid = c.common.command_id;
		return;
	}
	status = pollnvme_ram_admin(ram, &c, &result);
	pollnvme_ram_post(rq, 0, c.common.command_id, status, result);
}

/* Whether a command waits and can be taken in; the lock is held. */
static bool pollnvme_ram_wanted(struct pollnvme_ram *ram,
				struct pollnvme_ram_queue *rq)
{
	/* Acquire: the entries before the doorbell are seen with it. */
	u32 tail = smp_load_acquire(&rq->sq_db);

	return (READ_ONCE(ram->csts) & NVME_CSTS_RDY) && rq->sq && rq->cq &&
	       tail < rq->sq_depth && rq->sq_head != tail && ~rq->flying;
}

/* What goes wrong with this command. */
static unsigned int pollnvme_ram_fault(struct pollnvme_ram *ram)
{
	if (likely(!atomic_read(&ram->fault_count)) ||
	    READ_ONCE(ram->fault) >= POLLNVME_FAULT_IDENT ||
	    atomic_dec_if_positive(&ram->fault_count) < 0)
		return POLLNVME_FAULT_NONE;
	return READ_ONCE(ram->fault);
}

/*
 * When a command completes that waits for more than a latency; the pair's lock
 * is held. Not inlined: the usual command needs none of its registers.
 */
static noinline u64 pollnvme_ram_model(struct pollnvme_ram *ram,
				       struct pollnvme_ram_queue *rq,
				       const struct nvme_command *c)
{
	struct pollnvme_model model = {
		.latency_ns = READ_ONCE(ram->model.latency_ns),
		.jitter_ns = READ_ONCE(ram->model.jitter_ns),
		.channels = READ_ONCE(ram->model.channels),
		.bandwidth_mbs = READ_ONCE(ram->model.bandwidth_mbs),
	};
	u64 due, start = READ_ONCE(rq->qp->rung_ns), pos = 0;
	u32 chance = prandom_u32_state(&rq->dice), len = 0;

	if (!model.channels && !model.bandwidth_mbs)
		return pollnvme_model_due(&model, NULL, start, pos, len, chance);
	if (c->common.opcode == nvme_cmd_read ||
	    c->common.opcode == nvme_cmd_write) {
		pos = le64_to_cpu(c->rw.slba) << ram->media->lba_shift;
		len = (le16_to_cpu(c->rw.length) + 1) << ram->media->lba_shift;
	}
	spin_lock(&ram->busy_lock);
	due = pollnvme_model_due(&model, &ram->busy, start, pos, len, chance);
	spin_unlock(&ram->busy_lock);
	return due;
}

/* When a command completes; the pair's lock is held. */
static u64 pollnvme_ram_due(struct pollnvme_ram *ram,
			    struct pollnvme_ram_queue *rq,
			    const struct nvme_command *c)
{
	if (unlikely(READ_ONCE(ram->shaped)))
		return pollnvme_ram_model(ram, rq, c);
	/* The latency counts from the doorbell, whenever we come to look. */
	return READ_ONCE(rq->qp->rung_ns) + READ_ONCE(ram->model.latency_ns);
}

/* Fetches a command and carries it out; the lock is held, but not meanwhile. */
static void pollnvme_ram_fly(struct pollnvme_ram *ram,
			     struct pollnvme_ram_queue *rq, unsigned long *flags)
	__must_hold(&rq->lock)
{
	unsigned int n = __ffs64(~rq->flying);
	struct pollnvme_ram_flight *flight = &rq->flight[n];
	unsigned int fault = pollnvme_ram_fault(ram);
	struct nvme_command c __uninitialized;
	u16 status;
	u64 due;

	c = rq->sq[rq->sq_head];
	WRITE_ONCE(rq->sq_head, (rq->sq_head + 1) % rq->sq_depth);
	due = pollnvme_ram_due(ram, rq, &c);
	rq->flying |= 1ull << n;
	flight->cid = c.common.command_id;
	flight->due = POLLNVME_RAM_NEVER;
	rq->moving++;
	spin_unlock_irqrestore(&rq->lock, *flags);

	/* Up to a megabyte is moved: with interrupts, and beside others. */
	if (unlikely(fault == POLLNVME_FAULT_STATUS))
		status = READ_ONCE(ram->fault_value);
	else
		status = pollnvme_ram_command(ram, &c);
	if (unlikely(fault == POLLNVME_FAULT_LATE))
		due += READ_ONCE(ram->fault_value) * (u64)NSEC_PER_MSEC;

	spin_lock_irqsave(&rq->lock, *flags);
	rq->moving--;
	if (unlikely(fault == POLLNVME_FAULT_LOST)) {
		rq->flying &= ~(1ull << n);
		return;
	}
	flight->status = status;
	flight->fault = fault;
	flight->due = due;
	WRITE_ONCE(rq->next_due, min(rq->next_due, due));
}

/* A completion that lies, before or beside the true one. */
static void pollnvme_ram_lie(struct pollnvme_ram_queue *rq,
			     struct pollnvme_ram_flight *flight)
{
	u16 qid = rq->qp->q.qid, cid = flight->cid;

	switch (flight->fault) {
	case POLLNVME_FAULT_UNKNOWN:
		cid ^= 1u << POLLNVME_ID_SLOT_BITS;	/* an earlier use */
		break;
	case POLLNVME_FAULT_FOREIGN:
		qid++;
		break;
	case POLLNVME_FAULT_TWICE:
		break;
	default:
		return;
	}
	flight->fault = POLLNVME_FAULT_NONE;
	pollnvme_ram_post(rq, qid, cid, flight->status, 0);
}

static void pollnvme_ram_post_due(struct pollnvme_ram_queue *rq, u64 now)
{
	u64 next = POLLNVME_RAM_NEVER;
	u64 left = rq->flying;

	while (rq->cq && left) {
		unsigned int n = __ffs64(left);
		struct pollnvme_ram_flight *flight = &rq->flight[n];

		left &= left - 1;
		if (flight->due > now || pollnvme_ram_cq_full(rq)) {
			next = min(next, flight->due);
			continue;
		}
		if (unlikely(flight->fault != POLLNVME_FAULT_NONE)) {
			pollnvme_ram_lie(rq, flight);
			if (pollnvme_ram_cq_full(rq)) {
				next = 0;	/* the lie took the last entry */
				continue;
			}
		}
		pollnvme_ram_post(rq, rq->qp->q.qid, flight->cid,
				  flight->status, 0);
		rq->flying &= ~(1ull << n);
	}
	WRITE_ONCE(rq->next_due, next);
}

/**
 * pollnvme_ram_arm() - have the timer go off when the next completion is due
 * @rq: pair; its lock is held. One without interrupts needs no timer
 *
 * Pinned: the interrupt comes to the CPU that submitted.
 */
void pollnvme_ram_arm(struct pollnvme_ram_queue *rq)
{
	if (!rq->irq || rq->next_due >= rq->armed)
		return;
	rq->armed = rq->next_due;
	hrtimer_start(&rq->timer, ns_to_ktime(rq->armed),
		      HRTIMER_MODE_ABS_PINNED);
}

/**
 * pollnvme_ram_timer() - the interrupt: post what is due, tell the host
 * @timer: of a pair with interrupts
 *
 * Return: HRTIMER_NORESTART; it is armed again here when more is in flight.
 */
enum hrtimer_restart pollnvme_ram_timer(struct hrtimer *timer)
{
	struct pollnvme_ram_queue *rq =
		container_of(timer, struct pollnvme_ram_queue, timer);
	unsigned long flags;

	spin_lock_irqsave(&rq->lock, flags);
	rq->armed = POLLNVME_RAM_NEVER;
	pollnvme_ram_post_due(rq, ktime_get_ns());
	spin_unlock_irqrestore(&rq->lock, flags);

	pollnvme_qp_irq(rq->qp);

	/* After the host took completions: what found the ring full fits now. */
	spin_lock_irqsave(&rq->lock, flags);
	pollnvme_ram_arm(rq);
	spin_unlock_irqrestore(&rq->lock, flags);
	return HRTIMER_NORESTART;
}

/* Out of line: a look that finds no work sets up no entry. */
static noinline void pollnvme_ram_work(struct pollnvme_qp *qp, u64 now)
{
	struct pollnvme_ram *ram = to_ram(qp->ctrl);
	struct pollnvme_ram_queue *rq = qp->hw;
	unsigned int n = POLLNVME_QUEUE_DEPTH;
	unsigned long flags;

	spin_lock_irqsave(&rq->lock, flags);
	/* Bounded: whoever rings the doorbell comes here, too. */
	while (n-- && pollnvme_ram_wanted(ram, rq)) {
		if (qp->q.qid)
			pollnvme_ram_fly(ram, rq, &flags);
		else if (!pollnvme_ram_cq_full(rq))
			pollnvme_ram_answer(ram, rq);
	}
	if (unlikely(!qp->q.qid))
		pollnvme_ram_event(ram, rq);
	if (rq->irq)
		pollnvme_ram_arm(rq);
	else
		pollnvme_ram_post_due(rq, now);
	spin_unlock_irqrestore(&rq->lock, flags);
}

/**
 * pollnvme_ram_drive() - let the controller work on a queue pair
 * @qp: pair that is polled, or whose doorbell was rung
 *
 * Context: process.
 */
void pollnvme_ram_drive(struct pollnvme_qp *qp)
{
	struct pollnvme_ram_queue *rq = qp->hw;
	u64 now = ktime_get_ns();

	/* Hints, so that a spinner writes no line while there is no work. */
	if (READ_ONCE(rq->sq_db) != READ_ONCE(rq->sq_head) ||
	    now >= READ_ONCE(rq->next_due))
		pollnvme_ram_work(qp, now);
}
