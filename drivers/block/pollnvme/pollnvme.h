/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the rooms of the driver share. From the top down: main; pci and ram
 * (transports); ioctl, info and chardev (what user space asks); ctrl, event and
 * admin (the controller's life); scan, ns and bio (the disks); async (what
 * nobody waits for); submit (a command finds its pair); command (one NVMe
 * command); qp and path (a queue pair with its locks, and what of it is inline);
 * and below all of them passthru, policy, prp, queue and ram_model, which are
 * pure.
 */
#ifndef POLLNVME_H
#define POLLNVME_H

#include <linux/bio.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/cdev.h>
#include <linux/cpumask.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/mutex.h>
#include <linux/nvme.h>
#include <linux/percpu.h>
#include <linux/rwsem.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/uuid.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <uapi/linux/pollnvme.h>
#include "policy.h"
#include "prp.h"
#include "queue.h"

#define POLLNVME_NAME		"pollnvme"

/* Largest transfer: its PRP list fits in half a page. */
#define POLLNVME_MAX_BYTES	SZ_1M
/* Pieces of memory one command may gather. */
#define POLLNVME_MAX_SEGMENTS	128
#define POLLNVME_ADMIN_DEPTH	32

/* How long to poll at full speed before sleeping between looks. */
#define POLLNVME_SPIN_LIMIT_US	1000
/* After this an I/O is aborted; after twice this the controller is reset. */
#define POLLNVME_IO_TIMEOUT_MS	30000
#define POLLNVME_ADMIN_TIMEOUT_MS	30000
/* How often a command is sent again after a reset or a passing error. */
#define POLLNVME_RETRIES	3
/* What an I/O may take, in hybrid mode, to be polled for. */
#define POLLNVME_HYBRID_LIMIT_US	20

struct pollnvme_ctrl;
struct pollnvme_mq;
struct pollnvme_qp;

/**
 * enum pollnvme_counter - what is counted per disk and CPU
 * @POLLNVME_READS: read commands completed
 * @POLLNVME_WRITES: write, write-zeroes and discard commands completed
 * @POLLNVME_FLUSHES: flush commands completed
 * @POLLNVME_ERRORS: commands that ended with an error, retries not counted
 * @POLLNVME_SPINS: turns of the polling loop
 * @POLLNVME_SPIN_NS: nanoseconds spent between doorbell and completion
 * @POLLNVME_SLEEPS: I/Os that outlived the spin limit and slept
 * @POLLNVME_REAPED_FOR_OTHERS: completions taken on behalf of other tasks
 * @POLLNVME_SLOT_WAITS: I/Os that found no free slot
 * @POLLNVME_TIMEOUTS: commands that outlived the I/O timeout
 * @POLLNVME_RETRIED: commands sent again
 * @POLLNVME_IRQS: reads and writes ended by an interrupt
 * @POLLNVME_COUNTERS: how many counters there are
 */
enum pollnvme_counter {
	POLLNVME_READS,
	POLLNVME_WRITES,
	POLLNVME_FLUSHES,
	POLLNVME_ERRORS,
	POLLNVME_SPINS,
	POLLNVME_SPIN_NS,
	POLLNVME_SLEEPS,
	POLLNVME_REAPED_FOR_OTHERS,
	POLLNVME_SLOT_WAITS,
	POLLNVME_TIMEOUTS,
	POLLNVME_RETRIED,
	POLLNVME_IRQS,
	POLLNVME_COUNTERS,
};

/**
 * struct pollnvme_stats - one CPU's counters of one disk
 * @count: by enum pollnvme_counter
 */
struct pollnvme_stats {
	u64 count[POLLNVME_COUNTERS];
};

/**
 * struct pollnvme_cmd - one command, on the stack of the task that waits, or
 * in @cmds of a pair with interrupts when nobody waits
 * @c: the command; id and data pointers are filled in by pollnvme_qp_submit()
 * @bio: its data, or NULL
 * @rq: whose command it is on a blk-mq disk, where @bio is the first of a list
 * @range: discard range to send, or NULL
 * @qp: where it was submitted
 * @slot: slot of @qp it uses
 * @gen: generation of the controller it was submitted to
 * @segments: pieces of @bio mapped for the device
 * @addr: bus address of the piece when there is one only
 * @start_ns: when the doorbell was rung
 * @result: double word 0 and 1 of the completion
 * @status: status field of the completion, without phase
 * @done: the last thing the reaper writes; it does not touch the command after
 * @end: called when it ended, maybe in hard interrupt; NULL: somebody waits
 * @accounted: its bio is accounted from @acct_start on
 * @acct_start: when accounting began, jiffies
 * @stage: how often the watch found it late
 */
