// SPDX-License-Identifier: GPL-2.0
/*
 * The netfilter hooks of a netns: those that its services want, and no other.
 */
#include <linux/netfilter_ipv4.h>
#include <linux/workqueue.h>
#include <net/netfilter/ipv6/nf_defrag_ipv6.h>

#include "percore_compat.h"
#include "percore.h"

/* Where our hooks sit.
 *
 * In: behind the raw table (-300), whose rules still see the public port;
 * before connection tracking (-200), which percore_untrack() keeps out.
 * IPv6's defragmentation is at -400; IPv4's we do ourselves.
 *
 * Out: before the raw table, so that every rule sees the public port.
 *
 * Late, behind routing, where a bridge shows packets to the first too early: before
 * every table that there is.
 *
 * IPv6 has the same numbers.
 */
#define PERCORE_PRI_IN	(NF_IP_PRI_CONNTRACK - 10)
#define PERCORE_PRI_OUT	(NF_IP_PRI_RAW - 10)

static const struct nf_hook_ops percore_ops_in4 = {
	.hook = percore_hook_in4,
	.pf = NFPROTO_IPV4,
	.hooknum = NF_INET_PRE_ROUTING,
	.priority = PERCORE_PRI_IN,
};

static const struct nf_hook_ops percore_ops_late4 = {
	.hook = percore_hook_late4,
	.pf = NFPROTO_IPV4,
	.hooknum = NF_INET_LOCAL_IN,
	.priority = PERCORE_PRI_IN,
};

static const struct nf_hook_ops percore_ops_out4 = {
	.hook = percore_hook_out4,
	.pf = NFPROTO_IPV4,
	.hooknum = NF_INET_LOCAL_OUT,
	.priority = PERCORE_PRI_OUT,
};

#if IS_ENABLED(CONFIG_IPV6)
static const struct nf_hook_ops percore_ops_in6 = {
	.hook = percore_hook_in6,
	.pf = NFPROTO_IPV6,
	.hooknum = NF_INET_PRE_ROUTING,
	.priority = PERCORE_PRI_IN,
};

static const struct nf_hook_ops percore_ops_late6 = {
	.hook = percore_hook_late6,
	.pf = NFPROTO_IPV6,
	.hooknum = NF_INET_LOCAL_IN,
	.priority = PERCORE_PRI_IN,
};

static const struct nf_hook_ops percore_ops_out6 = {
	.hook = percore_hook_out6,
	.pf = NFPROTO_IPV6,
	.hooknum = NF_INET_LOCAL_OUT,
	.priority = PERCORE_PRI_OUT,
};
#endif

/**
 * struct percore_hooks - what a family needs
 * @in: the hook for packets that arrive
 * @late: the hook for those of a bridge that have arrived
 * @out: the hook for packets that leave
 * @defrag: wants fragments put together before @in, if that is another's work
 * @undefrag: does no more
 */
struct percore_hooks {
	const struct nf_hook_ops *in;
	const struct nf_hook_ops *late;
	const struct nf_hook_ops *out;
	int (*defrag)(struct net *net);
	void (*undefrag)(struct net *net);
};

static const struct percore_hooks percore_hooks[PERCORE_FAMILIES] = {
	[PERCORE_IP4] = {
		.in = &percore_ops_in4,
		.late = &percore_ops_late4,
		.out = &percore_ops_out4,
	},
#if IS_ENABLED(CONFIG_IPV6)
	[PERCORE_IP6] = {
		.in = &percore_ops_in6,
		.late = &percore_ops_late6,
		.out = &percore_ops_out6,
		.defrag = nf_defrag_ipv6_enable,
		.undefrag = nf_defrag_ipv6_disable,
	},
#endif
};

/* Register a hook that is told its netns's part of us at once. */
static int percore_hook(struct percore_net *pn, struct nf_hook_ops *ops,
			const struct nf_hook_ops *like)
{
	*ops = *like;
	ops->priv = pn;
	return nf_register_net_hook(pn->net, ops);
}

static int percore_hook_in_set(struct percore_net *pn,
			       enum percore_family family, bool on)
{
	const struct percore_hooks *hooks = &percore_hooks[family];
	struct net *net = pn->net;
	int err;

	if (on == pn->hooked_in[family])
		return 0;
	if (on) {
		if (!hooks->in)
			return -EAFNOSUPPORT;
		err = hooks->defrag ? hooks->defrag(net) : 0;
		if (err)
			return err;
		err = percore_hook(pn, &pn->in[family], hooks->in);
		if (err && hooks->undefrag)
			hooks->undefrag(net);
		if (err)
			return err;
	} else {
		nf_unregister_net_hook(net, &pn->in[family]);
		if (hooks->undefrag)
			hooks->undefrag(net);
	}
	WRITE_ONCE(pn->hooked_in[family], on);
	return 0;
}

/* One of the others, @like, which is kept at @ops. */
static int percore_hook_set(struct percore_net *pn, struct nf_hook_ops *ops,
			    const struct nf_hook_ops *like, bool *hooked,
			    bool on)
{
	int err;

	if (on == *hooked)
		return 0;
	if (on) {
		err = percore_hook(pn, ops, like);
		if (err)
			return err;
	} else {
		nf_unregister_net_hook(pn->net, ops);
	}
	WRITE_ONCE(*hooked, on);
	return 0;
}

/* Have the hooks for packets that arrive and for those that leave, or have them no more. A
 * packet that is inside one leaves it within an RCU grace period.
 */
