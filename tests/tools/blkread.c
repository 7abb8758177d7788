// SPDX-License-Identifier: GPL-2.0
/*
 * blkread [-c CPUS] [-t THREADS] [-b BYTES] [-d DEPTH] [-e pread|uring|iopoll]
 *         [-w] COUNTS DEVICE
 *
 * Read blocks of DEVICE at random places, with THREADS pinned to each of the
 * first CPUS CPUs, until killed, and do nothing else between two reads: no
 * clock is asked. With io_uring each thread keeps DEPTH reads in flight,
 * iopoll polls for them. -w adds to each CPU a thread that works and never
 * sleeps; with no threads that read (-t 0) it has the CPU alone.
 *
 * COUNTS becomes a file of 64 bytes a thread, first those that read, by CPU,
 * then those that work: a number of 64 bits, how many reads or turns it has
 * done, which whoever measures reads at both ends of a window.
 */

#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "number.h"

#define MOST		1024
#define MOST_DEPTH	256
/* What a turn of the work is: so many steps, each of which waits for the last. */
#define STEPS		1000

struct count {
	volatile uint64_t n;
	char pad[56];
};

struct ring {
	int fd;
	unsigned int *sq_tail, sq_mask;
	unsigned int *cq_head, *cq_tail, cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

struct reader {
	struct count *count;
	int cpu, fd;
	uint64_t seed, blocks;
	char *data;
};

static int depth = 1;
static size_t bytes = 4096;
static unsigned int ring_flags;

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "CPU %d", cpu);
}

/* xorshift64: as good as any to pick a block */
static off_t somewhere(struct reader *r)
{
	r->seed ^= r->seed << 13;
	r->seed ^= r->seed >> 7;
	r->seed ^= r->seed << 17;
	return (off_t)(r->seed % r->blocks * bytes);
}

static void *read_sync(void *arg)
{
	struct reader *r = arg;

	pin(r->cpu);
	for (;;) {
		if (pread(r->fd, r->data, bytes, somewhere(r)) != (ssize_t)bytes)
			err(1, "read");
		r->count->n++;
	}
}

static void ring_setup(struct ring *ring)
{
	struct io_uring_params p = { .flags = ring_flags };
	size_t sq, cq;
	unsigned int *array, i;
	char *rings;

	ring->fd = (int)syscall(SYS_io_uring_setup, depth, &p);
	if (ring->fd < 0)
		err(1, "io_uring_setup");
	if (!(p.features & IORING_FEAT_SINGLE_MMAP))
		errx(1, "this kernel's io_uring is too old");
	sq = p.sq_off.array + p.sq_entries * sizeof(*array);
	cq = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	rings = mmap(NULL, sq > cq ? sq : cq, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		     ring->fd, IORING_OFF_SQ_RING);
	ring->sqes = mmap(NULL, p.sq_entries * sizeof(*ring->sqes), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQES);
	if (rings == MAP_FAILED || ring->sqes == MAP_FAILED)
		err(1, "io_uring's rings");
	ring->sq_tail = (unsigned int *)(rings + p.sq_off.tail);
	ring->sq_mask = *(unsigned int *)(rings + p.sq_off.ring_mask);
	ring->cq_head = (unsigned int *)(rings + p.cq_off.head);
	ring->cq_tail = (unsigned int *)(rings + p.cq_off.tail);
	ring->cq_mask = *(unsigned int *)(rings + p.cq_off.ring_mask);
	ring->cqes = (struct io_uring_cqe *)(rings + p.cq_off.cqes);
	array = (unsigned int *)(rings + p.sq_off.array);
	for (i = 0; i < p.sq_entries; i++)
		array[i] = i;
}

static void ring_push(struct ring *ring, struct reader *r, uint64_t buffer)
{
	unsigned int tail = *ring->sq_tail;
	struct io_uring_sqe *sqe = &ring->sqes[tail & ring->sq_mask];

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_READ;
	sqe->fd = r->fd;
	sqe->addr = (uintptr_t)r->data + buffer * bytes;
	sqe->len = bytes;
	sqe->off = somewhere(r);
	sqe->user_data = buffer;
	/* Release: the kernel sees the entry no later than the tail. */
	__atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
}

