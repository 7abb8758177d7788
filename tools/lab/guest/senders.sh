#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Which CPU sends by which NIC, and who waits for a lock, counted by the
# kernel's tracing, so for any policy, also one that counts nothing itself.
# Sourced.  Being counted costs time: not while anything else is measured.

TRACING=/sys/kernel/tracing
SENT=$TRACING/events/net/net_dev_xmit
WAITED=$TRACING/events/kprobes/corelane_wait
# shellcheck disable=SC2034  # read by those who source this file
SENDERS=(/tmp/sent /tmp/waited)

# senders_begin CORES: count from now on; who waits, on the server's cores only
senders_begin()
{
	sent_by='hist:keys=common_cpu,name if name ~ "srv*"' waited_on="hist:keys=stacktrace if cpu < $1"
	[[ -e $WAITED ]] || echo 'p:corelane_wait native_queued_spin_lock_slowpath' >> $TRACING/kprobe_events || return 1
	# Files are kept under their last name; both of these are "hist".
	ln -sf $SENT/hist /tmp/sent
	ln -sf $WAITED/hist /tmp/waited
	echo "$sent_by" > $SENT/trigger && echo "$waited_on" > $WAITED/trigger
}

senders_end()
{
	echo "!$sent_by" > $SENT/trigger
	echo "!$waited_on" > $WAITED/trigger
}
