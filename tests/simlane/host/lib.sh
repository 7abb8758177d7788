#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the simulator's tests on the host share.  Sourced.

# shellcheck source-path=SCRIPTDIR source=../../system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../system/lib.sh"
# shellcheck source-path=SCRIPTDIR source=../../../tools/lab/emulator.sh
. "$CORELANE_TOP/tools/lab/emulator.sh"

# One kernel tells; the newest asked for.
# shellcheck disable=SC2034  # for those who source this file
LINE=${LINES_UNDER_TEST[-1]}

# need_simlane: skip where simulated time cannot run
need_simlane()
{
	emulator_complete || skip "no QEMU $EMULATOR_LINE here: run scripts/setup.sh"
}

# freeze: a copy of all that guests are made from, in TMP/tree.  Another test
# may build meanwhile, and a module more is another guest.
freeze()
{
	mkdir "$TMP/tree"
	cp -r "$CORELANE_TOP"/{Documentation,scripts,tests,tools} "$TMP/tree"
	(cd "$CORELANE_TOP" && cp -r --parents -t "$TMP/tree" build/{corelane,simlane,tests} build/*/*.ko)
}

# workload NAME SEED WINDOWS MS [OPTIONS]: run workload.sh under simlane in the
# frozen guest; what it leaves is in TMP/NAME
workload()
{
	"$TMP/tree/tools/lab/run.sh" --clock sim --kernel "$LINE" --cpus 6 --mem 1024 --seed "$2" \
		--sim "${5:-}" --results "$TMP/$1" --timeout 400 \
		tests/simlane/guest/workload.sh "$3" "$4" "$2" > "$TMP/$1.log" 2>&1 && return 0
	sed 's/^/# /' "$TMP/$1.log"
	return 1
}

# simulated NAME: its windows without what the host's speed decides
simulated()
{
	jq -cS 'del(.wall_s, .cpu_s, .mips)' "$TMP/$1/windows.jsonl"
}
