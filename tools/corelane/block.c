// SPDX-License-Identifier: GPL-2.0-only
/*
 * block.c - corelane block: the disks of pollnvme, read from sysfs
 */
#include <argp.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corelane.h"

#define BLOCK_DIR	"/sys/block"
#define BLOCK_TEXT	64

static const char * const counters[] = {
	"reads", "writes", "flushes", "errors", "spins", "spin_ns", "sleeps",
	"reaped_for_others", "slot_waits", "timeouts", "retried", "irqs",
};

struct block_disk {
	char name[BLOCK_TEXT];
	char controller[BLOCK_TEXT];
	char transport[BLOCK_TEXT];
	char model[BLOCK_TEXT];
	char state[BLOCK_TEXT];
	char mode[BLOCK_TEXT];
	uint64_t nsid;
	uint64_t bytes;
	uint64_t block_size;
	uint64_t queues;
	uint64_t count[CL_ARRAY_SIZE(counters)];
};

struct block_args {
	const char *command;
	const char *device;
	bool json;
};

static void read_text(char *text, const char *disk, const char *file)
{
	if (cl_read_file(text, BLOCK_TEXT, BLOCK_DIR "/%s/%s", disk, file) < 0)
		strcpy(text, "?");
	/* The device chose some of it: nothing for a terminal or for JSON. */
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
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
	for (size_t i = 0; i < CL_ARRAY_SIZE(counters); i++)
		cl_read_u64(&disk->count[i], BLOCK_DIR "/%s/pollnvme_stats/%s",
			    name, counters[i]);
	return true;
}

static json_t *disk_json(const struct block_disk *disk)
{
	json_t *stats = json_object();

	for (size_t i = 0; i < CL_ARRAY_SIZE(counters); i++)
		json_object_set_new(stats, counters[i],
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
	uint64_t ios = disk->count[0] + disk->count[1] + disk->count[2];
	double spin = ios ? (double)disk->count[5] / 1e3 / (double)ios : 0;

	cl_table_row(t, disk->name, disk->controller, disk->transport,
		     disk->mode, disk->state,
		     cl_str("%llu MiB", (unsigned long long)disk->bytes >> 20),
		     cl_str("%llu", (unsigned long long)disk->queues),
		     cl_str("%llu", (unsigned long long)disk->count[0]),
		     cl_str("%llu", (unsigned long long)disk->count[1]),
		     cl_str("%llu", (unsigned long long)disk->count[2]),
		     cl_str("%.1f", spin),
		     cl_str("%llu", (unsigned long long)disk->count[9]),
		     cl_str("%llu", (unsigned long long)disk->count[3]),
		     cl_str("%llu", (unsigned long long)disk->count[11]));
}

static int is_ours(const struct dirent *entry)
{
	return !strncmp(entry->d_name, "pollnvme", 8);
}

static int block_show(const struct block_args *args)
{
	json_t *list = args->json ? json_array() : NULL;
	struct dirent **entries = NULL;
	struct cl_table table;
	int found = 0;
	int n = scandir(BLOCK_DIR, &entries, is_ours, versionsort);

	if (!args->json) {
		cl_table_init(&table, 14);
		cl_table_row(&table, "disk", "controller", "transport", "mode",
			     "state", "size", "queues", "reads", "writes",
			     "flushes", "spin us", "timeouts", "errors",
			     "irqs");
	}
	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;
		struct block_disk disk;

		if ((!args->device || !strcmp(args->device, name)) &&
		    read_disk(&disk, name)) {
			found++;
			if (args->json)
				json_array_append_new(list, disk_json(&disk));
			else
				disk_row(&table, &disk);
		}
		free(entries[i]);
	}
	free(entries);

	if (args->device && !found) {
		json_decref(list);
		return cl_error("%s is no disk of pollnvme: `corelane block show' lists them",
				args->device);
	}
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
	case ARGP_KEY_ARG:
		if (!args->command)
			args->command = arg;
		else if (!args->device)
			args->device = strncmp(arg, "/dev/", 5) ? arg : arg + 5;
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
		{ 0 }
	};
	static const struct argp argp = {
		options, parse, "show [DISK]",
		"Show the disks of pollnvme: NVMe with synchronous completion.",
		NULL, NULL, NULL
	};
	struct block_args args = { 0 };

	argp_err_exit_status = CL_USAGE;
	if (argp_parse(&argp, argc, argv, 0, NULL, &args))
		return CL_USAGE;
	if (strcmp(args.command, "show"))
		return cl_usage("unknown command block %s: use `corelane block show'",
				args.command);
	return block_show(&args);
}
