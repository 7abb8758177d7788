/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The memory of the machine under study: private L1 and L2 caches, a shared
 * last-level cache, a directory that knows who holds a line.  Pure: it knows
 * lines and cores, not time, and not QEMU.
 */
#ifndef SIMLANE_CACHE_H
#define SIMLANE_CACHE_H

#include "types.h"

#define CACHE_MAX_CORES		48
#define CACHE_LINE_SHIFT	6

/* What an access met.  CACHE_UPGRADE may come with any of the others. */
enum cache_result {
	CACHE_L1,		/* the core's own L1 had it */
	CACHE_L2,		/* its L2 */
	CACHE_LLC,		/* the shared cache, or another core's clean copy */
	CACHE_DRAM,		/* nobody */
	CACHE_HITM,		/* another core, modified */
	CACHE_LEVELS,
	CACHE_LEVEL_MASK = 7,
	CACHE_UPGRADE = 8,	/* a store took it from cores that shared it */
};

bool cache_init(u64 memory_bytes, unsigned int l1_kb, unsigned int l2_kb, unsigned int llc_kb);
void cache_free(void);
void cache_clear(void);
unsigned int cache_access(unsigned int core, u64 line, bool store);
unsigned int cache_device_write(u64 line);
unsigned int cache_device_read(u64 line);
u64 cache_lines(void);

#endif
