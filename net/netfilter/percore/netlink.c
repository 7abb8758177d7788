// SPDX-License-Identifier: GPL-2.0
/*
 * The generic netlink family: parse and validate. Whatever is refused is
 * refused with a message that names the attribute and its value.
 */
#include <linux/cpumask.h>
#include <linux/in.h>
#include <linux/slab.h>
#include <net/genetlink.h>

#include "percore_compat.h"
#include "percore.h"

static const struct nla_policy
percore_lane_policy[PERCORE_A_LANE_MAX + 1] = {
	[PERCORE_A_LANE_CPU] = { .type = NLA_U32 },
	[PERCORE_A_LANE_PORT] = { .type = NLA_U16 },
	[PERCORE_A_LANE_DRAIN] = NLA_POLICY_MAX(NLA_U8, 1),
};

static const struct nla_policy
percore_service_policy[PERCORE_A_SERVICE_MAX + 1] = {
	[PERCORE_A_SERVICE_VIP4] = { .type = NLA_U32 },
	[PERCORE_A_SERVICE_PORT] = { .type = NLA_U16 },
	[PERCORE_A_SERVICE_PROTO] = { .type = NLA_U8 },
	[PERCORE_A_SERVICE_METHOD] = { .type = NLA_U8 },
	[PERCORE_A_SERVICE_LANE] = NLA_POLICY_NESTED(percore_lane_policy),
};

/**
 * struct percore_key - what names a service
 * @vip: address
 * @port: port
 * @proto: protocol
 */
struct percore_key {
	__be32 vip;
	__be16 port;
	u8 proto;
};

static int percore_parse_key(struct genl_info *info, struct percore_key *key)
{
	struct nlattr *vip = info->attrs[PERCORE_A_SERVICE_VIP4];
	struct nlattr *port = info->attrs[PERCORE_A_SERVICE_PORT];
	struct nlattr *proto = info->attrs[PERCORE_A_SERVICE_PROTO];

	if (!vip) {
		GENL_SET_ERR_MSG(info, "vip4 is missing");
		return -EINVAL;
	}
	if (!port) {
		GENL_SET_ERR_MSG(info, "port is missing");
		return -EINVAL;
	}
	key->vip = nla_get_in_addr(vip);
	key->port = nla_get_be16(port);
	key->proto = proto ? nla_get_u8(proto) : IPPROTO_TCP;
	if (key->proto == IPPROTO_TCP)
		return 0;
	NL_SET_ERR_MSG_ATTR_FMT(info->extack, proto,
				"proto %u is not supported: 6 (TCP) is",
				key->proto);
	return -EPROTONOSUPPORT;
}

/* What a new service's key must be besides well formed. */
static int percore_check_key(struct genl_info *info,
			     const struct percore_key *key)
{
	if (ipv4_is_zeronet(key->vip) || ipv4_is_multicast(key->vip) ||
	    ipv4_is_lbcast(key->vip)) {
		NL_SET_ERR_MSG_ATTR_FMT(info->extack,
					info->attrs[PERCORE_A_SERVICE_VIP4],
					"vip4 %pI4 is no host's address",
					&key->vip);
		return -EINVAL;
	}
	if (!key->port) {
		NL_SET_ERR_MSG_ATTR_FMT(info->extack,
					info->attrs[PERCORE_A_SERVICE_PORT],
					"port 0 is no port");
		return -EINVAL;
	}
	return 0;
}

static int percore_parse_method(struct genl_info *info, u8 *method)
{
	struct nlattr *attr = info->attrs[PERCORE_A_SERVICE_METHOD];

	*method = attr ? nla_get_u8(attr) : PERCORE_METHOD_NAT;
	if (*method <= PERCORE_METHOD_MAX)
		return 0;
	NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr, "method %u is not known",
				*method);
	return -EOPNOTSUPP;
}

static int percore_check_lane(const struct percore_lane *lane,
			      const struct nlattr *attr,
			      struct netlink_ext_ack *extack)
{
	if (lane->cpu >= nr_cpu_ids || !cpu_possible(lane->cpu)) {
		NL_SET_ERR_MSG_ATTR_FMT(extack, attr, "CPU %u does not exist",
					lane->cpu);
		return -EINVAL;
	}
	if (!cpu_online(lane->cpu)) {
		NL_SET_ERR_MSG_ATTR_FMT(extack, attr, "CPU %u is offline",
					lane->cpu);
		return -EINVAL;
	}
	if (!lane->port) {
		NL_SET_ERR_MSG_ATTR_FMT(extack, attr,
					"port 0 of CPU %u is no port",
					lane->cpu);
		return -EINVAL;
	}
	return 0;
}

static int percore_parse_lane(const struct nlattr *attr,
			      struct percore_lane *lane,
			      struct netlink_ext_ack *extack)
{
	struct nlattr *tb[PERCORE_A_LANE_MAX + 1];
	int err;

