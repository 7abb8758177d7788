#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The guest's userland: what is in it, and where in the cache.  Sourced after
# scripts/lib.sh.

# What the guest's programs and tests need; dependencies follow.
GUEST_PACKAGES=(base-files base-passwd bash busybox-static iproute2 ethtool
	iputils-ping lighttpd apache2-utils fio nvme-cli e2fsprogs xfsprogs
	util-linux kmod procps nftables iptables tcpdump jq libmnl0 libjansson4
	python3-minimal python3-yaml python3-jsonschema mawk udev)

# The userland is named by its package list, so that a changed list is a new one.
guest_root()
{
	echo "$CORELANE_CACHE/guest/$(printf '%s\n' "${GUEST_PACKAGES[@]}" | sha256sum | cut -c1-12)"
}

# guest_complete: the one in use is the one of this list
guest_complete()
{
	[[ -f $(guest_root)/.complete && $CORELANE_CACHE/guest/current -ef $(guest_root) ]]
}
