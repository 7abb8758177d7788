// SPDX-License-Identifier: GPL-2.0-only
/*
 * Physical region pages. A command carries two pointers. The first may begin
 * inside a page; every later page begins at its start, and only the last may
 * end early. Up to two pages the pointers are enough, above that the second
 * one points to a list.
 */
#include "prp.h"

/**
 * pollnvme_prp_begin() - start to describe the data of a command
 * @prp: what is built
 * @list: memory for the list, aligned so that it crosses no page
 * @list_addr: bus address of @list
 * @list_max: entries that fit into @list
 */
void pollnvme_prp_begin(struct pollnvme_prp *prp, __le64 *list, u64 list_addr,
			u32 list_max)
{
	prp->list = list;
	prp->list_addr = list_addr;
	prp->list_max = list_max;
	prp->entries = 0;
	prp->first = 0;
	prp->second = 0;
	prp->closed = false;
}

static int pollnvme_prp_page(struct pollnvme_prp *prp, u64 addr)
{
	u32 n = prp->entries;

	if (n == 0) {
		prp->first = addr;
	} else if (n == 1) {
		prp->second = addr;
	} else {
		/* Entry n of the data is entry n - 1 of the list. */
		if (n > prp->list_max)
			return -E2BIG;
		if (n == 2)
			prp->list[0] = cpu_to_le64(prp->second);
		prp->list[n - 1] = cpu_to_le64(addr);
	}
	prp->entries = n + 1;
	return 0;
}

/**
 * pollnvme_prp_add() - append a piece that is contiguous on the bus
 * @prp: what is built
 * @addr: bus address, a multiple of 4; inside a page only for the first piece
 * @len: bytes, not zero; the piece may end inside a page only if it is the last
 *
 * Return: 0, -EINVAL where PRPs cannot express it, -E2BIG when the list is full.
 */
int pollnvme_prp_add(struct pollnvme_prp *prp, u64 addr, u32 len)
{
	u32 offset = addr & POLLNVME_PAGE_MASK;

	if (!len || (addr & 3) || prp->closed || (prp->entries && offset))
		return -EINVAL;

	while (len) {
		u32 here = POLLNVME_PAGE_SIZE - offset;
		int err;

		if (here > len)
			here = len;
		err = pollnvme_prp_page(prp, addr);
		if (err)
			return err;
		addr += here;
		len -= here;
		offset = 0;
	}
	prp->closed = addr & POLLNVME_PAGE_MASK;
	return 0;
}

/**
 * pollnvme_prp_end() - the two pointers of the command
 * @prp: what was built, with at least one piece
 * @prp1: first pointer
 * @prp2: second pointer: 0, the second page, or the list
 */
void pollnvme_prp_end(const struct pollnvme_prp *prp, __le64 *prp1,
		      __le64 *prp2)
{
	*prp1 = cpu_to_le64(prp->first);
	if (prp->entries > 2)
		*prp2 = cpu_to_le64(prp->list_addr);
	else
		*prp2 = cpu_to_le64(prp->second);
}

/**
 * pollnvme_prp_walk_begin() - start to read a PRP pair
 * @walk: the reader
 * @prp1: first pointer, as in the command
 * @prp2: second pointer
 * @len: bytes of data
 *
 * Return: true when @prp2 is a list and the caller must set @walk->list.
 */
bool pollnvme_prp_walk_begin(struct pollnvme_prp_walk *walk, u64 prp1,
			     u64 prp2, u32 len)
{
	u32 here = POLLNVME_PAGE_SIZE - (prp1 & POLLNVME_PAGE_MASK);

	walk->first = prp1;
	walk->second = prp2;
	walk->list = NULL;
	walk->left = len;
	walk->next = 0;
	return len > here && len - here > POLLNVME_PAGE_SIZE;
}

/**
 * pollnvme_prp_walk_next() - the next page of the data
 * @walk: the reader
 * @addr: bus address
 * @len: bytes there, at most a page
 *
 * Return: 1 with a page, 0 at the end, -EINVAL for an offset where none may
 * be or for data that needs more than one list.
 */
int pollnvme_prp_walk_next(struct pollnvme_prp_walk *walk, u64 *addr,
			   u32 *len)
{
	u32 n = walk->next;
	u32 here;

	if (!walk->left)
		return 0;
	if (n == 0) {
		*addr = walk->first;
	} else if (!walk->list) {
		*addr = walk->second;
	} else {
		if (n - 1 >= POLLNVME_PRP_LIST_MAX)
			return -EINVAL;
		*addr = le64_to_cpu(walk->list[n - 1]);
	}
	if (n && (*addr & POLLNVME_PAGE_MASK))
		return -EINVAL;

	here = POLLNVME_PAGE_SIZE - (*addr & POLLNVME_PAGE_MASK);
	if (here > walk->left)
		here = walk->left;
	*len = here;
	walk->left -= here;
	walk->next = n + 1;
	return 1;
}
