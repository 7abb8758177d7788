// SPDX-License-Identifier: GPL-2.0-only
/*
 * biotime: what a read of a disk takes from the entry of submit_bio() to the
 * call of the bio's end, without system call and file. Loading the module reads
 * @count blocks one after another; the task sleeps until each has ended, as
 * most callers do. Its parameters then tell.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/sort.h>

/* Reads that are not counted: code and data come into the caches. */
#define BIOTIME_WARM	50
#define BIOTIME_MOST	100000

static char *path;
module_param(path, charp, 0444);
MODULE_PARM_DESC(path, "block device");

static unsigned int bytes = 4096;
module_param(bytes, uint, 0444);
MODULE_PARM_DESC(bytes, "size of a read, at most a page");

static unsigned int count = 1000;
module_param(count, uint, 0444);
MODULE_PARM_DESC(count, "reads");

static unsigned int mean_ns;
module_param(mean_ns, uint, 0444);
MODULE_PARM_DESC(mean_ns, "result: mean, nanoseconds");

static unsigned int p50_ns;
module_param(p50_ns, uint, 0444);
MODULE_PARM_DESC(p50_ns, "result: median, nanoseconds");

static unsigned int p99_ns;
module_param(p99_ns, uint, 0444);
MODULE_PARM_DESC(p99_ns, "result: 99 of 100 took no longer, nanoseconds");

/**
 * struct biotime - a read
 * @ended: when its end was called
 * @done: its end was called
 */
struct biotime {
	u64 ended;
	struct completion done;
};

static void biotime_end(struct bio *bio)
{
	struct biotime *t = bio->bi_private;

	t->ended = ktime_get_ns();
	complete(&t->done);
}

/* Reads once; the time goes to @took. */
static int biotime_read(struct block_device *bdev, struct bio *bio,
			struct page *page, u64 sector, u32 *took)
{
	struct biotime t;
	u64 begun;

	init_completion(&t.done);
	bio_reset(bio, bdev, REQ_OP_READ | REQ_SYNC);
	bio->bi_iter.bi_sector = sector;
	bio->bi_private = &t;
	bio->bi_end_io = biotime_end;
	if (bio_add_page(bio, page, bytes, 0) != bytes)
		return -EIO;
	begun = ktime_get_ns();
	submit_bio(bio);
	wait_for_completion_io(&t.done);
	*took = t.ended - begun;
	return blk_status_to_errno(bio->bi_status);
}

static int biotime_compare(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

static void biotime_result(u32 *took)
{
	unsigned int i;
	u64 sum = 0;

	for (i = 0; i < count; i++)
		sum += took[i];
	sort(took, count, sizeof(*took), biotime_compare, NULL);
	mean_ns = div_u64(sum, count);
	p50_ns = took[count / 2];
	p99_ns = took[count * 99ull / 100];
}

static int biotime_measure(struct block_device *bdev, u32 *took)
{
	u64 blocks = bdev_nr_bytes(bdev);
	struct rnd_state random;
	struct page *page;
	struct bio *bio;
	int err = 0;
	u32 i, rest;

	blocks = div_u64(blocks, bytes);
	if (!blocks)
		return -EINVAL;
	page = alloc_page(GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	bio = bio_alloc(bdev, 1, REQ_OP_READ, GFP_KERNEL);
	prandom_seed_state(&random, 1);
	for (i = 0; !err && i < BIOTIME_WARM + count; i++) {
		div_u64_rem(prandom_u32_state(&random),
			    min_t(u64, blocks, U32_MAX), &rest);
		err = biotime_read(bdev, bio, page,
				   (u64)rest * (bytes >> SECTOR_SHIFT),
				   &took[i < BIOTIME_WARM ? 0 : i - BIOTIME_WARM]);
	}
	bio_put(bio);
	__free_page(page);
	return err;
}

static int __init biotime_init(void)
{
	struct file *file;
	int err = -EINVAL;
	u32 *took;

	if (!path || !count || count > BIOTIME_MOST || bytes > PAGE_SIZE ||
	    bytes < SECTOR_SIZE || bytes % SECTOR_SIZE)
		return err;
	/* Not by the calls for a block device, which differ between kernels. */
	file = filp_open(path, O_RDONLY, 0);
	if (IS_ERR(file))
		return PTR_ERR(file);
	if (!S_ISBLK(file_inode(file)->i_mode)) {
		err = -ENOTBLK;
		goto close;
	}
	took = kvmalloc_array(count, sizeof(*took), GFP_KERNEL);
	err = -ENOMEM;
	if (!took)
		goto close;
	err = biotime_measure(I_BDEV(file->f_mapping->host), took);
	if (!err)
		biotime_result(took);
	kvfree(took);
close:
	filp_close(file, NULL);
	return err;
}

static void __exit biotime_exit(void)
{
}

module_init(biotime_init);
module_exit(biotime_exit);
MODULE_DESCRIPTION("Time from submit_bio() to the end of the bio");
MODULE_LICENSE("GPL");
