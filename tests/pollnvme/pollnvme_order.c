// SPDX-License-Identifier: GPL-2.0
/*
 * Writes block after block, each only when the one before is done, until the
 * power is cut; then what is there must be a beginning without gaps, at least
 * as long as what was said to be done. The controller has no cache.
 *
 * usage: pollnvme_order CONFIGFS-DIRECTORY CUTS SEED WAY MODE...
 * WAY: one     a thread that waits for each write
 *	many    threads that take turns
 *	libaio  a thread that submits many writes at once; where the disk polls,
 *		each is done before the next begins
 *	uring   the same with io_uring, in chains of linked writes
 * Prints "cuts N written N gaps N short N".
 */
#define _GNU_SOURCE
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include "pollnvme_ram.h"

#define THREADS		4
#define BATCH		16
#define BLOCKS		8192
#define LONGEST		1000	/* blocks before a cut, at most */

struct uring {
	int fd;
	unsigned int *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint done;	/* blocks said to be done */
static uint64_t run;		/* number of the cut to come */
static struct uring ring;
static char *buf;

static void *block(unsigned int n)
{
	return buf + (size_t)n * block_size;
}

static void fill(unsigned int n)
{
	uint64_t *w = block(n);

	w[0] = run;
	w[1] = n;
}

static int write_one(unsigned int n)
{
	fill(n);
	return pwrite(disk, block(n), block_size, (off_t)n * block_size) == block_size ? 0 : -1;
}

static void *way_one(void *arg __attribute__((unused)))
{
	unsigned int n;

	for (n = 0; n < BLOCKS && !write_one(n); n++)
		atomic_store(&done, n + 1);
	return NULL;
}

static void *way_many(void *arg __attribute__((unused)))
{
	unsigned int n;
	int bad;

	do {
		pthread_mutex_lock(&turn);
		n = atomic_load(&done);
		bad = n == BLOCKS || write_one(n);
		if (!bad)
			atomic_store(&done, n + 1);
		pthread_mutex_unlock(&turn);
	} while (!bad);
	return NULL;
}

/* How many of a batch are done, from the first on, by a bit for each. */
static unsigned int first_ones(unsigned int bits)
{
	return __builtin_ctz(~bits);
}

static void *way_libaio(void *arg __attribute__((unused)))
{
	struct iocb cb[BATCH], *list[BATCH];
	struct io_event events[BATCH];
	unsigned int n, i, bits;
	aio_context_t aio = 0;
	int sent, got, now, k;

	if (syscall(SYS_io_setup, BATCH, &aio))
		fail("io_setup");
	for (n = 0; n + BATCH <= BLOCKS; n += BATCH) {
		memset(cb, 0, sizeof(cb));
		for (i = 0; i < BATCH; i++) {
			fill(n + i);
			cb[i].aio_data = i;
			cb[i].aio_lio_opcode = IOCB_CMD_PWRITE;
			cb[i].aio_fildes = disk;
			cb[i].aio_buf = (uintptr_t)block(n + i);
			cb[i].aio_nbytes = block_size;
			cb[i].aio_offset = (uint64_t)(n + i) * block_size;
			list[i] = &cb[i];
		}
		sent = syscall(SYS_io_submit, aio, BATCH, list);
		for (got = 0, bits = 0; got < sent; got += now) {
			now = syscall(SYS_io_getevents, aio, 1, BATCH, events, NULL);
			if (now < 0)
				fail("io_getevents");
			for (k = 0; k < now; k++)
				if (events[k].res == block_size)
					bits |= 1u << events[k].data;
		}
		atomic_store(&done, n + first_ones(bits));
		if (first_ones(bits) < BATCH)
			break;
	}
	syscall(SYS_io_destroy, aio);
	return NULL;
}

static void uring_open(struct uring *r)
{
	struct io_uring_params p = {};
	char *sq, *cq;

	r->fd = syscall(SYS_io_uring_setup, BATCH, &p);
	if (r->fd < 0)
		fail("io_uring_setup");
	sq = mmap(NULL, p.sq_off.array + p.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED,
		  r->fd, IORING_OFF_SQ_RING);
	cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(*r->cqes), PROT_READ | PROT_WRITE,
		  MAP_SHARED, r->fd, IORING_OFF_CQ_RING);
	r->sqes = mmap(NULL, p.sq_entries * sizeof(*r->sqes), PROT_READ | PROT_WRITE, MAP_SHARED,
		       r->fd, IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || r->sqes == MAP_FAILED)
		fail("mmap");
	r->sq_tail = (void *)(sq + p.sq_off.tail);
	r->sq_mask = (void *)(sq + p.sq_off.ring_mask);
	r->sq_array = (void *)(sq + p.sq_off.array);
	r->cq_head = (void *)(cq + p.cq_off.head);
	r->cq_tail = (void *)(cq + p.cq_off.tail);
	r->cq_mask = (void *)(cq + p.cq_off.ring_mask);
	r->cqes = (void *)(cq + p.cq_off.cqes);
}

