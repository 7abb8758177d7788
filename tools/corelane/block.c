// SPDX-License-Identifier: GPL-2.0-only
/*
 * block.c - corelane block: the disks of pollnvme, as sysfs shows them
 */
#include <argp.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "block.h"

const char * const block_counter_names[BLOCK_COUNTERS] = {
	"reads", "writes", "flushes", "errors", "spins", "spin_ns", "sleeps",
	"reaped_for_others", "slot_waits", "timeouts", "retried", "irqs",
};

static void read_text(char *text, const char *disk, const char *file)
{
	if (cl_read_file(text, BLOCK_TEXT, BLOCK_DIR "/%s/%s", disk, file) < 0)
		strcpy(text, "?");
	/* The device chose some of it. */
	cl_plain(text);
}

static bool read_disk(struct block_disk *disk, const char *name)
{
	memset(disk, 0, sizeof(*disk));
	if (strlen(name) >= sizeof(disk->name) || strchr(name, '/'))
		return false;
	strcpy(disk->name, name);
	/* Only our disks have this; one that goes away meanwhile has not. */
	if (cl_read_u64(&disk->nsid, BLOCK_DIR "/%s/pollnvme/nsid", name))
		return false;
	read_text(disk->mode, name, "pollnvme/mode");
	read_text(disk->transport, name, "device/transport");
	read_text(disk->model, name, "device/model");
	read_text(disk->state, name, "device/state");
	/* pollnvme0n1 is a namespace of pollnvme0. */
	strcpy(disk->controller, name);
	if (strrchr(disk->controller, 'n'))
		*strrchr(disk->controller, 'n') = '\0';
	if (!cl_read_u64(&disk->bytes, BLOCK_DIR "/%s/size", name))
		disk->bytes *= 512;
	cl_read_u64(&disk->block_size,
		    BLOCK_DIR "/%s/queue/logical_block_size", name);
	cl_read_u64(&disk->queues, BLOCK_DIR "/%s/device/queue_count", name);
	for (size_t i = 0; i < BLOCK_COUNTERS; i++)
		cl_read_u64(&disk->count[i], BLOCK_DIR "/%s/pollnvme_stats/%s",
			    name, block_counter_names[i]);
	return true;
}

static json_t *disk_json(const struct block_disk *disk)
{
	json_t *stats = json_object();

	for (size_t i = 0; i < BLOCK_COUNTERS; i++)
		json_object_set_new(stats, block_counter_names[i],
				    json_integer((json_int_t)disk->count[i]));
	return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:o}",
			 "disk", disk->name, "controller", disk->controller,
			 "nsid", (json_int_t)disk->nsid,
			 "transport", disk->transport, "model", disk->model,
			 "state", disk->state, "mode", disk->mode,
			 "size", (json_int_t)disk->bytes,
			 "block_size", (json_int_t)disk->block_size,
			 "queues", (json_int_t)disk->queues, "stats", stats);
}

static void disk_row(struct cl_table *t, const struct block_disk *disk)
{
	/* Mean time an I/O spun, in microseconds. */
	uint64_t ios = disk->count[BLOCK_READS] + disk->count[BLOCK_WRITES] +
		       disk->count[BLOCK_FLUSHES];
	double spin = ios ? (double)disk->count[BLOCK_SPIN_NS] / 1e3 / (double)ios : 0;

	cl_table_row(t, disk->name, disk->controller, disk->transport,
		     disk->mode, disk->state,
		     cl_str("%llu MiB", (unsigned long long)disk->bytes >> 20),
		     cl_str("%llu", (unsigned long long)disk->queues),
		     cl_str("%llu", (unsigned long long)disk->count[BLOCK_READS]),
		     cl_str("%llu", (unsigned long long)disk->count[BLOCK_WRITES]),
		     cl_str("%llu", (unsigned long long)disk->count[BLOCK_FLUSHES]),
		     cl_str("%.1f", spin),
		     cl_str("%llu", (unsigned long long)disk->count[BLOCK_TIMEOUTS]),
		     cl_str("%llu", (unsigned long long)disk->count[BLOCK_ERRORS]),
		     cl_str("%llu", (unsigned long long)disk->count[BLOCK_IRQS]));
}

static int is_ours(const struct dirent *entry)
{
	return !strncmp(entry->d_name, "pollnvme", 8);
}

