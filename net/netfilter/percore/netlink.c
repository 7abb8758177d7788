// SPDX-License-Identifier: GPL-2.0
/*
 * The generic netlink family: parse and validate. Whatever is refused is
 * refused with a message that names the attribute and its value.
 */
#include <linux/cpumask.h>
#include <linux/in.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <net/genetlink.h>
#include <net/ipv6.h>

#include "percore_compat.h"
#include "percore.h"

/* What each command takes. Whatever else comes with it is refused by name, not
 * ignored.
 */
static const struct nla_policy
percore_lane_policy[PERCORE_A_LANE_MAX + 1] = {
	[PERCORE_A_LANE_CPU] = { .type = NLA_U32 },
	[PERCORE_A_LANE_PORT] = { .type = NLA_U16 },
	[PERCORE_A_LANE_DRAIN] = { .type = NLA_U8 },
};

static const struct nla_policy
percore_new_policy[PERCORE_A_SERVICE_MAX + 1] = {
	[PERCORE_A_SERVICE_VIP4] = { .type = NLA_U32 },
	[PERCORE_A_SERVICE_VIP6] =
		NLA_POLICY_EXACT_LEN(sizeof(struct in6_addr)),
	[PERCORE_A_SERVICE_PORT] = { .type = NLA_U16 },
	[PERCORE_A_SERVICE_PROTO] = { .type = NLA_U8 },
	[PERCORE_A_SERVICE_METHOD] = { .type = NLA_U8 },
	[PERCORE_A_SERVICE_LANE] = NLA_POLICY_NESTED(percore_lane_policy),
	[PERCORE_A_SERVICE_BALANCE] = { .type = NLA_U8 },
	[PERCORE_A_SERVICE_MARK] = { .type = NLA_U8 },
	[PERCORE_A_SERVICE_CPU_MARK] = { .type = NLA_U8 },
};

static const struct nla_policy
percore_del_policy[PERCORE_A_SERVICE_MAX + 1] = {
	[PERCORE_A_SERVICE_VIP4] = { .type = NLA_U32 },
	[PERCORE_A_SERVICE_VIP6] =
		NLA_POLICY_EXACT_LEN(sizeof(struct in6_addr)),
	[PERCORE_A_SERVICE_PORT] = { .type = NLA_U16 },
	[PERCORE_A_SERVICE_PROTO] = { .type = NLA_U8 },
};

static const struct nla_policy
percore_drain_policy[PERCORE_A_LANE_MAX + 1] = {
	[PERCORE_A_LANE_CPU] = { .type = NLA_U32 },
	[PERCORE_A_LANE_DRAIN] = { .type = NLA_U8 },
};

static const struct nla_policy
percore_lane_set_policy[PERCORE_A_SERVICE_MAX + 1] = {
	[PERCORE_A_SERVICE_VIP4] = { .type = NLA_U32 },
	[PERCORE_A_SERVICE_VIP6] =
		NLA_POLICY_EXACT_LEN(sizeof(struct in6_addr)),
	[PERCORE_A_SERVICE_PORT] = { .type = NLA_U16 },
	[PERCORE_A_SERVICE_PROTO] = { .type = NLA_U8 },
	[PERCORE_A_SERVICE_LANE] = NLA_POLICY_NESTED(percore_drain_policy),
};

static const struct nla_policy
percore_get_policy[PERCORE_A_SERVICE_PAD + 1] = { };

/**
 * struct percore_key - what names a service
 * @vip: address; zeros behind an IPv4 address
 * @port: port
 * @family: AF_INET or AF_INET6
 * @proto: protocol
 */
struct percore_key {
	union nf_inet_addr vip;
	__be16 port;
	u8 family;
	u8 proto;
};

/**
 * union percore_end - an address and port, as %pISpc prints it
 * @in: IPv4
 * @in6: IPv6
 */
