#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# No regression: the kernel's own bonding selftests come to the same verdict
# with our module as with the stock one, and the module goes by the same name,
# aliases and parameters. The programs are those of the booted kernel's source,
# put beside this folder when the guest is made.
#
# Two tests of bond_options.sh take a quarter of an hour each on emulated CPUs,
# and monitor by ARP every 100 ms, which these keep up with only now and then.
# Without KVM they are run when asked for:
#
#   run.sh --one-thread --append BOND_SELFTESTS=all --timeout 7200 tests/kselftest/bonding.sh
#
# limit: 1500 s

# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

need_cmd ip bridge tc jq tcpdump ping modprobe depmod modinfo unshare realpath
PROGRAMS=/corelane/kselftest/drivers/net/bonding
MODULES=/lib/modules/$(uname -r)
OURS=$MODULES/updates/bonding.ko
STOCK=$MODULES/kernel/drivers/net/bonding/bonding.ko
WORK=$(mktemp -d)
LONG="bond_options.sh/(prio|arp_validate)"
# for a part of a program, in seconds
LIMIT=1200
[[ -r $PROGRAMS/Makefile ]] || skip "not in the lab: no selftests of this kernel"
[[ -f $OURS && -f $STOCK ]] || skip "needs our module and the stock one"

cleanup()
{
	[[ ! -f $WORK/bonding.ko ]] || mv "$WORK/bonding.ko" "$OURS"
	modprobe -r bonding
	depmod
	rm -rf "$WORK"
}
trap cleanup EXIT

# use ours|stock: what modprobe and the kernel will find from now on
use()
{
	modprobe -r bonding
	if [[ $1 == stock && -f $OURS ]]; then
		mv "$OURS" "$WORK/bonding.ko"
	elif [[ $1 == ours && ! -f $OURS ]]; then
		mv "$WORK/bonding.ko" "$OURS"
	else
		return 0
	fi
	depmod
}

# parts PROGRAM: the tests it consists of, each of which it can run alone, as
# PROGRAM/TEST
parts()
{
	# shellcheck disable=SC1090  # the list alone is read of the program
	(
		ALL_TESTS=
		. <(sed -n '/^ALL_TESTS="/,/"$/p' "$PROGRAMS/$1")
		# shellcheck disable=SC2086  # a list of words
		printf "$1/%s\n" ${ALL_TESTS:-all}
	)
}

# run WHOSE PROGRAM PART: in a network of its own, so that several can run at
# once, and as kselftest does from its own folder
run()
{
	local log=$WORK/$2.$3.$1 status=0 from=$SECONDS

	[[ $3 == all ]] || local -x TESTS=$3
	# shellcheck disable=SC2016  # expanded by the inner shell
	unshare --net --mount bash -c '
		mount -t tmpfs run /run/netns && mount -t sysfs sys /sys && ip link set lo up
		cd "$1" &&
			exec timeout "$3" "./$2"' bash "$PROGRAMS" "$2" $LIMIT \
		> "$log" 2>&1 < /dev/null || status=$?
	case $status in
	0) echo pass ;;
	4) echo skip ;;
	124 | 143) echo "slow" ;;
	*) echo "fail ($status)" ;;
	esac > "$log.verdict"
	echo "# $1: $2 $3: $(< "$log.verdict"), $((SECONDS - from)) s"
}

# run_all WHOSE PROGRAM/PART...: those that take the module away one by one, the
# others a few at a time
run_all()
{
	local whose=$1 part

	shift
	use "$whose"
	for part; do
		grep -q 'modprobe -r' "$PROGRAMS/${part%/*}" || continue
		run "$whose" "${part%/*}" "${part#*/}"
	done
	modprobe bonding max_bonds=0
	# a module that is not the kernel's own taints it, and says so
	[[ $whose == ours && -n $(< /sys/module/bonding/taint) ]] ||
		[[ $whose == stock && -z $(< /sys/module/bonding/taint) ]] ||
			die "not the module $whose"
	for part; do
		! grep -q 'modprobe -r' "$PROGRAMS/${part%/*}" || continue
		while (($(jobs -rp | wc -l) >= AT_ONCE)); do
			sleep 0.2
		done
		run "$whose" "${part%/*}" "${part#*/}" &
	done
	wait
}

# verdict WHOSE PROGRAM: fail when one part does, else slow when one was, else
# pass when one did
verdict()
{
	local all

	all=$(sort -u "$WORK/$2".*."$1.verdict")
	if [[ $all != fail* && $all == *slow* ]]; then
		echo slow
	else
		head -n 1 <<< "$all"
	fi
}

