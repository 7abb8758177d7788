#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Which QEMU runs the lab.  In wall time the system's; in simulated time the
# system's where it is of the line that simulated time is made for, else the one
# unpacked in the cache.  Sourced after scripts/lib.sh.

# simlane leans on this line's inside, and refuses others.
EMULATOR_LINE=10.0
EMULATOR_CACHE=$CORELANE_CACHE/qemu

# emulator_version COMMAND...: the version it says it is
emulator_version()
{
	"$@" --version 2> /dev/null | sed -n '1s/.*version \([0-9.]*\).*/\1/p'
}

# emulator_system_fits: the system's QEMU is of our line (Debian 13)
emulator_system_fits()
{
	[[ $(emulator_version qemu-system-x86_64) == "$EMULATOR_LINE".* ]]
}

# emulator_complete: simulated time has a QEMU, and its plugins' header
emulator_complete()
{
	[[ -f $EMULATOR_CACHE/current/.complete ]] || return 1
	[[ -x $EMULATOR_CACHE/current/root/usr/bin/qemu-system-x86_64 ]] || emulator_system_fits
}

# emulator_find CLOCK: set QEMU (a command with the options that tell it where its
# own files are) and QEMU_VERSION
emulator_find()
{
	local root=$EMULATOR_CACHE/current/root

	QEMU=(qemu-system-x86_64)
	# a simulated run's boot for symbols is its child, on another QEMU
	unset QEMU_MODULE_DIR
	# With a thread per CPU, QEMU 10.0.2 was seen to leave a guest's CPU
	# without its timer: the boot hangs, or what runs there crawls.
	if [[ $1 == sim && -f $EMULATOR_CACHE/current/.complete && -x $root/usr/bin/qemu-system-x86_64 ]] &&
	   ! emulator_system_fits; then
		QEMU=("$root/usr/bin/qemu-system-x86_64" -L "$root/usr/share/qemu" -L "$root/usr/share/seabios")
		export QEMU_MODULE_DIR=$root/usr/lib/x86_64-linux-gnu/qemu
	fi
	command -v "${QEMU[0]}" > /dev/null || die "QEMU is not installed" "run scripts/setup.sh"
	# shellcheck disable=SC2034  # read by who sources this file
	QEMU_VERSION=$(emulator_version "${QEMU[@]}")
}
