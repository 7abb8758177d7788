/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Physical region pages: how an NVMe command names its data. Pure: no
 * kernel service is used, so the unit tests compile it in user space.
 */
#ifndef POLLNVME_PRP_H
#define POLLNVME_PRP_H

#include <linux/errno.h>
#include <linux/types.h>
#include <asm/byteorder.h>

/*
 * The controller's memory page, CC.MPS = 0. It is 4 KiB whatever PAGE_SIZE
 * is, because every controller has it.
 */
#define POLLNVME_PAGE_SHIFT	12
#define POLLNVME_PAGE_SIZE	4096u
#define POLLNVME_PAGE_MASK	(POLLNVME_PAGE_SIZE - 1)

/* A list fills at most one page: no chaining, nothing larger is sent. */
#define POLLNVME_PRP_LIST_MAX	(POLLNVME_PAGE_SIZE / sizeof(__le64))

/**
 * struct pollnvme_prp - a PRP pair under construction
 * @list: memory of the PRP list; untouched while two entries are enough
 * @list_addr: bus address of @list
 * @list_max: entries that fit into @list
 * @entries: memory pages named so far
 * @first: bus address of the first page, with its offset
 * @second: bus address of the second page
 * @closed: the last piece ended inside a page, so nothing may follow
 */
struct pollnvme_prp {
	__le64 *list;
	u64 list_addr;
	u32 list_max;
	u32 entries;
	u64 first;
	u64 second;
	bool closed;
};

/**
 * struct pollnvme_prp_walk - reading a PRP pair, as a controller does
 * @first: first pointer of the command
 * @second: second pointer: the other page, or the list
 * @list: the list, when there is one
 * @left: bytes not yet returned
 * @next: how many pages were returned
 */
struct pollnvme_prp_walk {
	u64 first;
	u64 second;
	const __le64 *list;
	u32 left;
	u32 next;
};

void pollnvme_prp_begin(struct pollnvme_prp *prp, __le64 *list, u64 list_addr,
			u32 list_max);
int pollnvme_prp_add(struct pollnvme_prp *prp, u64 addr, u32 len);
void pollnvme_prp_end(const struct pollnvme_prp *prp, __le64 *prp1,
		      __le64 *prp2);

/**
 * pollnvme_prp_single() - the two pointers for one piece within two pages
 * @addr: bus address, a multiple of 4
 * @len: bytes, not zero
 * @prp1: first pointer
 * @prp2: second pointer: 0, or the second page
 *
 * Return: 0, or -EINVAL where two pointers cannot express it.
 */
static inline int pollnvme_prp_single(u64 addr, u32 len, __le64 *prp1,
				      __le64 *prp2)
{
	u32 offset = addr & POLLNVME_PAGE_MASK;

	if (!len || (addr & 3) || len > 2 * POLLNVME_PAGE_SIZE - offset)
		return -EINVAL;
	*prp1 = cpu_to_le64(addr);
	*prp2 = len <= POLLNVME_PAGE_SIZE - offset ? 0 :
		cpu_to_le64(addr - offset + POLLNVME_PAGE_SIZE);
	return 0;
}

bool pollnvme_prp_walk_begin(struct pollnvme_prp_walk *walk, u64 prp1,
			     u64 prp2, u32 len);
int pollnvme_prp_walk_next(struct pollnvme_prp_walk *walk, u64 *addr,
			   u32 *len);

#endif /* POLLNVME_PRP_H */