struct pollnvme_cmd {
	struct nvme_command c;
	struct bio *bio;
	struct request *rq;
	const struct nvme_dsm_range *range;
	struct pollnvme_qp *qp;
	unsigned int slot;
	unsigned int gen;
	unsigned int segments;
	u64 addr;
	u64 start_ns;
	u64 result;
	u16 status;
	bool done;
	u8 stage;
	bool accounted;
	void (*end)(struct pollnvme_cmd *cmd);
	unsigned long acct_start;
};

/**
 * struct pollnvme_slot - what belongs to a command id
 * @cmd: the command in flight, NULL when none
 * @prp: memory of its PRP list, or of its discard range
 * @prp_addr: bus address of @prp
 * @addrs: bus addresses of the pieces of a command with several
 */
struct pollnvme_slot {
	struct pollnvme_cmd *cmd;
	__le64 *prp;
	u64 prp_addr;
	u64 *addrs;
};

/**
 * struct pollnvme_qp - a queue pair
 * @lock: guards the rings, the slots and @live; never held while waiting; with
 *	interrupts off in a pair that has interrupts
 * @q: rings and command ids
 * @ctrl: its controller
 * @sq_db: submission doorbell: a register, NULL for the ram transport
 * @cq_db: completion doorbell
 * @hw: the software controller's side of the pair, NULL for pci
 * @cmds: by slot, the commands of a pair with interrupts; NULL: a polled pair
 * @vector: interrupt vector of the controller
 * @has_irq: the transport was asked for its interrupt
 * @wait: of a pair with interrupts: where submitters wait for a slot
 * @live: commands may be submitted
 * @rung_ns: when the submission doorbell was last rung
 * @lied: a completion that makes no sense was reported
 * @prp_entries: entries that fit in a slot's list
 * @sq_addr: bus address of the submission ring
 * @cq_addr: bus address of the completion ring
 * @prp_mem: memory of all slots' lists
 * @prp_addr: bus address of @prp_mem
 * @addrs: memory of all slots' address arrays
 * @slots: by slot number
 */
struct pollnvme_qp {
	spinlock_t lock;	/* rings, slots, live */
	struct pollnvme_queue q;
	struct pollnvme_ctrl *ctrl;
	u32 __iomem *sq_db;
	u32 __iomem *cq_db;
	void *hw;
	struct pollnvme_cmd *cmds;
	unsigned int vector;
	bool has_irq;
	wait_queue_head_t wait;
	u64 rung_ns;
	bool live;
	bool lied;
	u32 prp_entries;
	u64 sq_addr;
	u64 cq_addr;
	void *prp_mem;
	u64 prp_addr;
	u64 *addrs;
	struct pollnvme_slot slots[POLLNVME_SLOTS];
} ____cacheline_aligned_in_smp;

/**
 * struct pollnvme_transport - how a controller is reached
 * @name: "pci" or "ram"
 * @read32: read a register; all ones when the controller is gone
 * @read64: read a register of 8 bytes
 * @write32: write a register
 * @write64: write a register of 8 bytes
 * @alloc: zeroed memory that the controller can reach, page aligned
 * @free: give it back
 * @setup_qp: find a pair's doorbells; no controller access
 * @ring_sq: write the submission doorbell, with all of the ring visible before
 * @ring_cq: write the completion doorbell
 * @drive: let a software controller work on a pair; NULL where hardware does
 * @halt: stop all access to memory by a controller that does not obey
 * @set_irqs: have vectors for so many I/O pairs, none of which has asked for its own
 *	yet, and return how many; NULL where they are not shared out among CPUs
 * @get_irq: have completions of a pair call pollnvme_qp_irq(); NULL where the
 *	controller needs nothing for it
 * @put_irq: undo it, and wait for a call under way
 * @irq_mask: the CPUs that a vector interrupts, or NULL
 * @release: free the object that embeds the controller
 */
