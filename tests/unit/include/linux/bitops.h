/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The one bit operation that pure kernel code needs in user space.
 */
#ifndef CORELANE_TESTS_LINUX_BITOPS_H
#define CORELANE_TESTS_LINUX_BITOPS_H

#include <stdbool.h>

#define BITS_PER_LONG	(8 * (unsigned int)sizeof(long))

static inline bool test_bit(unsigned int nr, const unsigned long *bitmap)
{
	return bitmap[nr / BITS_PER_LONG] >> (nr % BITS_PER_LONG) & 1;
}

#endif /* CORELANE_TESTS_LINUX_BITOPS_H */
