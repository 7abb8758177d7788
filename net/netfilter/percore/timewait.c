// SPDX-License-Identifier: GPL-2.0
/*
 * A connection in TIME_WAIT makes room for a new one of the same client. The stack
 * does that in favour of a listener at the same port; here the new one goes to
 * another.
 */
#include <linux/bottom_half.h>
#include <linux/tcp.h>
#include <net/inet_timewait_sock.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "percore.h"

/**
 * percore_makes_room() - may a connection make room for a new one?
 * @sk: socket with the new one's pair of ports
 * @th: header of the new one's first packet
 *
 * The rule of RFC 9293, 3.6.1, by sequence number alone; where only timestamps tell,
 * the stack's answer makes the client clear the old one away and try again. A
 * packet that resets makes no connection.
 *
 * Context: any.
 * Return: true if it is in TIME_WAIT, and may.
 */
bool percore_makes_room(const struct sock *sk, const struct tcphdr *th)
{
	return sk->sk_state == TCP_TIME_WAIT && !th->rst &&
	       READ_ONCE(inet_twsk(sk)->tw_substate) == TCP_TIME_WAIT &&
	       after(ntohl(th->seq), READ_ONCE(tcp_twsk(sk)->tw_rcv_nxt));
}

/**
 * percore_make_room() - clear a connection away, if somebody wants its room
 * @tw: connection in TIME_WAIT, with a reference that is given back
 * @listens: somebody does. Where nobody does it stays, and answers as it must
 *
 * Context: softirq or process.
 */
void percore_make_room(struct inet_timewait_sock *tw, bool listens)
{
	if (!listens) {
		inet_twsk_put(tw);
		return;
	}
	/* A packet that comes back from a queue to user space comes in a process, and
	 * softirqs take the locks of the tables.
	 */
	local_bh_disable();
	inet_twsk_deschedule_put(tw);
	local_bh_enable();
}
