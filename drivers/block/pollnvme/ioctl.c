// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands from user space, by the ioctls of linux/nvme_ioctl.h, so that
 * nvme-cli and smartctl work: on a disk, and for what concerns the controller
 * on its character device. The data goes through pages of our own: a length
 * that lies reaches no other memory, and a buffer may begin anywhere.
 */
#include <linux/capability.h>
#include <linux/compat.h>
#include <linux/delay.h>
#include <linux/nvme_ioctl.h>
#include <linux/ptrace.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "passthru.h"
#include "pollnvme.h"
#include "pollnvme_compat.h"

/**
 * struct pollnvme_page - memory that both sides can reach
 * @mem: for the CPU
 * @addr: for the controller
 */
struct pollnvme_page {
	void *mem;
	u64 addr;
};

/**
 * struct pollnvme_data - a command's data
 * @ctrl: controller that the pages were allocated for
 * @pages: the data's pages, and behind them the PRP list's
 * @count: pages of data
 */
struct pollnvme_data {
	struct pollnvme_ctrl *ctrl;
	struct pollnvme_page *pages;
	unsigned int count;
};

static void pollnvme_data_free(struct pollnvme_data *data)
{
	unsigned int i;

	for (i = 0; data->pages && i <= data->count; i++)
		if (data->pages[i].mem)
			data->ctrl->transport->free(data->ctrl,
						    POLLNVME_PAGE_SIZE,
						    data->pages[i].mem,
						    data->pages[i].addr);
	kvfree(data->pages);
}

/* Zeroed, so that a controller that writes less gives nothing away. */
static int pollnvme_data_alloc(struct pollnvme_data *data,
			       struct pollnvme_ctrl *ctrl, u32 bytes)
{
	unsigned int i;

	data->ctrl = ctrl;
	data->count = DIV_ROUND_UP(bytes, POLLNVME_PAGE_SIZE);
	data->pages = kvcalloc(data->count + 1, sizeof(*data->pages),
			       GFP_KERNEL);
	if (!data->pages)
		return -ENOMEM;
	for (i = 0; i <= data->count; i++) {
		struct pollnvme_page *page = &data->pages[i];

		page->mem = ctrl->transport->alloc(ctrl, POLLNVME_PAGE_SIZE,
						   &page->addr);
		if (!page->mem)
			return -ENOMEM;
	}
	return 0;
}

static int pollnvme_data_map(const struct pollnvme_data *data,
			     union nvme_data_ptr *dptr)
{
	const struct pollnvme_page *list = &data->pages[data->count];
	struct pollnvme_prp prp;
	unsigned int i;
	int err;

	pollnvme_prp_begin(&prp, list->mem, list->addr, POLLNVME_PRP_LIST_MAX);
	for (i = 0; i < data->count; i++) {
		err = pollnvme_prp_add(&prp, data->pages[i].addr,
				       POLLNVME_PAGE_SIZE);
		if (err)
			return err;
	}
	pollnvme_prp_end(&prp, &dptr->prp1, &dptr->prp2);
	return 0;
}

static int pollnvme_data_copy(const struct pollnvme_data *data,
			      void __user *user, u32 bytes, bool from_user)
{
	u32 pos, here;

	for (pos = 0; pos < bytes; pos += here) {
		void *mem = data->pages[pos / POLLNVME_PAGE_SIZE].mem;
		unsigned long left;

		here = min(bytes - pos, POLLNVME_PAGE_SIZE);
		left = from_user ? copy_from_user(mem, user + pos, here) :
				   copy_to_user(user + pos, mem, here);
		if (left)
			return -EFAULT;
	}
	return 0;
}

/* Sends an admin command; waits for a slot and for the end of a reset, which wants
 * the slots itself.
 */
static int pollnvme_submit_admin(struct pollnvme_ctrl *ctrl,
				 struct pollnvme_cmd *cmd)
{
	int err;

	for (;;) {
		err = -ESHUTDOWN;
		if (READ_ONCE(ctrl->ready))
			err = pollnvme_qp_submit(ctrl->admin, cmd);
		if (err == -EBUSY) {
			usleep_range(100, 1000);
		} else if (err == -ESHUTDOWN) {
			if (READ_ONCE(ctrl->state) == POLLNVME_DEAD)
				return -ENODEV;
			if (wait_event_killable(ctrl->wait,
						READ_ONCE(ctrl->ready)))
				return -ERESTARTSYS;
			usleep_range(100, 1000);
		} else {
			return err;
		}
		if (fatal_signal_pending(current))
			return -ERESTARTSYS;
	}
}

/* Sends an I/O command. Its disk may be gone, and another namespace have its number,
 * of another block size: what was checked would be wrong.
 */
