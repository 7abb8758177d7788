// SPDX-License-Identifier: GPL-2.0-only
/*
 * What applications may ask a disk: is completion synchronous, what does
 * polling cost, which sizes is it good for.
 */
#include <linux/uaccess.h>
#include "pollnvme.h"

/* Means over the CPUs that have seen such I/O. */
static void pollnvme_info_expected(struct pollnvme_ns *ns, unsigned int op,
				   u32 *expected_ns)
{
	unsigned int class, cpu, seen;
	u64 sum;

	BUILD_BUG_ON(POLLNVME_INFO_CLASSES != POLLNVME_CLASSES);
	for (class = 0; class < POLLNVME_CLASSES; class++) {
		sum = 0;
		seen = 0;
		for_each_possible_cpu(cpu) {
			struct pollnvme_estimates *e =
				per_cpu_ptr(ns->estimates, cpu);
			u32 one = READ_ONCE(e->ns[op][class]);

			sum += one;
			seen += !!one;
		}
		expected_ns[class] = seen ? div_u64(sum, seen) : 0;
	}
}

static u64 pollnvme_info_polled(struct pollnvme_ns *ns)
{
	u64 ended = pollnvme_stats_sum(ns, POLLNVME_READS) +
		    pollnvme_stats_sum(ns, POLLNVME_WRITES) +
		    pollnvme_stats_sum(ns, POLLNVME_FLUSHES);
	u64 irqs = pollnvme_stats_sum(ns, POLLNVME_IRQS);

	/* Sums while I/O runs may be of different moments. */
	return ended - min(ended, irqs);
}

/**
 * pollnvme_ioctl_info() - POLLNVME_IOCTL_INFO
 * @ns: namespace
 * @user: filled in
 *
 * Return: 0 or -EFAULT.
 */
int pollnvme_ioctl_info(struct pollnvme_ns *ns,
			struct pollnvme_info __user *user)
{
	struct pollnvme_info info = {
		.mode		 = READ_ONCE(ns->mode),
		.spin_limit_us	 = READ_ONCE(ns->ctrl->spin_limit_us),
		.hybrid_limit_us = READ_ONCE(ns->hybrid_limit_us),
		.polled		 = pollnvme_info_polled(ns),
		.spin_ns	 = pollnvme_stats_sum(ns, POLLNVME_SPIN_NS),
	};

	if (pollnvme_has_irqs(ns->ctrl))
		info.flags |= POLLNVME_INFO_IRQS;
	if (info.mode == POLLNVME_SYNC || !(info.flags & POLLNVME_INFO_IRQS))
		info.flags |= POLLNVME_INFO_SYNC;
	pollnvme_info_expected(ns, READ, info.read_ns);
	pollnvme_info_expected(ns, WRITE, info.write_ns);
	info.sync_bytes = pollnvme_sync_bytes(info.read_ns,
					      info.hybrid_limit_us *
					      (u64)NSEC_PER_USEC);
	return copy_to_user(user, &info, sizeof(info)) ? -EFAULT : 0;
}
