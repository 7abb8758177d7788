// SPDX-License-Identifier: GPL-2.0
/*
 * One core and its memory: a load that each level answers, and copies.
 *
 * A ring walked again and again, larger than a level that replaces the least
 * recently used, misses it with every load.
 */
#include <sys/mman.h>

#include "known_cost.h"

struct walk {
	void **at;
	long loads;
};

static void walk(void *arg)
{
	struct walk *w = arg;

	w->at = kc_chase(w->at, w->loads);
}

/* Cycles a load takes beyond its instruction, from a ring of @bytes. */
static double load(char *mem, size_t bytes, long loads)
{
	size_t lines = bytes / KC_LINE;
	struct walk w = { .loads = loads };

	w.at = kc_ring(mem, lines, 97);
	kc_chase(w.at, lines);
	return kc_least(walk, &w, 5) / loads - 1.25 * kc_model("cpi_base");
}

static void levels(size_t l1, size_t l2, size_t llc)
{
	/* Last-level set: well beyond L2, well within the last level. */
	size_t near = 8 * l2 < llc / 2 ? 8 * l2 : llc / 2;
	size_t far = 3 * llc;
	char *mem;
	double took;

	kc_cache(false);
	mem = kc_memory(far);
	kc_ring(mem, far / KC_LINE, 97);
	kc_cache(true);
	took = load(mem, l1 / 2, 80000);
	kc_ok(kc_near(took, 0, 0, 0.02), "a load from L1: %.3f cycles beyond its instruction", took);
	took = load(mem, l2 / 4, 80000);
	kc_ok(kc_near(took, kc_miss("l2_hit"), 1, 0.02),
		"a load from L2: %.3f cycles, the model says %.3f", took, kc_miss("l2_hit"));
	kc_expect("a load from the last level", load(mem, near, 80000), kc_miss("llc_hit"), 1);
	kc_expect("a load from memory", load(mem, far, 80000), kc_miss("dram"), 1);
	munmap(mem, far);
}

struct copy {
	char *from;
	char *to;
	size_t bytes;
	size_t block;
};

static void copy(void *arg)
{
	struct copy *c = arg;
	size_t done;

	for (done = 0; done < c->bytes; done += c->block) {
		const char *from = c->from + done;
		char *to = c->to + done;
		size_t n = c->block;

		__asm__ volatile("rep movsb" : "+S" (from), "+D" (to), "+c" (n) : : "memory");
	}
}

/* String moves: what hits L1 goes at copy_bytes, misses overlap. */
static void copies(size_t l1, size_t l2)
{
	double bytes = kc_model("copy_bytes"), overlap = kc_model("copy_overlap");
	char *mem = kc_memory(8 * l2);
	struct copy c = { .from = mem, .to = mem + l1 / 4, .bytes = l1 / 4, .block = l1 / 4 };
	double expected, took;

	took = kc_least(copy, &c, 20);
	expected = c.bytes / bytes;
	kc_ok(kc_near(took, expected, 2, 40), "a copy of %zu bytes within L1: %.0f cycles, the model says %.0f",
		c.bytes, took, expected);
	/* Four L2s of source, as many of destination: both come from the last level. */
	for (c.block = 4096; c.block <= 65536; c.block *= 16) {
		c = (struct copy){ .from = mem, .to = mem + 4 * l2, .bytes = 4 * l2, .block = c.block };
		copy(&c);
		took = kc_least(copy, &c, 3) / (c.bytes / c.block);
		expected = c.block / bytes + 2.0 * c.block / KC_LINE * kc_model("llc_hit") / overlap;
		kc_ok(kc_near(took, expected, 2, 40),
			"a copy of %zu bytes from and to the last level: %.0f cycles, the model says %.0f",
			c.block, took, expected);
	}
	munmap(mem, 8 * l2);
}

/* A line read first is the core's alone; writing it then is free. */
static void own_line(void)
{
	char *mem = kc_memory(1 << 20);
	uint64_t begun, took;
	void **at;
	int i;

	kc_cache(false);
	at = kc_ring(mem, 256, 1);
	kc_cache(true);
	at = kc_chase(at, 256);
	begun = kc_tsc();
	for (i = 0; i < 256; i++)
		((volatile uint64_t *)(mem + i * KC_LINE))[1] = i;
	took = kc_tsc() - begun;
	kc_ok(took < 256 * 10, "a store to a line that the core alone has read: %.1f cycles in all",
		took / 256.0);
	munmap(mem, 1 << 20);
}

/**
 * kc_memory_tests() - what each level takes
 */
void kc_memory_tests(void)
{
	size_t l1 = (size_t)kc_model("l1_kb") << 10, l2 = (size_t)kc_model("l2_kb") << 10;

	kc_pin(0);
	levels(l1, l2, (size_t)kc_model("llc_kb") << 10);
	own_line();
	copies(l1, l2);
}