static int pollnvme_submit_io(struct pollnvme_ns *ns, struct pollnvme_cmd *cmd)
{
	int err = -ENODEV;

	down_read(&ns->user_lock);
	if (!ns->gone)
		err = blk_status_to_errno(pollnvme_submit(ns, cmd, false));
	up_read(&ns->user_lock);
	return err;
}

/*
 * Not interruptible: the pages are the controller's until the command ends. A
 * command that outlives its time is aborted, then the controller is reset,
 * which ends it.
 */
static void pollnvme_passthru_wait(struct pollnvme_ctrl *ctrl,
				   struct pollnvme_cmd *cmd, u32 timeout_ms)
{
	u64 expires = ktime_get_ns() + timeout_ms * (u64)NSEC_PER_MSEC;
	bool aborted = cmd->qp == ctrl->admin;
	unsigned int us = 20;

	for (;;) {
		pollnvme_qp_poll(cmd->qp);
		/* Acquire: pairs with the release in pollnvme_qp_end(). */
		if (smp_load_acquire(&cmd->done))
			break;
		if (ktime_get_ns() >= expires) {
			if (!aborted)
				pollnvme_abort(ctrl, cmd);
			else
				pollnvme_ctrl_expired(ctrl, cmd->gen);
			aborted = true;
			expires = ktime_get_ns() +
				  timeout_ms * (u64)NSEC_PER_MSEC;
		}
		usleep_range(us, us * 2);
		us = min(us * 2, 1000u);
	}
	pollnvme_qp_finish(cmd);
}

static int pollnvme_passthru_run(struct pollnvme_ctrl *ctrl,
				 struct pollnvme_ns *ns,
				 struct pollnvme_cmd *cmd, u32 timeout_ms)
{
	int err;

	if (ns)
		err = pollnvme_submit_io(ns, cmd);
	else
		err = pollnvme_submit_admin(ctrl, cmd);
	if (err)
		return err;
	pollnvme_passthru_wait(ctrl, cmd, timeout_ms);
	if (cmd->status == NVME_SC_HOST_ABORTED_CMD)
		return -EINTR;
	return cmd->status;
}

/* The command is checked; @ns: through the disk's pairs, else the admin's. */
static int pollnvme_passthru_data(struct pollnvme_ctrl *ctrl,
				  struct pollnvme_ns *ns,
				  const struct nvme_passthru_cmd64 *ask,
				  struct pollnvme_cmd *cmd, u32 timeout_ms)
{
	unsigned int dir = pollnvme_opcode_data(ask->opcode);
	void __user *user = u64_to_user_ptr(ask->addr);
	struct pollnvme_data data = {};
	int ret, err;

	if (!dir)
		return pollnvme_passthru_run(ctrl, ns, cmd, timeout_ms);
	/* A page at least: not every command says how much it moves. */
	ret = pollnvme_data_alloc(&data, ctrl, max(ask->data_len, 1u));
	if (!ret)
		ret = pollnvme_data_map(&data, &cmd->c.common.dptr);
	if (!ret && (dir & POLLNVME_TO_DEVICE))
		ret = pollnvme_data_copy(&data, user, ask->data_len, true);
	if (ret)
		goto free;
	ret = pollnvme_passthru_run(ctrl, ns, cmd, timeout_ms);
	if (!ret && (dir & POLLNVME_FROM_DEVICE)) {
		err = pollnvme_data_copy(&data, user, ask->data_len, false);
		ret = err ?: ret;
	}
free:
	pollnvme_data_free(&data);
	return ret;
}

static void pollnvme_passthru_fill(struct nvme_command *c,
				   const struct nvme_passthru_cmd64 *ask)
{
	c->common.opcode = ask->opcode;
	c->common.nsid = cpu_to_le32(ask->nsid);
	c->common.cdw2[0] = cpu_to_le32(ask->cdw2);
	c->common.cdw2[1] = cpu_to_le32(ask->cdw3);
	c->common.cdw10 = cpu_to_le32(ask->cdw10);
	c->common.cdw11 = cpu_to_le32(ask->cdw11);
	c->common.cdw12 = cpu_to_le32(ask->cdw12);
	c->common.cdw13 = cpu_to_le32(ask->cdw13);
	c->common.cdw14 = cpu_to_le32(ask->cdw14);
	c->common.cdw15 = cpu_to_le32(ask->cdw15);
}

/* Returns an NVMe status, or an error. */
static int pollnvme_passthru(struct pollnvme_ctrl *ctrl, struct pollnvme_ns *ns,
			     struct nvme_passthru_cmd64 *ask)
{
	struct pollnvme_ask_cmd check = {
		.admin		= !ns,
		.opcode		= ask->opcode,
		.lba_shift	= ns ? ns->lba_shift : 0,
		.cdw10		= ask->cdw10,
		.cdw11		= ask->cdw11,
		.cdw12		= ask->cdw12,
		.data_len	= ask->data_len,
		.max_bytes	= ctrl->max_bytes,
	};
	u32 timeout_ms = ask->timeout_ms;
	struct pollnvme_cmd cmd = {};
	int ret;

