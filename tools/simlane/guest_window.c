// SPDX-License-Identifier: GPL-2.0
/*
 * A window is measured between two marks.  The guest's own counters are read
 * just before and after it, and kept in memory until the last window is over:
 * to start a program or write a file between two windows costs the simulator
 * as much as a good part of a window.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "guest_mark.h"
#include "guest_window.h"

#define MAX_FILES	32
#define MAX_WINDOWS	256
#define ROOM		(1 << 20)

enum { BEFORE, AFTER, TIMES };

/* A file that is read at each end of a window, into pages that are there. */
static struct source {
	const char *path;
	int fd;
	size_t size[TIMES];
	char *text[TIMES];
} sources[MAX_FILES];
static int n_sources;

/* A window as planned, and what it left. */
static struct planned {
	char tag[TAG_MAX + 1], constant[TAG_MAX + 1];
	unsigned int seed, percent;
	double begun, ended;
	struct { char *text; size_t size; } kept[MAX_FILES][TIMES];
} plan[MAX_WINDOWS];

static int fail(const char *what)
{
	fprintf(stderr, "simlane: %s: %s\n", what, strerror(errno));
	return 1;
}

static bool take(struct source *s, int which)
{
	ssize_t n;

	s->size[which] = 0;
	while ((n = pread(s->fd, s->text[which] + s->size[which],
			  ROOM - s->size[which], (off_t)s->size[which])) > 0)
		s->size[which] += (size_t)n;
	return !n;
}

static int open_sources(char **files, int n)
{
	struct source *s;

	if (n > MAX_FILES) {
		fprintf(stderr, "simlane: more than %d files\n", MAX_FILES);
		return 2;
	}
	for (n_sources = 0; n_sources < n; n_sources++) {
		s = &sources[n_sources];
		s->path = files[n_sources];
		s->fd = open(s->path, O_RDONLY);
		s->text[BEFORE] = malloc(ROOM);
		s->text[AFTER] = malloc(ROOM);
		/* once for nothing, so that its pages and the kernel's are there */
		if (s->fd < 0 || !s->text[BEFORE] || !s->text[AFTER] ||
		    !take(s, BEFORE) || !take(s, AFTER))
			return fail(s->path);
	}
	return 0;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool hold(struct planned *p, int file, int which)
{
	const struct source *s = &sources[file];

	p->kept[file][which].size = s->size[which];
	p->kept[file][which].text = malloc(s->size[which] + 1);
	if (!p->kept[file][which].text)
		return false;
	memcpy(p->kept[file][which].text, s->text[which], s->size[which]);
	return true;
}

static int measure(struct planned *p, const struct timespec *span)
{
	int i;

	mark_name(p->tag);
	/* both times are taken just before the first file is read */
	p->begun = seconds();
	for (i = 0; i < n_sources; i++)
		take(&sources[i], BEFORE);
	mark(MARK_BEGIN, 0);
	if (clock_nanosleep(CLOCK_MONOTONIC, 0, span, NULL))
		return fail("the window was interrupted");
	mark(MARK_END, 0);
	p->ended = seconds();
	for (i = 0; i < n_sources; i++)
		take(&sources[i], AFTER);
	for (i = 0; i < n_sources; i++)
		if (!hold(p, i, BEFORE) || !hold(p, i, AFTER))
			return fail("snapshots");
	return 0;
}

static bool write_file(const char *tag, const char *dir, const char *name,
		       const char *text, size_t size)
{
	char path[512];
	bool ok;
	int fd;

	snprintf(path, sizeof(path), SNAPSHOTS "/%s/%s", tag, dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), SNAPSHOTS "/%s/%s%s", tag, dir, name);
	fd = creat(path, 0644);
	ok = fd >= 0 && write(fd, text, size) == (ssize_t)size;
	if (fd >= 0)
		close(fd);
	return ok;
}

