/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How busy a CPU is, and how much of its lane is to leave for it. Nothing here
 * knows of CPUs, and it compiles in user space for its unit test.
 */
#ifndef _PERCORE_LOAD_H
#define _PERCORE_LOAD_H

#include <linux/types.h>

/* A share of a lane's new connections: all of them, and one percent. */
#define PERCORE_LEAVE_ALL	25600
#define PERCORE_LEAVE_PERCENT	(PERCORE_LEAVE_ALL / 100)

/**
 * percore_load_percent() - how busy a CPU was
 * @idle: time that it was idle, us; may be less than nothing, as it is read while it
 *	goes on
 * @elapsed: in that time, us, at least 100
 *
 * Return: percent, 0 to 100.
 */
static inline u8 percore_load_percent(s64 idle, u32 elapsed)
{
	u32 part = elapsed / 100;

	if (idle >= elapsed)
		return 0;
	return idle > 0 ? 100 - (u32)idle / part : 100;
}

/**
 * percore_load_leave() - how many of a lane's new connections are to leave
 * @leave: share of them that did since the last look, of PERCORE_LEAVE_ALL
 * @load: how busy its CPU was since, percent
 * @mark: how busy it may be, percent, 1 to 99
 *
 * An integrator: the share grows by a percent at each look while the CPU has no time
 * at all, shrinks by one while it has nothing to do, and in between by what the CPU
 * is above or below the mark. No faster, as a server goes on with what it has: who
 * lets more leave before he can see what that did swings for ever.
 *
 * Return: share, 0 to PERCORE_LEAVE_ALL.
 */
static inline u16 percore_load_leave(u16 leave, u8 load, u8 mark)
{
	int next = leave;

	if (load >= mark)
		next += PERCORE_LEAVE_PERCENT * (load - mark) / (100 - mark);
	else
		next -= PERCORE_LEAVE_PERCENT * (mark - load) / mark;
	return next < 0 ? 0 :
	       next > PERCORE_LEAVE_ALL ? PERCORE_LEAVE_ALL : next;
}

#endif /* _PERCORE_LOAD_H */
