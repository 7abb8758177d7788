// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPU-bound transmit for bonding: a slave's two sysfs files,
 * /sys/class/net/SLAVE/bonding_slave/tx_cpus and tx_cpu_stats.
 *
 * Both are binary attributes, like the CPU lists of other devices, because
 * their text may exceed a page on a large machine. They belong to the kobject
 * type of slaves, so they come and go with the directory.
 */

#include <linux/slab.h>
#include <linux/sysfs.h>
#include <linux/user_namespace.h>
#include <net/net_namespace.h>

#include "bond_cpu_bound_slave.h"
#include "bonding_compat.h"

/* Every line of tx_cpu_stats is as long, so that a reader who comes back for
 * the next piece meets the same offsets though the counters have moved on.
 */
#define BOND_CPU_BOUND_LINE	100
#define BOND_CPU_BOUND_HEAD	"%5s %-9s %20s %20s %20s %20s\n"
#define BOND_CPU_BOUND_ROW	"%5u %-9s %20lu %20lu %20lu %20lu\n"

/* Take RTNL and make sure that the slave still is one: its directory may
 * outlive its membership for a moment, its device cannot. trylock because
 * whoever removes the directory waits for us with RTNL held.
 */
static int bond_cpu_bound_lock(struct slave *slave)
{
	if (!rtnl_trylock())
		return restart_syscall();

	if (rtnl_dereference(slave->dev->rx_handler_data) != slave) {
		rtnl_unlock();
		return -ENODEV;
	}

	return 0;
}

static void bond_cpu_bound_unlock(void)
{
	rtnl_unlock();
}

/* say who of the other slaves has one of these CPUs, in so many words */
static int bond_cpu_bound_check_overlap(struct slave *slave,
					const struct cpumask *mask)
{
	struct bond_cpu_bound_slave *state;
	struct list_head *iter;
	struct slave *other;

	bond_for_each_slave(slave->bond, other, iter) {
		state = rtnl_dereference(other->cpu_bound);
		if (other == slave || !state ||
		    !cpumask_intersects(mask, state->tx_cpus))
			continue;

		slave_err(slave->bond->dev, slave->dev,
			  "tx_cpus: CPU %u belongs to slave %s already\n",
			  cpumask_any_and(mask, state->tx_cpus),
			  other->dev->name);
		return -EBUSY;
	}

	return 0;
}

/* what was written goes into the log escaped, and not at any length */
static int bond_cpu_bound_shown(const char *text)
{
	return strnlen(text, 64);
}

static int bond_cpu_bound_check(struct slave *slave, const struct cpumask *mask,
				const char *text)
{
	struct net_device *bond_dev = slave->bond->dev;
	unsigned int cpu;

	for_each_cpu(cpu, mask) {
		if (cpu_possible(cpu))
			continue;
		slave_err(bond_dev, slave->dev,
			  "tx_cpus \"%*pE\": this machine has no CPU %u\n",
			  bond_cpu_bound_shown(text), text, cpu);
		return -EINVAL;
	}

	/* an empty mask takes the slave's CPUs away, which is no mistake */
	if (!cpumask_empty(mask) && !cpumask_intersects(mask, cpu_online_mask)) {
		slave_err(bond_dev, slave->dev,
			  "tx_cpus \"%*pE\": none of these CPUs is online\n",
			  bond_cpu_bound_shown(text), text);
		return -EINVAL;
	}

	return bond_cpu_bound_check_overlap(slave, mask);
}

static int bond_cpu_bound_parse(struct slave *slave, const char *text,
				struct cpumask *mask)
{
	struct net_device *bond_dev = slave->bond->dev;
	int err;

	err = cpulist_parse(text, mask);
	if (err == -ERANGE)
		slave_err(bond_dev, slave->dev,
			  "tx_cpus \"%*pE\": this machine has no such CPU, the last is %u\n",
			  bond_cpu_bound_shown(text), text, nr_cpu_ids - 1);
	else if (err)
		slave_err(bond_dev, slave->dev,
			  "tx_cpus \"%*pE\": not a list of CPUs such as 0-2,5\n",
			  bond_cpu_bound_shown(text), text);