	err = nla_parse_nested(tb, PERCORE_A_LANE_MAX, attr,
			       percore_lane_policy, extack);
	if (err)
		return err;
	if (!tb[PERCORE_A_LANE_CPU] || !tb[PERCORE_A_LANE_PORT]) {
		NL_SET_ERR_MSG_ATTR(extack, attr,
				    "a lane needs both cpu and port");
		return -EINVAL;
	}
	lane->cpu = nla_get_u32(tb[PERCORE_A_LANE_CPU]);
	lane->port = nla_get_be16(tb[PERCORE_A_LANE_PORT]);
	lane->drain = tb[PERCORE_A_LANE_DRAIN] &&
		      nla_get_u8(tb[PERCORE_A_LANE_DRAIN]);
	return percore_check_lane(lane, attr, extack);
}

/* The @index-th lane of a request, or NULL. */
static const struct nlattr *percore_lane_attr(const struct genl_info *info,
					      unsigned int index)
{
	const struct nlattr *attr;
	int rem;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem)
		if (nla_type(attr) == PERCORE_A_SERVICE_LANE && !index--)
			return attr;
	return NULL;
}

static int percore_count_lanes(struct genl_info *info, u16 *lanes)
{
	const struct nlattr *attr;
	unsigned int n = 0;
	int rem;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem)
		n += nla_type(attr) == PERCORE_A_SERVICE_LANE;
	if (!n) {
		GENL_SET_ERR_MSG(info, "lane is missing: one at least");
		return -EINVAL;
	}
	if (n > PERCORE_MAX_LANES) {
		NL_SET_ERR_MSG_ATTR_FMT(info->extack,
					info->attrs[PERCORE_A_SERVICE_LANE],
					"%u lanes are too many: at most %u",
					n, PERCORE_MAX_LANES);
		return -E2BIG;
	}
	*lanes = n;
	return 0;
}

static int percore_parse_lanes(struct genl_info *info,
			       struct percore_service *svc)
{
	const struct nlattr *attr;
	unsigned int i = 0;
	int rem, err;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		if (nla_type(attr) != PERCORE_A_SERVICE_LANE)
			continue;
		err = percore_parse_lane(attr, &svc->lane[i++], info->extack);
		if (err)
			return err;
	}
	return 0;
}

/* Say why a new service does not fit beside what there is. */
static void percore_explain(struct genl_info *info,
			    const struct percore_service *svc,
			    const struct percore_slot *clash, u16 lane)
{
	const struct percore_service *other = clash->svc;
	const struct nlattr *attr;
	u32 cpu;
	u16 port;

	if (lane == PERCORE_PUBLIC) {
		attr = info->attrs[PERCORE_A_SERVICE_PORT];
		port = ntohs(svc->port);
		if (clash->lane == PERCORE_PUBLIC)
			NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr,
						"%pI4:%u has a service already",
						&svc->vip, port);
		else
			NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr,
						"port %u is a private port of service %pI4:%u",
						port, &other->vip,
						ntohs(other->port));
		return;
	}
	attr = percore_lane_attr(info, lane);
	port = ntohs(svc->lane[lane].port);
	cpu = svc->lane[lane].cpu;
	if (!other)
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr,
					"CPU %u has two lanes", cpu);
	else if (other != svc)
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr,
					"port %u of CPU %u belongs to service %pI4:%u",
					port, cpu, &other->vip,
					ntohs(other->port));
	else if (clash->lane == PERCORE_PUBLIC)
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr,
					"port %u of CPU %u is the service's own port",
					port, cpu);
	else
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr,
					"port %u is used twice: by CPU %u and CPU %u",
					port, svc->lane[clash->lane].cpu, cpu);
}

static int percore_add_locked(struct genl_info *info,
			      struct percore_service *svc)
{
	struct net *net = genl_info_net(info);
	struct percore_slot clash;
	u16 lane;
	int err;

	if (percore_pernet(net)->count >= PERCORE_MAX_SERVICES) {
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, NULL,
					"there are %u services, and no more can be",
					PERCORE_MAX_SERVICES);
		return -ENOSPC;
	}
	err = percore_service_add(net, svc, &clash, &lane);
	if (err == -EEXIST)
		percore_explain(info, svc, &clash, lane);
	return err;
}

static int percore_service_new_doit(struct sk_buff *skb,
				    struct genl_info *info)
{
	struct percore_net *pn = percore_pernet(genl_info_net(info));
	struct percore_service *svc;
	struct percore_key key;
	u8 method;
	u16 lanes;
	int err;

	err = percore_parse_key(info, &key);
	if (err)
		return err;
	err = percore_check_key(info, &key);
	if (err)
		return err;
	err = percore_parse_method(info, &method);
	if (err)
		return err;
	err = percore_count_lanes(info, &lanes);
	if (err)
		return err;
	svc = percore_service_alloc(lanes);
	if (!svc)
		return -ENOMEM;
	svc->vip = key.vip;
	svc->port = key.port;
	svc->proto = key.proto;
	svc->method = method;
	err = percore_parse_lanes(info, svc);
	if (err)
		goto err_free;
	mutex_lock(&pn->lock);
	err = percore_add_locked(info, svc);
	mutex_unlock(&pn->lock);
	if (err)
		goto err_free;
	return 0;

err_free:
	percore_service_free(svc);
	return err;
}

