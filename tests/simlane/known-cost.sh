#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In a simulated guest: programs whose cost follows from the model's constants
# take what the model says, by the guest's own clock.

set -u
# shellcheck disable=SC1091
. "$(dirname "$0")/../lib.sh"
# shellcheck disable=SC1091
. "$(dirname "$0")/common.sh"

need_cmd simlane known_cost jq taskset
CORES=4
sim_begin "$CORES"
sim_window probe 1 || die "no window was measured"

# The constants, and the window a core may run ahead, a name and a value a line.
jq -r 'to_entries[] | "\(.key) \(.value.value)"' "$RESULTS/model.json" > /tmp/model
jq -r '"q \(.q_cycles)"' <<< "$WINDOW" >> /tmp/model
known_cost /tmp/model "$CORES"
