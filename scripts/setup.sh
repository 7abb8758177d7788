#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Make a fresh Debian machine ready: ordinary tools by package name; guest
# kernels, their userland and a newer QEMU into a cache folder.  Installs no
# kernel, touches neither the boot loader nor apt's sources.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=../tools/lab/emulator.sh
. "$CORELANE_TOP/tools/lab/emulator.sh"
# shellcheck source-path=SCRIPTDIR source=../tools/lab/userland.sh
. "$CORELANE_TOP/tools/lab/userland.sh"

# What builds the modules, tools and patches, runs the lab, and draws.  The guest's
# kernels ask for the compiler of theirs, gcc-12, which on Debian 13 is not gcc.
PACKAGES=(make gcc gcc-12 libc6-dev bc bison flex libelf-dev libssl-dev perl patch git rsync kmod
	cpio xz-utils zstd jq gnuplot-nox qemu-system-x86 ipxe-qemu pkg-config libmnl-dev libjansson-dev procps
	libasan8 libubsan1 unifdef sparse shellcheck udev ca-certificates)

# Room that parts of the cache need while they are fetched, in GiB: what is made of
# them later included.  What the lab goes on without has none of its own.
LINE_GIB=3
GUEST_GIB=1

usage()
{
	cat <<'EOF'
usage: sudo scripts/setup.sh [--quiet] [--dry-run] [--update]

Install what bench.sh and the tests need on Debian 12 or 13 (amd64): ordinary tools
by package name (it says which), and guest kernels 6.1 and 6.12 with headers,
sources, a small userland and QEMU 10.0 (for simulated time; the system's own
QEMU stays as it is), and the source of the newest kernel line that there are
patches for, into $CORELANE_CACHE (/var/cache/corelane, about 7 GB).
What is there is left alone; a second run downloads nothing.

  --quiet    speak only when something is to be done
  --dry-run  say what would be done, change nothing
  --update   look for newer kernels and userland
  -h, --help this text

Undo: sudo rm -rf /var/cache/corelane; the tools are ordinary packages.
EOF
}

quiet=no dry_run=no fetch_args=()
while [[ $# -gt 0 ]]; do
	case $1 in
	--quiet) quiet=yes ;;
	--dry-run) dry_run=yes ;;
	--update) fetch_args+=(--update) ;;
	-h | --help) usage; exit 0 ;;
	*) usage_error "unknown option $1" ;;
	esac
	shift
done

check_machine()
{
	local id version

	id=$(. /etc/os-release 2> /dev/null && echo "${ID:-unknown}")
	version=$(. /etc/os-release 2> /dev/null && echo "${VERSION_ID:-}")
	[[ $id == debian && ( $version == 12 || $version == 13 ) ]] ||
		die "this is $id $version; the lab is made for Debian 12 and 13" \
		    "run it on one of them (a virtual machine or container will do); the modules themselves build anywhere: see README.md"
	[[ $(uname -m) == x86_64 ]] || die "this is $(uname -m); the lab is made for x86_64"
}

missing_packages()
{
	local name

	for name in "${PACKAGES[@]}"; do
		[[ $(dpkg-query -W -f '${db:Status-Status}' "$name" 2> /dev/null) == installed ]] || echo "$name"
	done
}

# refused_today FILE: what is not there could not be had; bench.sh and check.sh
# (--quiet) do not ask again for a day
refused_today()
{
	[[ $quiet == yes && -n $(find "$CORELANE_CACHE/$1" -mtime -1 2> /dev/null) ]]
}

# line_complete LINE: its kernel and source are there
line_complete()
{
	local release

	release=$(release_of_line "$1") || return 1
	[[ -f $CORELANE_CACHE/kernels/$release/.complete && -f $CORELANE_CACHE/src/linux-source-$1/.corelane-release ]]
}

cache_complete()
{
	local line

	for line in "${CORELANE_LINES[@]}"; do
		line_complete "$line" || return 1
	done
	guest_complete || return 1
	emulator_complete ||
		refused_today qemu/refused || return 1
	newest_complete || refused_today src/newest-refused
}

check_room()
{
	local parent free need=0 line

	for line in "${CORELANE_LINES[@]}"; do
		line_complete "$line" || need=$((need + LINE_GIB))
	done
	guest_complete || need=$((need + GUEST_GIB))
	parent=$(cache_parent)
	free=$(df -Pk "$parent" | awk 'NR == 2 { print int($4 / 1048576) }')
	((free >= need)) ||
		die "$parent has $free GiB free, the cache needs $need" \
		    "make room, or set CORELANE_CACHE to a folder on another disk"
}

install_packages()
{
	local log

	log=$(mktemp)
	say "installing with apt-get: $*"
	if ! { apt-get -q update && DEBIAN_FRONTEND=noninteractive \
		apt-get -q install -y --no-install-recommends "$@"; } > "$log" 2>&1; then
		tail -n 5 "$log" >&2
		rm -f "$log"
		die "apt-get could not install them" "is the network up, and is another apt running?"
	fi
	rm -f "$log"
}

check_machine
mapfile -t missing < <(missing_packages)
if [[ ${#missing[@]} == 0 && ${#fetch_args[@]} == 0 ]] && cache_complete; then
	[[ $quiet == yes ]] || say "nothing to do: tools are installed, $CORELANE_CACHE is complete"
	exit 0
fi
if [[ $dry_run == yes ]]; then
	[[ ${#missing[@]} == 0 ]] || say "would install: ${missing[*]}"
	cache_complete || say "would fetch kernels ${CORELANE_LINES[*]}, their headers and sources, the guest's userland, QEMU $EMULATOR_LINE and the source of $CORELANE_NEWEST into $CORELANE_CACHE"
	[[ ${#fetch_args[@]} == 0 ]] || say "would look for newer packages than those in $CORELANE_CACHE, and fetch them"
	exit 0
fi
if [[ ${#missing[@]} -gt 0 ]]; then
	[[ $(id -u) == 0 ]] || die "these packages are missing: ${missing[*]}" "run with sudo"
	install_packages "${missing[@]}"
fi
if [[ ${#fetch_args[@]} -gt 0 ]] || ! cache_complete; then
	[[ -w $(cache_parent) ]] ||
		die "cannot write $CORELANE_CACHE" "run with sudo, or set CORELANE_CACHE to a folder of yours"
	cache_complete || check_room
	"$CORELANE_TOP/tools/lab/fetch.sh" ${fetch_args[@]+"${fetch_args[@]}"}
fi
[[ $quiet == yes ]] || say "ready"