static int percore_hooks_set(struct percore_net *pn, enum percore_family family,
			     bool in, bool out)
{
	bool before = pn->hooked_in[family];
	int err;

	err = percore_hook_in_set(pn, family, in);
	if (err)
		return err;
	err = percore_hook_set(pn, &pn->out[family], percore_hooks[family].out,
			       &pn->hooked_out[family], out);
	if (err)
		percore_hook_in_set(pn, family, before);
	return err;
}

/* Have the hook for packets behind routing, or have it no more. When it cannot be had, a
 * note of that lets packets pass.
 */
static void percore_hook_late_set(struct percore_net *pn,
				  enum percore_family family, bool on)
{
	int err;

	err = percore_hook_set(pn, &pn->late[family],
			       percore_hooks[family].late,
			       &pn->hooked_late[family], on);
	if (on)
		WRITE_ONCE(pn->late_failed, err);
}

/* With method front the stack needs us while cookies may come back. */
static bool percore_looks_at(const struct percore_net *pn,
			     const struct percore_service *svc)
{
	return svc->method != PERCORE_METHOD_FRONT ||
	       percore_cookies_recent(pn);
}

/* Is there a service of this family whose packets we look at, one that rewrites
 * or, if @nat is false, any? The lock is held.
 */
static bool percore_has(const struct percore_net *pn, u8 family, bool nat)
{
	const struct percore_service *svc;

	list_for_each_entry(svc, &pn->services, list)
		if (svc->family == family && (nat ? percore_rewrites(svc)
					      : percore_looks_at(pn, svc)))
			return true;
	return false;
}

/* Where a bridge shows packets too early: is there a service of this family that has
 * listeners attached to them? The lock is held.
 */
static bool percore_has_late(const struct percore_net *pn, u8 family)
{
	const struct percore_service *svc;

	if (!READ_ONCE(pn->bridged))
		return false;
	list_for_each_entry(svc, &pn->services, list)
		if (svc->family == family && svc->method != PERCORE_METHOD_NAT)
			return true;
	return false;
}

static void percore_hooks_renew_family(struct percore_net *pn, u8 af)
{
	enum percore_family family = percore_family_of(af);

	percore_hooks_set(pn, family, percore_has(pn, af, false),
			  percore_has(pn, af, true));
	percore_hook_late_set(pn, family, percore_has_late(pn, af));
}

static void percore_hooks_renew_all(struct percore_net *pn)
{
	percore_hooks_renew_family(pn, AF_INET);
	percore_hooks_renew_family(pn, AF_INET6);
}

/**
 * percore_hooks_want() - have the hooks that a new service must have, too
 * @pn: netns, locked
 * @svc: service, not among the others yet
 *
 * Context: may sleep.
 * Return: 0, or -errno when one of them cannot be registered.
 */
int percore_hooks_want(struct percore_net *pn, const struct percore_service *svc)
{
	u8 af = svc->family;

	return percore_hooks_set(pn, percore_family_of(af),
				 percore_looks_at(pn, svc) ||
				 percore_has(pn, af, false),
				 percore_rewrites(svc) ||
				 percore_has(pn, af, true));
}

/**
 * percore_hooks_renew() - have the hooks that the services want, and no other
 * @pn: netns, locked; gets none any more when it is going away
 *
 * What cannot be registered, for want of memory, is missed.
 *
 * Context: may sleep.
 */
void percore_hooks_renew(struct percore_net *pn)
{
	if (pn->ending)
		return;
	percore_hooks_renew_all(pn);
	/* A cookie may have been noted while a hook went. Pairs with the barrier in
	 * percore_front_hook(): either the hook was seen to be gone there, or the note
	 * is seen here.
	 */
	smp_mb();
	if (percore_cookies_recent(pn))
		percore_hooks_renew_all(pn);
}

static void percore_hooks_asked(struct work_struct *work)
{
	struct percore_net *pn = container_of(work, struct percore_net, hooks);

	mutex_lock(&pn->lock);
	percore_hooks_renew(pn);
	mutex_unlock(&pn->lock);
}

/**
 * percore_hooks_ask() - have the hooks renewed, soon
 * @pn: netns, about whose packets something has been noted
 *
 * Context: any.
 */
void percore_hooks_ask(struct percore_net *pn)
{
	queue_work(system_dfl_wq, &pn->hooks);
}

/**
 * percore_hooks_init() - prepare a netns
 * @pn: netns
 */
void percore_hooks_init(struct percore_net *pn)
{
	INIT_WORK(&pn->hooks, percore_hooks_asked);
}

/**
 * percore_hooks_end() - see no packets of a netns from now on
 * @pn: netns that is going away; not locked
 *
 * Context: may sleep.
 */
void percore_hooks_end(struct percore_net *pn)
{
	int family;

	mutex_lock(&pn->lock);
	pn->ending = true;
	for (family = 0; family < PERCORE_FAMILIES; family++) {
		percore_hooks_set(pn, family, false, false);
		percore_hook_late_set(pn, family, false);
	}
	mutex_unlock(&pn->lock);
}

/**
 * percore_hooks_quit() - let go of what a last packet has asked for
 * @pn: netns, a grace period after percore_hooks_end()
 *
 * Context: may sleep.
 */
void percore_hooks_quit(struct percore_net *pn)
{
	cancel_work_sync(&pn->hooks);
}
