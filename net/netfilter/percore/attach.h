/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A TCP packet's socket goes with it. Inlined into the path that all packets of
 * method nat take.
 */
#ifndef _PERCORE_ATTACH_H
#define _PERCORE_ATTACH_H

#include <linux/netfilter_bridge.h>
#include <linux/skbuff.h>
#include <net/inet_hashtables.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "percore.h"

/**
 * percore_may_attach() - may a socket go with this packet?
 * @skb: TCP packet; of IPv4, a whole one
 * @family: AF_INET or AF_INET6
 *
 * Context: softirq, RCU.
 * Return: false for one that a bridge passes through netfilter, which may
 * leave by another port, for one that is not for this host, and for a
 * fragment.
 */
static inline bool percore_may_attach(const struct sk_buff *skb, u8 family)
{
	return skb->pkt_type == PACKET_HOST && !nf_bridge_in_prerouting(skb) &&
	       (family == AF_INET || !percore_is_fragment6(skb));
}

/* A request becomes a connection with the packet that acknowledges it. Behind
 * that one, in the same batch of a NIC, may be the first data, which comes here
 * before the request has become anything. Bound to the request it would make a
 * second connection for nothing; the stack finds the first when its turn comes.
 */
static inline bool percore_ends_handshake(const struct sk_buff *skb,
					  unsigned int thoff)
{
	const struct tcphdr *th = percore_tcp_hdr(skb, thoff);

	return percore_is_ack(th) &&
	       skb->len - skb_network_offset(skb) == thoff + th->doff * 4;
}

/**
 * percore_attach() - let the socket go with its packet
 * @net: netns
 * @skb: packet that may carry one (percore_may_attach())
 * @thoff: offset of its TCP header from the network header
 * @sk: socket, with a reference that goes to the packet or is given back
 * @family: AF_INET or AF_INET6
 *
 * As early demultiplexing would do a moment later; with the socket's route if
 * that fits. The user can switch the latter off, and we respect that.
 *
 * Context: softirq, RCU.
 */
static __always_inline void
percore_attach(struct net *net, struct sk_buff *skb, unsigned int thoff,
	       struct sock *sk, u8 family)
{
	struct dst_entry *dst;

	if (unlikely(sk->sk_state == TCP_NEW_SYN_RECV) &&
	    !percore_ends_handshake(skb, thoff)) {
		sock_gen_put(sk);
		return;
	}
	skb->sk = sk;
	skb->destructor = sock_edemux;
	if (!sk_fullsock(sk) || skb_dst(skb) ||
	    !READ_ONCE(net->ipv4.sysctl_ip_early_demux) ||
	    !READ_ONCE(net->ipv4.sysctl_tcp_early_demux))
		return;
	dst = rcu_dereference(sk->sk_rx_dst);
	if (dst)
		dst = dst_check(dst, family == AF_INET6 ?
				     sk->sk_rx_dst_cookie : 0);
	if (dst && sk->sk_rx_dst_ifindex == skb->skb_iif)
		skb_dst_set_noref(skb, dst);
}

/**
 * percore_attach_if() - the same, for any packet that the socket is for
 * @net: netns
 * @skb: packet
 * @thoff: offset of its TCP header from the network header
 * @sk: socket, with a reference that goes to the packet or is given back
 * @family: AF_INET or AF_INET6
 *
 * Context: softirq, RCU.
 */
static __always_inline void
percore_attach_if(struct net *net, struct sk_buff *skb, unsigned int thoff,
		  struct sock *sk, u8 family)
{
	if (likely(percore_may_attach(skb, family)))
		percore_attach(net, skb, thoff, sk, family);
	else
		sock_gen_put(sk);
}

#endif /* _PERCORE_ATTACH_H */