struct pollnvme_transport {
	const char *name;
	u32 (*read32)(struct pollnvme_ctrl *ctrl, u32 reg);
	u64 (*read64)(struct pollnvme_ctrl *ctrl, u32 reg);
	void (*write32)(struct pollnvme_ctrl *ctrl, u32 reg, u32 value);
	void (*write64)(struct pollnvme_ctrl *ctrl, u32 reg, u64 value);
	void *(*alloc)(struct pollnvme_ctrl *ctrl, size_t size, u64 *addr);
	void (*free)(struct pollnvme_ctrl *ctrl, size_t size, void *mem,
		     u64 addr);
	void (*setup_qp)(struct pollnvme_ctrl *ctrl, struct pollnvme_qp *qp);
	void (*ring_sq)(struct pollnvme_qp *qp, u16 tail);
	void (*ring_cq)(struct pollnvme_qp *qp, u16 head);
	void (*drive)(struct pollnvme_qp *qp);
	void (*halt)(struct pollnvme_ctrl *ctrl);
	unsigned int (*set_irqs)(struct pollnvme_ctrl *ctrl, unsigned int irqs);
	int (*get_irq)(struct pollnvme_qp *qp);
	void (*put_irq)(struct pollnvme_qp *qp);
	const struct cpumask *(*irq_mask)(struct pollnvme_ctrl *ctrl,
					  unsigned int vector);
	void (*release)(struct pollnvme_ctrl *ctrl);
};

/**
 * enum pollnvme_state - where a controller is in its life
 * @POLLNVME_NEW: being set up
 * @POLLNVME_LIVE: serves I/O
 * @POLLNVME_RESETTING: I/O waits for the reset to end
 * @POLLNVME_DELETING: being removed; I/O still works
 * @POLLNVME_DEAD: all I/O fails
 */
enum pollnvme_state {
	POLLNVME_NEW,
	POLLNVME_LIVE,
	POLLNVME_RESETTING,
	POLLNVME_DELETING,
	POLLNVME_DEAD,
};

/**
 * struct pollnvme_ctrl - a controller
 * @dev: its device in class pollnvme
 * @cdev: its character device
 * @transport: how it is reached
 * @dma_dev: whose DMA addresses it uses; NULL: physical addresses
 * @instance: the number in its name
 * @lock: guards @state and @gen
 * @state: where it is in its life
 * @gen: counts resets, so that two timeouts of one generation reset once
 * @ready: submitters need not wait in @wait; set once queues work, cleared
 *	by a reset; stays set when dead, where submission fails at once
 * @wait: where submitters wait for the end of a reset
 * @reset_work: disables, cancels, enables again
 * @abort_lock: one Abort command at a time
 * @user_lock: held for reading while a command from user space runs
 * @gone: no command from user space may run any more; under @user_lock
 * @ns_lock: guards @namespaces
 * @namespaces: attached disks
 * @scan_lock: one scan, removal or exchange of disks at a time; held by who
 *	changes @namespaces or @mq
 * @mq: what its blk-mq disks share; NULL: its disks are bio disks
 * @scans: counts scans
 * @rescan: a scan is wanted
 * @unsure: the scan under way could not find out all it was to
 * @said_unsure: the last one could not, which is said once
 * @paused: stopped by pollnvme_ctrl_pause()
 * @mq_failing: what blk-mq disks still have under way fails, for the system sleeps
 * @event: the command that the controller answers when something happens
 * @event_sent: it has @event, or has answered it
 * @event_work: looks whether it has
 * @cap: Controller Capabilities register
 * @ready_ms: how long enabling and disabling may take, in milliseconds
 * @shutdown_ms: how long a shutdown may take, in milliseconds
 * @page: a page for Identify data
 * @page_addr: bus address of @page
 * @ident_lock: guards @page
 * @admin: admin queue pair
 * @qps: I/O queue pairs: first those polled, then those with interrupts
 * @nr_qps: allocated I/O queue pairs
 * @nr_polled: how many of them are polled, at least one
 * @nr_live: I/O queue pairs that the controller granted
 * @max_qps: most I/O queue pairs that the transport has doorbells for
 * @max_irqs: most pairs with interrupts that the transport has vectors for
 * @depth: entries of an I/O ring
 * @map: CPU number to polled pair
 * @irq_map: CPU number to pair with interrupts
 * @watch: looks after commands that nobody waits for
 * @watching: @watch is, or will soon be, under way
 * @max_bytes: largest transfer
 * @nn: largest namespace id that can be valid
 * @oncs: optional commands it knows
 * @oaes: optional events it reports
 * @vwc: it has a volatile write cache
 * @version: NVMe version it claims
 * @cntlid: controller id
 * @model: model number
 * @serial: serial number
 * @firmware: firmware revision
 * @spin_limit_us: see POLLNVME_SPIN_LIMIT_US
 * @io_timeout_ms: see POLLNVME_IO_TIMEOUT_MS
 */
