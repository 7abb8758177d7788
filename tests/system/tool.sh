#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the corelane tool says of its command line, before there is a module to ask.

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
tool=$TMP/build/corelane

ktap_print_header
ktap_set_plan 6
check 'it builds' make -s -C "$CORELANE_TOP/tools/corelane" "O=$TMP/build"
check 'a mark without spill' refused 'only with --balance spill' "$tool" nat add 192.0.2.1:80 --mark 5
check 'a CPU that no kernel has' refused 'CPU numbers end at 8191' "$tool" nat add 192.0.2.1:80 --cpus 9000 --dry-run
check 'what is no list of CPUs' refused 'no list of CPUs' "$tool" nat add 192.0.2.1:80 --cpus 3-1 --dry-run
check 'block show changes nothing anyway' refused 'block show has no --dry-run' "$tool" block show --dry-run
check 'block set prints no JSON' refused 'block set has no --json' "$tool" block set x mode=sync --json
ktap_finished
