// SPDX-License-Identifier: GPL-2.0
/*
 * calibrate_table.c - the table of constants
 *
 * A line is "name value # unit and source"; what is after # belongs to the
 * reader.  The measured table starts as model/server.conf, which is part of
 * the program, and keeps its values where user space cannot measure.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calibrate.h"

__asm__(".pushsection .rodata\n"
	"cal_default_text:\n"
	".incbin \"model/server.conf\"\n"
	".byte 0\n"
	".popsection");

/**
 * cal_table_get() - look a constant up
 * @table: the table
 * @name: which
 * Return: it, or NULL.
 */
struct cal_constant *cal_table_get(struct cal_table *table, const char *name)
{
	int i;

	for (i = 0; i < table->count; i++)
		if (!strcmp(table->entry[i].name, name))
			return &table->entry[i];
	return NULL;
}

/**
 * cal_table_set() - put a measured value into the table
 * @table: the table
 * @name: which constant
 * @value: its value
 * @ns: the measurement in nanoseconds, or NULL; one without samples leaves
 *	the constant as it was
 * @fmt: its unit and source, printf style
 */
void cal_table_set(struct cal_table *table, const char *name, double value,
		   const struct cal_stat *ns, const char *fmt, ...)
{
	struct cal_constant *c = cal_table_get(table, name);
	va_list args;

	if (!c || (ns && !ns->samples))
		return;
	if (value < 0) {
		cal_warn("%s came out below zero: noise; the table's value stays", name);
		return;
	}
	c->value = value;
	c->measured = true;
	if (ns)
		c->ns = *ns;
	va_start(args, fmt);
	vsnprintf(c->comment, sizeof(c->comment), fmt, args);
	va_end(args);
	if (ns && ns->high - ns->low > 0.2 * ns->median)
		cal_warn("%s: 80 %% of its batches are spread over %.0f %% of the median", name,
			 100 * (ns->high - ns->low) / ns->median);
}

/**
 * cal_table_parse() - read a table
 * @table: constants are added to it
 * @text: the text
 * @name: what to call it in a message
 * Return: 0, or -1 with a message.
 */
int cal_table_parse(struct cal_table *table, const char *text, const char *name)
{
	int number = 0;

	while (*text) {
		size_t length = strcspn(text, "\n");
		char line[512], *comment, *end;
		struct cal_constant *c;

		number++;
		snprintf(line, sizeof(line), "%.*s", (int)length, text);
		text += length + (text[length] == '\n');
		comment = strchr(line, '#');
		if (comment)
			*comment++ = 0;
		if (!line[strspn(line, " \t")])
			continue;
		if (table->count == (int)CAL_ARRAY_SIZE(table->entry)) {
			fprintf(stderr, "calibrate: %s: too many constants\n", name);
			return -1;
		}
		c = &table->entry[table->count];
		memset(c, 0, sizeof(*c));
		if (sscanf(line, "%31s", c->name) != 1)
			continue;
		end = strstr(line, c->name) + strlen(c->name);
		c->value = strtod(end, &end);
		if (end[strspn(end, " \t")]) {
			fprintf(stderr, "calibrate: %s:%d: not \"name value # source\"\n", name, number);
			return -1;
		}
		if (comment)
			snprintf(c->comment, sizeof(c->comment), "%s", comment + strspn(comment, " \t"));
		table->count++;
	}
	return 0;
}

/**
 * cal_table_scale() - turn what was not measured to another clock
 * @table: the table
 * @ghz: the clock its cycles were counted at so far
 *
 * What is a time outside the core takes more cycles of a faster one.
 */
void cal_table_scale(struct cal_table *table, double ghz)
{
	static const char *const times[] = {
		"llc_hit", "dram", "hitm", "upgrade", "ipi", "mmio_read", "mmio_write",
	};
	double factor = cal_table_get(table, "ghz")->value / ghz;
	size_t i;

	for (i = 0; i < CAL_ARRAY_SIZE(times); i++) {
		struct cal_constant *c = cal_table_get(table, times[i]);
		char source[sizeof(c->comment)];

		if (!c || c->measured)
			continue;
		c->value *= factor;
		snprintf(source, sizeof(source), "%s", c->comment);
		snprintf(c->comment, sizeof(c->comment), "at %.1f GHz: %.220s", ghz, source);
	}
}

/**
 * cal_table_default() - the table the program carries
 * @table: filled in
 * Return: 0, or -1 with a message.
 */
int cal_table_default(struct cal_table *table)
{
	memset(table, 0, sizeof(*table));
	return cal_table_parse(table, cal_default_text, "model/server.conf");
}
