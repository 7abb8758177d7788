// SPDX-License-Identifier: GPL-2.0-only
/*
 * Log pages and features of the software controller: those that every
 * controller must have.
 */
#include <linux/io.h>
#include <linux/mm.h>
#include "ram.h"
#include "pollnvme_compat.h"

/* What no device has to say is zero, which NVMe reads as not reported. */
static void pollnvme_ram_smart(struct nvme_smart_log *log)
{
	log->avail_spare = 100;
	log->spare_thresh = 10;
}

static void pollnvme_ram_firmware(struct nvme_fw_slot_info_log *log)
{
	log->afi = 1;
	memcpy(&log->frs[0], "1       ", sizeof(log->frs[0]));
}

/* Which namespaces changed: all, look at them. From now on they did not. */
static void pollnvme_ram_changed(struct pollnvme_ram *ram, __le32 *log)
{
	if (ram->changed)
		*log = cpu_to_le32(NVME_NSID_ALL);
	ram->changed = false;
}

/**
 * pollnvme_ram_get_log() - Get Log Page
 * @ram: controller; the admin pair's lock is held
 * @c: command; its data must be within one page
 *
 * Return: NVMe status.
 */
u16 pollnvme_ram_get_log(struct pollnvme_ram *ram, const struct nvme_command *c)
{
	u64 addr = le64_to_cpu(c->get_log_page.dptr.prp1);
	u64 start = le64_to_cpu(c->get_log_page.lpo);
	union {
		struct nvme_smart_log smart;
		struct nvme_fw_slot_info_log firmware;
		__le32 changed;
	} log = {};
	u32 bytes, whole;

	bytes = le16_to_cpu(c->get_log_page.numdl) |
		(u32)le16_to_cpu(c->get_log_page.numdu) << 16;
	if ((addr & 3) || !pfn_valid(PHYS_PFN(addr)) || start ||
	    bytes >= (POLLNVME_PAGE_SIZE - offset_in_page(addr)) / 4)
		return NVME_SC_INVALID_FIELD | NVME_STATUS_DNR;
	bytes = (bytes + 1) * 4;
	switch (c->get_log_page.lid) {
	case NVME_LOG_ERROR:
		whole = 0;	/* no error was logged: entries of zeroes */
		break;
	case NVME_LOG_SMART:
		pollnvme_ram_smart(&log.smart);
		whole = sizeof(log.smart);
		break;
	case NVME_LOG_FW_SLOT:
		pollnvme_ram_firmware(&log.firmware);
		whole = sizeof(log.firmware);
		break;
	case NVME_LOG_CHANGED_NS:
		pollnvme_ram_changed(ram, &log.changed);
		whole = sizeof(log.changed);
		break;
	default:
		return NVME_SC_INVALID_LOG_PAGE | NVME_STATUS_DNR;
	}
	memset(phys_to_virt(addr), 0, bytes);
	memcpy(phys_to_virt(addr), &log, min(bytes, whole));
	return NVME_SC_SUCCESS;
}

/**
 * pollnvme_ram_get_features() - Get Features
 * @ram: controller
 * @c: command
 * @result: double word 0 of the completion
 *
 * Return: NVMe status.
 */
u16 pollnvme_ram_get_features(struct pollnvme_ram *ram,
			      const struct nvme_command *c, u32 *result)
{
	switch (le32_to_cpu(c->features.fid) & 0xff) {
	case NVME_FEAT_NUM_QUEUES:
		*result = (ram->nr_queues - 1) * 0x10001u;
		return NVME_SC_SUCCESS;
	case NVME_FEAT_ARBITRATION:
	case NVME_FEAT_POWER_MGMT:
	case NVME_FEAT_ERR_RECOVERY:
	case NVME_FEAT_WRITE_ATOMIC:
		*result = 0;
		return NVME_SC_SUCCESS;
	default:
		return NVME_SC_INVALID_FIELD | NVME_STATUS_DNR;
	}
}
