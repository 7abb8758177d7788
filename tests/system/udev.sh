#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# udev understands every line of our rules. Looked at in a namespace of its
# own: the machine's rules stay as they are.

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$CORELANE_TOP" || exit 1

command -v udevadm > /dev/null || skip 'no udevadm here'
unshare -m true 2> /dev/null || skip 'no mount namespace to be had'

# read_rules FILE...: what udev says of them
read_rules()
{
	# shellcheck disable=SC2016  # expanded by the inner shell
	unshare -m sh -c 'mkdir -p /run/udev && mount -t tmpfs rules /run/udev && mkdir /run/udev/rules.d &&
		cp "$@" /run/udev/rules.d && udevadm test /sys/class/net/lo 2>&1' sh "$@"
}

understood()
{
	local said

	said=$(read_rules "$1")
	[[ $said == *"Reading rules file: /run/udev/rules.d/${1##*/}"* ]] &&
		! grep -F "/run/udev/rules.d/${1##*/}:" <<< "$said"
}

wrong()
{
	! understood "$1" > /dev/null
}

rules=(tools/udev/*.rules)
ktap_print_header
ktap_set_plan $((${#rules[@]} + 1))
for file in "${rules[@]}"; do
	check "udev reads ${file##*/}" understood "$file"
done
echo 'ATTR{x}=!"y"' > "$TMP/70-wrong.rules"
check 'and would say what is wrong' wrong "$TMP/70-wrong.rules"
ktap_finished
