// SPDX-License-Identifier: GPL-2.0
/*
 * calibrate_line.c - what two cores cost each other: lines that move between
 * them, and interrupts
 *
 *	leader (timed)				partner
 *	hitm:	reads 128 lines			has just written them
 *	upgrade: writes 128 lines		has just read them, as the leader has
 *	pingpong: waits for odd, writes even	waits for even, writes odd
 */
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "calibrate.h"

#define LINES		128	/* a quarter of L1 */
#define ROUNDS		200	/* of ping-pong in a batch */
#define BATCHES		2000
#define PAIRS_MAX	28	/* all of 8 processors; more are sampled */

enum order { WRITE, READ, PINGPONG, EVENT, REST, QUIT };

/* The leader's words, the partner's, the ball and the rest: a line each. */
struct duel {
	enum order order;
	atomic_uint asked;
	char pad1[CAL_LINE];
	atomic_uint answered;
	long switches;
	char pad2[CAL_LINE];
	atomic_uint ball;
	char pad3[CAL_LINE];
	void **ring;
	int cpu;
	int event[2];
};

/* One line in each of @LINES pages, as spread over L1's sets as can be. */
static void **ring_make(char *mem)
{
	int order[LINES], i;
	uint64_t seed = 88172645463325252ULL;

	for (i = 0; i < LINES; i++)
		order[i] = i;
	for (i = LINES - 1; i > 0; i--) {
		int j = cal_random(&seed) % (i + 1), swap = order[i];

		order[i] = order[j];
		order[j] = swap;
	}
#define SPOT(n) (mem + (n) * 4096 + (n) % 64 * CAL_LINE)
	for (i = 0; i < LINES; i++)
		*(void **)SPOT(order[i]) = SPOT(order[(i + 1) % LINES]);
	return (void **)SPOT(order[0]);
#undef SPOT
}

static void ring_read(void **p)
{
	int i;

	for (i = 0; i < LINES; i++)
		__asm__ volatile("mov (%0), %0" : "+r" (p) : : "memory");
}

/* Adds nothing to each line, and so takes it; the old value leads on. */
static void ring_take(void **p)
{
	int i;

	for (i = 0; i < LINES; i++) {
		void *next = NULL;

		__asm__ volatile("lock xadd %0, (%1)" : "+r" (next) : "r" (p) : "memory", "cc");
		p = next;
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
		case WRITE:
			ring_take(duel->ring);
			break;
		case READ:
			ring_read(duel->ring);
			break;
		case PINGPONG:
			for (i = 0; i < ROUNDS; i++) {
				while (atomic_load_explicit(&duel->ball, memory_order_acquire) != 2 * i + 1)
					;
				atomic_store_explicit(&duel->ball, 2 * i + 2, memory_order_release);
			}
			break;
		case EVENT:
			while (read(duel->event[0], &word, sizeof(word)) == sizeof(word) && word == 1)
				if (write(duel->event[1], &word, sizeof(word)) != sizeof(word))
					break;
			break;
		case REST:
			/* Run in user space until asked for more. */
			break;
		case QUIT:
			return NULL;
		}
		duel->switches = cal_switches();
		atomic_store_explicit(&duel->answered, seen, memory_order_release);
	}
}

/* Give the partner an order; ask() does not wait, finish() does. */
static void ask(struct duel *duel, enum order order)
{
	duel->order = order;
	atomic_fetch_add_explicit(&duel->asked, 1, memory_order_release);
}

static long finish(struct duel *duel)
{
	while (atomic_load_explicit(&duel->answered, memory_order_acquire) !=
	       atomic_load_explicit(&duel->asked, memory_order_relaxed))
		__asm__ volatile("pause");
	return duel->switches;
}

static long order_and_wait(struct duel *duel, enum order order)
{
	ask(duel, order);
	return finish(duel);
}

static uint64_t time_hitm(struct duel *duel)
{
	uint64_t t0;

	order_and_wait(duel, WRITE);
	t0 = cal_tsc();
	ring_read(duel->ring);
	return cal_tsc() - t0;
}

static uint64_t time_upgrade(struct duel *duel)
{
	uint64_t t0;

	ring_read(duel->ring);
	order_and_wait(duel, READ);
	ring_read(duel->ring);
	t0 = cal_tsc();
	ring_take(duel->ring);
	return cal_tsc() - t0;
}

