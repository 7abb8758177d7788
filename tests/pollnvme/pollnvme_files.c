// SPDX-License-Identifier: GPL-2.0
/*
 * Tasks that do by chance what can be done to files: write in the page cache,
 * past it and through memory, cut, punch, rename, remove, sync, read. What a file
 * must contain is kept in memory and compared whenever one is read.
 *
 * usage: pollnvme_files DIR SEED STEPS TASKS [check]
 *
 * With "check" nothing is done: the same chances say what files there must be
 * after such a run with the same numbers, and these are compared.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "number.h"
#include "random.h"

#define FILES		8
#define MOST		(256 << 10)	/* bytes of a file */
#define MOST_AT_ONCE	(48 << 10)
#define BLOCK		4096		/* what O_DIRECT is aligned to */

/* What a file is to be: @data is zero from @size on. */
struct model {
	char name[4];
	bool exists;
	uint32_t size;
	char *data;
};

static struct model files[FILES];
static bool check_only;
static char *buffer;

static int file_open(const struct model *file, int flags)
{
	int fd = open(file->name, flags, 0600);

	if (fd < 0)
		err(1, "open %s", file->name);
	return fd;
}

/* Reads a file and compares it. */
static void file_compare(const struct model *file, int flags)
{
	struct stat found;
	uint32_t got = 0;
	ssize_t more;
	int fd;

	if (!file->exists) {
		if (!access(file->name, F_OK))
			errx(1, "%s should be gone", file->name);
		return;
	}
	fd = file_open(file, O_RDONLY | flags);
	if (fstat(fd, &found))
		err(1, "stat %s", file->name);
	if (found.st_size != file->size)
		errx(1, "%s has %jd bytes, not %u", file->name, (intmax_t)found.st_size,
		     file->size);
	while (got < file->size) {
		more = pread(fd, buffer + got, MOST + BLOCK - got, got);
		if (more <= 0)
			err(1, "read %s at %u", file->name, got);
		got += more;
	}
	close(fd);
	for (got = 0; got < file->size; got++) {
		if (buffer[got] != file->data[got])
			errx(1, "%s is wrong at byte %u of %u", file->name, got, file->size);
	}
}

/* Some bytes at some place, in the model; returns how many. */
static uint32_t file_fill(struct model *file, uint32_t align, uint32_t within, uint32_t *from)
{
	uint32_t len = any(MOST_AT_ONCE / align) * align + align;
	uint32_t word = any(UINT32_MAX), i;

	*from = any(within / align) * align;
	if (len > within - *from)
		len = within - *from;
	for (i = 0; i < len; i++)
		file->data[*from + i] = (word += 0x9e3779b9) >> 24;
	if (file->size < *from + len)
		file->size = *from + len;
	file->exists = true;
	return len;
}

static void file_write(struct model *file, int flags, uint32_t align)
{
	uint32_t from, len = file_fill(file, align, MOST, &from);
	int fd;

	if (check_only)
		return;
	fd = file_open(file, O_WRONLY | O_CREAT | flags);
	memcpy(buffer, file->data + from, len);
	if (pwrite(fd, buffer, len, from) != (ssize_t)len)
		err(1, "write %s", file->name);
	close(fd);
}

static void file_write_mapped(struct model *file)
{
	uint32_t from, len;
	char *memory;
	int fd;

	if (!file->exists || !file->size)
		return;
	len = file_fill(file, 1, file->size, &from);
	if (check_only)
		return;
	fd = file_open(file, O_RDWR);
	memory = mmap(NULL, file->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		err(1, "mmap %s", file->name);
	memcpy(memory + from, file->data + from, len);
	if (from & 1 && msync(memory, file->size, MS_SYNC))
		err(1, "msync %s", file->name);
	munmap(memory, file->size);
	close(fd);
}

static void file_cut(struct model *file)
{
	uint32_t size = any(MOST);

	if (!file->exists)
		return;
	if (size < file->size)
		memset(file->data + size, 0, file->size - size);
	file->size = size;
	if (!check_only && truncate(file->name, size))
		err(1, "truncate %s", file->name);
}

static void file_punch(struct model *file)
{
	uint32_t from = any(MOST), len = any(MOST_AT_ONCE) + 1;
	int fd;

	if (!file->exists || from >= file->size)
		return;
	if (len > file->size - from)
		len = file->size - from;
	memset(file->data + from, 0, len);
	if (check_only)
		return;
	fd = file_open(file, O_WRONLY);
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, len))
		err(1, "punch %s", file->name);
	close(fd);
}

