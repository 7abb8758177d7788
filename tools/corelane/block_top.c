// SPDX-License-Identifier: GPL-2.0-only
/*
 * block_top.c - corelane block top: what disks do, and what CPUs spin away,
 * so that spinning is not mistaken for work
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "block.h"

#define DEBUG_DIR	"/sys/kernel/debug/pollnvme"
#define BLANKS		"\n "

/* What a disk had spun away, by CPU. */
struct spin {
	bool known;
	uint64_t ns[CL_MAX_CPUS];
};

/* One look: the counters of all disks, by CPU. */
struct look {
	uint64_t ns;
	size_t n;
	struct block_disk *disks;
	struct spin *spins;	/* by disk */
	size_t cpus;
};

/* The column of a table's head, or -1. */
static int column_of(char *head, const char *name)
{
	int column = 0;

	for (char *word = strtok(head, BLANKS); word; word = strtok(NULL, BLANKS)) {
		if (!strcmp(word, name))
			return column;
		column++;
	}
	return -1;
}

static uint64_t column(char *line, int want)
{
	char *word = strtok(line, BLANKS);

	while (word && want--)
		word = strtok(NULL, BLANKS);
	return word ? strtoull(word, NULL, 10) : 0;
}

/* The table of a disk in debugfs: a line per CPU, the first names columns. */
static int read_cpus(struct look *look, size_t disk)
{
	struct spin *spin = &look->spins[disk];
	char path[256], line[1024];
	int want = -1;
	bool gone;
	FILE *f;

	snprintf(path, sizeof(path), DEBUG_DIR "/%s", look->disks[disk].name);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	if (fgets(line, sizeof(line), f))
		want = column_of(line, "spin_ns");
	while (want > 0 && fgets(line, sizeof(line), f)) {
		unsigned long cpu = strtoul(line, NULL, 10);

		if (cpu >= CL_MAX_CPUS)
			continue;
		spin->ns[cpu] = column(line, want);
		if (cpu >= look->cpus)
			look->cpus = cpu + 1;
	}
	gone = ferror(f);
	fclose(f);
	if (gone)
		return -ENOENT;
	spin->known = want > 0;
	return spin->known ? 0 : -EINVAL;
}

static void look_free(struct look *look)
{
	free(look->disks);
	free(look->spins);
}

static int look_take(struct look *look, const char *name)
{
	int err = 0;

	memset(look, 0, sizeof(*look));
	look->n = block_list(name, &look->disks);
	if (name && !look->n)
		return block_unknown(name);
	look->spins = calloc(look->n ? look->n : 1, sizeof(*look->spins));
	if (!look->spins)
		return cl_error("out of memory: close something");
	look->ns = cl_now_ns();
	for (size_t i = 0; i < look->n && !err; i++) {
		err = read_cpus(look, i);
		/* A disk may go away meanwhile; without debugfs all are missing. */
		if (err == -ENOENT && !access(DEBUG_DIR, F_OK))
			err = 0;
	}
	if (err)
		return cl_error("cannot read " DEBUG_DIR " (%s): run as root, with debugfs mounted",
				strerror(-err));
	return CL_OK;
}

/* The same disk in an earlier look, or NULL: disks come and go. */
static const struct block_disk *before(const struct look *old,
				       const struct block_disk *disk,
				       size_t *index)
{
	for (size_t i = 0; i < old->n; i++) {
		if (strcmp(old->disks[i].name, disk->name))
			continue;
		*index = i;
		return &old->disks[i];
	}
	return NULL;
}

/* A counter that went back belongs to another disk of the same name. */
static uint64_t grown(uint64_t now, uint64_t then)
{
	return now > then ? now - then : 0;
}

/* By CPU, what part of the time between two looks was spun away. */
static void shares(const struct look *old, const struct look *new, double *share)
{
	double ns = (double)(new->ns - old->ns);
	size_t then;

	memset(share, 0, sizeof(*share) * CL_MAX_CPUS);
	for (size_t i = 0; i < new->n; i++) {
		if (!before(old, &new->disks[i], &then) ||
		    !new->spins[i].known || !old->spins[then].known)
			continue;
		for (size_t cpu = 0; cpu < new->cpus; cpu++)
			share[cpu] += (double)grown(new->spins[i].ns[cpu],
						    old->spins[then].ns[cpu]) / ns;
	}
}

