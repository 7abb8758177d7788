// SPDX-License-Identifier: GPL-2.0
/*
 * Cuts the power of a software controller again and again while threads write
 * to its disk, and looks each time whether what was flushed is still there.
 *
 * Every thread has blocks of its own and knows of each block: the last write
 * that was begun, the last that ended, and the last that must survive, because
 * a flush began after it had ended, or because it was a FUA write itself. What
 * is found after a cut must lie between the last that must survive and the last
 * that was begun, and be a whole block of one write.
 *
 * usage: pollnvme_cut CONFIGFS-DIRECTORY CUTS SEED MODE...
 * Prints "cuts N writes N flushes N lost N broken N": lost are blocks whose
 * last write was gone, as it may be; broken are those that may not.
 */
#define _GNU_SOURCE
#include <linux/aio_abi.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "pollnvme_ram.h"

#define THREADS		4
#define BLOCKS		256	/* a thread's */
#define MOST		32	/* blocks a write has at most */
#define BATCH		4	/* writes in flight at once */
#define SHORTEST	100	/* operations before a cut: some flush is among them */
#define LONGEST		600

struct known {
	uint64_t survives, ended, begun;
};

struct worker {
	pthread_t thread;
	unsigned int number, rand;
	uint64_t seq;
	struct known known[BLOCKS];
	unsigned char *buf;
};

static struct worker workers[THREADS];
static atomic_uint operations;
static atomic_ulong writes, flushes;
static unsigned long lost, broken;

static unsigned int below(unsigned int *state, unsigned int n)
{
	return rand_r(state) % n;
}

/* Words that no other block and no other write has. */
static uint64_t word(uint64_t block, uint64_t seq, unsigned int i)
{
	uint64_t x = block * 0x9e3779b97f4a7c15ull ^ seq * 0xbf58476d1ce4e5b9ull ^ i;

	x = (x ^ x >> 31) * 0x94d049bb133111ebull;
	return x ^ x >> 29;
}

static void fill(void *to, uint64_t block, uint64_t seq)
{
	uint64_t *w = to;
	unsigned int i;

	w[0] = seq;
	for (i = 1; i < block_size / 8; i++)
		w[i] = word(block, seq, i);
}

/* Whether the whole block is of one write; never written: zeroes. */
static int whole(const void *from, uint64_t block, uint64_t *seq)
{
	const uint64_t *w = from;
	unsigned int i;

	*seq = w[0];
	for (i = 1; i < block_size / 8; i++)
		if (w[i] != (*seq ? word(block, *seq, i) : 0))
			return 0;
	return 1;
}

static uint64_t disk_block(const struct worker *w, unsigned int block)
{
	return (uint64_t)w->number * BLOCKS + block;
}

/* Prepares a write in part of the buffer; counts it as begun. */
static void begin(struct worker *w, void *buf, unsigned int first, unsigned int n)
{
	unsigned int i;

	w->seq++;
	for (i = 0; i < n; i++) {
		fill((char *)buf + i * block_size, disk_block(w, first + i), w->seq);
		w->known[first + i].begun = w->seq;
	}
}

static void end(struct worker *w, unsigned int first, unsigned int n, int survives)
{
	unsigned int i;

	atomic_fetch_add(&writes, 1);
	for (i = 0; i < n; i++) {
		w->known[first + i].ended = w->known[first + i].begun;
		if (survives)
			w->known[first + i].survives = w->known[first + i].ended;
	}
}

static int do_write(struct worker *w, int flags)
{
	unsigned int n = 1 + below(&w->rand, MOST), first = below(&w->rand, BLOCKS - n + 1);
	struct iovec iov = { .iov_base = w->buf, .iov_len = n * block_size };

	begin(w, w->buf, first, n);
	if (pwritev2(disk, &iov, 1, disk_block(w, first) * block_size, flags) !=
	    (ssize_t)iov.iov_len)
		return -1;
	end(w, first, n, flags & RWF_DSYNC);
	return 0;
}

