#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Write the series for one kernel line from the sources of this tree: every
# file is written once, here, and never edited again in a patch. The result
# depends on nothing but those sources and the vanilla files they hook into.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

usage()
{
	cat <<USAGE
usage: make-patches.sh [--tree DIR] [--out DIR] LINE

Write a series for git am to patches/LINE (LINE: ${CORELANE_LINES[*]} $CORELANE_NEWEST).

  --tree DIR  the vanilla tree of that line (default: what setup.sh unpacked,
              else /usr/src/linux-source-LINE)
  --out DIR   write there instead
  --author 'NAME <EMAIL>'
              whom the patches are from and signed off by (default: user.name
              and user.email of git's configuration)
USAGE
}

tree='' out='' author=''
while [[ $# -gt 0 ]]; do
	case $1 in
	--tree) [[ $# -ge 2 ]] || usage_error "--tree wants a directory"
		tree=$2; shift 2 ;;
	--out) [[ $# -ge 2 ]] || usage_error "--out wants a directory"
		out=$2; shift 2 ;;
	--author) [[ $# -ge 2 && $2 =~ ^([^<>]+)\ \<([^<>\ ]+@[^<>\ ]+)\>$ ]] || usage_error "--author wants 'NAME <EMAIL>'"
		author=$2; shift 2 ;;
	-h | --help) usage; exit 0 ;;
	-*) usage_error "unknown option $1" ;;
	*) break ;;
	esac
done
[[ $# -eq 1 ]] || usage_error "name one kernel line"
line=$1
out=${out:-$CORELANE_TOP/patches/$line}
for tool in git patch unifdef; do
	command -v "$tool" > /dev/null || die "$tool is not installed" "apt-get install $tool"
done
if [[ -z $tree ]]; then
	for tree in "$CORELANE_CACHE/src/linux-source-$line" "/usr/src/linux-source-$line"; do
		[[ ! -f $tree/Kbuild ]] || break
	done
fi
[[ -f $tree/Kbuild ]] || die "no source of Linux $line" "run scripts/setup.sh, or name a tree with --tree"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
repo=$work/repo
messages=$CORELANE_TOP/patches/messages

if [[ -z $author ]]; then
	author="$(git config user.name || true) <$(git config user.email || true)>"
	[[ $author =~ ^.+\ \<.+\>$ ]] || die "git does not know who you are" "git config user.name and user.email, or give --author"
fi
# The same bytes on every machine and every day: from here on no configuration
# but ours, and one date.
GIT_AUTHOR_NAME=${author% <*} GIT_AUTHOR_EMAIL=${author##* <}
export GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL=${GIT_AUTHOR_EMAIL%>}
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
export GIT_AUTHOR_DATE='2026-11-21T00:00:00+0000' GIT_COMMITTER_DATE='2026-11-21T00:00:00+0000'
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null LC_ALL=C

# need FILE...: bring vanilla files into the repository
need()
{
	local file

	for file; do
		mkdir -p "$(dirname "$repo/$file")"
		cp "$tree/$file" "$repo/$file"
	done
}

# add FROM TO: a file of ours
add()
{
	mkdir -p "$(dirname "$repo/$2")"
	cp "$CORELANE_TOP/$1" "$repo/$2"
}

# tracked FILE: it is part of the project, not somebody's notes beside it. Told
# only where there is a repository.
tracked()
{
	[[ ! -e $CORELANE_TOP/.git ]] || git -c safe.directory='*' -C "$CORELANE_TOP" ls-files --error-unmatch "$1" > /dev/null 2>&1
}

# add_maybe FILE...: those that exist, to the same place
add_maybe()
{
	local file

	for file; do
		[[ ! -f $CORELANE_TOP/$file ]] || add "$file" "$file"
	done
}

# after FILE PATTERN TEXT: a line behind the last one that matches
after()
{
	awk -v pattern="$2" -v text="$3" '
		{ lines[NR] = $0 } $0 ~ pattern { at = NR }
		END { if (!at) exit 1
		      for (i = 1; i <= NR; i++) { print lines[i]; if (i == at) print text } }
	' "$repo/$1" > "$work/file" || die "no line like '$2' in $1 of Linux $line" "adapt scripts/make-patches.sh"
	cat "$work/file" > "$repo/$1"
}

# add_maintainers TITLE: the entry from our MAINTAINERS, at its place by the alphabet
add_maintainers()
{
	awk -v title="$1" '$0 == title { on = 1 } on && $0 == "" { exit } on' "$CORELANE_TOP/MAINTAINERS" |
		sed 's|^F:\ttests/$|F:\ttools/testing/selftests/corelane/|' > "$work/entry"
	[[ -s $work/entry ]] || die "no entry $1 in MAINTAINERS" "adapt scripts/make-patches.sh"
	# the kernel's entries are not all in order: go where the fewest disagree
	awk -v title="$1" -v entry="$work/entry" '
		{ line[NR] = $0 }
		/^[A-Z]:\t/ { started = 1 }
		started && line[NR - 1] == "" && /^[A-Z0-9]/ {
			if (!at || wrong < fewest) { at = NR; fewest = wrong }
			if (/^THE REST/) started = 0
			wrong += $0 > title ? 1 : -1
		}
		END {
			for (i = 1; i <= NR; i++) {
				if (i == at) {
					while ((getline text < entry) > 0) print text
					print ""
				}
				print line[i]
			}
		}
	' "$repo/MAINTAINERS" > "$work/file"
	cat "$work/file" > "$repo/MAINTAINERS"
}

commit()
{
	git -C "$repo" add -A
	git -C "$repo" commit -q -s -F "$messages/$1"
}

# compat HEADER: what is left of a compat header for this kernel, in $work/compat.h
compat()
{
	local defines=() name status=0

	while read -r name; do
		if grep -q "^#define $name " "$work/autoconf.h"; then
			defines+=("-D$name")
		else
			defines+=("-U$name")
		fi
	done < <(grep -ohE '\bHAVE_[A-Z0-9_]+' "$1" | sort -u)
	# unifdef says 1 when it changed something
	unifdef -B "${defines[@]}" "$1" > "$work/compat.h" || status=$?
	((status <= 1)) || die "unifdef cannot read $1" "keep its conditions plain #ifdef HAVE_X"
}

# add_compat HEADER TO: a compat header as this kernel needs it
add_compat()
{
	compat "$1"
	mkdir -p "$(dirname "$repo/$2")"
	sed '/#include "compat_autoconf.h"/d' "$work/compat.h" | cat -s > "$repo/$2"
}

# expand_compat HEADER FILE...: the words it defines replaced in files of ours,
# which then need it no more
expand_compat()
{
	local word text

	compat "$1"
	sed -i "/^#include \"${1##*/}\"$/d" "${@:2}"
	while read -r _ word text; do
		sed -i "s/\\b$word\\b/$text/g" "${@:2}"
	done < <(grep -E '^#define [a-z0-9_]+ .' "$work/compat.h")
}

# add_module DIR NAME: sources, Makefile, Kconfig, compat and user header
add_module()
{
	local file

	for file in "$CORELANE_TOP/$1"/*.[ch] "$CORELANE_TOP/$1"/{Makefile,Kconfig}; do
		tracked "$file" || continue
		add "${file#"$CORELANE_TOP"/}" "${file#"$CORELANE_TOP"/}"
	done
	for file in "$CORELANE_TOP/include/compat/$2"*.h; do
		[[ ! -f $file ]] || add_compat "$file" "$1/${file##*/}"
	done
	add_maybe "include/uapi/linux/$2.h"
}

series_bonding()
{
	local file objects=()

	patch -s -d "$repo" -p1 -F0 --no-backup-if-mismatch < "$CORELANE_TOP/drivers/net/bonding/hooks.patch" ||
		die "the bonding hooks do not fit $tree" "is it a vanilla tree of $line?"
	for file in "$CORELANE_TOP"/{drivers/net/bonding,include/net}/bond_cpu_bound*.[ch]; do
		tracked "$file" || continue
		file=${file#"$CORELANE_TOP/"}
		add "$file" "$file"
		[[ $file != *.c ]] || objects+=("$(basename "$file" .c).o")
	done
	expand_compat "$CORELANE_TOP/include/compat/bonding_compat.h" "$repo"/drivers/net/bonding/bond_cpu_bound*.[ch]
	after drivers/net/bonding/Makefile '^bonding-objs :=' "bonding-objs += ${objects[*]}"
	add_maybe Documentation/networking/bonding-cpu-bound.rst \
		Documentation/ABI/testing/sysfs-class-net-bonding-cpu-bound
	after Documentation/networking/index.rst '^   bonding$' '   bonding-cpu-bound'
	add_maintainers 'BONDING CPU-BOUND TRANSMIT'
	commit 1-bonding
}

series_percore()
{
	add_module net/netfilter/percore percore
	after net/netfilter/Kconfig '^source "net/netfilter/ipset/Kconfig"' $'\nsource "net/netfilter/percore/Kconfig"'
	after net/netfilter/Makefile '^obj-.*ipset/' $'\n# a listener per CPU\nobj-$(CONFIG_PERCORE) += percore/'
	if [[ -f $CORELANE_TOP/Documentation/networking/percore.rst ]]; then
		add_maybe Documentation/networking/percore.rst Documentation/netlink/specs/percore.yaml \
			Documentation/ABI/testing/sysfs-module-percore
		after Documentation/networking/index.rst '^   packet_mmap$' '   percore'
	fi
	add_maintainers 'PERCORE (A LISTENER PER CPU)'
	commit 2-percore
}

series_pollnvme()
{
	add_module drivers/block/pollnvme pollnvme
	after drivers/block/Kconfig '^source "drivers/block/rnbd/Kconfig"' $'\nsource "drivers/block/pollnvme/Kconfig"'
	after drivers/block/Makefile '^obj-.*rnbd/' $'obj-$(CONFIG_BLK_DEV_POLLNVME)\t+= pollnvme/'
	if [[ -f $CORELANE_TOP/Documentation/block/pollnvme.rst ]]; then
		add_maybe Documentation/block/pollnvme.rst \
			Documentation/ABI/testing/{configfs,debugfs,sysfs-driver}-pollnvme
		after Documentation/block/index.rst '^   null_blk$' '   pollnvme'
	fi
	add_maintainers 'POLLNVME BLOCK DRIVER'
	commit 3-pollnvme
}

# The lab's tests that run anywhere, with the kernel's own KTAP helpers.
series_selftests()
{
	local dir=tools/testing/selftests/corelane test programs=() helpers=../kselftest/ktap_helpers.sh

	if [[ ! -f $tree/tools/testing/selftests/kselftest/ktap_helpers.sh ]]; then
		helpers=ktap_helpers.sh
		cp "$CORELANE_CACHE/src/linux-source-${CORELANE_LINES[-1]}/tools/testing/selftests/kselftest/ktap_helpers.sh" \
			"$work/ktap_helpers.sh" || die "no ktap_helpers.sh" "run scripts/setup.sh"
		mkdir -p "$repo/$dir"
		cp "$work/ktap_helpers.sh" "$repo/$dir/"
	fi
	add tests/lib.sh "$dir/lib.sh"
	sed -i "s|/ktap_helpers.sh\"|/$helpers\"|" "$repo/$dir/lib.sh"
	for test in "$CORELANE_TOP"/tests/{bonding,percore,pollnvme}/*.{sh,py}; do
		[[ -f $test ]] && tracked "$test" || continue
		test=${test#"$CORELANE_TOP/tests/"}
		add "tests/$test" "$dir/$test"
		[[ ! -x $CORELANE_TOP/tests/$test ]] || programs+=("$test")
	done
	{
		printf '# SPDX-License-Identifier: GPL-2.0\n\nTEST_PROGS :='
		printf ' \\\n\t%s' "${programs[@]}"
		printf '\n\nTEST_FILES := lib.sh'
		[[ $helpers == ../* ]] || printf ' %s' "$helpers"
		(cd "$repo/$dir" && find . -mindepth 2 -name '*.[sp][hy]' ! -perm -u+x -printf ' %P' | sort)
		printf '\n\ninclude ../lib.mk\n'
	} > "$repo/$dir/Makefile"
	printf 'CONFIG_BONDING=m\nCONFIG_VETH=m\nCONFIG_PERCORE=m\nCONFIG_BLK_DEV_POLLNVME=m\n' > "$repo/$dir/config"
	printf 'timeout=600\n' > "$repo/$dir/settings"
	after tools/testing/selftests/Makefile '^TARGETS \+= core$' 'TARGETS += corelane'
	add_maintainers 'CORELANE SELFTESTS'
	commit 4-selftests
}

git init -q -b series "$repo"
need drivers/net/bonding/{bond_main.c,bond_options.c,Makefile} include/net/bonding.h \
	include/uapi/linux/if_bonding.h Documentation/networking/index.rst \
	net/netfilter/{Kconfig,Makefile} drivers/block/{Kconfig,Makefile} \
	Documentation/block/index.rst MAINTAINERS tools/testing/selftests/Makefile
git -C "$repo" add -A
git -C "$repo" commit -q -m "Linux $line"
base=$(git -C "$repo" rev-parse HEAD)
sh "$CORELANE_TOP/include/compat/probe.sh" "$tree" "$work/autoconf.h"

series_bonding
series_percore
series_pollnvme
series_selftests

mkdir -p "$out"
# A series of before may have other subjects; what else lies there is not ours.
rm -f "$out"/0000-cover-letter.patch "$out"/000?-{bonding,netfilter-percore,block-pollnvme,selftests-corelane}-*.patch
git -C "$repo" format-patch -q --cover-letter --zero-commit --no-signature --full-index \
	--subject-prefix="PATCH $line" -o "$(cd "$out" && pwd)" "$base"
# format-patch leaves blanks in the letter for its author
cover=$out/0000-cover-letter.patch
awk -v letter="$messages/0-cover" '
	BEGIN { getline subject < letter; getline text < letter; while ((getline text < letter) > 0) body = body text "\n" }
	/\*\*\* SUBJECT HERE \*\*\*/ { sub(/\*\*\* SUBJECT HERE \*\*\*/, subject) }
	/\*\*\* BLURB HERE \*\*\*/ { printf "%s", body; next }
	{ print }
' "$cover" > "$work/file"
sed -i "s/^Date: .*/Date: Sat, 21 Nov 2026 00:00:00 +0000/" "$work/file"
cat "$work/file" > "$cover"
say "patches: $(git -C "$repo" rev-list --count "$base..HEAD") and a letter for Linux $line in $out"
