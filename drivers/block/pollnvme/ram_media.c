// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a software controller keeps: the contents of its namespace, which
 * outlive it, and what of them a power cut would leave.
 *
 * With a volatile cache there are two copies: @store, which reads and writes
 * see, and @durable. A block that differs is marked dirty. Flush and FUA copy
 * dirty blocks; a power cut keeps some of them and takes the others back.
 */
#include <linux/bitops.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include "ram.h"

/* Better no disk than a visit of the out-of-memory killer. */
static void *pollnvme_media_vmalloc(u64 size)
{
	return __vmalloc(size, GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN |
			 __GFP_RETRY_MAYFAIL);
}

static u64 pollnvme_media_need(u64 size, bool cache)
{
	return cache ? 2 * size : size;
}

/**
 * pollnvme_media_fits() - is there memory for contents?
 * @size: bytes
 * @cache: with a volatile cache, which takes as much memory again
 * @instead: contents that would go, or NULL
 *
 * Return: false where there is not; the kernel's log says so.
 */
bool pollnvme_media_fits(u64 size, bool cache,
			 const struct pollnvme_media *instead)
{
	u64 need = pollnvme_media_need(size, cache);
	u64 room = (u64)si_mem_available() << PAGE_SHIFT;

	if (instead)
		room += pollnvme_media_need(instead->size, instead->durable);
	if (need <= room)
		return true;
	pr_err("pollnvme: %llu MiB do not fit into the %llu MiB of memory available: choose a smaller size_mb\n",
	       need >> 20, room >> 20);
	return false;
}

/**
 * pollnvme_media_alloc() - make empty contents
 * @size: bytes, a multiple of the block size
 * @lba_shift: log2 of the block size
 * @cache: with a volatile cache, which takes as much memory again
 *
 * All memory is taken now, so that no write fails later for lack of it.
 *
 * Return: the contents, all zeroes, or an ERR_PTR.
 */
struct pollnvme_media *pollnvme_media_alloc(u64 size, u8 lba_shift, bool cache)
{
	struct pollnvme_media *media;

	if (!pollnvme_media_fits(size, cache, NULL))
		return ERR_PTR(-ENOMEM);
	media = kzalloc(sizeof(*media), GFP_KERNEL);
	if (!media)
		return ERR_PTR(-ENOMEM);
	rwlock_init(&media->lock);
	media->size = size;
	media->lba_shift = lba_shift;
	media->blocks = size >> lba_shift;
	uuid_gen(&media->uuid);
	media->store = pollnvme_media_vmalloc(size);
	if (!media->store)
		goto free;
	if (cache) {
		media->durable = pollnvme_media_vmalloc(size);
		media->dirty = vcalloc(BITS_TO_LONGS(media->blocks),
				       sizeof(long));
		if (!media->durable || !media->dirty)
			goto free;
	}
	return media;

free:
	pr_err("pollnvme: no memory for %llu MiB: choose a smaller size_mb\n",
	       pollnvme_media_need(size, cache) >> 20);
	pollnvme_media_free(media);
	return ERR_PTR(-ENOMEM);
}

/**
 * pollnvme_media_free() - forget contents
 * @media: contents that no controller uses; may be NULL
 */
void pollnvme_media_free(struct pollnvme_media *media)
{
	if (!media)
		return;
	vfree(media->dirty);
	vfree(media->durable);
	vfree(media->store);
	kfree(media);
}

static void pollnvme_media_copy(struct pollnvme_media *media, void *to,
				const void *from, u64 block)
{
	u64 pos = block << media->lba_shift;

	memcpy(to + pos, from + pos, 1u << media->lba_shift);
}

/* Makes the dirty ones of some blocks durable. */
static void pollnvme_media_save(struct pollnvme_media *media, u64 first,
				u64 end)
{
	u64 block = first;

	for (;;) {
		block = find_next_bit(media->dirty, end, block);
		if (block >= end)
			return;
		/*
		 * Nobody writes meanwhile: no half of a block is saved, and a
		 * slow Flush does not put back what was there before a FUA.
		 */
		write_lock(&media->lock);
		if (test_and_clear_bit(block, media->dirty))
			pollnvme_media_copy(media, media->durable, media->store,
					    block);
		write_unlock(&media->lock);
		block++;
	}
}

/**
 * pollnvme_media_wrote() - @store was written to
 * @media: contents with a cache; @lock is held for reading, and was while
 *	they were written to
 * @lba: first block
 * @blocks: how many, all within the contents
 */
void pollnvme_media_wrote(struct pollnvme_media *media, u64 lba, u32 blocks)
{
	u64 block;

	for (block = lba; block < lba + blocks; block++)
		set_bit(block, media->dirty);
}

/**
 * pollnvme_media_flush() - make durable what was written before the call
 * @media: contents
 * @lba: first block
 * @blocks: how many, all within the contents
 *
 * Context: does not sleep; takes as long as what is dirty takes to copy.
 */
void pollnvme_media_flush(struct pollnvme_media *media, u64 lba, u64 blocks)
{
	if (media->durable)
		pollnvme_media_save(media, lba, lba + blocks);
}

/**
 * pollnvme_media_cut() - the power fails
 * @media: contents that nobody uses now
 * @seed: 0: all that is not durable is lost; else each such block is kept or
 *	lost by a coin that the seed determines
 *
 * Context: process; may sleep.
 */
void pollnvme_media_cut(struct pollnvme_media *media, u32 seed)
{
	struct rnd_state coin;
	u64 block;

	if (!media->durable)
		return;
	prandom_seed_state(&coin, seed);
	for_each_set_bit(block, media->dirty, media->blocks) {
		if (seed && prandom_u32_state(&coin) & 1)
			pollnvme_media_copy(media, media->durable, media->store,
					    block);
		else
			pollnvme_media_copy(media, media->store, media->durable,
					    block);
		cond_resched();
	}
	/* bitmap_zero() counts in 32 bits. */
	memset(media->dirty, 0, BITS_TO_LONGS(media->blocks) * sizeof(long));
}
