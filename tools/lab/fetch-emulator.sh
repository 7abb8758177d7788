#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Put the QEMU that simulated time needs into the cache, from Debian's
# packages; the system's own stays as it is.  A script of its own, because the
# lab's wall-clock half goes on where this fails.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"
# shellcheck source-path=SCRIPTDIR source=debian.sh
. "$(dirname "$0")/debian.sh"
# shellcheck source-path=SCRIPTDIR source=emulator.sh
. "$(dirname "$0")/emulator.sh"

usage()
{
	cat <<'EOF'
usage: fetch-emulator.sh [--update]

Fetch QEMU 10.0.x (bookworm-backports) and the header of its plugins into the
cache ($CORELANE_CACHE/qemu), unless they are there.  --update looks for newer
packages.  Where the system's QEMU is 10.0.x, only the header is fetched.
EOF
}

update=no
case ${1:-} in
--update) update=yes ;;
-h | --help) usage; exit 0 ;;
'') ;;
*) usage_error "unknown option $1" ;;
esac
if [[ $update == no ]] && emulator_complete; then
	exit 0
fi
cache_lock
# Another run may just have done it.
if [[ $update == no ]] && emulator_complete; then
	exit 0
fi

# Header and binary come together: the header is in the source package alone.
sources=$DEBIAN_APT/emulator.list
debs=$CORELANE_CACHE/debs/emulator
work=$EMULATOR_CACHE/tmp.$$
trap 'rm -rf "$work" "$debs"' EXIT

emulator_apt()
{
	debian_apt "$1" -o Dir::Etc::sourcelist="$sources" -o APT::Get::List-Cleanup=0 "${@:2}" 2>> "$DEBIAN_APT/log"
}

emulator_lists()
{
	local suite

	debian_update
	suite=$DEBIAN_SUITE-backports
	grep " $suite " "$DEBIAN_APT/sources.list" > "$sources"
	sed -n "s/^deb \(.* $suite .*\)/deb-src \1/p" "$DEBIAN_APT/sources.list" >> "$sources"
	emulator_apt apt-get -qq -o APT::Update::Error-Mode=any update ||
		die "cannot fetch the lists of $suite" "does the mirror carry it, with sources? ($(tail -n 1 "$DEBIAN_APT/log"))"
}

# The one file of the source that is wanted; the rest is not unpacked.
fetch_header()
{
	say "fetching the header of QEMU's plugins (from its source, 40 MB)"
	mkdir -p "$debs" "$work/include"
	(cd "$debs" && emulator_apt apt-get -qq source --download-only --tar-only "qemu=$version" > /dev/null) ||
		die "cannot download QEMU's source" "is the network up, and has $debs room? ($(tail -n 1 "$DEBIAN_APT/log"))"
	tar -xO --wildcards -f "$debs"/qemu_*.orig.tar.xz 'qemu-*/include/qemu/qemu-plugin.h' \
		> "$work/include/qemu-plugin.h" || die "no plugin header in QEMU's source $version"
}

fetch_binary()
{
	local missing

	say "fetching QEMU $version (15 MB)"
	(cd "$debs" && emulator_apt apt-get -qq download "qemu-system-x86=$version" "qemu-system-common=$version" \
		"qemu-system-data=$version" "seabios/$DEBIAN_SUITE-backports" > /dev/null) ||
		die "cannot download QEMU $version" "is the network up, and has $debs room? ($(tail -n 1 "$DEBIAN_APT/log"))"
	debian_unpack "$work/root" "$debs"/*.deb
	rm -f "$work/root"/usr/bin/qemu-system-{i386,x86_64-microvm}
	# Its libraries are those the system's QEMU brought.
	missing=$(ldd "$work/root/usr/bin/qemu-system-x86_64" | sed -n 's/^\t\(.*\) => not found/\1/p' | paste -sd ' ')
	[[ -z $missing ]] || die "QEMU $version needs libraries that are not here: $missing" "install qemu-system-x86"
	[[ $(emulator_version "$work/root/usr/bin/qemu-system-x86_64") == "$EMULATOR_LINE".* ]] ||
		die "QEMU $version does not run here"
}

mkdir -p "$EMULATOR_CACHE"
emulator_lists
version=$(emulator_apt apt-cache madison qemu-system-x86 |
	awk -v line="$EMULATOR_LINE." '{ v = $3; sub(/^[0-9]+:/, "", v) } index(v, line) == 1 { print $3; exit }')
[[ -n $version ]] || die "$DEBIAN_SUITE-backports has no QEMU $EMULATOR_LINE" "simulated time knows that line alone"
name=${version#*:}
if emulator_system_fits; then
	name=system-$(emulator_version qemu-system-x86_64)
fi
if [[ ! -f $EMULATOR_CACHE/$name/.complete ]]; then
	mkdir -p "$debs" "$work"
	fetch_header
	emulator_system_fits || fetch_binary
	touch "$work/.complete"
	rm -rf "${EMULATOR_CACHE:?}/$name"
	mv "$work" "$EMULATOR_CACHE/$name"
fi
ln -sfn "$name" "$EMULATOR_CACHE/current"
