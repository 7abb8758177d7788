/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Virtual time: a clock per vCPU, none more than a window ahead of the slowest
 * that runs; idle vCPUs; the devices' timers.
 *
 * Times are in ticks of 1/64 cycle, so that a core may retire more than one
 * instruction in a cycle.
 */
#ifndef SIMLANE_CLOCK_H
#define SIMLANE_CLOCK_H

#include "qemu.h"
#include "types.h"

#define CLOCK_MAX_VCPUS		128
#define CLOCK_TICK_SHIFT	6
#define CLOCK_TICKS(cycles)	((u64)(cycles) << CLOCK_TICK_SHIFT)

enum vcpu_state {
	VCPU_RUNS,
	VCPU_POLLS,		/* idle, in the kernel's polling loop */
	VCPU_HALTED,		/* executed HLT, or was never started */
};

/**
 * struct vcpu - one simulated core
 * @now: its clock, ticks
 * @limit: where its present turn ends, ticks; 0: it has none
 * @insns: instructions it has executed
 * @index: its number
 * @modelled: its memory accesses go through the cache model
 * @state: what it does
 * @turn: it was granted a window since it last gave way
 * @idle_since: when it went idle, ticks
 * @idle: time it has been idle before that, ticks
 * @spin: time it has spent in PAUSE, ticks
 * @interrupted: when the first interrupt that found it idle reaches it, ticks
 */
struct vcpu {
	u64 now;
	u64 limit;
	u64 insns;
	unsigned int index;
	bool modelled;
	enum vcpu_state state;
	bool turn;
	u64 idle_since;
	u64 idle;
	u64 spin;
	u64 interrupted;
} __attribute__((aligned(64)));

extern struct vcpu clock_vcpus[CLOCK_MAX_VCPUS];
extern struct vcpu *clock_vcpu;		/* the one that runs */
extern void *clock_vcpu_is;		/* and QEMU's name for it */

/**
 * struct clock_costs - what idling costs, ticks
 * @idle_exit: from the event to the first instruction
 * @ipi: from one core's request to the other core's interrupt, also when it
 *	makes a device interrupt that core
 */
struct clock_costs {
	u64 idle_exit;
	u64 ipi;
};

void clock_init(double ghz, u64 window);
void clock_set_costs(const struct clock_costs *costs);
void clock_add_vcpu(unsigned int index);
const struct qemu_clock_ops *clock_ops(void);
void clock_start(void);
bool clock_is_vcpu_thread(void);
void clock_set_window(u64 window);
u64 clock_window(void);
void clock_shake(u64 seed);

void clock_switch(void);
bool clock_limit(struct vcpu *v);
void clock_poll(struct vcpu *v);
void clock_halt(struct vcpu *v);

unsigned int clock_vcpu_count(void);
u64 clock_now(void);
double clock_seconds(u64 ticks);
u64 clock_idle(const struct vcpu *v);
u64 clock_max_ahead(bool reset);

/* The vCPU that runs now; every callback begins with this. */
static inline struct vcpu *clock_current(void)
{
	if (unlikely(*qemu_running != clock_vcpu_is))
		clock_switch();
	return clock_vcpu;
}

/* May @v execute another block, or is its turn over? */
static inline bool clock_may_run(struct vcpu *v)
{
	return likely(v->now < v->limit) || clock_limit(v);
}

#endif
