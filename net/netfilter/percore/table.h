/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Address and port -> service and lane: a small open hash that is built
 * once, published, and from then on only read. Nothing here knows of sockets
 * or packets, and it compiles in user space for its unit test.
 */
#ifndef _PERCORE_TABLE_H
#define _PERCORE_TABLE_H

#include <linux/netfilter.h>

struct percore_service;

/* Stands for a lane where a slot holds a service's public port. */
#define PERCORE_PUBLIC	0xffff

/**
 * struct percore_slot - what an address and port mean
 * @addr: IPv4 address with zeros behind it, or IPv6 address
 * @port: public or private port
 * @lane: index of the lane with this private port, or PERCORE_PUBLIC
 * @svc: service, NULL where the slot is free
 */
struct percore_slot {
	union nf_inet_addr addr;
	__be16 port;
	u16 lane;
	struct percore_service *svc;
};

/* Words that a seed of a table has: one for each of an IPv6 address. */
#define PERCORE_TABLE_SEEDS	4

/**
 * struct percore_table - all ports of a netns's services of one kind
 * @rcu: for call_rcu_hurry()
 * @factor: odd number, random: who chooses addresses and ports must not know where
 *	they meet
 * @seed: random, for addresses of IPv6
 * @mask: number of slots (a power of two, at least twice the entries) - 1
 * @shift: 64 less the slots' number of bits
 * @wide: addresses are of IPv6
 * @nat: some service has method nat, so that every packet has to be looked up
 * @slots: the slots; a run of colliding entries ends at a free one
 */
struct percore_table {
	struct rcu_head rcu;
	u64 factor;
	u32 seed[PERCORE_TABLE_SEEDS];
	u32 mask;
	u8 shift;
	bool wide;
	bool nat;
	struct percore_slot slots[];
};

/* Multiplication by an odd factor moves every bit upwards, the upper half is folded
 * back, and once more: private ports at equal distances spread whatever the factor
 * is, which nobody outside knows.
 */
static inline u32 percore_table_mix(const struct percore_table *table, u64 key)
{
	key *= table->factor;
	key ^= key >> 32;
	return key * table->factor >> table->shift;
}

/**
 * percore_table_start() - where the search for an IPv4 address and port begins
 * @table: table
 * @addr: IPv4 address
 * @port: port
 *
 * Return: index of a slot.
 */
static inline u32 percore_table_start(const struct percore_table *table,
				      __be32 addr, __be16 port)
{
	return percore_table_mix(table, (u64)(__force u32)addr << 16 |
					(__force u16)port);
}

/**
 * percore_table_start6() - where the search for an IPv6 address and port begins
 * @table: table
 * @addr: address as in struct percore_slot
 * @port: port
 *
 * The address becomes one word by NH (RFC 4418, 5.2.2), then as above.
 *
 * Return: index of a slot.
 */
static inline u32 percore_table_start6(const struct percore_table *table,
				       const union nf_inet_addr *addr,
				       __be16 port)
{
	u32 a = (__force u32)addr->ip6[0] + table->seed[0];
	u32 b = (__force u32)addr->ip6[1] + table->seed[1];
	u32 c = (__force u32)addr->ip6[2] + table->seed[2];
	u32 d = (__force u32)addr->ip6[3] + table->seed[3];

	return percore_table_mix(table, (u64)a * b + (u64)c * d +
					(__force u16)port);
}

/**
 * percore_table_find() - look up an IPv4 address and port
 * @table: table of IPv4 services
 * @addr: IPv4 address
 * @port: port
 *
 * Context: any; the table and what it points to live under RCU.
 * Return: slot, or NULL.
 */
static inline const struct percore_slot *
percore_table_find(const struct percore_table *table, __be32 addr, __be16 port)
{
	u32 i = percore_table_start(table, addr, port);
	const struct percore_slot *slot;

	/* A free slot may look like address 0 and port 0, but ends the search. */
	for (;;) {
		slot = &table->slots[i];
		if (slot->addr.ip == addr && slot->port == port)
			break;
		if (!slot->svc)
			return NULL;
		i = (i + 1) & table->mask;
	}
	return slot->svc ? slot : NULL;
}

/**
 * percore_table_is() - does a slot hold this address and port?
 * @slot: slot
 * @addr: address as in struct percore_slot
 * @port: port
 *
 * Return: true if it does.
 */
static inline bool percore_table_is(const struct percore_slot *slot,
				    const union nf_inet_addr *addr, __be16 port)
{
	return slot->port == port && slot->addr.ip6[0] == addr->ip6[0] &&
	       slot->addr.ip6[1] == addr->ip6[1] &&
	       slot->addr.ip6[2] == addr->ip6[2] &&
	       slot->addr.ip6[3] == addr->ip6[3];
}

/**
 * percore_table_find6() - look up an IPv6 address and port
 * @table: table of IPv6 services
 * @addr: IPv6 address
 * @port: port
 *
 * Context: any; the table and what it points to live under RCU.
 * Return: slot, or NULL.
 */
static inline const struct percore_slot *
percore_table_find6(const struct percore_table *table,
		    const struct in6_addr *addr, __be16 port)
{
	const union nf_inet_addr *key = (const union nf_inet_addr *)addr;
	u32 i = percore_table_start6(table, key, port);

	while (table->slots[i].svc) {
		if (percore_table_is(&table->slots[i], key, port))
			return &table->slots[i];
		i = (i + 1) & table->mask;
	}
	return NULL;
}

u32 percore_table_slots(u32 entries);
void percore_table_init(struct percore_table *table, u32 slots, bool wide);
const struct percore_slot *percore_table_insert(struct percore_table *table,
						const struct percore_slot *new);

#endif /* _PERCORE_TABLE_H */