union percore_end {
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static union percore_end percore_end_of(u8 family,
					const union nf_inet_addr *vip,
					__be16 port)
{
	union percore_end end = {};

	if (family == AF_INET6) {
		end.in6.sin6_family = AF_INET6;
		end.in6.sin6_addr = vip->in6;
		end.in6.sin6_port = port;
	} else {
		end.in.sin_family = AF_INET;
		end.in.sin_addr = vip->in;
		end.in.sin_port = port;
	}
	return end;
}

static int percore_parse_vip(struct genl_info *info, struct percore_key *key)
{
	struct nlattr *vip4 = info->attrs[PERCORE_A_SERVICE_VIP4];
	struct nlattr *vip6 = info->attrs[PERCORE_A_SERVICE_VIP6];

	if (!vip6 && GENL_REQ_ATTR_CHECK(info, PERCORE_A_SERVICE_VIP4)) {
		GENL_SET_ERR_MSG(info, "vip4 or vip6 is missing");
		return -EINVAL;
	}
	if (vip4 && vip6) {
		NL_SET_ERR_MSG_ATTR(info->extack, vip6,
				    "vip6 beside vip4: one of them is enough");
		return -EINVAL;
	}
	memset(&key->vip, 0, sizeof(key->vip));
	key->family = vip6 ? AF_INET6 : AF_INET;
	if (vip6)
		key->vip.in6 = nla_get_in6_addr(vip6);
	else
		key->vip.ip = nla_get_in_addr(vip4);
	return 0;
}

static int percore_parse_key(struct genl_info *info, struct percore_key *key)
{
	struct nlattr *port = info->attrs[PERCORE_A_SERVICE_PORT];
	struct nlattr *proto = info->attrs[PERCORE_A_SERVICE_PROTO];
	int err;

	err = percore_parse_vip(info, key);
	if (err)
		return err;
	if (GENL_REQ_ATTR_CHECK(info, PERCORE_A_SERVICE_PORT)) {
		GENL_SET_ERR_MSG(info, "port is missing");
		return -EINVAL;
	}
	key->port = nla_get_be16(port);
	key->proto = proto ? nla_get_u8(proto) : IPPROTO_TCP;
	if (key->proto == IPPROTO_TCP || key->proto == IPPROTO_UDP)
		return 0;
	NL_SET_ERR_MSG_ATTR_FMT(info->extack, proto,
				"proto %u is not supported: 6 (TCP) and 17 (UDP) are",
				key->proto);
	return -EPROTONOSUPPORT;
}

static bool percore_is_host(const struct percore_key *key)
{
	if (key->family == AF_INET6)
		return !ipv6_addr_any(&key->vip.in6) &&
		       !ipv6_addr_is_multicast(&key->vip.in6) &&
		       !ipv6_addr_v4mapped(&key->vip.in6);
	return !ipv4_is_zeronet(key->vip.ip) &&
	       !ipv4_is_multicast(key->vip.ip) && !ipv4_is_lbcast(key->vip.ip);
}

/* What a new service's key must be besides well formed. */
static int percore_check_key(struct genl_info *info,
			     const struct percore_key *key)
{
	if (!percore_is_host(key)) {
		if (key->family == AF_INET6)
			NL_SET_ERR_MSG_ATTR_FMT(info->extack,
						info->attrs[PERCORE_A_SERVICE_VIP6],
						"vip6 %pI6c is no host's address",
						&key->vip);
		else
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

/* @method stays as it is when nothing is said. */
static int percore_parse_method(struct genl_info *info,
				const struct percore_key *key, u8 *method)
{
	struct nlattr *attr = info->attrs[PERCORE_A_SERVICE_METHOD];

	if (attr)
		*method = nla_get_u8(attr);
	/* A datagram makes no socket that has the public port: a server's
	 * answers leave with the port that it is bound to.
	 */
	if (key->proto == IPPROTO_UDP && (*method == PERCORE_METHOD_STEER ||
					  *method == PERCORE_METHOD_FRONT)) {
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr,
					"method %u (%s) is for proto 6 (TCP) alone",
					*method,
					*method == PERCORE_METHOD_STEER ?
					"steer" : "front");
		return -EOPNOTSUPP;
	}
	if (*method <= PERCORE_METHOD_MAX)
		return 0;
	NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr,
				"method %u is not known: 0 (nat), 1 (steer) and 2 (front) are",
				*method);
	return -EOPNOTSUPP;
}

/* The mark; it stays as it is when nothing is said. */
static int percore_parse_mark(struct genl_info *info,
			      struct percore_service *svc)
{
	struct nlattr *attr = info->attrs[PERCORE_A_SERVICE_MARK];
	u8 mark = attr ? nla_get_u8(attr) : 0;