struct pollnvme_ctrl {
	struct device dev;
	struct cdev cdev;
	const struct pollnvme_transport *transport;
	struct device *dma_dev;
	int instance;

	spinlock_t lock;	/* state, gen */
	enum pollnvme_state state;
	unsigned int gen;
	bool ready;
	wait_queue_head_t wait;
	struct work_struct reset_work;
	struct mutex abort_lock;	/* one Abort at a time */
	struct rw_semaphore user_lock;	/* gone */
	bool gone;

	struct mutex ns_lock;	/* namespaces */
	struct list_head namespaces;
	struct mutex scan_lock;	/* scans, mq */
	struct pollnvme_mq *mq;
	unsigned int scans;
	unsigned int rescan;	/* not bool: some architectures exchange words alone */
	bool unsure;
	bool said_unsure;
	bool paused;
	bool mq_failing;

	struct pollnvme_cmd event;
	bool event_sent;
	struct delayed_work event_work;

	u64 cap;
	unsigned int ready_ms;
	unsigned int shutdown_ms;
	void *page;
	u64 page_addr;
	struct mutex ident_lock;	/* page */

	struct pollnvme_qp *admin;
	struct pollnvme_qp **qps;
	unsigned int nr_qps;
	unsigned int nr_polled;
	unsigned int nr_live;
	unsigned int max_qps;
	unsigned int max_irqs;
	unsigned int depth;
	u16 *map;
	u16 *irq_map;
	struct delayed_work watch;
	bool watching;

	u32 max_bytes;
	u32 nn;
	u16 oncs;
	u32 oaes;
	bool vwc;
	u32 version;
	u16 cntlid;
	char model[41];
	char serial[21];
	char firmware[9];

	unsigned int spin_limit_us;
	unsigned int io_timeout_ms;
};

/**
 * struct pollnvme_ns - a namespace and its disk
 * @ctrl: its controller
 * @disk: its disk
 * @node: in the controller's list
 * @stats: counters
 * @estimates: what I/O of each class takes, per CPU
 * @mode: enum pollnvme_mode
 * @hybrid_limit_us: what an I/O may be expected to take to be polled for
 * @retry_lock: guards @retry
 * @retry: bios that nobody waits for, to be tried again
 * @retry_work: tries them again, waiting for each
 * @scan: the last scan that found it
 * @nsid: namespace id
 * @lba_shift: log2 of the block size
 * @read_only: write protected
 * @vwc: the disk knows of a volatile write cache
 * @oncs: optional commands that the disk knows of
 * @max_bytes: largest transfer that the disk knows of
 * @user_lock: held for reading while a command from user space is sent to it
 * @gone: no such command may be sent any more; under @user_lock
 * @lost: its namespace is not there any more: nothing waiting or failed is sent,
 *	for its number may be that of another
 * @frozen: by pollnvme_mq_freeze()
 * @leaving: the disk goes away: it may not be opened; under its @open_mutex
 * @nguid: globally unique id, zero when it has none
 * @eui64: the older, shorter id
 * @uuid: the id as UUID
 * @csi: command set
 */
struct pollnvme_ns {
	struct pollnvme_ctrl *ctrl;
	struct gendisk *disk;
	struct list_head node;
	struct pollnvme_stats __percpu *stats;
	struct pollnvme_estimates __percpu *estimates;
	unsigned int mode;
	unsigned int hybrid_limit_us;
	spinlock_t retry_lock;	/* retry */
	struct bio_list retry;
	struct work_struct retry_work;
	unsigned int scan;
	u32 nsid;
	u8 lba_shift;
	bool read_only;
	bool vwc;
	u16 oncs;
	u32 max_bytes;
	bool gone;
	struct rw_semaphore user_lock;	/* gone */
	bool lost;
	bool frozen;
	bool leaving;
	u8 csi;
	u8 nguid[16];
	u8 eui64[8];
	uuid_t uuid;
};

