/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A port of a packet is replaced. Inlined into the paths that all packets of method
 * nat take.
 */
#ifndef _PERCORE_REWRITE_H
#define _PERCORE_REWRITE_H

#include <linux/skbuff.h>
#include <net/checksum.h>

/**
 * percore_make_writable() - may the first bytes of a packet be written to?
 * @skb: packet
 * @len: how many, from skb->data, which is the network header; they are there
 *
 * As skb_ensure_writable() finds, without the call: hardly ever is anything to be
 * done. It may move the headers.
 *
 * Context: any.
 * Return: false when there is no memory for a copy.
 */
static inline bool percore_make_writable(struct sk_buff *skb, unsigned int len)
{
	if (likely(len <= skb_headlen(skb) &&
		   (!skb->cloned || skb_clone_writable(skb, len))))
		return true;
	return !skb_ensure_writable(skb, len);
}

/**
 * percore_set_port() - replace a port of a packet
 * @skb: packet, transport header writable
 * @port: the port, in that header
 * @to: what it becomes
 * @sum: the header's checksum
 *
 * A port is covered by the checksum but not by the pseudo header, so:
 * - CHECKSUM_PARTIAL: the field holds the pseudo header's sum, still right;
 * - CHECKSUM_COMPLETE: the sum over the packet's bytes does not change, since
 *   the checksum moves against the port;
 * - otherwise only the field changes.
 *
 * Context: any.
 */
static inline void percore_set_port(const struct sk_buff *skb, __be16 *port,
				    __be16 to, __sum16 *sum)
{
	if (skb->ip_summed != CHECKSUM_PARTIAL)
		csum_replace2(sum, *port, to);
	*port = to;
}

#endif /* _PERCORE_REWRITE_H */