	if (!timeout_ms)
		timeout_ms = ns ? READ_ONCE(ctrl->io_timeout_ms) :
				  POLLNVME_ADMIN_TIMEOUT_MS;
	if (ask->flags || ask->rsvd1 || ask->metadata || ask->metadata_len)
		return -EINVAL;
	if (ns && ask->nsid != ns->nsid)
		return -EINVAL;
	ret = pollnvme_passthru_check(&check);
	if (ret)
		return ret;
	pollnvme_passthru_fill(&cmd.c, ask);

	/* Held until the command ended: removal frees the queues after. */
	down_read(&ctrl->user_lock);
	ret = -ENODEV;
	if (!ctrl->gone)
		ret = pollnvme_passthru_data(ctrl, ns, ask, &cmd, timeout_ms);
	up_read(&ctrl->user_lock);
	ask->result = cmd.result;
	return ret;
}

static int pollnvme_passthru32(struct pollnvme_ctrl *ctrl,
			       struct pollnvme_ns *ns,
			       struct nvme_passthru_cmd __user *user)
{
	struct nvme_passthru_cmd64 ask = {};
	int ret;

	/* The two differ in the result alone, which is the last field. */
	BUILD_BUG_ON(offsetof(struct nvme_passthru_cmd, result) !=
		     offsetof(struct nvme_passthru_cmd64, rsvd2));
	if (!capable(CAP_SYS_ADMIN))
		return -EACCES;
	if (copy_from_user(&ask, user, offsetof(typeof(*user), result)))
		return -EFAULT;
	ret = pollnvme_passthru(ctrl, ns, &ask);
	if (ret >= 0 && put_user((u32)ask.result, &user->result))
		return -EFAULT;
	return ret;
}

static int pollnvme_passthru64(struct pollnvme_ctrl *ctrl,
			       struct pollnvme_ns *ns,
			       struct nvme_passthru_cmd64 __user *user)
{
	struct nvme_passthru_cmd64 ask;
	int ret;

	if (!capable(CAP_SYS_ADMIN))
		return -EACCES;
	if (copy_from_user(&ask, user, sizeof(ask)))
		return -EFAULT;
	if (ask.rsvd2)
		return -EINVAL;
	ret = pollnvme_passthru(ctrl, ns, &ask);
	if (ret >= 0 && put_user(ask.result, &user->result))
		return -EFAULT;
	return ret;
}

/**
 * pollnvme_ctrl_ioctl() - an ioctl that concerns the controller
 * @ctrl: controller
 * @cmd: NVME_IOCTL_...
 * @user: its argument
 *
 * Context: process; a command is waited for.
 *
 * Return: what the ioctl returns: 0, a positive NVMe status, or an error,
 * -ENOTTY for an unknown one.
 */
int pollnvme_ctrl_ioctl(struct pollnvme_ctrl *ctrl, unsigned int cmd,
			void __user *user)
{
	switch (cmd) {
	case NVME_IOCTL_ADMIN_CMD:
		return pollnvme_passthru32(ctrl, NULL, user);
	case NVME_IOCTL_ADMIN64_CMD:
		return pollnvme_passthru64(ctrl, NULL, user);
	case NVME_IOCTL_RESET:
		if (!capable(CAP_SYS_ADMIN))
			return -EACCES;
		return pollnvme_ctrl_reset(ctrl);
	case NVME_IOCTL_RESCAN:
		if (!capable(CAP_SYS_ADMIN))
			return -EACCES;
		return pollnvme_rescan(ctrl);
	default:
		return -ENOTTY;
	}
}

/**
 * pollnvme_ioctl() - the disk's ioctl
 * @bdev: disk or partition
 * @mode: how it was opened
 * @cmd: NVME_IOCTL_... or POLLNVME_IOCTL_INFO
 * @arg: its argument
 *
 * Return: as pollnvme_ctrl_ioctl(); the namespace id for NVME_IOCTL_ID.
 */
int pollnvme_ioctl(struct block_device *bdev, blk_mode_t mode, unsigned int cmd,
		   unsigned long arg)
{
	struct pollnvme_ns *ns = bdev->bd_disk->private_data;
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case NVME_IOCTL_ID:
		force_successful_syscall_return();
		return ns->nsid;
	case POLLNVME_IOCTL_INFO:
		return pollnvme_ioctl_info(ns, user);
	case NVME_IOCTL_IO_CMD:
		return pollnvme_passthru32(ns->ctrl, ns, user);
	case NVME_IOCTL_IO64_CMD:
		return pollnvme_passthru64(ns->ctrl, ns, user);
	default:
		return pollnvme_ctrl_ioctl(ns->ctrl, cmd, user);
	}
}
