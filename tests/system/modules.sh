#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What build-modules.sh makes of a kernel's build: which warnings it takes for
# errors, which modules it installs. The kernel is one that only says what such a
# build says.

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# kernel TEXT: its build says TEXT, and every module comes of it
kernel()
{
	mkdir -p "$TMP/kernel/include/config"
	touch "$TMP/kernel/.config"
	echo 1.2.3 > "$TMP/kernel/include/config/kernel.release"
	cat > "$TMP/kernel/Makefile" <<-'EOF'
	dirs := drivers/net/bonding net/netfilter/percore drivers/block/pollnvme
	modules: ; @cat said >&2; touch $(foreach dir,$(dirs),$(M)/$(dir)/$(notdir $(dir)).ko)
	EOF
	echo "$1" > "$TMP/kernel/said"
}

# installed MODULE...: these and no others
installed()
{
	local files=("$TMP"/root/lib/modules/1.2.3/updates/*)

	[[ ${files[*]##*/} == "$*" ]] && return
	echo "# installed: ${files[*]##*/}"
	return 1
}

ktap_print_header
ktap_set_plan 7
tree=$TMP/tree
mkdir "$tree"
(cd "$CORELANE_TOP" && git ls-files -z | xargs -0 cp --parents -t "$tree")
build=$tree/scripts/build-modules.sh

kernel 'drivers/net/bonding/bond_main.c:1:2: warning: unused variable'
check 'a warning of the compiler is an error' refused 'for 1.2.3 warns' "$build" "$TMP/kernel"
kernel 'warning: the compiler differs from the one used to build the kernel'
check 'a kernel of another compiler is none' "$build" "$TMP/kernel"
check 'its modules are built' ls "$tree"/build/1.2.3/{bonding,percore,pollnvme}.ko
touch "$tree/build/1.2.3/biotime.ko"
mkdir "$TMP/bin"
# The real one wants more of a module than a name.
printf '#!/bin/sh\n' > "$TMP/bin/depmod"
chmod +x "$TMP/bin/depmod"
check 'they are installed' env "PATH=$TMP/bin:$PATH" "$build" --install "$TMP/root" "$TMP/kernel"
check 'no module of the tests is' installed bonding.ko percore.ko pollnvme.ko
rm -r "$TMP/root"
check 'of those that lie there, those that are named' env "PATH=$TMP/bin:$PATH" 'MODULES=net/netfilter/percore drivers/block/pollnvme' \
	"$build" --install "$TMP/root" "$TMP/kernel"
check 'and no other' installed percore.ko pollnvme.ko
ktap_finished
