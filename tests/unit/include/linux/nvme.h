/* SPDX-License-Identifier: GPL-2.0 */
/* The two entries of NVMe queues, as far as the rings care, and opcodes. */
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

enum {
	nvme_cmd_write = 0x01,
	nvme_cmd_read = 0x02,
	nvme_cmd_compare = 0x05,
	nvme_cmd_dsm = 0x09,
	nvme_cmd_resv_report = 0x0e,
	nvme_admin_delete_sq = 0x00,
	nvme_admin_create_sq = 0x01,
	nvme_admin_get_log_page = 0x02,
	nvme_admin_delete_cq = 0x04,
	nvme_admin_create_cq = 0x05,
	nvme_admin_identify = 0x06,
	nvme_admin_set_features = 0x09,
	nvme_admin_async_event = 0x0c,
	nvme_admin_ns_mgmt = 0x0d,
	nvme_admin_download_fw = 0x11,
	nvme_admin_ns_attach = 0x15,
	nvme_admin_directive_send = 0x19,
	nvme_admin_directive_recv = 0x1a,
	nvme_admin_dbbuf = 0x7c,
	nvme_fabrics_command = 0x7f,
	nvme_admin_format_nvm = 0x80,
	nvme_admin_security_send = 0x81,
	nvme_admin_security_recv = 0x82,
	nvme_admin_get_lba_status = 0x86,
	NVME_FEAT_HOST_MEM_BUF = 0x0d,
};

#endif /* CORELANE_TESTS_LINUX_NVME_H */
