/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How full a listener's queue of connections to accept is: what decides whether
 * a lane is overloaded, and which is the least so. Nothing here knows of sockets,
 * and it compiles in user space for its unit test.
 */
#ifndef _PERCORE_QUEUE_H
#define _PERCORE_QUEUE_H

#include <linux/types.h>

/**
 * struct percore_queue - a queue of connections, as it was at some moment
 * @len: connections in it
 * @max: the listener's limit. The stack calls a queue full that is longer, so
 *	there is room for one more than that
 */
struct percore_queue {
	u32 len;
	u32 max;
};

/**
 * percore_queue_above() - is a queue as full as a mark says, or fuller?
 * @queue: queue
 * @mark: percent of its room, 1 to 100; 100 is a full one, no less
 *
 * Return: true if it is.
 */
static inline bool percore_queue_above(const struct percore_queue *queue,
				       u8 mark)
{
	return (u64)queue->len * 100 >= ((u64)queue->max + 1) * mark;
}

/**
 * percore_queue_emptier() - has one queue a smaller part of its room in use?
 * @a: queue
 * @b: other queue
 *
 * Return: true if @a has; false when both have the same.
 */
static inline bool percore_queue_emptier(const struct percore_queue *a,
					 const struct percore_queue *b)
{
	/* Below 2^64, whatever the four are. */
	return (u64)a->len * ((u64)b->max + 1) <
	       (u64)b->len * ((u64)a->max + 1);
}

#endif /* _PERCORE_QUEUE_H */
