// SPDX-License-Identifier: GPL-2.0
/*
 * Caches and their directory.
 *
 * Every cache keeps, per set, its lines most recently used first.  L2 includes
 * L1.  The last-level cache takes what the L2 caches fetch, and what devices
 * write (Intel's Data Direct I/O puts DMA there); it includes nothing, so that
 * a line may live in a core's caches alone.
 *
 * The directory has a word per line of memory: who shares it, who owns it
 * modified.  An owner is its only sharer.  One core's store takes the line from
 * all others; one core's load from an owner leaves both with clean copies
 * (MESI, as in Papamarcos and Patel, ISCA 1984).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cache.h"

enum { L1_WAYS = 8, L2_WAYS = 16, LLC_WAYS = 16 };

struct level {
	u32 *lines;		/* sets of ways; line number + 1, 0 is empty */
	u32 mask;		/* of the set */
};

static struct level l1[CACHE_MAX_CORES], l2[CACHE_MAX_CORES], llc;
static u64 *directory;
static u64 lines;

#define SHARERS(d)	((d) & ((1ULL << CACHE_MAX_CORES) - 1))
#define OWNER(d)	((d) >> CACHE_MAX_CORES)	/* core + 1, 0 for none */
#define OWNED(core)	((1ULL << (core)) | (u64)((core) + 1) << CACHE_MAX_CORES)

/* Put @tag first, the others before @way behind it; return what was at @way. */
static inline u32 put_first(u32 *set, unsigned int way, u32 tag)
{
	u32 out = set[way];

	for (; way; way--)
		set[way] = set[way - 1];
	set[0] = tag;
	return out;
}

/* Is @tag in the set?  If so it becomes the most recent. */
static inline bool touch(u32 *set, unsigned int ways, u32 tag)
{
	unsigned int way;

	for (way = 0; way < ways; way++) {
		if (set[way] != tag)
			continue;
		if (way)
			put_first(set, way, tag);
		return true;
	}
	return false;
}

/* Put @tag first, in an empty way if there is one; return what falls out. */
static inline u32 push(u32 *set, unsigned int ways, u32 tag)
{
	unsigned int way;

	for (way = 0; way < ways - 1 && set[way]; way++)
		;
	return put_first(set, way, tag);
}

static inline void drop(u32 *set, unsigned int ways, u32 tag)
{
	unsigned int way;

	for (way = 0; way < ways; way++)
		if (set[way] == tag)
			set[way] = 0;
}

static inline u32 *set_of(const struct level *level, unsigned int ways, u64 line)
{
	return level->lines + (size_t)((u32)line & level->mask) * ways;
}

static bool level_init(struct level *level, unsigned int kb, unsigned int ways)
{
	u32 sets = (u32)kb * 1024 / (1 << CACHE_LINE_SHIFT) / ways;

	level->mask = sets - 1;
	level->lines = calloc((size_t)sets * ways, sizeof(u32));
	return level->lines;
}

/**
 * cache_init() - make the caches, empty
 * @memory_bytes: physical addresses run up to here
 * @l1_kb: size of each core's L1, KiB; a power of two of sets, as all sizes
 * @l2_kb: size of each core's L2, KiB
 * @llc_kb: size of the last-level cache, KiB
 *
 * Return: false if there is not enough memory.
 */