/* The service with this key, the netns locked; says so when there is none. */
static struct percore_service *
percore_find_locked(struct genl_info *info, const struct percore_key *key)
{
	struct percore_net *pn = percore_pernet(genl_info_net(info));
	struct percore_service *svc;

	svc = percore_service_find(pn, key->vip, key->port, key->proto);
	if (!svc)
		NL_SET_ERR_MSG_ATTR_FMT(info->extack,
					info->attrs[PERCORE_A_SERVICE_VIP4],
					"%pI4:%u has no service", &key->vip,
					ntohs(key->port));
	return svc;
}

static int percore_service_del_doit(struct sk_buff *skb,
				    struct genl_info *info)
{
	struct net *net = genl_info_net(info);
	struct percore_net *pn = percore_pernet(net);
	struct percore_service *svc;
	struct percore_key key;
	int err;

	err = percore_parse_key(info, &key);
	if (err)
		return err;
	mutex_lock(&pn->lock);
	svc = percore_find_locked(info, &key);
	err = svc ? percore_service_del(net, svc) : -ENOENT;
	mutex_unlock(&pn->lock);
	return err;
}

/* Which lane a LANE_SET is about, and what it wants. */
static int percore_parse_drain(struct genl_info *info, u32 *cpu, bool *drain)
{
	struct nlattr *attr = info->attrs[PERCORE_A_SERVICE_LANE];
	struct nlattr *tb[PERCORE_A_LANE_MAX + 1];
	int err;

	if (!attr) {
		GENL_SET_ERR_MSG(info, "lane is missing");
		return -EINVAL;
	}
	if (percore_lane_attr(info, 1)) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr,
				    "more than one lane: one at a time");
		return -EINVAL;
	}
	err = nla_parse_nested(tb, PERCORE_A_LANE_MAX, attr,
			       percore_lane_policy, info->extack);
	if (err)
		return err;
	if (!tb[PERCORE_A_LANE_CPU] || !tb[PERCORE_A_LANE_DRAIN]) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr,
				    "a change of a lane needs cpu and drain");
		return -EINVAL;
	}
	*cpu = nla_get_u32(tb[PERCORE_A_LANE_CPU]);
	*drain = nla_get_u8(tb[PERCORE_A_LANE_DRAIN]);
	return 0;
}

static int percore_lane_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct percore_net *pn = percore_pernet(genl_info_net(info));
	struct percore_service *svc;
	struct percore_key key;
	bool drain;
	u32 cpu;
	int err;

	err = percore_parse_key(info, &key);
	if (err)
		return err;
	err = percore_parse_drain(info, &cpu, &drain);
	if (err)
		return err;
	mutex_lock(&pn->lock);
	err = -ENOENT;
	svc = percore_find_locked(info, &key);
	if (svc) {
		err = percore_service_drain(pn, svc, cpu, drain);
		if (err)
			NL_SET_ERR_MSG_ATTR_FMT(info->extack,
						info->attrs[PERCORE_A_SERVICE_LANE],
						"CPU %u has no lane of %pI4:%u",
						cpu, &key.vip, ntohs(key.port));
	}
	mutex_unlock(&pn->lock);
	return err;
}

static const struct genl_ops percore_ops[] = {
	{
		.cmd = PERCORE_CMD_SERVICE_NEW,
		.flags = GENL_UNS_ADMIN_PERM,
		.doit = percore_service_new_doit,
	},
	{
		.cmd = PERCORE_CMD_SERVICE_DEL,
		.flags = GENL_UNS_ADMIN_PERM,
		.doit = percore_service_del_doit,
	},
	{
		.cmd = PERCORE_CMD_LANE_SET,
		.flags = GENL_UNS_ADMIN_PERM,
		.doit = percore_lane_set_doit,
	},
	{
		.cmd = PERCORE_CMD_SERVICE_GET,
		.start = percore_dump_start,
		.dumpit = percore_dump_services,
	},
	{
		.cmd = PERCORE_CMD_STATS_GET,
		.dumpit = percore_dump_stats,
	},
};

struct genl_family percore_family __ro_after_init = {
	.name = PERCORE_GENL_NAME,
	.version = PERCORE_GENL_VERSION,
	.maxattr = PERCORE_A_SERVICE_MAX,
	.policy = percore_service_policy,
	.ops = percore_ops,
	.n_ops = ARRAY_SIZE(percore_ops),
	.netnsok = true,
	.module = THIS_MODULE,
};

/**
 * percore_netlink_init() - make the family known
 *
 * Return: 0 or -errno.
 */
int percore_netlink_init(void)
{
	return genl_register_family(&percore_family);
}

/**
 * percore_netlink_exit() - withdraw the family
 */
void percore_netlink_exit(void)
{
	genl_unregister_family(&percore_family);
}

MODULE_ALIAS_GENL_FAMILY(PERCORE_GENL_NAME);
