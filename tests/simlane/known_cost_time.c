// SPDX-License-Identifier: GPL-2.0
/*
 * One clock: the time-stamp counter, the kernel's clocks and its timers agree.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "known_cost.h"

#define WAITS 40

/* What the kernel may take from a timer's moment to the waiter's next line. */
#define KERNEL_US 15

static double seconds(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void one_second(void)
{
	double ghz = kc_model("ghz"), mono, real;
	uint64_t ticks;

	ticks = kc_tsc();
	mono = seconds(CLOCK_MONOTONIC);
	real = seconds(CLOCK_REALTIME);
	sleep(1);
	ticks = kc_tsc() - ticks;
	mono = seconds(CLOCK_MONOTONIC) - mono;
	real = seconds(CLOCK_REALTIME) - real;
	kc_ok(kc_near(mono, 1, 0.1, 0), "sleep 1: %.6f s by the monotonic clock", mono);
	kc_ok(kc_near(real, 1, 0.1, 0), "sleep 1: %.6f s by the wall clock", real);
	kc_ok(kc_near(ticks * 1e-9 / mono, ghz, 0.1, 0),
		"the time-stamp counter runs at %.5f GHz, the model says %.5f", ticks * 1e-9 / mono, ghz);
}

static void wait_nanosleep(int fd)
{
	struct timespec ts = { .tv_nsec = 100000 };

	(void)fd;
	nanosleep(&ts, NULL);
}

static void wait_timerfd(int fd)
{
	struct itimerspec its = { .it_value.tv_nsec = 100000 };
	uint64_t expired;

	timerfd_settime(fd, 0, &its, NULL);
	if (read(fd, &expired, sizeof(expired)) != sizeof(expired))
		printf("# timerfd: no answer\n");
}

static void punctual(const char *name, void (*wait)(int fd), int fd)
{
	double late[WAITS], window = kc_model("q") / kc_model("ghz") / 1000;
	int i;

	for (i = 0; i < WAITS; i++) {
		double begun = seconds(CLOCK_MONOTONIC);

		wait(fd);
		late[i] = (seconds(CLOCK_MONOTONIC) - begun) * 1e6 - 100;
	}
	qsort(late, WAITS, sizeof(*late), compare);
	kc_ok(late[0] >= 0 && late[WAITS / 2] <= KERNEL_US + window,
		"%s of 100 us: never early, late by %.2f us (%.2f to %.2f)", name, late[WAITS / 2],
		late[0], late[WAITS - 1]);
}

/**
 * kc_time_tests() - do the clocks agree?
 */
void kc_time_tests(void)
{
	kc_pin(0);
	one_second();
	/* Else the kernel may wait 50 us for company. */
	prctl(PR_SET_TIMERSLACK, 1UL);
	punctual("nanosleep", wait_nanosleep, -1);
	punctual("timerfd", wait_timerfd, timerfd_create(CLOCK_MONOTONIC, 0));
}
