#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the corelane tool says of its command line, before there is a module to ask.

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
tool=$TMP/build/corelane

# reserved RANGE ARGUMENT...: what is said in a network where the kernel takes 30000 to
# 60000 for itself and leaves RANGE out
reserved()
{
	# shellcheck disable=SC2016  # expanded by the inner shell
	unshare -n sh -c 'cd /proc/sys/net/ipv4 && echo 30000 60000 > ip_local_port_range &&
		echo "$1" > ip_local_reserved_ports && shift && exec "$@" 2>&1 > /dev/null' \
		sh "$1" "$tool" nat add 192.0.2.1:80 --dry-run "${@:2}"
}

ktap_print_header
ktap_set_plan 8
check 'it builds' make -s -C "$CORELANE_TOP/tools/corelane" "O=$TMP/build"
check 'a port that the kernel may take is told' grep -q 'port 40016 is in net' \
	<(reserved 1,40000 --cpus 0,1 --ports 40000)
check 'one that is reserved is not' test -z "$(reserved 1,40000-40016,50000 --cpus 0,1 --ports 40000)"
check 'a mark without spill' refused 'only with --balance spill' "$tool" nat add 192.0.2.1:80 --mark 5
check 'a CPU that no kernel has' refused 'CPU numbers end at 8191' "$tool" nat add 192.0.2.1:80 --cpus 9000 --dry-run
check 'what is no list of CPUs' refused 'no list of CPUs' "$tool" nat add 192.0.2.1:80 --cpus 3-1 --dry-run
check 'block show changes nothing anyway' refused 'block show has no --dry-run' "$tool" block show --dry-run
check 'block set prints no JSON' refused 'block set has no --json' "$tool" block set x mode=sync --json
ktap_finished
