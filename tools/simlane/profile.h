/* SPDX-License-Identifier: GPL-2.0 */
/* What the cores under study did, by function and by cache line. */
#ifndef SIMLANE_PROFILE_H
#define SIMLANE_PROFILE_H

#include <stdio.h>

#include "symbols.h"
#include "types.h"

/* name in the output, in this order */
#define PROFILE_COUNTERS(X)							\
	X(insn) X(cycles) X(refs) X(l1_miss) X(l2_hit) X(llc_hit) X(dram)	\
	X(hitm) X(upgrade) X(locked) X(spin) X(mmio_read) X(mmio_write)

enum profile_counter {
#define PROFILE_ENUM(name) PROFILE_##name,
	PROFILE_COUNTERS(PROFILE_ENUM)
#undef PROFILE_ENUM
	PROFILE_COUNTER_COUNT,
};

/**
 * struct profile_row - a function's counters
 * @n: by enum profile_counter; PROFILE_cycles counts ticks until written out
 */
struct profile_row {
	u64 n[PROFILE_COUNTER_COUNT];
};

extern struct profile_row *profile_rows;	/* one a symbol */

bool profile_init(unsigned int symbols);
void profile_free(void);
void profile_clear(void);
void profile_line(u64 line, u64 address, unsigned int symbol, bool upgrade);
void profile_total(struct profile_row *total);
void profile_write_functions(FILE *out, const struct symbols *s);
void profile_write_lines(FILE *out, const struct symbols *s);
const char *profile_counter_name(unsigned int counter);

#endif
