#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the lab's tests share.  Sourced by tests/<module>/<name>.sh; KTAP
# output by the kernel's own helpers, taken from its source at test time.

# shellcheck disable=SC1091  # put beside this file when the guest is made
. "$(dirname "${BASH_SOURCE[0]}")/ktap_helpers.sh"

# What no healthy kernel says.
DMESG_BAD='WARNING:|BUG:|Oops|Call Trace|general protection|KASAN|lockdep'
DMESG_BAD+='|possible (recursive|circular)|rcu.*(stall|detected expedited)|hung task'
DMESG_BAD+='|blocked for more than|unregister_netdevice: waiting|Memory leak|refcount_t'
DMESG_BAD+='|soft lockup|list_(add|del) corruption'

# skip REASON: end the test as skipped
skip()
{
	ktap_skip_all "$*"
	exit "$KSFT_SKIP"
}

# die TEXT: end the test as failed
die()
{
	echo "Bail out! $*"
	exit "$KSFT_FAIL"
}

# need_cmd NAME...: skip where a program is missing
need_cmd()
{
	local name

	for name; do
		command -v "$name" > /dev/null || skip "no $name here"
	done
}

# dmesg_mark: what follows is ours
dmesg_mark()
{
	echo "corelane test mark $$-$((++DMESG_MARKS))" > /dev/kmsg
}

# dmesg_since: the kernel's messages since the mark
dmesg_since()
{
	dmesg | awk -v mark="corelane test mark $$-$DMESG_MARKS" '
		index($0, mark) { text = ""; next } { text = text $0 "\n" }
		END { printf "%s", text }'
}

# dmesg_clean: no splat since the mark; prints what it found
dmesg_clean()
{
	! dmesg_since | grep -E "$DMESG_BAD"
}
DMESG_MARKS=0

# within SECONDS COMMAND...: sooner or later it succeeds
within()
{
	local i

	for ((i = 0; i < $1 * 10; i++)); do
		! "${@:2}" || return 0
		sleep 0.1
	done
	return 1
}

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
