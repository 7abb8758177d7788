// SPDX-License-Identifier: GPL-2.0-only
/*
 * A command finds its pair, and a slot there: at once as a rule, else its
 * task waits for a slot, for memory or for the end of a reset.
 */
#include <linux/delay.h>
#include <linux/sched.h>
#include "pollnvme.h"

/* How often mapping is tried while there is no memory for it, each 1 ms. */
#define POLLNVME_MAP_TRIES		5000

/* All slots are taken by tasks that poll; poll for them, then sleep. */
static void pollnvme_wait_polled(struct pollnvme_ns *ns,
				 struct pollnvme_qp *qp, unsigned int turn)
{
	unsigned int found = pollnvme_qp_poll(qp);

	pollnvme_count_add(ns->stats, POLLNVME_REAPED_FOR_OTHERS, found);
	if (found || turn < 100) {
		cond_resched();
		cpu_relax();
	} else {
		usleep_range(50, 100);
	}
}

static bool pollnvme_full(const struct pollnvme_qp *qp)
{
	return hweight64(READ_ONCE(qp->q.busy)) >= qp->q.slots;
}

static void pollnvme_wait_slot(struct pollnvme_ns *ns, struct pollnvme_qp *qp,
			       unsigned int turn)
{
	if (!turn)
		pollnvme_count(ns->stats, POLLNVME_SLOT_WAITS);
	if (!qp->cmds)
		pollnvme_wait_polled(ns, qp, turn);
	else	/* Bounded, lest a task wait at a pair that is no longer its. */
		wait_event_timeout(qp->wait, !pollnvme_full(qp), HZ / 10);
}

/**
 * pollnvme_submit_again() - not at the first try: wait for what was missing
 * @ns: namespace
 * @cmd: command
 * @nowait: wait neither for a slot nor for memory nor for a reset
 * @err: what pollnvme_qp_submit() said
 *
 * Call pollnvme_submit() or, for a bio that is polled for, pollnvme_submit_polled().
 *
 * Return: as pollnvme_submit() does; BLK_STS_AGAIN, whatever @nowait, for a command
 * that an interrupt was to end, after a reset that left no pair with one.
 *
 * Context: process; may sleep.
 */
blk_status_t pollnvme_submit_again(struct pollnvme_ns *ns,
				   struct pollnvme_cmd *cmd, bool nowait,
				   int err)
{
	struct pollnvme_ctrl *ctrl = ns->ctrl;
	unsigned int turn = 0, tries = 0;

	for (;;) {
		if (err && READ_ONCE(ns->lost))
			return BLK_STS_IOERR;
		switch (err) {
		case 0:
			return BLK_STS_OK;
		case -EBUSY:
			if (nowait)
				return BLK_STS_AGAIN;
			/* The pair that was full, not where we are by now. */
			pollnvme_wait_slot(ns, cmd->qp, turn++);
			break;
		case -ESHUTDOWN:
			if (READ_ONCE(ctrl->state) == POLLNVME_DEAD)
				return BLK_STS_IOERR;
			if (nowait)
				return BLK_STS_AGAIN;
			/* Bounded: a reset ends, alive or dead. */
			wait_event(ctrl->wait, READ_ONCE(ctrl->ready));
			cond_resched();
			/* No pair with interrupts came back to send it to. */
			if (cmd->end && !pollnvme_has_irqs(ctrl))
				return BLK_STS_AGAIN;
			break;
		case -ENOMEM:
			if (nowait)
				return BLK_STS_AGAIN;
			/* Bounce buffers come back when other I/O ends. */
			if (tries++ == POLLNVME_MAP_TRIES)
				return BLK_STS_RESOURCE;
			usleep_range(1000, 2000);
			break;
		default:
			return BLK_STS_IOERR;
		}
		err = pollnvme_qp_submit(pollnvme_here(ctrl, cmd), cmd);
	}
}
