// SPDX-License-Identifier: GPL-2.0
/*
 * calibrate_line.c - lines that move between two cores
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "calibrate_duel.h"

#define PAIRS_MAX	28	/* all of 8 processors; more are sampled */

static long give(struct duel *duel, enum duel_order order)
{
	duel_ask(duel, order);
	return duel_finish(duel);
}

static uint64_t time_hitm(struct duel *duel)
{
	uint64_t t0;

	give(duel, DUEL_WRITE);
	t0 = cal_tsc();
	duel_read(duel->ring);
	return cal_tsc() - t0;
}

static uint64_t time_upgrade(struct duel *duel)
{
	uint64_t t0;

	duel_read(duel->ring);
	give(duel, DUEL_READ);
	duel_read(duel->ring);
	t0 = cal_tsc();
	duel_take(duel->ring);
	return cal_tsc() - t0;
}

/* The same walk over lines the leader already owns. */
static uint64_t time_owned(struct duel *duel)
{
	uint64_t t0;

	duel_take(duel->ring);
	t0 = cal_tsc();
	duel_take(duel->ring);
	return cal_tsc() - t0;
}

static uint64_t time_pingpong(struct duel *duel)
{
	uint64_t t0, t1;
	unsigned int i;

	atomic_store(&duel->ball, 0);
	give(duel, DUEL_REST);
	duel_ask(duel, DUEL_PINGPONG);
	t0 = cal_tsc();
	for (i = 0; i < DUEL_ROUNDS; i++) {
		atomic_store_explicit(&duel->ball, 2 * i + 1, memory_order_release);
		while (atomic_load_explicit(&duel->ball, memory_order_acquire) != 2 * i + 2)
			;
	}
	t1 = cal_tsc();
	duel_finish(duel);
	return t1 - t0;
}

static void measure_pair(struct cal_host *host, char *mem, struct cal_pair *pair)
{
	static struct duel duel;
	struct cal_stat owned;
	pthread_t thread;

	if (!duel_begin(&duel, &thread, mem, pair->cpu[0], pair->cpu[1]))
		return;
	pair->hitm = duel_timed(host, &duel, time_hitm, DUEL_LINES);
	owned = duel_timed(host, &duel, time_owned, DUEL_LINES);
	pair->upgrade = duel_timed(host, &duel, time_upgrade, DUEL_LINES);
	pair->upgrade.median -= owned.median;
	pair->upgrade.low -= owned.median;
	pair->upgrade.high -= owned.median;
	pair->pingpong = duel_timed(host, &duel, time_pingpong, 2 * DUEL_ROUNDS);
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
