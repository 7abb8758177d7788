/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What pollnvme needs on kernels whose block layer takes no features with
 * the queue limits: the same names over the older calls.
 */
#ifndef POLLNVME_COMPAT_H
#define POLLNVME_COMPAT_H

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include "compat_autoconf.h"

#ifndef HAVE_BLK_FEAT_SYNCHRONOUS
#define BLK_FEAT_WRITE_CACHE	BIT(0)
#define BLK_FEAT_FUA		BIT(1)
#define BLK_FEAT_IO_STAT	BIT(2)
#define BLK_FEAT_SYNCHRONOUS	BIT(3)
#define BLK_FEAT_NOWAIT		BIT(4)
#define BLK_FEAT_POLL		BIT(5)

/**
 * struct pollnvme_limits - the fields of newer queue_limits that we set
 * @features: BLK_FEAT_...
 * @virt_boundary_mask: see blk_queue_virt_boundary()
 * @max_hw_sectors: in sectors
 * @logical_block_size: in bytes
 * @physical_block_size: in bytes
 * @max_hw_discard_sectors: in sectors
 * @max_write_zeroes_sectors: in sectors
 * @discard_granularity: in bytes
 * @dma_alignment: mask
 * @max_segments: pieces
 * @max_discard_segments: ranges
 */
struct pollnvme_limits {
	unsigned int features;
	unsigned long virt_boundary_mask;
	unsigned int max_hw_sectors;
	unsigned int logical_block_size;
	unsigned int physical_block_size;
	unsigned int max_hw_discard_sectors;
	unsigned int max_write_zeroes_sectors;
	unsigned int discard_granularity;
	unsigned int dma_alignment;
	unsigned short max_segments;
	unsigned short max_discard_segments;
};

static inline void pollnvme_compat_set_limits(struct request_queue *q,
					      const struct pollnvme_limits *lim)
{
	blk_queue_logical_block_size(q, lim->logical_block_size);
	blk_queue_physical_block_size(q, lim->physical_block_size);
	blk_queue_max_hw_sectors(q, lim->max_hw_sectors);
	blk_queue_max_segments(q, lim->max_segments);
	blk_queue_virt_boundary(q, lim->virt_boundary_mask);
	blk_queue_dma_alignment(q, lim->dma_alignment);
	blk_queue_max_write_zeroes_sectors(q, lim->max_write_zeroes_sectors);
	if (lim->max_hw_discard_sectors) {
		blk_queue_max_discard_sectors(q, lim->max_hw_discard_sectors);
		blk_queue_max_discard_segments(q, lim->max_discard_segments);
		q->limits.discard_granularity = lim->discard_granularity;
	}
	blk_queue_flag_set(QUEUE_FLAG_NONROT, q);
	if (lim->features & BLK_FEAT_IO_STAT)
		blk_queue_flag_set(QUEUE_FLAG_IO_STAT, q);
	if (lim->features & BLK_FEAT_NOWAIT)
		blk_queue_flag_set(QUEUE_FLAG_NOWAIT, q);
	if (lim->features & BLK_FEAT_POLL)
		blk_queue_flag_set(QUEUE_FLAG_POLL, q);
	blk_queue_write_cache(q, lim->features & BLK_FEAT_WRITE_CACHE,
			      lim->features & BLK_FEAT_FUA);
}

static inline struct gendisk *
pollnvme_compat_alloc_disk(const struct pollnvme_limits *lim, int node)
{
	struct gendisk *disk = blk_alloc_disk(node);

	if (!disk)
		return ERR_PTR(-ENOMEM);
	pollnvme_compat_set_limits(disk->queue, lim);
	return disk;
}

static inline struct gendisk *
pollnvme_compat_alloc_mq_disk(struct blk_mq_tag_set *set,
			      const struct pollnvme_limits *lim, void *data)
{
	struct gendisk *disk = blk_mq_alloc_disk(set, data);

	if (!IS_ERR(disk))
		pollnvme_compat_set_limits(disk->queue, lim);
	return disk;
}

#define queue_limits		pollnvme_limits
#undef blk_alloc_disk
static inline struct gendisk *blk_alloc_disk(const struct pollnvme_limits *lim,
					     int node)
{
	return pollnvme_compat_alloc_disk(lim, node);
}

#undef blk_mq_alloc_disk
static inline struct gendisk *
blk_mq_alloc_disk(struct blk_mq_tag_set *set, const struct pollnvme_limits *lim,
		  void *data)
{
	return pollnvme_compat_alloc_mq_disk(set, lim, data);
}

