/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The software controller: NVMe registers, queues and one namespace in
 * memory. Its bus addresses are physical addresses. It has no thread of its
 * own: whoever polls a queue pair, or rings its doorbell, lets the controller
 * work on that pair; a timer of the same CPU stands for the interrupt.
 */
#ifndef POLLNVME_RAM_H
#define POLLNVME_RAM_H

#include <linux/hrtimer.h>
#include "pollnvme.h"

#define POLLNVME_RAM_LATENCY_NS	4100

/* When a flight is due whose command is being carried out, or lost. */
#define POLLNVME_RAM_NEVER	U64_MAX

/**
 * enum pollnvme_ram_fault - what goes wrong with an I/O command, on request
 * @POLLNVME_FAULT_NONE: nothing
 * @POLLNVME_FAULT_STATUS: it is not carried out and ends with a given status
 * @POLLNVME_FAULT_LOST: it is carried out and never ends; Abort finds it not
 * @POLLNVME_FAULT_LATE: it ends a given time later
 * @POLLNVME_FAULT_UNKNOWN: before it ends, a command ends that was never sent
 * @POLLNVME_FAULT_FOREIGN: before it ends, one of another queue ends
 * @POLLNVME_FAULT_TWICE: it ends twice
 * @POLLNVME_FAULTS: how many there are
 */
enum pollnvme_ram_fault {
	POLLNVME_FAULT_NONE,
	POLLNVME_FAULT_STATUS,
	POLLNVME_FAULT_LOST,
	POLLNVME_FAULT_LATE,
	POLLNVME_FAULT_UNKNOWN,
	POLLNVME_FAULT_FOREIGN,
	POLLNVME_FAULT_TWICE,
	POLLNVME_FAULTS,
};

/**
 * struct pollnvme_ram_flight - a command fetched, its completion not yet due
 * @due: when it completes, ktime_get_ns(), or POLLNVME_RAM_NEVER
 * @cid: command id
 * @status: NVMe status
 * @fault: enum pollnvme_ram_fault that its end still brings
 */
struct pollnvme_ram_flight {
	u64 due;
	u16 cid;
	u16 status;
	u8 fault;
};

/**
 * struct pollnvme_ram_queue - the controller's side of a queue pair
 * @lock: guards all but the doorbells; a timer takes it, so interrupts are off
 * @sq_db: submission doorbell, written by the host
 * @cq_db: completion doorbell
 * @next_due: earliest due time in @flight; a hint without the lock
 * @sq: submission ring, NULL until created
 * @cq: completion ring, NULL until created
 * @sq_depth: entries of @sq
 * @cq_depth: entries of @cq
 * @sq_head: next entry to fetch
 * @cq_tail: next entry to post
 * @phase: phase tag of new completions
 * @irq: completions are announced by an interrupt, which @timer stands for
 * @moving: commands being carried out, without the lock
 * @flying: bit per entry of @flight in use
 * @armed: when @timer goes off, POLLNVME_RAM_NEVER when it does not
 * @timer: posts completions of a pair with interrupts, then interrupts
 * @qp: the host's side of the pair
 * @flight: commands fetched
 */
struct pollnvme_ram_queue {
	spinlock_t lock;	/* all but the doorbells */
	u32 sq_db;
	u32 cq_db;
	u64 next_due;
	const struct nvme_command *sq;
	struct nvme_completion *cq;
	u16 sq_depth;
	u16 cq_depth;
	u16 sq_head;
	u16 cq_tail;
	u16 phase;
	bool irq;
	unsigned int moving;
	u64 flying;
	u64 armed;
	struct hrtimer timer;
	struct pollnvme_qp *qp;
	struct pollnvme_ram_flight flight[POLLNVME_QUEUE_DEPTH];
} ____cacheline_aligned_in_smp;

/**
 * struct pollnvme_ram - a software controller
 * @ctrl: what all transports share
 * @store: contents of the namespace
 * @size: bytes of @store
 * @lba_shift: log2 of the block size
 * @latency_ns: from doorbell to completion; may change at any time
 * @fault: what goes wrong with the next I/O commands
 * @fault_value: NVMe status, or milliseconds, for @fault
 * @fault_count: with how many
 * @cc: Controller Configuration register
 * @csts: Controller Status register
 * @aqa: Admin Queue Attributes register
 * @asq: Admin Submission Queue Base Address register
 * @acq: Admin Completion Queue Base Address register
 * @uuid: identity of controller and namespace
 * @nr_queues: I/O queue pairs
 * @queues: by queue id, the admin pair first
 */
struct pollnvme_ram {
	struct pollnvme_ctrl ctrl;
	void *store;
	u64 size;
	u8 lba_shift;
	u64 latency_ns;
	unsigned int fault;
	u32 fault_value;
	atomic_t fault_count;
	u32 cc;
	u32 csts;
	u32 aqa;
	u64 asq;
	u64 acq;
	uuid_t uuid;
	unsigned int nr_queues;
	struct pollnvme_ram_queue *queues;
};

static inline struct pollnvme_ram *to_ram(struct pollnvme_ctrl *ctrl)
{
	return container_of(ctrl, struct pollnvme_ram, ctrl);
}

/* ram.c */
struct pollnvme_ram *pollnvme_ram_create(u64 size, u8 lba_shift,
					 unsigned int queues, u64 latency_ns);
void pollnvme_ram_destroy(struct pollnvme_ram *ram);

/* ram_admin.c */
u16 pollnvme_ram_admin(struct pollnvme_ram *ram, const struct nvme_command *c,
		       u32 *result);

/* ram_io.c */
void pollnvme_ram_drive(struct pollnvme_qp *qp);
void pollnvme_ram_arm(struct pollnvme_ram_queue *rq);
enum hrtimer_restart pollnvme_ram_timer(struct hrtimer *timer);

#endif /* POLLNVME_RAM_H */
