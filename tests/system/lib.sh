#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the system tests share: they run on the host, not in the lab.
# Sourced.  TMP is a folder of the test's own, removed at its end.

# shellcheck source-path=SCRIPTDIR source=../../scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source=/dev/null
. "$CORELANE_CACHE/src/linux-source-6.12/tools/testing/selftests/kselftest/ktap_helpers.sh"

TMP=$(mktemp -d "${TMPDIR:-/tmp}/corelane-test.XXXXXX")
trap 'rm -rf "$TMP"' EXIT

# shellcheck disable=SC2034  # for those who source this file
# The kernel lines to try, as check.sh --kernel left them
read -ra LINES_UNDER_TEST <<< "${CORELANE_LINES_UNDER_TEST:-${CORELANE_LINES[*]}}"

# check NAME COMMAND...: a KTAP line from a command's success, and what it took
# where that was long
check()
{
	local name=$1 begun=$SECONDS

	shift
	if "$@"; then
		ktap_test_pass "$name"
	else
		ktap_test_fail "$name"
	fi
	((SECONDS - begun < 5)) || echo "# took $((SECONDS - begun)) s"
}

# skip REASON: end the test as skipped
skip()
{
	ktap_skip_all "$*"
	exit "$KSFT_SKIP"
}

# refused TEXT COMMAND...: fails, says TEXT, in at most two lines
refused()
{
	local text=$1 said

	shift
	! said=$("$@" 2>&1) && [[ $said == *"$text"* && $(wc -l <<< "$said") -le 2 ]] && return
	echo "# said: ${said:-}"
	return 1
}
