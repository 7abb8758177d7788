// SPDX-License-Identifier: GPL-2.0
/*
 * Method front: a listener of ours has the service's address and port. The stack
 * gives it connection requests, and it hands each to the listener of this CPU's
 * lane by an operation of its own, as SMC has for its listeners: so the lane's
 * listener answers, and has the connection. No other packet comes here, and there
 * is no hook.
 *
 * But for the case that steer.c tells of: the acknowledgment that returns a SYN
 * cookie. While listeners may be sending cookies there is a hook, too. One that
 * comes before the hook is there finds the front, which drops it; the client's
 * first data, which acknowledges as much, is sent until it is answered.
 *
 * Lanes' listeners must be bound to the loopback address: so nobody from outside
 * can reach them but through the front.
 */
#include <linux/in.h>
#include <linux/net.h>
#include <linux/slab.h>
#include <net/inet_connection_sock.h>
#include <net/ip.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "percore_compat.h"
#include "percore.h"

/* How often fronts and their hooks are looked after: a cookie is valid for less. So a hook for
 * cookies goes when none has been sent for one to two times as long.
 */
#define PERCORE_FRONT_INTERVAL	(TCP_SYNCOOKIE_VALID + 2 * HZ)

/**
 * struct percore_front - what a service with method front has
 * @rcu: for kfree_rcu()
 * @ops: the front's operations: its family's, but for those that make connections
 * @svc: the service; read under RCU
 * @sock: the front
 */
struct percore_front {
	struct rcu_head rcu;
	struct inet_connection_sock_af_ops ops;
	struct percore_service __rcu *svc;
	struct socket *sock;
};

#ifdef CONFIG_SYN_COOKIES
/* A cookie of a lane's may come back to the front: let it be known as one. */
static void percore_front_overflow(const struct sock *sk)
{
	tcp_synq_overflow(sk);
}
#else
static void percore_front_overflow(const struct sock *sk)
{
}
#endif

/* Have a hook, soon: the state tells, not whether somebody was asked before. */
static void percore_front_hook(struct percore_net *pn, u8 family)
{
	/* Orders the note of a cookie before the look at the hook. Pairs with the
	 * barrier in percore_hooks_renew().
	 */
	smp_mb();
	if (!READ_ONCE(pn->hooked_in[percore_family_of(family)]))
		percore_hooks_ask(pn);
}

/* Softirq, RCU. */
static int percore_front_request(struct sock *sk, struct sk_buff *skb)
{
	const struct percore_front *front =
		container_of(inet_csk(sk)->icsk_af_ops, struct percore_front,
			     ops);
	const struct percore_service *svc = rcu_dereference(front->svc);
	unsigned int thoff = skb_transport_header(skb) -
			     skb_network_header(skb);
	struct net *net = sock_net(sk);
	struct sock *to;
	u16 lane;

	percore_count(svc, PERCORE_STAT_NEW);
	to = percore_flow_listener(net, svc, skb, thoff, percore_own_lane(svc),
				   &lane);
	if (!to) {
		percore_count_refused(svc, skb, thoff);
		/* Newer kernels do not ask what became of it. */
		percore_send_reset(sk, skb);
		return 0;
	}
	if (unlikely(percore_sends_cookies(net, to))) {
		percore_note_cookies(net);
		percore_front_overflow(sk);
		percore_front_hook(percore_pernet(net), svc->family);
	}
	return inet_csk(to)->icsk_af_ops->conn_request(to, skb);
}

/**
 * percore_is_front() - is a listener one of ours?
 * @sk: listener of TCP
 *
 * Return: true if it has the public port of a service.
 */
bool percore_is_front(const struct sock *sk)
{
	return inet_csk(sk)->icsk_af_ops->conn_request == percore_front_request;
}

/* A cookie, and no hook yet. The front has no connections: nobody would accept
 * them. Whoever makes none gives back the route.
 */
static struct sock *
percore_front_syn_recv(const struct sock *sk, struct sk_buff *skb,
		       struct request_sock *req, struct dst_entry *dst,
		       struct request_sock *req_unhash,
		       bool *own_req PERCORE_OPT_CHILD_INIT)
{
	dst_release(dst);
	tcp_listendrop(sk);
	return NULL;
}

static int percore_front_bind(struct socket *sock,
			      const struct percore_service *svc)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_addr = svc->vip.in,
		.sin_port = svc->port,
	};
	struct sockaddr_in6 in6 = {
		.sin6_family = AF_INET6,
		.sin6_addr = svc->vip.in6,
		.sin6_port = svc->port,
	};

	/* As a server does that starts again; and the address may come later. */
	sock_set_reuseaddr(sock->sk);
	ip_sock_set_freebind(sock->sk);
	if (svc->family == AF_INET6) {
		sock->sk->sk_ipv6only = true;
		return percore_bind(sock, &in6, sizeof(in6));
	}
	return percore_bind(sock, &in, sizeof(in));
}

