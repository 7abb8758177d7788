#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In the clients' network namespace: one ab per address, each on its CPU.
#
# clients.sh NUMBER FIRST-CPU CPUS CONCURRENCY URL AB-OPTION...
#
# They start together, when somebody opens the FIFO /tmp/ab.gate for writing:
# else the first would load the server while the others are still being made.
# Process ids go to /tmp/ab.pids, reports to /tmp/ab.N.out and .csv; ends when
# all have ended.

set -u
number=$1 first=$2 cpus=$3 concurrency=$4 url=$5
shift 5
for ((j = 0; j < number; j++)); do
	taskset -c "$((first + j % cpus))" bash -c ': < /tmp/ab.gate; exec "$@"' bash \
		ab -q "$@" -c "$concurrency" -B "10.0.0.$((100 + j))" \
		-e "/tmp/ab.$j.csv" "$url" > "/tmp/ab.$j.out" 2>&1 &
	echo $!
done > /tmp/ab.tmp
mv /tmp/ab.tmp /tmp/ab.pids
wait
