// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which kind of disks a controller has: bio disks, whose modes are sync, async
 * and hybrid, or blk-mq disks. A disk is made as one or the other, so to
 * choose is to have all its disks made anew; their contents stay.
 */
#include "pollnvme.h"

static const char * const pollnvme_disk_kinds[] = { "bio", "mq" };

/**
 * pollnvme_disks_show() - the kind of a controller's disks
 * @ctrl: controller
 *
 * Return: its name.
 */
const char *pollnvme_disks_show(struct pollnvme_ctrl *ctrl)
{
	return pollnvme_disk_kinds[!!READ_ONCE(ctrl->mq)];
}

/* From here on nobody opens it; false where somebody has. */
static bool pollnvme_claim(struct pollnvme_ns *ns, bool claim)
{
	bool unused;

	mutex_lock(&ns->disk->open_mutex);
	unused = !disk_openers(ns->disk);
	ns->leaving = claim && unused;
	mutex_unlock(&ns->disk->open_mutex);
	return unused;
}

/* Not under @ns_lock: who opens a disk may wait for what takes that. */
static bool pollnvme_claim_all(struct pollnvme_ctrl *ctrl)
{
	struct pollnvme_ns *ns;
	bool unused = true;

	list_for_each_entry(ns, &ctrl->namespaces, node)
		unused = unused && pollnvme_claim(ns, true);
	if (!unused)
		list_for_each_entry(ns, &ctrl->namespaces, node)
			pollnvme_claim(ns, false);
	return unused;
}

/*
 * Under @scan_lock all the while: a second one who chooses finds the disks of
 * the first, all of them and of one kind.
 */
static int pollnvme_disks_switch(struct pollnvme_ctrl *ctrl, bool want_mq)
{
	struct pollnvme_mq *old = ctrl->mq, *mq = NULL;
	int err;

	if (READ_ONCE(ctrl->state) != POLLNVME_LIVE)
		return -EBUSY;
	if (want_mq)
		mq = pollnvme_mq_setup(ctrl);
	if (IS_ERR(mq))
		return PTR_ERR(mq);
	if (!pollnvme_claim_all(ctrl)) {
		pollnvme_mq_teardown(mq);
		return -EBUSY;
	}
	WRITE_ONCE(ctrl->mq, mq);
	pollnvme_ns_remove_all(ctrl);
	pollnvme_mq_teardown(old);
	err = pollnvme_scan(ctrl);
	/* Cut off by a reset, maybe: there are no disks now. Whoever listens to
	 * the controller looks again; to start that here would be too late where
	 * the controller goes away.
	 */
	if (err)
		WRITE_ONCE(ctrl->rescan, 1);
	return err;
}

/**
 * pollnvme_disks_choose() - have a controller's disks made anew as a kind
 * @ctrl: controller
 * @name: "bio" or "mq", maybe with a newline
 *
 * Return: 0, -EINVAL for another name, -EBUSY while a disk is open or the
 * controller is not live, -EOPNOTSUPP for "mq" without a pair with interrupts,
 * or an error: where the namespaces could not be read they are looked for again.
 */
int pollnvme_disks_choose(struct pollnvme_ctrl *ctrl, const char *name)
{
	int err = 0, kind = sysfs_match_string(pollnvme_disk_kinds, name);

	if (kind < 0)
		return kind;
	mutex_lock(&ctrl->scan_lock);
	if (kind != !!ctrl->mq)
		err = pollnvme_disks_switch(ctrl, kind);
	mutex_unlock(&ctrl->scan_lock);
	return err;
}
