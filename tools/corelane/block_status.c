// SPDX-License-Identifier: GPL-2.0-only
/*
 * block_status.c - corelane block status: what a disk answers when an
 * application asks it about synchronous completion (linux/pollnvme.h)
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/pollnvme.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "block.h"

static int ask(const char *name, struct pollnvme_info *info)
{
	char path[BLOCK_TEXT + 5];
	int fd, err = 0;

	snprintf(path, sizeof(path), "/dev/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, POLLNVME_IOCTL_INFO, info))
		err = -errno;
	close(fd);
	return err;
}

static json_t *classes_json(const struct pollnvme_info *info)
{
	json_t *list = json_array();

	for (size_t i = 0; i < POLLNVME_INFO_CLASSES; i++) {
		if (!info->read_ns[i] && !info->write_ns[i])
			continue;
		json_array_append_new(list,
				      json_pack("{s:I, s:I, s:I}",
						"bytes", (json_int_t)1024 << i,
						"read_ns", (json_int_t)info->read_ns[i],
						"write_ns", (json_int_t)info->write_ns[i]));
	}
	return list;
}

static json_t *status_json(const struct block_disk *disk,
			   const struct pollnvme_info *info)
{
	return json_pack("{s:s, s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:o}",
			 "disk", disk->name, "mode", disk->mode,
			 "state", disk->state,
			 "synchronous", !!(info->flags & POLLNVME_INFO_SYNC),
			 "interrupts", !!(info->flags & POLLNVME_INFO_IRQS),
			 "sync_bytes", (json_int_t)info->sync_bytes,
			 "spin_limit_us", (json_int_t)info->spin_limit_us,
			 "hybrid_limit_us", (json_int_t)info->hybrid_limit_us,
			 "polled", (json_int_t)info->polled,
			 "spin_ns", (json_int_t)info->spin_ns,
			 "expected", classes_json(info));
}

static const char *microseconds(uint32_t ns)
{
	return ns ? cl_str("%.1f", ns / 1e3) : "-";
}

static void status_text(const struct block_disk *disk,
			const struct pollnvme_info *info)
{
	struct cl_table table;
	bool seen = false;

	printf("%s: mode %s, %s, %s\n", disk->name, disk->mode, disk->state,
	       info->flags & POLLNVME_INFO_SYNC ?
	       "an I/O has ended when its submission returns" :
	       "an I/O may end after its submission");
	if (!(info->flags & POLLNVME_INFO_IRQS))
		puts("  no queue pair with interrupts: it can only poll");
	printf("  polling: at full speed up to %u us, worth it up to %u us\n",
	       info->spin_limit_us, info->hybrid_limit_us);
	if (info->sync_bytes)
		printf("  reads worth polling for: up to %u bytes\n",
		       info->sync_bytes);
	else
		puts("  reads worth polling for: none known");
	if (info->polled)
		printf("  polled so far: %llu I/Os, %.1f us of CPU time each\n",
		       (unsigned long long)info->polled,
		       (double)info->spin_ns / 1e3 / (double)info->polled);
	cl_table_init(&table, 3);
	cl_table_row(&table, "  up to bytes", "read us", "write us");
	for (size_t i = 0; i < POLLNVME_INFO_CLASSES; i++) {
		if (!info->read_ns[i] && !info->write_ns[i])
			continue;
		seen = true;
		cl_table_row(&table, cl_str("  %llu", 1024ull << i),
			     microseconds(info->read_ns[i]),
			     microseconds(info->write_ns[i]));
	}
	if (seen)
		cl_table_print(&table);
	else
		cl_table_free(&table);
}

int block_status(const struct block_args *args)
{
	const char *name = args->n_words ? block_name(args->words[0]) : NULL;
	json_t *list = args->json ? json_array() : NULL;
	struct block_disk *disks;
	int ret = CL_OK;
	size_t n;

	if (args->n_words > 1)
		return cl_usage("one disk at most: `corelane block status [DISK]'");
	n = block_list(name, &disks);
	if (name && !n)
		ret = block_unknown(name);
	for (size_t i = 0; i < n; i++) {
		struct pollnvme_info info = { 0 };
		int err = ask(disks[i].name, &info);

		if (err) {
			ret = cl_error("/dev/%s does not answer (%s): %s",
				       disks[i].name, strerror(-err),
				       err == -EACCES ? "run as root, or as who may read the disk" :
				       "is it this version's module?");
			continue;
		}
		if (args->json)
			json_array_append_new(list, status_json(&disks[i], &info));
		else
			status_text(&disks[i], &info);
	}
	free(disks);
	if (args->json && cl_print_json(list) != CL_OK)
		ret = CL_FAIL;
	return ret;
}