/* Several at once, each in its part of the blocks. */
static int do_batch(struct worker *w, aio_context_t aio)
{
	struct iocb cb[BATCH] = {}, *list[BATCH];
	struct io_event done[BATCH];
	unsigned int first[BATCH], n[BATCH], i;
	int sent, got, bad;

	for (i = 0; i < BATCH; i++) {
		void *buf = w->buf + i * MOST * block_size;

		n[i] = 1 + below(&w->rand, MOST);
		first[i] = i * (BLOCKS / BATCH) + below(&w->rand, BLOCKS / BATCH - n[i] + 1);
		begin(w, buf, first[i], n[i]);
		cb[i].aio_data = i;
		cb[i].aio_lio_opcode = IOCB_CMD_PWRITE;
		cb[i].aio_fildes = disk;
		cb[i].aio_buf = (uintptr_t)buf;
		cb[i].aio_nbytes = n[i] * block_size;
		cb[i].aio_offset = disk_block(w, first[i]) * block_size;
		list[i] = &cb[i];
	}
	sent = syscall(SYS_io_submit, aio, BATCH, list);
	if (sent < 0)
		return -1;
	for (got = 0, bad = sent < BATCH; got < sent; ) {
		int k, now = syscall(SYS_io_getevents, aio, 1, BATCH, done, NULL);

		if (now < 0)
			fail("io_getevents");
		for (k = 0; k < now; k++) {
			i = done[k].data;
			if (done[k].res == (long long)cb[i].aio_nbytes)
				end(w, first[i], n[i], 0);
			else
				bad = 1;
		}
		got += now;
	}
	return bad ? -1 : 0;
}

static int do_flush(struct worker *w)
{
	unsigned int i;

	if (fdatasync(disk))
		return -1;
	atomic_fetch_add(&flushes, 1);
	for (i = 0; i < BLOCKS; i++)
		w->known[i].survives = w->known[i].ended;
	return 0;
}

/* Without a cut between, what was written last is what is read. */
static int do_read(struct worker *w)
{
	unsigned int block = below(&w->rand, BLOCKS);
	uint64_t seq;

	if (pread(disk, w->buf, block_size, disk_block(w, block) * block_size) != block_size)
		return -1;
	if (!whole(w->buf, disk_block(w, block), &seq) || seq != w->known[block].ended) {
		fprintf(stderr, "block %u read as %ju, written as %ju\n", block, seq,
			w->known[block].ended);
		exit(1);
	}
	return 0;
}

/* Works until the disk fails. */
static void *work(void *arg)
{
	struct worker *w = arg;
	aio_context_t aio = 0;
	int bad = 0;

	if (syscall(SYS_io_setup, BATCH, &aio))
		fail("io_setup");
	while (!bad) {
		unsigned int what = below(&w->rand, 100);

		if (what < 50)
			bad = do_write(w, 0);
		else if (what < 65)
			bad = do_write(w, RWF_DSYNC);
		else if (what < 75)
			bad = do_batch(w, aio);
		else if (what < 85)
			bad = do_flush(w);
		else
			bad = do_read(w);
		atomic_fetch_add(&operations, 1);
	}
	syscall(SYS_io_destroy, aio);
	return NULL;
}

static void verify(struct worker *w)
{
	unsigned int i;

	for (i = 0; i < BLOCKS; i++) {
		struct known *k = &w->known[i];
		uint64_t seq;

		if (!(i % MOST) && pread(disk, w->buf, MOST * block_size,
					 disk_block(w, i) * block_size) != MOST * block_size)
			fail("read after a cut");
		if (!whole(w->buf + i % MOST * block_size, disk_block(w, i), &seq) ||
		    seq < k->survives || seq > k->begun) {
			if (!broken++)
				fprintf(stderr, "block %ju: found %ju, must be %ju to %ju\n",
					disk_block(w, i), seq, k->survives, k->begun);
		} else if (seq < k->ended) {
			lost++;
		}
		/* What is there now was there through a cut. */
		k->survives = seq;
		k->ended = seq;
		k->begun = seq;
	}
}

static void cut(const char *dir, unsigned int *state)
{
	unsigned int target = SHORTEST + below(state, LONGEST - SHORTEST), i;
	char seed[16];

	/* Now and then all is lost, else what a coin says. */
	snprintf(seed, sizeof(seed), "%u", below(state, 4) ? 1 + below(state, 1 << 30) : 0);
	atomic_store(&operations, 0);
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			fail("pthread_create");
	wait_until(&operations, target);
	put(dir, "cut", seed);
	for (i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	close(disk);
}

int main(int argc, char **argv)
{
	unsigned int cuts, state, done, i;

	if (argc < 5)
		return 2;
	cuts = atoi(argv[2]);
	state = atoi(argv[3]);
	for (i = 0; i < THREADS; i++) {
		workers[i].number = i;
		workers[i].rand = state + i;
		if (posix_memalign((void **)&workers[i].buf, 4096, BATCH * MOST * 4096))
			return 1;
	}
	for (done = 0; done < cuts; done++) {
		disk_open(argv[1], argv[4 + done % (argc - 4)]);
		cut(argv[1], &state);
		put(argv[1], "power", "1");
		disk_open(argv[1], argv[4]);
		for (i = 0; i < THREADS; i++)
			verify(&workers[i]);
		close(disk);
	}
	printf("cuts %u writes %lu flushes %lu lost %lu broken %lu\n", done,
	       atomic_load(&writes), atomic_load(&flushes), lost, broken);
	return 0;
}
