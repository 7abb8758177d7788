// SPDX-License-Identifier: GPL-2.0
/*
 * Virtual time.
 *
 * QEMU runs the vCPUs one after another in one thread.  Each may run until its
 * clock is a window past the slowest running vCPU's; then it gives way.  The
 * slowest one's clock is the machine's time: devices' timers run when it gets
 * there.  An idle vCPU has no clock of its own; it takes the machine's when it
 * wakes.  When all are idle, time jumps to the next timer.
 */
#include "clock.h"
#include "control.h"

struct vcpu clock_vcpus[CLOCK_MAX_VCPUS];
struct vcpu *clock_vcpu = clock_vcpus;
void *clock_vcpu_is;

static unsigned int vcpu_count;
static unsigned int running;		/* vCPUs in VCPU_RUNS */
static u64 machine_now;			/* ticks */
static u64 window;
static u64 max_ahead;
static double ticks_per_ns;
static struct clock_costs costs;
static bool started;
static bool in_timers;
static struct vcpu *watch;		/* see clock_poll() */

static __thread bool vcpu_thread;

static s64 to_ns(u64 ticks)
{
	return (s64)((double)ticks / ticks_per_ns);
}

/* The first tick of a nanosecond, or the one behind it. */
static u64 tick_of(s64 ns)
{
	return (u64)((double)ns * ticks_per_ns) + 1;
}

/* While timers run, and for other threads, the time is the machine's. */
static s64 virtual_ns(void)
{
	if (vcpu_thread && started && !in_timers && clock_vcpu->state == VCPU_RUNS)
		return to_ns(clock_vcpu->now);
	return to_ns(clock_now());
}

/*
 * Each core reads its own clock: exact for what it measures itself, and up to
 * a window apart between cores, as on a machine whose cores are not in perfect
 * step.
 */
static s64 tsc(void)
{
	return (s64)((vcpu_thread ? clock_vcpu->now : clock_now()) >> CLOCK_TICK_SHIFT);
}

/*
 * An interrupt reaches an idle vCPU no sooner than it was sent; of several, the
 * first counts.  (A vCPU that asks its own controller for the next one is not
 * another core.)
 */
static void interrupt(unsigned int index)
{
	bool from_core = vcpu_thread && !in_timers && *qemu_running == clock_vcpu_is &&
			 clock_vcpu->state == VCPU_RUNS && clock_vcpu->index != index;
	u64 at = from_core ? clock_vcpu->now + costs.ipi : clock_now();
	struct vcpu *v = &clock_vcpus[index];

	if (index < vcpu_count && v->state != VCPU_RUNS &&
	    (!v->interrupted || at < v->interrupted))
		v->interrupted = at;
}

/**
 * clock_ops() - the clock as QEMU wants it
 *
 * Return: functions for qemu_take_clock().
 */
const struct qemu_clock_ops *clock_ops(void)
{
	static const struct qemu_clock_ops ops = {
		.virtual_ns = virtual_ns,
		.tsc = tsc,
		.interrupt = interrupt,
	};

	return &ops;
}

/**
 * clock_init() - set the clock up
 * @ghz: the cores' frequency, cycles per ns
 * @first_window: window to begin with, ticks
 */
void clock_init(double ghz, u64 first_window)
{
	ticks_per_ns = ghz * (1 << CLOCK_TICK_SHIFT);
	window = first_window;
}

/**
 * clock_set_costs() - what idling costs from now on
 * @c: ticks
 */
void clock_set_costs(const struct clock_costs *c)
{
	costs = *c;
}

/**
 * clock_add_vcpu() - a vCPU exists, not running yet
 * @index: its number, below CLOCK_MAX_VCPUS
 */
void clock_add_vcpu(unsigned int index)
{
	clock_vcpus[index].index = index;
	clock_vcpus[index].state = VCPU_HALTED;
	if (index >= vcpu_count)
		vcpu_count = index + 1;
}

/**
 * clock_start() - the calling thread runs the vCPUs from now on
 */
void clock_start(void)
{
	vcpu_thread = true;
	started = true;
}

/**
 * clock_is_vcpu_thread() - does the caller run vCPUs?
 *
 * Return: true in the thread that called clock_start().
 */
bool clock_is_vcpu_thread(void)
{
	return vcpu_thread;
}

/**
 * clock_set_window() - how far a core may run ahead
 * @w: ticks
 */
void clock_set_window(u64 w)
{
	window = w;
}

/**
 * clock_window() - how far a core may run ahead
 *
 * Return: ticks.
 */
u64 clock_window(void)
{
	return window;
}

/**
 * clock_vcpu_count() - how many vCPUs there are
 *
 * Return: their number.
 */
unsigned int clock_vcpu_count(void)
{
	return vcpu_count;
}

/**
 * clock_now() - the machine's time
 *
 * Any thread: QEMU's other threads ask for the time while it moves.
 *
 * Return: ticks since it began.
 */
u64 clock_now(void)
{
	return __atomic_load_n(&machine_now, __ATOMIC_RELAXED);
}

/**
 * clock_seconds() - ticks in seconds
 * @ticks: a span
 *
 * Return: seconds.
 */
double clock_seconds(u64 ticks)
{
	return (double)ticks / ticks_per_ns * 1e-9;
}

/**
 * clock_idle() - how long a vCPU has been idle in all
 * @v: vCPU
 *
 * Return: ticks.
 */
u64 clock_idle(const struct vcpu *v)
{
	if (v->state == VCPU_RUNS || machine_now < v->idle_since)
		return v->idle;
	return v->idle + machine_now - v->idle_since;
}

