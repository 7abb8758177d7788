// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attributes of controllers (class pollnvme) and of their disks. See
 * Documentation/ABI/testing/sysfs-driver-pollnvme.
 */
#include <linux/sysfs.h>
#include "pollnvme.h"

static const char * const pollnvme_state_names[] = {
	[POLLNVME_NEW]		= "new",
	[POLLNVME_LIVE]		= "live",
	[POLLNVME_RESETTING]	= "resetting",
	[POLLNVME_DELETING]	= "deleting",
	[POLLNVME_DEAD]		= "dead",
};

#define POLLNVME_CTRL_SHOW(name, fmt, value)				\
static ssize_t name##_show(struct device *dev,				\
			   struct device_attribute *attr, char *buf)	\
{									\
	struct pollnvme_ctrl *ctrl = dev_get_drvdata(dev);		\
									\
	return sysfs_emit(buf, fmt "\n", value);			\
}

static ssize_t pollnvme_set(unsigned int *field, const char *buf, size_t count,
			    unsigned int low, unsigned int high)
{
	unsigned int value;
	int err = kstrtouint(buf, 0, &value);

	if (err)
		return err;
	if (value < low || value > high)
		return -ERANGE;
	WRITE_ONCE(*field, value);
	return count;
}

POLLNVME_CTRL_SHOW(model, "%s", ctrl->model)
static DEVICE_ATTR_RO(model);
POLLNVME_CTRL_SHOW(serial, "%s", ctrl->serial)
static DEVICE_ATTR_RO(serial);
POLLNVME_CTRL_SHOW(firmware_rev, "%s", ctrl->firmware)
static DEVICE_ATTR_RO(firmware_rev);
POLLNVME_CTRL_SHOW(cntlid, "%u", ctrl->cntlid)
static DEVICE_ATTR_RO(cntlid);
POLLNVME_CTRL_SHOW(transport, "%s", ctrl->transport->name)
static DEVICE_ATTR_RO(transport);
POLLNVME_CTRL_SHOW(queue_count, "%u", ctrl->nr_live)
static DEVICE_ATTR_RO(queue_count);
POLLNVME_CTRL_SHOW(state, "%s", pollnvme_state_names[READ_ONCE(ctrl->state)])
static DEVICE_ATTR_RO(state);
POLLNVME_CTRL_SHOW(spin_limit_us, "%u", ctrl->spin_limit_us)

static ssize_t spin_limit_us_store(struct device *dev,
				   struct device_attribute *attr,
				   const char *buf, size_t count)
{
	struct pollnvme_ctrl *ctrl = dev_get_drvdata(dev);

	return pollnvme_set(&ctrl->spin_limit_us, buf, count, 0, 1000000);
}
static DEVICE_ATTR_RW(spin_limit_us);
POLLNVME_CTRL_SHOW(io_timeout_ms, "%u", ctrl->io_timeout_ms)

static ssize_t io_timeout_ms_store(struct device *dev,
				   struct device_attribute *attr,
				   const char *buf, size_t count)
{
	struct pollnvme_ctrl *ctrl = dev_get_drvdata(dev);

	return pollnvme_set(&ctrl->io_timeout_ms, buf, count, 10, 3600000);
}
static DEVICE_ATTR_RW(io_timeout_ms);

static ssize_t reset_controller_store(struct device *dev,
				      struct device_attribute *attr,
				      const char *buf, size_t count)
{
	int err = pollnvme_ctrl_reset(dev_get_drvdata(dev));

	return err ?: count;
}
static DEVICE_ATTR_WO(reset_controller);

POLLNVME_CTRL_SHOW(disks, "%s", pollnvme_disks_show(ctrl))

static ssize_t disks_store(struct device *dev, struct device_attribute *attr,
			   const char *buf, size_t count)
{
	int err = pollnvme_disks_choose(dev_get_drvdata(dev), buf);

	return err ?: count;
}
static DEVICE_ATTR_RW(disks);

static ssize_t rescan_controller_store(struct device *dev,
				       struct device_attribute *attr,
				       const char *buf, size_t count)
{
	int err = pollnvme_rescan(dev_get_drvdata(dev));

	return err ?: count;
}
static DEVICE_ATTR_WO(rescan_controller);

static struct attribute *pollnvme_ctrl_attrs[] = {
	&dev_attr_model.attr,
	&dev_attr_serial.attr,
	&dev_attr_firmware_rev.attr,
	&dev_attr_cntlid.attr,
	&dev_attr_transport.attr,
	&dev_attr_queue_count.attr,
	&dev_attr_state.attr,
	&dev_attr_disks.attr,
	&dev_attr_spin_limit_us.attr,
	&dev_attr_io_timeout_ms.attr,
	&dev_attr_reset_controller.attr,
	&dev_attr_rescan_controller.attr,
	NULL
};

static const struct attribute_group pollnvme_ctrl_group = {
	.attrs = pollnvme_ctrl_attrs,
};

const struct attribute_group *pollnvme_ctrl_groups[] = {
	&pollnvme_ctrl_group,
	NULL
};

static struct pollnvme_ns *pollnvme_dev_ns(struct device *dev)
{
	return dev_to_disk(dev)->private_data;
}

static ssize_t nsid_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "%u\n", pollnvme_dev_ns(dev)->nsid);
}
static DEVICE_ATTR_RO(nsid);

