#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Kbuild's CHECK= wrapper: run sparse over our own files only.  The kernel's
# bonding files, which are built beside ours, are not ours to judge.
for last; do :; done
case $last in
*/drivers/net/bonding/bond_cpu_bound*.c | */net/netfilter/percore/*.c | */drivers/block/pollnvme/*.c | \
*/tests/modules/*.c)
	exec sparse "$@"
	;;
esac