static int percore_front_listen(struct percore_front *front,
				const struct percore_service *svc)
{
	struct inet_connection_sock *icsk = inet_csk(front->sock->sk);
	int err = percore_front_bind(front->sock, svc);

	if (err)
		return err;
	front->ops = *icsk->icsk_af_ops;
	front->ops.conn_request = percore_front_request;
	front->ops.syn_recv_sock = percore_front_syn_recv;
	icsk->icsk_af_ops = &front->ops;
	return kernel_listen(front->sock, 0);
}

/**
 * percore_front_open() - listen at a service's public address and port
 * @net: netns, its percore_net locked
 * @svc: service with method front, complete; requests come at once
 *
 * Context: may sleep.
 * Return: 0 with @svc->front set, or why the front cannot listen: -EADDRINUSE
 * where somebody does, -EACCES without CAP_NET_BIND_SERVICE.
 */
int percore_front_open(struct net *net, struct percore_service *svc)
{
	struct percore_front *front;
	int err;

	front = kzalloc(sizeof(*front), GFP_KERNEL_ACCOUNT);
	if (!front)
		return -ENOMEM;
	rcu_assign_pointer(front->svc, svc);
	err = sock_create_kern(net, svc->family, SOCK_STREAM, IPPROTO_TCP,
			       &front->sock);
	if (err)
		goto err_free;
	err = percore_front_listen(front, svc);
	if (err)
		goto err_release;
	svc->front = front;
	return 0;

err_release:
	sock_release(front->sock);
err_free:
	kfree_rcu(front, rcu);
	return err;
}

/**
 * percore_front_move() - a service's front becomes its heir's
 * @svc: heir, complete
 * @old: predecessor, to be freed after an RCU grace period
 *
 * Context: any; the netns is locked.
 */
void percore_front_move(struct percore_service *svc,
			struct percore_service *old)
{
	svc->front = old->front;
	old->front = NULL;
	if (svc->front)
		rcu_assign_pointer(svc->front->svc, svc);
}

/**
 * percore_front_close() - listen no more
 * @svc: service; may have no front
 *
 * A request that is inside leaves @svc within an RCU grace period. The lanes'
 * listeners and connections know nothing of it.
 *
 * Context: may sleep; the netns is locked.
 */
void percore_front_close(struct percore_service *svc)
{
	struct percore_front *front = svc->front;

	if (!front)
		return;
	svc->front = NULL;
	sock_release(front->sock);
	kfree_rcu(front, rcu);
}

/* One that was closed by somebody's hand, as "ss -K" does, listens again. */
static bool percore_fronts_heal(struct percore_net *pn)
{
	struct percore_service *svc;
	bool any = false;

	list_for_each_entry(svc, &pn->services, list) {
		struct percore_front *front = svc->front;

		if (!front)
			continue;
		any = true;
		if (inet_sk_state_load(front->sock->sk) != TCP_LISTEN)
			kernel_listen(front->sock, 0);
	}
	return any;
}

static void percore_fronts(struct work_struct *work)
{
	struct percore_net *pn = container_of(to_delayed_work(work),
					      struct percore_net, fronts);

	mutex_lock(&pn->lock);
	percore_hooks_renew(pn);
	if (percore_fronts_heal(pn))
		queue_delayed_work(system_dfl_wq, &pn->fronts,
				   PERCORE_FRONT_INTERVAL);
	mutex_unlock(&pn->lock);
}

/**
 * percore_fronts_init() - prepare a netns
 * @pn: netns
 */
void percore_fronts_init(struct percore_net *pn)
{
	INIT_DELAYED_WORK(&pn->fronts, percore_fronts);
}

/**
 * percore_fronts_look() - look after fronts from now on, and their hooks when cookies are over
 * @pn: netns, locked; percore_fronts_stop() comes before its end
 *
 * Context: any.
 */
void percore_fronts_look(struct percore_net *pn)
{
	mod_delayed_work(system_dfl_wq, &pn->fronts, 0);
}

/**
 * percore_fronts_stop() - close the fronts of a netns that is going away, look no more
 * @pn: netns in which nobody can change anything any more; not locked
 *
 * Context: may sleep.
 */
void percore_fronts_stop(struct percore_net *pn)
{
	struct percore_service *svc;

	mutex_lock(&pn->lock);
	list_for_each_entry(svc, &pn->services, list)
		percore_front_close(svc);
	mutex_unlock(&pn->lock);
	cancel_delayed_work_sync(&pn->fronts);
}