/* What may change of a disk in use; waits for its I/O. */
static inline int pollnvme_update_limits(struct request_queue *q,
					 const struct pollnvme_limits *lim)
{
	blk_mq_freeze_queue(q);
	blk_queue_max_hw_sectors(q, lim->max_hw_sectors);
	blk_queue_max_write_zeroes_sectors(q, lim->max_write_zeroes_sectors);
	blk_queue_max_discard_sectors(q, lim->max_hw_discard_sectors);
	blk_queue_max_discard_segments(q, max_t(unsigned short, 1,
						lim->max_discard_segments));
	q->limits.discard_granularity = lim->discard_granularity;
	blk_queue_write_cache(q, lim->features & BLK_FEAT_WRITE_CACHE,
			      lim->features & BLK_FEAT_FUA);
	blk_mq_unfreeze_queue(q);
	return 0;
}

#else

#ifndef HAVE_LIMITS_COMMIT_FROZEN
static inline int queue_limits_commit_update_frozen(struct request_queue *q,
						    struct queue_limits *lim)
{
	int err;

	blk_mq_freeze_queue(q);
	err = queue_limits_commit_update(q, lim);
	blk_mq_unfreeze_queue(q);
	return err;
}
#endif

static inline int pollnvme_update_limits(struct request_queue *q,
					 const struct queue_limits *lim)
{
	struct queue_limits now = queue_limits_start_update(q);

	now.max_hw_sectors = lim->max_hw_sectors;
	now.max_write_zeroes_sectors = lim->max_write_zeroes_sectors;
	now.max_hw_discard_sectors = lim->max_hw_discard_sectors;
	now.max_discard_segments = lim->max_discard_segments;
	now.discard_granularity = lim->discard_granularity;
	now.features &= ~(BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA);
	now.features |= lim->features & (BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA);
	return queue_limits_commit_update_frozen(q, &now);
}

#endif /* !HAVE_BLK_FEAT_SYNCHRONOUS */

#ifndef HAVE_BLK_FREEZE_NON_OWNER
#define blk_freeze_queue_start_non_owner	blk_freeze_queue_start
#define blk_mq_unfreeze_queue_non_owner		blk_mq_unfreeze_queue
#endif

#ifndef HAVE_BLK_MODE_T
#define blk_mode_t	fmode_t
#endif

#ifndef HAVE_NVME_STATUS_DNR
#define NVME_STATUS_DNR		NVME_SC_DNR
#endif

/* What has types that differ between kernels is declared here. */
struct pollnvme_ns;

int pollnvme_ioctl(struct block_device *bdev, blk_mode_t mode, unsigned int cmd,
		   unsigned long arg);
int pollnvme_open(struct gendisk *disk, blk_mode_t mode);
struct gendisk *pollnvme_mq_alloc_disk(struct pollnvme_ns *ns,
				       struct queue_limits *lim);

#ifdef HAVE_BLK_MODE_T
#define pollnvme_fops_open	pollnvme_open
#else
static inline int pollnvme_fops_open(struct block_device *bdev, fmode_t mode)
{
	return pollnvme_open(bdev->bd_disk, mode);
}
#endif

/*
 * Without a feature to say so, a disk is taken for synchronous, and swapped in
 * from in single pages, that has this operation. It may decline: the page then
 * comes by a bio, which is our usual way. But a file's page that is to be written
 * must not be declined: until its bio comes it would be neither dirty nor under
 * writeback, and an fsync beside that would not wait for it.
 */
#ifndef HAVE_BLK_FEAT_SYNCHRONOUS
#include <linux/pagemap.h>

void pollnvme_submit_bio(struct bio *bio);

static inline void pollnvme_page_written(struct bio *bio)
{
	page_endio(bio_first_page_all(bio), true,
		   blk_status_to_errno(bio->bi_status));
	bio_put(bio);
}

/*
 * The caller holds the queue. To enter it once more, as submit_bio() does, would
 * wait for a freeze that waits for the caller.
 */
static inline int pollnvme_rw_page(struct block_device *bdev, sector_t sector,
				   struct page *page, enum req_op op)
{
	sector_t end = get_start_sect(bdev) + bdev_nr_sectors(bdev);
	struct bio *bio;

	if (op != REQ_OP_WRITE || PageSwapCache(page) || PageCompound(page) ||
	    bdev_read_only(bdev) || sector + PAGE_SECTORS > end)
		return -EOPNOTSUPP;
	bio = bio_alloc(bdev, 1, op, GFP_NOIO);
	bio->bi_iter.bi_sector = sector;
	bio->bi_end_io = pollnvme_page_written;
	__bio_add_page(bio, page, PAGE_SIZE, 0);
	pollnvme_submit_bio(bio);
	return 0;
}

#define POLLNVME_FOPS_SYNCHRONOUS	.rw_page = pollnvme_rw_page,
#else
#define POLLNVME_FOPS_SYNCHRONOUS
#endif

#ifndef HAVE_SYSTEM_DFL_WQ
#define system_dfl_wq	system_unbound_wq
#endif

#ifndef HAVE_HRTIMER_SETUP
#include <linux/hrtimer.h>

static inline void
hrtimer_setup(struct hrtimer *timer,
	      enum hrtimer_restart (*function)(struct hrtimer *),
	      clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

#endif /* POLLNVME_COMPAT_H */
