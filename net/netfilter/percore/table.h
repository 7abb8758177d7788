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

/**
 * struct percore_table - all ports of a netns's services of one kind
 * @rcu: for kvfree_rcu()
 * @mask: number of slots (a power of two, at least twice the entries) - 1
 * @nat: some service has method nat, so that every packet has to be looked up
 * @slots: the slots; a run of colliding entries ends at a free one
 */
struct percore_table {
	struct rcu_head rcu;
	u32 mask;
	bool nat;
	struct percore_slot slots[];
};

/**
 * percore_table_fold() - an address in one word
 * @addr: address as in struct percore_slot
 *
 * Return: an IPv4 address itself, or the sum of an IPv6 address's words.
 */
static inline u32 percore_table_fold(const union nf_inet_addr *addr)
{
	return (__force u32)addr->ip6[0] ^ (__force u32)addr->ip6[1] ^
	       (__force u32)addr->ip6[2] ^ (__force u32)addr->ip6[3];
}

/**
 * percore_table_start() - where the search for an address and port begins
 * @table: table
 * @fold: percore_table_fold() of the address
 * @port: port
 *
 * Multiplication by an odd constant moves every bit of the key upwards, and
 * the upper half is folded back: private ports a power of two apart spread.
 *
 * Return: index of a slot.
 */
static inline u32 percore_table_start(const struct percore_table *table,
				      u32 fold, __be16 port)
{
	u32 key = fold ^ ((u32)(__force u16)port << 16) ^ (__force u16)port;

	key *= 0x9e3779b1;
	return (key ^ key >> 16) & table->mask;
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
	u32 i = percore_table_start(table, (__force u32)addr, port);

	while (table->slots[i].svc) {
		if (table->slots[i].addr.ip == addr &&
		    table->slots[i].port == port)
			return &table->slots[i];
		i = (i + 1) & table->mask;
	}
	return NULL;
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
	u32 i = percore_table_start(table, percore_table_fold(key), port);

	while (table->slots[i].svc) {
		if (percore_table_is(&table->slots[i], key, port))
			return &table->slots[i];
		i = (i + 1) & table->mask;
	}
	return NULL;
}

u32 percore_table_slots(u32 entries);
const struct percore_slot *percore_table_insert(struct percore_table *table,
						const struct percore_slot *new);

#endif /* _PERCORE_TABLE_H */
