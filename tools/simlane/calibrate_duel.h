/* SPDX-License-Identifier: GPL-2.0 */
/*
 * calibrate_duel.h - two pinned threads, of which one times what it meets
 *
 *	leader (timed)				partner
 *	reads 128 lines				has just written them
 *	writes 128 lines			has just read them, as the leader has
 *	waits for odd, writes even		waits for even, writes odd
 */
#ifndef CORELANE_SIMLANE_CALIBRATE_DUEL_H
#define CORELANE_SIMLANE_CALIBRATE_DUEL_H

#include <pthread.h>
#include <stdatomic.h>

#include "calibrate.h"

#define DUEL_LINES	128	/* a quarter of L1 */
#define DUEL_ROUNDS	200	/* of ping-pong in a batch */
#define DUEL_BATCHES	2000

enum duel_order { DUEL_WRITE, DUEL_READ, DUEL_PINGPONG, DUEL_EVENT, DUEL_REST, DUEL_QUIT };

/* The leader's words, the partner's, the ball and the rest: a line each. */
struct duel {
	enum duel_order order;
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

bool duel_begin(struct duel *duel, pthread_t *thread, char *mem, int first, int second);
void duel_end(struct duel *duel, pthread_t thread);
void duel_ask(struct duel *duel, enum duel_order order);
long duel_finish(struct duel *duel);
struct cal_stat duel_timed(struct cal_host *host, struct duel *duel,
			   uint64_t (*run)(struct duel *), int ops);
void duel_read(void **ring);
void duel_take(void **ring);

#endif /* CORELANE_SIMLANE_CALIBRATE_DUEL_H */