#define pollnvme_count_add(stats, counter, n) \
	this_cpu_add((stats)->count[counter], n)
#define pollnvme_count(stats, counter) \
	this_cpu_inc((stats)->count[counter])

/* A bio that was done is a read or a write, or one that clears. */
static __always_inline void pollnvme_count_done(struct pollnvme_ns *ns,
						const struct bio *bio)
{
	pollnvme_count(ns->stats, op_is_write(bio_op(bio)) ? POLLNVME_WRITES :
							     POLLNVME_READS);
}

/* What an I/O took is learned from all in hybrid mode, else from one of so many. */
#define POLLNVME_SAMPLE		64

/**
 * pollnvme_teaches() - whether to learn from a command that ended
 * @ns: namespace
 * @cmd: command; the clock's low bits at its start are as good as dice
 *
 * Return: true to call pollnvme_learn().
 */
static inline bool pollnvme_teaches(const struct pollnvme_ns *ns,
				    const struct pollnvme_cmd *cmd)
{
	return !(cmd->start_ns % POLLNVME_SAMPLE) ||
	       READ_ONCE(ns->mode) == POLLNVME_HYBRID;
}

/* qp.c */
struct pollnvme_qp *pollnvme_qp_alloc(struct pollnvme_ctrl *ctrl, u16 qid,
				      u16 depth, int node, bool irq);
void pollnvme_qp_free(struct pollnvme_qp *qp);
void pollnvme_qp_start(struct pollnvme_qp *qp);
void pollnvme_qp_stop(struct pollnvme_qp *qp);
void pollnvme_qp_cancel(struct pollnvme_qp *qp);
int pollnvme_qp_submit(struct pollnvme_qp *qp, struct pollnvme_cmd *cmd);
int pollnvme_qp_submit_list(struct pollnvme_qp *qp, struct pollnvme_cmd *cmd);
void pollnvme_qp_lied(struct pollnvme_qp *qp, u16 id, u16 qid);
unsigned int pollnvme_qp_reap(struct pollnvme_qp *qp);
unsigned int pollnvme_qp_irq(struct pollnvme_qp *qp);
bool pollnvme_qp_late(struct pollnvme_qp *qp, u64 timeout_ns,
		      struct pollnvme_cmd *late);
void pollnvme_qp_finish_list(struct pollnvme_cmd *cmd);
bool pollnvme_qp_disown(struct pollnvme_cmd *cmd);

/**
 * pollnvme_qp_look() - let an embedded controller work, and look for completions
 * @qp: pair
 *
 * Inline: the time of a look is how late, on average by half, a completion is seen.
 *
 * Return: true when pollnvme_qp_reap() may find one.
 */
static inline bool pollnvme_qp_look(struct pollnvme_qp *qp)
{
	const struct pollnvme_transport *t = qp->ctrl->transport;

	if (t->drive)
		t->drive(qp);
	return pollnvme_queue_cqe_pending(&qp->q);
}

/**
 * pollnvme_qp_poll() - look for completions and end what is found
 * @qp: pair
 *
 * When another task holds the lock it submits or reaps; if it reaps, it reaps
 * for us, else the next look finds what is there. (With PREEMPT_RT the lock is
 * waited for.)
 *
 * Return: completions taken.
 */
static inline unsigned int pollnvme_qp_poll(struct pollnvme_qp *qp)
{
	return pollnvme_qp_look(qp) ? pollnvme_qp_reap(qp) : 0;
}

/* command.c */
blk_status_t pollnvme_cmd_from_rq(struct pollnvme_ns *ns, struct request *rq,
				  struct pollnvme_cmd *cmd,
				  struct nvme_dsm_range *range);
void pollnvme_cmd_flush(struct pollnvme_ns *ns, struct pollnvme_cmd *cmd);
int pollnvme_cmd_map(struct pollnvme_cmd *cmd);
void pollnvme_cmd_unmap_bio(struct pollnvme_cmd *cmd);
blk_status_t pollnvme_status_to_blk(u16 status);
bool pollnvme_status_may_retry(u16 status);

/**
 * pollnvme_cmd_unmap() - give a command's data back to the CPU
 * @cmd: command that the controller no longer knows
 */
static inline void pollnvme_cmd_unmap(struct pollnvme_cmd *cmd)
{
	if (cmd->segments && cmd->qp->ctrl->dma_dev)
		pollnvme_cmd_unmap_bio(cmd);
}

