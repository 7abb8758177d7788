// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which commands from user space are let through.
 *
 * A controller moves as many bytes as the command says, wherever its pointers
 * lead. So memory shorter than that is refused wherever the command tells; a
 * command that does not tell has one page at least (see ioctl.c), the most
 * that NVMe's own commands of that kind move.
 */
#include <linux/errno.h>
#include <linux/nvme.h>
#include <linux/types.h>
#include "passthru.h"

/* NVMe 2.1, base 5 and 7, NVM command set 3: not in every kernel's header. */
#define POLLNVME_ADMIN_TRACK_SEND	0x3d
#define POLLNVME_ADMIN_TRACK_RECV	0x3e
#define POLLNVME_ADMIN_MIGRATE_SEND	0x41
#define POLLNVME_ADMIN_MIGRATE_RECV	0x42
#define POLLNVME_ADMIN_CDQ	0x45
#define POLLNVME_IO_MGMT_RECV	0x12
#define POLLNVME_IO_COPY	0x19
#define POLLNVME_IO_MGMT_SEND	0x1d

/*
 * Queues, events and doorbells are the driver's own, and a namespace does not
 * change its format under its disk.
 */
static bool pollnvme_refused(const struct pollnvme_ask_cmd *ask)
{
	if (!ask->admin)
		return false;
	switch (ask->opcode) {
	case nvme_admin_delete_sq:
	case nvme_admin_create_sq:
	case nvme_admin_delete_cq:
	case nvme_admin_create_cq:
	case nvme_admin_async_event:
	case nvme_admin_dbbuf:
	case nvme_admin_format_nvm:
	case nvme_admin_ns_mgmt:
	case nvme_admin_ns_attach:
	case nvme_fabrics_command:
	/* Memory lent for good would have to be ours. */
	case POLLNVME_ADMIN_CDQ:
	/* These are for such memory, or stop a controller behind its driver's back. */
	case POLLNVME_ADMIN_TRACK_SEND:
	case POLLNVME_ADMIN_TRACK_RECV:
	case POLLNVME_ADMIN_MIGRATE_SEND:
	case POLLNVME_ADMIN_MIGRATE_RECV:
		return true;
	case nvme_admin_set_features:
		/* So would this. */
		return (ask->cdw10 & 0xff) == NVME_FEAT_HOST_MEM_BUF;
	default:
		return false;
	}
}

static u64 pollnvme_admin_bytes(const struct pollnvme_ask_cmd *ask)
{
	switch (ask->opcode) {
	case nvme_admin_identify:
		return 4096;
	case nvme_admin_get_log_page:
		return ((u64)(ask->cdw10 >> 16 | ask->cdw11 << 16) + 1) * 4;
	case nvme_admin_download_fw:
	case nvme_admin_directive_send:
	case nvme_admin_directive_recv:
		return ((u64)ask->cdw10 + 1) * 4;
	case nvme_admin_get_lba_status:
		return ((u64)ask->cdw12 + 1) * 4;
	case nvme_admin_security_send:
	case nvme_admin_security_recv:
		return ask->cdw11;
	default:
		return 0;
	}
}

/* Ranges of 32 bytes in the even descriptor formats, of 40 in the odd ones. */
static u64 pollnvme_copy_bytes(u32 cdw12)
{
	return ((u64)(cdw12 & 0xff) + 1) * (cdw12 & 1 << 8 ? 40 : 32);
}

static u64 pollnvme_io_bytes(const struct pollnvme_ask_cmd *ask)
{
	switch (ask->opcode) {
	case nvme_cmd_read:
	case nvme_cmd_write:
	case nvme_cmd_compare:
		return ((u64)(ask->cdw12 & 0xffff) + 1) << ask->lba_shift;
	case nvme_cmd_dsm:
		return ((u64)(ask->cdw10 & 0xff) + 1) * 16;
	case nvme_cmd_resv_report:
		return ((u64)ask->cdw10 + 1) * 4;
	case POLLNVME_IO_MGMT_RECV:
		return ((u64)ask->cdw11 + 1) * 4;
	case POLLNVME_IO_COPY:
		return pollnvme_copy_bytes(ask->cdw12);
	case POLLNVME_IO_MGMT_SEND:
		/* Identifiers of reclaim unit handles, where it has any. */
		return ask->cdw10 & 0xff ? ((u64)(ask->cdw10 >> 16) + 1) * 2 : 0;
	default:
		return 0;
	}
}

/**
 * pollnvme_passthru_check() - whether a command may be sent as it is
 * @ask: the command
 *
 * Return: 0; -EOPNOTSUPP for what is the driver's alone; -EINVAL where the
 * memory does not fit the command.
 */
int pollnvme_passthru_check(const struct pollnvme_ask_cmd *ask)
{
	u64 bytes = ask->admin ? pollnvme_admin_bytes(ask) :
				 pollnvme_io_bytes(ask);

	if (pollnvme_refused(ask))
		return -EOPNOTSUPP;
	if (ask->data_len > ask->max_bytes || ask->data_len < bytes)
		return -EINVAL;
	if (ask->data_len && !pollnvme_opcode_data(ask->opcode))
		return -EINVAL;
	return 0;
}
