// SPDX-License-Identifier: GPL-2.0-only
/*
 * block_set.c - corelane block set: change a disk, and see that it took
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block.h"

static const struct setting {
	const char *name;
	const char *file;	/* below the disk's directory */
} settings[] = {
	{ "mode", "pollnvme/mode" },
	{ "hybrid_limit_us", "pollnvme/hybrid_limit_us" },
	{ "read_ahead_kb", "queue/read_ahead_kb" },
	{ "spin_limit_us", "device/spin_limit_us" },
	{ "io_timeout_ms", "device/io_timeout_ms" },
	{ "disks", "device/disks" },
};

static const struct setting *find(const char *word, const char **value)
{
	for (size_t i = 0; i < CL_ARRAY_SIZE(settings); i++) {
		size_t len = strlen(settings[i].name);

		if (!strncmp(word, settings[i].name, len) && word[len] == '=' &&
		    word[len + 1]) {
			*value = word + len + 1;
			return &settings[i];
		}
	}
	return NULL;
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		err = errno ? -errno : -EIO;
	close(fd);
	return err;
}

static int apply(const char *disk, const struct setting *setting,
		 const char *value)
{
	char path[256], now[BLOCK_TEXT] = "";
	int err;

	snprintf(path, sizeof(path), BLOCK_DIR "/%s/%s", disk, setting->file);
	err = write_file(path, value);
	if (err)
		return cl_error("%s of %s cannot be %s (%s): %s", setting->name,
				disk, value, strerror(-err),
				err == -EOPNOTSUPP ?
				"no queue pair with interrupts, or another kind of disk" :
				err == -EBUSY ? "a disk of the controller is in use" :
				err == -EACCES ? "run as root" :
				"see Documentation/block/pollnvme.rst");
	/* What sysfs took is not always what it keeps. */
	if (cl_read_file(now, sizeof(now), "%s", path) < 0 ||
	    strcmp(now, value))
		return cl_error("%s of %s is %s, not %s: give it as `corelane block show' would",
				setting->name, disk, now, value);
	return CL_OK;
}

int block_set(const struct block_args *args)
{
	struct block_disk *disks;
	const char *name, *value;
	int ret = CL_OK;
	size_t n;

	if (args->n_words < 2)
		return cl_usage("nothing to set: `corelane block set DISK NAME=VALUE...'");
	/* All are understood before one is written. */
	for (size_t i = 1; i < args->n_words; i++)
		if (!find(args->words[i], &value))
			return cl_usage("'%s' cannot be set: mode, hybrid_limit_us, read_ahead_kb, spin_limit_us, io_timeout_ms, disks can, as NAME=VALUE",
					args->words[i]);
	name = block_name(args->words[0]);
	n = block_list(name, &disks);
	free(disks);
	if (!n)
		return block_unknown(name);
	for (size_t i = 1; i < args->n_words && ret == CL_OK; i++) {
		const struct setting *setting = find(args->words[i], &value);

		if (args->dry_run)
			printf("echo %s > " BLOCK_DIR "/%s/%s\n", value, name,
			       setting->file);
		else
			ret = apply(name, setting, value);
	}
	return ret;
}
