// SPDX-License-Identifier: GPL-2.0
/*
 * Counters by function, and for every line that a core took from another, by
 * line and function.
 */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "profile.h"

struct profile_row *profile_rows;

static unsigned int rows;

#define LINE_SLOTS	(1u << 20)
#define LINE_PROBES	32

static struct line_use {
	u64 line, address;
	u32 symbol, hitm, upgrade, pad;
} *line_uses;

static u64 lines_dropped;

static const char * const names[] = {
#define PROFILE_NAME(name) #name,
	PROFILE_COUNTERS(PROFILE_NAME)
#undef PROFILE_NAME
};

/**
 * profile_init() - make room
 * @symbols: number of functions
 *
 * Return: false if there is not enough memory.
 */
bool profile_init(unsigned int symbols)
{
	profile_free();
	rows = symbols;
	profile_rows = calloc(rows, sizeof(*profile_rows));
	line_uses = calloc(LINE_SLOTS, sizeof(*line_uses));
	return profile_rows && line_uses;
}

/**
 * profile_free() - give the room back
 */
void profile_free(void)
{
	free(profile_rows);
	free(line_uses);
	profile_rows = NULL;
	line_uses = NULL;
}

/**
 * profile_clear() - count from nought
 */
void profile_clear(void)
{
	memset(profile_rows, 0, rows * sizeof(*profile_rows));
	memset(line_uses, 0, LINE_SLOTS * sizeof(*line_uses));
	lines_dropped = 0;
}

/**
 * profile_line() - a core took a line from another
 * @line: physical address / 64
 * @address: virtual address of the access
 * @symbol: function that did it
 * @upgrade: it shared the line before (else the other had modified it)
 */
void profile_line(u64 line, u64 address, unsigned int symbol, bool upgrade)
{
	u64 hash = (line * 0x9e3779b97f4a7c15ULL) ^ (symbol * 0xc2b2ae3d27d4eb4fULL);
	u32 slot = (u32)(hash >> 40) & (LINE_SLOTS - 1);
	struct line_use *use;
	int probe;

	for (probe = 0; probe < LINE_PROBES; probe++, slot = (slot + 1) & (LINE_SLOTS - 1)) {
		use = &line_uses[slot];
		if (!use->hitm && !use->upgrade) {
			use->line = line;
			use->symbol = symbol;
			use->address = address;
		} else if (use->line != line || use->symbol != symbol) {
			continue;
		}
		if (upgrade)
			use->upgrade++;
		else
			use->hitm++;
		return;
	}
	lines_dropped++;
}

/**
 * profile_counter_name() - what a counter is called
 * @counter: which
 *
 * Return: its name.
 */
const char *profile_counter_name(unsigned int counter)
{
	return names[counter];
}

/**
 * profile_total() - all functions together
 * @total: where to
 */
void profile_total(struct profile_row *total)
{
	unsigned int i, k;

	memset(total, 0, sizeof(*total));
	for (i = 0; i < rows; i++)
		for (k = 0; k < PROFILE_COUNTER_COUNT; k++)
			total->n[k] += profile_rows[i].n[k];
	total->n[PROFILE_cycles] >>= CLOCK_TICK_SHIFT;
}

/**
 * profile_write_functions() - a CSV line for each function that did anything
 * @out: where to
 * @s: their names
 */
void profile_write_functions(FILE *out, const struct symbols *s)
{
	unsigned int i, k;

	fputs("group,function", out);
	for (k = 0; k < PROFILE_COUNTER_COUNT; k++)
		fprintf(out, ",%s", names[k]);
	putc('\n', out);
	for (i = 0; i < rows; i++) {
		if (!profile_rows[i].n[PROFILE_insn] && !profile_rows[i].n[PROFILE_refs])
			continue;
		fprintf(out, "server,%s", s->sym[i].name);
		for (k = 0; k < PROFILE_COUNTER_COUNT; k++)
			fprintf(out, ",%llu", (unsigned long long)(k == PROFILE_cycles ?
				profile_rows[i].n[k] >> CLOCK_TICK_SHIFT : profile_rows[i].n[k]));
		putc('\n', out);
	}
}

/**
 * profile_write_lines() - a CSV line for each line and function that took it
 * @out: where to
 * @s: functions' names
 */
void profile_write_lines(FILE *out, const struct symbols *s)
{
	unsigned int i;

	fputs("line,va,function,hitm,upgrade\n", out);
	for (i = 0; i < LINE_SLOTS; i++)
		if (line_uses[i].hitm || line_uses[i].upgrade)
			fprintf(out, "%llx,%llx,%s,%u,%u\n",
				(unsigned long long)line_uses[i].line << 6,
				(unsigned long long)line_uses[i].address,
				s->sym[line_uses[i].symbol].name, line_uses[i].hitm,
				line_uses[i].upgrade);
	if (lines_dropped)
		fprintf(out, "0,0,[table full],%llu,0\n", (unsigned long long)lines_dropped);
}
