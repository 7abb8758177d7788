#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Fill the cache: guest kernels, their headers, the guest's userland and the
# QEMU of simulated time, from Debian's packages.  What is there already is left
# alone, so that a second run downloads nothing.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"
# shellcheck source-path=SCRIPTDIR source=debian.sh
. "$(dirname "$0")/debian.sh"
# shellcheck source-path=SCRIPTDIR source=userland.sh
. "$(dirname "$0")/userland.sh"

usage()
{
	cat <<'EOF'
usage: fetch.sh [--update]

Fetch guest kernels, kernel headers, the guest's userland, the QEMU that
simulated time needs and the newest line's source into the cache ($CORELANE_CACHE, default /var/cache/corelane).  --update looks for newer
packages than those already there.
EOF
}

update=no lists=stale
case ${1:-} in
--update) update=yes ;;
-h | --help) usage; exit 0 ;;
'') ;;
*) usage_error "unknown option $1" ;;
esac

fresh_lists()
{
	[[ $lists == stale ]] || return 0
	debian_update
	lists=fresh
}

# In Debian the 6.1 line's meta packages carry no number.
meta_package()
{
	[[ $1 == 6.1 ]] && echo "linux-$2-amd64" || echo "linux-$2-$1-amd64"
}

# Headers name their shared half by an absolute path; point it into the cache.
relocate_headers()
{
	local root=$1 release=$2 dir=$1/usr/src/linux-headers-$2

	sed -i "s|^include /usr/src|include $root/usr/src|" "$dir/Makefile"
	# Without a vmlinux no BTF is made for modules; the guest needs none,
	# and making it would want pahole.
	rm -f "$dir/vmlinux"
	[[ -d $dir/include ]] || die "unexpected layout of linux-headers-$release"
}

fetch_line()
{
	local line=$1 release common kbuild compiler debs

	if [[ $update == no ]] && release=$(release_of_line "$line") &&
	   [[ -f $CORELANE_CACHE/kernels/$release/.complete ]]; then
		return 0
	fi
	fresh_lists
	release=$(debian_depends "$(meta_package "$line" image)" 'linux-image-[0-9]')
	release=${release#linux-image-}
	[[ -n $release ]] || die "Debian has no kernel $line for $DEBIAN_SUITE"
	if [[ ! -f $CORELANE_CACHE/kernels/$release/.complete ]]; then
		say "fetching kernel $release and its headers (about 100 MB)"
		debs=$CORELANE_CACHE/debs/$release
		rm -rf "$debs" "$CORELANE_CACHE/kernels/$release" "$CORELANE_CACHE/headers/$release"
		common=$(debian_depends "linux-headers-$release" 'linux-headers-[^ ]*-common')
		kbuild=$(debian_depends "linux-headers-$release" linux-kbuild-)
		compiler=$(debian_depends "linux-headers-$release" linux-compiler-)
		debian_fetch "$debs" "linux-image-$release" "linux-headers-$release" \
			"$common" "$kbuild" ${compiler:+"$compiler"}
		debian_unpack "$CORELANE_CACHE/kernels/$release" "$debs"/linux-image-*.deb
		debian_unpack "$CORELANE_CACHE/headers/$release" \
			"$debs"/linux-headers-*.deb "$debs"/linux-kbuild-*.deb
		relocate_headers "$CORELANE_CACHE/headers/$release" "$release"
		# The kernel's own loader is slow at xz under emulation, and
		# depmod wants to see the modules.
		find "$CORELANE_CACHE/kernels/$release" -name '*.ko.xz' -print0 |
			xargs -0 -r -P "$(nproc)" -n 64 unxz -f
		depmod -b "$CORELANE_CACHE/kernels/$release" "$release"
		rm -rf "$debs"
		touch "$CORELANE_CACHE/kernels/$release/.complete"
	fi
	mkdir -p "$CORELANE_CACHE/lines"
	echo "$release" > "$CORELANE_CACHE/lines/$line"
}

# The kernel's own source: bonding is built from it, kselftest's helpers and
# checkpatch are taken from it, and the patches are tried on it.
fetch_source()
{
	local line=$1 release tree=$CORELANE_CACHE/src/linux-source-$1 debs=$CORELANE_CACHE/debs/source

	release=$(release_of_line "$line")
	[[ $(cat "$tree/.corelane-release" 2> /dev/null) != "$release" ]] || return 0
	fresh_lists
	say "fetching the source of kernel $line (about 150 MB; unpacked 1.5 GB)"
	rm -rf "$debs"
	debian_fetch "$debs" "linux-source-$line"
	rm -rf "$tree"
	mkdir -p "${tree%/*}"
	dpkg-deb --fsys-tarfile "$debs"/linux-source-*.deb |
		tar -xO "./usr/src/linux-source-$line.tar.xz" |
		tar -xJ -C "${tree%/*}" ||
		die "cannot unpack linux-source-$line" "is the disk full? (df -h $CORELANE_CACHE)"
	rm -rf "$debs"
	echo "$release" > "$tree/.corelane-release"
}

fetch_userland()
{
	local dir debs

	dir=$(guest_root)
	if [[ $update == no && -f $dir/.complete ]]; then
		# Another checkout, with another list, may have had its own.
		ln -sfn "$dir" "$CORELANE_CACHE/guest/current"
		return 0
	fi
	fresh_lists
	say "fetching the guest's userland (about 85 MB)"
	debs=$CORELANE_CACHE/debs/guest
	# The one that is there works until this one does.
	rm -rf "$debs" "$dir.new"
	debian_fetch_closure "$debs" "${GUEST_PACKAGES[@]}"
	debian_unpack "$dir.new/root" "$debs"/*.deb
	# Names and versions, which the guest's image is known by
	(cd "$debs" && printf '%s\n' *.deb) > "$dir.new/.complete"
	rm -rf "$debs" "$dir"
	mv "$dir.new" "$dir"
	ln -sfn "$dir" "$CORELANE_CACHE/guest/current"
}

# Simulated time alone depends on it: where it cannot be had the lab's
# wall-clock half still works, and the reason is kept for who asks later.
fetch_emulator()
{
	local refused=$CORELANE_CACHE/qemu/refused args=()

	[[ $update == no ]] || args=(--update)
	if "${0%/*}/fetch-emulator.sh" ${args[@]+"${args[@]}"} 2>&1 | tee "$CORELANE_CACHE/emulator.log" >&2; then
		rm -f "$refused"
	else
		mkdir -p "${refused%/*}"
		tail -n 1 "$CORELANE_CACHE/emulator.log" > "$refused"
		say "simulated time (--clock sim) has no QEMU for now; --clock wall works, and sudo scripts/setup.sh tries again"
	fi
	rm -f "$CORELANE_CACHE/emulator.log"
}

# Nor does the lab need the newest line's source: the patches for it do.
fetch_newest()
{
	local refused=$CORELANE_CACHE/src/newest-refused args=()

	[[ $update == no ]] || args=(--update)
	if "${0%/*}/fetch-newest.sh" ${args[@]+"${args[@]}"}; then
		rm -f "$refused"
	else
		touch "$refused"
		say "the patches for Linux $CORELANE_NEWEST cannot be made or tried for now; sudo scripts/setup.sh tries again"
	fi
}

[[ -w $(cache_parent) ]] ||
	die "cannot write $CORELANE_CACHE" "run as root (sudo), or set CORELANE_CACHE to a folder of yours"
cache_lock
for line in "${CORELANE_LINES[@]}"; do
	fetch_line "$line"
	fetch_source "$line"
done
fetch_userland
fetch_emulator
fetch_newest
