/* SPDX-License-Identifier: GPL-2.0 */
/*
 * KTAP output for the user-space unit tests.
 */
#ifndef CORELANE_TESTS_KTAP_H
#define CORELANE_TESTS_KTAP_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned int ktap_planned;
static unsigned int ktap_ran;
static unsigned int ktap_failed;

/**
 * ktap_plan() - print the KTAP header and how many tests follow
 * @tests: number of ktap_ok() calls that will be made
 */
static inline void ktap_plan(unsigned int tests)
{
	ktap_planned = tests;
	printf("KTAP version 1\n1..%u\n", tests);
}

/**
 * ktap_ok() - report one test
 * @good: whether it passed
 * @fmt: its name, printf style
 */
static inline void __attribute__((format(printf, 2, 3)))
ktap_ok(int good, const char *fmt, ...)
{
	va_list args;

	ktap_ran++;
	if (!good)
		ktap_failed++;
	printf("%sok %u ", good ? "" : "not ", ktap_ran);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

/**
 * ktap_exit() - end the program: 0 when the plan was met and nothing failed
 */
static inline void __attribute__((noreturn)) ktap_exit(void)
{
	if (ktap_ran != ktap_planned)
		printf("# planned %u tests, ran %u\n", ktap_planned, ktap_ran);
	exit(ktap_failed || ktap_ran != ktap_planned);
}

#endif /* CORELANE_TESTS_KTAP_H */
