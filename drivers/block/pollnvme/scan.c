// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which namespaces there are: attach what is new, look again at what is known,
 * detach what is gone.
 */
#include <linux/slab.h>
#include "pollnvme.h"

static struct pollnvme_ns *pollnvme_find(struct pollnvme_ctrl *ctrl, u32 nsid)
{
	struct pollnvme_ns *ns;

	list_for_each_entry(ns, &ctrl->namespaces, node)
		if (ns->nsid == nsid)
			return ns;
	return NULL;
}

/* More disks than this no controller has that tells the truth. */
#define POLLNVME_MAX_DISKS	1024

static bool pollnvme_room(struct pollnvme_ctrl *ctrl, u32 nsid)
{
	struct pollnvme_ns *ns;
	unsigned int n = 0;

	list_for_each_entry(ns, &ctrl->namespaces, node)
		n++;
	if (n < POLLNVME_MAX_DISKS)
		return true;
	dev_warn_once(&ctrl->dev, "namespace %u and more not attached: there are %u disks\n",
		      nsid, n);
	return false;
}

static void pollnvme_scan_one(struct pollnvme_ctrl *ctrl, u32 nsid)
{
	struct pollnvme_ns *ns = pollnvme_find(ctrl, nsid);

	if (ns && pollnvme_ns_revalidate(ns)) {
		ns->scan = ctrl->scans;
		return;
	}
	if (ns)
		pollnvme_ns_lose(ns);
	if (pollnvme_room(ctrl, nsid))
		pollnvme_ns_attach(ctrl, nsid);
}

static int pollnvme_scan_list(struct pollnvme_ctrl *ctrl, __le32 *list)
{
	unsigned int i, entries = POLLNVME_PAGE_SIZE / sizeof(__le32);
	u32 prev = 0;
	int err;

	do {
		mutex_lock(&ctrl->ident_lock);
		err = pollnvme_identify(ctrl, NVME_ID_CNS_NS_ACTIVE_LIST, prev);
		memcpy(list, ctrl->page, POLLNVME_PAGE_SIZE);
		mutex_unlock(&ctrl->ident_lock);
		if (err)
			return err;
		for (i = 0; i < entries; i++) {
			u32 nsid = le32_to_cpu(list[i]);

			/* Ascending, or the controller would keep us here. */
			if (nsid <= prev || nsid > ctrl->nn ||
			    nsid == NVME_NSID_ALL)
				break;
			/* Whatever it claims to have, who removes it waits for us. */
			if (READ_ONCE(ctrl->state) != POLLNVME_LIVE)
				return -EBUSY;
			pollnvme_scan_one(ctrl, nsid);
			prev = nsid;
		}
	} while (i == entries);
	return 0;
}

/**
 * pollnvme_scan_again() - the scan under way did not find out something
 * @ctrl: controller
 * @nsid: about this namespace, or 0: which there are
 * @err: why
 *
 * Whoever listens to the controller scans again, once a second. What is so each
 * time is said the first time.
 *
 * Context: process, @scan_lock is held.
 */
void pollnvme_scan_again(struct pollnvme_ctrl *ctrl, u32 nsid, int err)
{
	WRITE_ONCE(ctrl->rescan, 1);
	ctrl->unsure = true;
	if (ctrl->said_unsure)
		return;
	if (nsid)
		dev_err(&ctrl->dev, "namespace %u not identified (%d), will be asked again\n",
			nsid, err);
	else
		dev_err(&ctrl->dev, "no list of namespaces (%d), will be asked again\n",
			err);
}

/**
 * pollnvme_scan() - have a disk for every active namespace, and no other
 * @ctrl: controller; nothing happens unless it is live
 *
 * Disks stay when the controller does not say what it has.
 *
 * Context: process, @scan_lock is held; waits for the I/O of disks that go.
 *
 * Return: 0, -EBUSY when it is not live, or an error.
 */
int pollnvme_scan(struct pollnvme_ctrl *ctrl)
{
	struct pollnvme_ns *ns, *next;
	__le32 *list;
	int err;

	if (READ_ONCE(ctrl->state) != POLLNVME_LIVE)
		return -EBUSY;
	list = kmalloc(POLLNVME_PAGE_SIZE, GFP_KERNEL);
	if (!list)
		return -ENOMEM;
	ctrl->scans++;
	ctrl->unsure = false;
	err = pollnvme_scan_list(ctrl, list);
	kfree(list);
	/* After a reset there is a scan anyway. */
	if (err && READ_ONCE(ctrl->state) == POLLNVME_LIVE)
		pollnvme_scan_again(ctrl, 0, err);
	ctrl->said_unsure = ctrl->unsure;
	if (err)
		return err;
	/* Under @scan_lock nobody else takes from the list, or puts into it. */
	list_for_each_entry_safe(ns, next, &ctrl->namespaces, node)
		if (ns->scan != ctrl->scans)
			pollnvme_ns_lose(ns);
	return 0;
}

/**
 * pollnvme_rescan() - pollnvme_scan(), for who does not hold @scan_lock
 * @ctrl: controller
 *
 * Context: process, @scan_lock is not held; else as pollnvme_scan(). After
 * removal began it finds the controller not live, so an open node may call it.
 *
 * Return: as pollnvme_scan().
 */
int pollnvme_rescan(struct pollnvme_ctrl *ctrl)
{
	int err;

	mutex_lock(&ctrl->scan_lock);
	err = pollnvme_scan(ctrl);
	mutex_unlock(&ctrl->scan_lock);
	return err;
}
