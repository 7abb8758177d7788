// SPDX-License-Identifier: GPL-2.0
/*
 * calibrate_core.c - what one core does alone: its clock, locked operations,
 * PAUSE
 */
#include "calibrate.h"

#define BATCHES	2000

/* Ten additions, each waiting for the one before it: ten cycles. */
#define ADD10 "add %1, %0\n\tadd %1, %0\n\tadd %1, %0\n\tadd %1, %0\n\tadd %1, %0\n\t" \
	      "add %1, %0\n\tadd %1, %0\n\tadd %1, %0\n\tadd %1, %0\n\tadd %1, %0\n\t"

static void adds(long loops)
{
	uint64_t x = 1, y = 3;

	for (; loops; loops--)
		__asm__ volatile(ADD10 ADD10 ADD10 ADD10 ADD10 ADD10 ADD10 ADD10 ADD10 ADD10
				 : "+r" (x) : "r" (y));
}

static void locked(long loops)
{
	static uint64_t __attribute__((aligned(CAL_LINE))) word;

	for (; loops; loops--)
		__asm__ volatile("lock addq $1, %0\n\tlock addq $1, %0\n\tlock addq $1, %0\n\t"
				 "lock addq $1, %0\n\tlock addq $1, %0\n\tlock addq $1, %0\n\t"
				 "lock addq $1, %0\n\tlock addq $1, %0\n\tlock addq $1, %0\n\t"
				 "lock addq $1, %0" : "+m" (word) : : "cc");
}

static void pauses(long loops)
{
	for (; loops; loops--)
		__asm__ volatile("pause; pause; pause; pause; pause; pause; pause; pause; pause; pause");
}

/* Nanoseconds of one of @ops operations that @run does in each loop. */
static struct cal_stat timed(struct cal_host *host, void (*run)(long), long loops, int ops)
{
	int batches = cal_quick ? BATCHES / 40 : BATCHES, count = 0, tries = 0;
	double samples[BATCHES];

	run(loops);
	while (count < batches && tries++ < 4 * batches && !cal_stop) {
		long switches = cal_switches();
		uint64_t t0 = cal_tsc(), t1;

		run(loops);
		t1 = cal_tsc();
		if (cal_switches() == switches)
			samples[count++] = (t1 - t0) / host->tsc_ghz / ((double)loops * ops);
	}
	return cal_summary(samples, count);
}

/**
 * cal_core() - measure the clock, locked operations and PAUSE
 * @host: learns the core's clock
 * @table: gets ghz, locked and pause
 */
void cal_core(struct cal_host *host, struct cal_table *table)
{
	struct cal_stat stat;

	cal_pin(host->cpu[0].id);
	cal_say("the core's clock");
	/* Long enough for a core that slept to reach its speed. */
	stat = timed(host, adds, 20000, 100);
	stat = timed(host, adds, 2000, 100);
	if (!stat.samples)
		return;
	host->ghz = 1 / stat.median;
	cal_table_set(table, "ghz", host->ghz, &stat,
		      "GHz, the core's clock by dependent additions (time stamp counter: %.3f GHz)",
		      host->tsc_ghz);
	cal_say("locked operations");
	stat = timed(host, locked, 200, 10);
	cal_table_set(table, "locked", stat.median * host->ghz - 1, &stat,
		      "cycles beyond the instruction's own, lock add to a line the core owns");
	cal_say("PAUSE");
	stat = timed(host, pauses, 100, 10);
	cal_table_set(table, "pause", stat.median * host->ghz - 1, &stat,
		      "cycles beyond the instruction's own, a run of PAUSE");
}
