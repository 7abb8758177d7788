// SPDX-License-Identifier: GPL-2.0
/*
 * percore: one address and port in front of a listener per CPU
 *
 * A connection to VIP:port goes to the listener of the CPU that received its
 * first packet, and stays there whichever CPU receives the others.
 * Documentation/networking/percore.rst tells the whole.
 *
 * Module and per-netns life.
 */
#include <linux/module.h>
#include <net/netns/generic.h>

#include "percore.h"

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

static int __net_init percore_net_init(struct net *net)
{
	struct percore_net *pn = percore_pernet(net);

	mutex_init(&pn->lock);
	INIT_LIST_HEAD(&pn->services);
	pn->net = net;
	percore_reap_init(pn);
	percore_fronts_init(pn);
	percore_hooks_init(pn);
	percore_loads_init(pn);
	return 0;
}

static void __net_exit percore_net_pre_exit(struct net *net)
{
	struct percore_net *pn = percore_pernet(net);

	percore_reap_stop(pn);
	percore_fronts_stop(pn);
	percore_loads_stop(pn);
	percore_hooks_end(pn);
}

/* Between pre_exit and exit the core waits for an RCU grace period. */
static void __net_exit percore_net_exit(struct net *net)
{
	struct percore_net *pn = percore_pernet(net);

	percore_hooks_quit(pn);
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
