// SPDX-License-Identifier: GPL-2.0
/*
 * percore: one address and port in front of a listener per CPU
 *
 * A connection to VIP:port goes to the listener of the CPU that received its
 * first packet, and stays there whichever CPU receives the others.
 * Documentation/networking/percore.rst tells the whole.
 *
 * Module and per-netns life; the netfilter hooks.
 */
#include <linux/module.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <net/netfilter/ipv6/nf_defrag_ipv6.h>
#include <net/netns/generic.h>

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

static unsigned int percore_net_id __read_mostly;

/**
 * percore_pernet() - our part of a netns
 * @net: netns
 *
 * Return: never NULL between the netns's init and exit.
 */
struct percore_net *percore_pernet(const struct net *net)
{
	return net_generic(net, percore_net_id);
}

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
static int percore_hook(struct net *net, struct nf_hook_ops *ops,
			const struct nf_hook_ops *like)
{
	*ops = *like;
	ops->priv = percore_pernet(net);
	return nf_register_net_hook(net, ops);
}

static int percore_hook_in_set(struct net *net, enum percore_family family,
			       bool on)
{
	const struct percore_hooks *hooks = &percore_hooks[family];
	struct percore_net *pn = percore_pernet(net);
	int err;

	if (on == pn->hooked_in[family])
		return 0;
	if (on) {
		if (!hooks->in)
			return -EAFNOSUPPORT;
		err = hooks->defrag ? hooks->defrag(net) : 0;
		if (err)
			return err;
		err = percore_hook(net, &pn->in[family], hooks->in);
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
static int percore_hook_set(struct net *net, struct nf_hook_ops *ops,
			    const struct nf_hook_ops *like, bool *hooked,
			    bool on)
{
	int err;

	if (on == *hooked)
		return 0;
	if (on) {
		err = percore_hook(net, ops, like);
		if (err)
			return err;
	} else {
		nf_unregister_net_hook(net, ops);
	}
	WRITE_ONCE(*hooked, on);
	return 0;
}

/**
 * percore_hooks_set() - see the packets of a netns, or see them no more
 * @net: netns, its percore_net locked
 * @family: which packets
 * @in: those that arrive
 * @out: those that leave, which only method nat wants
 *
 * A packet that is inside a hook leaves it within an RCU grace period.
 *
 * Context: may sleep.
 * Return: 0, or -errno when one of them cannot be switched on.
 */
int percore_hooks_set(struct net *net, enum percore_family family, bool in,
		      bool out)
{
	struct percore_net *pn = percore_pernet(net);
	bool before = pn->hooked_in[family];
	int err;

	err = percore_hook_in_set(net, family, in);
	if (err)
		return err;
	err = percore_hook_set(net, &pn->out[family], percore_hooks[family].out,
			       &pn->hooked_out[family], out);
	if (err)
		percore_hook_in_set(net, family, before);
	return err;
}

/**
 * percore_hook_late_set() - see packets behind routing, or see them no more
 * @net: netns, its percore_net locked
 * @family: which packets
 * @on: see them
 *
 * When that cannot be, a note of it lets packets pass.
 *
 * Context: may sleep.
 */
void percore_hook_late_set(struct net *net, enum percore_family family, bool on)
{
	struct percore_net *pn = percore_pernet(net);
	int err;

	err = percore_hook_set(net, &pn->late[family],
			       percore_hooks[family].late,
			       &pn->hooked_late[family], on);
	if (on)
		WRITE_ONCE(pn->late_failed, err);
}

static int __net_init percore_net_init(struct net *net)
{
	struct percore_net *pn = percore_pernet(net);

	mutex_init(&pn->lock);
	INIT_LIST_HEAD(&pn->services);
	pn->net = net;
	percore_reap_init(pn);
	percore_fronts_init(pn);
	percore_late_init(pn);
	percore_loads_init(pn);
	return 0;
}

static void __net_exit percore_net_pre_exit(struct net *net)
{
	struct percore_net *pn = percore_pernet(net);

	percore_reap_stop(pn);
	percore_fronts_stop(pn);
	percore_loads_stop(pn);
	mutex_lock(&pn->lock);
	pn->ending = true;
	percore_hooks_set(net, PERCORE_IP4, false, false);
	percore_hooks_set(net, PERCORE_IP6, false, false);
	percore_hook_late_set(net, PERCORE_IP4, false);
	percore_hook_late_set(net, PERCORE_IP6, false);
	mutex_unlock(&pn->lock);
}

/* Between pre_exit and exit the core waits for an RCU grace period. */
static void __net_exit percore_net_exit(struct net *net)
{
	struct percore_net *pn = percore_pernet(net);

	/* A packet that was inside may have asked for hooks. */
	cancel_delayed_work_sync(&pn->fronts);
	percore_late_stop(pn);
	percore_service_purge(pn);
}

static struct pernet_operations percore_net_ops = {
	.init = percore_net_init,
	.pre_exit = percore_net_pre_exit,
	.exit = percore_net_exit,
	.id = &percore_net_id,
	.size = sizeof(struct percore_net),
};

static int __init percore_init(void)
{
	int err;

	err = percore_load_init();
	if (err)
		return err;
	err = percore_change_init();
	if (err)
		goto err_load;
	err = register_pernet_subsys(&percore_net_ops);
	if (err)
		goto err_change;
	err = percore_netlink_init();
	if (err)
		goto err_pernet;
	return 0;

err_pernet:
	unregister_pernet_subsys(&percore_net_ops);
err_change:
	percore_change_exit();
err_load:
	percore_load_exit();
	return err;
}

static void __exit percore_exit(void)
{
	percore_netlink_exit();
	unregister_pernet_subsys(&percore_net_ops);
	percore_change_exit();
	percore_load_exit();
	/* Services deleted a moment ago are freed by code of this module. */
	rcu_barrier();
}

module_init(percore_init);
module_exit(percore_exit);

MODULE_DESCRIPTION("One address and port in front of a listener per CPU");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