/* The same walk over lines the leader already owns. */
static uint64_t time_owned(struct duel *duel)
{
	uint64_t t0;

	ring_take(duel->ring);
	t0 = cal_tsc();
	ring_take(duel->ring);
	return cal_tsc() - t0;
}

static uint64_t time_pingpong(struct duel *duel)
{
	uint64_t t0, t1;
	unsigned int i;

	atomic_store(&duel->ball, 0);
	order_and_wait(duel, REST);
	ask(duel, PINGPONG);
	t0 = cal_tsc();
	for (i = 0; i < ROUNDS; i++) {
		atomic_store_explicit(&duel->ball, 2 * i + 1, memory_order_release);
		while (atomic_load_explicit(&duel->ball, memory_order_acquire) != 2 * i + 2)
			;
	}
	t1 = cal_tsc();
	finish(duel);
	return t1 - t0;
}

/* Batches in which a thread lost its processor are measured again. */
static struct cal_stat timed(struct cal_host *host, struct duel *duel,
			     uint64_t (*run)(struct duel *), int ops)
{
	int batches = cal_quick ? BATCHES / 40 : BATCHES, count = 0, tries = 0;
	double samples[BATCHES];
	long theirs = order_and_wait(duel, REST);

	while (count < batches && tries++ < 4 * batches && !cal_stop) {
		long ours = cal_switches(), now;
		uint64_t ticks = run(duel);

		now = order_and_wait(duel, REST);
		if (cal_switches() == ours && now == theirs)
			samples[count++] = ticks / host->tsc_ghz / ops;
		theirs = now;
	}
	return cal_summary(samples, count);
}

static bool duel_begin(struct duel *duel, pthread_t *thread, char *mem, int first, int second)
{
	memset(duel, 0, sizeof(*duel));
	duel->ring = ring_make(mem);
	duel->cpu = second;
	cal_pin(first);
	return !pthread_create(thread, NULL, partner, duel);
}

static void duel_end(struct duel *duel, pthread_t thread)
{
	ask(duel, QUIT);
	pthread_join(thread, NULL);
}

static void measure_pair(struct cal_host *host, char *mem, struct cal_pair *pair)
{
	static struct duel duel;
	struct cal_stat owned;
	pthread_t thread;

	if (!duel_begin(&duel, &thread, mem, pair->cpu[0], pair->cpu[1]))
		return;
	pair->hitm = timed(host, &duel, time_hitm, LINES);
	owned = timed(host, &duel, time_owned, LINES);
	pair->upgrade = timed(host, &duel, time_upgrade, LINES);
	pair->upgrade.median -= owned.median;
	pair->upgrade.low -= owned.median;
	pair->upgrade.high -= owned.median;
	pair->pingpong = timed(host, &duel, time_pingpong, 2 * ROUNDS);
	duel_end(&duel, thread);
}

/*
 * Which pairs: all of a small machine.  Of a larger one, the first processor
 * with its sibling and with one of each package, then any.
 */
static int choose_pairs(struct cal_host *host, struct cal_pair *pair)
{
	int all = host->cpus * (host->cpus - 1) / 2, count = 0, i, j;
	uint64_t seed = 88172645463325252ULL;
	bool have[3] = { false };

	for (i = 0; all <= PAIRS_MAX && i < host->cpus; i++)
		for (j = i + 1; j < host->cpus; j++, count++)
			pair[count] = (struct cal_pair){
				.cpu = { host->cpu[i].id, host->cpu[j].id },
				.place = cal_place(&host->cpu[i], &host->cpu[j]),
			};
	for (j = 1; all > PAIRS_MAX && j < host->cpus; j++) {
		enum cal_place place = cal_place(&host->cpu[0], &host->cpu[j]);

		if (have[place])
			continue;
		have[place] = true;
		pair[count++] = (struct cal_pair){
			.cpu = { host->cpu[0].id, host->cpu[j].id }, .place = place };
	}
	while (all > PAIRS_MAX && count < PAIRS_MAX) {
		i = cal_random(&seed) % host->cpus;
		j = cal_random(&seed) % host->cpus;
		if (i == j)
			continue;
		pair[count++] = (struct cal_pair){
			.cpu = { host->cpu[i].id, host->cpu[j].id },
			.place = cal_place(&host->cpu[i], &host->cpu[j]),
		};
	}
	return count;
}

/**
 * cal_pairs() - measure line transfers of every pair of processors
 * @host: the machine; above eight processors, pairs are sampled
 * @count: how many pairs were measured
 * Return: the pairs, to be freed by the caller, or NULL.
 */
