// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters: one set per disk and CPU; sums in sysfs, the table in debugfs.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include "pollnvme.h"

const char * const pollnvme_counter_names[POLLNVME_COUNTERS] = {
	[POLLNVME_READS]		= "reads",
	[POLLNVME_WRITES]		= "writes",
	[POLLNVME_FLUSHES]		= "flushes",
	[POLLNVME_ERRORS]		= "errors",
	[POLLNVME_SPINS]		= "spins",
	[POLLNVME_SPIN_NS]		= "spin_ns",
	[POLLNVME_SLEEPS]		= "sleeps",
	[POLLNVME_REAPED_FOR_OTHERS]	= "reaped_for_others",
	[POLLNVME_SLOT_WAITS]		= "slot_waits",
	[POLLNVME_TIMEOUTS]		= "timeouts",
	[POLLNVME_RETRIED]		= "retried",
	[POLLNVME_IRQS]			= "irqs",
};

static struct dentry *pollnvme_debugfs;

/**
 * pollnvme_stats_sum() - a counter over all CPUs
 * @ns: namespace
 * @counter: which
 *
 * Return: the sum, not a snapshot while I/O runs.
 */
u64 pollnvme_stats_sum(struct pollnvme_ns *ns, enum pollnvme_counter counter)
{
	unsigned int cpu;
	u64 sum = 0;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(ns->stats, cpu)->count[counter]);
	return sum;
}

static int pollnvme_stats_show(struct seq_file *m, void *unused)
{
	struct pollnvme_ns *ns = m->private;
	unsigned int cpu, i;

	seq_puts(m, "cpu");
	for (i = 0; i < POLLNVME_COUNTERS; i++)
		seq_printf(m, " %s", pollnvme_counter_names[i]);
	seq_putc(m, '\n');
	for_each_possible_cpu(cpu) {
		seq_printf(m, "%u", cpu);
		for (i = 0; i < POLLNVME_COUNTERS; i++)
			seq_printf(m, " %llu",
				   READ_ONCE(per_cpu_ptr(ns->stats, cpu)->count[i]));
		seq_putc(m, '\n');
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(pollnvme_stats);

/**
 * pollnvme_debugfs_add() - show a disk's counters per CPU
 * @ns: namespace
 */
void pollnvme_debugfs_add(struct pollnvme_ns *ns)
{
	debugfs_create_file(ns->disk->disk_name, 0400, pollnvme_debugfs, ns,
			    &pollnvme_stats_fops);
}

/**
 * pollnvme_debugfs_remove() - no longer show them; waits for readers
 * @ns: namespace
 */
void pollnvme_debugfs_remove(struct pollnvme_ns *ns)
{
	debugfs_lookup_and_remove(ns->disk->disk_name, pollnvme_debugfs);
}

/** pollnvme_debugfs_init() - make the driver's debugfs directory */
void pollnvme_debugfs_init(void)
{
	pollnvme_debugfs = debugfs_create_dir(POLLNVME_NAME, NULL);
}

/** pollnvme_debugfs_exit() - remove it */
void pollnvme_debugfs_exit(void)
{
	debugfs_remove(pollnvme_debugfs);
}
