// SPDX-License-Identifier: GPL-2.0
/*
 * percore's table of ports: what goes in is found, nothing else is, and a
 * port that is taken is told.
 */
#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef uint8_t u8;
#define __force
struct rcu_head { void *unused[2]; };

#include "net/netfilter/percore/table.c"
#include "ktap.h"

struct percore_service { int id; };

static struct percore_service one = { 1 }, two = { 2 };

static struct percore_table *new_table(u32 entries, u64 factor, bool wide)
{
	u32 slots = percore_table_slots(entries);
	struct percore_table *table;

	table = calloc(1, sizeof(*table) + slots * sizeof(table->slots[0]));
	if (!table)
		abort();
	table->factor = factor;
	table->seed[0] = factor >> 32;
	table->seed[1] = factor;
	table->seed[2] = factor >> 16;
	table->seed[3] = factor >> 48;
	percore_table_init(table, slots, wide);
	return table;
}

/* What becomes of a table when its seed is this one or another. */
#define FACTOR	0x9e3779b97f4a7c15ULL
#define OTHER	0xd6e8feb86659fd93ULL

static const struct percore_slot *put(struct percore_table *table,
				      const char *addr, u16 port, u16 lane,
				      struct percore_service *svc)
{
	const struct percore_slot slot = {
		.addr.ip = inet_addr(addr),
		.port = htons(port),
		.lane = lane,
		.svc = svc,
	};

	return percore_table_insert(table, &slot);
}

static const struct percore_slot *find(const struct percore_table *table,
				       const char *addr, u16 port)
{
	return percore_table_find(table, inet_addr(addr), htons(port));
}

/* A free slot is zeros, as this address and port are. */
static void test_zero(void)
{
	struct percore_table *table = new_table(1, FACTOR, false);
	int good = !find(table, "0.0.0.0", 0);

	put(table, "192.0.2.1", 80, PERCORE_PUBLIC, &one);
	good = good && !find(table, "0.0.0.0", 0);
	ktap_ok(good, "address 0 and port 0 are not found in a free slot");
	free(table);
}

static void test_sizes(void)
{
	int good = 1;
	u32 n;

	for (n = 0; n < 100000; n += 7) {
		u32 slots = percore_table_slots(n);

		good = good && slots >= 2 * n && slots > n &&
		       !(slots & (slots - 1));
	}
	ktap_ok(good, "a table is a power of two and at most half full");
}

static void test_clashes(void)
{
	struct percore_table *table = new_table(8, FACTOR, false);
	const struct percore_slot *clash;

	ktap_ok(!put(table, "10.0.0.1", 80, PERCORE_PUBLIC, &one) &&
		!put(table, "10.0.0.1", 8000, 0, &one) &&
		!put(table, "10.0.0.2", 8000, 0, &two),
		"the same port on two addresses is two entries");
	clash = put(table, "10.0.0.1", 80, PERCORE_PUBLIC, &two);
	ktap_ok(clash && clash->svc == &one && clash->lane == PERCORE_PUBLIC,
		"a public port twice is told");
	clash = put(table, "10.0.0.1", 8000, 3, &two);
	ktap_ok(clash && clash->svc == &one && clash->lane == 0,
		"a private port twice is told, with its first owner");
	clash = find(table, "10.0.0.1", 8000);
	ktap_ok(clash && clash->svc == &one && clash->lane == 0,
		"and the first owner keeps it");
	free(table);
}

/* The longest search of 1,024 lanes whose ports are @step apart, or 0. */
static u32 longest_of(u16 step, u64 factor)
{
	u32 lanes = 1024, i, start, longest = 0;
	struct percore_table *table = new_table(lanes + 1, factor, false);
	bool good;

	good = !put(table, "10.0.0.1", 80, PERCORE_PUBLIC, &one);
	for (i = 0; i < lanes; i++)
		good = good && !put(table, "10.0.0.1", 8000 + i * step, i,
				    &one);
	for (i = 0; i < lanes; i++) {
		u16 port = 8000 + i * step;
		const struct percore_slot *slot = find(table, "10.0.0.1", port);

		good = good && slot && slot->lane == i;
		if (!slot)
			continue;
		start = percore_table_start(table, inet_addr("10.0.0.1"),
					    htons(port));
		start = ((u32)(slot - table->slots) - start) & table->mask;
		if (start > longest)
			longest = start;
	}
	free(table);
	return good ? longest + 1 : 0;
}

/* Ports a power of two apart, on one address: as the tool lays them out; whatever
 * the seed is.
 */
