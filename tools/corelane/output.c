// SPDX-License-Identifier: GPL-2.0-only
/*
 * output.c - messages, JSON, tables, small files, lists of CPUs, the clock
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "corelane.h"

/* Names in it may be anybody's: a netns is named inside as its root likes. */
static void complain(const char *fmt, va_list args)
{
	char *text;

	fflush(stdout);
	if (vasprintf(&text, fmt, args) < 0) {
		fputs("corelane: out of memory\n", stderr);
		return;
	}
	cl_plain(text);
	fprintf(stderr, "corelane: %s\n", text);
	free(text);
}

int cl_error(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(fmt, args);
	va_end(args);
	return CL_FAIL;
}

int cl_usage(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(fmt, args);
	va_end(args);
	return CL_USAGE;
}

int cl_print_json(json_t *root)
{
	int err;

	if (!root)
		return cl_error("out of memory");
	err = json_dumpf(root, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	json_decref(root);
	putchar('\n');
	return err ? cl_error("cannot write JSON") : CL_OK;
}

void cl_plain(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

static void *must(void *p)
{
	if (!p) {
		cl_error("out of memory");
		exit(CL_FAIL);
	}
	return p;
}

void cl_table_init(struct cl_table *t, size_t columns)
{
	*t = (struct cl_table){ .columns = columns };
}

void cl_table_row(struct cl_table *t, ...)
{
	size_t first = t->rows * t->columns;
	va_list args;

	t->rows++;
	t->cells = must(reallocarray(t->cells, t->rows,
				     t->columns * sizeof(*t->cells)));
	va_start(args, t);
	for (size_t i = 0; i < t->columns; i++) {
		t->cells[first + i] = must(strdup(va_arg(args, const char *)));
		cl_plain(t->cells[first + i]);
	}
	va_end(args);
}

static bool is_number(const char *s)
{
	return isdigit((unsigned char)s[0]) && !s[strspn(s, "0123456789.%")];
}

/* A column is a column of numbers when every cell below its header is one. */
static bool column_is_numeric(const struct cl_table *t, size_t col)
{
	for (size_t row = 1; row < t->rows; row++)
		if (!is_number(t->cells[row * t->columns + col]))
			return false;
	return t->rows > 1;
}

static size_t column_width(const struct cl_table *t, size_t col)
{
	size_t width = 0;

	for (size_t row = 0; row < t->rows; row++) {
		size_t len = strlen(t->cells[row * t->columns + col]);

		if (len > width)
			width = len;
	}
	return width;
}

struct column {
	int width;
	bool numeric;
};

static void print_cell(const char *cell, const struct column *column, bool last)
{
	if (column->numeric)
		printf("%*s", column->width, cell);
	else if (!last)
		printf("%-*s", column->width, cell);
	else
		printf("%s", cell);
	fputs(last ? "\n" : "  ", stdout);
}

void cl_table_print(struct cl_table *t)
{
	struct column *columns = must(calloc(t->columns, sizeof(*columns)));

	for (size_t col = 0; col < t->columns; col++) {
		columns[col].width = (int)column_width(t, col);
		columns[col].numeric = column_is_numeric(t, col);
	}
	for (size_t row = 0; row < t->rows; row++)
		for (size_t col = 0; col < t->columns; col++)
			print_cell(t->cells[row * t->columns + col], &columns[col],
				   col + 1 == t->columns);
	free(columns);
	cl_table_free(t);
}

void cl_table_free(struct cl_table *t)
{
	for (size_t i = 0; i < t->rows * t->columns; i++)
		free(t->cells[i]);
	free(t->cells);
	t->cells = NULL;
	t->rows = 0;
}

const char *cl_str(const char *fmt, ...)
{
	static char buffers[16][256];
	static unsigned int next;
	char *buf = buffers[next++ % CL_ARRAY_SIZE(buffers)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(buf, sizeof(buffers[0]), fmt, args);
	va_end(args);
	return buf;
}

static int read_path(char *buf, size_t size, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	do {
		n = read(fd, buf + len, size - 1 - len);
		if (n < 0) {
			n = -errno;
			close(fd);
			return (int)n;
		}
		len += (size_t)n;
	} while (n > 0 && len < size - 1);
	close(fd);
	while (len && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	return (int)len;
}

int cl_read_file(char *buf, size_t size, const char *fmt, ...)
{
	char path[4096];
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(path))
		return -ENAMETOOLONG;
	return read_path(buf, size, path);
}

int cl_read_u64(uint64_t *value, const char *fmt, ...)
{
	char path[4096], buf[64], *end;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(path))
		return -ENAMETOOLONG;
	len = read_path(buf, sizeof(buf), path);
	if (len < 0)
		return len;
	errno = 0;
	*value = strtoull(buf, &end, 0);
	if (errno || end == buf || *end || buf[0] == '-')
		return -EINVAL;
	return 0;
}

bool cl_parse_u32(const char *s, uint32_t max, uint32_t *value)
{
	uint64_t n = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		if (!isdigit((unsigned char)*s))
			return false;
		n = n * 10 + (uint64_t)(*s - '0');
		if (n > max)
			return false;
	}
	*value = (uint32_t)n;
	return true;
}

/* One number of a CPU list; moves *s behind it. */
static int parse_cpu(const char **s, unsigned int *cpu)
{
	unsigned int n = 0;

	if (!isdigit((unsigned char)**s))
		return -EINVAL;
	for (; isdigit((unsigned char)**s); (*s)++) {
		n = n * 10 + (unsigned int)(**s - '0');
		if (n >= CL_MAX_CPUS)
			return -ERANGE;
	}
	*cpu = n;
	return 0;
}

int cl_parse_cpulist(const char *s, unsigned int *cpus, size_t max)
{
	unsigned int first, last;
	size_t count = 0;
	int err;

	for (;;) {
		err = parse_cpu(&s, &first);
		if (err)
			return err;
		last = first;
		if (*s == '-') {
			s++;
			err = parse_cpu(&s, &last);
			if (err)
				return err;
		}
		if (last < first)
			return -EINVAL;
		for (; first <= last; first++) {
			if (count == max)
				return -E2BIG;
			cpus[count++] = first;
		}
		if (!*s)
			return (int)count;
		if (*s++ != ',')
			return -EINVAL;
	}
}

int cl_online_cpus(unsigned int *cpus, size_t max)
{
	char buf[4096];
	int len = cl_read_file(buf, sizeof(buf),
			       "/sys/devices/system/cpu/online");

	return len < 0 ? len : cl_parse_cpulist(buf, cpus, max);
}

uint64_t cl_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