static int keep(const struct planned *p)
{
	const char *base;
	char text[256];
	bool ok;
	int i;

	mkdir(SNAPSHOTS, 0755);
	snprintf(text, sizeof(text), SNAPSHOTS "/%s", p->tag);
	mkdir(text, 0755);
	snprintf(text, sizeof(text), "WINDOW %s %.9f %.9f\n", p->tag, p->begun, p->ended);
	fputs(text, stdout);
	ok = write_file(p->tag, "", "times", text, strlen(text));
	for (i = 0; ok && i < n_sources; i++) {
		base = strrchr(sources[i].path, '/');
		base = base ? base + 1 : sources[i].path;
		ok = write_file(p->tag, "before/", base, p->kept[i][BEFORE].text,
				p->kept[i][BEFORE].size) &&
		     write_file(p->tag, "after/", base, p->kept[i][AFTER].text,
				p->kept[i][AFTER].size);
	}
	return ok ? 0 : fail("cannot write " SNAPSHOTS);
}

static bool parse_span(const char *ms, struct timespec *span)
{
	double want;
	char *stop;

	want = strtod(ms, &stop);
	if (*stop || !(want >= 0.001 && want < 1e6)) {
		fprintf(stderr, "simlane: '%s' is no number of milliseconds\n", ms);
		return false;
	}
	span->tv_sec = (time_t)(want / 1000);
	span->tv_nsec = (long)((want - (double)span->tv_sec * 1000) * 1e6);
	if (span->tv_nsec > 999999999)
		span->tv_nsec = 999999999;
	return true;
}

static bool good_tag(const char *tag)
{
	if (marks_good_name(tag))
		return true;
	fprintf(stderr, "simlane: a window's name has at most %d of " TAG_CHARS "\n", TAG_MAX);
	return false;
}

/**
 * window() - measure one window
 * @tag: its name
 * @ms: its length as text, milliseconds
 * @files: files to read just before and after
 * @n: how many
 *
 * Return: exit status; 2 for arguments that cannot be.
 */
int window(const char *tag, const char *ms, char **files, int n)
{
	struct timespec span;
	int status;

	if (!good_tag(tag) || !parse_span(ms, &span))
		return 2;
	strcpy(plan[0].tag, tag);
	status = open_sources(files, n);
	if (!status)
		status = measure(&plan[0], &span);
	return status ? status : keep(&plan[0]);
}

/* TAG SEED [CONSTANT PERCENT] a line; the number of windows, or -1 */
static int read_plan(void)
{
	char line[256], end;
	struct planned *p;
	int n = 0, got;

	while (fgets(line, sizeof(line), stdin)) {
		if (n == MAX_WINDOWS) {
			fprintf(stderr, "simlane: more than %d windows\n", MAX_WINDOWS);
			return -1;
		}
		p = &plan[n++];
		got = sscanf(line, "%60s %3u %60s %3u %c", p->tag, &p->seed,
			     p->constant, &p->percent, &end);
		if ((got != 2 && got != 4) || p->seed > 255 || p->percent > 255) {
			fprintf(stderr, "simlane: a line of a plan is TAG SEED [CONSTANT PERCENT], not '%.*s'\n",
				(int)strcspn(line, "\n"), line);
			return -1;
		}
		if (!good_tag(p->tag) || (got == 4 && !good_tag(p->constant)))
			return -1;
	}
	return n;
}

static void scale(const char *constant, unsigned int percent)
{
	if (!*constant)
		return;
	mark_name(constant);
	mark(MARK_SCALE, percent);
}

/**
 * windows() - measure the windows planned on standard input, one after another
 * @ms: their length as text, milliseconds
 * @files: files to read just before and after each
 * @n: how many
 *
 * Ends with the cache model off and the coarse clock.
 *
 * Return: exit status; 2 for arguments or a plan that cannot be.
 */
int windows(const char *ms, char **files, int n)
{
	struct timespec span;
	int status, count, i;

	count = read_plan();
	if (count < 0 || !parse_span(ms, &span))
		return 2;
	status = open_sources(files, n);
	for (i = 0; !status && i < count; i++) {
		mark(MARK_SEED, plan[i].seed);
		scale(plan[i].constant, plan[i].percent);
		status = measure(&plan[i], &span);
		scale(plan[i].constant, 100);
	}
	mark(MARK_CACHE, 0);
	mark(MARK_PACE, 0);
	for (i = 0; !status && i < count; i++)
		status = keep(&plan[i]);
	return status;
}
