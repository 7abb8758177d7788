#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A guest that does not come up is begun again, also when it hangs before its
# first word; a QEMU that refuses to start is not, for it would again.  What a try
# before left is not taken for the last one's.  The QEMU here is one that does
# nothing, or ends.

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# qemu LINE...: what is run in its place
qemu()
{
	mkdir -p "$TMP/bin"
	{
		echo '#!/bin/bash'
		echo '[[ $* != *--version* ]] || { echo QEMU emulator version 9.2.0; exit; }'
		printf '%s\n' "$@"
	} > "$TMP/bin/qemu-system-x86_64"
	chmod +x "$TMP/bin/qemu-system-x86_64"
}

boots() # COUNT: run.sh fails after COUNT tries
{
	rm -f "$TMP/tries"
	PATH=$TMP/bin:$PATH "$CORELANE_TOP/tools/lab/run.sh" --accel tcg --boot-limit 4 --kernel "${LINES_UNDER_TEST[-1]}" \
		--results "$TMP/results" tools/lab/guest/tests.sh none > "$TMP/said" 2>&1 && return 1
	sed 's/^/# /' "$TMP/said"
	[[ $(wc -l < "$TMP/tries") == "$1" ]]
}

ktap_print_header
ktap_set_plan 12
qemu "echo try >> '$TMP/tries'" 'exec sleep 60'
check 'a guest that hangs without a word is begun three times' boots 3
check 'and it is said' grep -q 'the guest did not come up (try 3 of 3)' "$TMP/said"
qemu "echo try >> '$TMP/tries'" 'echo no such device >&2' 'exit 1'
check 'a QEMU that refuses is begun once' boots 1
check 'and its words are told' grep -q 'the guest did not boot: no such device' "$TMP/said"
# The first of two guests ends well and its QEMU does not; the second dies.
# shellcheck disable=SC2016  # for that QEMU
qemu 'args=$*; dir=${args#*path=}; dir=${dir%%,*}' 'echo sample >> "$dir/samples.jsonl"' 'echo LAB up > "$dir/console.log"' \
	"echo try >> '$TMP/tries'" '[[ ! -e $dir/console-try1.log ]] || exit 0' \
	'echo 0 > "$dir/status"; echo test 0 1 > "$dir/tests"; kill -SEGV $$'
check 'a guest that died is none that ended well in the try before' boots 2
check 'its samples are its own' test "$(wc -l < "$TMP/results/samples.jsonl")" = 1
check 'which tests have been run is known still' test -s "$TMP/results/tests"
# died EFLAGS: a QEMU whose guest dies of something with these flags
died()
{
	# shellcheck disable=SC2016  # for that QEMU
	qemu 'args=$*; dir=${args#*path=}; dir=${dir%%,*}' "echo try >> '$TMP/tries'" \
		"printf '%s\\n' 'LAB up' '[  302.401525] RSP: 0018:ff550c1980f577f0 EFLAGS: $1' > \"\$dir/console.log\""
}

died 59a3f242
check 'a guest that dies of flags that no processor has is begun three times' boots 3
died 00210246
check 'one that dies of anything else is a result' boots 1

# A script of another folder is in the guest's file system, by its path.
# shellcheck disable=SC2016  # for that QEMU
qemu 'args=$*; initrd=${args#*-initrd }; initrd=${initrd%% *}' \
	"grep -ac corelane/scripts/style[.]sh \"\$initrd\" > '$TMP/initrd'" 'exit 1'
has_script()
{
	PATH=$TMP/bin:$PATH "$CORELANE_TOP/tools/lab/run.sh" --accel tcg --kernel "${LINES_UNDER_TEST[-1]}" \
		--results "$TMP/results" scripts/style.sh > "$TMP/said" 2>&1
	[[ $(cat "$TMP/initrd") == 1 ]]
}
check 'a script that guests do not have comes along' has_script

# A userland that lacks what the image's recipe wants.
mkdir -p "$TMP/cache/guest/none/root"
touch "$TMP/cache/guest/none/.complete"
ln -s none "$TMP/cache/guest/current"
ln -s "$CORELANE_CACHE"/{kernels,lines,src} "$TMP/cache/"
packs()
{
	CORELANE_CACHE=$TMP/cache "$CORELANE_TOP/tools/lab/run.sh" --kernel "${LINES_UNDER_TEST[-1]}" \
		--results "$TMP/results" tools/lab/guest/tests.sh none 2>&1 | grep 'base-passwd'
}
check 'the packing of a guest fails' packs
check 'and leaves nothing' test -z "$(ls -I lock "$TMP/cache/images")"
ktap_finished