	if (svc->balance != PERCORE_BALANCE_SPILL) {
		svc->mark = 0;
		if (!attr)
			return 0;
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr,
					"mark %u: only with balance 1 (spill)",
					mark);
		return -EINVAL;
	}
	if (attr && (!mark || mark > 100)) {
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr,
					"mark %u is no percentage from 1 to 100",
					mark);
		return -ERANGE;
	}
	if (attr)
		svc->mark = mark;
	else if (!svc->mark)
		svc->mark = PERCORE_MARK_DEFAULT;
	return 0;
}

/* The mark for CPUs; it stays as it is when nothing is said. */
static int percore_parse_cpu_mark(struct genl_info *info,
				  struct percore_service *svc)
{
	struct nlattr *attr = info->attrs[PERCORE_A_SERVICE_CPU_MARK];
	u8 mark = attr ? nla_get_u8(attr) : svc->cpu_mark;

	if (mark > 99) {
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr,
					"cpu-mark %u is no percentage from 0 (off) to 99",
					mark);
		return -ERANGE;
	}
	if (svc->balance == PERCORE_BALANCE_SPILL) {
		svc->cpu_mark = mark;
		return 0;
	}
	svc->cpu_mark = 0;
	if (!attr || !mark)
		return 0;
	NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr,
				"cpu-mark %u: only with balance 1 (spill)", mark);
	return -EINVAL;
}

/* How a service is balanced; @svc, whose protocol is known, stays as it is when
 * nothing is said.
 */
static int percore_parse_balance(struct genl_info *info,
				 struct percore_service *svc)
{
	struct nlattr *attr = info->attrs[PERCORE_A_SERVICE_BALANCE];
	int err;

	if (attr)
		svc->balance = nla_get_u8(attr);
	if (svc->balance > PERCORE_BALANCE_MAX) {
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr,
					"balance %u is not known: 0 (none) and 1 (spill) are",
					svc->balance);
		return -EOPNOTSUPP;
	}
	/* Datagrams are not accepted, so nothing tells how many wait. */
	if (svc->balance == PERCORE_BALANCE_SPILL &&
	    svc->proto == IPPROTO_UDP) {
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr,
					"balance %u (spill) is for proto 6 (TCP) alone",
					svc->balance);
		return -EOPNOTSUPP;
	}
	err = percore_parse_mark(info, svc);
	return err ? err : percore_parse_cpu_mark(info, svc);
}

static int percore_check_cpu(u32 cpu, const struct nlattr *attr,
			     struct netlink_ext_ack *extack)
{
	if (cpu >= nr_cpu_ids || !cpu_possible(cpu)) {
		NL_SET_ERR_MSG_ATTR_FMT(extack, attr, "CPU %u does not exist",
					cpu);
		return -EINVAL;
	}
	if (!cpu_online(cpu)) {
		NL_SET_ERR_MSG_ATTR_FMT(extack, attr, "CPU %u is offline", cpu);
		return -EINVAL;
	}
	return 0;
}

