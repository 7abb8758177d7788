#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Build the three modules for one kernel in a staged copy of the sources, so
# that the tree stays clean and two kernels do not tread on one another.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

usage()
{
	cat <<'EOF'
usage: build-modules.sh [--install DESTDIR] [--sparse] KERNEL

  KERNEL             a Debian line (6.1, 6.12), a release (uname -r) or a
                     kernel build directory
  --install DESTDIR  install the built modules below DESTDIR ('' for this
                     machine) into lib/modules/RELEASE/updates and run depmod;
                     not those of the tests
  --sparse           check our sources with sparse, build nothing new

The modules appear in build/RELEASE/.  MODULES='net/netfilter/percore ...' in
the environment builds, or installs, those directories' alone.
EOF
}

install=no destdir='' sparse=no
while [[ $# -gt 0 ]]; do
	case $1 in
	--install) [[ $# -ge 2 ]] || usage_error "--install wants a directory"
		install=yes destdir=$2; shift 2 ;;
	--sparse) sparse=yes; shift ;;
	-h | --help) usage; exit 0 ;;
	-*) usage_error "unknown option $1" ;;
	*) break ;;
	esac
done
[[ $# -eq 1 ]] || usage_error "name one kernel"

kdir=$(kernel_build_dir "$1")
release=$(kernel_release "$kdir")
[[ -n $release ]] || die "$kdir is not prepared" "run 'make modules_prepare' in it"
[[ $CORELANE_TOP != *[[:space:]]* ]] || die "Kbuild takes no path with a blank" "move $CORELANE_TOP"
out=$CORELANE_TOP/build/$release
stage=$out/src

# install_modules: what Kbuild builds by itself, or of that what MODULES names; beside
# it lie modules of the tests that a bench wanted, and those of builds before
install_modules()
{
	local dest=$destdir/lib/modules/$release/updates dir built=()

	for dir in $(sed -n 's/^MODULES ?= //p' "$CORELANE_TOP/Kbuild"); do
		[[ " ${MODULES:-$dir} " == *" $dir "* ]] || continue
		[[ ! -f $out/${dir##*/}.ko ]] || built+=("$out/${dir##*/}.ko")
	done
	[[ ${#built[@]} != 0 ]] || die "no module is built for $release" "run 'make modules' first"
	mkdir -p "$dest"
	cp "${built[@]}" "$dest/"
	depmod ${destdir:+-b "$destdir"} "$release"
	say "installed ${built[*]##*/} in $dest"
}

if [[ $install == yes ]]; then
	install_modules
	exit 0
fi

# Copy what changed; drop what is gone, but keep what the build made.
stage_sources()
{
	local file

	mkdir -p "$stage"
	(cd "$CORELANE_TOP" && find Kbuild drivers net include tests/modules -path '*/generated' -prune -o -type f \
		! -name '*.o' ! -name '*.ko' ! -name '*.mod*' ! -name '.*.cmd' \
		! -name compat_autoconf.h -print0) |
	while IFS= read -r -d '' file; do
		if ! cmp -s "$CORELANE_TOP/$file" "$stage/$file"; then
			mkdir -p "$(dirname "$stage/$file")"
			cp -p "$CORELANE_TOP/$file" "$stage/$file"
		fi
	done
}

# One build at a time: two benches may want the same modules.
mkdir -p "$out"
exec {lock}> "$out/.lock"
flock "$lock"
stage_sources
make_args=(-C "$kdir" "M=$stage" W=1 "-j$(nproc)" ${MODULES:+"MODULES=$MODULES"})
if [[ $sparse == yes ]]; then
	command -v sparse > /dev/null || die "sparse is not installed" "apt-get install sparse"
	make_args+=(C=2 "CHECK=$CORELANE_TOP/scripts/sparse-ours.sh")
fi

log=$out/build.log
if ! make "${make_args[@]}" modules > "$log" 2>&1; then
	# prepare.sh's reason; not the names of all that was compiled before
	grep -E '^bonding: |error|Error|\*\*\*|corelane' "$log" | grep -vE '^  [A-Z]+ ' >&2 || tail -n 20 "$log" >&2
	die "the build for $release failed" "see $log"
fi
# warnings: what the compiler and modpost warn of.  Kbuild's own line, that the
# kernel was built with another compiler, says nothing of the sources.
warnings()
{
	grep -E 'warning:|WARNING:|error:' "$log" |
		grep -vE '^warning: .* differs from the one used to build the kernel$'
}

# Warnings are errors for us: the build must be silent under W=1.
if warnings >&2; then
	die "the build for $release warns" "see $log"
fi
# What a guest is being made from is not written again.
find "$stage" -name '*.ko' | while IFS= read -r file; do
	cmp -s "$file" "$out/${file##*/}" || cp "$file" "$out/"
done
if [[ $sparse == yes ]]; then
	say "sparse: $release clean"
else
	say "built for $release: $(cd "$out" && echo *.ko) (in build/$release)"
fi
