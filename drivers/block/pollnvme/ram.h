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
#include <linux/prandom.h>
#include "pollnvme.h"
#include "ram_model.h"

#define POLLNVME_RAM_LATENCY_NS	4100

/* Most namespaces of one controller. */
#define POLLNVME_RAM_NAMESPACES	8

/**
 * enum pollnvme_ram_kind - what its namespaces say they are
 * @POLLNVME_KIND_PLAIN: plain blocks, which is the truth
 * @POLLNVME_KIND_METADATA: blocks with 8 bytes of metadata
 * @POLLNVME_KIND_ZONED: zones
 * @POLLNVME_KINDS: how many there are
 */
enum pollnvme_ram_kind {
	POLLNVME_KIND_PLAIN,
	POLLNVME_KIND_METADATA,
	POLLNVME_KIND_ZONED,
	POLLNVME_KINDS,
};

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
 * @POLLNVME_FAULT_IDENT: an Identify of a namespace ends with a given status; no
 *	I/O command does
 * @POLLNVME_FAULT_NOCACHE: an Identify of the controller says it has no cache
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
	POLLNVME_FAULT_IDENT,	/* this and further ones: not of I/O commands */
	POLLNVME_FAULT_NOCACHE,
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
 * @dice: for the jitter
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
	struct rnd_state dice;
	struct pollnvme_qp *qp;
	struct pollnvme_ram_flight flight[POLLNVME_QUEUE_DEPTH];
} ____cacheline_aligned_in_smp;

/**
 * struct pollnvme_media - what a software controller keeps
 * @size: bytes
 * @blocks: blocks
 * @lba_shift: log2 of the block size
 * @uuid: identity of controller and namespace
 * @store: contents as reads and writes see them
 * @durable: contents as a power cut leaves them; NULL without a cache
 * @dirty: bit per block that differs between the two
 * @lock: with a cache: held for reading by who writes to @store, for writing by
 *	who copies from it to @durable
 */
struct pollnvme_media {
	u64 size;
	u64 blocks;
	u8 lba_shift;
	uuid_t uuid;
	void *store;
	void *durable;
	unsigned long *dirty;
	rwlock_t lock;
};

/**
 * struct pollnvme_ram - a software controller
 * @ctrl: what all transports share
 * @media: contents of the namespace; belongs to whoever made the controller
 * @power: guards @dark and changes of @csts
 * @dark: power was cut
 * @nr_ns: namespaces, equal parts of @media
 * @ns_blocks: blocks of each
 * @active: bit per namespace that is active; may change at any time
 * @identity: part of the ids of all of them; may change at any time
 * @kind: enum pollnvme_ram_kind
 * @changed: @active or @identity did, and the host did not read the log that says so
 * @event_held: the admin pair has an Asynchronous Event Request to answer
 * @event_cid: its command id
 * @model: how long it takes; may change at any time
 * @shaped: it has more than a latency
 * @busy: until when it is busy, where the model has channels or a bandwidth
 * @busy_lock: guards @busy
 * @fault: what goes wrong with the next I/O commands
 * @fault_value: NVMe status, or milliseconds, for @fault
 * @fault_count: with how many
 * @cc: Controller Configuration register
 * @csts: Controller Status register
 * @aqa: Admin Queue Attributes register
 * @asq: Admin Submission Queue Base Address register
 * @acq: Admin Completion Queue Base Address register
 * @nr_queues: I/O queue pairs
 * @queues: by queue id, the admin pair first
 */
struct pollnvme_ram {
	struct pollnvme_ctrl ctrl;
	struct pollnvme_media *media;
	struct mutex power;	/* dark, changes of csts */
	bool dark;
	unsigned int nr_ns;
	u64 ns_blocks;
	u32 active;
	u32 identity;
	unsigned int kind;
	bool changed;
	bool event_held;
	u16 event_cid;
	struct pollnvme_model model;
	bool shaped;
	struct pollnvme_model_busy busy;
	spinlock_t busy_lock;	/* busy */
	unsigned int fault;
	u32 fault_value;
	atomic_t fault_count;
	u32 cc;
	u32 csts;
	u32 aqa;
	u64 asq;
	u64 acq;
	unsigned int nr_queues;
	struct pollnvme_ram_queue *queues;
};

static inline struct pollnvme_ram *to_ram(struct pollnvme_ctrl *ctrl)
{
	return container_of(ctrl, struct pollnvme_ram, ctrl);
}

/**
 * pollnvme_ram_is_active() - whether a namespace is there
 * @ram: controller
 * @nsid: namespace id, whatever came
 *
 * Return: true when it can be used.
 */
static inline bool pollnvme_ram_is_active(const struct pollnvme_ram *ram,
					  u32 nsid)
{
	/* 0 is beyond them all, too. */
	u32 n = nsid - 1;

	return n < ram->nr_ns && READ_ONCE(ram->active) & 1u << n;
}

/* ram.c */
/**
 * struct pollnvme_ram_config - what a software controller is made from
 * @size_mb: size in MiB
 * @cache: 1: it has a volatile cache
 * @queues: I/O queue pairs it grants
 * @namespaces: how many it has, at least 1
 * @active: bit per namespace that is active
 * @identity: part of the ids of all of them
 * @kind: enum pollnvme_ram_kind
 * @latency_ns: see struct pollnvme_model, as for the next three
 * @jitter_ns: more by chance
 * @channels: commands at once
 * @bandwidth_mbs: megabytes per second
 */
struct pollnvme_ram_config {
	u32 size_mb;
	u32 cache;
	u32 queues;
	u32 namespaces;
	u32 active;
	u32 identity;
	u32 kind;
	u32 latency_ns;
	u32 jitter_ns;
	u32 channels;
	u32 bandwidth_mbs;
};

struct pollnvme_ram *
pollnvme_ram_create(struct pollnvme_media *media,
		    const struct pollnvme_ram_config *config);
void pollnvme_ram_change(struct pollnvme_ram *ram,
			 const struct pollnvme_ram_config *config);
void pollnvme_ram_destroy(struct pollnvme_ram *ram);
void pollnvme_ram_cut(struct pollnvme_ram *ram, u32 seed);

/* ram_media.c */
bool pollnvme_media_fits(u64 size, bool cache,
			 const struct pollnvme_media *instead);
struct pollnvme_media *pollnvme_media_alloc(u64 size, u8 lba_shift, bool cache);
void pollnvme_media_free(struct pollnvme_media *media);
void pollnvme_media_wrote(struct pollnvme_media *media, u64 lba, u32 blocks);
void pollnvme_media_flush(struct pollnvme_media *media, u64 lba, u64 blocks);
void pollnvme_media_cut(struct pollnvme_media *media, u32 seed);

/* ram_admin.c */
u16 pollnvme_ram_admin(struct pollnvme_ram *ram, const struct nvme_command *c,
		       u32 *result);

/* ram_log.c */
u16 pollnvme_ram_get_log(struct pollnvme_ram *ram, const struct nvme_command *c);
u16 pollnvme_ram_get_features(struct pollnvme_ram *ram,
			      const struct nvme_command *c, u32 *result);

/* ram_io.c */
void pollnvme_ram_drive(struct pollnvme_qp *qp);
void pollnvme_ram_arm(struct pollnvme_ram_queue *rq);
enum hrtimer_restart pollnvme_ram_timer(struct hrtimer *timer);

#endif /* POLLNVME_RAM_H */
