#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In the guest: run every test of tests/GROUP, one after another, and list
# each with its status and how long it took in /results/tests. What is listed
# there has been run, in a guest that QEMU did not survive. A test has 600 s, or
# what a line "# limit: N s" in it says.

set -u
group=$1
touch /results/tests

# Every ping has packets stamped while it lasts, for which the kernel patches
# its own code when the first begins and when the last ends. QEMU before 8.1 may
# trip over that on another CPU. So one of them lasts.
ping -q -i 3600 127.0.0.1 < /dev/null > /dev/null 2>&1 &
stamping=$!
trap 'kill $stamping' EXIT
for test in "/corelane/tests/$group"/*.sh; do
	[[ -x $test ]] || continue
	name=$(basename "$test" .sh)
	! grep -q "^$name " /results/tests || continue
	echo "TEST $group/$name"
	status=0 begun=$SECONDS
	limit=$(sed -n 's/^# limit: \([0-9]*\) s$/\1/p' "$test")
	limit=${limit:-600}
	(cd "${test%/*}" && timeout "$limit" "$test") < /dev/null > "/results/$name.log" 2>&1 || status=$?
	# busybox's timeout hands on what became of the program
	[[ $status != 124 && $status != 143 ]] || echo "not ok timed out after $limit s" >> "/results/$name.log"
	echo "$name $status $((SECONDS - begun))" >> /results/tests
	echo "TEST $group/$name status $status"
done
exit 0
