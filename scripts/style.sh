#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# style.sh shellcheck|checkpatch: hold our files to the style they promise.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$CORELANE_TOP"

# tracked PATTERN...: our files; also where the checkout is another user's
tracked()
{
	git -c safe.directory='*' ls-files -co --exclude-standard -- "$@"
}

# Shell scripts by their first line, wherever they are.
shell_files()
{
	tracked | while IFS= read -r file; do
		[[ -f $file ]] || continue
		! head -n 1 "$file" | grep -qE '^#!.*\b(ba)?sh\b' || echo "$file"
	done
}

# side_by_side COMMAND...: for the files on standard input, a few at a time
side_by_side()
{
	tr '\n' '\0' | xargs -0 -r -P "$(nproc)" -n 12 "$@"
}

# need_files FILE...: there are some; that none is wrong in none would be no news
need_files()
{
	[[ $# -gt 0 ]] || die "git names no files here" "run it in a git checkout"
}

case ${1:-} in
shellcheck)
	mapfile -t files < <(shell_files)
	need_files "${files[@]}"
	printf '%s\n' "${files[@]}" | side_by_side shellcheck -x -S warning
	say "shellcheck: ${#files[@]} files clean"
	;;
checkpatch)
	checkpatch=$CORELANE_CACHE/src/linux-source-6.12/scripts/checkpatch.pl
	[[ -f $checkpatch ]] || die "no checkpatch.pl" "run scripts/setup.sh"
	# What runs in user space follows the same style, without the rules
	# that are about the kernel's own macros and its log.
	user=PREFER_DEFINED_ATTRIBUTE_MACRO,SPLIT_STRING,VOLATILE,STRCPY,EMBEDDED_FUNCTION_NAME,ARRAY_SIZE,COMPLEX_MACRO,MACRO_ARG_UNUSED,TRAILING_SEMICOLON,NEW_TYPEDEFS
	mapfile -t kernel_files < <(tracked 'drivers/*.[ch]' 'net/*.[ch]' 'include/*.[ch]')
	need_files "${kernel_files[@]}"
	mapfile -t user_files < <(tracked 'tools/corelane/*.[ch]' 'tools/simlane/*.[ch]' 'tests/*.[ch]')
	need_files "${user_files[@]}"
	# A line too long in these would only be found once it is in a patch. Two of
	# them say what checkpatch takes for a slip: "zeroes zeroes", "nonfatal nonfatal".
	mapfile -t series_scripts < <(tracked 'tests/lib.sh' 'tests/bonding/*.sh' \
		'tests/percore/*.sh' 'tests/percore/*.py' 'tests/pollnvme/*.sh' 'tests/pollnvme/*.py')
	need_files "${series_scripts[@]}"
	printf '%s\n' "${kernel_files[@]}" |
		side_by_side "$checkpatch" --no-tree --strict --terse --quiet --no-summary -f
	printf '%s\n' "${user_files[@]}" |
		side_by_side "$checkpatch" --no-tree --terse --quiet --no-summary --ignore "$user" -f
	printf '%s\n' "${series_scripts[@]}" |
		side_by_side "$checkpatch" --no-tree --strict --terse --quiet --no-summary \
			--ignore REPEATED_WORD,LONG_LINE_STRING -f
	say "checkpatch: $((${#kernel_files[@]} + ${#user_files[@]} + ${#series_scripts[@]})) files clean"
	;;
*)
	usage_error "usage: style.sh shellcheck|checkpatch"
	;;
esac
