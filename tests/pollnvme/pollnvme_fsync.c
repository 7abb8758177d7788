// SPDX-License-Identifier: GPL-2.0
/*
 * A file of one page is written and made durable again and again, while another
 * thread has it written back as well. Whoever waited must find the page written: no
 * longer dirty, nor on its way to the disk.
 *
 * usage: pollnvme_fsync FILE ROUNDS
 * Prints "rounds N early N": how often one returned too early.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE		4096
#define LOOKS		64

/* Of /proc/self/pagemap and /proc/kpageflags. */
#define PAGEMAP_PRESENT	(1ULL << 63)
#define PAGEMAP_PFN	((1ULL << 55) - 1)
#define KPAGE_DIRTY	(1ULL << 4)
#define KPAGE_WRITEBACK	(1ULL << 8)

static atomic_bool ended;
static int file;

static uint64_t word_at(int fd, uint64_t index)
{
	uint64_t word;

	if (pread(fd, &word, sizeof(word), index * sizeof(word)) != sizeof(word))
		err(1, "/proc");
	return word;
}

static int open_proc(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

/* The page stays where it is: it is locked into memory. */
static uint64_t frame_of(void *page)
{
	int fd = open_proc("/proc/self/pagemap");
	uint64_t word = word_at(fd, (uintptr_t)page / PAGE);

	close(fd);
	if (!(word & PAGEMAP_PRESENT) || !(word & PAGEMAP_PFN))
		errx(1, "no page frame: run as root");
	return word & PAGEMAP_PFN;
}

static void *write_back(void *unused)
{
	while (!ended)
		sync_file_range(file, 0, PAGE, SYNC_FILE_RANGE_WRITE);
	return unused;
}

/* Nobody has written to it since: one look that finds it on its way is one too many. */
static bool is_early(int flags, uint64_t frame)
{
	int look;

	for (look = 0; look < LOOKS; look++)
		if (word_at(flags, frame) & (KPAGE_DIRTY | KPAGE_WRITEBACK))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	unsigned long round, rounds, early = 0;
	static char data[PAGE];
	pthread_t other;
	uint64_t frame;
	void *page;
	int flags;

	if (argc != 3)
		errx(2, "usage: %s FILE ROUNDS", argv[0]);
	rounds = strtoul(argv[2], NULL, 0);
	file = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (file < 0 || write(file, data, PAGE) != PAGE || fsync(file))
		err(1, "%s", argv[1]);
	page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, 0);
	if (page == MAP_FAILED || mlock(page, PAGE))
		err(1, "%s: mmap", argv[1]);
	frame = frame_of(page);
	flags = open_proc("/proc/kpageflags");
	if (pthread_create(&other, NULL, write_back, NULL))
		errx(1, "no thread");
	for (round = 0; round < rounds; round++) {
		data[0]++;
		if (pwrite(file, data, PAGE, 0) != PAGE || fdatasync(file))
			err(1, "%s", argv[1]);
		early += is_early(flags, frame);
	}
	ended = true;
	pthread_join(other, NULL);
	printf("rounds %lu early %lu\n", rounds, early);
	return 0;
}
