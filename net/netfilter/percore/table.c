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
 * percore_table_insert() - add a port to a table that nobody reads yet
 * @table: zeroed table of percore_table_slots() slots, @mask set
 * @new: what to add
 *
 * Return: NULL, or the slot that has this address and port already.
 */
const struct percore_slot *percore_table_insert(struct percore_table *table,
						const struct percore_slot *new)
{
	u32 i = percore_table_start(table, percore_table_fold(&new->addr),
				    new->port);

	while (table->slots[i].svc) {
		if (percore_table_is(&table->slots[i], &new->addr, new->port))
			return &table->slots[i];
		i = (i + 1) & table->mask;
	}
	table->slots[i] = *new;
	return NULL;
}
