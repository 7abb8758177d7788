// SPDX-License-Identifier: GPL-2.0-only
/*
 * One NVMe command: from a bio, its data's addresses, its status.
 */
#include "pollnvme.h"

static enum dma_data_direction pollnvme_dir(const struct bio *bio)
{
	return op_is_write(bio_op(bio)) ? DMA_TO_DEVICE : DMA_FROM_DEVICE;
}

static bool pollnvme_has_data(const struct bio *bio)
{
	return bio && (bio_op(bio) == REQ_OP_READ || bio_op(bio) == REQ_OP_WRITE);
}

/**
 * pollnvme_cmd_flush() - make a Flush
 * @ns: namespace
 * @cmd: filled in
 */
void pollnvme_cmd_flush(struct pollnvme_ns *ns, struct pollnvme_cmd *cmd)
{
	memset(cmd, 0, sizeof(*cmd));
	cmd->c.common.opcode = nvme_cmd_flush;
	cmd->c.common.nsid = cpu_to_le32(ns->nsid);
}

/**
 * pollnvme_cmd_from_bio() - make the command a bio asks for
 * @ns: namespace
 * @bio: bio within the queue limits, REQ_PREFLUSH already done
 * @cmd: filled in
 * @range: room for a discard's range
 *
 * Return: BLK_STS_OK, BLK_STS_IOERR for parts of a block, or BLK_STS_NOTSUPP
 * for an operation not advertised.
 */
blk_status_t pollnvme_cmd_from_bio(struct pollnvme_ns *ns, struct bio *bio,
				   struct pollnvme_cmd *cmd,
				   struct nvme_dsm_range *range)
{
	u64 lba = bio->bi_iter.bi_sector >> (ns->lba_shift - SECTOR_SHIFT);
	u32 blocks = bio->bi_iter.bi_size >> ns->lba_shift;
	sector_t odd = (1u << (ns->lba_shift - SECTOR_SHIFT)) - 1;

	memset(cmd, 0, sizeof(*cmd));
	/* Nobody else checks a bio disk's bios; zero blocks would be 65536. */
	if (unlikely(!blocks || (bio->bi_iter.bi_sector & odd) ||
		     (bio_sectors(bio) & odd)))
		return BLK_STS_IOERR;
	cmd->bio = bio;
	cmd->c.common.nsid = cpu_to_le32(ns->nsid);

	switch (bio_op(bio)) {
	case REQ_OP_READ:
	case REQ_OP_WRITE:
		cmd->c.rw.opcode = bio_op(bio) == REQ_OP_READ ? nvme_cmd_read :
							       nvme_cmd_write;
		cmd->c.rw.slba = cpu_to_le64(lba);
		cmd->c.rw.length = cpu_to_le16(blocks - 1);
		if (bio->bi_opf & REQ_FUA)
			cmd->c.rw.control |= cpu_to_le16(NVME_RW_FUA);
		return BLK_STS_OK;
	case REQ_OP_WRITE_ZEROES:
		cmd->c.write_zeroes.opcode = nvme_cmd_write_zeroes;
		cmd->c.write_zeroes.slba = cpu_to_le64(lba);
		cmd->c.write_zeroes.length = cpu_to_le16(blocks - 1);
		if (bio->bi_opf & REQ_FUA)
			cmd->c.write_zeroes.control |= cpu_to_le16(NVME_RW_FUA);
		return BLK_STS_OK;
	case REQ_OP_DISCARD:
		range->cattr = 0;
		range->nlb = cpu_to_le32(blocks);
		range->slba = cpu_to_le64(lba);
		cmd->range = range;
		cmd->c.dsm.opcode = nvme_cmd_dsm;
		cmd->c.dsm.nr = 0;	/* one range, counted from zero */
		cmd->c.dsm.attributes = cpu_to_le32(NVME_DSMGMT_AD);
		return BLK_STS_OK;
	default:
		return BLK_STS_NOTSUPP;
	}
}

static int pollnvme_map_bvec(struct pollnvme_cmd *cmd, struct bio_vec *bv,
			     u64 *addr)
{
	struct device *dev = cmd->qp->ctrl->dma_dev;

	if (!dev) {
		*addr = page_to_phys(bv->bv_page) + bv->bv_offset;
		return 0;
	}
	*addr = dma_map_page(dev, bv->bv_page, bv->bv_offset, bv->bv_len,
			     pollnvme_dir(cmd->bio));
	return dma_mapping_error(dev, *addr);
}

/**
 * pollnvme_cmd_is_simple() - whether the command's own pointers are enough
 * @cmd: command
 *
 * Return: true without data, and for one piece of memory within two pages,
 * the usual case: it needs neither address array nor PRP list.
 */
bool pollnvme_cmd_is_simple(const struct pollnvme_cmd *cmd)
{
	struct bio_vec bv;

	if (cmd->range)
		return false;
	if (!pollnvme_has_data(cmd->bio))
		return true;
	bv = mp_bvec_iter_bvec(cmd->bio->bi_io_vec, cmd->bio->bi_iter);
	return bv.bv_len == cmd->bio->bi_iter.bi_size &&
	       (bv.bv_offset & POLLNVME_PAGE_MASK) + bv.bv_len <=
	       2 * POLLNVME_PAGE_SIZE;
}

