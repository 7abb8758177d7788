// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPU-bound transmit for bonding: the packets of a flow stay in order.
 *
 * The rule is the one that XPS has for queues, for slaves: a flow whose task
 * moves to another CPU follows it to another slave only when no packet of it is
 * still on its way. A slave that is gone holds nobody back.
 *
 * For that the slave of a flow's last packet is remembered, in one of two
 * places:
 *
 * - The socket itself, where it would remember a transmit queue. Nothing else
 *   uses that place when the slave has one queue and no slave of the bond has
 *   devices below it.
 * - A table, indexed and tagged by a hash of the socket's address, where the
 *   socket's place belongs to the slave or to what is below it, because
 *   netdev_pick_tx() keeps a queue there. A flow writes to it when it begins
 *   and when it moves, and reads one word of it for a packet. Of flows that
 *   meet in an entry the last to move has it; the others are not held until
 *   they are idle next and take it back.
 */

#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/tcp.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "bond_cpu_bound_slave.h"

/* In the socket: bit 15 set and bit 14 clear tell a slave from a queue, since
 * no device has that many and neither is USHRT_MAX, which means "nothing".
 */
#define BOND_CPU_BOUND_MARK		0x8000
#define BOND_CPU_BOUND_MARK_TYPE	0xc000

#define BOND_CPU_BOUND_SLOT_MASK	(BOND_CPU_BOUND_SLOTS - 1)

/* In the table: the slot and the rest of the hash. 32,768 entries, 128 KiB: of
 * 1,000 flows that are under way at once, 30 share an entry with another.
 */
#define BOND_CPU_BOUND_FLOWS_BITS	15
#define BOND_CPU_BOUND_FLOWS		BIT(BOND_CPU_BOUND_FLOWS_BITS)

/**
 * bond_cpu_bound_flows_alloc() - make a table
 *
 * Context: may sleep.
 * Return: an empty table, to be freed with kvfree(); NULL without memory.
 */
u32 *bond_cpu_bound_flows_alloc(void)
{
	return kvcalloc(BOND_CPU_BOUND_FLOWS, sizeof(u32), GFP_KERNEL);
}

static int bond_cpu_bound_mark(u8 slot)
{
	return BOND_CPU_BOUND_MARK | slot;
}

static bool bond_cpu_bound_is_mark(int queue)
{
	return (queue & BOND_CPU_BOUND_MARK_TYPE) == BOND_CPU_BOUND_MARK;
}

/* what a flow's entry holds when its slave is the one with that slot */
static u32 bond_cpu_bound_entry(u32 hash, u8 slot)
{
	return (hash & ~BOND_CPU_BOUND_SLOT_MASK) | slot;
}

/* The index has the bits that the tag lacks, and mixes them with its others,
 * because the low ones of an address say little.
 */
static u32 *bond_cpu_bound_flow(u32 *flows, u32 hash)
{
	return &flows[(hash ^ hash >> 16) & (BOND_CPU_BOUND_FLOWS - 1)];
}

/* All that TCP sent before this packet has been acknowledged, and it has sent
 * nothing since. The queue a packet may have waited in above us makes no
 * difference, since the packet itself says where it begins.
 */
static bool bond_cpu_bound_tcp_idle(const struct sock *sk,
				    const struct sk_buff *skb)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	const struct tcphdr *th = tcp_hdr(skb);
	u32 seq = ntohl(th->seq);
	u32 end = seq + skb->len - skb_transport_offset(skb) -
		  __tcp_hdrlen(th) + th->syn + th->fin;

	return !after(seq, READ_ONCE(tp->snd_una)) &&
	       !after(READ_ONCE(tp->snd_nxt), end);
}

/* is it a TCP segment as the socket made it, in no tunnel? */
static bool bond_cpu_bound_is_tcp(const struct sock *sk,
				  const struct sk_buff *skb)
{
	if (sk->sk_protocol != IPPROTO_TCP || sk->sk_type != SOCK_STREAM ||
	    !skb_transport_header_was_set(skb))
		return false;

	switch (skb->protocol) {
	case htons(ETH_P_IP):
		return ip_hdr(skb)->protocol == IPPROTO_TCP;
	case htons(ETH_P_IPV6):
		return ipv6_hdr(skb)->nexthdr == IPPROTO_TCP;
	default:
		return false;
	}
}

/* May the flow change its slave with this packet? TCP tells when nothing is
 * under way to the other end; where its header is out of sight, when nothing is
 * left in the queues and rings below us. Of everybody else only this packet may
 * be in them.
 */
static bool bond_cpu_bound_may_move(const struct sock *sk,
				    const struct sk_buff *skb)
{
	if (bond_cpu_bound_is_tcp(sk, skb))
		return bond_cpu_bound_tcp_idle(sk, skb);

	return skb->ooo_okay || sk_wmem_alloc_get(sk) <= skb->truesize;
}

/* Is what the socket holds our mark? A bond that is one of our slaves makes such
 * marks too, by slots of its own; so where a slave is stacked we make none.
 */
