// SPDX-License-Identifier: GPL-2.0
/*
 * simlane, in the guest: speak to the simulator by marks.
 *
 * A mark is a no-op instruction whose displacement says what is wanted, so the
 * same program does no harm on a machine that is not simulated.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "decode.h"
#include "mark.h"

#define SNAPSHOTS	"/tmp/simlane"
#define CODE_ROOM	4096
#define MAX_FILES	32

static const char doc[] =
	"Speak to the simulator this guest runs in."
	"\v"
	"  present            exit 0 if there is one, 1 if not\n"
	"  pace boot|fine     a coarse clock to get on, a fine one to measure\n"
	"  cores N            the first N CPUs are the machine under study\n"
	"  cache on|off       model its caches\n"
	"  symbols            give it the kernel's symbols, after modules were loaded\n"
	"  seed N             shake the CPUs' clocks (0 to 255)\n"
	"  window TAG MS [FILE...]\n"
	"                     measure for MS milliseconds; FILEs are read just before\n"
	"                     and just after into " SNAPSHOTS "/before and after\n"
	"  scale NAME PERCENT make a constant so much of itself (1 to 255)\n"
	"  exit N             end the simulation with this status\n";

static uint8_t *code;
static size_t code_len;

static void put_mark(enum mark op, unsigned int arg)
{
	const uint8_t nop[] = { 0x0f, 0x1f, 0x84, 0x00, op, arg, MARK_TAG_0, MARK_TAG_1 };

	memcpy(code + code_len, nop, sizeof(nop));
	code_len += sizeof(nop);
}

static void run_marks(void)
{
	code[code_len] = 0xc3;		/* ret */
	((void (*)(void))code)();
	code_len = 0;
}

static void mark(enum mark op, unsigned int arg)
{
	put_mark(op, arg);
	run_marks();
}

static int fail(const char *what)
{
	fprintf(stderr, "simlane: %s: %s\n", what, strerror(errno));
	return 1;
}

static bool present(void)
{
	uint64_t before, took;

	mark(MARK_TAG, 0);		/* the code's first run may fault its page in */
	before = __rdtsc();
	mark(MARK_PRESENT, 0);
	took = __rdtsc() - before;
	return took >= MARK_PRESENT_CYCLES && took < 2 * MARK_PRESENT_CYCLES;
}

/*
 * The modules' functions, told by marks: a file would have to cross to the host
 * by a device that answers in the host's time, and no two runs were the same.
 */
static int symbols(void)
{
	FILE *file = fopen("/proc/kallsyms", "r");
	char line[1024];
	const char *c;

	if (!file)
		return fail("/proc/kallsyms");
	while (fgets(line, sizeof(line), file)) {
		if (!strchr(line, '['))
			continue;
		for (c = line; *c; c++) {
			put_mark(MARK_SYMBOL_TEXT, (unsigned char)*c);
			if (code_len + 16 > CODE_ROOM)
				run_marks();
		}
	}
	fclose(file);
	put_mark(MARK_SYMBOLS, 0);
	run_marks();
	return 0;
}

/* A file's text before and after; opened beforehand, written out afterwards. */
struct snapshot {
	const char *path;
	int fd;
	size_t size[2];
	char *text[2];
};

#define SNAPSHOT_ROOM	(1 << 20)

static bool take(struct snapshot *s, int which)
{
	ssize_t n;

	s->size[which] = 0;
	while ((n = pread(s->fd, s->text[which] + s->size[which],
			  SNAPSHOT_ROOM - s->size[which], (off_t)s->size[which])) > 0)
		s->size[which] += (size_t)n;
	return !n;
}

static bool keep(const struct snapshot *s, int which)
{
	static const char * const dir[] = { SNAPSHOTS "/before", SNAPSHOTS "/after" };
	const char *base = strrchr(s->path, '/');
	char path[512];
	int fd;
	bool ok;

	mkdir(SNAPSHOTS, 0755);
	mkdir(dir[which], 0755);
	snprintf(path, sizeof(path), "%s/%s", dir[which], base ? base + 1 : s->path);
	fd = creat(path, 0644);
	ok = fd >= 0 && write(fd, s->text[which], s->size[which]) == (ssize_t)s->size[which];
	if (fd >= 0)
		close(fd);
	return ok;
}

