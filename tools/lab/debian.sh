#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Debian's packages without touching the machine: an apt configuration of our
# own in the cache, packages downloaded and unpacked there.  Sourced after
# scripts/lib.sh.

DEBIAN_SUITE=bookworm
DEBIAN_APT=$CORELANE_CACHE/apt
DEBIAN_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# cache_lock: who fills the cache does so alone; what it runs need not ask again
cache_lock()
{
	local lock

	[[ -z ${CORELANE_LOCKED:-} ]] || return 0
	mkdir -p "$CORELANE_CACHE"
	exec {lock}> "$CORELANE_CACHE/lock"
	if ! flock -n "$lock"; then
		say "another run fills $CORELANE_CACHE: waiting for its end"
		flock "$lock"
	fi
	export CORELANE_LOCKED=yes
}

# mirror_of SUITE OTHER: of lines "URI SUITE", the URI of SUITE, else of OTHER
mirror_of()
{
	awk -v a="$1" -v b="$2" '$2 == a && !x { x = $1 } $2 == b && !y { y = $1 } END { print x ? x : y }'
}

# The mirrors are the user's own: read from the machine's apt configuration,
# unless CORELANE_MIRROR and CORELANE_SECURITY_MIRROR name others.  A machine
# of another Debian release has mirrors that carry ours as well.
debian_mirrors()
{
	local main security targets own

	# shellcheck disable=SC2016  # apt expands these, not the shell
	targets=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' \
		'Created-By: Packages' 2> /dev/null | sort -u)
	own=$(. /etc/os-release 2> /dev/null && [[ ${ID:-} == debian ]] && echo "${VERSION_CODENAME:-}") || true
	main=${CORELANE_MIRROR:-$(mirror_of "$DEBIAN_SUITE" "$own" <<< "$targets")}
	security=${CORELANE_SECURITY_MIRROR:-$(mirror_of "$DEBIAN_SUITE-security" "$own-security" <<< "$targets")}
	[[ -n $main && -n $security ]] ||
		die "apt on this machine knows no mirror for $DEBIAN_SUITE and $DEBIAN_SUITE-security" \
		    "add them to its sources, run apt-get update, or set CORELANE_MIRROR and CORELANE_SECURITY_MIRROR"
	printf '%s\n%s\n' "$main" "$security"
}

# debian_apt TOOL ARGS...: apt-get or apt-cache with our own configuration
debian_apt()
{
	local tool=$1

	shift
	"$tool" -o Dir::Etc::sourcelist="$DEBIAN_APT/sources.list" \
		-o Dir::Etc::sourceparts="$DEBIAN_APT/empty" -o Dir::Etc::preferencesparts="$DEBIAN_APT/empty" \
		-o Dir::State::lists="$DEBIAN_APT/lists" \
		-o Dir::State::status="$DEBIAN_APT/status" \
		-o Dir::Cache="$DEBIAN_APT/cache" -o APT::Sandbox::User=root \
		-o APT::Keep-Downloaded-Packages=true \
		-o Acquire::Languages=none -o Acquire::Retries=3 "$@"
}

# debian_update: fetch the package lists into the cache
debian_update()
{
	local mirrors main security

	# not in a <(): its failure must stop us
	mirrors=$(debian_mirrors)
	{ read -r main; read -r security; } <<< "$mirrors"
	mkdir -p "$DEBIAN_APT"/{empty,lists/partial,cache/archives/partial}
	: > "$DEBIAN_APT/status"
	cat > "$DEBIAN_APT/sources.list" <<-EOF
	deb [signed-by=$DEBIAN_KEYRING] $main $DEBIAN_SUITE main
	deb [signed-by=$DEBIAN_KEYRING] $main $DEBIAN_SUITE-backports main
	deb [signed-by=$DEBIAN_KEYRING] $security $DEBIAN_SUITE-security main
	EOF
	debian_apt apt-get -qq -o APT::Update::Error-Mode=any update > "$DEBIAN_APT/log" 2>&1 ||
		die "cannot fetch Debian's package lists" "is the network up? ($(tail -n 1 "$DEBIAN_APT/log"))"
}

# debian_depends PACKAGE PREFIX: the package PACKAGE depends on whose name
# begins with PREFIX (the release behind a kernel's meta package)
debian_depends()
{
	debian_apt apt-cache show --no-all-versions "$1" |
		grep -oE "(^Depends:.*|^ .*)" | grep -oE "$2[^ ,|]*" | head -n 1 || true
}

# debian_fetch DIR PACKAGE...: download just these packages into DIR
debian_fetch()
{
	local dir=$1

	shift
	mkdir -p "$dir"
	(cd "$dir" && debian_apt apt-get -qq download "$@" > "$DEBIAN_APT/log" 2>&1) ||
		die "cannot download $*" "is the network up, and has $dir room? ($(tail -n 1 "$DEBIAN_APT/log"))"
}

# debian_unpack DIR PACKAGE.deb...: unpack, following Debian's merged /usr
debian_unpack()
{
	local root=$1 deb name

	shift
	mkdir -p "$root"/usr/{bin,sbin,lib,lib64}
	for name in bin sbin lib lib64; do
		[[ -e $root/$name ]] || ln -s "usr/$name" "$root/$name"
	done
	for deb; do
		dpkg-deb --fsys-tarfile "$deb" |
			tar -x -C "$root" --keep-directory-symlink \
			    --exclude=./usr/share/doc --exclude=./usr/share/man \
			    --exclude=./usr/share/locale --exclude=./usr/share/info ||
			die "cannot unpack $deb" "is the disk full? (df -h $root)"
	done
}

# debian_fetch_closure DIR PACKAGE...: download packages with all they depend on
debian_fetch_closure()
{
	local dir=$1

	shift
	mkdir -p "$dir/partial"
	debian_apt apt-get -qq -y --no-install-recommends --download-only \
		-o Dir::Cache::archives="$dir" install "$@" > "$DEBIAN_APT/log" 2>&1 ||
		die "cannot download $*" "is the network up, and has $dir room? ($(tail -n 1 "$DEBIAN_APT/log"))"
}
