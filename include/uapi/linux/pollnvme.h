/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * pollnvme: what an application may ask a disk about synchronous completion,
 * so that it can choose between polling and asynchronous I/O, and sizes.
 * Commands for the device itself go through linux/nvme_ioctl.h.
 */
#ifndef _UAPI_LINUX_POLLNVME_H
#define _UAPI_LINUX_POLLNVME_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * enum pollnvme_mode - how a disk completes I/O
 * @POLLNVME_SYNC: the submitter polls
 * @POLLNVME_ASYNC: an interrupt ends the I/O
 * @POLLNVME_HYBRID: the one or the other, by a rule
 * @POLLNVME_MQ: a blk-mq disk: an interrupt ends a request, io_uring may poll
 */
enum pollnvme_mode {
	POLLNVME_SYNC,
	POLLNVME_ASYNC,
	POLLNVME_HYBRID,
	POLLNVME_MQ,

	/* private: */
	POLLNVME_MODES,
};

/* Completion is synchronous now: a submitted I/O has ended on return. */
#define POLLNVME_INFO_SYNC	(1u << 0)
/* The other modes can be chosen: there are queue pairs with interrupts. */
#define POLLNVME_INFO_IRQS	(1u << 1)

/* Size classes: to 1 KiB, to 2 KiB, ... to 1 MiB and above. */
#define POLLNVME_INFO_CLASSES	11

/**
 * struct pollnvme_info - what POLLNVME_IOCTL_INFO tells of a disk
 * @flags: POLLNVME_INFO_...
 * @mode: enum pollnvme_mode
 * @sync_bytes: recommended size for synchronous I/O: reads up to this many
 *	bytes are expected within @hybrid_limit_us; 0: unknown, or none are
 * @spin_limit_us: longest polling at full speed, in microseconds
 * @hybrid_limit_us: what an I/O may take to be worth polling for, microseconds
 * @reserved0: 0
 * @read_ns: what a read is expected to take, and so what polling for it costs,
 *	by size class, in nanoseconds; a mean over the CPUs; 0: none was seen
 * @write_ns: the same of writes
 * @polled: I/Os that were polled for since the disk appeared
 * @spin_ns: CPU time that polling for them took, nanoseconds
 * @reserved: 0
 */
struct pollnvme_info {
	__u32 flags;
	__u32 mode;
	__u32 sync_bytes;
	__u32 spin_limit_us;
	__u32 hybrid_limit_us;
	__u32 reserved0;
	__u32 read_ns[POLLNVME_INFO_CLASSES];
	__u32 write_ns[POLLNVME_INFO_CLASSES];
	__u64 polled;
	__u64 spin_ns;
	__u64 reserved[4];
};

/* Whoever may open the disk may ask. */
#define POLLNVME_IOCTL_INFO	_IOR(0xD6, 0x00, struct pollnvme_info)

#endif /* _UAPI_LINUX_POLLNVME_H */
