#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# All the tests: what "make check" runs, and what to run where make may be
# missing.  Sets up the machine first.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=../tools/lab/emulator.sh
. "$CORELANE_TOP/tools/lab/emulator.sh"

GROUPS_ALL=(unit style build bonding percore pollnvme simlane system)

usage()
{
	cat <<'EOF'
usage: sudo scripts/check.sh [--kernel LINE] [--no-setup] [GROUP...]

Run the tests and count them.  Groups: unit, style, build, bonding, percore,
pollnvme, simlane, system (default: all).  The lab groups boot each kernel line
in QEMU once and run every test of their folder in it; --kernel keeps to one
line.  simlane runs in simulated time, and then what tests it from outside.
Logs: build/check/.  The last line is "N passed, N failed[, N skipped]".
EOF
}

lines=("${CORELANE_LINES[@]}") setup=yes
while [[ $# -gt 0 ]]; do
	case $1 in
	--kernel) [[ $# -ge 2 && " ${CORELANE_LINES[*]} " == *" $2 "* ]] ||
			usage_error "--kernel wants one of ${CORELANE_LINES[*]}"
		lines=("$2"); shift 2 ;;
	--no-setup) setup=no; shift ;;
	-h | --help) usage; exit 0 ;;
	-*) usage_error "unknown option $1" ;;
	*) break ;;
	esac
