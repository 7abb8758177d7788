/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What percore needs and older kernels lack.
 */
#ifndef _PERCORE_COMPAT_H
#define _PERCORE_COMPAT_H

#include "compat_autoconf.h"

#ifndef HAVE_NL_SET_ERR_MSG_FMT
#include <linux/atomic.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/netlink.h>

/* The acknowledgment copies an extack message after the handler has returned,
 * and there is no buffer in the extack. So lend one for a second, from a ring;
 * whoever finds its slot lent gets the format itself. Slots always end in a
 * NUL, so that even an acknowledgment that comes later reads a string.
 */
#define PERCORE_MSG_SLOTS	64
#define PERCORE_MSG_SIZE	80

static struct {
	unsigned long lent;
	char text[PERCORE_MSG_SIZE];
} percore_msg[PERCORE_MSG_SLOTS];

static atomic_t percore_msg_next = ATOMIC_INIT(-1);

static __printf(1, 2) __maybe_unused const char *
percore_msg_fmt(const char *fmt, ...)
{
	unsigned int i = (unsigned int)atomic_inc_return(&percore_msg_next) %
			 PERCORE_MSG_SLOTS;
	unsigned long lent = READ_ONCE(percore_msg[i].lent);
	unsigned long now = jiffies | 1;
	va_list args;

	if ((lent && time_in_range(now, lent, lent + HZ)) ||
	    cmpxchg(&percore_msg[i].lent, lent, now) != lent)
		return fmt;
	va_start(args, fmt);
	vsnprintf(percore_msg[i].text, PERCORE_MSG_SIZE, fmt, args);
	va_end(args);
	return percore_msg[i].text;
}

#define NL_SET_ERR_MSG_ATTR_FMT(extack, attr, fmt, args...) do {	\
	struct netlink_ext_ack *__extack = (extack);			\
									\
	if (__extack) {							\
		__extack->_msg = percore_msg_fmt(fmt, ##args);		\
		__extack->bad_attr = (attr);				\
		__extack->policy = NULL;				\
	}								\
} while (0)
#endif /* !HAVE_NL_SET_ERR_MSG_FMT */

#ifndef HAVE_CALL_RCU_HURRY
#define call_rcu_hurry	call_rcu
#endif

#ifndef HAVE_LOOKUP_FINDS_TABLE
#include <net/inet_hashtables.h>

/* They wanted to be told which table of sockets; a network has one. */
static inline struct sock *
percore_lookup_established(struct net *net, __be32 saddr, __be16 sport,
			   __be32 daddr, u16 hnum, int dif, int sdif)
{
	return __inet_lookup_established(net, net->ipv4.tcp_death_row.hashinfo,
					 saddr, sport, daddr, hnum, dif, sdif);
}

static inline struct sock *
percore_lookup_listener(struct net *net, struct sk_buff *skb, int doff,
			__be32 saddr, __be16 sport, __be32 daddr,
			unsigned short hnum, int dif, int sdif)
{
	return __inet_lookup_listener(net, net->ipv4.tcp_death_row.hashinfo,
				      skb, doff, saddr, sport, daddr, hnum, dif,
				      sdif);
}

#define __inet_lookup_established percore_lookup_established
#define __inet_lookup_listener percore_lookup_listener

#if IS_ENABLED(CONFIG_IPV6)
#include <net/inet6_hashtables.h>

static inline struct sock *
percore_lookup6_established(struct net *net, const struct in6_addr *saddr,
			    __be16 sport, const struct in6_addr *daddr,
			    u16 hnum, int dif, int sdif)
{
	return __inet6_lookup_established(net,
					  net->ipv4.tcp_death_row.hashinfo,
					  saddr, sport, daddr, hnum, dif, sdif);
}

static inline struct sock *
percore_lookup6_listener(struct net *net, struct sk_buff *skb, int doff,
			 const struct in6_addr *saddr, __be16 sport,
			 const struct in6_addr *daddr, u16 hnum, int dif,
			 int sdif)
{
	return inet6_lookup_listener(net, net->ipv4.tcp_death_row.hashinfo, skb,
				     doff, saddr, sport, daddr, hnum, dif,
				     sdif);
}

#define __inet6_lookup_established percore_lookup6_established
#define inet6_lookup_listener percore_lookup6_listener
#endif
#endif

#include <net/udp.h>

#ifdef HAVE_UDP_TABLE_OF_NETNS
static inline struct udp_table *percore_udp_table(const struct net *net)
{
	return net->ipv4.udp_table;
}
#else
static inline struct udp_table *percore_udp_table(const struct net *net)
{
	return &udp_table;
}
#endif

#ifndef HAVE_UDP_LOOKUP_FINDS_TABLE
/* They wanted to be told which table. */
static inline struct sock *
percore_udp4_lookup(struct net *net, __be32 saddr, __be16 sport, __be32 daddr,
		    __be16 dport, int dif, int sdif, struct sk_buff *skb)
{
	return __udp4_lib_lookup(net, saddr, sport, daddr, dport, dif, sdif,
				 percore_udp_table(net), skb);
}

#define __udp4_lib_lookup percore_udp4_lookup

#if IS_ENABLED(CONFIG_IPV6)
static inline struct sock *
percore_udp6_lookup(struct net *net, const struct in6_addr *saddr, __be16 sport,
		    const struct in6_addr *daddr, __be16 dport, int dif,
		    int sdif, struct sk_buff *skb)
{
	return __udp6_lib_lookup(net, saddr, sport, daddr, dport, dif, sdif,
				 percore_udp_table(net), skb);
}

#define __udp6_lib_lookup percore_udp6_lookup
#endif
#endif

#ifndef HAVE_COOKIE_CHECK_READS_ACK
#include <net/tcp.h>

#ifdef CONFIG_SYN_COOKIES
/* It wanted to be told what the header says. */
static inline int percore_cookie_check(const struct iphdr *iph,
				       const struct tcphdr *th)
{
	return __cookie_v4_check(iph, th, ntohl(th->ack_seq) - 1);
}

#define __cookie_v4_check percore_cookie_check

#if IS_ENABLED(CONFIG_IPV6)
static inline int percore_cookie6_check(const struct ipv6hdr *iph,
					const struct tcphdr *th)
{
	return __cookie_v6_check(iph, th, ntohl(th->ack_seq) - 1);
}

#define __cookie_v6_check percore_cookie6_check
#endif
#endif
#endif

#include <linux/net.h>
#include <net/request_sock.h>
#include <net/sock.h>

static inline void percore_send_reset(const struct sock *sk,
				      struct sk_buff *skb)
{
#ifdef HAVE_SK_RST_REASON
	sk->sk_prot->rsk_prot->send_reset(sk, skb, SK_RST_REASON_NO_SOCKET);
#else
	sk->sk_prot->rsk_prot->send_reset(sk, skb);
#endif
}

static inline int percore_bind(struct socket *sock, void *addr, int len)
{
#ifdef HAVE_SOCKADDR_UNSIZED
	return kernel_bind(sock, (struct sockaddr_unsized *)addr, len);
#else
	return kernel_bind(sock, (struct sockaddr *)addr, len);
#endif
}

#ifndef HAVE_SYSTEM_DFL_WQ
#define system_dfl_wq	system_unbound_wq
#endif

/* The last parameter of syn_recv_sock(). */
#ifdef HAVE_OPT_CHILD_INIT
#define PERCORE_OPT_CHILD_INIT						\
	, void (*opt_child_init)(struct sock *newsk, const struct sock *sk)
#else
#define PERCORE_OPT_CHILD_INIT
#endif

#endif /* _PERCORE_COMPAT_H */
