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

/**
 * pollnvme_open() - open a disk
 * @disk: disk
 * @mode: how
 *
 * Context: the disk's @open_mutex is held.
 *
 * Return: 0, -EBUSY when the disk is about to go away.
 */
int pollnvme_open(struct gendisk *disk, blk_mode_t mode)
{
	struct pollnvme_ns *ns = disk->private_data;

	return ns->leaving ? -EBUSY : 0;
}

static const struct block_device_operations pollnvme_fops = {
	.owner		= THIS_MODULE,
	.submit_bio	= pollnvme_submit_bio,
	POLLNVME_FOPS_SYNCHRONOUS
	.open		= pollnvme_fops_open,
	.ioctl		= pollnvme_ioctl,
	.compat_ioctl	= blkdev_compat_ptr_ioctl,
	.free_disk	= pollnvme_free_disk,
};

static const struct block_device_operations pollnvme_mq_fops = {
	.owner		= THIS_MODULE,
	.open		= pollnvme_fops_open,
	.ioctl		= pollnvme_ioctl,
	.compat_ioctl	= blkdev_compat_ptr_ioctl,
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

/* Where there was no list, or not these in it. Older controllers leave zeroes, too. */
static void pollnvme_parse_ids(struct pollnvme_ns *ns,
			       const struct nvme_id_ns *id)
{
	if (!memchr_inv(ns->eui64, 0, sizeof(ns->eui64)))
		memcpy(ns->eui64, id->eui64, sizeof(ns->eui64));
	if (!memchr_inv(ns->nguid, 0, sizeof(ns->nguid)))
		memcpy(ns->nguid, id->nguid, sizeof(ns->nguid));
}

static int pollnvme_refuse(struct pollnvme_ns *ns, const char *why)
{
	/* Scans that come once a second say it once. */
	if (!ns->ctrl->said_unsure)
		dev_warn(&ns->ctrl->dev, "namespace %u not attached: %s\n",
			 ns->nsid, why);
	return -EOPNOTSUPP;
}

/*
 * Fills in @ns, and its capacity in sectors. -ENODEV and -EOPNOTSUPP are what
 * the controller says; another error is that it said nothing.
 */
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
		/* Refused, there is none; else nothing is known. */
		if (err && err != -EIO)
			return err;
		if (!err)
			pollnvme_parse_descs(ns, ctrl->page);
	}
	if (ns->csi == NVME_CSI_ZNS)
		return pollnvme_refuse(ns, "zoned namespaces are not supported");
	if (ns->csi != NVME_CSI_NVM)
		return pollnvme_refuse(ns, "unknown command set");

	err = pollnvme_identify(ctrl, NVME_ID_CNS_NS, ns->nsid);
	if (err)
		return err;
	pollnvme_parse_ids(ns, id);
	blocks = le64_to_cpu(id->nsze);
	if (!id->ncap || !blocks)
		return -ENODEV;		/* inactive */
	lbaf = &id->lbaf[nvme_lbaf_index(id->flbas)];
	if (lbaf->ms)
		return pollnvme_refuse(ns, "formatted with metadata; format it without");
	if (lbaf->ds < SECTOR_SHIFT || lbaf->ds > PAGE_SHIFT)
		return pollnvme_refuse(ns, "block size not supported");
	/* The block layer takes no less for a limit. */
	if (ctrl->max_bytes < PAGE_SIZE)
		return pollnvme_refuse(ns, "a transfer holds less than a page of this kernel");
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
	/* A blk-mq disk has from its tag set what else it can. */
	if (!ctrl->mq)
		lim->features = BLK_FEAT_SYNCHRONOUS | BLK_FEAT_NOWAIT |
				BLK_FEAT_POLL | BLK_FEAT_IO_STAT;
	if (ctrl->vwc)
		lim->features |= BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA;
	ns->vwc = ctrl->vwc;
	ns->oncs = ctrl->oncs;
	ns->max_bytes = ctrl->max_bytes;
}

/*
 * The controller may say something else after a reset. A cache that it did not have
 * is to be flushed from now on.
 */
