// SPDX-License-Identifier: GPL-2.0-only
/*
 * PRP pairs: what the builder makes, the walker reads back, for every kind
 * of offset and length.
 */
#include "ktap.h"
#include "drivers/block/pollnvme/prp.c"

#define LIST_ADDR	0x7770000ull
#define BASE		0x123456000ull

static __le64 list[POLLNVME_PRP_LIST_MAX];

/* One contiguous piece: is every byte named once and in order? */
static bool round_trip(u32 offset, u32 len)
{
	struct pollnvme_prp_walk walk;
	struct pollnvme_prp prp;
	u64 addr, want = BASE + offset;
	__le64 prp1, prp2;
	u32 here, sum = 0;
	int more;

	pollnvme_prp_begin(&prp, list, LIST_ADDR, POLLNVME_PRP_LIST_MAX);
	if (pollnvme_prp_add(&prp, want, len))
		return false;
	pollnvme_prp_end(&prp, &prp1, &prp2);
	if (prp.entries != (offset + len + 4095) / 4096)
		return false;
	if (prp.entries == 1 && prp2)
		return false;
	if (prp.entries > 2 && le64_to_cpu(prp2) != LIST_ADDR)
		return false;
	if (pollnvme_prp_walk_begin(&walk, le64_to_cpu(prp1),
				    le64_to_cpu(prp2), len))
		walk.list = list;
	if ((walk.list != NULL) != (prp.entries > 2))
		return false;
	while ((more = pollnvme_prp_walk_next(&walk, &addr, &here)) > 0) {
		if (addr != want || (addr & 4095) + here > 4096)
			return false;
		want += here;
		sum += here;
	}
	return !more && sum == len;
}

static bool all_round_trips(void)
{
	u32 offset, len;

	for (offset = 0; offset < 4096; offset += 60)
		for (len = 512; len <= 1048576; len += len < 16384 ? 512 : 20480)
			if (!round_trip(offset & ~3u, len))
				return false;
	return true;
}

/* The short way says what the builder says, or that it cannot. */
static bool single_agrees(void)
{
	struct pollnvme_prp prp;
	__le64 want1, want2, prp1, prp2;
	u32 offset, len;

	for (offset = 0; offset < 4096; offset += 4) {
		for (len = 4; len <= 12288; len += len < 4096 ? 508 : 4) {
			int err = pollnvme_prp_single(BASE + offset, len, &prp1,
						      &prp2);

			if (err != (offset + len > 8192 ? -EINVAL : 0))
				return false;
			if (err)
				continue;
			pollnvme_prp_begin(&prp, NULL, 0, 0);
			if (pollnvme_prp_add(&prp, BASE + offset, len))
				return false;
			pollnvme_prp_end(&prp, &want1, &want2);
			if (prp1 != want1 || prp2 != want2)
				return false;
		}
	}
	return pollnvme_prp_single(BASE, 0, &prp1, &prp2) == -EINVAL &&
	       pollnvme_prp_single(BASE + 2, 512, &prp1, &prp2) == -EINVAL &&
	       pollnvme_prp_single(BASE, 0xffffffff, &prp1, &prp2) == -EINVAL;
}

static int two(u64 first, u32 flen, u64 second, u32 slen)
{
	struct pollnvme_prp prp;
	int err;

	pollnvme_prp_begin(&prp, list, LIST_ADDR, POLLNVME_PRP_LIST_MAX);
	err = pollnvme_prp_add(&prp, first, flen);
	return err ? err : pollnvme_prp_add(&prp, second, slen);
}

static int fill(u32 max, u32 pages)
{
	struct pollnvme_prp prp;

	pollnvme_prp_begin(&prp, list, LIST_ADDR, max);
	return pollnvme_prp_add(&prp, BASE, pages * 4096);
}

static bool walker_refuses_offset(void)
{
	struct pollnvme_prp_walk walk;
	u64 addr;
	u32 len;

	pollnvme_prp_walk_begin(&walk, BASE, BASE + 4096 + 8, 8192);
	return pollnvme_prp_walk_next(&walk, &addr, &len) == 1 &&
	       pollnvme_prp_walk_next(&walk, &addr, &len) == -EINVAL;
}

int main(void)
{
	ktap_plan(11);
	ktap_ok(all_round_trips(), "every offset and length reads back");
	ktap_ok(round_trip(4092, 1048576), "a megabyte at the end of a page");
	ktap_ok(single_agrees(), "the short way for two pages agrees");
	ktap_ok(!two(BASE + 512, 3584, BASE + 81920, 512), "pieces that meet at page bounds");
	ktap_ok(two(BASE, 512, BASE + 8192, 512) == -EINVAL, "a hole at the end of a piece");
	ktap_ok(two(BASE, 4096, BASE + 8200, 512) == -EINVAL, "a later piece inside a page");
	ktap_ok(two(BASE + 2, 512, BASE, 512) == -EINVAL, "an address that is no multiple of 4");
	ktap_ok(two(BASE, 0, BASE, 512) == -EINVAL, "an empty piece");
	ktap_ok(!fill(8, 9), "a list of 8 holds 9 pages");
	ktap_ok(fill(8, 10) == -E2BIG, "and not 10");
	ktap_ok(walker_refuses_offset(), "the walker refuses a second page with an offset");
	ktap_exit();
}
