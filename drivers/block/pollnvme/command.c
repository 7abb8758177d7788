// SPDX-License-Identifier: GPL-2.0-only
/*
 * One NVMe command: from a request, its data's addresses, its status.
 */
#include "command.h"
#include "pollnvme_compat.h"

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
 * pollnvme_cmd_from_rq() - make the command a request asks for
 * @ns: namespace
 * @rq: request of a blk-mq disk
 * @cmd: filled in
 * @range: room for a discard's range
 *
 * Return: BLK_STS_OK, or BLK_STS_NOTSUPP for an operation not advertised.
 */
blk_status_t pollnvme_cmd_from_rq(struct pollnvme_ns *ns, struct request *rq,
				  struct pollnvme_cmd *cmd,
				  struct nvme_dsm_range *range)
{
	if (req_op(rq) == REQ_OP_FLUSH) {
		pollnvme_cmd_flush(ns, cmd);
		cmd->rq = rq;
		return BLK_STS_OK;
	}
	memset(cmd, 0, sizeof(*cmd));
	cmd->rq = rq;
	cmd->bio = rq->bio;
	return pollnvme_cmd_fill(ns, cmd, rq->cmd_flags, blk_rq_pos(rq),
				 blk_rq_bytes(rq), range);
}

/* Where in the data of a command its next piece begins. */
struct pollnvme_pieces {
	struct bio *bio;
	struct bvec_iter iter;
};

static void pollnvme_pieces_begin(struct pollnvme_pieces *at,
				  const struct pollnvme_cmd *cmd)
{
	at->bio = cmd->bio;
	at->iter = cmd->bio->bi_iter;
}

static bool pollnvme_bvec_at(const struct pollnvme_cmd *cmd,
			     struct pollnvme_pieces *at, struct bio_vec *bv)
{
	while (!at->iter.bi_size) {
		at->bio = pollnvme_next_bio(cmd, at->bio);
		if (!at->bio)
			return false;
		at->iter = at->bio->bi_iter;
	}
	*bv = mp_bvec_iter_bvec(at->bio->bi_io_vec, at->iter);
	return true;
}

/*
 * The next piece of memory, if there is one. Bios are merged within a page, too,
 * where one ends as the next begins. These are one piece: PRPs cannot name the
 * second one, and mapped apart they need not be neighbours on the bus.
 */
static bool pollnvme_next_piece(const struct pollnvme_cmd *cmd,
				struct pollnvme_pieces *at, struct bio_vec *bv)
{
	struct bio_vec more;

	if (!at->bio || !pollnvme_bvec_at(cmd, at, bv))
		return false;
	bio_advance_iter_single(at->bio, &at->iter, bv->bv_len);
	while (pollnvme_bvec_at(cmd, at, &more) &&
	       (more.bv_offset & POLLNVME_PAGE_MASK) &&
	       pollnvme_bvec_phys(bv) + bv->bv_len == pollnvme_bvec_phys(&more)) {
		bv->bv_len += more.bv_len;
		bio_advance_iter_single(at->bio, &at->iter, more.bv_len);
	}
	return true;
}

/* One of several pieces. */
static int pollnvme_map_piece(struct pollnvme_cmd *cmd,
			      struct pollnvme_slot *slot, struct bio_vec *bv,
			      struct pollnvme_prp *prp)
{
	u64 addr;
	int err;

	if (cmd->segments == POLLNVME_MAX_SEGMENTS)
		return -E2BIG;
	err = pollnvme_map_bvec(cmd, bv, &addr);
	if (err)
		return err;
	if (!cmd->segments)
		cmd->addr = addr;
	else
		slot->addrs[cmd->segments] = addr;
	cmd->segments++;
	return pollnvme_prp_add(prp, addr, bv->bv_len);
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
	struct pollnvme_pieces at;
	struct pollnvme_prp prp;
	struct bio_vec bv;

	if (cmd->range) {
		memcpy(slot->prp, cmd->range, sizeof(*cmd->range));
		dptr->prp1 = cpu_to_le64(slot->prp_addr);
		return 0;
	}
	pollnvme_prp_begin(&prp, slot->prp, slot->prp_addr,
			   cmd->qp->prp_entries);
	pollnvme_pieces_begin(&at, cmd);
	while (pollnvme_next_piece(cmd, &at, &bv)) {
		int err = pollnvme_map_piece(cmd, slot, &bv, &prp);

		if (err)
			return err;
	}
	pollnvme_prp_end(&prp, &dptr->prp1, &dptr->prp2);
	return 0;
}

/**
 * pollnvme_cmd_unmap_bio() - give the data back to the CPU
 * @cmd: command that the controller no longer knows
 *
 * Call pollnvme_cmd_unmap(), which knows when there is nothing to do.
 */
void pollnvme_cmd_unmap_bio(struct pollnvme_cmd *cmd)
{
	struct device *dev = cmd->qp->ctrl->dma_dev;
	struct pollnvme_pieces at;
	struct bio_vec bv;
	unsigned int n;

	pollnvme_pieces_begin(&at, cmd);
	for (n = 0; n < cmd->segments && pollnvme_next_piece(cmd, &at, &bv); n++) {
		u64 addr = n ? cmd->qp->slots[cmd->slot].addrs[n] : cmd->addr;

		dma_unmap_page(dev, addr, bv.bv_len, pollnvme_dir(cmd->bio));
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
