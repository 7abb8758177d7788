// SPDX-License-Identifier: GPL-2.0-only
/*
 * Software controllers are made in configfs: a directory below
 * /sys/kernel/config/pollnvme, its attributes, then 1 to "power".
 */
#include <linux/configfs.h>
#include <linux/module.h>
#include <linux/slab.h>
#include "ram.h"

/**
 * struct pollnvme_config - a directory in configfs
 * @item: the directory
 * @lock: guards the rest
 * @blocksize: block size in bytes, 512 or 4096
 * @made: what else the controller is made from; @queues may be 0: two per
 *	possible CPU
 * @media: what the controller keeps; NULL before power was on
 * @ram: the controller while power is on
 */
struct pollnvme_config {
	struct config_item item;
	struct mutex lock;	/* all below */
	u32 blocksize;
	struct pollnvme_ram_config made;
	struct pollnvme_media *media;
	struct pollnvme_ram *ram;
};

static struct pollnvme_config *to_config(struct config_item *item)
{
	return container_of(item, struct pollnvme_config, item);
}

/* An attribute; with @live it may change while power is on. */
static ssize_t pollnvme_config_set(struct pollnvme_config *config, u32 *field,
				   const char *page, size_t count, u32 low,
				   u32 high, bool live)
{
	ssize_t ret = count;
	u32 value;
	int err = kstrtou32(page, 0, &value);

	if (err)
		return err;
	if (value < low || value > high)
		return -ERANGE;
	mutex_lock(&config->lock);
	if (config->ram && !live)
		ret = -EBUSY;
	else
		WRITE_ONCE(*field, value);
	if (config->ram)
		pollnvme_ram_change(config->ram, &config->made);
	mutex_unlock(&config->lock);
	return ret;
}

/* A plain attribute, its bounds, and whether it may change with power on. */
#define POLLNVME_CONFIG_ATTR(name, low, high, live)			\
static u32 *pollnvme_config_##name(struct pollnvme_config *config)	\
{									\
	return &config->made.name;					\
}									\
									\
static ssize_t pollnvme_config_##name##_show(struct config_item *item,	\
					     char *page)		\
{									\
	u32 *field = pollnvme_config_##name(to_config(item));		\
									\
	return sysfs_emit(page, "%u\n", READ_ONCE(*field));		\
}									\
									\
static ssize_t pollnvme_config_##name##_store(struct config_item *item,	\
					      const char *page,		\
					      size_t count)		\
{									\
	struct pollnvme_config *config = to_config(item);		\
									\
	return pollnvme_config_set(config,				\
				   pollnvme_config_##name(config),	\
				   page, count, low, high, live);	\
}

POLLNVME_CONFIG_ATTR(size_mb, 1, 1u << 24, false)
CONFIGFS_ATTR(pollnvme_config_, size_mb);
POLLNVME_CONFIG_ATTR(queues, 0, 4096, false)
CONFIGFS_ATTR(pollnvme_config_, queues);
POLLNVME_CONFIG_ATTR(cache, 0, 1, false)
CONFIGFS_ATTR(pollnvme_config_, cache);
POLLNVME_CONFIG_ATTR(namespaces, 1, POLLNVME_RAM_NAMESPACES, false)
CONFIGFS_ATTR(pollnvme_config_, namespaces);
POLLNVME_CONFIG_ATTR(active, 0, BIT(POLLNVME_RAM_NAMESPACES) - 1, true)
CONFIGFS_ATTR(pollnvme_config_, active);
POLLNVME_CONFIG_ATTR(identity, 0, U8_MAX, true)
CONFIGFS_ATTR(pollnvme_config_, identity);
POLLNVME_CONFIG_ATTR(latency_ns, 0, U32_MAX, true)
CONFIGFS_ATTR(pollnvme_config_, latency_ns);
POLLNVME_CONFIG_ATTR(jitter_ns, 0, U32_MAX, true)
CONFIGFS_ATTR(pollnvme_config_, jitter_ns);
POLLNVME_CONFIG_ATTR(channels, 0, POLLNVME_MODEL_CHANNELS, true)
CONFIGFS_ATTR(pollnvme_config_, channels);
POLLNVME_CONFIG_ATTR(bandwidth_mbs, 0, 1000000, true)
CONFIGFS_ATTR(pollnvme_config_, bandwidth_mbs);

static const char * const pollnvme_kind_names[POLLNVME_KINDS] = {
	[POLLNVME_KIND_PLAIN]		= "plain",
	[POLLNVME_KIND_METADATA]	= "metadata",
	[POLLNVME_KIND_ZONED]		= "zoned",
};

static ssize_t pollnvme_config_kind_show(struct config_item *item, char *page)
{
	u32 kind = READ_ONCE(to_config(item)->made.kind);

	return sysfs_emit(page, "%s\n", pollnvme_kind_names[kind]);
}

