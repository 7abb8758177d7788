# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the guest's tests of the simulator share.  Sourced.

# The host's side of /results, where the simulator writes.  The lab mounts it
# early if it is told to (corelane.results=early); else we do.
RESULTS=/results

# sim_begin CORES: a fine window and the cache model for the first CORES cores
sim_begin()
{
	simlane present 2> /dev/null || skip "not in simulated time: run.sh --clock sim"
	[[ $(nproc) -gt $1 ]] || skip "$(nproc) processors; this needs $(($1 + 1))"
	if [[ ! -s $RESULTS/model.json ]]; then
		RESULTS=/tmp/simlane-results
		mkdir -p "$RESULTS"
		mount -t 9p -o trans=virtio,version=9p2000.L results "$RESULTS" || die "no results from the host"
	fi
	# Us on the last one, so that those under study are left alone.
	taskset -pc "$(($(nproc) - 1))" $$ > /dev/null
	simlane cores "$1"
	simlane pace fine
	simlane cache on
	trap sim_end EXIT
}

sim_end()
{
	simlane cache off
	simlane pace boot
	[[ $RESULTS == /results ]] || umount "$RESULTS"
}

# sim_window TAG MS: measure a window; its object is WINDOW from then on
sim_window()
{
	simlane window "$1" "$2" > "/tmp/window-$1" || return 1
	WINDOW=$(jq -c --arg tag "$1" 'select(.tag == $tag)' "$RESULTS/windows.jsonl" | tail -n 1)
	[[ -n $WINDOW ]]
}

# holds FILTER [ARGUMENT...]: jq's filter holds for WINDOW
holds()
{
	jq -e "${@:2}" "$1" <<< "$WINDOW" > /dev/null || {
		echo "# $WINDOW"
		return 1
	}
}