done
groups=("$@")
[[ ${#groups[@]} -gt 0 ]] || groups=("${GROUPS_ALL[@]}")
for group in "${groups[@]}"; do
	[[ " ${GROUPS_ALL[*]} " == *" $group "* ]] || usage_error "no group '$group'; groups are ${GROUPS_ALL[*]}"
done

logs=$CORELANE_TOP/build/check
passed=0 failed=0 skipped=0
failures=()

# outcome NAME STATUS LOG: count the KTAP lines of a program's log; a bad exit
# without a "not ok" is a failure of its own, as is a log without any line.
outcome()
{
	local name=$1 status=$2 log=$3 ok bad skip

	skip=$(grep -cE '^ok .*# SKIP' "$log") || true
	ok=$(($(grep -cE '^ok ' "$log" || true) - skip))
	bad=$(grep -cE '^not ok ' "$log") || true
	if grep -qE '^1\.\.0 # SKIP' "$log" || [[ $status == 4 ]]; then
		skip=$((skip + 1))
	elif [[ $bad == 0 && ( $status != 0 || $ok == 0 ) ]]; then
		bad=1
		echo "not ok $name: ended with status $status after $ok passes"
	fi
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
	[[ $bad == 0 ]] || failures+=("$name (see $log)")
	printf '%-44s %3d passed, %d failed, %d skipped\n' "$name" "$ok" "$bad" "$skip"
}

# step NAME COMMAND...: a command that is a test by its status alone
step()
{
	local name=$1 log=$logs/${1//[ \/:]/-}.log status=0

	shift
	"$@" > "$log" 2>&1 || status=$?
	if [[ $status == 0 ]]; then
		echo "ok 1 $name" >> "$log"
	else
		tail -n 15 "$log"
		echo "not ok 1 $name" >> "$log"
	fi
	outcome "$name" "$status" "$log"
}

group_unit()
{
	local program log status

	step 'unit: programs build' make -s -C "$CORELANE_TOP/tests/unit" "O=$CORELANE_TOP/build/unit" all
	for program in "$CORELANE_TOP"/tests/unit/*.c; do
		program=$CORELANE_TOP/build/unit/$(basename "$program" .c)
		log=$logs/unit-${program##*/}.log status=0
		"$program" > "$log" 2>&1 || status=$?
		outcome "unit: ${program##*/}" "$status" "$log"
	done
}

group_style()
{
	step 'style: shellcheck' "$CORELANE_TOP/scripts/style.sh" shellcheck
	step 'style: checkpatch' "$CORELANE_TOP/scripts/style.sh" checkpatch
}

group_build()
{
	local line

	for line in "${lines[@]}"; do
		step "build: modules $line, W=1 and sparse" "$CORELANE_TOP/scripts/build-modules.sh" --sparse "$line"
	done
	step 'build: tools' make -s -C "$CORELANE_TOP" tools test-tools
}

# The lab groups: one boot per kernel line runs the whole folder, on a machine
# described by run.sh's options.
lab_group() # GROUP RUN-OPTION...
{
	local group=$1 line results status log name

	shift
	[[ -n $(find "$CORELANE_TOP/tests/$group" -name '*.sh' 2> /dev/null) ]] || return 0
	for line in "${lines[@]}"; do
		results=$logs/$group-$line status=0
		rm -rf "$results"
		"$CORELANE_TOP/tools/lab/run.sh" --kernel "$line" "$@" \
			--results "$results" --timeout 3600 tools/lab/guest/tests.sh "$group" \
			> "$logs/$group-$line.log" 2>&1 || status=$?
		sed -n 's/^run.sh: /# /p' "$logs/$group-$line.log"
		if [[ ! -s $results/tests ]]; then
			cat "$logs/$group-$line.log"
			echo "not ok 1 $group on $line: the guest ran no test" >> "$logs/$group-$line.log"
			outcome "$group $line" 1 "$logs/$group-$line.log"
			continue
		fi
		while read -r name status; do
			log=$results/$name.log
			outcome "$group/$name $line" "$status" "$log"
			[[ $status == 0 || $status == 4 ]] || grep -E '^(not ok|#|Bail)' "$log" | tail -n 8 || true
		done < "$results/tests"
		if [[ ! -s $results/status ]]; then
			echo "not ok 1 $group on $line: the guest died" > "$results/died.log"
			tail -n 30 "$results/console.log"
			outcome "$group $line" 1 "$results/died.log"
		fi
	done
}

# Tests that run on this machine, and boot what they need.
host_group() # NAME DIR
{
	local name test log status

	for test in "$2"/*.sh; do
		[[ -x $test ]] || continue
		name=$1/$(basename "$test" .sh)
		log=$logs/${name//\//-}.log status=0
		CORELANE_LINES_UNDER_TEST="${lines[*]}" "$test" > "$log" 2>&1 || status=$?
		[[ $status == 0 || $status == 4 ]] || tail -n 15 "$log"
		outcome "$name" "$status" "$log"
	done
}

# Its guests look at what the simulator wrote, while they run.
group_simlane()
{
	if ! emulator_complete; then
		echo "1..0 # SKIP no QEMU $EMULATOR_LINE here" > "$logs/simlane.log"
		outcome simlane 4 "$logs/simlane.log"
		return
	fi
	step 'simlane: plugin and tools build' make -s -C "$CORELANE_TOP" simlane
	lab_group simlane --clock sim --cpus 6 --append corelane.results=early
	host_group simlane "$CORELANE_TOP/tests/simlane/host"
}

# All that takes long is read before it begins: the file may change meanwhile.
main()
{
	[[ $setup == no ]] || "$CORELANE_TOP/scripts/setup.sh" --quiet
	mkdir -p "$logs"
	begun=$SECONDS
	case " ${groups[*]} " in
	*' build '*) ;;
	*' bonding '* | *' percore '* | *' pollnvme '* | *' simlane '*) groups=(build "${groups[@]}") ;;
	esac
	for group in "${groups[@]}"; do
		echo "# $group ($((SECONDS - begun)) s)"
		case $group in
		bonding | percore | pollnvme) lab_group "$group" --cpus 4 --lanes 4 --nvme 256M --nvme 256M ;;
		system) host_group system "$CORELANE_TOP/tests/system" ;;
		*) "group_$group" ;;
		esac
	done
	echo
	[[ ${#failures[@]} == 0 ]] || printf 'failed: %s\n' "${failures[@]}"
	echo "# $((SECONDS - begun)) s"
	summary="$passed passed, $failed failed"
	[[ $skipped == 0 ]] || summary+=", $skipped skipped"
	echo "$summary"
	[[ $failed == 0 ]]
}

main; exit