static ssize_t pollnvme_config_kind_store(struct config_item *item,
					  const char *page, size_t count)
{
	struct pollnvme_config *config = to_config(item);
	int kind = sysfs_match_string(pollnvme_kind_names, page);
	ssize_t ret = count;

	if (kind < 0)
		return kind;
	mutex_lock(&config->lock);
	if (config->ram)
		ret = -EBUSY;
	else
		WRITE_ONCE(config->made.kind, kind);
	mutex_unlock(&config->lock);
	return ret;
}
CONFIGFS_ATTR(pollnvme_config_, kind);

static ssize_t pollnvme_config_blocksize_show(struct config_item *item,
					      char *page)
{
	return sysfs_emit(page, "%u\n", to_config(item)->blocksize);
}

static ssize_t pollnvme_config_blocksize_store(struct config_item *item,
					       const char *page, size_t count)
{
	struct pollnvme_config *config = to_config(item);
	u32 value;
	int err = kstrtou32(page, 0, &value);

	if (err)
		return err;
	if (value != 512 && value != 4096)
		return -EINVAL;
	return pollnvme_config_set(config, &config->blocksize, page, count,
				   512, 4096, false);
}
CONFIGFS_ATTR(pollnvme_config_, blocksize);

static const char * const pollnvme_fault_names[POLLNVME_FAULTS] = {
	[POLLNVME_FAULT_NONE]		= "none",
	[POLLNVME_FAULT_STATUS]		= "status",
	[POLLNVME_FAULT_LOST]		= "lost",
	[POLLNVME_FAULT_LATE]		= "late",
	[POLLNVME_FAULT_UNKNOWN]	= "unknown",
	[POLLNVME_FAULT_FOREIGN]	= "foreign",
	[POLLNVME_FAULT_TWICE]		= "twice",
	[POLLNVME_FAULT_IDENT]		= "ident",
	[POLLNVME_FAULT_NOCACHE]	= "nocache",
};

static ssize_t pollnvme_config_fault_show(struct config_item *item, char *page)
{
	struct pollnvme_config *config = to_config(item);
	ssize_t len = -ENODEV;

	mutex_lock(&config->lock);
	if (config->ram)
		len = sysfs_emit(page, "%s %u %u\n",
				 pollnvme_fault_names[config->ram->fault],
				 config->ram->fault_value,
				 atomic_read(&config->ram->fault_count));
	mutex_unlock(&config->lock);
	return len;
}

/* "KIND VALUE COUNT", all three in one write: they make one order. */
static ssize_t pollnvme_config_fault_store(struct config_item *item,
					   const char *page, size_t count)
{
	struct pollnvme_config *config = to_config(item);
	unsigned int value, times;
	char kind[8];
	ssize_t ret;
	int fault;

	if (sscanf(page, "%7s %i %u", kind, (int *)&value, &times) != 3)
		return -EINVAL;
	fault = match_string(pollnvme_fault_names, POLLNVME_FAULTS, kind);
	if (fault < 0)
		return fault;
	if (times > INT_MAX ||
	    ((fault == POLLNVME_FAULT_STATUS ||
	      fault == POLLNVME_FAULT_IDENT) && value > 0x7fff))
		return -ERANGE;
	ret = -ENODEV;
	mutex_lock(&config->lock);
	if (config->ram) {
		atomic_set(&config->ram->fault_count, 0);
		WRITE_ONCE(config->ram->fault, fault);
		WRITE_ONCE(config->ram->fault_value, value);
		/* Release: who sees the count sees what is counted. */
		atomic_set_release(&config->ram->fault_count, times);
		ret = count;
	}
	mutex_unlock(&config->lock);
	return ret;
}
CONFIGFS_ATTR(pollnvme_config_, fault);

/* The contents of the last time, unless they would not fit any more. They are kept
 * where there is no memory for others.
 */
static int pollnvme_config_get_media(struct pollnvme_config *config)
{
	u64 size = (u64)config->made.size_mb << 20;
	struct pollnvme_media *media = config->media;
	u8 shift = ilog2(config->blocksize);

	if (media && media->size == size && media->lba_shift == shift &&
	    !media->durable == !config->made.cache)
		return 0;
	if (media && !pollnvme_media_fits(size, config->made.cache, media))
		return -ENOMEM;
	config->media = NULL;
	pollnvme_media_free(media);
	media = pollnvme_media_alloc(size, shift, config->made.cache);
	if (IS_ERR(media))
		return PTR_ERR(media);
	config->media = media;
	return 0;
}

static int pollnvme_config_power_on(struct pollnvme_config *config)
{
	/* A polled pair and one with interrupts per CPU. */
	unsigned int most = 2 * num_possible_cpus();
	struct pollnvme_ram_config made = config->made;
	struct pollnvme_ram *ram;
	int err;

	if (config->ram)
		return 0;
	err = pollnvme_config_get_media(config);
	if (err)
		return err;
	made.queues = min(made.queues ?: most, most);
	ram = pollnvme_ram_create(config->media, &made);
	if (IS_ERR(ram))
		return PTR_ERR(ram);
	config->ram = ram;
	return 0;
}

static void pollnvme_config_power_off(struct pollnvme_config *config)
{
	if (config->ram)
		pollnvme_ram_destroy(config->ram);
	config->ram = NULL;
}