static void file_remove(struct model *file)
{
	if (!file->exists)
		return;
	memset(file->data, 0, file->size);
	file->exists = false;
	file->size = 0;
	if (!check_only && unlink(file->name))
		err(1, "unlink %s", file->name);
}

static void file_rename(struct model *from, struct model *to)
{
	char *data = to->data;

	if (from == to || !from->exists)
		return;
	if (!check_only && rename(from->name, to->name))
		err(1, "rename %s", from->name);
	memset(data, 0, to->size);
	to->data = from->data;
	to->size = from->size;
	to->exists = true;
	from->data = data;
	from->size = 0;
	from->exists = false;
}

static void file_sync(const struct model *file, bool data_only)
{
	int fd;

	if (!file->exists)
		return;
	fd = file_open(file, O_WRONLY);
	if (data_only ? fdatasync(fd) : fsync(fd))
		err(1, "sync %s", file->name);
	close(fd);
}

/* Names that come and go: directories, links of both kinds. */
static void names(const struct model *file)
{
	if (!file->exists)
		return;
	if (mkdir("dir", 0700) || link(file->name, "dir/link") ||
	    symlink(file->name, "dir/symlink") || rename("dir", "moved") ||
	    unlink("moved/link") || unlink("moved/symlink") || rmdir("moved"))
		err(1, "names of %s", file->name);
}

/* Chance is used alike whether anything is done or not. */
static void step(void)
{
	struct model *file = &files[any(FILES)], *other = &files[any(FILES)];
	uint32_t what = any(16), how = any(2);

	if (what < 3)
		file_write(file, 0, 1);
	else if (what < 6)
		file_write(file, O_DIRECT, BLOCK);
	else if (what < 7)
		file_write(file, O_DSYNC, 1);
	else if (what < 9)
		file_write_mapped(file);
	else if (what == 9)
		file_cut(file);
	else if (what == 10)
		file_punch(file);
	else if (what == 11)
		file_rename(file, other);
	else if (what == 12 && how)
		file_remove(file);
	else if (check_only)
		return;
	else if (what == 12)
		names(file);
	else if (what == 13)
		file_sync(file, how);
	else
		file_compare(file, how ? O_DIRECT : 0);
}

static void task(int number, int seed, int steps)
{
	char dir[16];
	int i;

	snprintf(dir, sizeof(dir), "%d", number);
	if ((!check_only && mkdir(dir, 0700)) || chdir(dir))
		err(1, "directory %s", dir);
	random_seed(seed * 1000ull + number);
	buffer = mmap(NULL, MOST + BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	if (buffer == MAP_FAILED)
		err(1, "memory");
	for (i = 0; i < FILES; i++) {
		snprintf(files[i].name, sizeof(files[i].name), "%d", i);
		files[i].data = calloc(1, MOST);
		if (!files[i].data)
			err(1, "memory");
	}
	for (i = 0; i < steps; i++)
		step();
	for (i = 0; i < FILES; i++)
		file_compare(&files[i], 0);
}

int main(int argc, char **argv)
{
	int tasks, steps, seed, i, status, bad = 0;

	if (argc < 5 || argc > 6 || (argc == 6 && strcmp(argv[5], "check"))) {
		fprintf(stderr, "usage: pollnvme_files DIR SEED STEPS TASKS [check]\n");
		return 2;
	}
	seed = number(argv[2], 0, 1000000, "seed");
	steps = number(argv[3], 1, 1000000, "steps");
	tasks = number(argv[4], 1, 64, "tasks");
	check_only = argc == 6;
	if (chdir(argv[1]))
		err(1, "%s", argv[1]);
	for (i = 0; i < tasks; i++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "fork");
		if (!pid) {
			task(i, seed, steps);
			return 0;
		}
	}
	while (wait(&status) > 0)
		bad += status != 0;
	return bad ? 1 : 0;
}