	return err == -ERANGE ? -EINVAL : err;
}

static int bond_cpu_bound_set(struct slave *slave, const char *text,
			      struct cpumask *mask)
{
	struct bond_cpu_bound_slave *state;
	int err;

	err = bond_cpu_bound_parse(slave, text, mask);
	if (err)
		return err;

	err = bond_cpu_bound_check(slave, mask, text);
	if (err)
		return err;

	state = bond_cpu_bound_state(slave);
	if (!state)
		return -ENOMEM;

	/* @mask becomes what changes, so that the change can be taken back */
	cpumask_xor(mask, mask, state->tx_cpus);
	cpumask_xor(state->tx_cpus, state->tx_cpus, mask);
	if (!bond_cpu_bound_mode(slave->bond))
		return 0;

	err = bond_update_slave_arr(slave->bond, NULL);
	if (err)
		cpumask_xor(state->tx_cpus, state->tx_cpus, mask);

	return err;
}

static ssize_t tx_cpus_write(struct file *file, struct kobject *kobj,
			     bond_bin_attribute *attr, char *buf, loff_t off,
			     size_t count)
{
	struct slave *slave = to_slave(kobj);
	cpumask_var_t mask;
	char *text;
	int err;

	if (!ns_capable(dev_net(slave->dev)->user_ns, CAP_NET_ADMIN))
		return -EPERM;

	/* a list comes in one piece, or its tail would be taken for a list */
	if (off || count >= PAGE_SIZE)
		return -EINVAL;

	text = kstrndup(buf, count, GFP_KERNEL);
	if (!text)
		return -ENOMEM;

	err = -ENOMEM;
	if (!zalloc_cpumask_var(&mask, GFP_KERNEL))
		goto out_text;

	err = bond_cpu_bound_lock(slave);
	if (err)
		goto out_mask;

	err = bond_cpu_bound_set(slave, strim(text), mask);
	bond_cpu_bound_unlock();

out_mask:
	free_cpumask_var(mask);
out_text:
	kfree(text);
	return err ? err : count;
}

static ssize_t tx_cpus_read(struct file *file, struct kobject *kobj,
			    bond_bin_attribute *attr, char *buf, loff_t off,
			    size_t count)
{
	struct slave *slave = to_slave(kobj);
	struct bond_cpu_bound_slave *state;
	ssize_t ret;

	ret = bond_cpu_bound_lock(slave);
	if (ret)
		return ret;

	state = rtnl_dereference(slave->cpu_bound);
	ret = cpumap_print_list_to_buf(buf, state ? state->tx_cpus :
				       cpu_none_mask, off, count);
	bond_cpu_bound_unlock();

	return ret;
}

static BIN_ATTR_RW(tx_cpus, 0);

static const char * const bond_cpu_bound_reasons[] = {
	[BOND_CPU_BOUND_WHY_HASH] = "-",
	[BOND_CPU_BOUND_WHY_MASK] = "mask",
	[BOND_CPU_BOUND_WHY_LEARNED] = "learned",
	[BOND_CPU_BOUND_WHY_NUMA] = "numa",
};

/* how a CPU is bound to a slave, in a word */
static const char *bond_cpu_bound_relation(const struct bond_up_slave *all,
					   const struct bond_cpu_bound_member *m,
					   const struct slave *slave,
					   const struct bond_cpu_bound_group *group,
					   unsigned int cpu)
{
	struct bond_cpu_bound_cpu described;
	enum bond_cpu_bound_why why;
	int owner;
	u8 learned;

	bond_cpu_bound_describe(cpu, group->ranks, &described);
	learned = READ_ONCE(per_cpu_ptr(group->votes, cpu)->owner);
	owner = bond_cpu_bound_owner(&described, m, all->count, learned, &why);
	if (owner < 0 || all->arr[owner] != slave)
		return "-";
	if (m[owner].place == BOND_CPU_BOUND_DOWN)
		return "unusable";

	return bond_cpu_bound_reasons[why];
}

