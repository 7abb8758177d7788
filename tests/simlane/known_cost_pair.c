// SPDX-License-Identifier: GPL-2.0
/*
 * Several cores: lines that move, a lock they fight for, and how far their
 * clocks are apart.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "known_cost.h"

#define LINES	128
#define REPEATS	20
#define ROUNDS	2000
#define STAMPS	3000
#define MAX	8

enum order { WRITE, PINGPONG, QUIT };

static struct {
	_Alignas(KC_LINE) atomic_uint asked;
	_Alignas(KC_LINE) atomic_uint answered;
	_Alignas(KC_LINE) atomic_uint ball;
	enum order order;
} duel;

static char *mem;
static void **ring;

static void write_lines(void)
{
	int i;

	for (i = 0; i < LINES; i++)
		((volatile uint64_t *)(mem + i * KC_LINE))[1]++;
}

static void *partner(void *arg)
{
	unsigned int seen = 0, i;

	(void)arg;
	kc_pin(1);
	while (1) {
		while (atomic_load(&duel.asked) == seen)
			__asm__ volatile("pause");
		seen++;
		switch (duel.order) {
		case WRITE:
			write_lines();
			break;
		case PINGPONG:
			for (i = 0; i < ROUNDS; i++) {
				while (atomic_load_explicit(&duel.ball, memory_order_acquire) != 2 * i + 1)
					;
				atomic_store_explicit(&duel.ball, 2 * i + 2, memory_order_release);
			}
			break;
		case QUIT:
			return NULL;
		}
		atomic_store(&duel.answered, seen);
	}
}

static void ask(enum order order)
{
	duel.order = order;
	atomic_fetch_add(&duel.asked, 1);
}

static void finish(void)
{
	while (atomic_load(&duel.answered) != atomic_load(&duel.asked))
		__asm__ volatile("pause");
}

static void give(enum order order)
{
	ask(order);
	finish();
}

/* A store to each line; for four of them, ten instructions. */
static void take(void)
{
	void **p = ring;
	long turns = LINES / 4;

	__asm__ volatile("1:\tmovq $1, 8(%0)\n\tadd $64, %0\n\tmovq $1, 8(%0)\n\tadd $64, %0\n\t"
			 "movq $1, 8(%0)\n\tadd $64, %0\n\tmovq $1, 8(%0)\n\tadd $64, %0\n\t"
			 "dec %1\n\tjnz 1b" : "+r" (p), "+r" (turns) : : "memory", "cc");
}

/* Cycles of a line that the partner has just written; the least of some repeats. */
static double meet(bool read_first, bool store)
{
	double least = 1e18, cpi = kc_model("cpi_base");
	int i;

	for (i = 0; i < REPEATS; i++) {
		uint64_t begun, took;

		give(WRITE);
		if (read_first)
			kc_chase(ring, LINES);
		begun = kc_tsc();
		if (store)
			take();
		else
			kc_chase(ring, LINES);
		took = kc_tsc() - begun;
		if (took < least)
			least = took;
	}
	return least / LINES - (store ? 2.5 : 1.25) * cpi;
}

static void lines(void)
{
	double transfer = kc_miss("hitm") + kc_miss("upgrade"), q = kc_model("q"), took;
	unsigned int i;
	uint64_t begun;

	kc_expect("a load of a line another core wrote", meet(false, false), kc_miss("hitm"), 2);
	kc_expect("a store to a line another core wrote", meet(false, true), kc_miss("hitm"), 2);
	kc_expect("a store to a line another core has read", meet(true, true), kc_miss("upgrade"), 2);
	atomic_store(&duel.ball, 0);
	ask(PINGPONG);
	begun = kc_tsc();
	for (i = 0; i < ROUNDS; i++) {
		atomic_store_explicit(&duel.ball, 2 * i + 1, memory_order_release);
		while (atomic_load_explicit(&duel.ball, memory_order_acquire) != 2 * i + 2)
			;
	}
	took = (double)(kc_tsc() - begun) / ROUNDS;
	finish();
	/* Each pays for its own half; when it sees the other's is up to the window. */
	kc_ok(took >= transfer && took <= 2 * (transfer + q) + 200,
		"there and back between two cores: %.0f cycles, the model says %.0f to %.0f",
		took, transfer, 2 * (transfer + q) + 200);
}

static struct {
	_Alignas(KC_LINE) atomic_int taken;
	_Alignas(KC_LINE) long total;
	_Alignas(KC_LINE) atomic_int ready;
	int players;
} lock;

static long won[MAX][8];