static bool bond_cpu_bound_marked(const struct bond_cpu_bound_map *map,
				  int queue)
{
	return !map->stacked && queue >= 0 && bond_cpu_bound_is_mark(queue);
}

static u8 bond_cpu_bound_recall(const struct bond_cpu_bound_map *map, int queue,
				bool marked, u32 hash)
{
	u32 entry;

	if (marked)
		return queue & BOND_CPU_BOUND_SLOT_MASK;
	if (!map->flows)
		return BOND_CPU_BOUND_NO_SLOT;

	entry = READ_ONCE(*bond_cpu_bound_flow(map->flows, hash));
	if ((entry ^ hash) & ~BOND_CPU_BOUND_SLOT_MASK)
		return BOND_CPU_BOUND_NO_SLOT;

	return entry & BOND_CPU_BOUND_SLOT_MASK;
}

/* Once in the life of a flow, and once for every move it makes. A queue that
 * the socket holds stays there: it keeps the flow's order in some device. A
 * mark must go where a queue may come, or it would be found first later. A
 * flow that is not idle leaves the table's entry to whom it belongs: two that
 * never are would write there in turn.
 */
static void bond_cpu_bound_remember(const struct bond_cpu_bound_map *map,
				    struct sock *sk, int queue, bool marked,
				    u32 hash, const struct slave *slave,
				    const struct bond_cpu_bound_slave *state,
				    bool idle)
{
	u32 *flow;

	if (slave->dev->real_num_tx_queues == 1 && !map->stacked &&
	    (queue < 0 || marked)) {
		sk_tx_queue_set(sk, bond_cpu_bound_mark(state->slot));
		return;
	}

	if (marked)
		sk_tx_queue_clear(sk);
	if (!map->flows)
		return;

	flow = bond_cpu_bound_flow(map->flows, hash);
	if (idle || marked || !READ_ONCE(*flow))
		WRITE_ONCE(*flow, bond_cpu_bound_entry(hash, state->slot));
}

/* The socket's memory names no slave, or another one: see whether the flow may
 * go to @slave, and note it down.
 */
static struct slave *
bond_cpu_bound_moves(const struct sk_buff *skb,
		     const struct bond_up_slave *slaves, unsigned int count,
		     struct slave *slave,
		     const struct bond_cpu_bound_slave *state, int queue,
		     enum bond_cpu_bound_kind *kind)
{
	const struct bond_cpu_bound_map *map = slaves->cpu_bound;
	bool marked = bond_cpu_bound_marked(map, queue);
	u32 hash = hash_ptr(skb->sk, 32);
	u8 last = bond_cpu_bound_recall(map, queue, marked, hash);
	unsigned int place;
	bool idle;

	if (last == state->slot)
		return slave;

	idle = bond_cpu_bound_may_move(skb->sk, skb);
	place = map->slots.place[last];
	if (!idle && place < count) {
		*kind = BOND_CPU_BOUND_HELD;
		return slaves->arr[place];
	}
	bond_cpu_bound_remember(map, skb->sk, queue, marked, hash, slave, state,
				idle || last != BOND_CPU_BOUND_NO_SLOT);

	return slave;
}

/* What the socket holds, or -1. sk_tx_queue_get() of newer kernels forgets it after
 * a second (net.core.txq_reselection_ms), in the middle of a transfer too.
 */
static int bond_cpu_bound_queue(const struct sock *sk)
{
	u16 queue = READ_ONCE(sk->sk_tx_queue_mapping);

	return queue == NO_QUEUE_MAPPING ? -1 : queue;
}

/**
 * bond_cpu_bound_keep_order() - let a flow stay where its packets are
 * @skb: packet that has a socket
 * @slaves: usable slaves with their map
 * @count: number of @slaves
 * @slave: the slave that the packet is to leave by
 * @kind: why; becomes BOND_CPU_BOUND_HELD when the answer is another slave
 *
 * A socket without a cached route is no flow: it sends to many.
 *
 * Context: softirqs disabled, RCU read side.
 * Return: the slave to leave by.
 */
struct slave *bond_cpu_bound_keep_order(const struct sk_buff *skb,
					const struct bond_up_slave *slaves,
					unsigned int count, struct slave *slave,
					enum bond_cpu_bound_kind *kind)
{
	const struct bond_cpu_bound_slave *state;
	const struct sock *sk = skb->sk;
	int queue;

	state = rcu_dereference(slave->cpu_bound);
	if (unlikely(!slaves->cpu_bound || !state ||
		     state->slot == BOND_CPU_BOUND_NO_SLOT))
		return slave;
	if (!sk_fullsock(sk) || !rcu_access_pointer(sk->sk_dst_cache))
		return slave;

	queue = bond_cpu_bound_queue(sk);
	if (likely(queue == bond_cpu_bound_mark(state->slot) &&
		   !slaves->cpu_bound->stacked))
		return slave;

	return bond_cpu_bound_moves(skb, slaves, count, slave, state, queue,
				    kind);
}
