// SPDX-License-Identifier: GPL-2.0-only
/*
 * Namespaces: which ones the driver takes, and their disks.
 */
#include <linux/slab.h>
#include "pollnvme.h"
#include "pollnvme_compat.h"

static void pollnvme_ns_free(struct pollnvme_ns *ns)
{
	free_percpu(ns->estimates);
	free_percpu(ns->stats);
	put_device(&ns->ctrl->dev);
	kfree(ns);
}

static void pollnvme_free_disk(struct gendisk *disk)
{
	pollnvme_ns_free(disk->private_data);
}

static const struct block_device_operations pollnvme_fops = {
	.owner		= THIS_MODULE,
	.submit_bio	= pollnvme_submit_bio,
	.free_disk	= pollnvme_free_disk,
};

static void pollnvme_parse_descs(struct pollnvme_ns *ns, const u8 *page)
{
	unsigned int pos = 0;

	while (pos + sizeof(struct nvme_ns_id_desc) <= POLLNVME_PAGE_SIZE) {
		const struct nvme_ns_id_desc *desc = (const void *)page + pos;
		const u8 *data = (const u8 *)(desc + 1);

		if (!desc->nidl)
			return;
		pos += sizeof(*desc) + desc->nidl;
		if (pos > POLLNVME_PAGE_SIZE)
			return;
		if (desc->nidt == NVME_NIDT_CSI &&
		    desc->nidl == NVME_NIDT_CSI_LEN)
			ns->csi = data[0];
		else if (desc->nidt == NVME_NIDT_NGUID &&
			 desc->nidl == NVME_NIDT_NGUID_LEN)
			memcpy(ns->nguid, data, sizeof(ns->nguid));
		else if (desc->nidt == NVME_NIDT_EUI64 &&
			 desc->nidl == NVME_NIDT_EUI64_LEN)
			memcpy(ns->eui64, data, sizeof(ns->eui64));
		else if (desc->nidt == NVME_NIDT_UUID &&
			 desc->nidl == NVME_NIDT_UUID_LEN)
			memcpy(&ns->uuid, data, sizeof(ns->uuid));
	}
}

static int pollnvme_refuse(struct pollnvme_ns *ns, const char *why)
{
	dev_warn(&ns->ctrl->dev, "namespace %u not attached: %s\n", ns->nsid,
		 why);
	return -EOPNOTSUPP;
}

/* Fills in @ns, and its capacity in sectors. */
static int pollnvme_ns_identify(struct pollnvme_ns *ns, sector_t *sectors)
{
	struct pollnvme_ctrl *ctrl = ns->ctrl;
	struct nvme_id_ns *id = ctrl->page;
	struct nvme_lbaf *lbaf;
	u64 blocks;
	int err;

	if (ctrl->version >= NVME_VS(1, 3, 0)) {
		err = pollnvme_identify(ctrl, NVME_ID_CNS_NS_DESC_LIST,
					ns->nsid);
		if (!err)
			pollnvme_parse_descs(ns, ctrl->page);
	}
	if (ns->csi == NVME_CSI_ZNS)
		return pollnvme_refuse(ns, "zoned namespaces are not supported");
	if (ns->csi != NVME_CSI_NVM)
		return pollnvme_refuse(ns, "unknown command set");

	err = pollnvme_identify(ctrl, NVME_ID_CNS_NS, ns->nsid);
	if (err)
		return pollnvme_refuse(ns, "Identify failed");
	blocks = le64_to_cpu(id->nsze);
	if (!id->ncap || !blocks)
		return -ENODEV;		/* inactive */
	lbaf = &id->lbaf[nvme_lbaf_index(id->flbas)];
	if (lbaf->ms)
		return pollnvme_refuse(ns, "formatted with metadata; format it without");
	if (lbaf->ds < SECTOR_SHIFT || lbaf->ds > PAGE_SHIFT)
		return pollnvme_refuse(ns, "block size not supported");
	if (blocks > (U64_MAX >> 1) >> lbaf->ds)
		return pollnvme_refuse(ns, "size makes no sense");
	ns->lba_shift = lbaf->ds;
	ns->read_only = id->nsattr & NVME_NS_ATTR_RO;
	*sectors = blocks << (ns->lba_shift - SECTOR_SHIFT);
	return 0;
}

static void pollnvme_ns_limits(struct pollnvme_ns *ns,
			       struct queue_limits *lim)
{
	struct pollnvme_ctrl *ctrl = ns->ctrl;
	/* The length field of a write-zeroes command counts to 65536 blocks. */
	u32 zeroes = min_t(u64, ctrl->max_bytes, 65536ull << ns->lba_shift);

	lim->logical_block_size = 1u << ns->lba_shift;
	lim->physical_block_size = 1u << ns->lba_shift;
	lim->max_hw_sectors = ctrl->max_bytes >> SECTOR_SHIFT;
	lim->max_segments = POLLNVME_MAX_SEGMENTS;
	lim->virt_boundary_mask = POLLNVME_PAGE_MASK;
	lim->dma_alignment = 3;
	if (ctrl->oncs & NVME_CTRL_ONCS_WRITE_ZEROES)
		lim->max_write_zeroes_sectors = zeroes >> SECTOR_SHIFT;
	if (ctrl->oncs & NVME_CTRL_ONCS_DSM) {
		lim->max_hw_discard_sectors = UINT_MAX >> SECTOR_SHIFT;
		lim->max_discard_segments = 1;
		lim->discard_granularity = lim->logical_block_size;
	}
	lim->features = BLK_FEAT_SYNCHRONOUS | BLK_FEAT_NOWAIT |
			BLK_FEAT_POLL | BLK_FEAT_IO_STAT;
	if (ctrl->vwc)
		lim->features |= BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA;
}