static bool prepare(struct snapshot *s, const char *path)
{
	s->path = path;
	s->fd = open(path, O_RDONLY);
	s->text[0] = malloc(SNAPSHOT_ROOM);
	s->text[1] = malloc(SNAPSHOT_ROOM);
	/* once for nothing, so that its pages and the kernel's are there */
	return s->fd >= 0 && s->text[0] && s->text[1] && take(s, 0) && take(s, 1);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void name_it(const char *tag)
{
	put_mark(MARK_TAG, 0);
	for (; *tag; tag++)
		put_mark(MARK_TAG, (unsigned char)*tag);
	run_marks();
}

static bool good_name(const char *tag)
{
	return *tag && strlen(tag) <= TAG_MAX && !tag[strspn(tag, TAG_CHARS)];
}

static int window(const char *tag, const char *ms, char **files, int n)
{
	struct snapshot s[MAX_FILES];
	struct timespec span;
	double begun, ended, want;
	char *stop;
	int i;

	want = strtod(ms, &stop);
	if (*stop || !(want >= 0.001 && want < 1e6) || n > MAX_FILES) {
		fprintf(stderr, "simlane: window wants milliseconds and at most %d files\n", MAX_FILES);
		return 2;
	}
	if (!good_name(tag)) {
		fprintf(stderr, "simlane: a window's name has at most %d of " TAG_CHARS "\n", TAG_MAX);
		return 2;
	}
	for (i = 0; i < n; i++)
		if (!prepare(&s[i], files[i]))
			return fail(files[i]);
	span.tv_sec = (time_t)(want / 1000);
	span.tv_nsec = (long)((want - (double)span.tv_sec * 1000) * 1e6);
	if (span.tv_nsec > 999999999)
		span.tv_nsec = 999999999;
	name_it(tag);
	/* both times are taken just before the first file is read */
	begun = seconds();
	for (i = 0; i < n; i++)
		take(&s[i], 0);
	mark(MARK_BEGIN, 0);
	if (clock_nanosleep(CLOCK_MONOTONIC, 0, &span, NULL))
		return fail("the window was interrupted");
	mark(MARK_END, 0);
	ended = seconds();
	for (i = 0; i < n; i++)
		take(&s[i], 1);
	for (i = 0; i < n; i++)
		if (!keep(&s[i], 0) || !keep(&s[i], 1))
			return fail("cannot write " SNAPSHOTS);
	printf("WINDOW %s %.9f %.9f\n", tag, begun, ended);
	return 0;
}

static int number_or_die(const char *text)
{
	char *stop;
	long n = strtol(text, &stop, 10);

	if (*stop || n < 0 || n > 255) {
		fprintf(stderr, "simlane: '%s' is not a number from 0 to 255\n", text);
		exit(2);
	}
	return (int)n;
}

static void scale(const char *name, unsigned int percent)
{
	name_it(name);
	mark(MARK_SCALE, percent);
}

static int run(int argc, char **argv)
{
	const char *verb = argv[0], *arg = argc > 1 ? argv[1] : "";

	if (!strcmp(verb, "present") && argc == 1)
		return !present();
	if (!strcmp(verb, "window") && argc >= 3)
		return window(argv[1], argv[2], argv + 3, argc - 3);
	if (!strcmp(verb, "symbols") && argc == 1)
		return symbols();
	if (!strcmp(verb, "pace") && (!strcmp(arg, "boot") || !strcmp(arg, "fine")))
		mark(MARK_PACE, !strcmp(arg, "fine"));
	else if (!strcmp(verb, "cache") && (!strcmp(arg, "on") || !strcmp(arg, "off")))
		mark(MARK_CACHE, !strcmp(arg, "on"));
	else if (!strcmp(verb, "cores") && argc == 2)
		mark(MARK_CORES, (unsigned int)number_or_die(arg));
	else if (!strcmp(verb, "seed") && argc == 2)
		mark(MARK_SEED, (unsigned int)number_or_die(arg));
	else if (!strcmp(verb, "scale") && argc == 3 && good_name(arg))
		scale(arg, (unsigned int)number_or_die(argv[2]));
	else if (!strcmp(verb, "exit") && argc == 2)
		mark(MARK_EXIT, (unsigned int)number_or_die(arg));
	else
		return -1;
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	int status;

	(void)arg;
	if (key == ARGP_KEY_ARGS) {
		status = run(state->argc - state->next, state->argv + state->next);
		if (status < 0)
			argp_error(state, "no such command, or arguments it does not want");
		exit(status);
	}
	if (key == ARGP_KEY_NO_ARGS)
		argp_usage(state);
	return ARGP_ERR_UNKNOWN;
}

int main(int argc, char **argv)
{
	const struct argp argp = { .parser = parse, .args_doc = "COMMAND [ARGUMENT...]", .doc = doc };

	code = mmap(NULL, CODE_ROOM, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (code == MAP_FAILED)
		return fail("cannot make code");
	return argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, NULL);
}
