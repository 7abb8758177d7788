// SPDX-License-Identifier: GPL-2.0
/*
 * known_cost MODEL CPUS [ROOM]: run programs of known cost and hold what the
 * guest's clock says against the model.
 *
 * MODEL is a text of "name value" lines: the simulator's constants, and "q",
 * the window a core may run ahead, in cycles.  CPUS processors, from 0 on, are
 * those whose caches are modelled.  ROOM is core, memory, pair or time: run
 * its tests alone.
 */
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "known_cost.h"
#include "ktap.h"

#define CONSTANTS 64

static struct {
	char name[32];
	double value;
} constants[CONSTANTS];
static int constant_count;

/**
 * kc_model() - a constant of the model
 * @name: its name
 * Return: its value; without one, the test cannot go on.
 */
double kc_model(const char *name)
{
	int i;

	for (i = 0; i < constant_count; i++)
		if (!strcmp(constants[i].name, name))
			return constants[i].value;
	printf("Bail out! the model gives no %s\n", name);
	exit(1);
}

/**
 * kc_miss() - what a miss adds to a load: its latency less what the core hides
 * @name: the latency
 * Return: cycles.
 */
double kc_miss(const char *name)
{
	double shown = kc_model(name) - kc_model("ooo_hide");

	return shown > 0 ? shown : 0;
}

/**
 * kc_ok() - report one test
 * @good: whether it passed
 * @fmt: its name, printf style
 */
void kc_ok(bool good, const char *fmt, ...)
{
	char name[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(name, sizeof(name), fmt, args);
	va_end(args);
	ktap_ok(good, "%s", name);
}

/**
 * kc_near() - is a value what it should be?
 * @value: it
 * @expected: what it should be
 * @percent: how far it may be off, of @expected
 * @cycles: or how far in all
 * Return: whether it is.
 */
bool kc_near(double value, double expected, double percent, double cycles)
{
	double off = value > expected ? value - expected : expected - value;

	return off <= expected * percent / 100 || off <= cycles;
}

/**
 * kc_expect() - a test: cycles of something done once
 * @name: what
 * @value: what it took
 * @expected: what the model says
 * @percent: how far it may be off
 */
void kc_expect(const char *name, double value, double expected, double percent)
{
	kc_ok(kc_near(value, expected, percent, 0), "%s: %.3f cycles, the model says %.3f",
		name, value, expected);
}

/**
 * kc_cache() - switch the cache model on or off
 * @on: whether
 */
void kc_cache(bool on)
{
	if (system(on ? "simlane cache on" : "simlane cache off"))
		printf("# the cache model cannot be switched\n");
}

/**
 * kc_pin() - keep the calling thread on a processor
 * @cpu: its number
 */
void kc_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		printf("Bail out! no processor %d\n", cpu);
		exit(1);
	}
}

/**
 * kc_memory() - zeroed memory, all there
 * @bytes: how much
 * Return: its start.
 */
void *kc_memory(size_t bytes)
{
	void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (mem == MAP_FAILED) {
		printf("Bail out! no %zu KiB of memory\n", bytes >> 10);
		exit(1);
	}
	return mem;
}

/**
 * kc_ring() - link lines into a ring
 * @mem: the first of them
 * @lines: how many
 * @step: each links to the one this many lines on; prime to @lines
 * Return: the first.
 */
void **kc_ring(char *mem, size_t lines, size_t step)
{
	size_t i;

	for (i = 0; i < lines; i++)
		*(void **)(mem + i * KC_LINE) = mem + (i + step) % lines * KC_LINE;
	return (void **)mem;
}

/**
 * kc_chase() - loads that follow a ring
 * @ring: where to begin
 * @loads: how many, a multiple of eight; for each eight, ten instructions
 * Return: where it ended.
 */
void **kc_chase(void **ring, long loads)
{
	loads /= 8;
	__asm__ volatile(".p2align 6\n"
			 "1:\tmov (%0), %0\n\tmov (%0), %0\n\tmov (%0), %0\n\tmov (%0), %0\n\t"
			 "mov (%0), %0\n\tmov (%0), %0\n\tmov (%0), %0\n\tmov (%0), %0\n\t"
			 "dec %1\n\tjnz 1b" : "+r" (ring), "+r" (loads) : : "memory", "cc");
	return ring;
}

/**
 * kc_least() - the undisturbed duration of something
 * @run: does it
 * @arg: passed to @run
 * @repeats: how often; the least is taken, since interrupts only add
 * Return: cycles.
 */
double kc_least(void (*run)(void *arg), void *arg, int repeats)
{
	uint64_t least = UINT64_MAX;

	while (repeats--) {
		uint64_t begun = kc_tsc(), took;

		run(arg);
		took = kc_tsc() - begun;
		if (took < least)
			least = took;
	}
	return least;
}

static void read_model(const char *path)
{
	FILE *file = fopen(path, "r");

	if (!file) {
		printf("Bail out! no model %s\n", path);
		exit(1);
	}
	while (constant_count < CONSTANTS &&
	       fscanf(file, "%31s %lf", constants[constant_count].name,
		      &constants[constant_count].value) == 2)
		constant_count++;
	fclose(file);
}

static int test_cpus;

static void pair_tests(void)
{
	kc_pair_tests(test_cpus);
}

static const struct {
	const char *name;
	int tests;
	void (*run)(void);
} rooms[] = {
	{ "core", KC_CORE_TESTS, kc_core_tests },
	{ "memory", KC_MEMORY_TESTS, kc_memory_tests },
	{ "pair", KC_PAIR_TESTS, pair_tests },
	{ "time", KC_TIME_TESTS, kc_time_tests },
};

int main(int argc, char **argv)
{
	const char *only = argc == 4 ? argv[3] : NULL;
	int pass, plan = 0;
	size_t i;

	if (argc != 3 && argc != 4) {
		fputs("usage: known_cost MODEL CPUS [core|memory|pair|time]\n", stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	read_model(argv[1]);
	test_cpus = atoi(argv[2]);
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
			if (only && strcmp(only, rooms[i].name))
				continue;
			if (pass)
				rooms[i].run();
			else
				plan += rooms[i].tests;
		}
		if (!pass)
			ktap_plan(plan);
	}
	ktap_exit();
}
