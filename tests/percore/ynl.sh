#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The family's description (Documentation/netlink/specs/percore.yaml) fits the
# kernel's schema, and the kernel's own library speaks to the module by it; what
# it is told is what corelane is told.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

YNL=/corelane/ynl
[[ -r $YNL/lib/ynl.py ]] || skip "not in the lab: no YNL of the kernel"
need_cmd python3
python3 -c 'import yaml, jsonschema' 2> /dev/null || skip "Python lacks yaml or jsonschema"

pc_setup
# something to count
pc_add
pc_serve "${PC_PORTS[@]}"
pc_conns 0 5 > /dev/null || die "no answers"
out=$(pc_srv python3 "$(dirname "$0")/percore_ynl.py" "$YNL" "$PC_VIP" fd09::1 2>&1) || true

# said STEP: percore_ynl.py found nothing wrong with it
said()
{
	[[ $'\n'$out$'\n' == *$'\n'"$1 ok"$'\n'* ]] && return
	ktap_print_msg "$(grep "^$1" <<< "$out" || tail -n 3 <<< "$out")"
	return 1
}

ktap_print_header
ktap_set_plan 8
dmesg_mark
check "the description fits the schema; services by it" said add
check "they are told as they were given" said tell
check "and as corelane tells them" said alike
check "so are the counters, all of them" said count
check "other lanes, another method, a lane drained" said change
check "an error says what is wrong" said refuse
check "deleted" said delete
check "dmesg is clean" dmesg_clean
ktap_finished