size_t block_list(const char *name, struct block_disk **disks)
{
	struct dirent **entries = NULL;
	int n = scandir(BLOCK_DIR, &entries, is_ours, versionsort);
	size_t found = 0;

	*disks = n > 0 ? calloc((size_t)n, sizeof(**disks)) : NULL;
	for (int i = 0; i < n; i++) {
		const char *entry = entries[i]->d_name;

		if (*disks && (!name || !strcmp(name, entry)) &&
		    read_disk(*disks + found, entry))
			found++;
		free(entries[i]);
	}
	free(entries);
	return found;
}

const char *block_name(const char *text)
{
	return strncmp(text, "/dev/", 5) ? text : text + 5;
}

int block_unknown(const char *name)
{
	return cl_error("%s is no disk of pollnvme: `corelane block show' lists them",
			name);
}

static int block_show(const struct block_args *args)
{
	const char *name = args->n_words ? block_name(args->words[0]) : NULL;
	json_t *list = args->json ? json_array() : NULL;
	struct block_disk *disks;
	struct cl_table table;
	size_t n = block_list(name, &disks);

	if (args->n_words > 1)
		return cl_usage("one disk at most: `corelane block show [DISK]'");
	if (name && !n) {
		free(disks);
		json_decref(list);
		return block_unknown(name);
	}
	if (!args->json) {
		cl_table_init(&table, 14);
		cl_table_row(&table, "disk", "controller", "transport", "mode",
			     "state", "size", "queues", "reads", "writes",
			     "flushes", "spin us", "timeouts", "errors",
			     "irqs");
	}
	for (size_t i = 0; i < n; i++) {
		if (args->json)
			json_array_append_new(list, disk_json(&disks[i]));
		else
			disk_row(&table, &disks[i]);
	}
	free(disks);
	if (args->json)
		return cl_print_json(list);
	cl_table_print(&table);
	return CL_OK;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct block_args *args = state->input;

	switch (key) {
	case 'j':
		args->json = true;
		return 0;
	case 'n':
		args->dry_run = true;
		return 0;
	case 'i':
		if (!cl_parse_u32(arg, 3600000, &args->interval_ms) ||
		    !args->interval_ms)
			argp_error(state, "--interval wants milliseconds, 1 to 3600000, not '%s'",
				   arg);
		return 0;
	case 'c':
		if (!cl_parse_u32(arg, 1000000, &args->count) || !args->count)
			argp_error(state, "--count wants a number, 1 to 1000000, not '%s'",
				   arg);
		return 0;
	case ARGP_KEY_ARG:
		if (!args->command)
			args->command = arg;
		else if (args->n_words < BLOCK_MAX_ARGS)
			args->words[args->n_words++] = arg;
		else
			argp_usage(state);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_block(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "json", 'j', NULL, 0, "print JSON", 0 },
		{ "dry-run", 'n', NULL, 0, "set: say what would be written", 0 },
		{ "interval", 'i', "MS", 0, "top: between two looks (1000)", 0 },
		{ "count", 'c', "N", 0, "top: looks; default: until stopped, "
		  "with --json 1", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse,
		"show [DISK]\nstatus [DISK]\nset DISK NAME=VALUE...\ntop [DISK]",
		"The disks of pollnvme: NVMe with synchronous completion.\v"
		"show    a line per disk, with its counters\n"
		"status  what a disk says of itself: whether completion is "
		"synchronous, what polling costs, which sizes it is good for\n"
		"set     mode, hybrid_limit_us, read_ahead_kb of the disk, "
		"spin_limit_us, io_timeout_ms, disks (bio or mq) of its "
		"controller\n"
		"top     I/Os per second, and what part of each CPU's time "
		"is spun away",
		NULL, NULL, NULL
	};
	static const struct {
		const char *name;
		int (*run)(const struct block_args *args);
		bool json, dry_run;
	} commands[] = {
		{ "show", block_show, .json = true },
		{ "status", block_status, .json = true },
		{ "set", block_set, .dry_run = true },
		{ "top", block_top, .json = true },
	};
	struct block_args args = { .interval_ms = 1000 };

	argp_err_exit_status = CL_USAGE;
	if (argp_parse(&argp, argc, argv, 0, NULL, &args))
		return CL_USAGE;
	for (size_t i = 0; i < CL_ARRAY_SIZE(commands); i++) {
		if (strcmp(args.command, commands[i].name))
			continue;
		if (args.json && !commands[i].json)
			return cl_usage("block %s has no --json", args.command);
		if (args.dry_run && !commands[i].dry_run)
			return cl_usage("block %s has no --dry-run",
					args.command);
		return commands[i].run(&args);
	}
	return cl_usage("unknown command block %s: use show, status, set or top",
			args.command);
}