static int percore_parse_cpu(struct nlattr **tb, const struct nlattr *nest,
			     u32 *cpu, struct netlink_ext_ack *extack)
{
	if (NL_REQ_ATTR_CHECK(extack, nest, tb, PERCORE_A_LANE_CPU)) {
		NL_SET_ERR_MSG(extack, "lane: cpu is missing");
		return -EINVAL;
	}
	*cpu = nla_get_u32(tb[PERCORE_A_LANE_CPU]);
	return 0;
}

/* Whether a lane is drained; @drain stays as it is when nothing is said. */
static int percore_parse_drain(struct nlattr **tb, u32 cpu, bool *drain,
			       struct netlink_ext_ack *extack)
{
	struct nlattr *attr = tb[PERCORE_A_LANE_DRAIN];

	if (attr && nla_get_u8(attr) > 1) {
		NL_SET_ERR_MSG_ATTR_FMT(extack, attr,
					"drain %u of CPU %u is neither 0 nor 1",
					nla_get_u8(attr), cpu);
		return -ERANGE;
	}
	if (attr)
		*drain = nla_get_u8(attr);
	return 0;
}

/* Is this CPU's lane drained in a service that changes? @old is NULL for one that is
 * new.
 */
static bool percore_was_drained(const struct percore_service *old, u32 cpu)
{
	const struct percore_lane *was = old ? percore_lane_of(old, cpu) : NULL;

	return was && was->drain;
}

static int percore_parse_lane(const struct nlattr *nest,
			      const struct percore_service *old,
			      struct percore_lane *lane,
			      struct netlink_ext_ack *extack)
{
	struct nlattr *tb[PERCORE_A_LANE_MAX + 1];
	int err;

	err = nla_parse_nested(tb, PERCORE_A_LANE_MAX, nest,
			       percore_lane_policy, extack);
	if (err)
		return err;
	err = percore_parse_cpu(tb, nest, &lane->cpu, extack);
	if (err)
		return err;
	err = percore_check_cpu(lane->cpu, tb[PERCORE_A_LANE_CPU], extack);
	if (err)
		return err;
	if (NL_REQ_ATTR_CHECK(extack, nest, tb, PERCORE_A_LANE_PORT)) {
		NL_SET_ERR_MSG(extack, "lane: port is missing");
		return -EINVAL;
	}
	lane->port = nla_get_be16(tb[PERCORE_A_LANE_PORT]);
	if (!lane->port) {
		NL_SET_ERR_MSG_ATTR_FMT(extack, tb[PERCORE_A_LANE_PORT],
					"port 0 of CPU %u is no port",
					lane->cpu);
		return -EINVAL;
	}
	lane->drain = percore_was_drained(old, lane->cpu);
	return percore_parse_drain(tb, lane->cpu, &lane->drain, extack);
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
	if (GENL_REQ_ATTR_CHECK(info, PERCORE_A_SERVICE_LANE)) {
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
			       const struct percore_service *old,
			       struct percore_service *svc)
{
	const struct nlattr *attr;
	unsigned int i = 0;
	int rem, err;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		if (nla_type(attr) != PERCORE_A_SERVICE_LANE)
			continue;
		err = percore_parse_lane(attr, old, &svc->lane[i++],
					 info->extack);
		if (err)
			return err;
	}
	return 0;
}

/* Say why a new service does not fit beside what there is. An address takes 47 of the
 * 79 characters that a formatted message may have.
 */
