// SPDX-License-Identifier: GPL-2.0-only
/*
 * Admin commands of the software controller.
 */
#include <linux/io.h>
#include <linux/mm.h>
#include "ram.h"
#include "pollnvme_compat.h"

static void pollnvme_ram_pad(char *to, size_t size, const char *from)
{
	memset(to, ' ', size);
	memcpy(to, from, min(size, strlen(from)));
}

static bool pollnvme_ram_ident_fault(struct pollnvme_ram *ram,
				     enum pollnvme_ram_fault fault)
{
	return READ_ONCE(ram->fault) == fault &&
	       atomic_dec_if_positive(&ram->fault_count) >= 0;
}

static void pollnvme_ram_id_ctrl(struct pollnvme_ram *ram,
				 struct nvme_id_ctrl *id)
{
	char serial[21];

	snprintf(serial, sizeof(serial), "%*phN", 10, &ram->media->uuid);
	pollnvme_ram_pad(id->sn, sizeof(id->sn), serial);
	pollnvme_ram_pad(id->mn, sizeof(id->mn), "corelane software controller");
	pollnvme_ram_pad(id->fr, sizeof(id->fr), "1");
	id->mdts = ilog2(POLLNVME_MAX_BYTES) - POLLNVME_PAGE_SHIFT;
	id->cntlid = cpu_to_le16(ram->ctrl.instance);
	id->ver = cpu_to_le32(NVME_VS(1, 4, 0));
	id->cntrltype = 1;
	id->acl = 3;
	id->sqes = NVME_NVM_IOSQES << 4 | NVME_NVM_IOSQES;
	id->cqes = NVME_NVM_IOCQES << 4 | NVME_NVM_IOCQES;
	id->oaes = cpu_to_le32(NVME_AEN_CFG_NS_ATTR);
	id->nn = cpu_to_le32(ram->nr_ns);
	id->oncs = cpu_to_le16(NVME_CTRL_ONCS_WRITE_ZEROES);
	id->vwc = ram->media->durable ? NVME_CTRL_VWC_PRESENT : 0;
	if (pollnvme_ram_ident_fault(ram, POLLNVME_FAULT_NOCACHE))
		id->vwc = 0;
	snprintf(id->subnqn, sizeof(id->subnqn),
		 "nqn.2014-08.org.nvmexpress:uuid:%pU", &ram->media->uuid);
}

static void pollnvme_ram_id_ns(struct pollnvme_ram *ram, struct nvme_id_ns *id)
{
	id->nsze = cpu_to_le64(ram->ns_blocks);
	id->ncap = id->nsze;
	id->nuse = id->nsze;
	id->lbaf[0].ds = ram->media->lba_shift;
	if (ram->kind == POLLNVME_KIND_METADATA)
		id->lbaf[0].ms = cpu_to_le16(8);
}

static void pollnvme_ram_id_descs(struct pollnvme_ram *ram, u32 nsid, u8 *page)
{
	page[0] = NVME_NIDT_UUID;
	page[1] = NVME_NIDT_UUID_LEN;
	memcpy(page + 4, &ram->media->uuid, sizeof(ram->media->uuid));
	/* One of its own for each, and of the first that of the contents. */
	page[4 + 15] ^= nsid - 1;
	page[4] ^= READ_ONCE(ram->identity);
	page[20] = NVME_NIDT_CSI;
	page[21] = NVME_NIDT_CSI_LEN;
	page[24] = ram->kind == POLLNVME_KIND_ZONED ? NVME_CSI_ZNS :
						      NVME_CSI_NVM;
}

static void pollnvme_ram_id_list(struct pollnvme_ram *ram, u32 prev,
				 __le32 *list)
{
	u32 nsid;

	for (nsid = 1; nsid <= ram->nr_ns; nsid++)
		if (nsid > prev && pollnvme_ram_is_active(ram, nsid))
			*list++ = cpu_to_le32(nsid);
}

static u16 pollnvme_ram_identify(struct pollnvme_ram *ram,
				 const struct nvme_command *c)
{
	u64 addr = le64_to_cpu(c->identify.dptr.prp1);
	u32 nsid = le32_to_cpu(c->identify.nsid);
	void *page;

	if ((addr & POLLNVME_PAGE_MASK) || !pfn_valid(PHYS_PFN(addr)))
		return NVME_SC_INVALID_FIELD | NVME_STATUS_DNR;
	page = phys_to_virt(addr);
	memset(page, 0, POLLNVME_PAGE_SIZE);
	switch (c->identify.cns) {
	case NVME_ID_CNS_CTRL:
		pollnvme_ram_id_ctrl(ram, page);
		return NVME_SC_SUCCESS;
	case NVME_ID_CNS_NS_ACTIVE_LIST:
		pollnvme_ram_id_list(ram, nsid, page);
		return NVME_SC_SUCCESS;
	case NVME_ID_CNS_NS:
	case NVME_ID_CNS_NS_DESC_LIST:
		if (!nsid || nsid > ram->nr_ns)
			return NVME_SC_INVALID_NS | NVME_STATUS_DNR;
		if (c->identify.cns == NVME_ID_CNS_NS &&
		    pollnvme_ram_ident_fault(ram, POLLNVME_FAULT_IDENT))
			return READ_ONCE(ram->fault_value);
		if (!pollnvme_ram_is_active(ram, nsid))
			return NVME_SC_SUCCESS;	/* all zeroes */
		if (c->identify.cns == NVME_ID_CNS_NS)
			pollnvme_ram_id_ns(ram, page);
		else
			pollnvme_ram_id_descs(ram, nsid, page);
		return NVME_SC_SUCCESS;
	default:
		return NVME_SC_INVALID_FIELD | NVME_STATUS_DNR;
	}
}

