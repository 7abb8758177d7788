// SPDX-License-Identifier: GPL-2.0
/*
 * calibrate_mem.c - load latency of each level of the memory hierarchy, and
 * how much of it a copy hides
 *
 * A level is measured right after the lines were put into it: walked twice
 * (L1, L2), written and then pushed out of L2 by a sweep (last level), flushed
 * (DRAM).  So neither the size of the last level nor its other users matter
 * much.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "calibrate.h"

#define BATCHES		1000
#define PAGE		4096
#define PAGES		1024	/* of lines, few enough for the second TLB */
#define BLOCKS		32	/* of a page, copied */

enum level { L1, L2, LLC, DRAM };

struct area {
	char *mem;		/* the lines */
	char *sweep;		/* what pushes them out of L2 */
	size_t size;
	size_t sweep_size;
};

/*
 * Link @count lines into one ring in random order: no prefetcher follows it,
 * and no load can start before the one before it ended.
 */
static void **make_ring(char *mem, size_t count, size_t stride)
{
	uint64_t seed = 88172645463325252ULL;
	uint32_t order[PAGES * 8];
	size_t i;

	for (i = 0; i < count; i++)
		order[i] = i;
	for (i = count - 1; i > 0; i--) {
		size_t j = cal_random(&seed) % (i + 1);
		uint32_t swap = order[i];

		order[i] = order[j];
		order[j] = swap;
	}
	/* One line a page: each in another set. */
#define SPOT(n) (mem + (n) * stride + (stride >= PAGE ? (n) % 64 * CAL_LINE : 0))
	for (i = 0; i < count; i++)
		*(void **)SPOT((size_t)order[i]) = SPOT((size_t)order[(i + 1) % count]);
	return (void **)SPOT((size_t)order[0]);
#undef SPOT
}

static void **chase(void **p, long loads)
{
	for (; loads > 0; loads -= 8)
		__asm__ volatile("mov (%0), %0\n\tmov (%0), %0\n\tmov (%0), %0\n\tmov (%0), %0\n\t"
				 "mov (%0), %0\n\tmov (%0), %0\n\tmov (%0), %0\n\tmov (%0), %0"
				 : "+r" (p) : : "memory");
	return p;
}

static void sweep(struct area *area)
{
	size_t i;

	for (i = 0; i < area->sweep_size; i += CAL_LINE)
		(*(volatile uint64_t *)(area->sweep + i))++;
}

static void flush(char *mem, size_t size)
{
	size_t i;

	for (i = 0; i < size; i += CAL_LINE)
		__asm__ volatile("clflush (%0)" : : "r" (mem + i) : "memory");
	__asm__ volatile("mfence" : : : "memory");
}

/* The second word of each line of a ring, so that the line is modified. */
static void dirty(void **p, long count)
{
	for (; count; count--) {
		((uint64_t *)p)[1]++;
		p = *p;
	}
}

static void flush_ring(void **p, long count)
{
	for (; count; count--) {
		void **next = *p;

		__asm__ volatile("clflush (%0)" : : "r" (p) : "memory");
		p = next;
	}
	__asm__ volatile("mfence" : : : "memory");
}

static bool area_make(struct cal_host *host, struct area *area)
{
	area->size = PAGES * PAGE;
	area->sweep_size = (3 * host->l2 + (2 << 20)) & ~((size_t)(2 << 20) - 1);
	area->mem = cal_buffer(host, area->size);
	area->sweep = cal_buffer(host, area->sweep_size);
	if (area->mem && area->sweep)
		return true;
	cal_warn("not enough memory for the load latencies");
	return false;
}

static void area_free(struct area *area)
{
	if (area->mem)
		munmap(area->mem, area->size);
	if (area->sweep)
		munmap(area->sweep, area->sweep_size);
}

/* Nanoseconds of a load that @level answers. */
static struct cal_stat latency(struct cal_host *host, struct area *area, enum level level)
{
	int batches = cal_quick ? BATCHES / 20 : BATCHES, count = 0, tries = 0;
	size_t lines = PAGES, stride = PAGE;
	double samples[BATCHES];
	void **p;

	if (level <= L2) {
		/* Six times L1 has few enough pages for the first TLB. */
		lines = (level == L1 ? host->l1 / 2 : 6 * host->l1) / CAL_LINE;
		stride = CAL_LINE;
	}
	p = make_ring(area->mem, lines, stride);
	p = chase(chase(p, lines), lines);
	while (count < batches && tries++ < 4 * batches && !cal_stop) {
		long switches;
		uint64_t t0, t1;

		if (level == LLC) {
			dirty(p, lines);
			sweep(area);
		} else if (level == DRAM) {
			flush_ring(p, lines);
		}
		switches = cal_switches();
		t0 = cal_tsc();
		p = chase(p, lines);
		t1 = cal_tsc();
		if (cal_switches() == switches)
			samples[count++] = (t1 - t0) / host->tsc_ghz / lines;
	}
	return cal_summary(samples, count);
}

/* Nanoseconds per line of copying whole pages that @level has. */
static struct cal_stat copying(struct cal_host *host, struct area *area, enum level level)
{
	int batches = cal_quick ? BATCHES / 20 : BATCHES, count = 0, tries = 0, i;
	int blocks = level == L1 ? 1 : BLOCKS;
	size_t bytes = (size_t)blocks * PAGE;
	double samples[BATCHES];

