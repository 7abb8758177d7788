/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest with known costs: programs whose duration follows from the model's
 * constants, held against what the guest's own clock says they took.
 */
#ifndef CORELANE_TESTS_SIMLANE_KNOWN_COST_H
#define CORELANE_TESTS_SIMLANE_KNOWN_COST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KC_LINE	64

/* How many each room makes. */
#define KC_CORE_TESTS	5
#define KC_MEMORY_TESTS	8
#define KC_PAIR_TESTS	9
#define KC_TIME_TESTS	5

double kc_model(const char *name);
double kc_miss(const char *name);
void kc_ok(bool good, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool kc_near(double value, double expected, double percent, double cycles);
void kc_expect(const char *name, double value, double expected, double percent);
void kc_cache(bool on);
void kc_pin(int cpu);
void *kc_memory(size_t bytes);
void **kc_ring(char *mem, size_t lines, size_t step);
void **kc_chase(void **ring, long loads);
double kc_least(void (*run)(void *arg), void *arg, int repeats);

void kc_core_tests(void);
void kc_memory_tests(void);
void kc_pair_tests(int cpus);
void kc_time_tests(void);

/* Of this core; the simulated machine executes in order, so no fence. */
static inline uint64_t kc_tsc(void)
{
	uint32_t low;
	uint32_t high;

	__asm__ volatile("rdtsc" : "=a" (low), "=d" (high) : : "memory");
	return (uint64_t)high << 32 | low;
}

#endif /* CORELANE_TESTS_SIMLANE_KNOWN_COST_H */