static ssize_t pollnvme_config_power_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n", !!READ_ONCE(to_config(item)->ram));
}

static ssize_t pollnvme_config_power_store(struct config_item *item,
					   const char *page, size_t count)
{
	struct pollnvme_config *config = to_config(item);
	bool on;
	int err = kstrtobool(page, &on);

	if (err)
		return err;
	mutex_lock(&config->lock);
	if (on)
		err = pollnvme_config_power_on(config);
	else
		pollnvme_config_power_off(config);
	mutex_unlock(&config->lock);
	return err ?: count;
}
CONFIGFS_ATTR(pollnvme_config_, power);

static ssize_t pollnvme_config_cut_store(struct config_item *item,
					 const char *page, size_t count)
{
	struct pollnvme_config *config = to_config(item);
	ssize_t ret = -ENODEV;
	u32 seed;
	int err = kstrtou32(page, 0, &seed);

	if (err)
		return err;
	mutex_lock(&config->lock);
	if (config->ram) {
		pollnvme_ram_cut(config->ram, seed);
		config->ram = NULL;
		ret = count;
	}
	mutex_unlock(&config->lock);
	return ret;
}
CONFIGFS_ATTR_WO(pollnvme_config_, cut);

static ssize_t pollnvme_config_controller_show(struct config_item *item,
					       char *page)
{
	struct pollnvme_config *config = to_config(item);
	ssize_t len = -ENODEV;

	mutex_lock(&config->lock);
	if (config->ram)
		len = sysfs_emit(page, "%s\n",
				 dev_name(&config->ram->ctrl.dev));
	mutex_unlock(&config->lock);
	return len;
}
CONFIGFS_ATTR_RO(pollnvme_config_, controller);

static struct configfs_attribute *pollnvme_config_attrs[] = {
	&pollnvme_config_attr_size_mb,
	&pollnvme_config_attr_blocksize,
	&pollnvme_config_attr_queues,
	&pollnvme_config_attr_cache,
	&pollnvme_config_attr_namespaces,
	&pollnvme_config_attr_active,
	&pollnvme_config_attr_identity,
	&pollnvme_config_attr_kind,
	&pollnvme_config_attr_latency_ns,
	&pollnvme_config_attr_jitter_ns,
	&pollnvme_config_attr_channels,
	&pollnvme_config_attr_bandwidth_mbs,
	&pollnvme_config_attr_fault,
	&pollnvme_config_attr_power,
	&pollnvme_config_attr_cut,
	&pollnvme_config_attr_controller,
	NULL
};

static void pollnvme_config_release(struct config_item *item)
{
	struct pollnvme_config *config = to_config(item);

	pollnvme_media_free(config->media);
	kfree(config);
}

static struct configfs_item_operations pollnvme_config_item_ops = {
	.release	= pollnvme_config_release,
};

static const struct config_item_type pollnvme_config_type = {
	.ct_item_ops	= &pollnvme_config_item_ops,
	.ct_attrs	= pollnvme_config_attrs,
	.ct_owner	= THIS_MODULE,
};

static struct config_item *pollnvme_config_make(struct config_group *group,
						const char *name)
{
	struct pollnvme_config *config = kzalloc(sizeof(*config), GFP_KERNEL);

	if (!config)
		return ERR_PTR(-ENOMEM);
	mutex_init(&config->lock);
	config->made.size_mb = 256;
	config->blocksize = 512;
	config->made.namespaces = 1;
	config->made.active = 1;
	config->made.latency_ns = POLLNVME_RAM_LATENCY_NS;
	config_item_init_type_name(&config->item, name, &pollnvme_config_type);
	return &config->item;
}

static void pollnvme_config_drop(struct config_group *group,
				 struct config_item *item)
{
	struct pollnvme_config *config = to_config(item);

	mutex_lock(&config->lock);
	pollnvme_config_power_off(config);
	mutex_unlock(&config->lock);
	config_item_put(item);
}

static struct configfs_group_operations pollnvme_config_group_ops = {
	.make_item	= pollnvme_config_make,
	.drop_item	= pollnvme_config_drop,
};

static const struct config_item_type pollnvme_config_group_type = {
	.ct_group_ops	= &pollnvme_config_group_ops,
	.ct_owner	= THIS_MODULE,
};

static struct configfs_subsystem pollnvme_config_subsys = {
	.su_group = {
		.cg_item = {
			.ci_namebuf	= POLLNVME_NAME,
			.ci_type	= &pollnvme_config_group_type,
		},
	},
};

/**
 * pollnvme_ram_init() - make the directory in configfs
 *
 * Return: 0 or an error.
 */
int pollnvme_ram_init(void)
{
	config_group_init(&pollnvme_config_subsys.su_group);
	mutex_init(&pollnvme_config_subsys.su_mutex);
	return configfs_register_subsystem(&pollnvme_config_subsys);
}

/** pollnvme_ram_exit() - remove it; the directories below pin the module */
void pollnvme_ram_exit(void)
{
	configfs_unregister_subsystem(&pollnvme_config_subsys);
}
