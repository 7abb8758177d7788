/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * block.h - what the parts of corelane block share
 */
#ifndef CORELANE_BLOCK_H
#define CORELANE_BLOCK_H

#include "corelane.h"

#define BLOCK_DIR	"/sys/block"
#define BLOCK_TEXT	64
#define BLOCK_MAX_ARGS	16

/* The counters of a disk, as sysfs and debugfs name them. */
enum block_counter {
	BLOCK_READS, BLOCK_WRITES, BLOCK_FLUSHES, BLOCK_ERRORS, BLOCK_SPINS,
	BLOCK_SPIN_NS, BLOCK_SLEEPS, BLOCK_REAPED_FOR_OTHERS,
	BLOCK_SLOT_WAITS, BLOCK_TIMEOUTS, BLOCK_RETRIED, BLOCK_IRQS,
	BLOCK_COUNTERS
};

extern const char * const block_counter_names[BLOCK_COUNTERS];

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
	uint64_t count[BLOCK_COUNTERS];
};

struct block_args {
	const char *command;
	char *words[BLOCK_MAX_ARGS];	/* behind the command */
	size_t n_words;
	bool json;
	bool dry_run;
	uint32_t interval_ms;
	uint32_t count;
};

/**
 * block_list() - the disks of pollnvme
 * @name: one disk's name, or NULL for all
 * @disks: the list, to be freed
 *
 * Return: how many.
 */
size_t block_list(const char *name, struct block_disk **disks);

/**
 * block_name() - a disk's name as a user gives it
 * @text: "pollnvme0n1" or "/dev/pollnvme0n1"
 *
 * Return: the name, within @text.
 */
const char *block_name(const char *text);

/**
 * block_unknown() - say that a disk is none of pollnvme's
 * @name: its name
 *
 * Return: CL_FAIL.
 */
int block_unknown(const char *name);

/* block_status.c, block_set.c, block_top.c: the commands of these names */
int block_status(const struct block_args *args);
int block_set(const struct block_args *args);
int block_top(const struct block_args *args);

#endif /* CORELANE_BLOCK_H */
