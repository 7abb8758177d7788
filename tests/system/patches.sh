#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# patches.sh [LINE...]: is the committed series of each kernel line what the
# sources make today, does it apply to that line's pristine source with git am,
# does checkpatch find nothing in it, and do the three directories compile
# there, in-tree, as modules, with Debian's configuration and no warning, and (but
# for pollnvme) for 32 bits? By default for the lines of the lab and for the newest.
#
# Runs on the host. The tree is made of symbolic links to the unpacked source,
# with the patched files in their places, so nothing large is copied and the
# source cannot be written to.

set -euo pipefail
unset CDPATH
top=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib.sh
. "$top/scripts/lib.sh"

read -ra lines <<< "${*:-${CORELANE_LINES_UNDER_TEST:-${CORELANE_LINES[*]}}}"
[[ $# -gt 0 || " ${lines[*]} " != *" ${CORELANE_LINES[-1]} "* ]] || lines+=("$CORELANE_NEWEST")
directories=(drivers/net/bonding/ net/netfilter/percore/ drivers/block/pollnvme/)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0 failed=0
# of each line
TESTS=5

# result STATUS NAME [LOG]
result()
{
	n=$((n + 1))
	if (($1 == 0)); then
		echo "ok $n $2"
	else
		echo "not ok $n $2"
		[[ -z ${3:-} ]] || tail -n 20 "$3" | sed 's/^/# /'
		failed=1
	fi
}

# skip_line LINE WHY
skip_line()
{
	local i

	for ((i = 0; i < TESTS; i++)); do
		n=$((n + 1))
		echo "ok $n $1 # SKIP $2"
	done
}

skip_all()
{
	echo "1..0 # SKIP $*"
	exit 4
}

# compare LINE SOURCE: write the series anew, from whom the committed one is from,
# beside somebody's patch
compare()
{
	local committed=$top/patches/$1 author

	author=$(sed -n 's/^Signed-off-by: //p' "$committed"/0001-*.patch | head -n 1)
	mkdir "$work/$1/patches"
	touch "$work/$1/patches/0001-theirs.patch"
	"$top/scripts/make-patches.sh" --tree "$2" --out "$work/$1/patches" --author "$author" "$1" || return 1
	rm "$work/$1/patches/0001-theirs.patch" || return 1
	if ! diff -r "$committed" "$work/$1/patches"; then
		echo "patches/$1 is not what the sources make: run make patches and commit it"
		return 1
	fi
}

# apply LINE SOURCE: a repository of the files that the series touches, and git am
apply()
{
	local repo=$work/$1/repo file

	mkdir -p "$repo"
	git -C "$repo" init -q -b main
	# names are relative to the tree; a new file has none in it
	while read -r file; do
		[[ -e $2/$file ]] || continue
		mkdir -p "$(dirname "$repo/$file")"
		cp "$2/$file" "$repo/$file"
	done < <(sed -n 's|^--- a/||p' "$top/patches/$1"/*.patch | sort -u)
	git -C "$repo" add -A &&
		git -C "$repo" -c user.name=t -c user.email=t@t commit -q -m "Linux $1" &&
		git -C "$repo" -c user.name=t -c user.email=t@t am -q "$top/patches/$1"/000[1-9]*.patch
}

# style LINE SOURCE: the line's own checkpatch, on what compare() wrote, for a
# file under git is no patch to it. "zeroes zeroes" is English, and kzalloc_obj()
# is not in all the lines that have our files. The kernel's ktap_helpers.sh, which
# 6.1 gets from us, has a long message.
style()
{
	perl "$2/scripts/checkpatch.pl" --strict --no-tree --quiet --no-summary --terse --show-types \
		--ignore REPEATED_WORD,ALLOC_WITH_SIZEOF,LONG_LINE_STRING "$work/$1"/patches/000[1-9]*.patch
}

# config_of LINE: the configuration that Debian builds it with
config_of()
{
	local newest=$CORELANE_CACHE/src/linux-source-$1/.corelane-config

	if [[ -f $newest ]]; then
		echo "$newest"
	else
		echo "$(kernel_build_dir "$1")/.config"
	fi
}

# configure TREE "SYMBOL..." [ARCH=...]: what .config says, with these of ours as
# modules. No keys, no BTF and no plugins: none of it bears on our objects.
configure()
{
	local symbol

	bash "$1/scripts/config" --file "$1/.config" -m BONDING -m PERCORE -m BLK_DEV_POLLNVME \
			--set-str SYSTEM_TRUSTED_KEYS '' --set-str MODULE_SIG_KEY '' -d MODULE_SIG \
			-d DEBUG_INFO_BTF -d GCC_PLUGINS -d RUST &&
		make -s -C "$1" "${@:3}" olddefconfig || return 1
	for symbol in $2; do
		grep -qx "CONFIG_$symbol=m" "$1/.config" || { echo "no CONFIG_$symbol=m"; return 1; }
	done
}

# plant LINE SOURCE TREE: the patched tree
plant()
{
	cp -rs "$2" "$3" && rm -rf "$work/$1/repo/.git" "$3/.config" &&
		cp -r --remove-destination "$work/$1/repo/." "$3/"
}

# build TREE [ARCH=...]
build()
{
	local warnings=$1.warnings

	make -s -C "$1" "${@:2}" "-j$(nproc)" modules_prepare || return 1
	if ! make -s -C "$1" "${@:2}" "-j$(nproc)" W=1 "${directories[@]}" 2> "$warnings"; then
		cat "$warnings"
		return 1
	fi
	# the kernel's own build programs have a few of theirs
	! grep -E '(drivers/net/bonding|net/netfilter/percore|drivers/block/pollnvme|include/.*)/.*(warning|error):' "$warnings"
}

# compile LINE SOURCE: with Debian's configuration
compile()
{
	local tree=$work/$1/tree config

	config=$(config_of "$1") && plant "$1" "$2" "$tree" && cp "$config" "$tree/.config" &&
		configure "$tree" 'BONDING PERCORE BLK_DEV_POLLNVME' && build "$tree"
}

# narrow LINE SOURCE: where a word has 32 bits, and a physical address more. The
# kernel has no function for the compiler's 64-bit divisions. pollnvme wants 64.
narrow()
{
	local tree=$work/$1/tree32 symbols

	plant "$1" "$2" "$tree" && make -s -C "$tree" ARCH=i386 i386_defconfig || return 1
	bash "$tree/scripts/config" --file "$tree/.config" -e HIGHMEM64G -e X86_PAE
	configure "$tree" 'BONDING PERCORE' ARCH=i386 && grep -qx CONFIG_X86_PAE=y "$tree/.config" &&
		build "$tree" ARCH=i386 || return 1
	symbols=$(nm -A "$tree"/{drivers/net/bonding,net/netfilter/percore}/*.o) || return 1
	! grep -E ' U __u?(div|mod|divmod)di[34]$' <<< "$symbols"
}

for tool in git patch unifdef bc flex bison; do
	command -v "$tool" > /dev/null || skip_all "$tool is not installed"
done
# test_line LINE SOURCE
test_line()
{
	local log=$work/$1.log step status
	local -A names=(
		[compare]='the committed series is what the sources make'
		[apply]='git am takes it'
		[style]='checkpatch --strict finds nothing'
		[compile]='the three directories compile as modules without a warning'
		[narrow]='for 32 bits, too, but for pollnvme')

	mkdir -p "$work/$1"
	for step in compare apply style compile narrow; do
		status=0
		"$step" "$1" "$2" > "$log" 2>&1 || status=$?
		result "$status" "$1: ${names[$step]}" "$log"
	done
	rm -rf "${work:?}/$1"
}

echo "TAP version 13"
echo "1..$((TESTS * ${#lines[@]}))"
for line in "${lines[@]}"; do
	source=$CORELANE_CACHE/src/linux-source-$line
	if [[ -f $source/Kbuild ]]; then
		test_line "$line" "$source"
	else
		skip_line "$line" "no source of Linux $line: run scripts/setup.sh"
	fi
done
exit "$failed"
