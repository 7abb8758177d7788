// SPDX-License-Identifier: GPL-2.0
/*
 * What the generic netlink family tells: services and counters.
 */
#include <linux/cpumask.h>
#include <linux/math.h>
#include <linux/string.h>
#include <net/genetlink.h>
#include <net/sock.h>

#include "percore.h"

/* A retired lane has no CPU. */
static int percore_put_retired(struct sk_buff *skb,
			       const struct percore_lane *lane)
{
	struct nlattr *nest = nla_nest_start(skb, PERCORE_A_SERVICE_LANE);

	if (!nest ||
	    nla_put_be16(skb, PERCORE_A_LANE_PORT, lane->port) ||
	    nla_put_flag(skb, PERCORE_A_LANE_RETIRED))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int percore_put_load(struct sk_buff *skb,
			    const struct percore_lane *lane)
{
	return nla_put_u8(skb, PERCORE_A_LANE_LOAD,
			  percore_cpu_load(lane->cpu)) ||
	       nla_put_u8(skb, PERCORE_A_LANE_LEAVE,
			  DIV_ROUND_UP(lane->leave, PERCORE_LEAVE_PERCENT));
}

static int percore_put_lane(struct sk_buff *skb,
			    const struct percore_service *svc,
			    const struct percore_lane *lane)
{
	struct nlattr *nest = nla_nest_start(skb, PERCORE_A_SERVICE_LANE);

	if (!nest ||
	    nla_put_u32(skb, PERCORE_A_LANE_CPU, lane->cpu) ||
	    nla_put_be16(skb, PERCORE_A_LANE_PORT, lane->port) ||
	    nla_put_u8(skb, PERCORE_A_LANE_DRAIN, lane->drain) ||
	    (svc->cpu_mark && percore_put_load(skb, lane)))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* The address, as one attribute or the other. */
static int percore_put_vip(struct sk_buff *skb,
			   const struct percore_service *svc, int vip4,
			   int vip6)
{
	if (svc->family == AF_INET6)
		return nla_put_in6_addr(skb, vip6, &svc->vip.in6);
	return nla_put_in_addr(skb, vip4, svc->vip.ip);
}

static void *percore_put_header(struct sk_buff *skb,
				struct netlink_callback *cb, u8 cmd)
{
	void *hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
				cb->nlh->nlmsg_seq, &percore_family,
				NLM_F_MULTI, cmd);

	if (hdr)
		genl_dump_check_consistent(cb, hdr);
	return hdr;
}

/**
 * percore_fill_service() - tell all of a service
 * @skb: message
 * @svc: service of a locked netns
 *
 * Return: 0, or -EMSGSIZE.
 */
int percore_fill_service(struct sk_buff *skb, const struct percore_service *svc)
{
	u16 i;

	if (percore_put_vip(skb, svc, PERCORE_A_SERVICE_VIP4,
			    PERCORE_A_SERVICE_VIP6) ||
	    nla_put_be16(skb, PERCORE_A_SERVICE_PORT, svc->port) ||
	    nla_put_u8(skb, PERCORE_A_SERVICE_PROTO, svc->proto) ||
	    nla_put_u8(skb, PERCORE_A_SERVICE_METHOD, svc->method) ||
	    nla_put_u8(skb, PERCORE_A_SERVICE_BALANCE, svc->balance) ||
	    (svc->mark && nla_put_u8(skb, PERCORE_A_SERVICE_MARK, svc->mark)) ||
	    (svc->mark && nla_put_u8(skb, PERCORE_A_SERVICE_CPU_MARK,
				     svc->cpu_mark)) ||
	    (svc->former && nla_put_flag(skb, PERCORE_A_SERVICE_FORMER)))
		return -EMSGSIZE;
	for (i = 0; i < svc->lanes; i++)
		if (percore_put_lane(skb, svc, &svc->lane[i]))
			return -EMSGSIZE;
	for (i = svc->lanes; i < svc->all; i++)
		if (percore_put_retired(skb, &svc->lane[i]))
			return -EMSGSIZE;
	return 0;
}

static int percore_put_service(struct sk_buff *skb, struct netlink_callback *cb,
			       const struct percore_service *svc)
{
	void *hdr = percore_put_header(skb, cb, PERCORE_CMD_SERVICE_GET);

	if (!hdr)
		return -EMSGSIZE;
	if (percore_fill_service(skb, svc)) {
		genlmsg_cancel(skb, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	return 0;
}

/**
 * percore_dump_start() - ask for room for the largest service
 * @cb: dump
 *
 * A lane takes PERCORE_LANE_BYTES.
 *
 * Return: 0.
 */
int percore_dump_start(struct netlink_callback *cb)
{
	cb->min_dump_alloc = PERCORE_SERVICE_BYTES +
			     PERCORE_MAX_LANES * PERCORE_LANE_BYTES;
	return 0;
}

/**
 * percore_dump_services() - a message for each service
 * @skb: to be filled
 * @cb: dump; args[0] is how many services have been told
 *
 * Context: may sleep.
 * Return: length of @skb, 0 at the end.
 */
int percore_dump_services(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct percore_net *pn = percore_pernet(sock_net(skb->sk));
	const struct percore_service *svc;
	long i = 0;

	mutex_lock(&pn->lock);
	cb->seq = pn->generation;
	list_for_each_entry(svc, &pn->services, list) {
		if (i++ < cb->args[0])
			continue;
		if (percore_put_service(skb, cb, svc))
			break;
		cb->args[0] = i;
	}
	mutex_unlock(&pn->lock);
	return skb->len;
}

static int percore_put_stats(struct sk_buff *skb, struct netlink_callback *cb,
			     const struct percore_service *svc,
			     unsigned int cpu, const u64 *n)
{
	const struct percore_lane *lane = percore_lane_of(svc, cpu);
	void *hdr = percore_put_header(skb, cb, PERCORE_CMD_STATS_GET);
	int i;

	BUILD_BUG_ON(PERCORE_A_STATS_NEW + PERCORE_STAT_SPILLED !=
		     PERCORE_A_STATS_SPILLED);
	if (!hdr)
		return -EMSGSIZE;
	if (percore_put_vip(skb, svc, PERCORE_A_STATS_VIP4,
			    PERCORE_A_STATS_VIP6) ||
	    nla_put_be16(skb, PERCORE_A_STATS_PORT, svc->port) ||
	    nla_put_u8(skb, PERCORE_A_STATS_PROTO, svc->proto) ||
	    nla_put_u32(skb, PERCORE_A_STATS_CPU, cpu))
		goto err_cancel;
	if (lane && nla_put_be16(skb, PERCORE_A_STATS_LANE_PORT, lane->port))
		goto err_cancel;
	for (i = 0; i < PERCORE_STAT_COUNT; i++)
		if (nla_put_u64_64bit(skb, PERCORE_A_STATS_NEW + i, n[i],
				      PERCORE_A_STATS_PAD))
			goto err_cancel;
	genlmsg_end(skb, hdr);
	return 0;

err_cancel:
	genlmsg_cancel(skb, hdr);
	return -EMSGSIZE;
}

/* A CPU without a lane is told only when it counted something. */
static bool percore_stats_matter(const struct percore_service *svc,
				 unsigned int cpu, const u64 *n)
{
	return percore_lane_of(svc, cpu) ||
	       memchr_inv(n, 0, PERCORE_STAT_COUNT * sizeof(*n));
}

/* The CPUs of one service, from cb->args[1] on. */
static int percore_put_cpus(struct sk_buff *skb, struct netlink_callback *cb,
			    const struct percore_service *svc)
{
	u64 n[PERCORE_STAT_COUNT];
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		if (cpu < cb->args[1])
			continue;
		percore_stats_read(svc, cpu, n);
		if (percore_stats_matter(svc, cpu, n) &&
		    percore_put_stats(skb, cb, svc, cpu, n)) {
			cb->args[1] = cpu;
			return -EMSGSIZE;
		}
	}
	cb->args[1] = 0;
	return 0;
}

/**
 * percore_dump_stats() - a message for each service and CPU
 * @skb: to be filled
 * @cb: dump; args[0] is how many services have been told, args[1] the next CPU
 *
 * Context: may sleep.
 * Return: length of @skb, 0 at the end.
 */
int percore_dump_stats(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct percore_net *pn = percore_pernet(sock_net(skb->sk));
	const struct percore_service *svc;
	long i = 0;

	mutex_lock(&pn->lock);
	cb->seq = pn->generation;
	list_for_each_entry(svc, &pn->services, list) {
		if (i++ < cb->args[0])
			continue;
		if (percore_put_cpus(skb, cb, svc))
			break;
		cb->args[0] = i;
	}
	mutex_unlock(&pn->lock);
	return skb->len;
}