/**
 * pollnvme_qp_finish() - what the owner of a done command does first
 * @cmd: command that is done
 */
static inline void pollnvme_qp_finish(struct pollnvme_cmd *cmd)
{
	if (unlikely(cmd->segments > 1))
		pollnvme_qp_finish_list(cmd);
	else
		pollnvme_cmd_unmap(cmd);
}

/* admin.c */
int pollnvme_admin(struct pollnvme_ctrl *ctrl, struct nvme_command *c,
		   u32 *result);
int pollnvme_identify(struct pollnvme_ctrl *ctrl, u8 cns, u32 nsid);
int pollnvme_get_log(struct pollnvme_ctrl *ctrl, u8 page);
int pollnvme_set_queue_count(struct pollnvme_ctrl *ctrl, unsigned int *count);
int pollnvme_create_qp(struct pollnvme_ctrl *ctrl, struct pollnvme_qp *qp);
void pollnvme_abort(struct pollnvme_ctrl *ctrl,
		    const struct pollnvme_cmd *cmd);

/* ctrl.c */
int pollnvme_ctrl_init(struct pollnvme_ctrl *ctrl,
		       const struct pollnvme_transport *transport,
		       struct device *parent);
int pollnvme_ctrl_start(struct pollnvme_ctrl *ctrl);
void pollnvme_ctrl_remove(struct pollnvme_ctrl *ctrl, bool gone);
void pollnvme_ctrl_shutdown(struct pollnvme_ctrl *ctrl);
int pollnvme_ctrl_reset(struct pollnvme_ctrl *ctrl);
void pollnvme_ctrl_expired(struct pollnvme_ctrl *ctrl, unsigned int gen);
void pollnvme_ctrl_pause(struct pollnvme_ctrl *ctrl, bool shutdown);
int pollnvme_ctrl_resume(struct pollnvme_ctrl *ctrl);
void pollnvme_ctrl_put_irqs(struct pollnvme_ctrl *ctrl);
void pollnvme_ctrl_get_irqs(struct pollnvme_ctrl *ctrl);

/* event.c */
int pollnvme_events_enable(struct pollnvme_ctrl *ctrl);
void pollnvme_events_start(struct pollnvme_ctrl *ctrl, bool rescan);
void pollnvme_events_stop(struct pollnvme_ctrl *ctrl);
void pollnvme_event_work(struct work_struct *work);

/* scan.c */
int pollnvme_scan(struct pollnvme_ctrl *ctrl);
int pollnvme_rescan(struct pollnvme_ctrl *ctrl);
void pollnvme_scan_again(struct pollnvme_ctrl *ctrl, u32 nsid, int err);

/* ns.c */
void pollnvme_ns_attach(struct pollnvme_ctrl *ctrl, u32 nsid);
bool pollnvme_ns_revalidate(struct pollnvme_ns *ns);
void pollnvme_ns_remove(struct pollnvme_ns *ns);
void pollnvme_ns_lose(struct pollnvme_ns *ns);
void pollnvme_ns_remove_all(struct pollnvme_ctrl *ctrl);
void pollnvme_ns_mark_dead(struct pollnvme_ctrl *ctrl);

/* bio.c */
void pollnvme_submit_bio(struct bio *bio);
void pollnvme_end(struct bio *bio, blk_status_t status);
void pollnvme_bio_again(struct pollnvme_ns *ns, struct bio *bio);

/* mq.c */
struct pollnvme_mq *pollnvme_mq_setup(struct pollnvme_ctrl *ctrl);
void pollnvme_mq_teardown(struct pollnvme_mq *mq);
void pollnvme_mq_freeze(struct pollnvme_ctrl *ctrl);
void pollnvme_mq_cut_off(struct pollnvme_ctrl *ctrl);
void pollnvme_mq_thaw(struct pollnvme_ctrl *ctrl);

/* disks.c */
const char *pollnvme_disks_show(struct pollnvme_ctrl *ctrl);
int pollnvme_disks_choose(struct pollnvme_ctrl *ctrl, const char *name);

/* submit.c */
blk_status_t pollnvme_submit_again(struct pollnvme_ns *ns,
				   struct pollnvme_cmd *cmd, bool nowait,
				   int err);

