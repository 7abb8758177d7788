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
#include <linux/ip.h>
#include <linux/module.h>
#include <linux/netfilter_ipv4.h>
#include <net/ip.h>
#include <net/netfilter/ipv4/nf_defrag_ipv4.h>
#include <net/netns/generic.h>

#include "percore.h"

/* Where our hooks sit.
 *
 * In: behind defragmentation (-400), so that a packet has its ports; behind
 * the raw table (-300), whose rules still see the public port; before
 * connection tracking (-200), which percore_untrack() keeps out.
 *
 * Out: before the raw table, so that every rule sees the public port.
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

static unsigned int percore_hook_in(void *priv, struct sk_buff *skb,
				    const struct nf_hook_state *state)
{
	const struct percore_table *table;

	table = rcu_dereference(percore_pernet(state->net)->table);
	if (!table)
		return NF_ACCEPT;
	switch (ip_hdr(skb)->protocol) {
	case IPPROTO_TCP:
		return percore_tcp_in(skb, table, state);
	case IPPROTO_ICMP:
		return percore_icmp_in(skb, table, state->net);
	}
	return NF_ACCEPT;
}

static unsigned int percore_hook_out(void *priv, struct sk_buff *skb,
				     const struct nf_hook_state *state)
{
	const struct percore_table *table;

	table = rcu_dereference(percore_pernet(state->net)->table);
	if (!table)
		return NF_ACCEPT;
	/* A raw socket may send less than a header, or a broken one. */
	if (!pskb_may_pull(skb, sizeof(struct iphdr)) || ip_hdr(skb)->ihl < 5)
		return NF_ACCEPT;
	switch (ip_hdr(skb)->protocol) {
	case IPPROTO_TCP:
		return percore_nat_out(skb, table);
	case IPPROTO_ICMP:
		return percore_icmp_out(skb, table);
	}
	return NF_ACCEPT;
}

static const struct nf_hook_ops percore_ops_in = {
	.hook = percore_hook_in,
	.pf = NFPROTO_IPV4,
	.hooknum = NF_INET_PRE_ROUTING,
	.priority = PERCORE_PRI_IN,
};

static const struct nf_hook_ops percore_ops_out = {
	.hook = percore_hook_out,
	.pf = NFPROTO_IPV4,
	.hooknum = NF_INET_LOCAL_OUT,
	.priority = PERCORE_PRI_OUT,
};

static int percore_hook_in_set(struct net *net, struct percore_net *pn, bool on)
{
	int err;

	if (on == pn->hooked_in)
		return 0;
	if (on) {
		err = nf_defrag_ipv4_enable(net);
		if (err)
			return err;
		err = nf_register_net_hook(net, &percore_ops_in);
		if (err) {
			nf_defrag_ipv4_disable(net);
			return err;
		}
	} else {
		nf_unregister_net_hook(net, &percore_ops_in);
		nf_defrag_ipv4_disable(net);
	}
	pn->hooked_in = on;
	return 0;
}

static int percore_hook_out_set(struct net *net, struct percore_net *pn,
				bool on)
{
	int err;

	if (on == pn->hooked_out)
		return 0;
	if (on) {
		err = nf_register_net_hook(net, &percore_ops_out);
		if (err)
			return err;
	} else {
		nf_unregister_net_hook(net, &percore_ops_out);
	}
	pn->hooked_out = on;
	return 0;
}

/**
 * percore_hooks_set() - see the packets of a netns, or see them no more
 * @net: netns, its percore_net locked
 * @in: those that arrive
 * @out: those that leave, which only method nat wants
 *
 * A packet that is inside a hook leaves it within an RCU grace period.
 *
 * Context: may sleep.
 * Return: 0, or -errno when one of them cannot be switched on.
 */
int percore_hooks_set(struct net *net, bool in, bool out)
{
	struct percore_net *pn = percore_pernet(net);
	int err;

	err = percore_hook_in_set(net, pn, in);
	if (err)
		return err;
	err = percore_hook_out_set(net, pn, out);
	if (err)
		percore_hook_in_set(net, pn, pn->count);
	return err;
}

static int __net_init percore_net_init(struct net *net)
{
	struct percore_net *pn = percore_pernet(net);

	mutex_init(&pn->lock);
	INIT_LIST_HEAD(&pn->services);
	return 0;
}

static void __net_exit percore_net_pre_exit(struct net *net)
{
	struct percore_net *pn = percore_pernet(net);

	mutex_lock(&pn->lock);
	percore_hooks_set(net, false, false);
	mutex_unlock(&pn->lock);
}

/* Between pre_exit and exit the core waits for an RCU grace period. */
static void __net_exit percore_net_exit(struct net *net)
{
	percore_service_purge(percore_pernet(net));
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

	err = register_pernet_subsys(&percore_net_ops);
	if (err)
		return err;
	err = percore_netlink_init();
	if (err)
		unregister_pernet_subsys(&percore_net_ops);
	return err;
}

static void __exit percore_exit(void)
{
	percore_netlink_exit();
	unregister_pernet_subsys(&percore_net_ops);
	/* Services deleted a moment ago are freed by code of this module. */
	rcu_barrier();
}

module_init(percore_init);
module_exit(percore_exit);

MODULE_DESCRIPTION("One address and port in front of a listener per CPU");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
