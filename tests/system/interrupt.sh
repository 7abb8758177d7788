#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Ctrl-C in the middle of a bench leaves no process, no mount, no half-written
# result, and says where the console log is; what was measured is not lost when
# the report fails.

set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# Processes and folders of our run carry TMP in their command line or name.
ours()
{
	pgrep -f "qemu-system.*$TMP" > /dev/null
}

export TMPDIR=$TMP
ktap_print_header
ktap_set_plan 23

# A script told to stop twice: the second signal comes in its EXIT trap, before
# that had a chance to ignore it.
(
	finish() { kill -TERM "$BASHPID"; touch "$TMP/finished"; }
	trap finish EXIT
	end_on_signals :
	kill -TERM "$BASHPID"
)
check 'a second signal does not cut the first one short' test -e "$TMP/finished"

# setsid: a process group of its own, as a terminal would give it
setsid "$CORELANE_TOP/scripts/bench.sh" --no-setup --cores 1 --repeats 1 --rows ordinary \
	--out "$TMP/out" > "$TMP/log" 2>&1 &
bench=$!
for ((i = 0; i < 3000; i++)); do
	grep -q 'LAB up' "$TMP/out.partial/console.log" 2> /dev/null && break
	kill -0 "$bench" 2> /dev/null || break
	sleep 0.2
done
check 'the guest came up' grep -q 'LAB up' "$TMP/out.partial/console.log"
# A background job of a script ignores SIGINT itself; its group's leader does
# what a terminal's ^C reaches.
kill -TERM -- "-$bench"
status=0
wait "$bench" || status=$?
sleep 1
check 'bench.sh ends with a failure status' test "$status" -ne 0
if ours; then ktap_test_fail 'no QEMU is left'; else ktap_test_pass 'no QEMU is left'; fi
check 'no half-written result is left' test ! -e "$TMP/out" -a ! -e "$TMP/out.partial"
check 'no work folder is left' test -z "$(find "$TMP" -maxdepth 1 -name 'corelane-lab.*')"
check 'it says where the console log is' grep -q "console log is $TMP/corelane-console\..*\.log" "$TMP/log"

# The scripts with nothing to build, and a lab whose guest is what the test wants
tree=$TMP/tree
mkdir "$tree"
cp -r "$CORELANE_TOP"/{scripts,tools} "$tree/"
printf 'tools test-tools simlane:\n' > "$tree/Makefile"
printf '#!/bin/sh\n' | tee "$tree/scripts/build-modules.sh" > "$tree/tools/lab/run.sh"

status=0
"$tree/scripts/bench.sh" --no-setup --cores 1 --rows ordinary --out "$TMP/kept" > "$TMP/log" 2>&1 || status=$?
check 'a report that fails does not remove what was measured' test "$status" -ne 0 -a -d "$TMP/kept.partial/job0"
check 'and it says where that is' grep -q "measured is in $TMP/kept.partial" "$TMP/log"

# A lab whose second guest fails.  Somebody has put a link where a log might go.
cat > "$tree/tools/lab/run.sh" <<'EOF'
#!/bin/sh
while [ "$1" != --results ]; do shift; done
echo "this is ${2##*/}" > "$2/console.log"
touch "$2"/functions-x.csv "$2"/block.jsonl "$2"/windows.jsonl
[ "${2##*/}" = job0 ] || [ "${2##*/}" = latency ]
EOF
touch "$TMP/victim"
ln -s "$TMP/victim" "$TMP/corelane-console.log"
"$tree/scripts/bench.sh" --no-setup --cores 1,2 --jobs 2 --rows ordinary --out "$TMP/failed" > "$TMP/log" 2>&1
check 'of a run that fails, the log of the guest that failed is kept' \
	grep -qx 'this is job1' "$(sed -n 's/.*console log is //p' "$TMP/log")" 2> /dev/null
check 'it goes to no name that others know' test ! -s "$TMP/victim"
"$tree/scripts/bench.sh" block --no-setup --experiments latency,share --out "$TMP/block" > "$TMP/log" 2>&1
check 'an experiment that fails does not remove the one before' test -s "$TMP/block.partial/latency/results.json"
check 'and it says where that one is' grep -q "measured is in $TMP/block.partial" "$TMP/log"
"$tree/scripts/bench.sh" block --no-setup --experiments share --out "$TMP/first" > "$TMP/log" 2>&1
check 'where none has ended, the log is kept' \
	grep -qx 'this is share' "$(sed -n 's/.*console log is //p' "$TMP/log")" 2> /dev/null

# Told to stop, without the rest of the group: those that bench.sh measures for
printf '#!/bin/sh\necho $$ > "%s"\nexec sleep 300\n' "$TMP/guest" > "$tree/tools/lab/run.sh"
for script in bench-bonding bench-listeners sensitivity; do
	rm -f "$TMP/guest"
	"$tree/scripts/$script.sh" --no-setup --out "$TMP/$script" > "$TMP/log" 2>&1 &
	bench=$!
	for ((i = 0; i < 300; i++)); do
		[[ ! -s $TMP/guest ]] || break
		sleep 0.1
	done
	kill -TERM "$bench"
	wait "$bench"
	guest=$(cat "$TMP/guest")
	check "$script.sh: stopped, no guest is left" test -n "$guest" -a ! -d "/proc/$guest"
	kill "$guest" 2> /dev/null
done

# Two are told the same folder, and both have looked: the second has it first, for
# setup.sh takes its time.
for bench in bench bench-block; do
	rm -rf "$TMP/both.partial"
	printf '#!/bin/sh\nmkdir "%s"; touch "%s/theirs"\n' "$TMP/both.partial" "$TMP/both.partial" > "$tree/scripts/setup.sh"
	check "$bench.sh does not take another run's folder" refused 'cannot have' "$tree/scripts/$bench.sh" --out "$TMP/both"
	check 'nor remove it' test -e "$TMP/both.partial/theirs"
done

# Stopped when the first of two guests has begun and the second has not: mkdir
# is what comes between.
printf '#!/bin/sh\nexec sleep 300\n' > "$tree/tools/lab/run.sh"
mkdir "$TMP/bin"
cat > "$TMP/bin/mkdir" <<EOF
#!/bin/sh
case \$* in
*/job1)
	for try in \$(seq 100); do
		! pgrep -P "\$PPID" sleep > "$TMP/guest" || break
		sleep 0.1
	done
	kill -TERM "\$PPID" ;;
esac
exec $(command -v mkdir) "\$@"
EOF
chmod +x "$TMP/bin/mkdir"
PATH=$TMP/bin:$PATH "$tree/scripts/bench.sh" --no-setup --cores 1,2 --jobs 2 --rows ordinary \
	--out "$TMP/early" > "$TMP/log" 2>&1
check 'a guest had begun' test -s "$TMP/guest"
check 'stopped while guests begin, none of them is left' test ! -d "/proc/$(cat "$TMP/guest")"
ktap_finished
