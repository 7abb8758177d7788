// SPDX-License-Identifier: GPL-2.0
/*
 * Who listens is told of every service that comes, changes or goes.
 */
#include <net/genetlink.h>

#include "percore.h"

/* The only multicast group. */
#define PERCORE_GROUP		0

/**
 * percore_notice() - write down what a service is like
 * @net: its netns, locked
 * @svc: service
 * @cmd: what happens to it: PERCORE_CMD_SERVICE_*_NTF
 *
 * Listeners learn that they have missed something when memory is short.
 *
 * Context: may sleep.
 * Return: notice for percore_notice_send() or nlmsg_free(); NULL when there is
 * nobody to tell, or no memory.
 */
struct sk_buff *percore_notice(struct net *net,
			       const struct percore_service *svc, u8 cmd)
{
	struct sk_buff *skb;
	void *hdr;

	if (!genl_has_listeners(&percore_family, net, PERCORE_GROUP))
		return NULL;
	skb = genlmsg_new(PERCORE_SERVICE_BYTES + svc->all * PERCORE_LANE_BYTES,
			  GFP_KERNEL);
	if (!skb)
		goto err_lost;
	hdr = genlmsg_put(skb, 0, 0, &percore_family, 0, cmd);
	if (!hdr || WARN_ON_ONCE(percore_fill_service(skb, svc)))
		goto err_free;
	genlmsg_end(skb, hdr);
	return skb;

err_free:
	nlmsg_free(skb);
err_lost:
	genl_set_err(&percore_family, net, 0, PERCORE_GROUP, -ENOBUFS);
	return NULL;
}

/**
 * percore_notice_send() - tell what was written down
 * @net: netns, locked, so that notices come in the order of the changes
 * @skb: notice, which is used up, or NULL
 *
 * Context: may sleep.
 */
void percore_notice_send(struct net *net, struct sk_buff *skb)
{
	if (skb)
		genlmsg_multicast_netns(&percore_family, net, skb, 0,
					PERCORE_GROUP, GFP_KERNEL);
}

/**
 * percore_notify() - tell of a service that is there
 * @net: its netns, locked
 * @svc: service
 * @cmd: what has happened to it
 *
 * Context: may sleep.
 */
void percore_notify(struct net *net, const struct percore_service *svc, u8 cmd)
{
	percore_notice_send(net, percore_notice(net, svc, cmd));
}
