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
#define __force
struct rcu_head { void *unused[2]; };

#include "net/netfilter/percore/table.c"
#include "ktap.h"

struct percore_service { int id; };

static struct percore_service one = { 1 }, two = { 2 };

static struct percore_table *new_table(u32 entries)
{
	u32 slots = percore_table_slots(entries);
	struct percore_table *table;

	table = calloc(1, sizeof(*table) + slots * sizeof(table->slots[0]));
	if (!table)
		abort();
	table->mask = slots - 1;
	return table;
}

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
	struct percore_table *table = new_table(8);
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

/* Ports a power of two apart, on one address: as the tool lays them out. */
static void test_lanes(u16 step)
{
	u32 lanes = 1024, i, start, longest = 0;
	struct percore_table *table = new_table(lanes + 1);
	int good;

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
	ktap_ok(good, "1024 lanes %u apart are all found", step);
	ktap_ok(longest < 32, "the longest search of them is short: %u",
		longest + 1);
	free(table);
}

static void test_misses(void)
{
	struct percore_table *table = new_table(257);
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
	struct percore_table *table = new_table(16);
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

int main(void)
{
	ktap_plan(12);
	test_sizes();
	test_clashes();
	test_lanes(1);
	test_lanes(16);
	test_misses();
	test_ipv6();
	ktap_exit();
}
