// SPDX-License-Identifier: GPL-2.0
/*
 * Fragments of IPv4 packets are put together before anybody looks for ports.
 *
 * As IPVS does it: only fragments pay. nf_defrag_ipv4's own hooks would be
 * asked for every packet, in both directions.
 */
#include <linux/bottom_half.h>
#include <linux/netfilter_bridge.h>
#include <net/ip.h>

#include "percore.h"

/**
 * percore_gather4() - a fragment arrives
 * @skb: fragment
 * @state: the hook's
 *
 * Those that a bridge passes through netfilter have a queue of their own, as
 * they may never have been meant for this host.
 *
 * Context: softirq, RCU.
 * Return: true when it was the last: @skb is the whole packet. false when it
 * waits for others, or was refused: it is not ours any longer.
 */
bool percore_gather4(struct sk_buff *skb, const struct nf_hook_state *state)
{
	u32 user = nf_bridge_in_prerouting(skb) ? IP_DEFRAG_CONNTRACK_BRIDGE_IN
						: IP_DEFRAG_CONNTRACK_IN;
	int err;

	local_bh_disable();
	err = ip_defrag(state->net, skb, user);
	local_bh_enable();
	if (err)
		return false;
	/* On its way through this host it may become fragments again. */
	skb->ignore_df = 1;
	return true;
}