static void bond_cpu_bound_print(char *line, unsigned int cpu,
				 const char *relation,
				 const struct bond_cpu_bound_slave *state)
{
	unsigned long n[BOND_CPU_BOUND_KINDS] = {};
	const struct bond_cpu_bound_stats *stats;
	int i;

	if (state) {
		stats = per_cpu_ptr(state->stats, cpu);
		for (i = 0; i < BOND_CPU_BOUND_KINDS; i++)
			n[i] = READ_ONCE(stats->packets[i]);
	}

	scnprintf(line, BOND_CPU_BOUND_LINE + 1, BOND_CPU_BOUND_ROW, cpu,
		  relation, n[BOND_CPU_BOUND_LOCAL],
		  n[BOND_CPU_BOUND_FALLBACK] + n[BOND_CPU_BOUND_HELD],
		  n[BOND_CPU_BOUND_FALLBACK], n[BOND_CPU_BOUND_HELD]);
}

/* The whole table, in memory from kvmalloc(); its length goes to @len. Outside
 * the modes that use the policy no CPU belongs to anybody.
 */
static char *bond_cpu_bound_table(struct slave *slave, size_t *len)
{
	struct bond_cpu_bound_member *members = NULL;
	const struct bond_up_slave *all, *usable;
	struct bond_cpu_bound_slave *state;
	const char *relation = "-";
	char *table, *line;
	unsigned int cpu;

	state = rtnl_dereference(slave->cpu_bound);
	all = rtnl_dereference(slave->bond->all_slaves);
	usable = rtnl_dereference(slave->bond->usable_slaves);
	table = kvmalloc_array(num_possible_cpus() + 1, BOND_CPU_BOUND_LINE + 1,
			       GFP_KERNEL);
	if (!table)
		return NULL;

	if (state && all && bond_cpu_bound_mode(slave->bond)) {
		members = bond_cpu_bound_members(all, usable);
		if (!members)
			goto err;
	}

	line = table;
	line += scnprintf(line, BOND_CPU_BOUND_LINE + 1, BOND_CPU_BOUND_HEAD,
			  "cpu", "bound", "local", "remote", "fallback",
			  "held");
	for_each_possible_cpu(cpu) {
		if (members)
			relation = bond_cpu_bound_relation(all, members, slave,
							   state->group, cpu);
		bond_cpu_bound_print(line, cpu, relation, state);
		line += BOND_CPU_BOUND_LINE;
	}
	kfree(members);
	*len = line - table;

	return table;

err:
	kvfree(table);
	return NULL;
}

static ssize_t tx_cpu_stats_read(struct file *file, struct kobject *kobj,
				 bond_bin_attribute *attr, char *buf,
				 loff_t off, size_t count)
{
	struct slave *slave = to_slave(kobj);
	ssize_t ret;
	char *table;
	size_t len;

	ret = bond_cpu_bound_lock(slave);
	if (ret)
		return ret;

	table = bond_cpu_bound_table(slave, &len);
	bond_cpu_bound_unlock();
	if (!table)
		return -ENOMEM;

	ret = memory_read_from_buffer(buf, count, &off, table, len);
	kvfree(table);

	return ret;
}

static BIN_ATTR_RO(tx_cpu_stats, 0);

static bond_bin_attribute *bond_cpu_bound_files[] = {
	&bin_attr_tx_cpus,
	&bin_attr_tx_cpu_stats,
	NULL
};

static const struct attribute_group bond_cpu_bound_group = {
	.bin_attrs = bond_cpu_bound_files,
};

const struct attribute_group *bond_cpu_bound_groups[] = {
	&bond_cpu_bound_group,
	NULL
};