bool cache_init(u64 memory_bytes, unsigned int l1_kb, unsigned int l2_kb, unsigned int llc_kb)
{
	unsigned int core;
	void *map;

	lines = memory_bytes >> CACHE_LINE_SHIFT;
	map = mmap(NULL, lines * sizeof(u64), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return false;
	directory = map;
	if (!level_init(&llc, llc_kb, LLC_WAYS))
		return false;
	for (core = 0; core < CACHE_MAX_CORES; core++)
		if (!level_init(&l1[core], l1_kb, L1_WAYS) ||
		    !level_init(&l2[core], l2_kb, L2_WAYS))
			return false;
	return true;
}

/**
 * cache_free() - give back what cache_init() took
 */
void cache_free(void)
{
	unsigned int core;

	if (directory)
		munmap(directory, lines * sizeof(u64));
	directory = NULL;
	free(llc.lines);
	for (core = 0; core < CACHE_MAX_CORES; core++) {
		free(l1[core].lines);
		free(l2[core].lines);
	}
}

static void level_clear(struct level *level, unsigned int ways)
{
	memset(level->lines, 0, ((size_t)level->mask + 1) * ways * sizeof(u32));
}

/**
 * cache_clear() - nobody has anything
 */
void cache_clear(void)
{
	unsigned int core;

	/* gives the directory's pages back; they read as nought */
	madvise(directory, lines * sizeof(u64), MADV_DONTNEED);
	level_clear(&llc, LLC_WAYS);
	for (core = 0; core < CACHE_MAX_CORES; core++) {
		level_clear(&l1[core], L1_WAYS);
		level_clear(&l2[core], L2_WAYS);
	}
}

/**
 * cache_lines() - how many lines of memory there are
 *
 * Return: their number; line numbers are below it.
 */
u64 cache_lines(void)
{
	return lines;
}

static void evict(unsigned int core, u32 tag)
{
	u64 *d = &directory[tag - 1];

	drop(set_of(&l1[core], L1_WAYS, tag - 1), L1_WAYS, tag);
	if (OWNER(*d) == core + 1) {
		/* written back: the shared cache has it now */
		u32 *set = set_of(&llc, LLC_WAYS, tag - 1);

		if (!touch(set, LLC_WAYS, tag))
			push(set, LLC_WAYS, tag);
		*d = 0;
	} else {
		*d &= ~(1ULL << core);
	}
}

/* Somebody stores to the line: it is in no other core's caches any more. */
static void invalidate(u64 sharers, u32 tag)
{
	unsigned int core;

	for (; sharers; sharers &= sharers - 1) {
		core = (unsigned int)__builtin_ctzll(sharers);
		drop(set_of(&l1[core], L1_WAYS, tag - 1), L1_WAYS, tag);
		drop(set_of(&l2[core], L2_WAYS, tag - 1), L2_WAYS, tag);
	}
}

/* Bring a line in that the core lost, or never had. */
static enum cache_result fetch(unsigned int core, u32 tag, u64 d)
{
	u32 *set = set_of(&llc, LLC_WAYS, tag - 1), out;
	enum cache_result result;

	if (OWNER(d))
		result = CACHE_HITM;
	else if (touch(set, LLC_WAYS, tag) || SHARERS(d))
		result = CACHE_LLC;
	else
		result = CACHE_DRAM;
	if (result != CACHE_LLC && !touch(set, LLC_WAYS, tag))
		push(set, LLC_WAYS, tag);
	push(set_of(&l1[core], L1_WAYS, tag - 1), L1_WAYS, tag);
	out = push(set_of(&l2[core], L2_WAYS, tag - 1), L2_WAYS, tag);
	if (out)
		evict(core, out);
	return result;
}

/**
 * cache_access() - a core loads from a line, or stores to it
 * @core: which, below CACHE_MAX_CORES
 * @line: physical address / 64, below cache_lines()
 * @store: a store, or a locked operation
 *
 * Return: what it met (enum cache_result), with CACHE_UPGRADE if the core had
 * or got a copy and had to take it from others to store.
 */
unsigned int cache_access(unsigned int core, u64 line, bool store)
{
	u64 d = directory[line], me = 1ULL << core;
	u32 tag = (u32)line + 1, *set;
	unsigned int result;

	if (likely(d & me)) {
		set = set_of(&l1[core], L1_WAYS, line);
		if (likely(touch(set, L1_WAYS, tag))) {
			result = CACHE_L1;
		} else {
			/* L1 lost it to others of its set; L2 cannot have */
			touch(set_of(&l2[core], L2_WAYS, line), L2_WAYS, tag);
			push(set, L1_WAYS, tag);
			result = CACHE_L2;
		}
		if (!store || OWNER(d) == core + 1)
			return result;
		if (SHARERS(d) != me) {
			result |= CACHE_UPGRADE;
			invalidate(SHARERS(d) & ~me, tag);
		}
		directory[line] = OWNED(core);
		return result;
	}
	result = fetch(core, tag, d);
	if (!store) {
		directory[line] = SHARERS(directory[line]) | me;
		return result;
	}
	if (result == CACHE_LLC && SHARERS(d))
		result |= CACHE_UPGRADE;
	invalidate(SHARERS(d), tag);
	directory[line] = OWNED(core);
	return result;
}

/**
 * cache_device_write() - a device writes a line: no core has it any more
 * @line: physical address / 64
 *
 * Return: 1 if a core had it, else 0.
 */
unsigned int cache_device_write(u64 line)
{
	u32 *set, tag = (u32)line + 1;
	unsigned int had;

	if (line >= lines)
		return 0;
	had = directory[line] != 0;
	invalidate(SHARERS(directory[line]), tag);
	directory[line] = 0;
	set = set_of(&llc, LLC_WAYS, line);
	if (!touch(set, LLC_WAYS, tag))
		push(set, LLC_WAYS, tag);
	return had;
}

/**
 * cache_device_read() - a device reads a line: its owner keeps a clean copy
 * @line: physical address / 64
 *
 * Return: 1 if a core had it modified, else 0.
 */
unsigned int cache_device_read(u64 line)
{
	unsigned int owner;

	if (line >= lines)
		return 0;
	owner = OWNER(directory[line]);
	directory[line] = SHARERS(directory[line]);
	return owner != 0;
}
