#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# style.sh shellcheck|checkpatch: hold our files to the style they promise.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$CORELANE_TOP"

# Shell scripts by their first line, wherever they are.
shell_files()
{
	git ls-files -co --exclude-standard | while IFS= read -r file; do
		[[ -f $file ]] || continue
		! head -n 1 "$file" | grep -qE '^#!.*\b(ba)?sh\b' || echo "$file"
	done
}

case ${1:-} in
shellcheck)
	mapfile -t files < <(shell_files)
	shellcheck -x -S warning "${files[@]}"
	say "shellcheck: ${#files[@]} files clean"
	;;
checkpatch)
	checkpatch=$CORELANE_CACHE/src/linux-source-6.12/scripts/checkpatch.pl
	[[ -f $checkpatch ]] || die "no checkpatch.pl" "run scripts/setup.sh"
	mapfile -t files < <(git ls-files -co --exclude-standard -- 'drivers/*.[ch]' 'net/*.[ch]' 'include/*.[ch]' 'tools/corelane/*.[ch]')
	[[ ${#files[@]} -gt 0 ]] || die "nothing to check"
	# LINUX_VERSION_CODE and friends are caught by it too.
	"$checkpatch" --no-tree --strict --terse --quiet --no-summary -f "${files[@]}"
	say "checkpatch: ${#files[@]} files clean"
	;;
*)
	usage_error "usage: style.sh shellcheck|checkpatch"
	;;
esac
