#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What the scripts share: where things are, and how to speak to the user.
# Sourced, never run.

# Numbers have a point, letters their plain order and messages their English
# words, in what awk and printf write for jq and in what we look for in logs.
# UTF-8 goes through as the bytes that it is.
export LC_ALL=C
# It takes cd elsewhere, and has it speak.
unset CDPATH

CORELANE_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CORELANE_CACHE=$(realpath -ms -- "${CORELANE_CACHE:-/var/cache/corelane}")
export CORELANE_TOP CORELANE_CACHE

# Kernel lines we support, oldest first, and Debian's package that names the
# newest release of each.
CORELANE_LINES=(6.1 6.12)

# The newest line that the patches are made for and compiled in; not booted.
CORELANE_NEWEST=7.3

die()
{
	local what=$1 todo=${2:-}

	printf '%s: %s%s\n' "${0##*/}" "$what" "${todo:+: $todo}" >&2
	exit 1
}

usage_error()
{
	printf '%s: %s (see --help)\n' "${0##*/}" "$1" >&2
	exit 2
}

say()
{
	printf '%s\n' "$*" >&2
}

# plain_path PATH TODO: nothing in it that QEMU or gnuplot takes for the end of a name
plain_path()
{
	[[ $1 != *[,\']* ]] || die "the path $1 has a comma or a quote" "$2"
}

# cache_parent: the cache, or the nearest folder above that is there
cache_parent()
{
	local parent=$CORELANE_CACHE

	while [[ ! -d $parent ]]; do
		parent=${parent%/*}
		parent=${parent:-/}
	done
	printf '%s\n' "$parent"
}

# end_on_signals COMMAND: told to stop, run it, then the EXIT trap.  The first
# signal is the last that is heard, as another one would cut that trap short:
# who stops a process group and what it started sends some of it two.
end_on_signals()
{
	# shellcheck disable=SC2064  # the command of now
	trap "trap '' INT TERM HUP; $1 || true; exit 130" INT
	# shellcheck disable=SC2064
	trap "trap '' INT TERM HUP; $1 || true; exit 143" TERM HUP
}

group_end()
{
	kill -- "-$child" 2> /dev/null || true
	wait "$child" 2> /dev/null
}

# run_group COMMAND...: in a process group of its own, so that all of it ends and
# cleans up when we are told to stop
run_group()
{
	local status=0 child

	set -m
	"$@" &
	child=$!
	set +m
	end_on_signals group_end
	wait "$child" || status=$?
	trap - INT TERM HUP
	[[ $status == 0 ]] || exit "$status"
}

# check_list OPTION LIST: it has an item, and none twice
check_list()
{
	local item seen=,

	[[ $2 =~ ^[^,]+(,[^,]+)*$ ]] || usage_error "$1 wants a list like a,b, not '$2'"
	for item in ${2//,/ }; do
		[[ $seen != *",$item,"* ]] || usage_error "$1: $item is there twice"
		seen+=$item,
	done
}

# check_hashes LIST: of the switch's
check_hashes()
{
	local item

	check_list --switch-hash "$1"
	for item in ${1//,/ }; do
		[[ $item =~ ^layer(2\+3|3\+4)$ ]] ||
			usage_error "--switch-hash: no hash '$item'; hashes are layer2+3 and layer3+4"
	done
}

# check_points LIMIT: a bench's $cores, $rows and $kernel make sense, by its
# ALL_ROWS and the most cores it takes
# shellcheck disable=SC2154  # they are the bench's
check_points()
{
	local limit=$1 item

	[[ $cores =~ ^[0-9]+(,[0-9]+)*$ ]] || usage_error "--cores wants numbers like 1,2,4, not '$cores'"
	check_list --cores "$cores"
	[[ -z $rows ]] || check_list --rows "$rows"
	for item in ${cores//,/ }; do
		((item >= 1 && item <= limit)) || usage_error "--cores: $item is not between 1 and $limit"
	done
	for item in ${rows//,/ }; do
		[[ " ${ALL_ROWS[*]} " == *" $item "* ]] || usage_error "--rows: no row '$item'; rows are ${ALL_ROWS[*]}"
	done
	[[ " ${CORELANE_LINES[*]} " == *" $kernel "* ]] ||
		usage_error "--kernel: no line '$kernel'; lines are ${CORELANE_LINES[*]}"
}

# fresh_results: a bench's $out is a folder that is yet to be, without a slash at
# its end, for what is half done goes beside it.  Whoever measures for hours is
# told so before.
fresh_results()
{
	out=$(realpath -m -- "$out")
	plain_path "$out" "name another folder with --out"
	[[ ! -e $out.partial ]] ||
		die "$out.partial is there, of a run that goes on or that failed" "name another folder with --out, or remove that"
	[[ ! -e $out ]] || rmdir -- "$out" 2> /dev/null ||
		die "$out is there and no empty folder" "name another with --out"
}

# claim_partial: what is half done is in $partial, which is this run's alone: of two
# that were told the same $out one gets it, also after both have looked.
# shellcheck disable=SC2034  # partial is the bench's
claim_partial()
{
	mkdir -p -- "${out%/*}/"
	mkdir -- "$out.partial" || die "cannot have $out.partial" "name another folder with --out"
	partial=$out.partial
}

# keep_console LOG: of a run that is thrown away, the guest's console log is kept,
# by a name that nobody can have made before
keep_console()
{
	local kept

	[[ -s $1 ]] || return 0
	kept=$(mktemp --suffix=.log "${TMPDIR:-/tmp}/corelane-console.XXXXXX") && cp -- "$1" "$kept" || return 0
	say "${0##*/}: stopped; the guest's console log is $kept"
}

# release_of_line LINE: the Debian release that setup fetched for a line
release_of_line()
{
	local file=$CORELANE_CACHE/lines/$1

	[[ -s $file ]] || return 1
	cat "$file"
}

# newest_complete: the newest line's source and configuration are in the cache
newest_complete()
{
	local tree=$CORELANE_CACHE/src/linux-source-$CORELANE_NEWEST

	[[ -s $tree/.corelane-release && -s $tree/.corelane-config ]]
}

# kernel_build_dir NAME: a line, a release or a directory -> its build directory
kernel_build_dir()
{
	local name=$1 release dir

	if [[ $name == */* ]]; then
		[[ -f $name/Makefile ]] || die "no kernel build directory at $name" "name one that has a Makefile and .config"
		(cd "$name" && pwd)
		return
	fi
	release=$(release_of_line "$name") || release=$name
	for dir in "$CORELANE_CACHE/headers/$release/usr/src/linux-headers-$release" \
		   "/lib/modules/$release/build" "/usr/src/linux-headers-$release"; do
		if [[ -f $dir/Makefile && -f $dir/.config ]]; then
			printf '%s\n' "$dir"
			return
		fi
	done
	die "no headers for kernel $name" \
	    "run scripts/setup.sh for a Debian line (${CORELANE_LINES[*]}), install linux-headers-$name, or give KERNEL=/path/to/build"
}

# kernel_release DIR: the release a build directory makes modules for
kernel_release()
{
	local dir=$1 release

	# What modules are stamped with; include/config/kernel.release may be
	# shorter (Debian's 6.1).
	release=$(sed -n 's/^#define UTS_RELEASE "\(.*\)"$/\1/p' \
		"$dir/include/generated/utsrelease.h" 2> /dev/null) || true
	[[ -n $release ]] || release=$(cat "$dir/include/config/kernel.release" 2> /dev/null) || true
	printf '%s\n' "$release"
}