static void *read_ring(void *arg)
{
	unsigned int head, tail, fresh = 0;
	struct reader *r = arg;
	struct ring ring;

	pin(r->cpu);
	ring_setup(&ring);
	for (; fresh < (unsigned int)depth; fresh++)
		ring_push(&ring, r, fresh);
	for (;;) {
		if (syscall(SYS_io_uring_enter, ring.fd, fresh, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
			err(1, "io_uring_enter");
		fresh = 0;
		head = *ring.cq_head;
		/* Acquire: pairs with the kernel's release of the entries. */
		tail = __atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE);
		for (; head != tail; head++, fresh++) {
			const struct io_uring_cqe *cqe = &ring.cqes[head & ring.cq_mask];

			if (cqe->res != (int)bytes) {
				errno = -cqe->res;
				err(1, "read");
			}
			ring_push(&ring, r, cqe->user_data);
		}
		/* Release: the entries were read before they are given back. */
		__atomic_store_n(ring.cq_head, head, __ATOMIC_RELEASE);
		r->count->n += fresh;
	}
}

static void *work(void *arg)
{
	struct reader *r = arg;
	uint64_t x = 1;
	int i;

	pin(r->cpu);
	for (;;) {
		for (i = 0; i < STEPS; i++) {
			x = x * 6364136223846793005ull + 1442695040888963407ull;
			__asm__ volatile("" : "+r"(x));
		}
		r->count->n++;
	}
	return NULL;
}

static void start(void *(*run)(void *), struct count *counts, int i, int cpu, const char *path)
{
	struct reader *r = calloc(1, sizeof(*r));
	pthread_t thread;
	uint64_t size;

	if (!r)
		errx(1, "no memory");
	r->count = &counts[i];
	r->cpu = cpu;
	/* A file of its own: threads would fight over the count of its users. */
	r->fd = open(path, O_RDONLY | O_DIRECT);
	if (r->fd < 0 || ioctl(r->fd, BLKGETSIZE64, &size))
		err(1, "%s", path);
	r->blocks = size / bytes;
	if (!r->blocks)
		errx(1, "%s: no room for a block", path);
	/* Not of the time: two runs read the same blocks. */
	r->seed = 88172645463325252ull + (uint64_t)i * 2654435761u;
	r->data = mmap(NULL, bytes * depth, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (r->data == MAP_FAILED || pthread_create(&thread, NULL, run, r))
		err(1, "a thread");
}

int main(int argc, char **argv)
{
	int option, cpus = 1, threads = 1, fd, i, n;
	void *(*run)(void *) = read_sync;
	struct count *counts;
	bool works = false;

	while ((option = getopt(argc, argv, "b:c:d:e:t:w")) >= 0) {
		switch (option) {
		case 'b':
			bytes = number(optarg, 512, 1 << 20, "size");
			break;
		case 'c':
			cpus = number(optarg, 1, 64, "number of CPUs");
			break;
		case 'd':
			depth = number(optarg, 1, MOST_DEPTH, "depth");
			break;
		case 't':
			threads = number(optarg, 0, 64, "number of threads");
			break;
		case 'w':
			works = true;
			break;
		case 'e':
			if (strcmp(optarg, "pread"))
				run = read_ring;
			if (!strcmp(optarg, "iopoll"))
				ring_flags = IORING_SETUP_IOPOLL;
			else if (strcmp(optarg, "pread") && strcmp(optarg, "uring"))
				errx(2, "%s: engines are pread, uring and iopoll", optarg);
			break;
		default:
			return 2;
		}
	}
	n = cpus * (threads + works);
	if (argc - optind != 2 || n > MOST || (run == read_sync && depth > 1))
		errx(2, "usage: blkread [-c CPUS] [-t THREADS] [-b BYTES] [-d DEPTH] [-e ENGINE] [-w] COUNTS DEVICE");
	fd = open(argv[optind], O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || ftruncate(fd, n * (off_t)sizeof(*counts)))
		err(1, "%s", argv[optind]);
	counts = mmap(NULL, n * sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (counts == MAP_FAILED)
		err(1, "%s", argv[optind]);
	for (i = 0; i < cpus * threads; i++)
		start(run, counts, i, i / threads, argv[optind + 1]);
	for (i = 0; works && i < cpus; i++)
		start(work, counts, cpus * threads + i, i, argv[optind + 1]);
	for (;;)
		pause();
}
