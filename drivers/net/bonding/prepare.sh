#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# prepare.sh KERNEL_BUILD_DIR OUTPUT_DIR: put the kernel's own bonding driver,
# with our hooks in it, into OUTPUT_DIR, ready to be built together with
# bond_cpu_bound*.c against that kernel. Does nothing when it is there already.
#
# The driver's source is not part of the headers. It is looked for in
#   $BONDING_SRC           a kernel tree that you name, nothing else is tried
#   KERNEL_BUILD_DIR       when it is a full tree
#   $CORELANE_CACHE/src and /usr/src, linux-source-LINE, unpacked or .tar.xz
#
# Its version has to be the headers': the same line, and word for word the same
# bonding headers, since those are the ones that other modules were built with.

set -euo pipefail

die()
{
	printf 'bonding: %s: %s\n' "$1" "$2" >&2
	exit 1
}

[[ $# -eq 2 ]] || { echo 'usage: prepare.sh KERNEL_BUILD_DIR OUTPUT_DIR' >&2; exit 2; }
kdir=$1 out=$2
unset CDPATH
here=$(cd "$(dirname "$0")" && pwd)
cache=${CORELANE_CACHE:-/var/cache/corelane}
headers=(include/net/bonding.h include/net/bond_3ad.h include/net/bond_alb.h
	 include/net/bond_options.h include/uapi/linux/if_bonding.h)

# make_variable FILE NAME
make_variable()
{
	sed -n "s/^$2 = *//p" "$1" | head -n 1
}

# Debian's build directory only points to the tree it shares with others.
common=$(sed -n 's|^include \(.*\)/Makefile$|\1|p' "$kdir/Makefile" 2> /dev/null | head -n 1)
[[ -n $common ]] || common=$kdir
[[ -f $common/include/net/bonding.h ]] ||
	die "no kernel headers in $kdir" "install linux-headers for this kernel, or name its build directory"
line=$(make_variable "$common/Makefile" VERSION).$(make_variable "$common/Makefile" PATCHLEVEL)
version=$line.$(make_variable "$common/Makefile" SUBLEVEL)

find_source()
{
	local place

	if [[ -n ${BONDING_SRC:-} ]]; then
		[[ -f $BONDING_SRC/drivers/net/bonding/bond_main.c ]] ||
			die "no drivers/net/bonding in BONDING_SRC=$BONDING_SRC" "name the top of a Linux $line source tree"
		printf '%s\n' "$BONDING_SRC"
		return
	fi
	for place in "$kdir" "$common" {"$cache/src",/usr/src}/linux-source-"$line"; do
		if [[ -f $place/drivers/net/bonding/bond_main.c ]]; then
			printf '%s\n' "$place"
			return
		elif [[ -f $place.tar.xz ]]; then
			printf '%s\n' "$place.tar.xz"
			return
		fi
	done
	die "no source of the bonding driver of Linux $version" \
	    "apt-get install linux-source-$line, or give BONDING_SRC=/path/to/linux-$line"
}

source=$(find_source)
# What the result depends on. A tree is known by its Makefile, which every
# update touches; reading it all each time would not be "nothing to do".
if [[ -d $source ]]; then
	token=$(stat -c '%n %Y' "$source/Makefile" "$source/drivers/net/bonding/bond_main.c")
else
	token=$(stat -c '%n %s %Y' "$source")
fi
key=$(printf '%s\n' "$version" "$common" "$token" "$(cat "$here/hooks.patch" "$here/prepare.sh" | sha256sum)")
if [[ -f $out/stamp && $(< "$out/stamp") == "$key" ]]; then
	exit 0
fi

command -v patch > /dev/null || die "patch is not installed" "apt-get install patch"
new=$out.new.$$
trap 'rm -rf "$new"' EXIT
mkdir -p "$new/tree"

# unpack: only what is needed, into $new/tree
unpack()
{
	local top

	if [[ -d $source ]]; then
		(cd "$source" && cp -r --parents Makefile drivers/net/bonding "${headers[@]}" "$new/tree")
		return
	fi
	top=linux-source-$line
	tar -xJf "$source" -C "$new/tree" --strip-components=1 "$top/Makefile" \
		"$top/drivers/net/bonding" "${headers[@]/#/$top/}" ||
		die "cannot unpack $source" "is the disk full, or xz-utils not installed?"
}

check_version()
{
	local theirs header

	theirs=$(make_variable "$new/tree/Makefile" VERSION).$(make_variable "$new/tree/Makefile" PATCHLEVEL)
	[[ $theirs == "$line" ]] ||
		die "$source is Linux $theirs, the kernel to build for is $version" "name a tree of the $line line"
	theirs+=.$(make_variable "$new/tree/Makefile" SUBLEVEL)
	for header in "${headers[@]}"; do
		cmp -s "$new/tree/$header" "$common/$header" ||
			die "$source (Linux $theirs) and the headers (Linux $version) differ in $header" \
			    "install headers and linux-source-$line of one version"
	done
	printf 'bonding: driver of Linux %s from %s, for headers of %s\n' "$theirs" "$source" "$version" >&2
}

unpack
check_version
patch -s -d "$new/tree" -p1 --no-backup-if-mismatch -F0 < "$here/hooks.patch" >&2 ||
	die "the hooks do not fit $source" "is it an unchanged tree of the $line line?"

mv "$new"/tree/drivers/net/bonding/*.[ch] "$new/"
mkdir -p "$new/include/net" "$new/include/uapi/linux"
mv "$new/tree/include/net/bonding.h" "$new/include/net/"
mv "$new/tree/include/uapi/linux/if_bonding.h" "$new/include/uapi/linux/"
rm -r "$new/tree"
printf '%s\n' "$key" > "$new/stamp"
rm -rf "$out"
mv "$new" "$out"
