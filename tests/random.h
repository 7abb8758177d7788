/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Numbers at random that a seed brings back.
 */
#ifndef TESTS_RANDOM_H
#define TESTS_RANDOM_H

#include <stdint.h>

static uint64_t random_state;

/* Any seed will do; the state must not be 0. */
static inline void random_seed(uint64_t seed)
{
	random_state = seed * 2 + 1;
}

/* xorshift64* */
static inline uint32_t any(uint32_t below)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (uint32_t)((random_state * 0x2545f4914f6cdd1dull) >> 32) % below;
}

#endif