static const char * const pollnvme_mode_names[POLLNVME_MODES] = {
	[POLLNVME_SYNC]		= "sync",
	[POLLNVME_ASYNC]	= "async",
	[POLLNVME_HYBRID]	= "hybrid",
	[POLLNVME_MQ]		= "mq",
};

static ssize_t mode_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	struct pollnvme_ns *ns = pollnvme_dev_ns(dev);

	return sysfs_emit(buf, "%s\n", pollnvme_mode_names[READ_ONCE(ns->mode)]);
}

static ssize_t mode_store(struct device *dev, struct device_attribute *attr,
			  const char *buf, size_t count)
{
	struct pollnvme_ns *ns = pollnvme_dev_ns(dev);
	int mode = sysfs_match_string(pollnvme_mode_names, buf);

	if (mode < 0)
		return mode;
	/* What kind of disk it is, its controller's "disks" says. */
	if (mode != ns->mode &&
	    (mode == POLLNVME_MQ || ns->mode == POLLNVME_MQ))
		return -EOPNOTSUPP;
	if (mode != POLLNVME_SYNC && !pollnvme_has_irqs(ns->ctrl))
		return -EOPNOTSUPP;
	WRITE_ONCE(ns->mode, mode);
	return count;
}
static DEVICE_ATTR_RW(mode);

static ssize_t hybrid_limit_us_show(struct device *dev,
				    struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", pollnvme_dev_ns(dev)->hybrid_limit_us);
}

static ssize_t hybrid_limit_us_store(struct device *dev,
				     struct device_attribute *attr,
				     const char *buf, size_t count)
{
	return pollnvme_set(&pollnvme_dev_ns(dev)->hybrid_limit_us, buf, count,
			    0, 1000000);
}
static DEVICE_ATTR_RW(hybrid_limit_us);

static ssize_t wwid_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	struct pollnvme_ns *ns = pollnvme_dev_ns(dev);

	if (!uuid_is_null(&ns->uuid))
		return sysfs_emit(buf, "uuid.%pU\n", &ns->uuid);
	if (memchr_inv(ns->nguid, 0, sizeof(ns->nguid)))
		return sysfs_emit(buf, "eui.%16phN\n", ns->nguid);
	if (memchr_inv(ns->eui64, 0, sizeof(ns->eui64)))
		return sysfs_emit(buf, "eui.%8phN\n", ns->eui64);
	return sysfs_emit(buf, "pollnvme.%s-%s-%08x\n", ns->ctrl->serial,
			  ns->ctrl->model, ns->nsid);
}
static DEVICE_ATTR_RO(wwid);

static struct attribute *pollnvme_disk_attrs[] = {
	&dev_attr_nsid.attr,
	&dev_attr_mode.attr,
	&dev_attr_hybrid_limit_us.attr,
	&dev_attr_wwid.attr,
	NULL
};

static const struct attribute_group pollnvme_disk_group = {
	.name = "pollnvme",
	.attrs = pollnvme_disk_attrs,
};

#define POLLNVME_COUNTER(counter, index)				\
static ssize_t counter##_show(struct device *dev,			\
			      struct device_attribute *attr, char *buf)	\
{									\
	return sysfs_emit(buf, "%llu\n",				\
			  pollnvme_stats_sum(pollnvme_dev_ns(dev), index)); \
}									\
static DEVICE_ATTR_RO(counter)

POLLNVME_COUNTER(reads, POLLNVME_READS);
POLLNVME_COUNTER(writes, POLLNVME_WRITES);
POLLNVME_COUNTER(flushes, POLLNVME_FLUSHES);
POLLNVME_COUNTER(errors, POLLNVME_ERRORS);
POLLNVME_COUNTER(spins, POLLNVME_SPINS);
POLLNVME_COUNTER(spin_ns, POLLNVME_SPIN_NS);
POLLNVME_COUNTER(sleeps, POLLNVME_SLEEPS);
POLLNVME_COUNTER(reaped_for_others, POLLNVME_REAPED_FOR_OTHERS);
POLLNVME_COUNTER(slot_waits, POLLNVME_SLOT_WAITS);
POLLNVME_COUNTER(timeouts, POLLNVME_TIMEOUTS);
POLLNVME_COUNTER(retried, POLLNVME_RETRIED);
POLLNVME_COUNTER(irqs, POLLNVME_IRQS);

static struct attribute *pollnvme_stats_attrs[] = {
	&dev_attr_reads.attr,
	&dev_attr_writes.attr,
	&dev_attr_flushes.attr,
	&dev_attr_errors.attr,
	&dev_attr_spins.attr,
	&dev_attr_spin_ns.attr,
	&dev_attr_sleeps.attr,
	&dev_attr_reaped_for_others.attr,
	&dev_attr_slot_waits.attr,
	&dev_attr_timeouts.attr,
	&dev_attr_retried.attr,
	&dev_attr_irqs.attr,
	NULL
};

static const struct attribute_group pollnvme_stats_group = {
	.name = "pollnvme_stats",
	.attrs = pollnvme_stats_attrs,
};

const struct attribute_group *pollnvme_disk_groups[] = {
	&pollnvme_disk_group,
	&pollnvme_stats_group,
	NULL
};