/**
 * pollnvme_cmd_map_simple() - map a command that needs no slot for it
 * @cmd: command for which pollnvme_cmd_is_simple() holds
 *
 * Return: 0, or why it could not be mapped; after an error
 * pollnvme_cmd_unmap() must be called.
 */
int pollnvme_cmd_map_simple(struct pollnvme_cmd *cmd)
{
	union nvme_data_ptr *dptr = &cmd->c.common.dptr;
	struct pollnvme_prp prp;
	struct bio_vec bv;
	int err;

	if (!pollnvme_has_data(cmd->bio))
		return 0;
	bv = mp_bvec_iter_bvec(cmd->bio->bi_io_vec, cmd->bio->bi_iter);
	err = pollnvme_map_bvec(cmd, &bv, &cmd->addr);
	if (unlikely(err))
		return err;
	cmd->segments = 1;
	pollnvme_prp_begin(&prp, NULL, 0, 0);
	err = pollnvme_prp_add(&prp, cmd->addr, bv.bv_len);
	pollnvme_prp_end(&prp, &dptr->prp1, &dptr->prp2);
	return err;
}

/**
 * pollnvme_cmd_map() - make the data reachable and fill in the pointers
 * @cmd: command that has a slot
 *
 * For the commands that pollnvme_cmd_map_simple() does not take. After an error
 * pollnvme_cmd_unmap() must be called.
 *
 * Return: 0, or why it could not be mapped.
 */
int pollnvme_cmd_map(struct pollnvme_cmd *cmd)
{
	struct pollnvme_slot *slot = &cmd->qp->slots[cmd->slot];
	union nvme_data_ptr *dptr = &cmd->c.common.dptr;
	struct pollnvme_prp prp;
	struct bvec_iter iter;
	struct bio_vec bv;

	if (cmd->range) {
		memcpy(slot->prp, cmd->range, sizeof(*cmd->range));
		dptr->prp1 = cpu_to_le64(slot->prp_addr);
		return 0;
	}
	pollnvme_prp_begin(&prp, slot->prp, slot->prp_addr,
			   cmd->qp->prp_entries);
	bio_for_each_bvec(bv, cmd->bio, iter) {
		u64 addr;
		int err;

		if (cmd->segments == POLLNVME_MAX_SEGMENTS)
			return -E2BIG;
		err = pollnvme_map_bvec(cmd, &bv, &addr);
		if (err)
			return err;
		if (!cmd->segments)
			cmd->addr = addr;
		else
			slot->addrs[cmd->segments] = addr;
		cmd->segments++;
		err = pollnvme_prp_add(&prp, addr, bv.bv_len);
		if (err)
			return err;
	}
	pollnvme_prp_end(&prp, &dptr->prp1, &dptr->prp2);
	return 0;
}

/**
 * pollnvme_cmd_unmap() - give the data back to the CPU
 * @cmd: command that the controller no longer knows
 */
void pollnvme_cmd_unmap(struct pollnvme_cmd *cmd)
{
	struct device *dev = cmd->qp->ctrl->dma_dev;
	struct bvec_iter iter;
	unsigned int n = 0;
	struct bio_vec bv;

	if (!dev || !cmd->segments)
		return;
	bio_for_each_bvec(bv, cmd->bio, iter) {
		struct pollnvme_slot *slot = &cmd->qp->slots[cmd->slot];

		if (n == cmd->segments)
			break;
		dma_unmap_page(dev, n ? slot->addrs[n] : cmd->addr, bv.bv_len,
			       pollnvme_dir(cmd->bio));
		n++;
	}
}

/**
 * pollnvme_status_to_blk() - what an NVMe status means to the block layer
 * @status: status field without phase
 *
 * Return: block status.
 */
blk_status_t pollnvme_status_to_blk(u16 status)
{
	switch (status & 0x7ff) {
	case NVME_SC_SUCCESS:
		return BLK_STS_OK;
	case NVME_SC_CAP_EXCEEDED:
		return BLK_STS_NOSPC;
	case NVME_SC_INVALID_OPCODE:
		return BLK_STS_NOTSUPP;
	case NVME_SC_ABORT_REQ:
		return BLK_STS_TIMEOUT;
	case NVME_SC_READ_ERROR:
	case NVME_SC_WRITE_FAULT:
		return BLK_STS_MEDIUM;
	default:
		return BLK_STS_IOERR;
	}
}

/**
 * pollnvme_status_may_retry() - whether sending the command again may help
 * @status: status field without phase, not zero
 *
 * Return: true for what passes: a reset of ours, a namespace not ready yet,
 * a command interrupted by the controller.
 */
bool pollnvme_status_may_retry(u16 status)
{
	if (status & NVME_STATUS_DNR)
		return false;
	switch (status & 0x7ff) {
	case NVME_SC_HOST_ABORTED_CMD:
	case NVME_SC_NS_NOT_READY:
	case NVME_SC_CMD_INTERRUPTED:
		return true;
	default:
		return false;
	}
}
