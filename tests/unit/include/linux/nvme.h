/* SPDX-License-Identifier: GPL-2.0 */
/* The two entries of NVMe queues, as far as the rings care. */
#ifndef CORELANE_TESTS_LINUX_NVME_H
#define CORELANE_TESTS_LINUX_NVME_H

#include <linux/types.h>

struct nvme_command {
	struct {
		__u8 opcode;
		__u8 flags;
		__u16 command_id;
		__u8 rest[60];
	} common;
};

struct nvme_completion {
	union {
		__le64 u64;
	} result;
	__le16 sq_head;
	__le16 sq_id;
	__u16 command_id;
	__le16 status;
};

#endif /* CORELANE_TESTS_LINUX_NVME_H */
