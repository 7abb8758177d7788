/* SPDX-License-Identifier: GPL-2.0 */
/* The guest kernel's functions by address, from its /proc/kallsyms. */
#ifndef SIMLANE_SYMBOLS_H
#define SIMLANE_SYMBOLS_H

#include "types.h"

/**
 * struct symbols - functions, sorted by address
 * @count: how many
 * @sym: them; the first stands for all user space
 */
struct symbols {
	unsigned int count;
	struct symbol {
		u64 start;
		char *name;
	} *sym;
};

bool symbols_load(struct symbols *s, const char *path, char *more, size_t more_len);
void symbols_free(struct symbols *s);
unsigned int symbols_find(const struct symbols *s, u64 address);
bool symbols_range(const struct symbols *s, const char *name, u64 *start, u64 *end);

#endif