static void percore_explain(struct genl_info *info,
			    const struct percore_service *svc,
			    const struct percore_slot *clash, u16 lane)
{
	const struct percore_service *other = clash->svc ? clash->svc : svc;
	const union percore_end end = percore_end_of(other->family, &other->vip,
						     other->port);
	const struct nlattr *attr;
	u32 cpu;
	u16 port;

	if (lane == PERCORE_PUBLIC) {
		attr = info->attrs[PERCORE_A_SERVICE_PORT];
		port = ntohs(svc->port);
		if (clash->lane == PERCORE_PUBLIC)
			NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr,
						"%pISpc has a service already",
						&end);
		else
			NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr,
						"port %u is a private one of %pISpc",
						port, &end);
		return;
	}
	attr = percore_lane_attr(info, lane);
	port = ntohs(svc->lane[lane].port);
	cpu = svc->lane[lane].cpu;
	if (!clash->svc)
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr,
					"CPU %u has two lanes", cpu);
	else if (other != svc)
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr,
					"port %u, CPU %u: taken by %pISpc",
					port, cpu, &end);
	else if (clash->lane == PERCORE_PUBLIC)
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr,
					"port %u of CPU %u is the service's own port",
					port, cpu);
	else
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr,
					"port %u is used twice: by CPU %u and CPU %u",
					port, svc->lane[clash->lane].cpu, cpu);
}

static int percore_put_locked(struct genl_info *info,
			      struct percore_service *svc,
			      struct percore_service *old)
{
	const union percore_end end = percore_end_of(svc->family, &svc->vip,
						     svc->port);
	struct percore_slot clash;
	u16 lane;
	int err;

	err = percore_service_put(genl_info_net(info), svc, old, &clash, &lane);
	if (err == -EEXIST)
		percore_explain(info, svc, &clash, lane);
	else if (err == -EADDRINUSE)
		NL_SET_ERR_MSG_ATTR_FMT(info->extack,
					info->attrs[PERCORE_A_SERVICE_PORT],
					"%pISpc is in use; front listens there",
					&end);
	else if (svc->method == PERCORE_METHOD_FRONT && err && err != -ENOMEM)
		NL_SET_ERR_MSG_ATTR_FMT(info->extack,
					info->attrs[PERCORE_A_SERVICE_PORT],
					"front cannot listen at %pISpc",
					&end);
	else if (err && err != -ENOMEM)
		GENL_SET_ERR_MSG(info, "netfilter refuses our hooks");
	return err;
}

static int percore_add_locked(struct genl_info *info,
			      struct percore_service *svc)
{
	struct net *net = genl_info_net(info);
	int err;

	if (percore_pernet(net)->count >= PERCORE_MAX_SERVICES) {
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, NULL,
					"there are %u services, and no more can be",
					PERCORE_MAX_SERVICES);
		return -ENOSPC;
	}
	err = percore_put_locked(info, svc, NULL);
	if (!err)
		percore_notify(net, svc, PERCORE_CMD_SERVICE_NEW_NTF);
	return err;
}

static int percore_service_new_doit(struct sk_buff *skb,
				    struct genl_info *info)
{
	struct percore_net *pn = percore_pernet(genl_info_net(info));
	u8 method = PERCORE_METHOD_NAT;
	struct percore_service *svc;
	struct percore_key key;
	u16 lanes;
	int err;

	err = percore_parse_key(info, &key);
	if (err)
		return err;
	err = percore_check_key(info, &key);
	if (err)
		return err;
	err = percore_parse_method(info, &key, &method);
	if (err)
		return err;
	err = percore_count_lanes(info, &lanes);
	if (err)
		return err;
	svc = percore_service_alloc(lanes, 0, NULL);
	if (!svc)
		return -ENOMEM;
	svc->family = key.family;
	svc->vip = key.vip;
	svc->port = key.port;
	svc->proto = key.proto;
	svc->method = method;
	err = percore_parse_balance(info, svc);
	if (err)
		goto err_free;
	err = percore_parse_lanes(info, NULL, svc);
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
	const union percore_end end = percore_end_of(key->family, &key->vip,
						     key->port);
	struct percore_service *svc;

	svc = percore_service_find(pn, key->family, &key->vip, key->port,
				   key->proto);
	if (!svc)
		NL_SET_ERR_MSG_ATTR_FMT(info->extack,
					info->attrs[key->family == AF_INET6 ?
						    PERCORE_A_SERVICE_VIP6 :
						    PERCORE_A_SERVICE_VIP4],
					"%pISpc has no service", &end);
	return svc;
}

