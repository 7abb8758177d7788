#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The cache outlives what goes wrong while it is filled, and what is new in it
# reaches the guest.  The cache here has the real one's parts behind links, and its
# own where something is written; Debian's archive is an apt that fails.

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=../../tools/lab/image.sh
. "$CORELANE_TOP/tools/lab/image.sh"

for part in kernels headers qemu guest src; do
	mkdir -p "$TMP/cache/$part"
	ln -s "$CORELANE_CACHE/$part"/* "$TMP/cache/$part/"
done
cp -r "$CORELANE_CACHE/lines/" "$TMP/cache/lines"
export CORELANE_CACHE=$TMP/cache CORELANE_MIRROR=http://127.0.0.1:9/ CORELANE_SECURITY_MIRROR=http://127.0.0.1:9/
# shellcheck source-path=SCRIPTDIR source=../../tools/lab/userland.sh
. "$CORELANE_TOP/tools/lab/userland.sh"

mkdir "$TMP/bin"
printf '#!/bin/sh\ncase "$*" in *update) exit 0 ;; esac\nexit 1\n' > "$TMP/bin/apt-get"
cat > "$TMP/bin/apt-cache" <<'EOF'
#!/bin/sh
for name; do :; done
line=6.12
[ "$name" != linux-image-amd64 ] || line=6.1
echo "Depends: linux-image-$(cat "$CORELANE_CACHE/lines/$line")"
EOF
chmod +x "$TMP"/bin/*

# waits: with all there, while somebody fills the cache, and no longer
waits()
{
	local pid i said=no

	exec 9> "$TMP/cache/lock"
	flock 9
	"$CORELANE_TOP/tools/lab/fetch.sh" > "$TMP/said" 2>&1 9>&- &
	pid=$!
	for ((i = 0; i < 50; i++)); do
		grep -q 'another run fills' "$TMP/said" && said=yes && break
		sleep 0.1
	done
	flock -u 9
	wait "$pid" && [[ $said == yes ]]
}

ktap_print_header
ktap_set_plan 5
check 'one at a time fills the cache' waits
check 'an update that cannot be downloaded fails' refused 'cannot download' \
	env "PATH=$TMP/bin:$PATH" "$CORELANE_TOP/tools/lab/fetch.sh" --update
check 'and the userland is still there' guest_complete
mkdir -p "$TMP/cache/guest/new"
ln -sfn new "$TMP/cache/guest/current"
echo bash_1_amd64.deb > "$TMP/cache/guest/new/.complete"
before=$(image_base 1.2.3)
echo bash_2_amd64.deb > "$TMP/cache/guest/new/.complete"
check 'a userland of newer packages is another image' test "$before" != "$(image_base 1.2.3)"
check 'what an update would do is said' bash -c '"$1" --dry-run --update 2>&1 | grep -q "would look for newer"' \
	- "$CORELANE_TOP/scripts/setup.sh"
ktap_finished
