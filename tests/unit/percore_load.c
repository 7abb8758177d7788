// SPDX-License-Identifier: GPL-2.0
/*
 * percore's share of connections that leave a busy CPU: what is told of time, where the
 * share ends, and that it finds its balance.
 */
#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#include "net/netfilter/percore/load.h"
#include "ktap.h"

#define MS	1000ll

static void test_percent(void)
{
	ktap_ok(percore_load_percent(100 * MS, 100 * MS) == 0, "idle");
	ktap_ok(percore_load_percent(50 * MS, 100 * MS) == 50, "half of it");
	ktap_ok(percore_load_percent(0, 100 * MS) == 100 &&
		percore_load_percent(-4, 100 * MS) == 100, "busy, and a clock that went back");
	ktap_ok(percore_load_percent(104 * MS, 100 * MS) == 0, "idle for longer than that");
	ktap_ok(percore_load_percent(99, 100) == 1 && percore_load_percent(1, 100) == 99,
		"the shortest time");
	ktap_ok(percore_load_percent(INT64_MAX, UINT32_MAX) == 0 &&
		percore_load_percent(INT64_MIN, UINT32_MAX) == 100 &&
		percore_load_percent(UINT32_MAX - 1, UINT32_MAX) <= 1, "the largest numbers");
}

static void test_ends(void)
{
	bool good = true;

	for (int leave = 0; leave <= PERCORE_LEAVE_ALL; leave += 16)
		for (int load = 0; load <= 100; load++)
			for (int mark = 1; mark <= 99; mark++) {
				int next = percore_load_leave((u16)leave, (u8)load, (u8)mark);

				if (next > PERCORE_LEAVE_ALL || (load <= mark && next > leave) ||
				    (load >= mark && next < leave))
					good = false;
			}
	ktap_ok(good, "never out of range, nor the wrong way");
	ktap_ok(percore_load_leave(0, 100, 99) == PERCORE_LEAVE_PERCENT &&
		percore_load_leave(0, 100, 1) == PERCORE_LEAVE_PERCENT,
		"no time at all: a percent more, whatever the mark");
	ktap_ok(percore_load_leave(PERCORE_LEAVE_ALL, 0, 99) ==
		PERCORE_LEAVE_ALL - PERCORE_LEAVE_PERCENT &&
		percore_load_leave(PERCORE_LEAVE_PERCENT, 0, 1) == 0,
		"nothing to do: a percent less");
	ktap_ok(percore_load_leave(4000, 80, 80) == 4000, "at the mark it stays");
}

#define LOOKS	4000

/* A CPU that is wanted for @demand percent of its time by what comes, @delay looks
 * after it came, and that does later what it cannot do at once. A share leaves: how
 * far does its load still swing in the end?
 */
static int swings(int demand, int delay, u8 mark)
{
	static double coming[LOOKS + 32];
	double undone = 0;
	int least = 100, most = 0;
	u16 leave = 0;

	for (int look = 0; look < LOOKS; look++) {
		double done;
		int load;

		coming[look + delay] = (double)demand * (PERCORE_LEAVE_ALL - leave) / PERCORE_LEAVE_ALL;
		undone += look < delay ? 0 : coming[look];
		done = undone < 100 ? undone : 100;
		undone -= done;
		load = (int)done;
		leave = percore_load_leave(leave, (u8)load, mark);
		if (look < LOOKS / 2)
			continue;
		least = load < least ? load : least;
		most = load > most ? load : most;
	}
	return most - least;
}

static void test_balance(void)
{
	bool good = true;

	for (int demand = 110; demand <= 300; demand += 10)
		for (int mark = 50; mark <= 95; mark += 5)
			for (int delay = 0; delay <= 10; delay++)
				good &= swings(demand, delay, (u8)mark) <= 5;
	ktap_ok(good, "three times what a CPU can do, half a second late: no swinging");
	good = true;
	for (int mark = 50; mark <= 95; mark += 5)
		good &= swings(500, 4, (u8)mark) <= 5 && swings(200, 20, (u8)mark) <= 5;
	ktap_ok(good, "nor five times and a fifth of a second, nor twice and a whole one");
	ktap_ok(swings(60, 4, 80) == 0, "what is below the mark is left alone");
}

int main(void)
{
	ktap_plan(13);
	test_percent();
	test_ends();
	test_balance();
	ktap_exit();
}
