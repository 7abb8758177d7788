#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a user types wrong is refused with the culprit's name, and what is
# missing is said in one line that tells what to do.

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$CORELANE_TOP" || exit 1

says()
{
	local text=$1

	shift
	"$@" 2>&1 | grep -q -- "$text"
}

# claimed DIR OUT: a bench that is to write to DIR takes OUT for it
claimed()
{
	(cd "$TMP" && out=$1 && fresh_results && [[ $out == "$2" && ! -e $2 ]])
}

ktap_print_header
ktap_set_plan 64
for script in bench bench-block bench-bonding check setup build-modules profile report sensitivity; do
	check "$script.sh --help" says '^usage:' "scripts/$script.sh" --help
done
check 'bench.sh --list' says '^lanes' scripts/bench.sh --list
mkdir -p "$TMP/elsewhere/scripts"
check 'with a CDPATH that has such a folder' says '^lanes' env "CDPATH=$TMP/elsewhere" scripts/bench.sh --list
check 'unknown row' refused "no row 'x'" scripts/bench.sh --rows x
check 'too many NICs' refused '--nics: at most 32' scripts/bench.sh --nics 33
check 'rows that are none' refused "a list like a,b" scripts/bench.sh --rows ,
check 'a row twice' refused 'nft is there twice' scripts/bench.sh --rows nft,lanes,nft
check 'a number of cores twice' refused '1 is there twice' scripts/bench-block.sh --cores 1,1
check 'a seed that --vary has not' refused 'seeds end at 255' scripts/bench.sh --vary all --seed 251
check 'a second hash that is unknown' refused "no hash 'x'" scripts/bench-bonding.sh --switch-hash layer2+3,x
for option in --sim --boot-limit; do
	check "run.sh: $option without a value" refused "$option wants a value" tools/lab/run.sh "$option"
done
check 'run.sh: a time that is no number' refused 'number of seconds' tools/lab/run.sh --timeout abc tools/lab/guest/tests.sh
check 'profile-perf: a value is missing' refused '--seconds wants a value' scripts/profile-perf.sh --seconds
check 'unknown clock' refused "no clock 'x'" scripts/bench.sh --clock x
check 'unknown hash' refused "no hash 'x'" scripts/bench.sh --switch-hash x
check 'more cores than simulated time knows' refused '33 is not between' scripts/bench.sh --cores 33
check 'more cores than wall time knows' refused '17 is not between' scripts/bench.sh --clock wall --cores 17
check 'a window that is no number' refused "'long'" scripts/bench.sh --window-ms long
check 'a value is missing' refused '--rows wants a value' scripts/bench.sh --rows
check 'no QEMU for simulated time' refused 'or take --clock wall' env "CORELANE_CACHE=$TMP/nothing" \
	scripts/bench.sh --no-setup --out "$TMP/nothing.out"
mkdir -p "$TMP"/{full/connect,empty,under,under.partial}
for bench in bench bench-block bench-listeners bench-bonding; do
	check "$bench: results go to no folder that has something" refused "$TMP/full is there" \
		"scripts/$bench.sh" --no-setup --out "$TMP/full/"
done
check 'a results folder that QEMU cannot take' refused 'has a comma or a quote' scripts/bench.sh --out "$TMP/a,b"
check 'nor the lab' refused 'has a comma or a quote' tools/lab/run.sh --results "$TMP/it's" tools/lab/guest/tests.sh
check 'what another run has not moved yet is not touched' refused "under.partial is there" \
	scripts/bench.sh --no-setup --out "$TMP/under"
check 'an empty folder for results' claimed "$TMP/empty/" "$TMP/empty"
check 'a folder for results to be, by a path from here' claimed new/ "$TMP/new"
check 'unknown kernel' refused "no line '5.10'" scripts/bench.sh --kernel 5.10
check 'no core' refused '0 is not between' scripts/bench.sh --cores 0
check 'repeats that are no number' refused "'many'" scripts/bench.sh --repeats many
check 'unknown option' refused '--frobnicate' scripts/bench.sh --frobnicate
check 'unknown test group' refused "no group 'x'" scripts/check.sh x
check 'kernel without headers' refused 'no headers for kernel 1.2.3' scripts/build-modules.sh 1.2.3
check 'bench-block: unknown row' refused "no row 'x'" scripts/bench-block.sh --rows x
check 'bench-block: a device time that is no number' refused "'soon'" scripts/bench-block.sh --device-ns soon
check 'a constant that cannot be one' refused "'x y'" scripts/bench.sh --vary 'x y'
check 'sensitivity of an empty folder' refused 'holds no sensitivity run' \
	scripts/sensitivity.sh --results "$TMP"
