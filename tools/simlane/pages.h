/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where a guest's page is in its memory, remembered as a TLB does, since to ask
 * QEMU costs more than to look a line up in the caches.
 *
 * What is remembered is as stale as a real TLB's may be, and no staler: it is
 * forgotten at all instructions that flush one (INVLPG, MOV to CR; Intel SDM
 * volume 3, 4.10.4), and at others that are decoded alike.  INVPCID, which is
 * not, the guest's CPU does not have.
 */
#ifndef SIMLANE_PAGES_H
#define SIMLANE_PAGES_H

#include "cache.h"
#include "types.h"

#define PAGE_BITS	12
#define PAGES		64

struct pages {
	u64 generation;
	struct {
		u64 page, frame, generation;
	} entry[PAGES];
};

static struct pages pages[CACHE_MAX_CORES];

/* Forget all pages of a core. */
static inline void pages_flush(unsigned int core)
{
	pages[core].generation++;
}

/* False: not remembered. */
static inline bool pages_find(unsigned int core, u64 va, u64 *pa)
{
	const struct pages *p = &pages[core];
	u64 page = va >> PAGE_BITS;
	unsigned int i = page % PAGES;

	if (p->entry[i].page != page || p->entry[i].generation != p->generation)
		return false;
	*pa = p->entry[i].frame << PAGE_BITS | (va & ((1u << PAGE_BITS) - 1));
	return true;
}

static inline void pages_add(unsigned int core, u64 va, u64 pa)
{
	struct pages *p = &pages[core];
	u64 page = va >> PAGE_BITS;
	unsigned int i = page % PAGES;

	p->entry[i].page = page;
	p->entry[i].frame = pa >> PAGE_BITS;
	p->entry[i].generation = p->generation;
}

#endif
