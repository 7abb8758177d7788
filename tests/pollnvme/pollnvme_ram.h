/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A software controller, from the programs that cut its power.
 */
#ifndef POLLNVME_RAM_TESTS_H
#define POLLNVME_RAM_TESTS_H

#include <fcntl.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int disk = -1;
static unsigned int block_size;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void put(const char *dir, const char *file, const char *text)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail(path);
	close(fd);
}

/* Opens the disk of a controller that has power; its node may take a while. */
static void disk_open(const char *dir, const char *mode)
{
	char path[256], name[64] = "";
	unsigned int turn;
	FILE *file;

	snprintf(path, sizeof(path), "%s/controller", dir);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%63s", name) != 1)
		fail(path);
	fclose(file);
	snprintf(path, sizeof(path), "/sys/block/%sn1/pollnvme", name);
	put(path, "mode", mode);
	snprintf(path, sizeof(path), "/dev/%sn1", name);
	for (turn = 0; turn < 10000; turn++) {
		disk = open(path, O_RDWR | O_DIRECT);
		if (disk >= 0)
			break;
		usleep(1000);
	}
	if (disk < 0 || ioctl(disk, BLKSSZGET, &block_size))
		fail(path);
}

/* Until so much was done; the slowest machine does it in ten minutes. */
static void wait_until(atomic_uint *count, unsigned int target)
{
	unsigned int turn;

	for (turn = 0; turn < 6000000 && atomic_load(count) < target; turn++)
		usleep(100);
	if (atomic_load(count) < target) {
		fprintf(stderr, "nothing moves: %u of %u\n", atomic_load(count), target);
		exit(1);
	}
}

#endif /* POLLNVME_RAM_TESTS_H */