check 'sensitivity on more numbers of cores than one' refused "one number, not '1,8'" \
	scripts/sensitivity.sh --cores 1,8
check 'simlane has no such constant' refused "no constant 'frobs'" tools/lab/run.sh --clock sim \
	--results "$TMP/lab" --sim frobs=1 tools/lab/guest/tests.sh
check 'report of an empty folder' refused 'holds no results' scripts/report.sh "$TMP"
mkdir "$TMP/bin"
printf '#!/bin/sh\necho 1 1 1 0\n' > "$TMP/bin/df"
chmod +x "$TMP/bin/df"
check 'a full disk' refused 'GiB free, the cache needs' env "PATH=$TMP/bin:$PATH" \
	"CORELANE_CACHE=$TMP/cache" scripts/setup.sh
check 'no network' refused 'is the network up' env "CORELANE_CACHE=$TMP/cache" \
	CORELANE_MIRROR=http://127.0.0.1:9/debian CORELANE_SECURITY_MIRROR=http://127.0.0.1:9/debian scripts/setup.sh
# All is there, but the userland is that of another list of packages.
mkdir -p "$TMP/stale/guest/other"
for part in kernels headers lines src qemu; do
	ln -s "$CORELANE_CACHE/$part" "$TMP/stale/$part"
done
touch "$TMP/stale/guest/other/.complete"
ln -s other "$TMP/stale/guest/current"
check 'a userland that is not of today' says 'would fetch' env "CORELANE_CACHE=$TMP/stale" scripts/setup.sh --dry-run
check 'room is asked for what is missing' refused 'GiB free, the cache needs 1:' env "PATH=$TMP/bin:$PATH" \
	"CORELANE_CACHE=$TMP/stale" scripts/setup.sh
# All is there but the newest line's source, in folders of its own: it writes to them.
for part in kernels headers lines qemu guest src; do
	mkdir -p "$TMP/older/$part"
	ln -s "$CORELANE_CACHE/$part"/* "$TMP/older/$part/"
done
rm -f "$TMP/older/src/linux-source-$CORELANE_NEWEST"
check 'none for what the lab goes on without' says 'patches for Linux .* cannot be made' env "PATH=$TMP/bin:$PATH" \
	"CORELANE_CACHE=$TMP/older" CORELANE_MIRROR=http://127.0.0.1:9/debian \
	CORELANE_SECURITY_MIRROR=http://127.0.0.1:9/debian scripts/setup.sh
# Its own copy, in a folder that everybody may enter.
mkdir "$TMP/tree"
cp -r scripts tools "$TMP/tree/"
chmod -R go+rX "$TMP"
for style in shellcheck checkpatch; do
	check "$style of no files" refused 'git names no files' "$TMP/tree/scripts/style.sh" "$style"
done
# shellcheck disable=SC2016  # expanded by the inner shell
check 'a cache by a path from here' refused "cache is $TMP/here" env -C "$TMP" CORELANE_CACHE=here \
	bash -c '. "$1/scripts/lib.sh"; die "cache is $CORELANE_CACHE"' sh "$CORELANE_TOP"
mkdir -m 777 "$TMP/theirs"
check 'a cache that is yet to be, in a folder of the user' refused 'GiB free' setpriv --reuid=65534 --regid=65534 --clear-groups \
	env "PATH=$TMP/bin:$PATH" "CORELANE_CACHE=$TMP/theirs/a/cache" "$TMP/tree/scripts/setup.sh"
mkdir "$TMP/a tree"
cp -r scripts Makefile "$TMP/a tree/"
check 'a checkout that make cannot take' refused 'path with a blank' make -s -C "$TMP/a tree" tools
check 'nor Kbuild' refused 'path with a blank' "$TMP/a tree/scripts/build-modules.sh" "${LINES_UNDER_TEST[0]}"
check 'no root' refused 'run with sudo' setpriv --reuid=65534 --regid=65534 --clear-groups \
	env CORELANE_CACHE=/nonexistent "$TMP/tree/scripts/setup.sh"
printf 'ID=frobnix\nVERSION_ID=7\n' > "$TMP/os-release"
# shellcheck disable=SC2016  # expanded by the inner shell
check 'another distribution' refused 'this is frobnix 7' unshare -m sh -c \
	'mount --bind "$1" /etc/os-release && exec "$2"' sh "$TMP/os-release" "$TMP/tree/scripts/setup.sh"
ktap_finished
