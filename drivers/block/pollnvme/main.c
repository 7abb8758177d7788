// SPDX-License-Identifier: GPL-2.0-only
/*
 * pollnvme: NVMe with synchronous completion by polling. Module life.
 */
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include "pollnvme.h"

struct workqueue_struct *pollnvme_wq;
struct workqueue_struct *pollnvme_retry_wq;

static DEFINE_IDA(pollnvme_instances);
static atomic_t pollnvme_alive = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(pollnvme_gone);

/**
 * pollnvme_instance_get() - give a controller its number
 * @ctrl: controller
 *
 * Return: 0 or an error.
 */
int pollnvme_instance_get(struct pollnvme_ctrl *ctrl)
{
	/* It is the minor number of its node, too. */
	int id = ida_alloc_max(&pollnvme_instances, MINORMASK, GFP_KERNEL);

	if (id < 0)
		return id;
	ctrl->instance = id;
	atomic_inc(&pollnvme_alive);
	return 0;
}

/**
 * pollnvme_instance_put() - take it back
 * @ctrl: controller
 */
void pollnvme_instance_put(struct pollnvme_ctrl *ctrl)
{
	ida_free(&pollnvme_instances, ctrl->instance);
}

/* The last reference is gone: no open disk, no open attribute. */
static void pollnvme_release_dev(struct device *dev)
{
	struct pollnvme_ctrl *ctrl = dev_get_drvdata(dev);

	pollnvme_instance_put(ctrl);
	kfree(ctrl->map);
	ctrl->transport->release(ctrl);
	if (atomic_dec_and_test(&pollnvme_alive))
		wake_up_all(&pollnvme_gone);
}

struct class pollnvme_class = {
	.name		= POLLNVME_NAME,
	.dev_release	= pollnvme_release_dev,
};

static int __init pollnvme_init(void)
{
	int err;

	/* MEM_RECLAIM: a reset may be what memory reclaim waits for. */
	pollnvme_wq = alloc_workqueue(POLLNVME_NAME,
				      WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!pollnvme_wq)
		return -ENOMEM;
	/* Another one, whose rescuer may wait for what the first one does. */
	err = -ENOMEM;
	pollnvme_retry_wq = alloc_workqueue("pollnvme_retry",
					    WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!pollnvme_retry_wq)
		goto wq;
	err = class_register(&pollnvme_class);
	if (err)
		goto retry_wq;
	err = pollnvme_chardev_init();
	if (err)
		goto class;
	pollnvme_debugfs_init();
	err = pollnvme_ram_init();
	if (err)
		goto debugfs;
	err = pollnvme_pci_init();
	if (err)
		goto ram;
	return 0;

ram:
	pollnvme_ram_exit();
debugfs:
	pollnvme_debugfs_exit();
	pollnvme_chardev_exit();
class:
	class_unregister(&pollnvme_class);
retry_wq:
	destroy_workqueue(pollnvme_retry_wq);
wq:
	destroy_workqueue(pollnvme_wq);
	return err;
}

static void __exit pollnvme_exit(void)
{
	pollnvme_pci_exit();
	pollnvme_ram_exit();
	/*
	 * The last close of a disk drops the module reference before the
	 * disk's own: wait until that, too, has left our code.
	 */
	wait_event(pollnvme_gone, !atomic_read(&pollnvme_alive));
	/* And the task that did so may have been preempted on its way out. */
	synchronize_rcu_tasks();
	pollnvme_debugfs_exit();
	pollnvme_chardev_exit();
	class_unregister(&pollnvme_class);
	destroy_workqueue(pollnvme_retry_wq);
	destroy_workqueue(pollnvme_wq);
	ida_destroy(&pollnvme_instances);
}

module_init(pollnvme_init);
module_exit(pollnvme_exit);

MODULE_DESCRIPTION("NVMe with synchronous completion by polling");
MODULE_AUTHOR("corelane contributors");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
