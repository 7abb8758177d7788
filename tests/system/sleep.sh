#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A system that sleeps with pollnvme's disks busy: a guest of its own, whose
# results wait in memory, runs tests/pollnvme/sleep.sh.

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# What it says goes into ours as comments.
sleeps() # LINE
{
	local status=0

	"$CORELANE_TOP/tools/lab/run.sh" --kernel "$1" --cpus 4 --nvme 256M,port \
		--append corelane.results=late --results "$TMP/$1" tests/pollnvme/sleep.sh > "$TMP/said" 2>&1 || status=$?
	sed 's/^/# /' "$TMP/said" "$TMP/$1/sleep.log"
	[[ $status == 0 ]] && grep -q '^ok .*the system sleeps$' "$TMP/$1/sleep.log"
}

ktap_print_header
ktap_set_plan "${#LINES_UNDER_TEST[@]}"
for line in "${LINES_UNDER_TEST[@]}"; do
	check "$line: sleep under load" sleeps "$line"
done
ktap_finished
