// SPDX-License-Identifier: GPL-2.0
/*
 * Building the table of ports.
 */
#ifdef __KERNEL__
#include <linux/types.h>
#endif

#include "table.h"

/**
 * percore_table_slots() - how many slots a table needs
 * @entries: how many ports it will hold
 *
 * At least half of the slots stay free, so that a search ends soon, and one
 * of them at any rate, so that it ends.
 *
 * Return: a power of two.
 */
u32 percore_table_slots(u32 entries)
{
	u32 slots = 8;

	while (slots < entries * 2)
		slots *= 2;
	return slots;
}

/**
 * percore_table_init() - say what a table is like, before its first entry
 * @table: zeroed table, @factor and @seed random
 * @slots: how many slots it has, see percore_table_slots()
 * @wide: its addresses are of IPv6
 */
void percore_table_init(struct percore_table *table, u32 slots, bool wide)
{
	table->factor |= 1;
	table->mask = slots - 1;
	table->shift = 64;
	for (; slots > 1; slots /= 2)
		table->shift--;
	table->wide = wide;
}

/**
 * percore_table_insert() - add a port to a table that nobody reads yet
 * @table: table, see percore_table_init(), with a free slot more than it needs
 * @new: what to add
 *
 * Return: NULL, or the slot that has this address and port already.
 */
const struct percore_slot *percore_table_insert(struct percore_table *table,
						const struct percore_slot *new)
{
	u32 i = table->wide ?
		percore_table_start6(table, &new->addr, new->port) :
		percore_table_start(table, new->addr.ip, new->port);

	while (table->slots[i].svc) {
		if (percore_table_is(&table->slots[i], &new->addr, new->port))
			return &table->slots[i];
		i = (i + 1) & table->mask;
	}
	table->slots[i] = *new;
	return NULL;
}