static double rate(const struct look *old, const struct look *new,
		   const struct block_disk *disk, enum block_counter counter)
{
	size_t then;
	const struct block_disk *was = before(old, disk, &then);

	if (!was)
		return 0;
	return (double)grown(disk->count[counter], was->count[counter]) * 1e9 /
	       (double)(new->ns - old->ns);
}

static int print_json(const struct look *old, const struct look *new,
		      const double *share)
{
	json_t *disks = json_array(), *cpus = json_array();

	for (size_t i = 0; i < new->n; i++) {
		const struct block_disk *disk = &new->disks[i];
		json_t *rates = json_object();

		for (int c = 0; c < BLOCK_COUNTERS; c++)
			json_object_set_new(rates, block_counter_names[c],
					    json_real(rate(old, new, disk, c)));
		json_array_append_new(disks,
				      json_pack("{s:s, s:s, s:o}", "disk",
						disk->name, "mode", disk->mode,
						"per_second", rates));
	}
	for (size_t cpu = 0; cpu < new->cpus; cpu++)
		json_array_append_new(cpus,
				      json_pack("{s:I, s:f}", "cpu",
						(json_int_t)cpu, "spun_away",
						share[cpu]));
	return cl_print_json(json_pack("{s:f, s:o, s:o}", "seconds",
				       (double)(new->ns - old->ns) / 1e9,
				       "disks", disks, "cpus", cpus));
}

static int print_text(const struct look *old, const struct look *new,
		      const double *share)
{
	struct cl_table table;

	cl_table_init(&table, 6);
	cl_table_row(&table, "disk", "mode", "reads/s", "writes/s", "irqs/s",
		     "spin us");
	for (size_t i = 0; i < new->n; i++) {
		const struct block_disk *disk = &new->disks[i];
		double reads = rate(old, new, disk, BLOCK_READS);
		double writes = rate(old, new, disk, BLOCK_WRITES);
		double irqs = rate(old, new, disk, BLOCK_IRQS);
		double polled = reads + writes - irqs +
				rate(old, new, disk, BLOCK_FLUSHES);
		double spin = rate(old, new, disk, BLOCK_SPIN_NS) / 1e3;

		cl_table_row(&table, disk->name, disk->mode,
			     cl_str("%.0f", reads), cl_str("%.0f", writes),
			     cl_str("%.0f", irqs),
			     cl_str("%.1f", polled >= 1 ? spin / polled : 0));
	}
	cl_table_print(&table);
	printf("spun away:");
	for (size_t cpu = 0; cpu < new->cpus; cpu++)
		if (share[cpu] >= 0.001)
			printf(" cpu%zu %.1f%%", cpu, share[cpu] * 100);
	puts("\n");
	return fflush(stdout) ? CL_FAIL : CL_OK;
}

int block_top(const struct block_args *args)
{
	const char *name = args->n_words ? block_name(args->words[0]) : NULL;
	struct timespec pause = {
		.tv_sec = args->interval_ms / 1000,
		.tv_nsec = args->interval_ms % 1000 * 1000000L,
	};
	uint32_t count = args->count ? args->count : args->json;
	static double share[CL_MAX_CPUS];
	struct look old, new;
	int ret;

	if (args->n_words > 1)
		return cl_usage("one disk at most: `corelane block top [DISK]'");
	ret = look_take(&old, name);
	for (uint32_t i = 0; ret == CL_OK && (!count || i < count); i++) {
		nanosleep(&pause, NULL);
		ret = look_take(&new, name);
		if (ret == CL_OK) {
			shares(&old, &new, share);
			ret = args->json ? print_json(&old, &new, share) :
					   print_text(&old, &new, share);
		}
		look_free(&old);
		old = new;
	}
	look_free(&old);
	return ret;
}