struct cal_pair *cal_pairs(struct cal_host *host, int *count)
{
	struct cal_pair *pair = calloc(PAIRS_MAX, sizeof(*pair));
	size_t size = 2 << 20;
	char *mem;
	int i;

	*count = 0;
	mem = cal_buffer(host, size);
	if (!pair || !mem || host->cpus < 2)
		goto out;
	*count = choose_pairs(host, pair);
	for (i = 0; i < *count && !cal_stop; i++) {
		cal_say("lines between processors %d and %d (%d of %d)", pair[i].cpu[0],
			pair[i].cpu[1], i + 1, *count);
		measure_pair(host, mem, &pair[i]);
	}
out:
	if (mem)
		munmap(mem, size);
	return pair;
}

static uint64_t time_syscall(struct duel *duel)
{
	uint64_t t0 = cal_tsc();
	int i;

	(void)duel;
	for (i = 0; i < 50; i++)
		syscall(SYS_getppid);
	return cal_tsc() - t0;
}

static uint64_t time_membarrier(struct duel *duel)
{
	uint64_t t0 = cal_tsc();
	int i;

	(void)duel;
	for (i = 0; i < 50; i++)
		syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
	return cal_tsc() - t0;
}

/* A wake-up there and one back, of sleepers. */
static struct cal_stat time_wake(struct cal_host *host, struct duel *duel)
{
	int batches = cal_quick ? BATCHES / 40 : BATCHES, count = 0;
	double samples[BATCHES];
	uint64_t one = 1, two = 2, t0;

	duel->event[0] = eventfd(0, 0);
	duel->event[1] = eventfd(0, 0);
	ask(duel, EVENT);
	while (count < batches && !cal_stop) {
		t0 = cal_tsc();
		if (write(duel->event[0], &one, sizeof(one)) != sizeof(one) ||
		    read(duel->event[1], &one, sizeof(one)) != sizeof(one))
			break;
		samples[count++] = (cal_tsc() - t0) / host->tsc_ghz / 2;
	}
	if (write(duel->event[0], &two, sizeof(two)) == sizeof(two))
		finish(duel);
	close(duel->event[0]);
	close(duel->event[1]);
	return cal_summary(samples, count);
}

/**
 * cal_ipi() - what stands for an interrupt between two cores
 * @host: the machine
 * @table: gets ipi where it can be told; hitm and irq_entry must be there
 *
 * membarrier() interrupts the cores that run the process's other threads and
 * waits until each has answered: a system call, the order to the interrupt
 * controller, delivery, entry, and the answer's line back.
 */
void cal_ipi(struct cal_host *host, struct cal_table *table)
{
	struct cal_stat call, barrier, wake;
	static struct duel duel;
	pthread_t thread;
	size_t size = 2 << 20;
	double cycles;
	char *mem;
	int other;

	for (other = 1; other < host->cpus; other++)
		if (cal_place(&host->cpu[0], &host->cpu[other]) == CAL_PACKAGE)
			break;
	if (other >= host->cpus)
		return;
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0)) {
		cal_warn("no membarrier() here: ipi keeps the table's value");
		return;
	}
	mem = cal_buffer(host, size);
	if (!mem || !duel_begin(&duel, &thread, mem, host->cpu[0].id, host->cpu[other].id))
		return;
	cal_say("interrupts between processors %d and %d", host->cpu[0].id, host->cpu[other].id);
	call = timed(host, &duel, time_syscall, 50);
	barrier = timed(host, &duel, time_membarrier, 50);
	wake = time_wake(host, &duel);
	duel_end(&duel, thread);
	munmap(mem, size);
	if (!call.samples || !barrier.samples)
		return;
	cycles = (barrier.median - call.median) * host->ghz - cal_table_get(table, "hitm")->value -
		 cal_table_get(table, "irq_entry")->value;
	cal_say("membarrier %.0f ns, of it %.0f ns the system call; waking a sleeper %.0f ns",
		barrier.median, call.median, wake.median);
	if (host->virtual)
		cal_warn("ipi keeps the table's value: here an interrupt goes through the hypervisor (membarrier %.0f ns, system call %.0f ns, waking a sleeper %.0f ns)",
			 barrier.median, call.median, wake.median);
	else if (cycles > 0)
		cal_table_set(table, "ipi", cycles, &barrier,
			      "cycles, membarrier() less system call, hitm and irq_entry (stands for an IPI; waking a sleeper takes %.0f ns)",
			      wake.median);
}