static void *fight(void *arg)
{
	int me = (int)(intptr_t)arg;
	uint64_t until;

	kc_pin(me);
	atomic_fetch_add(&lock.ready, 1);
	while (atomic_load(&lock.ready) < lock.players)
		__asm__ volatile("pause");
	until = kc_tsc() + 2500000;
	while (kc_tsc() < until) {
		while (atomic_exchange(&lock.taken, 1))
			while (atomic_load(&lock.taken))
				__asm__ volatile("pause");
		lock.total++;
		atomic_store_explicit(&lock.taken, 0, memory_order_release);
		won[me][0]++;
	}
	return NULL;
}

static void contend(int cpus)
{
	int players = cpus < MAX ? cpus : MAX, i;
	long sum = 0, least = 1L << 60;
	pthread_t thread[MAX];

	lock.players = players;
	for (i = 0; i < players; i++)
		pthread_create(&thread[i], NULL, fight, (void *)(intptr_t)i);
	for (i = 0; i < players; i++) {
		pthread_join(thread[i], NULL);
		sum += won[i][0];
		least = won[i][0] < least ? won[i][0] : least;
	}
	kc_ok(sum == lock.total, "a lock that %d cores fight for: %ld times held, %ld counted under it",
		players, sum, lock.total);
	kc_ok(least * players * 4 >= sum, "no core starves: the unluckiest got it %ld times of %ld",
		least, sum);
}

static atomic_ullong __attribute__((aligned(KC_LINE))) stamp[2][8];
static atomic_int stamping;
static size_t copying;		/* bytes between stamps */

static int64_t exchange_stamps(int me, char *from)
{
	int64_t ahead = INT64_MIN;
	int i;

	/* What is copied is this core's own, and not from memory for the first time. */
	for (i = 0; me && (size_t)i < 2 * copying; i += KC_LINE)
		((volatile char *)from)[i]++;
	atomic_fetch_add(&stamping, 1);
	while (atomic_load(&stamping) < 2)
		__asm__ volatile("pause");
	for (i = 0; i < (copying ? STAMPS / 10 : STAMPS); i++) {
		uint64_t theirs, mine;

		if (copying && me) {
			const char *src = from;
			char *dst = from + copying;
			size_t n = copying;

			__asm__ volatile("rep movsb" : "+S" (src), "+D" (dst), "+c" (n) : : "memory");
		}
		mine = kc_tsc();
		atomic_store_explicit(&stamp[me][0], mine, memory_order_release);
		theirs = atomic_load_explicit(&stamp[!me][0], memory_order_acquire);
		mine = kc_tsc();
		if (theirs && (int64_t)(theirs - mine) > ahead)
			ahead = theirs - mine;
		/* Not in step with the windows. */
		for (mine = i % 97; mine; mine--)
			__asm__ volatile("");
	}
	return ahead;
}

static void *stamper(void *arg)
{
	kc_pin(1);
	return (void *)(intptr_t)exchange_stamps(1, arg);
}

/*
 * A core gives way between two blocks of instructions, and QEMU executes a
 * string move whole: that long it may be ahead of the window.
 */
static void skew(size_t bytes)
{
	double whole = bytes / kc_model("copy_bytes") +
		       2.0 * bytes / KC_LINE * kc_model("llc_hit") / kc_model("copy_overlap");
	double most = kc_model("q") + whole + 1000;
	int64_t ours, theirs;
	pthread_t thread;
	void *result;
	char *area = kc_memory(1 << 20);

	copying = bytes;
	atomic_store(&stamping, 0);
	atomic_store(&stamp[0][0], 0);
	atomic_store(&stamp[1][0], 0);
	pthread_create(&thread, NULL, stamper, area);
	kc_pin(0);
	ours = exchange_stamps(0, area);
	pthread_join(thread, &result);
	theirs = (int64_t)(intptr_t)result;
	if (theirs > ours)
		ours = theirs;
	kc_ok(ours <= most, "stamps exchanged, one core copies %zu KiB between: %lld cycles ahead, %.0f at most",
	      bytes >> 10, (long long)ours, most);
	munmap(area, 1 << 20);
}

/**
 * kc_pair_tests() - what cores cost each other
 * @cpus: how many there are, two at least
 */
void kc_pair_tests(int cpus)
{
	pthread_t thread;

	kc_pin(0);
	mem = kc_memory(LINES * KC_LINE);
	ring = kc_ring(mem, LINES, 1);
	pthread_create(&thread, NULL, partner, NULL);
	lines();
	ask(QUIT);
	pthread_join(thread, NULL);
	contend(cpus);
	skew(0);
	skew(4096);
	skew(65536);
}
