/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A bio's command, and the addresses of its data where they are in one piece:
 * inline, for that is every I/O's, and what most commands have. The rest is
 * command.c's.
 */
#ifndef POLLNVME_COMMAND_H
#define POLLNVME_COMMAND_H

#include "pollnvme.h"

static inline enum dma_data_direction pollnvme_dir(const struct bio *bio)
{
	return op_is_write(bio_op(bio)) ? DMA_TO_DEVICE : DMA_FROM_DEVICE;
}

static inline bool pollnvme_has_data(const struct bio *bio)
{
	return bio && (bio_op(bio) == REQ_OP_READ || bio_op(bio) == REQ_OP_WRITE);
}

/* The bio behind a command's first one, or further one: only requests have it. */
static inline struct bio *pollnvme_next_bio(const struct pollnvme_cmd *cmd,
					    const struct bio *bio)
{
	return cmd->rq ? bio->bi_next : NULL;
}

static inline phys_addr_t pollnvme_bvec_phys(const struct bio_vec *bv)
{
	return page_to_phys(bv->bv_page) + bv->bv_offset;
}

static inline int pollnvme_map_bvec(struct pollnvme_cmd *cmd,
				    const struct bio_vec *bv, u64 *addr)
{
	struct device *dev = cmd->qp->ctrl->dma_dev;

	if (!dev) {
		*addr = pollnvme_bvec_phys(bv);
		return 0;
	}
	*addr = dma_map_page(dev, bv->bv_page, bv->bv_offset, bv->bv_len,
			     pollnvme_dir(cmd->bio));
	return dma_mapping_error(dev, *addr);
}

/**
 * pollnvme_cmd_map_simple() - map a command whose own pointers are enough
 * @cmd: command
 * @fits: it is known to be a bio's read or write of one piece within a page
 *
 * That is one without data, or with one piece of memory within two pages, the
 * usual case: it needs neither a slot for it, nor address array or PRP list.
 *
 * Return: 0; 1 when the command is for pollnvme_cmd_map(), with nothing mapped;
 * or why it could not be mapped, and then pollnvme_cmd_unmap() must be called.
 */
static __always_inline int pollnvme_cmd_map_simple(struct pollnvme_cmd *cmd,
						   bool fits)
{
	union nvme_data_ptr *dptr = &cmd->c.common.dptr;
	struct bio_vec bv;
	int err;

	if (!fits && !pollnvme_has_data(cmd->bio))
		return cmd->range ? 1 : 0;
	bv = mp_bvec_iter_bvec(cmd->bio->bi_io_vec, cmd->bio->bi_iter);
	if (!fits && (bv.bv_len != cmd->bio->bi_iter.bi_size ||
		      pollnvme_next_bio(cmd, cmd->bio) ||
		      (bv.bv_offset & POLLNVME_PAGE_MASK) + bv.bv_len >
		      2 * POLLNVME_PAGE_SIZE))
		return 1;
	err = pollnvme_map_bvec(cmd, &bv, &cmd->addr);
	if (unlikely(err))
		return err;
	cmd->segments = 1;
	return pollnvme_prp_single(cmd->addr, bv.bv_len, &dptr->prp1,
				   &dptr->prp2);
}

/* Nothing of the stack may reach the controller: what is filled in is all. */
static_assert(sizeof(struct nvme_rw_command) == sizeof(struct nvme_command));
static_assert(sizeof(struct nvme_write_zeroes_cmd) ==
	      sizeof(struct nvme_command));
static_assert(sizeof(struct nvme_dsm_cmd) == sizeof(struct nvme_command));

/*
 * In halves: for the whole of it gcc takes a string instruction on x86, which
 * needs longer to begin than these stores to end.
 */
static __always_inline void pollnvme_cmd_clear(struct pollnvme_cmd *cmd)
{
	u8 *c = (u8 *)&cmd->c;

	memset(c, 0, sizeof(cmd->c) / 2);
	memset(c + sizeof(cmd->c) / 2, 0, sizeof(cmd->c) / 2);
}

/* The command of an I/O but for where its data is. */
static __always_inline blk_status_t
pollnvme_cmd_fill(struct pollnvme_ns *ns, struct pollnvme_cmd *cmd,
		  blk_opf_t opf, sector_t sector, u32 bytes,
		  struct nvme_dsm_range *range)
{
	u64 lba = sector >> (ns->lba_shift - SECTOR_SHIFT);
	u32 blocks = bytes >> ns->lba_shift;
	u16 control = opf & REQ_FUA ? NVME_RW_FUA : 0;

	switch (opf & REQ_OP_MASK) {
	case REQ_OP_READ:
	case REQ_OP_WRITE:
		pollnvme_cmd_clear(cmd);
		cmd->c.rw.opcode = (opf & REQ_OP_MASK) == REQ_OP_READ ?
				   nvme_cmd_read : nvme_cmd_write;
		cmd->c.rw.nsid = cpu_to_le32(ns->nsid);
		cmd->c.rw.slba = cpu_to_le64(lba);
		cmd->c.rw.length = cpu_to_le16(blocks - 1);
		cmd->c.rw.control = cpu_to_le16(control);
		return BLK_STS_OK;
	case REQ_OP_WRITE_ZEROES:
		cmd->c.write_zeroes = (struct nvme_write_zeroes_cmd) {
			.opcode = nvme_cmd_write_zeroes,
			.nsid = cpu_to_le32(ns->nsid),
			.slba = cpu_to_le64(lba),
			.length = cpu_to_le16(blocks - 1),
			.control = cpu_to_le16(control),
		};
		return BLK_STS_OK;
	case REQ_OP_DISCARD:
		range->cattr = 0;
		range->nlb = cpu_to_le32(blocks);
		range->slba = cpu_to_le64(lba);
		cmd->range = range;
		cmd->c.dsm = (struct nvme_dsm_cmd) {
			.opcode = nvme_cmd_dsm,
			.nsid = cpu_to_le32(ns->nsid),
			.nr = 0,	/* one range, counted from zero */
			.attributes = cpu_to_le32(NVME_DSMGMT_AD),
		};
		return BLK_STS_OK;
	default:
		return BLK_STS_NOTSUPP;
	}
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
static __always_inline blk_status_t
pollnvme_cmd_from_bio(struct pollnvme_ns *ns, struct bio *bio,
		      struct pollnvme_cmd *cmd, struct nvme_dsm_range *range)
{
	u32 bytes = bio->bi_iter.bi_size;
	u32 odd = (1u << ns->lba_shift) - 1;

	/* Of the rest pollnvme_qp_submit_inline() fills in what it needs. */
	cmd->bio = bio;
	cmd->rq = NULL;
	cmd->range = NULL;
	cmd->end = NULL;
	cmd->stage = 0;
	/* Nobody else checks a bio disk's bios; zero blocks would be 65536. */
	if (unlikely(!bytes || (bytes & odd) ||
		     (bio->bi_iter.bi_sector & (odd >> SECTOR_SHIFT))))
		return BLK_STS_IOERR;
	return pollnvme_cmd_fill(ns, cmd, bio->bi_opf, bio->bi_iter.bi_sector,
				 bytes, range);
}

#endif /* POLLNVME_COMMAND_H */