static int pollnvme_ns_add_disk(struct pollnvme_ns *ns, sector_t sectors)
{
	struct pollnvme_ctrl *ctrl = ns->ctrl;
	struct queue_limits lim = {};
	struct gendisk *disk;
	int err;

	pollnvme_ns_limits(ns, &lim);
	disk = blk_alloc_disk(&lim, dev_to_node(&ctrl->dev));
	if (IS_ERR(disk))
		return PTR_ERR(disk);
	ns->disk = disk;
	disk->fops = &pollnvme_fops;
	disk->private_data = ns;
	snprintf(disk->disk_name, sizeof(disk->disk_name), "%sn%u",
		 dev_name(&ctrl->dev), ns->nsid);
	set_capacity(disk, sectors);
	set_disk_ro(disk, ns->read_only);
	/* Listed before it is added: its first read is by add_disk itself. */
	mutex_lock(&ctrl->ns_lock);
	list_add_tail(&ns->node, &ctrl->namespaces);
	mutex_unlock(&ctrl->ns_lock);
	err = device_add_disk(&ctrl->dev, disk, pollnvme_disk_groups);
	if (err) {
		mutex_lock(&ctrl->ns_lock);
		list_del(&ns->node);
		mutex_unlock(&ctrl->ns_lock);
		put_disk(disk);
		return err;
	}
	pollnvme_debugfs_add(ns);
	return 0;
}

static void pollnvme_ns_attach(struct pollnvme_ctrl *ctrl, u32 nsid)
{
	struct pollnvme_ns *ns;
	sector_t sectors;
	int err;

	ns = kzalloc(sizeof(*ns), GFP_KERNEL);
	if (!ns)
		return;
	ns->ctrl = ctrl;
	ns->nsid = nsid;
	get_device(&ctrl->dev);
	ns->hybrid_limit_us = POLLNVME_HYBRID_LIMIT_US;
	spin_lock_init(&ns->retry_lock);
	INIT_WORK(&ns->retry_work, pollnvme_retry_work);
	ns->stats = alloc_percpu(struct pollnvme_stats);
	ns->estimates = alloc_percpu(struct pollnvme_estimates);
	err = -ENOMEM;
	if (!ns->stats || !ns->estimates)
		goto free;
	mutex_lock(&ctrl->ident_lock);
	err = pollnvme_ns_identify(ns, &sectors);
	mutex_unlock(&ctrl->ident_lock);
	if (err)
		goto free;
	err = pollnvme_ns_add_disk(ns, sectors);
	if (err)
		goto free;
	return;

free:
	if (err != -ENODEV && err != -EOPNOTSUPP)
		dev_err(&ctrl->dev, "namespace %u not attached (%d)\n", nsid,
			err);
	pollnvme_ns_free(ns);
}

/**
 * pollnvme_scan() - attach a disk for every active namespace
 * @ctrl: live controller
 */
void pollnvme_scan(struct pollnvme_ctrl *ctrl)
{
	unsigned int i, entries = POLLNVME_PAGE_SIZE / sizeof(__le32);
	__le32 *list;
	u32 prev = 0;

	list = kmalloc(POLLNVME_PAGE_SIZE, GFP_KERNEL);
	if (!list)
		return;
	do {
		int err;

		mutex_lock(&ctrl->ident_lock);
		err = pollnvme_identify(ctrl, NVME_ID_CNS_NS_ACTIVE_LIST, prev);
		memcpy(list, ctrl->page, POLLNVME_PAGE_SIZE);
		mutex_unlock(&ctrl->ident_lock);
		if (err) {
			dev_err(&ctrl->dev, "no list of namespaces (%d)\n", err);
			break;
		}
		for (i = 0; i < entries; i++) {
			u32 nsid = le32_to_cpu(list[i]);

			/* Ascending, or the controller would keep us here. */
			if (nsid <= prev || nsid > ctrl->nn)
				break;
			pollnvme_ns_attach(ctrl, nsid);
			prev = nsid;
		}
	} while (i == entries);
	kfree(list);
}

/**
 * pollnvme_ns_remove_all() - detach all disks
 * @ctrl: controller
 *
 * Not under @ns_lock: del_gendisk() waits for I/O, and that may wait for a
 * reset, which takes the lock when it fails.
 */
void pollnvme_ns_remove_all(struct pollnvme_ctrl *ctrl)
{
	struct pollnvme_ns *ns, *next;
	LIST_HEAD(gone);

	mutex_lock(&ctrl->ns_lock);
	list_splice_init(&ctrl->namespaces, &gone);
	mutex_unlock(&ctrl->ns_lock);
	list_for_each_entry(ns, &gone, node) {
		pollnvme_debugfs_remove(ns);
		del_gendisk(ns->disk);
	}
	/* del_gendisk() waited for submit_bio, not for what it left behind. */
	pollnvme_async_drain(ctrl);
	list_for_each_entry_safe(ns, next, &gone, node) {
		list_del_init(&ns->node);
		/* The last of its bios may have been put back just now. */
		flush_work(&ns->retry_work);
		put_disk(ns->disk);	/* frees ns, now or at the last close */
	}
}

/**
 * pollnvme_ns_mark_dead() - tell the block layer that all disks are gone
 * @ctrl: dead controller
 */
void pollnvme_ns_mark_dead(struct pollnvme_ctrl *ctrl)
{
	struct pollnvme_ns *ns;

	mutex_lock(&ctrl->ns_lock);
	list_for_each_entry(ns, &ctrl->namespaces, node)
		blk_mark_disk_dead(ns->disk);
	mutex_unlock(&ctrl->ns_lock);
}
