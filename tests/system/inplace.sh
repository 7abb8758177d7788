#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The plain out-of-tree build, make -C BUILD_DIR M=TREE, on a clean copy of
# the tree; the modules carry the names and aliases that they must. On one
# kernel line: build-modules.sh does the same on a copy for all.

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

ktap_print_header
ktap_set_plan 4
line=${LINES_UNDER_TEST[-1]}
tree=$TMP/$line
mkdir -p "$tree"
(cd "$CORELANE_TOP" && git ls-files -z | xargs -0 cp --parents -t "$tree")
kdir=$(kernel_build_dir "$line")
check "$line: make M= builds" make -s -C "$kdir" "M=$tree" "-j$(nproc)" W=1 modules
check "$line: three modules" ls "$tree"/drivers/net/bonding/bonding.ko \
	"$tree"/net/netfilter/percore/percore.ko "$tree"/drivers/block/pollnvme/pollnvme.ko
check "$line: bonding keeps its alias" grep -q '^rtnl-link-bond$' \
	<(modinfo -F alias "$tree/drivers/net/bonding/bonding.ko")
check "$line: pollnvme binds to nothing by itself" test -z \
	"$(modinfo -F alias "$tree/drivers/block/pollnvme/pollnvme.ko" | grep '^pci:')"
ktap_finished