/* This CPU's pair. A hint of locality only: the pair's lock makes it safe. */
static inline struct pollnvme_qp *
pollnvme_pair(const struct pollnvme_ctrl *ctrl, const u16 *map)
{
	return ctrl->qps[READ_ONCE(map[raw_smp_processor_id()])];
}

static inline struct pollnvme_qp *
pollnvme_here(const struct pollnvme_ctrl *ctrl, const struct pollnvme_cmd *cmd)
{
	return pollnvme_pair(ctrl, cmd->end ? ctrl->irq_map : ctrl->map);
}

/**
 * pollnvme_submit() - send a command through the pair of this CPU
 * @ns: namespace
 * @cmd: command; with @end through a pair with interrupts, and then the
 *	caller's copy is no longer needed
 * @nowait: wait neither for a slot nor for memory nor for a reset
 *
 * Return: BLK_STS_OK, BLK_STS_AGAIN when it would have to wait, or an error.
 *
 * Context: process; may sleep.
 */
static inline blk_status_t pollnvme_submit(struct pollnvme_ns *ns,
					   struct pollnvme_cmd *cmd,
					   bool nowait)
{
	int err = pollnvme_qp_submit(pollnvme_here(ns->ctrl, cmd), cmd);

	if (likely(!err))
		return BLK_STS_OK;
	return pollnvme_submit_again(ns, cmd, nowait, err);
}

/* async.c */
bool pollnvme_has_irqs(const struct pollnvme_ctrl *ctrl);
bool pollnvme_chooses(struct pollnvme_ns *ns, const struct bio *bio,
		      unsigned int mode);
void pollnvme_learn(struct pollnvme_ns *ns, const struct pollnvme_cmd *cmd,
		    u64 now);
void pollnvme_async(struct pollnvme_ns *ns, struct pollnvme_cmd *cmd,
		    bool account, bool nowait);
void pollnvme_retry_work(struct work_struct *work);
void pollnvme_watch(struct pollnvme_ctrl *ctrl);
void pollnvme_watch_work(struct work_struct *work);
void pollnvme_async_drain(struct pollnvme_ns *ns);

/**
 * pollnvme_polls() - whether to poll for a bio
 * @ns: namespace
 * @bio: bio, within the limits
 *
 * A bio that asks to be polled for is, in every mode.
 *
 * Return: true to poll, false to let an interrupt end it.
 */
static inline bool pollnvme_polls(struct pollnvme_ns *ns, const struct bio *bio)
{
	unsigned int mode = READ_ONCE(ns->mode);

	return likely(mode == POLLNVME_SYNC) || (bio->bi_opf & REQ_POLLED) ||
	       pollnvme_chooses(ns, bio, mode);
}

/* stats.c */
extern const char * const pollnvme_counter_names[POLLNVME_COUNTERS];
u64 pollnvme_stats_sum(struct pollnvme_ns *ns, enum pollnvme_counter counter);
void pollnvme_debugfs_add(struct pollnvme_ns *ns);
void pollnvme_debugfs_remove(struct pollnvme_ns *ns);
void pollnvme_debugfs_init(void);
void pollnvme_debugfs_exit(void);

/* info.c */
int pollnvme_ioctl_info(struct pollnvme_ns *ns,
			struct pollnvme_info __user *user);

/* ioctl.c */
int pollnvme_ctrl_ioctl(struct pollnvme_ctrl *ctrl, unsigned int cmd,
			void __user *user);

/* chardev.c */
int pollnvme_chardev_add(struct pollnvme_ctrl *ctrl);
void pollnvme_chardev_remove(struct pollnvme_ctrl *ctrl);
void pollnvme_chardev_gone(struct pollnvme_ctrl *ctrl);
int pollnvme_chardev_init(void);
void pollnvme_chardev_exit(void);

/* sysfs.c */
extern const struct attribute_group *pollnvme_ctrl_groups[];
extern const struct attribute_group *pollnvme_disk_groups[];

/* main.c */
extern struct workqueue_struct *pollnvme_wq;
extern struct workqueue_struct *pollnvme_retry_wq;
int pollnvme_instance_get(struct pollnvme_ctrl *ctrl);
void pollnvme_instance_put(struct pollnvme_ctrl *ctrl);
extern struct class pollnvme_class;

/* pci.c, ram_config.c */
int pollnvme_pci_init(void);
void pollnvme_pci_exit(void);
int pollnvme_ram_init(void);
void pollnvme_ram_exit(void);

#endif /* POLLNVME_H */
