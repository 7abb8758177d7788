// SPDX-License-Identifier: GPL-2.0
/*
 * calibrate_duel.c - the two threads, and batches of what they do
 */
#include <string.h>
#include <unistd.h>

#include "calibrate_duel.h"

/* One line in each of @DUEL_LINES pages, as spread over L1's sets as can be. */
static void **ring_make(char *mem)
{
	int order[DUEL_LINES], i;
	uint64_t seed = 88172645463325252ULL;

	for (i = 0; i < DUEL_LINES; i++)
		order[i] = i;
	for (i = DUEL_LINES - 1; i > 0; i--) {
		int j = cal_random(&seed) % (i + 1), swap = order[i];

		order[i] = order[j];
		order[j] = swap;
	}
#define SPOT(n) (mem + (n) * 4096 + (n) % 64 * CAL_LINE)
	for (i = 0; i < DUEL_LINES; i++)
		*(void **)SPOT(order[i]) = SPOT(order[(i + 1) % DUEL_LINES]);
	return (void **)SPOT(order[0]);
#undef SPOT
}

/**
 * duel_read() - load each line of a ring, one after another
 * @ring: where to begin
 */
void duel_read(void **ring)
{
	int i;

	for (i = 0; i < DUEL_LINES; i++)
		__asm__ volatile("mov (%0), %0" : "+r" (ring) : : "memory");
}

/**
 * duel_take() - take each line of a ring, one after another
 * @ring: where to begin
 *
 * A locked addition of nothing; the old value leads on.
 */
void duel_take(void **ring)
{
	int i;

	for (i = 0; i < DUEL_LINES; i++) {
		void *next = NULL;

		__asm__ volatile("lock xadd %0, (%1)" : "+r" (next) : "r" (ring) : "memory", "cc");
		ring = next;
	}
}

static void *partner(void *arg)
{
	struct duel *duel = arg;
	unsigned int seen = 0, i;
	uint64_t word;

	cal_pin(duel->cpu);
	while (1) {
		unsigned int asked = atomic_load_explicit(&duel->asked, memory_order_acquire);

		if (asked == seen) {
			__asm__ volatile("pause");
			continue;
		}
		seen = asked;
		switch (duel->order) {
		case DUEL_WRITE:
			duel_take(duel->ring);
			break;
		case DUEL_READ:
			duel_read(duel->ring);
			break;
		case DUEL_PINGPONG:
			for (i = 0; i < DUEL_ROUNDS; i++) {
				while (atomic_load_explicit(&duel->ball, memory_order_acquire) != 2 * i + 1)
					;
				atomic_store_explicit(&duel->ball, 2 * i + 2, memory_order_release);
			}
			break;
		case DUEL_EVENT:
			while (read(duel->event[0], &word, sizeof(word)) == sizeof(word) && word == 1)
				if (write(duel->event[1], &word, sizeof(word)) != sizeof(word))
					break;
			break;
		case DUEL_REST:
			/* Run in user space until asked for more. */
			break;
		case DUEL_QUIT:
			return NULL;
		}
		duel->switches = cal_switches();
		atomic_store_explicit(&duel->answered, seen, memory_order_release);
	}
}

/**
 * duel_ask() - give the partner an order, and do not wait
 * @duel: the two
 * @order: what to do
 */
void duel_ask(struct duel *duel, enum duel_order order)
{
	duel->order = order;
	atomic_fetch_add_explicit(&duel->asked, 1, memory_order_release);
}

/**
 * duel_finish() - wait until the partner has done as told
 * @duel: the two
 * Return: how often it has lost its processor so far.
 */
long duel_finish(struct duel *duel)
{
	while (atomic_load_explicit(&duel->answered, memory_order_acquire) !=
	       atomic_load_explicit(&duel->asked, memory_order_relaxed))
		__asm__ volatile("pause");
	return duel->switches;
}

static long give(struct duel *duel, enum duel_order order)
{
	duel_ask(duel, order);
	return duel_finish(duel);
}

/**
 * duel_timed() - many batches of something
 * @host: the machine
 * @duel: the two
 * @run: does a batch; returns the counter's ticks it took
 * @ops: operations in a batch
 *
 * Batches in which a thread lost its processor are measured again.
 *
 * Return: nanoseconds of an operation.
 */
struct cal_stat duel_timed(struct cal_host *host, struct duel *duel,
			   uint64_t (*run)(struct duel *), int ops)
{
	int batches = cal_quick ? DUEL_BATCHES / 40 : DUEL_BATCHES, count = 0, tries = 0;
	double samples[DUEL_BATCHES];
	long theirs = give(duel, DUEL_REST);

	while (count < batches && tries++ < 4 * batches && !cal_stop) {
		long ours = cal_switches(), now;
		uint64_t ticks = run(duel);

		now = give(duel, DUEL_REST);
		if (cal_switches() == ours && now == theirs)
			samples[count++] = ticks / host->tsc_ghz / ops;
		theirs = now;
	}
	return cal_summary(samples, count);
}

/**
 * duel_begin() - start the partner, pin both
 * @duel: the two
 * @thread: the partner's
 * @mem: memory for the lines, a page each
 * @first: the leader's processor
 * @second: the partner's
 * Return: false if there can be no thread.
 */
bool duel_begin(struct duel *duel, pthread_t *thread, char *mem, int first, int second)
{
	memset(duel, 0, sizeof(*duel));
	duel->ring = ring_make(mem);
	duel->cpu = second;
	cal_pin(first);
	return !pthread_create(thread, NULL, partner, duel);
}

/**
 * duel_end() - let the partner go
 * @duel: the two
 * @thread: the partner's
 */
void duel_end(struct duel *duel, pthread_t thread)
{
	duel_ask(duel, DUEL_QUIT);
	pthread_join(thread, NULL);
}