/* Lanes' listeners of method front are elsewhere than those of the other two. */
static int percore_check_method(struct genl_info *info,
				const struct percore_service *svc,
				const struct percore_service *old)
{
	if (svc->method == old->method ||
	    (svc->method != PERCORE_METHOD_FRONT &&
	     old->method != PERCORE_METHOD_FRONT))
		return 0;
	NL_SET_ERR_MSG_ATTR_FMT(info->extack,
				info->attrs[PERCORE_A_SERVICE_METHOD],
				"method %u cannot become %u: delete the service and add it",
				old->method, svc->method);
	return -EOPNOTSUPP;
}

/* The lanes that a SERVICE_SET names, or else those that there are. */
static int percore_set_lanes(struct genl_info *info,
			     struct percore_service *svc,
			     const struct percore_service *old)
{
	if (info->attrs[PERCORE_A_SERVICE_LANE])
		return percore_parse_lanes(info, old, svc);
	memcpy(svc->lane, old->lane, old->lanes * sizeof(*old->lane));
	return 0;
}

static int percore_set_locked(struct genl_info *info,
			      const struct percore_key *key,
			      struct percore_service *old, u16 lanes)
{
	struct percore_net *pn = percore_pernet(genl_info_net(info));
	struct percore_service *svc;
	int err;

	svc = percore_heir_alloc(old, lanes ? lanes : old->lanes);
	if (!svc)
		return -ENOMEM;
	err = percore_parse_method(info, key, &svc->method);
	if (err)
		goto err_free;
	err = percore_check_method(info, svc, old);
	if (err)
		goto err_free;
	err = percore_parse_balance(info, svc);
	if (err)
		goto err_free;
	err = percore_set_lanes(info, svc, old);
	if (err)
		goto err_free;
	percore_loads_inherit(svc, old);
	err = percore_heir_retire(svc, old);
	if (err) {
		NL_SET_ERR_MSG_ATTR_FMT(info->extack,
					info->attrs[PERCORE_A_SERVICE_LANE],
					"%u lanes and those that retire are too many: at most %u",
					svc->lanes, PERCORE_MAX_LANES);
		goto err_free;
	}
	err = percore_put_locked(info, svc, old);
	if (err)
		goto err_free;
	percore_notify(pn->net, svc, PERCORE_CMD_SERVICE_SET_NTF);
	percore_reap_later(pn);
	return 0;

err_free:
	percore_service_free(svc);
	return err;
}

static int percore_service_set_doit(struct sk_buff *skb,
				    struct genl_info *info)
{
	struct percore_net *pn = percore_pernet(genl_info_net(info));
	struct percore_service *old;
	struct percore_key key;
	u16 lanes = 0;
	int err;

	err = percore_parse_key(info, &key);
	if (err)
		return err;
	if (info->attrs[PERCORE_A_SERVICE_LANE]) {
		err = percore_count_lanes(info, &lanes);
		if (err)
			return err;
	}
	mutex_lock(&pn->lock);
	old = percore_find_locked(info, &key);
	err = old ? percore_set_locked(info, &key, old, lanes) : -ENOENT;
	mutex_unlock(&pn->lock);
	return err;
}

static int percore_del_locked(struct net *net, struct percore_service *svc)
{
	struct sk_buff *notice = percore_notice(net, svc,
						PERCORE_CMD_SERVICE_DEL_NTF);
	int err = percore_service_del(net, svc);

	if (err)
		nlmsg_free(notice);
	else
		percore_notice_send(net, notice);
	return err;
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
	err = svc ? percore_del_locked(net, svc) : -ENOENT;
	mutex_unlock(&pn->lock);
	return err;
}