# told WHOSE PROGRAM: what it said, unless it passed
told()
{
	[[ $(verdict "$1" "$2") == pass ]] || sed "s/^/#   $1: /" "$WORK/$2".*."$1" | tail -n 15
}

# alike PROGRAM: what passes with ours cannot be better with the stock module.
# What passes with neither says nothing of ours: that is no pass here.
alike()
{
	local ours stock what="$1: as with the stock module"

	ours=$(verdict ours "$1")
	case $ours in
	pass)
		ktap_test_pass "$what"
		return ;;
	slow)
		told ours "$1"
		ktap_test_skip "$what # not done in $LIMIT s"
		return ;;
	esac
	stock=$(verdict stock "$1")
	told ours "$1"
	told stock "$1"
	if [[ $ours == "$stock" ]]; then
		ktap_test_skip "$what # both: $ours"
	else
		echo "# ours: $ours, stock: $stock"
		ktap_test_fail "$what"
	fi
}

# failing: $failed are the parts to blame for programs that fail with ours
failing()
{
	local part file

	failed=()
	for part in "${all[@]}"; do
		file=$WORK/${part%/*}.${part#*/}.ours.verdict
		[[ $(verdict ours "${part%/*}") =~ ^(pass|slow)$ || $(< "$file") == pass ]] || failed+=("$part")
	done
}

# same FIELD: modinfo says the same of both
same()
{
	diff <(modinfo -F "$1" "$STOCK" | sort) <(modinfo -F "$1" "$OURS" | sort) | sed 's/^/# /'
	((PIPESTATUS[0] == 0))
}

in_updates()
{
	[[ $(modinfo -n bonding) == "$(readlink -f "$OURS")" ]] ||
		[[ $(modinfo -n bonding) -ef $OURS ]] || return 1
	[[ $(modinfo -n rtnl-link-bond) -ef $OURS ]]
}

# TEST_PROGS of the Makefile, which may go over several lines
mapfile -t programs < <(sed -n '/^TEST_PROGS/,/[^\\]$/p' "$PROGRAMS/Makefile" |
	grep -oE '[[:alnum:]_-]+\.sh')

# What tcpdump's package would have made for it; without it the LACPDU test of
# 6.1 sees nothing, with any module.
if ! grep -q '^tcpdump:' /etc/passwd; then
	echo 'tcpdump:x:108:113::/nonexistent:/usr/sbin/nologin' >> /etc/passwd
	echo 'tcpdump:x:113:' >> /etc/group
fi

# The guest's readlink is busybox's, which has no -e; net/lib.sh wants it.
mkdir "$WORK/bin"
cat > "$WORK/bin/readlink" <<'EOF'
#!/bin/sh
[ "$1" != -e ] || { shift && exec realpath "$@"; }
exec busybox readlink "$@"
EOF
chmod +x "$WORK/bin/readlink"
PATH=$WORK/bin:$PATH

# the long ones first
mapfile -t all < <(cd "$PROGRAMS" && ls -S "${programs[@]}" | while read -r program; do parts "$program"; done)
left_out=()
if [[ ${BOND_SELFTESTS-} != all && $(< /proc/cmdline) == *corelane.accel=tcg* ]]; then
	mapfile -t left_out < <(printf '%s\n' "${all[@]}" | grep -xE "$LONG")
	mapfile -t all < <(printf '%s\n' "${all[@]}" | grep -vxE "$LONG")
fi

ktap_print_header
ktap_set_plan $((5 + ${#programs[@]} + ${#left_out[@]}))
dmesg_mark
check "modprobe finds ours, by name and by alias" in_updates
check "same name" same name
check "same aliases" same alias
check "same parameters, described alike" same parm
AT_ONCE=4
run_all ours "${all[@]}"
# Some count what comes within a second, which a busy host may not get done: a
# second try, with less beside it.
failing
AT_ONCE=2
[[ ${#failed[@]} == 0 ]] || run_all ours "${failed[@]}"
echo "# twice: ${failed[*]:-none}"
failing
[[ ${#failed[@]} == 0 ]] || run_all stock "${failed[@]}"
echo "# $SECONDS s; also with the stock module: ${failed[*]:-none}"
for program in "${programs[@]}"; do
	alike "$program"
done
for part in ${left_out[@]+"${left_out[@]}"}; do
	ktap_test_skip "$part # not without KVM, unless asked for"
done
use ours
check "dmesg is clean" dmesg_clean
ktap_finished
