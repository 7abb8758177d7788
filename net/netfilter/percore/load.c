// SPDX-License-Identifier: GPL-2.0
/*
 * How busy CPUs are, looked at now and then where a service has a mark for that,
 * and the share of new connections that leaves a lane for it.
 *
 * One work after another does it, for all netns: so it costs a CPU at most, and
 * what is known of a CPU needs no lock. Not on the CPU that asked for it, which may
 * be the one that has no time.
 */
#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/kernel_stat.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/tick.h>
#include <linux/workqueue.h>

#include "percore.h"

/* How often that is, in jiffies. */
#define PERCORE_LOAD_INTERVAL	max(HZ / 20, 1)
#define PERCORE_LOAD_INTERVAL_US \
	((u32)PERCORE_LOAD_INTERVAL * (USEC_PER_SEC / HZ))

/**
 * struct percore_cpu - what is known of a CPU
 * @looked: when it was looked at, us
 * @idle: how long it had been idle then, us
 * @load: how busy it had been before, percent
 */
struct percore_cpu {
	u64 looked;
	u64 idle;
	u8 load;
};

static DEFINE_PER_CPU(struct percore_cpu, percore_cpu);
static struct workqueue_struct *percore_load_wq;

/* Idle time is measured where ticks stop for it, else counted in ticks. What a CPU
 * did is counted in ticks as a rule, and a guest may get fewer than there should be.
 */
static u64 percore_idle_us(unsigned int cpu)
{
	u64 idle = get_cpu_idle_time_us(cpu, NULL);

	if (idle != U64_MAX)
		return idle + get_cpu_iowait_time_us(cpu, NULL);
	return div_u64(kcpustat_cpu(cpu).cpustat[CPUTIME_IDLE] +
		       kcpustat_cpu(cpu).cpustat[CPUTIME_IOWAIT],
		       NSEC_PER_USEC);
}

/* How busy a CPU is; for all services alike until it is time for another look. After
 * a long time, as at first, or when it is gone, nothing can be said.
 */
static u8 percore_cpu_look(unsigned int cpu)
{
	struct percore_cpu *c = per_cpu_ptr(&percore_cpu, cpu);
	u64 now = ktime_to_us(ktime_get());
	u64 elapsed = now - c->looked, idle;
	u8 load = 0;

	if (elapsed < PERCORE_LOAD_INTERVAL_US / 2)
		return c->load;
	idle = percore_idle_us(cpu);
	if (elapsed < USEC_PER_SEC && cpu_online(cpu))
		load = percore_load_percent(idle - c->idle, elapsed);
	c->looked = now;
	c->idle = idle;
	WRITE_ONCE(c->load, load);
	return load;
}

/**
 * percore_cpu_load() - how busy a CPU was when it was looked at
 * @cpu: CPU of a lane of a service that has a mark for that
 *
 * Context: any.
 * Return: percent.
 */
u8 percore_cpu_load(unsigned int cpu)
{
	return READ_ONCE(per_cpu(percore_cpu, cpu).load);
}

/* Of a service in a locked netns. Where no CPU has time nobody is told to leave:
 * the first that had some would get it all.
 */
static void percore_load_service(struct percore_service *svc)
{
	bool any = false;
	u16 i, leave;

	for (i = 0; i < svc->lanes; i++) {
		u8 load = percore_cpu_look(svc->lane[i].cpu);

		any |= load < svc->cpu_mark &&
		       !percore_is_resting(&svc->lane[i]);
	}
	for (i = 0; i < svc->lanes; i++) {
		struct percore_lane *lane = &svc->lane[i];

		leave = percore_load_leave(lane->leave,
					   percore_cpu_load(lane->cpu),
					   svc->cpu_mark);
		if (any || leave < lane->leave)
			WRITE_ONCE(lane->leave, leave);
	}
}

static void percore_loads(struct work_struct *work)
{
	struct percore_net *pn = container_of(to_delayed_work(work),
					      struct percore_net, loads);
	struct percore_service *svc;
	bool again = false;

	mutex_lock(&pn->lock);
	list_for_each_entry(svc, &pn->services, list) {
		if (!svc->cpu_mark)
			continue;
		again = true;
		percore_load_service(svc);
		cond_resched();
	}
	if (again)
		queue_delayed_work(percore_load_wq, &pn->loads,
				   PERCORE_LOAD_INTERVAL);
	mutex_unlock(&pn->lock);
}

/**
 * percore_loads_init() - prepare a netns
 * @pn: netns
 */
void percore_loads_init(struct percore_net *pn)
{
	INIT_DELAYED_WORK(&pn->loads, percore_loads);
}

/**
 * percore_loads_look() - look at CPUs for as long as a service wants it
 * @pn: netns, locked; percore_loads_stop() comes before its end
 *
 * The first look is an interval away, so that no share moves twice in one.
 *
 * Context: any.
 */
void percore_loads_look(struct percore_net *pn)
{
	queue_delayed_work(percore_load_wq, &pn->loads, PERCORE_LOAD_INTERVAL);
}

/**
 * percore_loads_inherit() - a service goes on with the shares of another
 * @svc: heir, with its lanes and its mark for CPUs
 * @old: predecessor
 *
 * A lane is that of its CPU here.
 *
 * Context: any; the netns is locked.
 */
void percore_loads_inherit(struct percore_service *svc,
			   const struct percore_service *old)
{
	const struct percore_lane *was;
	u16 i;

	for (i = 0; i < svc->lanes; i++) {
		was = percore_lane_of(old, svc->lane[i].cpu);
		svc->lane[i].leave = svc->cpu_mark && old->cpu_mark && was ?
				     was->leave : 0;
	}
}

/**
 * percore_loads_stop() - look no more
 * @pn: netns in which nobody can change anything any more; not locked
 *
 * Context: may sleep.
 */
void percore_loads_stop(struct percore_net *pn)
{
	cancel_delayed_work_sync(&pn->loads);
}

/**
 * percore_load_init() - when the module is loaded
 *
 * Return: 0 or -ENOMEM.
 */
int __init percore_load_init(void)
{
	percore_load_wq = alloc_ordered_workqueue("percore_load", 0);
	return percore_load_wq ? 0 : -ENOMEM;
}

/**
 * percore_load_exit() - when it leaves; no netns is left
 */
void percore_load_exit(void)
{
	destroy_workqueue(percore_load_wq);
}
