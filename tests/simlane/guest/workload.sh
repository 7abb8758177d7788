#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In the guest, run by the host's tests: two pairs of processes that move data
# through pipes between cores 0 and 1, 2 and 3, measured for some windows.
#
# Nothing is printed or written to the host's folder before the last window:
# the device that carries it answers in the host's time.
#
# Arguments: WINDOWS MS SEED

set -eu
windows=$1 ms=$2 seed=$3
pids=()
taskset -pc 5 $$ > /dev/null
exec 3>&1 > /tmp/out 2>&1

pair() # FROM TO BYTES
{
	mkfifo "/tmp/pipe$1"
	taskset -c "$2" dd if="/tmp/pipe$1" of=/dev/null bs="$3" & pids+=($!)
	taskset -c "$1" dd if=/dev/zero of="/tmp/pipe$1" bs="$3" & pids+=($!)
}

pair 0 1 4096
pair 2 3 512
simlane symbols
simlane pace fine
sleep 0.01
simlane cores 4
simlane cache on
sleep 0.005
for ((i = 0; i < windows; i++)); do
	simlane seed $(((seed + i) % 256))
	sleep 0.001
	simlane window "w$i" "$ms" "/proc/${pids[0]}/io"
done
simlane cache off
simlane pace boot
kill "${pids[@]}"
wait || true
exec >&3 2>&1

# What went through the first pair in each window, bytes per second.
for ((i = 0; i < windows; i++)); do
	read -r _ _ begin end < <(sed -n "$((i + 1))p" <(grep '^WINDOW' /tmp/out))
	awk -v s="$(awk "BEGIN { printf \"%.9f\", $end - $begin }")" -v i="$i" '
		/^rchar/ { v[FILENAME ~ /after/] = $2 }
		END { printf "RATE w%d %.0f\n", i, (v[1] - v[0]) / s }' "/tmp/simlane/w$i/before/io" "/tmp/simlane/w$i/after/io"
done > /results/rates
