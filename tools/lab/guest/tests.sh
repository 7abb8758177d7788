#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In the guest: run every test of tests/GROUP, one after another, and list
# each with its status in /results/tests.

set -u
group=$1
rm -f /results/tests
for test in "/corelane/tests/$group"/*.sh; do
	[[ -x $test ]] || continue
	name=$(basename "$test" .sh)
	echo "TEST $group/$name"
	status=0
	(cd "${test%/*}" && timeout 600 "$test") < /dev/null > "/results/$name.log" 2>&1 || status=$?
	[[ $status != 124 ]] || echo 'not ok timed out after 600 s' >> "/results/$name.log"
	echo "$name $status" >> /results/tests
	echo "TEST $group/$name status $status"
done
exit 0
