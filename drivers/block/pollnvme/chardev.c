// SPDX-License-Identifier: GPL-2.0-only
/*
 * The controller's character device, /dev/pollnvmeX, for nvme-cli and the
 * like: a controller may have no disk, or one that is in use.
 */
#include <linux/cdev.h>
#include <linux/fs.h>
#include <linux/module.h>
#include "pollnvme.h"

static dev_t pollnvme_chardevs;

static int pollnvme_chardev_open(struct inode *inode, struct file *file)
{
	/* The open file holds the cdev, and that the controller. */
	file->private_data = container_of(inode->i_cdev, struct pollnvme_ctrl,
					  cdev);
	return nonseekable_open(inode, file);
}

static long pollnvme_chardev_ioctl(struct file *file, unsigned int cmd,
				   unsigned long arg)
{
	return pollnvme_ctrl_ioctl(file->private_data, cmd, (void __user *)arg);
}

static const struct file_operations pollnvme_chardev_fops = {
	.owner		= THIS_MODULE,
	.open		= pollnvme_chardev_open,
	.unlocked_ioctl	= pollnvme_chardev_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

/**
 * pollnvme_chardev_add() - show the controller: its class device and its node
 * @ctrl: controller, live
 *
 * Return: 0 or an error.
 */
int pollnvme_chardev_add(struct pollnvme_ctrl *ctrl)
{
	cdev_init(&ctrl->cdev, &pollnvme_chardev_fops);
	ctrl->cdev.owner = THIS_MODULE;
	ctrl->dev.devt = MKDEV(MAJOR(pollnvme_chardevs), ctrl->instance);
	return cdev_device_add(&ctrl->cdev, &ctrl->dev);
}

/**
 * pollnvme_chardev_remove() - take both away; open files may remain
 * @ctrl: controller
 */
void pollnvme_chardev_remove(struct pollnvme_ctrl *ctrl)
{
	cdev_device_del(&ctrl->cdev, &ctrl->dev);
}

/**
 * pollnvme_chardev_gone() - wait for ioctls under way; the next ones fail
 * @ctrl: controller whose commands have all ended
 *
 * After this the queues may be freed, whoever still has a file open.
 */
void pollnvme_chardev_gone(struct pollnvme_ctrl *ctrl)
{
	down_write(&ctrl->user_lock);
	ctrl->gone = true;
	up_write(&ctrl->user_lock);
}

/**
 * pollnvme_chardev_init() - get numbers for the nodes
 *
 * Return: 0 or an error.
 */
int pollnvme_chardev_init(void)
{
	return alloc_chrdev_region(&pollnvme_chardevs, 0, MINORMASK + 1,
				   POLLNVME_NAME);
}

/** pollnvme_chardev_exit() - give the numbers back */
void pollnvme_chardev_exit(void)
{
	unregister_chrdev_region(pollnvme_chardevs, MINORMASK + 1);
}
