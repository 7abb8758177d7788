// SPDX-License-Identifier: GPL-2.0
/*
 * The guest kernel's functions.  Debian's System.map is empty, so the table
 * comes from the guest's own /proc/kallsyms: the kernel's functions from an
 * earlier boot, the modules' from this one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbols.h"

static int by_address(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static bool add(struct symbols *s, unsigned int *room, u64 start, const char *name)
{
	struct symbol *bigger;

	if (s->count == *room) {
		*room = *room ? *room * 2 : 65536;
		bigger = realloc(s->sym, *room * sizeof(*bigger));
		if (!bigger)
			return false;
		s->sym = bigger;
	}
	s->sym[s->count].start = start;
	s->sym[s->count].name = strdup(name);
	return s->sym[s->count++].name;
}

static void read_lines(struct symbols *s, unsigned int *room, FILE *file)
{
	char line[1024], name[512], module[256], full[800], type;
	unsigned long long at;
	int fields;

	while (fgets(line, sizeof(line), file)) {
		fields = sscanf(line, "%llx %c %511s %255s", &at, &type, name, module);
		if (fields < 3 || !(at >> 63) || !strchr("tTwW", type))
			continue;
		snprintf(full, sizeof(full), fields > 3 ? "%s %s" : "%s", name, module);
		if (!add(s, room, at, full))
			break;
	}
}

/**
 * symbols_load() - read a table
 * @s: where to
 * @path: a file as /proc/kallsyms
 * @more: further lines of the same form, or NULL
 * @more_len: bytes of @more
 *
 * Return: false if it cannot be read or shows no addresses.
 */
bool symbols_load(struct symbols *s, const char *path, char *more, size_t more_len)
{
	FILE *file = fopen(path, "r");
	unsigned int room = 0;

	memset(s, 0, sizeof(*s));
	if (!file)
		return false;
	add(s, &room, 0, "[user]");
	add(s, &room, 0xffff800000000000ULL, "[kernel]");
	read_lines(s, &room, file);
	fclose(file);
	file = more_len ? fmemopen(more, more_len, "r") : NULL;
	if (file) {
		read_lines(s, &room, file);
		fclose(file);
	}
	if (more_len && !file)
		s->count = 0;
	if (s->count < 1000) {
		symbols_free(s);
		return false;
	}
	qsort(s->sym, s->count, sizeof(*s->sym), by_address);
	return true;
}

/**
 * symbols_free() - forget a table
 * @s: it
 */
void symbols_free(struct symbols *s)
{
	unsigned int i;

	for (i = 0; i < s->count; i++)
		free(s->sym[i].name);
	free(s->sym);
	memset(s, 0, sizeof(*s));
}

/**
 * symbols_find() - which function is at an address?
 * @s: table
 * @address: of an instruction
 *
 * Return: index of the last symbol that does not begin behind it.
 */
unsigned int symbols_find(const struct symbols *s, u64 address)
{
	unsigned int low = 0, high = s->count - 1, middle;

	while (low < high) {
		middle = (low + high + 1) / 2;
		if (s->sym[middle].start <= address)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

/**
 * symbols_range() - where is a function?
 * @s: table
 * @name: its name, before a suffix like .isra.0
 * @start: its first byte
 * @end: the next symbol's first byte
 *
 * Return: false if there is none of that name.
 */
bool symbols_range(const struct symbols *s, const char *name, u64 *start, u64 *end)
{
	size_t len = strlen(name);
	unsigned int i;

	for (i = 0; i + 1 < s->count; i++) {
		if (strncmp(s->sym[i].name, name, len) ||
		    (s->sym[i].name[len] && strncmp(s->sym[i].name + len, ".isra", 5) &&
		     strncmp(s->sym[i].name + len, ".constprop", 10)))
			continue;
		*start = s->sym[i].start;
		for (i++; i < s->count && s->sym[i].start == *start; i++)
			;
		*end = i < s->count ? s->sym[i].start : *start;
		return true;
	}
	return false;
}