/**
 * clock_max_ahead() - how far a core has been ahead of the slowest at most
 * @reset: begin anew
 *
 * A window, and what the longest uninterruptible piece of work (a block of
 * instructions, a string move) took beyond it.
 *
 * Return: ticks.
 */
u64 clock_max_ahead(bool reset)
{
	u64 ahead = max_ahead;

	if (reset)
		max_ahead = 0;
	return ahead;
}

/**
 * clock_shake() - move every running core's clock by a part of a window
 * @seed: which parts
 *
 * So that repeats of a measurement differ in what a real machine leaves to
 * chance: who comes first.  The generator is splitmix64 (Steele et al., 2014).
 */
void clock_shake(u64 seed)
{
	u64 x = seed * 0x9e3779b97f4a7c15ULL, z;
	unsigned int i;

	for (i = 0; i < vcpu_count; i++) {
		x += 0x9e3779b97f4a7c15ULL;
		z = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
		z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
		z ^= z >> 31;
		if (clock_vcpus[i].state == VCPU_RUNS)
			clock_vcpus[i].now += z % window;
	}
}

/**
 * clock_switch() - QEMU has gone on to another vCPU
 */
void clock_switch(void)
{
	unsigned int index = qemu_index_of(*qemu_running);

	if (index >= vcpu_count)
		control_fatal("QEMU runs a vCPU that it never told of");
	clock_vcpu_is = *qemu_running;
	clock_vcpu = &clock_vcpus[index];
}

static u64 slowest(void)
{
	u64 least = UINT64_MAX;
	unsigned int i;

	for (i = 0; i < vcpu_count; i++)
		if (clock_vcpus[i].state == VCPU_RUNS && clock_vcpus[i].now < least)
			least = clock_vcpus[i].now;
	return least;
}

/* Run the devices' timers up to @to, each at its own time. */
static void advance(u64 to)
{
	s64 left, end = to_ns(to);
	bool ran = false;
	u64 at;

	if (to <= machine_now)
		return;
	in_timers = true;
	for (;;) {
		left = qemu_timer_deadline();
		if (left < 0 || to_ns(machine_now) + left > end)
			break;
		at = tick_of(to_ns(machine_now) + left);
		/* due, and not on a list that is ours to run */
		if (!left && ran)
			break;
		ran = !left;
		if (at > machine_now)
			__atomic_store_n(&machine_now, at, __ATOMIC_RELAXED);
		qemu_run_timers();
	}
	if (to > machine_now)
		__atomic_store_n(&machine_now, to, __ATOMIC_RELAXED);
	in_timers = false;
}

/* Nobody runs: go to the next timer.  False if there is none. */
static bool jump(void)
{
	s64 left;

	in_timers = true;
	left = qemu_timer_deadline();
	in_timers = false;
	if (left < 0)
		return false;
	advance(tick_of(to_ns(machine_now) + left));
	return true;
}

static void wake(struct vcpu *v)
{
	u64 at = running ? slowest() : machine_now;

	if (at < machine_now)
		at = machine_now;
	if (at < v->interrupted)
		at = v->interrupted;
	at += costs.idle_exit;
	if (at > v->now)
		v->now = at;
	if (v->now > v->idle_since)
		v->idle += v->now - v->idle_since;
	v->state = VCPU_RUNS;
	v->turn = false;
	v->interrupted = 0;
	running++;
}

static void sleep(struct vcpu *v, enum vcpu_state state)
{
	if (v->state == VCPU_RUNS) {
		running--;
		v->idle_since = v->now;
	}
	v->state = state;
	v->limit = 0;
}

/**
 * clock_limit() - a vCPU is at the end of its turn, or at the beginning of one
 * @v: it
 *
 * At the end of its turn it runs the block that took it there: that is cheap,
 * and happens once.  A vCPU that is still ahead when its turn comes must not:
 * while the slowest spins, a little each turn, it would get away from it.
 *
 * Return: true if it may run this block, false if it must leave before.
 */
bool clock_limit(struct vcpu *v)
{
	u64 least;

	if (v->state != VCPU_RUNS)
		wake(v);
	least = slowest();
	advance(least);
	if (v->now > least + max_ahead)
		max_ahead = v->now - least;
	if (v->turn) {
		v->turn = false;
		v->limit = 0;
		qemu_yield();
		return true;
	}
	if (v->now >= least + window)
		return false;
	v->turn = true;
	v->limit = least + window;
	return true;
}

/**
 * clock_poll() - a vCPU found nothing to do in the kernel's polling loop
 * @v: it
 *
 * Once nobody runs, the last to go idle keeps watch: when its turn comes again,
 * all others have looked too, and time may jump.
 */
void clock_poll(struct vcpu *v)
{
	bool ran = v->state == VCPU_RUNS;

	sleep(v, VCPU_POLLS);
	if (running)
		advance(slowest());
	else if (ran || !watch || watch->state != VCPU_POLLS)
		watch = v;
	else if (watch == v)
		jump();
}

static bool somebody_polls_or_wakes(void)
{
	unsigned int i;

	for (i = 0; i < vcpu_count; i++)
		if (clock_vcpus[i].state == VCPU_POLLS || qemu_has_work(i))
			return true;
	return false;
}

/**
 * clock_halt() - a vCPU is about to execute HLT
 * @v: it
 *
 * If that leaves nobody, time jumps until somebody has to do; a machine with
 * no timer left is dead, and stays so.
 */
void clock_halt(struct vcpu *v)
{
	sleep(v, VCPU_HALTED);
	while (!running && !somebody_polls_or_wakes())
		if (!jump())
			break;
}
