#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Put the source and the configuration of the newest kernel line into the
# cache, from Debian's packages.  Its kernel is not booted here: the patches
# are made for it and compiled in it.  A script of its own, because the lab
# needs none of it and goes on where this fails.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"
# shellcheck source-path=SCRIPTDIR source=debian.sh
. "$(dirname "$0")/debian.sh"

# The suite that carries it.
SUITE=trixie-backports

# Nothing that is compiled for x86 looks in there; 600 MB.
UNWANTED=('drivers/gpu/drm/amd/include' 'arch/*/boot/dts')

usage()
{
	cat <<EOF
usage: fetch-newest.sh [--update]

Fetch the source and Debian's configuration of Linux $CORELANE_NEWEST ($SUITE) into
the cache (\$CORELANE_CACHE/src), unless they are there: 170 MB, unpacked 1.2 GB.
--update looks for a newer package of that line.
EOF
}

update=no
case ${1:-} in
--update) update=yes ;;
-h | --help) usage; exit 0 ;;
'') ;;
*) usage_error "unknown option $1" ;;
esac
if [[ $update == no ]] && newest_complete; then
	exit 0
fi
cache_lock
# Another run may just have done it.
if [[ $update == no ]] && newest_complete; then
	exit 0
fi

tree=$CORELANE_CACHE/src/linux-source-$CORELANE_NEWEST
debs=$CORELANE_CACHE/debs/newest
work=$CORELANE_CACHE/src/tmp.$$
sources=$DEBIAN_APT/newest.list
trap 'rm -rf "$work" "$debs"' EXIT

newest_apt()
{
	debian_apt "$1" -o Dir::Etc::sourcelist="$sources" -o APT::Get::List-Cleanup=0 "${@:2}" 2>> "$DEBIAN_APT/log"
}

newest_lists()
{
	debian_update
	# the mirror of the main suite, for another suite of it
	sed -n "s/^\(deb .*\) $DEBIAN_SUITE \(.*\)/\1 $SUITE \2/p" "$DEBIAN_APT/sources.list" > "$sources"
	newest_apt apt-get -qq -o APT::Update::Error-Mode=any update ||
		die "cannot fetch the lists of $SUITE" "does the mirror carry it? ($(tail -n 1 "$DEBIAN_APT/log"))"
}

# unpack_file PACKAGE FILE: one file of a package to standard output
unpack_file()
{
	dpkg-deb --fsys-tarfile "$debs/$1"_*.deb | tar -xO "./usr/src/$2"
}

newest_unpack()
{
	local name=linux-source-$CORELANE_NEWEST config=linux-config-$CORELANE_NEWEST

	mkdir -p "$work"
	if ! { unpack_file "$name" "$name.tar.xz" | tar -xJ -C "$work" "${UNWANTED[@]/#/--exclude=$name/}" &&
	       unpack_file "$config" "$config/config.amd64_none_amd64.xz" | xz -d > "$work/$name/.corelane-config"; }; then
		die "cannot unpack $name" "is the disk full? (df -h $CORELANE_CACHE)"
	fi
	rm -rf "$tree"
	echo "$version" > "$work/$name/.corelane-release"
	mv "$work/$name" "$tree"
}

newest_lists
version=$(newest_apt apt-cache show --no-all-versions "linux-source-$CORELANE_NEWEST" | sed -n 's/^Version: //p')
[[ -n $version ]] || die "$SUITE has no linux-source-$CORELANE_NEWEST" "it may have gone on to a newer line"
if newest_complete && [[ $(cat "$tree/.corelane-release") == "$version" ]]; then
	exit 0
fi
say "fetching the source of Linux $CORELANE_NEWEST ($version, 170 MB; unpacked 1.2 GB)"
mkdir -p "$debs"
(cd "$debs" && newest_apt apt-get -qq download "linux-source-$CORELANE_NEWEST=$version" "linux-config-$CORELANE_NEWEST=$version" > /dev/null) ||
	die "cannot download it" "is the network up, and has $debs room? ($(tail -n 1 "$DEBIAN_APT/log"))"
newest_unpack