static u16 pollnvme_ram_set_features(struct pollnvme_ram *ram,
				     const struct nvme_command *c, u32 *result)
{
	switch (le32_to_cpu(c->features.fid)) {
	case NVME_FEAT_NUM_QUEUES:
		*result = (ram->nr_queues - 1) * 0x10001u;
		return NVME_SC_SUCCESS;
	case NVME_FEAT_ASYNC_EVENT:
		return NVME_SC_SUCCESS;	/* there is one kind of event */
	default:
		return NVME_SC_INVALID_FIELD | NVME_STATUS_DNR;
	}
}

static u16 pollnvme_ram_create_queue(struct pollnvme_ram *ram, u16 qid,
				     u16 size, u64 addr, bool cq, u16 flags)
{
	struct pollnvme_ram_queue *rq;
	u16 status = NVME_SC_SUCCESS;

	if (!qid || qid > ram->nr_queues)
		return NVME_SC_QID_INVALID | NVME_STATUS_DNR;
	if (!size || size >= POLLNVME_QUEUE_DEPTH)
		return NVME_SC_QUEUE_SIZE | NVME_STATUS_DNR;
	if ((addr & POLLNVME_PAGE_MASK) || !pfn_valid(PHYS_PFN(addr)))
		return NVME_SC_INVALID_FIELD | NVME_STATUS_DNR;

	rq = &ram->queues[qid];
	/* The admin pair's lock is held: it is always the outer one. */
	spin_lock_nested(&rq->lock, SINGLE_DEPTH_NESTING);
	if (cq && !rq->cq) {
		rq->cq = phys_to_virt(addr);
		rq->cq_depth = size + 1;
		rq->irq = flags & NVME_CQ_IRQ_ENABLED;
	} else if (!cq && rq->cq && !rq->sq) {
		rq->sq = phys_to_virt(addr);
		rq->sq_depth = size + 1;
	} else {
		status = NVME_SC_QID_INVALID | NVME_STATUS_DNR;
	}
	spin_unlock(&rq->lock);
	return status;
}

static u32 pollnvme_ram_abort(struct pollnvme_ram *ram,
			      const struct nvme_command *c)
{
	u16 qid = le16_to_cpu(c->abort.sqid);
	struct pollnvme_ram_queue *rq;
	u32 missed = 1;
	u64 left;

	if (!qid || qid > ram->nr_queues)
		return missed;
	rq = &ram->queues[qid];
	spin_lock_nested(&rq->lock, SINGLE_DEPTH_NESTING);
	for (left = rq->flying; left; left &= left - 1) {
		struct pollnvme_ram_flight *flight =
			&rq->flight[__ffs64(left)];

		/* Being carried out: it ends by itself. */
		if (flight->cid != c->abort.cid ||
		    flight->due == POLLNVME_RAM_NEVER)
			continue;
		flight->status = NVME_SC_ABORT_REQ;
		flight->due = 0;
		WRITE_ONCE(rq->next_due, 0);
		pollnvme_ram_arm(rq);
		missed = 0;
	}
	spin_unlock(&rq->lock);
	return missed;
}

/**
 * pollnvme_ram_admin() - carry out an admin command
 * @ram: controller; the admin pair's lock is held
 * @c: command
 * @result: double word 0 of the completion
 *
 * Return: NVMe status.
 */
u16 pollnvme_ram_admin(struct pollnvme_ram *ram, const struct nvme_command *c,
		       u32 *result)
{
	switch (c->common.opcode) {
	case nvme_admin_identify:
		return pollnvme_ram_identify(ram, c);
	case nvme_admin_set_features:
		return pollnvme_ram_set_features(ram, c, result);
	case nvme_admin_get_features:
		return pollnvme_ram_get_features(ram, c, result);
	case nvme_admin_get_log_page:
		return pollnvme_ram_get_log(ram, c);
	case nvme_admin_async_event:
		return NVME_SC_ASYNC_LIMIT | NVME_STATUS_DNR;
	case nvme_admin_create_cq:
		return pollnvme_ram_create_queue(ram,
						 le16_to_cpu(c->create_cq.cqid),
						 le16_to_cpu(c->create_cq.qsize),
						 le64_to_cpu(c->create_cq.prp1),
						 true,
						 le16_to_cpu(c->create_cq.cq_flags));
	case nvme_admin_create_sq:
		return pollnvme_ram_create_queue(ram,
						 le16_to_cpu(c->create_sq.sqid),
						 le16_to_cpu(c->create_sq.qsize),
						 le64_to_cpu(c->create_sq.prp1),
						 false, 0);
	case nvme_admin_abort_cmd:
		*result = pollnvme_ram_abort(ram, c);
		return NVME_SC_SUCCESS;
	default:
		return NVME_SC_INVALID_OPCODE | NVME_STATUS_DNR;
	}
}