	while (count < batches && tries++ < 4 * batches && !cal_stop) {
		long switches;
		uint64_t t0, t1;

		memset(area->mem, tries, 2 * bytes);
		if (level == LLC)
			sweep(area);
		else if (level == DRAM)
			flush(area->mem, 2 * bytes);
		switches = cal_switches();
		t0 = cal_tsc();
		for (i = 0; i < BLOCKS; i++) {
			const char *from = area->mem + (size_t)(i % blocks) * 2 * PAGE;
			char *to = (char *)from + PAGE;
			size_t n = PAGE;

			__asm__ volatile("rep movsb" : "+S" (from), "+D" (to), "+c" (n) : : "memory");
		}
		t1 = cal_tsc();
		if (cal_switches() == switches)
			samples[count++] = (t1 - t0) / host->tsc_ghz / (BLOCKS * PAGE / CAL_LINE);
	}
	return cal_summary(samples, count);
}

/*
 * The model's caches have 8, 16 and 16 ways and a power of two of sets: the
 * largest such size that is not larger than the machine's.
 */
static size_t model_size(size_t bytes)
{
	size_t kib = 1;

	while (kib * 2 <= bytes >> 10)
		kib *= 2;
	return kib;
}

static void sizes(struct cal_host *host, struct cal_table *table)
{
	static const char text[] = "KiB, largest power of two within the %zu KiB the kernel lists";

	cal_table_set(table, "l1_kb", model_size(host->l1), NULL, text, host->l1 >> 10);
	cal_table_set(table, "l2_kb", model_size(host->l2), NULL, text, host->l2 >> 10);
	cal_table_set(table, "llc_kb", model_size(host->llc), NULL, text, host->llc >> 10);
}

/*
 * A copy that waited for each line would need two misses a line, one at each
 * end; by how much it is faster is the overlap.
 */
static void copies(struct cal_host *host, struct area *area, struct cal_table *table)
{
	struct cal_stat own, llc, dram;
	double overlap[2], bytes[3];

	cal_say("copying: L1, last level, DRAM");
	own = copying(host, area, L1);
	llc = copying(host, area, LLC);
	dram = copying(host, area, DRAM);
	if (!own.samples || !llc.samples || !dram.samples)
		return;
	bytes[0] = CAL_LINE / (own.median * host->ghz);
	bytes[1] = CAL_LINE / (llc.median * host->ghz);
	bytes[2] = CAL_LINE / (dram.median * host->ghz);
	overlap[0] = 2 * cal_table_get(table, "llc_hit")->value / ((llc.median - own.median) * host->ghz);
	overlap[1] = 2 * cal_table_get(table, "dram")->value / ((dram.median - own.median) * host->ghz);
	cal_table_set(table, "copy_bytes", bytes[0], &own, "bytes/cycle, rep movsb of 4 KiB within L1");
	cal_table_set(table, "copy_overlap", overlap[0] < overlap[1] ? overlap[0] : overlap[1], &llc,
		      "misses under way in rep movsb of 4 KiB: last level %.1f (%.1f bytes/cycle), DRAM %.1f (%.1f); the smaller",
		      overlap[0], bytes[1], overlap[1], bytes[2]);
}

/**
 * cal_mem() - measure load latencies and copies
 * @host: learns the latency of L1
 * @table: gets sizes, l2_hit, llc_hit, dram, copy_bytes and copy_overlap; an
 *	   L1 hit is part of the instruction, so the latencies are what comes
 *	   on top of it
 */
void cal_mem(struct cal_host *host, struct cal_table *table)
{
	struct area area = { 0 };
	const char *pages;
	struct cal_stat stat;

	cal_pin(host->cpu[0].id);
	sizes(host, table);
	if (area_make(host, &area)) {
		pages = host->huge ? "in huge pages" : "in small pages, so some TLB misses are in it";
		cal_say("load latency: L1");
		host->l1_ns = latency(host, &area, L1);
		if (host->l1_ns.median * host->ghz > 7)
			cal_warn("a load from L1 takes %.1f cycles: somebody else runs on this core",
				 host->l1_ns.median * host->ghz);
		cal_say("load latency: L2");
		stat = latency(host, &area, L2);
		cal_table_set(table, "l2_hit", (stat.median - host->l1_ns.median) * host->ghz, &stat,
			      "cycles beyond L1's %.1f, pointer chase", host->l1_ns.median * host->ghz);
		cal_say("load latency: last level");
		stat = latency(host, &area, LLC);
		cal_table_set(table, "llc_hit", (stat.median - host->l1_ns.median) * host->ghz, &stat,
			      "cycles beyond L1, pointer chase of lines just evicted from L2, %s", pages);
		cal_say("load latency: DRAM");
		stat = latency(host, &area, DRAM);
		cal_table_set(table, "dram", (stat.median - host->l1_ns.median) * host->ghz, &stat,
			      "cycles beyond L1, pointer chase of flushed lines, %s", pages);
		copies(host, &area, table);
	}
	area_free(&area);
}
