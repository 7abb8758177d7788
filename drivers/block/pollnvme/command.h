/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The addresses of a command's data, where they are in one piece: inline, for
 * that is what most commands have. The others are command.c's.
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
 *
 * That is one without data, or with one piece of memory within two pages, the
 * usual case: it needs neither a slot for it, nor address array or PRP list.
 *
 * Return: 0; 1 when the command is for pollnvme_cmd_map(), with nothing mapped;
 * or why it could not be mapped, and then pollnvme_cmd_unmap() must be called.
 */
static __always_inline int pollnvme_cmd_map_simple(struct pollnvme_cmd *cmd)
{
	union nvme_data_ptr *dptr = &cmd->c.common.dptr;
	struct bio_vec bv;
	int err;

	if (!pollnvme_has_data(cmd->bio))
		return cmd->range ? 1 : 0;
	bv = mp_bvec_iter_bvec(cmd->bio->bi_io_vec, cmd->bio->bi_iter);
	if (bv.bv_len != cmd->bio->bi_iter.bi_size ||
	    pollnvme_next_bio(cmd, cmd->bio) ||
	    (bv.bv_offset & POLLNVME_PAGE_MASK) + bv.bv_len >
	    2 * POLLNVME_PAGE_SIZE)
		return 1;
	err = pollnvme_map_bvec(cmd, &bv, &cmd->addr);
	if (unlikely(err))
		return err;
	cmd->segments = 1;
	return pollnvme_prp_single(cmd->addr, bv.bv_len, &dptr->prp1,
				   &dptr->prp2);
}

#endif /* POLLNVME_COMMAND_H */
