// SPDX-License-Identifier: GPL-2.0
/*
 * One core, everything in its L1: instructions, locked operations, PAUSE.
 */
#include "known_cost.h"

#define TURNS 100000L

static uint64_t word __attribute__((aligned(KC_LINE)));

static void counted(void *arg)
{
	long turns = TURNS;

	(void)arg;
	__asm__ volatile("1:\tdec %0\n\tjnz 1b" : "+r" (turns) : : "cc");
}

static void mixed(void *arg)
{
	long turns = TURNS, a = 0, b = 0;

	(void)arg;
	__asm__ volatile("1:\tadd $1, %1\n\tlea 3(%1), %2\n\tmov %2, %3\n\tmov %3, %1\n\t"
			 "xor %2, %1\n\tnop\n\tadd $5, %2\n\tincq %3\n\tdec %0\n\tjnz 1b"
			 : "+r" (turns), "+r" (a), "+r" (b), "+m" (word) : : "cc");
}

static void lock_add(void *arg)
{
	long turns = TURNS;

	(void)arg;
	__asm__ volatile("1:\tlock addq $1, %1\n\tdec %0\n\tjnz 1b"
			 : "+r" (turns), "+m" (word) : : "cc");
}

static void exchange(void *arg)
{
	long turns = TURNS, a = 0;

	(void)arg;
	__asm__ volatile("1:\txchg %1, %2\n\tdec %0\n\tjnz 1b"
			 : "+r" (turns), "+m" (word), "+r" (a) : : "cc");
}

static void pauses(void *arg)
{
	long turns = TURNS;

	(void)arg;
	__asm__ volatile("1:\tpause\n\tdec %0\n\tjnz 1b" : "+r" (turns) : : "cc");
}

/**
 * kc_core_tests() - what one core takes without leaving its L1
 */
void kc_core_tests(void)
{
	double cpi = kc_model("cpi_base"), per;

	kc_pin(0);
	per = kc_least(counted, NULL, 5) / TURNS;
	kc_expect("a turn of a loop of 2 instructions", per, 2 * cpi, 1);
	per = kc_least(mixed, NULL, 5) / TURNS;
	kc_expect("a turn of 10 instructions, three of them to L1", per, 10 * cpi, 1);
	per = kc_least(lock_add, NULL, 5) / TURNS - 3 * cpi;
	kc_expect("a locked addition beyond its instruction", per, kc_model("locked"), 1);
	per = kc_least(exchange, NULL, 5) / TURNS - 3 * cpi;
	kc_expect("an exchange with memory beyond its instruction", per, kc_model("locked"), 1);
	per = kc_least(pauses, NULL, 2) / TURNS - 3 * cpi;
	kc_expect("PAUSE beyond its instruction", per, kc_model("pause"), 1);
}