/* Which lane a LANE_SET is about, and what it wants. */
static int percore_parse_lane_set(struct genl_info *info, u32 *cpu, bool *drain)
{
	struct nlattr *nest = info->attrs[PERCORE_A_SERVICE_LANE];
	struct nlattr *tb[PERCORE_A_LANE_MAX + 1];
	int err;

	if (GENL_REQ_ATTR_CHECK(info, PERCORE_A_SERVICE_LANE)) {
		GENL_SET_ERR_MSG(info, "lane is missing");
		return -EINVAL;
	}
	if (percore_lane_attr(info, 1)) {
		NL_SET_ERR_MSG_ATTR(info->extack, percore_lane_attr(info, 1),
				    "more than one lane: one at a time");
		return -EINVAL;
	}
	err = nla_parse_nested(tb, PERCORE_A_LANE_MAX, nest,
			       percore_drain_policy, info->extack);
	if (err)
		return err;
	err = percore_parse_cpu(tb, nest, cpu, info->extack);
	if (err)
		return err;
	if (NL_REQ_ATTR_CHECK(info->extack, nest, tb, PERCORE_A_LANE_DRAIN)) {
		GENL_SET_ERR_MSG(info, "lane: drain is missing");
		return -EINVAL;
	}
	return percore_parse_drain(tb, *cpu, drain, info->extack);
}

static int percore_lane_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct percore_net *pn = percore_pernet(genl_info_net(info));
	struct percore_service *svc;
	struct percore_key key;
	union percore_end end;
	bool drain;
	u32 cpu;
	int err;

	err = percore_parse_key(info, &key);
	if (err)
		return err;
	end = percore_end_of(key.family, &key.vip, key.port);
	err = percore_parse_lane_set(info, &cpu, &drain);
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
						"CPU %u has no lane of %pISpc",
						cpu, &end);
		else
			percore_notify(pn->net, svc,
				       PERCORE_CMD_SERVICE_SET_NTF);
	}
	mutex_unlock(&pn->lock);
	return err;
}

static const struct genl_ops percore_ops[] = {
	{
		.cmd = PERCORE_CMD_SERVICE_NEW,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = percore_new_policy,
		.maxattr = PERCORE_A_SERVICE_MAX,
		.doit = percore_service_new_doit,
	},
	{
		.cmd = PERCORE_CMD_SERVICE_DEL,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = percore_del_policy,
		.maxattr = PERCORE_A_SERVICE_MAX,
		.doit = percore_service_del_doit,
	},
	{
		.cmd = PERCORE_CMD_SERVICE_SET,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = percore_new_policy,
		.maxattr = PERCORE_A_SERVICE_MAX,
		.doit = percore_service_set_doit,
	},
	{
		.cmd = PERCORE_CMD_LANE_SET,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = percore_lane_set_policy,
		.maxattr = PERCORE_A_SERVICE_MAX,
		.doit = percore_lane_set_doit,
	},
	{
		.cmd = PERCORE_CMD_SERVICE_GET,
		.policy = percore_get_policy,
		.maxattr = PERCORE_A_SERVICE_PAD,
		.start = percore_dump_start,
		.dumpit = percore_dump_services,
	},
	{
		.cmd = PERCORE_CMD_STATS_GET,
		.policy = percore_get_policy,
		.maxattr = PERCORE_A_SERVICE_PAD,
		.dumpit = percore_dump_stats,
	},
};

static const struct genl_multicast_group percore_groups[] = {
	{ .name = PERCORE_GENL_GROUP },
};

struct genl_family percore_family __ro_after_init = {
	.name = PERCORE_GENL_NAME,
	.version = PERCORE_GENL_VERSION,
	.ops = percore_ops,
	.n_ops = ARRAY_SIZE(percore_ops),
	.mcgrps = percore_groups,
	.n_mcgrps = ARRAY_SIZE(percore_groups),
	.netnsok = true,
	/* What we share is under the lock of a netns: who waits for that does not
	 * hold the host's.
	 */
	.parallel_ops = true,
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
