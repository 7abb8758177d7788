/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Numbers on the command line.
 */
#ifndef TESTS_NUMBER_H
#define TESTS_NUMBER_H

#include <err.h>
#include <stdlib.h>

/* A number from @least to @most, or the program ends: "@text: no @what". */
static inline int number(const char *text, int least, int most, const char *what)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (*end || end == text || value < least || value > most)
		errx(2, "%s: no %s from %d to %d", text, what, least, most);
	return (int)value;
}

#endif
