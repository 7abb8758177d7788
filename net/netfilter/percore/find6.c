// SPDX-License-Identifier: GPL-2.0
/*
 * Where the transport header of an IPv6 packet is: behind any number of
 * extension headers.
 */
#include <net/ipv6.h>

#include "percore.h"

/**
 * percore_find6() - find the transport header of an IPv6 packet
 * @skb: packet
 * @off: offset of its IPv6 header from the network header; more than 0 for one
 *	that is quoted. The header is there
 * @where: result
 *
 * Every extension header is 8 bytes at least, so the packet's length bounds
 * the search (RFC 8200, 4).
 *
 * Context: any.
 * Return: false when there is none: it is in another fragment, or cut off, or
 * encrypted, or a routing header says that the packet's destination is not its
 * last. Nor is what an authentication header covers to be looked into, but where
 * it is quoted: checked and without the header it comes again.
 */
bool percore_find6(const struct sk_buff *skb, unsigned int off,
		   struct percore_where *where)
{
	unsigned int nhoff = skb_network_offset(skb), len;
	const struct ipv6hdr *iph;
	const struct frag_hdr *hp;
	struct ipv6hdr _iph;
	struct frag_hdr _hp;
	u8 next;

	iph = skb_header_pointer(skb, nhoff + off, sizeof(_iph), &_iph);
	if (!iph)
		return false;
	next = iph->nexthdr;
	where->fragment = false;
	where->off = off + sizeof(_iph);
	while (ipv6_ext_hdr(next)) {
		/* 8 bytes that all kinds have; this one shows what matters. */
		hp = skb_header_pointer(skb, nhoff + where->off, sizeof(_hp),
					&_hp);
		if (!hp || next == NEXTHDR_NONE)
			return false;
		len = ipv6_optlen((const struct ipv6_opt_hdr *)hp);
		if (next == NEXTHDR_FRAGMENT) {
			if (hp->frag_off & htons(IP6_OFFSET))
				return false;
			where->fragment = true;
			len = sizeof(*hp);
		} else if (next == NEXTHDR_AUTH) {
			if (!off)
				return false;
			len = ipv6_authlen((const struct ipv6_opt_hdr *)hp);
		} else if (next == NEXTHDR_ROUTING &&
			   ((const struct ipv6_rt_hdr *)hp)->segments_left) {
			return false;
		}
		next = hp->nexthdr;
		where->off += len;
	}
	where->proto = next;
	return true;
}

/**
 * percore_is_fragment6() - is it the first fragment of an IPv6 packet?
 * @skb: TCP packet, IPv6 header pulled and checked
 *
 * Context: softirq, RCU.
 * Return: true if it is, or if that cannot be told.
 */
bool percore_is_fragment6(const struct sk_buff *skb)
{
	struct percore_where where;

	return ipv6_hdr(skb)->nexthdr != IPPROTO_TCP &&
	       (!percore_find6(skb, 0, &where) || where.fragment);
}
