// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - the corelane command: find the subcommand and call it
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corelane.h"

static const struct subcommand {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} subcommands[] = {
	{ "nat", cmd_nat,
	  "one address and port in front of a listener per core (percore)" },
	{ "bond", cmd_bond,
	  "bonds that send on the link of the sending core (bonding)" },
	{ "block", cmd_block,
	  "NVMe disks that complete synchronously (pollnvme)" },
};

static void print_help(FILE *out)
{
	fputs("Usage: corelane COMMAND [ARGUMENTS]\n\n"
	      "A lane is one core with its NIC, interrupt, listener, server "
	      "process and disk queue.\n\nCommands:\n", out);
	for (size_t i = 0; i < CL_ARRAY_SIZE(subcommands); i++)
		fprintf(out, "  %-8s %s\n", subcommands[i].name,
			subcommands[i].summary);
	fputs("\nOptions:\n"
	      "  --help     this text; `corelane COMMAND --help' tells more\n"
	      "  --version  the version\n\n"
	      "Exit status: 0 done, 1 failed, 2 wrong command line.\n", out);
}

static int run(const struct subcommand *sub, int argc, char **argv)
{
	char name[64];
	int ret;

	snprintf(name, sizeof(name), "corelane %s", sub->name);
	argv[0] = name;
	ret = sub->run(argc, argv);
	if (fflush(stdout) || ferror(stdout))
		return cl_error("cannot write the output: %s", strerror(errno));
	return ret;
}

int main(int argc, char **argv)
{
	/* What argp exits with when it does not understand an option. */
	argp_err_exit_status = CL_USAGE;

	if (argc < 2) {
		print_help(stderr);
		return CL_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    !strcmp(argv[1], "help")) {
		print_help(stdout);
		return CL_OK;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("corelane " CORELANE_VERSION);
		return CL_OK;
	}
	for (size_t i = 0; i < CL_ARRAY_SIZE(subcommands); i++)
		if (!strcmp(argv[1], subcommands[i].name))
			return run(&subcommands[i], argc - 1, argv + 1);

	return cl_usage("no command '%s': see `corelane --help'", argv[1]);
}
