// SPDX-License-Identifier: GPL-2.0
/*
 * The constants' table: "name value # source" a line, and single ones set by
 * option (for sensitivity runs).
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "model.h"

struct model model;

static struct entry {
	const char *name, *unit, *what;
	double *value, base;
	char *source;
	bool set;
} entries[] = {
#define MODEL_ENTRY(name, unit, what) { #name, unit, what, &model.name, 0, NULL, false },
	MODEL_CONSTANTS(MODEL_ENTRY)
#undef MODEL_ENTRY
};

#define ENTRIES (sizeof(entries) / sizeof(entries[0]))

static char why[256];

/**
 * model_error() - why the last call in this file returned false
 *
 * Return: a sentence.
 */
const char *model_error(void)
{
	return why;
}

static bool set(const char *name, const char *value, const char *source)
{
	char *end;
	double x;
	size_t i;

	errno = 0;
	x = strtod(value, &end);
	if (errno || end == value || *end || !isfinite(x) || x < 0) {
		snprintf(why, sizeof(why), "%s: '%s' is not a number of 0 or more", name, value);
		return false;
	}
	for (i = 0; i < ENTRIES; i++) {
		if (strcmp(entries[i].name, name))
			continue;
		*entries[i].value = x;
		entries[i].base = x;
		entries[i].set = true;
		free(entries[i].source);
		entries[i].source = strdup(source);
		return true;
	}
	snprintf(why, sizeof(why), "there is no constant '%s'", name);
	return false;
}

/**
 * model_set() - give one constant a value
 * @name: which
 * @value: a number, as text
 *
 * Return: false if there is no such constant or it cannot have this value.
 */
bool model_set(const char *name, const char *value)
{
	return set(name, value, "set for this run");
}

/* Cut a line into name, value and the source behind '#'. */
static bool parse_line(char *line)
{
	char *source = strchr(line, '#'), *name, *value, *save;

	line[strcspn(line, "\n")] = '\0';
	if (source) {
		*source++ = '\0';
		while (isspace((unsigned char)*source))
			source++;
	}
	name = strtok_r(line, " \t", &save);
	if (!name)
		return true;
	value = strtok_r(NULL, " \t", &save);
	if (!value) {
		snprintf(why, sizeof(why), "%s has no value", name);
		return false;
	}
	return set(name, value, source ? source : "");
}

/**
 * model_load() - read a table
 * @path: its file
 *
 * Return: false if it cannot be read or understood.
 */
bool model_load(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[1024];
	bool ok = true;

	if (!file) {
		snprintf(why, sizeof(why), "cannot read the model %s: %s", path, strerror(errno));
		return false;
	}
	while (ok && fgets(line, sizeof(line), file))
		ok = parse_line(line);
	fclose(file);
	return ok;
}

/**
 * model_scale() - change a constant while the guest runs
 * @name: which; a cost, not a size or the clock's frequency
 * @percent: of the value it was given, 1 to 255
 *
 * Return: false if there is no such constant or it cannot change now.
 */
bool model_scale(const char *name, unsigned int percent)
{
	size_t i;

	for (i = 0; i < ENTRIES; i++) {
		if (strcmp(entries[i].name, name))
			continue;
		if (!strcmp(entries[i].unit, "KiB") || !strcmp(entries[i].unit, "GHz") || !percent)
			break;
		*entries[i].value = entries[i].base * percent / 100;
		return true;
	}
	snprintf(why, sizeof(why), "'%s' is no constant that can change in a run", name);
	return false;
}

static bool power_of_two_sets(double kb, unsigned int ways)
{
	u64 sets = (u64)kb * 1024 / 64 / ways;

	return sets && !(sets & (sets - 1));
}

/**
 * model_complete() - has every constant a value that makes sense?
 *
 * Return: false, with the reason in model_error(), if not.
 */
bool model_complete(void)
{
	size_t i;

	for (i = 0; i < ENTRIES; i++)
		if (!entries[i].set) {
			snprintf(why, sizeof(why), "the model gives no %s", entries[i].name);
			return false;
		}
	if (model.ghz < 0.1 || model.cpi_base <= 0 || model.copy_overlap < 1 ||
	    model.copy_bytes < 1) {
		snprintf(why, sizeof(why),
			 "ghz, cpi_base, copy_overlap or copy_bytes is too small to mean anything");
		return false;
	}
	if (!power_of_two_sets(model.l1_kb, 8) || !power_of_two_sets(model.l2_kb, 16) ||
	    !power_of_two_sets(model.llc_kb, 16)) {
		snprintf(why, sizeof(why), "a cache's size does not make a power of two of sets");
		return false;
	}
	return true;
}

/**
 * json_string() - write a string as JSON has it
 * @out: where
 * @s: the string
 */
void json_string(FILE *out, const char *s)
{
	putc('"', out);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			putc('\\', out);
		if ((unsigned char)*s >= ' ')
			putc(*s, out);
	}
	putc('"', out);
}

/**
 * model_write() - write the table as JSON
 * @out: where
 */
void model_write(FILE *out)
{
	size_t i;

	for (i = 0; i < ENTRIES; i++) {
		fprintf(out, "%s\"%s\": {\"value\": %g, \"unit\": \"%s\", \"what\": \"%s\", \"source\": ",
			i ? ",\n " : "{", entries[i].name, *entries[i].value, entries[i].unit,
			entries[i].what);
		json_string(out, entries[i].source ? entries[i].source : "");
		putc('}', out);
	}
	fputs("}\n", out);
}

/**
 * model_ticks() - a cost in the clock's unit
 * @cycles: cycles, and parts of one
 *
 * Return: ticks, to the nearest.
 */
u64 model_ticks(double cycles)
{
	return (u64)(cycles * (1 << CLOCK_TICK_SHIFT) + 0.5);
}
