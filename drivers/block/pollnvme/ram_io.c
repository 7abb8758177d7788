// SPDX-License-Identifier: GPL-2.0-only
/*
 * The software controller at work: fetch commands, carry them out, post
 * completions when they are due. A command's data is moved when it is
 * fetched, inside the time the modelled device takes.
 */
#include <linux/highmem.h>
#include <linux/io.h>
#include <linux/mm.h>
#include "ram.h"

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
			memcpy(ram->store + pos, mem + offset, here);
		else
			memcpy(mem + offset, ram->store + pos, here);
		kunmap_local(mem);
		pos += here;
	}
	return more < 0 ? NVME_SC_PRP_INVALID_OFFSET : NVME_SC_SUCCESS;
}

static u16 pollnvme_ram_rw(struct pollnvme_ram *ram,
			   const struct nvme_command *c)
{
	u64 lba = le64_to_cpu(c->rw.slba), total = ram->size >> ram->lba_shift;
	u32 blocks = le16_to_cpu(c->rw.length) + 1;
	u64 len = (u64)blocks << ram->lba_shift;

	if (lba >= total || blocks > total - lba)
		return NVME_SC_LBA_RANGE | NVME_STATUS_DNR;
	if (c->rw.opcode == nvme_cmd_write_zeroes) {
		memset(ram->store + (lba << ram->lba_shift), 0, len);
		return NVME_SC_SUCCESS;
	}
	if (len > POLLNVME_MAX_BYTES)
		return NVME_SC_INVALID_FIELD | NVME_STATUS_DNR;
	return pollnvme_ram_copy(ram, c, lba << ram->lba_shift, len);
}

static u16 pollnvme_ram_command(struct pollnvme_ram *ram,
				const struct nvme_command *c)
{
	if (le32_to_cpu(c->common.nsid) != 1)
		return NVME_SC_INVALID_NS | NVME_STATUS_DNR;
	switch (c->common.opcode) {
	case nvme_cmd_read:
	case nvme_cmd_write:
	case nvme_cmd_write_zeroes:
		return pollnvme_ram_rw(ram, c);
	case nvme_cmd_flush:
		return NVME_SC_SUCCESS;	/* nothing is cached */
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

/* Admin commands are answered at once, the others take their time. */
static void pollnvme_ram_start(struct pollnvme_ram *ram,
			       struct pollnvme_ram_queue *rq, u16 qid,
			       const struct nvme_command *c, u64 now)
{
	struct pollnvme_ram_flight *flight;
	u32 result = 0;
	u16 status;

	if (!qid) {
		status = pollnvme_ram_admin(ram, c, &result);
		pollnvme_ram_post(rq, qid, c->common.command_id, status,
				  result);
		return;
	}
	flight = &rq->flight[rq->flights++];
	flight->cid = c->common.command_id;
	flight->due = now + READ_ONCE(ram->latency_ns);
	flight->status = pollnvme_ram_command(ram, c);
}

static void pollnvme_ram_fetch(struct pollnvme_ram *ram,
			       struct pollnvme_ram_queue *rq, u16 qid, u64 now)
{
	/* Acquire: the entries before the doorbell are seen with it. */
	u32 tail = smp_load_acquire(&rq->sq_db);

	while (rq->sq && rq->cq && tail < rq->sq_depth &&
	       rq->sq_head != tail && rq->flights < POLLNVME_QUEUE_DEPTH) {
		struct nvme_command c;

		if (!qid && pollnvme_ram_cq_full(rq))
			break;
		c = rq->sq[rq->sq_head];
		WRITE_ONCE(rq->sq_head, (rq->sq_head + 1) % rq->sq_depth);
		pollnvme_ram_start(ram, rq, qid, &c, now);
	}
}

static void pollnvme_ram_post_due(struct pollnvme_ram_queue *rq, u16 qid)
{
	u64 now = ktime_get_ns(), next = U64_MAX;
	unsigned int i = 0;

	while (rq->cq && i < rq->flights) {
		struct pollnvme_ram_flight *flight = &rq->flight[i];

		if (flight->due > now || pollnvme_ram_cq_full(rq)) {
			next = min(next, flight->due);
			i++;
			continue;
		}
		pollnvme_ram_post(rq, qid, flight->cid, flight->status, 0);
		*flight = rq->flight[--rq->flights];
	}
	WRITE_ONCE(rq->next_due, next);
}

/**
 * pollnvme_ram_drive() - let the controller work on a queue pair
 * @qp: pair that is polled
 */
void pollnvme_ram_drive(struct pollnvme_qp *qp)
{
	struct pollnvme_ram *ram = to_ram(qp->ctrl);
	struct pollnvme_ram_queue *rq = qp->hw;
	u64 now = ktime_get_ns();

	/* Hints, so that a spinner writes no line while there is no work. */
	if (READ_ONCE(rq->sq_db) == READ_ONCE(rq->sq_head) &&
	    now < READ_ONCE(rq->next_due))
		return;
	if (!spin_trylock(&rq->lock))
		return;		/* another poller drives it */
	if (READ_ONCE(ram->csts) & NVME_CSTS_RDY) {
		pollnvme_ram_fetch(ram, rq, qp->q.qid, now);
		pollnvme_ram_post_due(rq, qp->q.qid);
	}
	spin_unlock(&rq->lock);
}
