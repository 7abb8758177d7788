/* SPDX-License-Identifier: GPL-2.0 */
/*
 * calibrate.h - what the rooms of the calibration tool share
 *
 * calibrate.c		the command: options, order of things, output
 * calibrate_table.c	the table of constants and the text it comes from
 * calibrate_host.c	clocks, processors, pinning, noise, statistics
 * calibrate_core.c	what one core does: clock, locked operations, PAUSE
 * calibrate_mem.c	load latency of each level, copying
 * calibrate_duel.c	two threads on two cores
 * calibrate_line.c	lines that move between them
 * calibrate_ipi.c	interrupts between them
 */
#ifndef CORELANE_SIMLANE_CALIBRATE_H
#define CORELANE_SIMLANE_CALIBRATE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAL_LINE	64	/* bytes of a cache line on every x86 */
#define CAL_ARRAY_SIZE(x) (sizeof(x) / sizeof((x)[0]))

/* Nanoseconds: the median, and the 10th and 90th of 100 in order of size. */
struct cal_stat {
	double median;
	double low;
	double high;
	int samples;
};

/* One constant of the table. */
struct cal_constant {
	char name[32];
	double value;
	char comment[256];	/* unit and source, as the table prints them */
	bool measured;
	struct cal_stat ns;	/* if measured in nanoseconds */
};

struct cal_table {
	struct cal_constant entry[48];
	int count;
};

enum cal_place {
	CAL_SIBLING,		/* two threads of a core */
	CAL_PACKAGE,		/* two cores of a package */
	CAL_REMOTE,		/* cores of two packages */
};

struct cal_cpu {
	int id;
	int core;
	int package;
};

struct cal_host {
	struct cal_cpu *cpu;
	int cpus;
	bool virtual;
	bool huge;		/* the last buffer got huge pages */
	char model[64];
	size_t l1;
	size_t l2;
	size_t llc;
	double tsc_ghz;
	double ghz;
	struct cal_stat l1_ns;
};

/* What two cores cost each other, nanoseconds. */
struct cal_pair {
	int cpu[2];
	enum cal_place place;
	struct cal_stat hitm;
	struct cal_stat upgrade;
	struct cal_stat pingpong;
};

extern volatile sig_atomic_t cal_stop;
extern bool cal_quick;

/* calibrate.c */
void cal_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void cal_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* calibrate_table.c */
extern const char cal_default_text[];
int cal_table_parse(struct cal_table *table, const char *text, const char *name);
int cal_table_default(struct cal_table *table);
struct cal_constant *cal_table_get(struct cal_table *table, const char *name);
void cal_table_set(struct cal_table *table, const char *name, double value,
		   const struct cal_stat *ns, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
void cal_table_scale(struct cal_table *table, double ghz);

/* calibrate_host.c */
int cal_host_init(struct cal_host *host);
void cal_host_free(struct cal_host *host);
int cal_pin(int cpu);
uint64_t cal_ns(void);
long cal_switches(void);
double cal_steal(void);
void *cal_buffer(struct cal_host *host, size_t size);
struct cal_stat cal_summary(double *samples, int count);
enum cal_place cal_place(const struct cal_cpu *a, const struct cal_cpu *b);

/* calibrate_core.c */
void cal_core(struct cal_host *host, struct cal_table *table);

/* calibrate_mem.c */
void cal_mem(struct cal_host *host, struct cal_table *table);

/* calibrate_line.c */
struct cal_pair *cal_pairs(struct cal_host *host, int *count);

/* calibrate_ipi.c */
void cal_ipi(struct cal_host *host, struct cal_table *table);

/* A serialised reading of the time stamp counter. */
static inline uint64_t cal_tsc(void)
{
	uint32_t low;
	uint32_t high;

	__asm__ volatile("lfence; rdtsc; lfence" : "=a" (low), "=d" (high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* A small generator of our own: the same order of lines in every run. */
static inline uint64_t cal_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif /* CORELANE_SIMLANE_CALIBRATE_H */
