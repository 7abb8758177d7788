// SPDX-License-Identifier: GPL-2.0
/* simlane, in the guest: speak to the simulator by marks. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest_mark.h"
#include "guest_window.h"

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
	"                     and just after into " SNAPSHOTS "/TAG/before and after\n"
	"  windows MS [FILE...]\n"
	"                     measure as planned on standard input, a window a line:\n"
	"                     TAG SEED [CONSTANT PERCENT]; then leave the cache model\n"
	"                     off and the clock coarse\n"
	"  scale NAME PERCENT make a constant so much of itself (1 to 255)\n"
	"  exit N             end the simulation with this status\n";

static int fail(const char *what)
{
	fprintf(stderr, "simlane: %s: %s\n", what, strerror(errno));
	return 1;
}

/*
 * The modules' functions, told by marks: a file would have to cross to the host
 * by a device that answers in the host's time, and no two runs were the same.
 */
static int symbols(void)
{
	FILE *file = fopen("/proc/kallsyms", "r");
	char line[1024];

	if (!file)
		return fail("/proc/kallsyms");
	while (fgets(line, sizeof(line), file)) {
		if (strchr(line, '['))
			mark_text(MARK_SYMBOL_TEXT, line);
	}
	fclose(file);
	mark(MARK_SYMBOLS, 0);
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
	mark_name(name);
	mark(MARK_SCALE, percent);
}

static int run(int argc, char **argv)
{
	const char *verb = argv[0], *arg = argc > 1 ? argv[1] : "";

	if (!strcmp(verb, "present") && argc == 1)
		return !marks_present();
	if (!strcmp(verb, "window") && argc >= 3)
		return window(argv[1], argv[2], argv + 3, argc - 3);
	if (!strcmp(verb, "windows") && argc >= 2)
		return windows(argv[1], argv + 2, argc - 2);
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
	else if (!strcmp(verb, "scale") && argc == 3 && marks_good_name(arg))
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

	if (!marks_init())
		return fail("cannot make code");
	return argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, NULL);
}
