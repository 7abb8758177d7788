/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPU-bound transmit for bonding: what the hooks in the driver call.
 */
#ifndef _NET_BOND_CPU_BOUND_H
#define _NET_BOND_CPU_BOUND_H

#include <linux/netdevice.h>

struct attribute_group;
struct bond_cpu_bound_map;
struct bond_cpu_bound_slave;
struct bond_up_slave;
struct bonding;
struct slave;

extern const struct attribute_group *bond_cpu_bound_groups[];

struct bond_up_slave *bond_cpu_bound_attach(struct bonding *bond,
					    struct bond_up_slave *usable,
					    const struct bond_up_slave *all);
void bond_cpu_bound_free(struct slave *slave);
void bond_cpu_bound_learn(const struct slave *slave);
netdev_tx_t bond_xmit_cpu_bound(struct sk_buff *skb,
				struct net_device *bond_dev);

#endif /* _NET_BOND_CPU_BOUND_H */
