#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What of tests/pollnvme wants a guest of its own: a system that sleeps, whose
# results wait in memory, a port whose link is lost, and a controller with few pairs.

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# in_guest LINE TEST LAST OPTION...: what it says goes into ours as comments; it
# came to LAST
in_guest()
{
	local line=$1 test=$2 last=$3 status=0

	shift 3
	"$CORELANE_TOP/tools/lab/run.sh" --kernel "$line" --cpus 4 --results "$TMP/$line" "$@" \
		"tests/pollnvme/$test.sh" > "$TMP/said" 2>&1 || status=$?
	sed 's/^/# /' "$TMP/said"
	# It is not there where the guest did not come to its end.
	if [[ -f $TMP/$line/$test.log ]]; then
		sed 's/^/# /' "$TMP/$line/$test.log"
	else
		tail -n 60 "$TMP/$line/console.log" | sed 's/^/# /'
	fi
	[[ $status == 0 ]] && grep -qs "^ok .*$last" "$TMP/$line/$test.log"
}

ktap_print_header
ktap_set_plan $((3 * ${#LINES_UNDER_TEST[@]}))
for line in "${LINES_UNDER_TEST[@]}"; do
	check "$line: sleep under load" in_guest "$line" sleep 'pci: sync: the system sleeps$' \
		--nvme 256M,port --append corelane.results=late
	check "$line: a link that is lost" in_guest "$line" pci_lost 'removes the controller$' --nvme 256M,lost
	check "$line: fewer pairs than CPUs" in_guest "$line" few 'what is written comes back$' --nvme 256M,few
done
ktap_finished
