// SPDX-License-Identifier: GPL-2.0-only
/*
 * Admin commands. Their data is the controller's own page, which outlives
 * them, so a command that is not answered can be left behind.
 */
#include <linux/delay.h>
#include "pollnvme.h"

/* Runs an admin command: its status, or an error. */
static int pollnvme_admin_status(struct pollnvme_ctrl *ctrl,
				 struct nvme_command *c, u32 *result)
{
	struct pollnvme_cmd cmd = { .c = *c };
	ktime_t end = ktime_add_ms(ktime_get(), POLLNVME_ADMIN_TIMEOUT_MS);
	int err;

	/* Users' commands may have all slots. */
	while ((err = pollnvme_qp_submit(ctrl->admin, &cmd)) == -EBUSY &&
	       ktime_before(ktime_get(), end)) {
		pollnvme_qp_poll(ctrl->admin);
		usleep_range(20, 100);
	}
	if (err)
		return err;
	end = ktime_add_ms(ktime_get(), POLLNVME_ADMIN_TIMEOUT_MS);
	for (;;) {
		pollnvme_qp_poll(ctrl->admin);
		/* Acquire: pairs with the release in pollnvme_qp_end(). */
		if (smp_load_acquire(&cmd.done))
			break;
		if (ktime_after(ktime_get(), end) && pollnvme_qp_disown(&cmd)) {
			/* A late answer may still write to the page. */
			pollnvme_ctrl_expired(ctrl, cmd.gen);
			return -ETIMEDOUT;
		}
		usleep_range(20, 100);
	}
	pollnvme_qp_finish(&cmd);
	if (result)
		*result = (u32)cmd.result;
	return cmd.status;
}

/**
 * pollnvme_admin() - run an admin command
 * @ctrl: controller
 * @c: command, with its data pointer
 * @result: double word 0 of the completion, or NULL
 *
 * A live controller that does not answer is reset.
 *
 * Return: 0, -EIO with an error status, -ETIMEDOUT, or why it was not sent.
 */
int pollnvme_admin(struct pollnvme_ctrl *ctrl, struct nvme_command *c,
		   u32 *result)
{
	int status = pollnvme_admin_status(ctrl, c, result);

	return status > 0 ? -EIO : status;
}

/**
 * pollnvme_identify() - read a data structure into the controller's page
 * @ctrl: controller; @ident_lock is held
 * @cns: which structure
 * @nsid: of which namespace
 *
 * Return: 0, -EIO with an error status, -EAGAIN with one that passes, such as that of a
 * command cut off by a reset, or another error.
 */
int pollnvme_identify(struct pollnvme_ctrl *ctrl, u8 cns, u32 nsid)
{
	struct nvme_command c = {};
	int status;

	memset(ctrl->page, 0, POLLNVME_PAGE_SIZE);
	c.identify.opcode = nvme_admin_identify;
	c.identify.nsid = cpu_to_le32(nsid);
	c.identify.cns = cns;
	c.identify.dptr.prp1 = cpu_to_le64(ctrl->page_addr);
	status = pollnvme_admin_status(ctrl, &c, NULL);
	if (status <= 0)
		return status;
	return pollnvme_status_may_retry(status) ? -EAGAIN : -EIO;
}

/**
 * pollnvme_get_log() - read the first 512 bytes of a log into the controller's page
 * @ctrl: controller; @ident_lock is held
 * @page: which log
 *
 * Reading it lets the controller report the next event of its kind.
 *
 * Return: 0 or an error.
 */
int pollnvme_get_log(struct pollnvme_ctrl *ctrl, u8 page)
{
	struct nvme_command c = {};

	memset(ctrl->page, 0, POLLNVME_PAGE_SIZE);
	c.get_log_page.opcode = nvme_admin_get_log_page;
	c.get_log_page.nsid = cpu_to_le32(NVME_NSID_ALL);
	c.get_log_page.lid = page;
	c.get_log_page.numdl = cpu_to_le16(512 / sizeof(u32) - 1);
	c.get_log_page.dptr.prp1 = cpu_to_le64(ctrl->page_addr);
	return pollnvme_admin(ctrl, &c, NULL);
}

/**
 * pollnvme_set_queue_count() - ask for I/O queue pairs
 * @ctrl: controller
 * @count: how many are wanted; becomes how many are granted, if fewer
 *
 * Return: 0 or an error.
 */
int pollnvme_set_queue_count(struct pollnvme_ctrl *ctrl, unsigned int *count)
{
	u32 want = *count - 1, granted;
	struct nvme_command c = {};
	int err;

	c.features.opcode = nvme_admin_set_features;
	c.features.fid = cpu_to_le32(NVME_FEAT_NUM_QUEUES);
	c.features.dword11 = cpu_to_le32(want | want << 16);
	err = pollnvme_admin(ctrl, &c, &granted);
	if (err)
		return err;
	*count = min3(*count, (granted & 0xffff) + 1, (granted >> 16) + 1);
	return 0;
}

/**
 * pollnvme_create_qp() - make a queue pair known to the controller
 * @ctrl: controller
 * @qp: pair; the completion queue of a polled one gets no interrupt
 *
 * Return: 0 or an error.
 */
int pollnvme_create_qp(struct pollnvme_ctrl *ctrl, struct pollnvme_qp *qp)
{
	struct nvme_command c = {};
	int err;

	c.create_cq.opcode = nvme_admin_create_cq;
	c.create_cq.prp1 = cpu_to_le64(qp->cq_addr);
	c.create_cq.cqid = cpu_to_le16(qp->q.qid);
	c.create_cq.qsize = cpu_to_le16(qp->q.depth - 1);
	c.create_cq.cq_flags = cpu_to_le16(NVME_QUEUE_PHYS_CONTIG);
	if (qp->cmds) {
		c.create_cq.cq_flags |= cpu_to_le16(NVME_CQ_IRQ_ENABLED);
		c.create_cq.irq_vector = cpu_to_le16(qp->vector);
	}
	err = pollnvme_admin(ctrl, &c, NULL);
	if (err)
		return err;

	memset(&c, 0, sizeof(c));
	c.create_sq.opcode = nvme_admin_create_sq;
	c.create_sq.prp1 = cpu_to_le64(qp->sq_addr);
	c.create_sq.sqid = cpu_to_le16(qp->q.qid);
	c.create_sq.qsize = cpu_to_le16(qp->q.depth - 1);
	c.create_sq.sq_flags = cpu_to_le16(NVME_QUEUE_PHYS_CONTIG);
	c.create_sq.cqid = cpu_to_le16(qp->q.qid);
	return pollnvme_admin(ctrl, &c, NULL);
}

/**
 * pollnvme_abort() - ask the controller to give up a command
 * @ctrl: controller
 * @cmd: the command, in flight, or a copy of it
 *
 * Best effort: the command ends through its own completion, or by a reset.
 */
void pollnvme_abort(struct pollnvme_ctrl *ctrl, const struct pollnvme_cmd *cmd)
{
	struct nvme_command c = {};

	/* One at a time, whatever limit the controller has. */
	if (!mutex_trylock(&ctrl->abort_lock))
		return;
	c.abort.opcode = nvme_admin_abort_cmd;
	c.abort.sqid = cpu_to_le16(cmd->qp->q.qid);
	c.abort.cid = cmd->c.common.command_id;
	pollnvme_admin(ctrl, &c, NULL);
	mutex_unlock(&ctrl->abort_lock);
}