static void pollnvme_ns_follow(struct pollnvme_ns *ns)
{
	struct pollnvme_ctrl *ctrl = ns->ctrl;
	struct queue_limits lim = {};
	int err;

	if (ns->vwc == ctrl->vwc && ns->oncs == ctrl->oncs &&
	    ns->max_bytes == ctrl->max_bytes)
		return;
	pollnvme_ns_limits(ns, &lim);
	err = pollnvme_update_limits(ns->disk->queue, &lim);
	dev_info(&ctrl->dev, "%s: other limits%s (%d)\n", ns->disk->disk_name,
		 ns->vwc ? ", write cache" : "", err);
}

static int pollnvme_ns_add_disk(struct pollnvme_ns *ns, sector_t sectors)
{
	struct pollnvme_ctrl *ctrl = ns->ctrl;
	struct queue_limits lim = {};
	struct gendisk *disk;
	int err;

	pollnvme_ns_limits(ns, &lim);
	disk = ctrl->mq ? pollnvme_mq_alloc_disk(ns, &lim) :
			  blk_alloc_disk(&lim, dev_to_node(&ctrl->dev));
	if (IS_ERR(disk))
		return PTR_ERR(disk);
	ns->disk = disk;
	ns->mode = ctrl->mq ? POLLNVME_MQ : POLLNVME_SYNC;
	disk->fops = ctrl->mq ? &pollnvme_mq_fops : &pollnvme_fops;
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

/**
 * pollnvme_ns_attach() - make a disk of a namespace, unless it is refused
 * @ctrl: live controller; @scan_lock is held
 * @nsid: namespace id
 */
void pollnvme_ns_attach(struct pollnvme_ctrl *ctrl, u32 nsid)
{
	struct pollnvme_ns *ns;
	sector_t sectors;
	int err;

	ns = kzalloc(sizeof(*ns), GFP_KERNEL);
	if (!ns)
		return;
	ns->ctrl = ctrl;
	ns->nsid = nsid;
	ns->scan = ctrl->scans;
	get_device(&ctrl->dev);
	ns->hybrid_limit_us = POLLNVME_HYBRID_LIMIT_US;
	init_rwsem(&ns->user_lock);
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
	if (err == -EAGAIN)
		pollnvme_scan_again(ctrl, nsid, err);
	else if (err != -ENODEV && err != -EOPNOTSUPP && !ctrl->said_unsure)
		dev_err(&ctrl->dev, "namespace %u not attached (%d)\n", nsid,
			err);
	pollnvme_ns_free(ns);
}

/* Are two ids different? Zeroes are none. */
static bool pollnvme_differ(const void *a, const void *b, size_t len)
{
	return memchr_inv(a, 0, len) && memchr_inv(b, 0, len) &&
	       memcmp(a, b, len);
}

/* What only one of two looks was told says nothing. */
static bool pollnvme_same(const struct pollnvme_ns *a,
			  const struct pollnvme_ns *b)
{
	return a->lba_shift == b->lba_shift && a->csi == b->csi &&
	       !pollnvme_differ(&a->uuid, &b->uuid, sizeof(a->uuid)) &&
	       !pollnvme_differ(a->nguid, b->nguid, sizeof(a->nguid)) &&
	       !pollnvme_differ(a->eui64, b->eui64, sizeof(a->eui64));
}

/**
 * pollnvme_ns_revalidate() - a namespace may have changed
 * @ns: attached namespace
 *
 * Its capacity, limits and write protection follow.
 *
 * Context: process, @scan_lock is held.
 *
 * Return: false when it is another one now, and must be attached anew.
 */
bool pollnvme_ns_revalidate(struct pollnvme_ns *ns)
{
	struct pollnvme_ctrl *ctrl = ns->ctrl;
	struct pollnvme_ns *now;
	bool same = true;
	sector_t sectors;
	int err;

	now = kzalloc(sizeof(*now), GFP_KERNEL);
	if (!now) {
		pollnvme_scan_again(ctrl, ns->nsid, -ENOMEM);
		return true;
	}
	now->ctrl = ctrl;
	now->nsid = ns->nsid;
	mutex_lock(&ctrl->ident_lock);
	err = pollnvme_ns_identify(now, &sectors);
	mutex_unlock(&ctrl->ident_lock);
	if (err == -ENODEV || err == -EOPNOTSUPP)
		same = false;
	/*
	 * A command that failed, maybe cut off by a reset, or for want of a slot,
	 * says nothing about the namespace, whose disk may be in use: ask again.
	 */
	if (err && same)
		pollnvme_scan_again(ctrl, ns->nsid, err);
	if (err)
		goto free;
	same = pollnvme_same(ns, now);
	if (!same)
		goto free;
	if (set_capacity_and_notify(ns->disk, sectors))
		dev_info(&ctrl->dev, "%s: now of %llu sectors\n",
			 ns->disk->disk_name, (u64)sectors);
	pollnvme_ns_follow(ns);
	if (ns->read_only != now->read_only)
		set_disk_ro(ns->disk, now->read_only);
	ns->read_only = now->read_only;
free:
	kfree(now);
	return same;
}

/* From here on no user's command is sent. */
static void pollnvme_ns_close(struct pollnvme_ns *ns)
{
	down_write(&ns->user_lock);
	ns->gone = true;
	up_write(&ns->user_lock);
}

/**
 * pollnvme_ns_remove() - detach a disk
 * @ns: attached namespace; @scan_lock is held
 *
 * Not under @ns_lock: del_gendisk() waits for I/O, and that may wait for a
 * reset, which takes the lock when it fails. Listed until I/O has ended, so
 * that a reset that fails finds it.
 */
void pollnvme_ns_remove(struct pollnvme_ns *ns)
{
	struct pollnvme_ctrl *ctrl = ns->ctrl;

	pollnvme_ns_close(ns);
	pollnvme_debugfs_remove(ns);
	del_gendisk(ns->disk);
	/* It waited for submit_bio, not for what that left behind. */
	pollnvme_async_drain(ns);
	mutex_lock(&ctrl->ns_lock);
	list_del_init(&ns->node);
	mutex_unlock(&ctrl->ns_lock);
	/* The last of its bios may have been put back just now. */
	flush_work(&ns->retry_work);
	put_disk(ns->disk);	/* frees ns, now or at the last close */
}

/*
 * What waits for a queue that is frozen for good, and is not a bio, such as what the
 * block layer of Linux 6.1 has for rw_page, goes on only when the queue is dying; a
 * disk that is marked dead does not yet say so there.
 */
static void pollnvme_disk_dead(struct gendisk *disk)
{
	blk_queue_flag_set(QUEUE_FLAG_DYING, disk->queue);
	blk_mark_disk_dead(disk);
}

/**
 * pollnvme_ns_lose() - detach the disk of a namespace that is not there any more
 * @ns: attached namespace; @scan_lock is held
 *
 * Its number may be another one's by now, and that one's contents are not to be
 * written over with what was meant for the first, or at places counted in blocks
 * of another size: what is dirty is lost with its namespace.
 */
void pollnvme_ns_lose(struct pollnvme_ns *ns)
{
	WRITE_ONCE(ns->lost, true);
	/* A file system may take long to hear of the death. */
	pollnvme_ns_close(ns);
	/* del_gendisk() would write back first, to a disk that is not dead. */
	pollnvme_disk_dead(ns->disk);
	pollnvme_ns_remove(ns);
}

/**
 * pollnvme_ns_remove_all() - detach all disks
 * @ctrl: controller
 *
 * Context: process, @scan_lock is held.
 */
void pollnvme_ns_remove_all(struct pollnvme_ctrl *ctrl)
{
	struct pollnvme_ns *ns, *next;

	/* Under @scan_lock nobody else takes from the list, or puts into it. */
	list_for_each_entry_safe(ns, next, &ctrl->namespaces, node)
		pollnvme_ns_remove(ns);
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
		pollnvme_disk_dead(ns->disk);
	mutex_unlock(&ctrl->ns_lock);
}
