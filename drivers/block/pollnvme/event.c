// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the controller says unasked: one Asynchronous Event Request is always
 * with it. The admin pair has no interrupt, so a worker looks once a second
 * whether it was answered. While the controller is paused or being reset the
 * worker finds the pair stopped, and touches no register.
 */
#include "pollnvme.h"
#include "pollnvme_compat.h"

/* How often the worker looks; nothing it can find is urgent. */
#define POLLNVME_EVENT_MS	1000

/* Critical warnings of the SMART log, all of them. */
#define POLLNVME_SMART_ALL	0x1f

/**
 * pollnvme_events_enable() - choose the events to be told of
 * @ctrl: controller, just enabled
 *
 * Return: 0, also where it knows no events, or why the command got no answer.
 */
int pollnvme_events_enable(struct pollnvme_ctrl *ctrl)
{
	u32 which = POLLNVME_SMART_ALL | (ctrl->oaes & NVME_AEN_CFG_NS_ATTR);
	struct nvme_command c = {};
	int err;

	c.features.opcode = nvme_admin_set_features;
	c.features.fid = cpu_to_le32(NVME_FEAT_ASYNC_EVENT);
	c.features.dword11 = cpu_to_le32(which);
	err = pollnvme_admin(ctrl, &c, NULL);
	return err == -EIO ? 0 : err;
}

static int pollnvme_event_log(struct pollnvme_ctrl *ctrl, u8 page)
{
	int err;

	mutex_lock(&ctrl->ident_lock);
	err = pollnvme_get_log(ctrl, page);
	mutex_unlock(&ctrl->ident_lock);
	return err;
}

static void pollnvme_event(struct pollnvme_ctrl *ctrl, u32 result)
{
	u8 type = result & 7, info = result >> 8, page = result >> 16;

	/* Before we look what has changed: what changes later is said again. */
	pollnvme_event_log(ctrl, page);
	switch (type) {
	case NVME_AER_NOTICE:
		if (info == NVME_AER_NOTICE_NS_CHANGED)
			WRITE_ONCE(ctrl->rescan, 1);
		break;
	case NVME_AER_SMART:
		dev_warn(&ctrl->dev, "controller warns: SMART event %#x, see its SMART log\n",
			 info);
		break;
	case NVME_AER_ERROR:
		dev_err(&ctrl->dev, "controller reports error %#x\n", info);
		if (info == NVME_AER_ERROR_PERSIST_INT_ERR)
			pollnvme_ctrl_expired(ctrl, ctrl->event.gen);
		break;
	}
}

static void pollnvme_event_send(struct pollnvme_ctrl *ctrl)
{
	struct pollnvme_cmd *event = &ctrl->event;

	memset(event, 0, sizeof(*event));
	event->c.common.opcode = nvme_admin_async_event;
	/* Fails while there is a reset; the next look tries again. */
	ctrl->event_sent = !pollnvme_qp_submit(ctrl->admin, event);
}

/* Takes the answer if there is one; false: it knows no events. */
static bool pollnvme_event_take(struct pollnvme_ctrl *ctrl)
{
	struct pollnvme_cmd *event = &ctrl->event;

	pollnvme_qp_poll(ctrl->admin);
	/* Acquire: pairs with the release in pollnvme_qp_end(). */
	if (!ctrl->event_sent || !smp_load_acquire(&event->done))
		return true;
	ctrl->event_sent = false;
	pollnvme_qp_finish(event);
	if (!event->status)
		pollnvme_event(ctrl, (u32)event->result);
	/* Cut off by a reset it is sent again; else it is refused for good. */
	return !event->status ||
	       (event->status & 0x7ff) == NVME_SC_HOST_ABORTED_CMD;
}

/**
 * pollnvme_event_work() - look for an event, and do what it asks for
 * @work: @event_work of a controller
 */
void pollnvme_event_work(struct work_struct *work)
{
	struct pollnvme_ctrl *ctrl = container_of(to_delayed_work(work),
						  struct pollnvme_ctrl,
						  event_work);
	bool events = pollnvme_event_take(ctrl);

	/* Ordered: the scan sees what was so when it became wanted. */
	if (xchg(&ctrl->rescan, 0))
		pollnvme_rescan(ctrl);
	/* The scan may want another. */
	if (READ_ONCE(ctrl->state) == POLLNVME_DEAD ||
	    (!events && !READ_ONCE(ctrl->rescan)))
		return;
	if (!ctrl->event_sent)
		pollnvme_event_send(ctrl);
	/* Not on @pollnvme_wq: a rescan allocates, and that may want a reset. */
	queue_delayed_work(system_dfl_wq, &ctrl->event_work,
			   msecs_to_jiffies(POLLNVME_EVENT_MS));
}

/**
 * pollnvme_events_start() - listen to a live controller
 * @ctrl: controller
 * @rescan: look at its namespaces first, soon
 */
void pollnvme_events_start(struct pollnvme_ctrl *ctrl, bool rescan)
{
	if (rescan)
		WRITE_ONCE(ctrl->rescan, 1);
	mod_delayed_work(system_dfl_wq, &ctrl->event_work, 0);
}

/**
 * pollnvme_events_stop() - listen no more; waits for what it began
 * @ctrl: controller
 */
void pollnvme_events_stop(struct pollnvme_ctrl *ctrl)
{
	cancel_delayed_work_sync(&ctrl->event_work);
}
