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

GROUPS_ALL=(unit style build bonding kselftest percore pollnvme simlane system)

usage()
{
	cat <<'EOF'
usage: sudo scripts/check.sh [--kernel LINE] [--no-setup] [GROUP...]

Run the tests and count them.  Groups: unit, style, build, bonding, kselftest,
percore, pollnvme, simlane, system (default: all).  The lab groups boot each
kernel line in QEMU and run every test of their folder; --kernel keeps to one
line.  What takes long runs side by side, one on each core.  kselftest runs what the kernel itself has for bonding;
simlane runs in simulated time, and then what tests it from outside.
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

# outcome NAME STATUS LOG [SECONDS]: count the KTAP lines of a program's log; a
# bad exit without a "not ok" is a failure of its own, as is a log without any
# line.
outcome()
{
	local name=$1 status=$2 log=$3 took=${4-} ok bad skip

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
	[[ $bad == 0 ]] || mapfile -t -O ${#failures[@]} failures < <(
		echo "failed: $name (see $log)"
		sed -n 's/^\(not ok\|Bail out!\) /  &/p' "$log")
	printf '%-44s %3d passed, %d failed, %d skipped%s\n' "$name" "$ok" "$bad" "$skip" "${took:+ ($took s)}"
}

# what_failed LOG: each check that failed, after what it said of itself; and where
# the test gave up, or none did, what it said last
what_failed()
{
	awk '
		/^ok / { said = "" }
		!/^(not )?ok / { said = said $0 "\n" }
		/^not ok / { printf "%s%s\n", said, $0; said = ""; bad++ }
		END { if (!bad || said ~ /Bail out!/) printf "%s", said }' "$1" | tail -n 40
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
		[[ $status == 0 ]] || what_failed "$log"
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

# lab_run GROUP LINE: one boot runs the whole folder; does not come back, so
# that a signal to it reaches the guest
lab_run()
{
	local group=$1 line=$2 options
	local results=$logs/$group-$line

	case $group in
	# They mostly sleep, and count what comes while they do.
	kselftest) options=(--cpus 4 --one-thread) ;;
	# Looks at what the simulator wrote, while it runs.
	simlane) options=(--clock sim --cpus 6 --append corelane.results=early) ;;
	*) options=(--cpus 4 --lanes 4 --nvme 256M --nvme '256M,port') ;;
	esac
	rm -rf "$results"
	exec "$CORELANE_TOP/tools/lab/run.sh" --kernel "$line" "${options[@]}" \
		--results "$results" --timeout 3600 tools/lab/guest/tests.sh "$group" \
		> "$logs/$group-$line.log" 2>&1
}

# lab_outcome GROUP LINE: what came of it
lab_outcome()
{
	local group=$1 line=$2 log name status took
	local results=$logs/$group-$line

	sed -n 's/^run.sh: /# /p' "$results.log"
	if [[ ! -s $results/tests ]]; then
		cat "$results.log"
		echo "not ok 1 $group on $line: the guest ran no test" >> "$results.log"
		outcome "$group $line" 1 "$results.log"
		return
	fi
	while read -r name status took; do
		log=$results/$name.log
		outcome "$group/$name $line" "$status" "$log" "$took"
		[[ $status == 0 || $status == 4 ]] || what_failed "$log"
	done < "$results/tests"
	if [[ ! -s $results/status ]]; then
		echo "not ok 1 $group on $line: the guest died" > "$results/died.log"
		tail -n 30 "$results/console.log"
		outcome "$group $line" 1 "$results/died.log"
	fi
}

# host_run NAME: on this machine; boots what it needs
host_run()
{
	CORELANE_LINES_UNDER_TEST="${lines[*]}" exec "$CORELANE_TOP/tests/$1.sh" > "$logs/${1//\//-}.log" 2>&1
}

# host_outcome NAME STATUS SECONDS
host_outcome()
{
	local log=$logs/${1//\//-}.log

	[[ $2 == 0 || $2 == 4 ]] || what_failed "$log"
	outcome "$1" "$2" "$log" "$3"
}

# What takes long: "lab GROUP LINE" or "host NAME", as many at a time as
# there are cores, for each keeps about one busy.
jobs=()
declare -A running=() since=()

# lab_jobs GROUP: a guest for each kernel line
lab_jobs()
{
	local line

	[[ -n $(find "$CORELANE_TOP/tests/$1" -maxdepth 1 -name '*.sh' 2> /dev/null) ]] || return 0
	for line in "${lines[@]}"; do
		jobs+=("lab $1 $line")
	done
}

# host_jobs DIR
host_jobs()
{
	local test

	for test in "$CORELANE_TOP/tests/$1"/*.sh; do
		[[ ! -x $test ]] || jobs+=("host $1/$(basename "$test" .sh)")
	done
}

# job_reap: wait for one of those that run, and count what it did
job_reap()
{
	local pid status=0 kind name what

	wait -n -p pid "${!running[@]}" || status=$?
	read -r kind name what <<< "${running[$pid]}"
	unset "running[$pid]"
	case $kind in
	lab) lab_outcome "$name" "$what" ;;
	host) host_outcome "$name" "$status" $((SECONDS - since[$pid])) ;;
	esac
}

# Interrupted: no guest stays behind, nor what a test has begun.
jobs_end()
{
	local pid

	for pid in "${!running[@]}"; do
		kill -- "-$pid" 2> /dev/null || true
	done
	wait
}

jobs_run()
{
	local job kind name what slots

	slots=$(nproc)
	end_on_signals jobs_end
	# each is a process group, which a signal goes to
	set -m
	for job in "${jobs[@]}"; do
		((${#running[@]} < slots)) || job_reap
		read -r kind name what <<< "$job"
		echo "# ${job#* } begins ($((SECONDS - begun)) s)"
		"${kind}_run" "$name" "$what" &
		running[$!]=$job since[$!]=$SECONDS
	done
	while [[ ${#running[@]} -gt 0 ]]; do
		job_reap
	done
	set +m
	trap - INT TERM HUP
}

simlane_jobs()
{
	if ! emulator_complete; then
		echo "1..0 # SKIP no QEMU $EMULATOR_LINE here" > "$logs/simlane.log"
		outcome simlane 4 "$logs/simlane.log"
		return
	fi
	step 'simlane: plugin and tools build' make -s -C "$CORELANE_TOP" simlane
	lab_jobs simlane
	host_jobs simlane/host
}

# All that takes long is read before it begins: the file may change meanwhile.
main()
{
	[[ $setup == no ]] || "$CORELANE_TOP/scripts/setup.sh" --quiet
	mkdir -p "$logs"
	begun=$SECONDS
	case " ${groups[*]} " in
	*' build '*) ;;
	*' bonding '* | *' kselftest '* | *' percore '* | *' pollnvme '* | *' simlane '*) groups=(build "${groups[@]}") ;;
	esac
	for group in "${groups[@]}"; do
		case $group in
		bonding | kselftest | percore | pollnvme) lab_jobs "$group" ;;
		simlane) simlane_jobs ;;
		system) host_jobs system ;;
		*)	echo "# $group ($((SECONDS - begun)) s)"
			"group_$group" ;;
		esac
	done
	jobs_run
	echo
	[[ ${#failures[@]} == 0 ]] || printf '%s\n' "${failures[@]}"
	echo "# $((SECONDS - begun)) s"
	summary="$passed passed, $failed failed"
	[[ $skipped == 0 ]] || summary+=", $skipped skipped"
	echo "$summary"
	[[ $failed == 0 ]]
}

main; exit