static void test_lanes(u16 step)
{
	u64 factor = FACTOR;
	u32 longest = 0, n, i;
	bool good = true;

	for (i = 0; i < 500; i++, factor *= 0xd1342543de82ef95ULL) {
		n = longest_of(step, factor);
		good = good && n;
		longest = n > longest ? n : longest;
	}
	ktap_ok(good, "1024 lanes %u apart are all found", step);
	ktap_ok(longest < 64, "the longest search of them is short: %u",
		longest);
}

static void test_misses(void)
{
	struct percore_table *table = new_table(257, FACTOR, false);
	u32 port, found = 0, i;

	for (i = 0; i < 256; i++)
		put(table, "10.0.0.1", 8000 + 16 * i, i, &one);
	for (port = 0; port < 65536; port++)
		found += !!find(table, "10.0.0.1", port);
	ktap_ok(found == 256, "of all ports exactly the lanes' are found");
	for (found = 0, port = 0; port < 65536; port++)
		found += !!find(table, "10.0.0.3", port);
	ktap_ok(!found, "on another address none is");
	free(table);
}

/* Addresses that differ in one word, in words that fold to the same, and an
 * IPv4 address's look-alike.
 */
static void test_ipv6(void)
{
	static const char *const addrs[] = {
		"2001:db8::1", "2001:db8::2", "2001:db8:1::", "2001:db8::1:0:0",
		"1::2001:db8:0:0", "2001:db8:0:1::", "::1",
	};
	struct percore_table *table = new_table(16, FACTOR, true);
	const struct percore_slot *slot;
	struct in6_addr in6;
	int good = 1;
	u16 i;

	for (i = 0; i < 6; i++) {
		struct percore_slot new = {
			.port = htons(80), .lane = i, .svc = &one,
		};

		inet_pton(AF_INET6, addrs[i], &new.addr);
		good = good && !percore_table_insert(table, &new) &&
		       percore_table_insert(table, &new);
	}
	for (i = 0; i < 7; i++) {
		inet_pton(AF_INET6, addrs[i], &in6);
		slot = percore_table_find6(table, &in6, htons(80));
		good = good && (i < 6 ? slot && slot->lane == i : !slot) &&
		       !percore_table_find6(table, &in6, htons(81));
	}
	ktap_ok(good, "IPv6 addresses are found by all of their bits");
	free(table);
}

/* How far from where its search begins a port is, of an IPv4 or IPv6 address. */
static u32 distance(const struct percore_table *table,
		    const union nf_inet_addr *addr, u16 port)
{
	const struct percore_slot *slot;
	u32 start;

	if (table->wide) {
		slot = percore_table_find6(table, &addr->in6, htons(port));
		start = percore_table_start6(table, addr, htons(port));
	} else {
		slot = percore_table_find(table, addr->ip, htons(port));
		start = percore_table_start(table, addr->ip, htons(port));
	}
	return ((u32)(slot - table->slots) - start) & table->mask;
}

/* Who knows a seed chooses ports that all begin at the same slots; with another seed
 * they are like any others.
 */
static void test_chosen(bool wide)
{
	struct percore_table *known = new_table(1024, FACTOR, wide);
	struct percore_table *table = new_table(1024, OTHER, wide);
	struct percore_slot new = { .svc = &one };
	u32 found = 0, longest = 0, worst = 0, start, port, n;

	memcpy(&new.addr, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1",
	       wide ? 16 : 4);
	for (port = 1; port < 65536 && found < 512; port++) {
		new.port = htons(port);
		start = wide ? percore_table_start6(known, &new.addr, new.port)
			     : percore_table_start(known, new.addr.ip, new.port);
		if (start >= 32)
			continue;
		found++;
		percore_table_insert(known, &new);
		percore_table_insert(table, &new);
		n = distance(known, &new.addr, port);
		worst = n > worst ? n : worst;
		n = distance(table, &new.addr, port);
		longest = n > longest ? n : longest;
	}
	ktap_ok(found == 512 && worst > 256 && longest < 32,
		"ports that meet by one seed do not by another: IPv%d, %u and %u",
		wide ? 6 : 4, worst + 1, longest + 1);
	free(known);
	free(table);
}

int main(void)
{
	ktap_plan(15);
	test_sizes();
	test_zero();
	test_clashes();
	test_lanes(1);
	test_lanes(16);
	test_misses();
	test_ipv6();
	test_chosen(false);
	test_chosen(true);
	ktap_exit();
}