/* One link after another, the last of a batch without. */
static void uring_fill(struct uring *r, unsigned int n)
{
	unsigned int tail = *r->sq_tail, i;

	for (i = 0; i < BATCH; i++, tail++) {
		struct io_uring_sqe *sqe = &r->sqes[tail & *r->sq_mask];

		fill(n + i);
		memset(sqe, 0, sizeof(*sqe));
		sqe->opcode = IORING_OP_WRITE;
		sqe->flags = i < BATCH - 1 ? IOSQE_IO_LINK : 0;
		sqe->fd = disk;
		sqe->addr = (uintptr_t)block(n + i);
		sqe->len = block_size;
		sqe->off = (uint64_t)(n + i) * block_size;
		sqe->user_data = i;
		r->sq_array[tail & *r->sq_mask] = tail & *r->sq_mask;
	}
	__atomic_store_n(r->sq_tail, tail, __ATOMIC_RELEASE);
}

static unsigned int uring_reap(struct uring *r)
{
	unsigned int head = *r->cq_head, bits = 0;

	while (head != __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE)) {
		const struct io_uring_cqe *cqe = &r->cqes[head++ & *r->cq_mask];

		if (cqe->res == (int)block_size)
			bits |= 1u << cqe->user_data;
	}
	__atomic_store_n(r->cq_head, head, __ATOMIC_RELEASE);
	return bits;
}

static void *way_uring(void *arg __attribute__((unused)))
{
	unsigned int n, bits;

	for (n = 0; n + BATCH <= BLOCKS; n += BATCH) {
		uring_fill(&ring, n);
		if (syscall(SYS_io_uring_enter, ring.fd, BATCH, BATCH,
			    IORING_ENTER_GETEVENTS, NULL, 0) != BATCH)
			fail("io_uring_enter");
		bits = uring_reap(&ring);
		atomic_store(&done, n + first_ones(bits));
		if (first_ones(bits) < BATCH)
			break;
	}
	return NULL;
}

/* What is there of this run: how much from the first block on, and in all. */
static void look(unsigned int *first, unsigned int *all)
{
	unsigned int n;

	if (pread(disk, buf, BLOCKS * block_size, 0) != (ssize_t)(BLOCKS * block_size))
		fail("read after a cut");
	*first = 0;
	*all = 0;
	for (n = 0; n < BLOCKS; n++) {
		const uint64_t *w = block(n);

		if (w[0] != run || w[1] != n)
			continue;
		*first += *all == n;
		++*all;
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		unsigned int threads;
		void *(*work)(void *arg);
	} ways[] = {
		{ "one", 1, way_one }, { "many", THREADS, way_many },
		{ "libaio", 1, way_libaio }, { "uring", 1, way_uring },
	};
	unsigned int way, state, cuts, i, first, all, gaps = 0, brief = 0, target;
	unsigned long written = 0;
	pthread_t threads[THREADS];

	if (argc < 6)
		return 2;
	for (way = 0; way < 4 && strcmp(argv[4], ways[way].name); )
		way++;
	if (way == 4 || posix_memalign((void **)&buf, 4096, BLOCKS * 4096))
		return 2;
	cuts = atoi(argv[2]);
	state = atoi(argv[3]);
	uring_open(&ring);
	for (run = 1; run <= cuts; run++) {
		disk_open(argv[1], argv[5 + run % (argc - 5)]);
		memset(buf, 0, BLOCKS * block_size);
		atomic_store(&done, 0);
		target = 1 + rand_r(&state) % LONGEST;
		for (i = 0; i < ways[way].threads; i++)
			if (pthread_create(&threads[i], NULL, ways[way].work, NULL))
				fail("pthread_create");
		wait_until(&done, target);
		put(argv[1], "cut", "1");
		for (i = 0; i < ways[way].threads; i++)
			pthread_join(threads[i], NULL);
		close(disk);
		put(argv[1], "power", "1");
		disk_open(argv[1], argv[5]);
		look(&first, &all);
		close(disk);
		written += all;
		gaps += first < all;
		brief += first < atomic_load(&done);
	}
	printf("cuts %u written %lu gaps %u short %u\n", cuts, written, gaps, brief);
	return 0;
}
