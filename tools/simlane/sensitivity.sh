#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Does a conclusion survive when the model is wrong?  Measure some rows with
# each of the model's constants changed by half, and see whether their order
# and their ratios stay.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"

MODELS=$CORELANE_TOP/tools/simlane/model

usage()
{
	cat <<'TEXT'
usage: sudo tools/simlane/sensitivity.sh [options]

Run scripts/bench.sh in simulated time with the model as it is, and then with
one constant changed at a time, down and up; print how the last row compares
with the others each time.  A conclusion whose ratio crosses 1 hangs on that
constant.

  --rows LIST       rows to compare, the one in question last
                    (default ordinary,bond-l34,lanes)
  --cores N         server cores (default 4)
  --constants LIST  constants to change (default: all; "main": what cores cost
                    each other, the caches, interrupts)
  --percent P       by how much (default 50); a cache's size is halved and
                    doubled, and a constant that is 0 only raised
  --repeats N       windows for each point (default 2)
  --kernel LINE     kernel, 6.1 or 6.12 (default 6.12)
  --model FILE      table to start from (default: the server's)
  --out DIR         results (default results/sensitivity-DATE); runs that are
                    already there are not repeated, so an interrupted one goes on
  -h, --help        this text

Results: table.txt and sensitivity.csv, and a folder of bench.sh's for each run.
TEXT
}

MAIN=hitm,upgrade,llc_hit,dram,locked,irq_entry,ipi,mmio_write
rows=ordinary,bond-l34,lanes cores=4 constants=all percent=50 repeats=2 kernel=6.12
model=$MODELS/server.conf out=$CORELANE_TOP/results/sensitivity-$(date +%Y%m%d-%H%M)
while [[ $# -gt 0 ]]; do
	case $1 in
	--rows | --cores | --constants | --percent | --repeats | --kernel | --model | --out)
		[[ $# -ge 2 && -n $2 ]] || usage_error "$1 wants a value"
		declare "${1#--}=$2"; shift 2 ;;
	-h | --help) usage; exit 0 ;;
	*) usage_error "unknown option $1" ;;
	esac
done
[[ -r $model ]] || die "cannot read $model"
model=$(realpath "$model")
for item in cores percent repeats; do
	[[ ${!item} =~ ^[1-9][0-9]*$ ]] || usage_error "--$item wants a number, not '${!item}'"
done
((percent < 100)) || usage_error "--percent wants less than 100"
[[ $rows == *,* ]] || usage_error "--rows wants two rows or more"

# value CONSTANT: as the table has it
value()
{
	awk -v name="$1" '$1 == name { print $2 }' "$model"
}

[[ $constants != main ]] || constants=$MAIN
[[ $constants != all ]] || constants=$(sed -n 's/^\([a-z][a-z0-9_]*\) .*/\1/p' "$model" | paste -sd ,)
for item in ${constants//,/ }; do
	[[ -n $(value "$item") ]] || usage_error "--constants: $item is not in ${model##*/}"
done

# What a constant that is nothing is raised to: leaving the state C1 takes 1 us.
declare -A RAISED=([idle_exit]=2500)

# changed CONSTANT down|up: its other value; nothing if there is none
changed()
{
	local was

	was=$(value "$1")
	case $1:$2 in
	l1_kb:down | l2_kb:down | llc_kb:down) echo $((was / 2)) ;;
	l1_kb:up | l2_kb:up | llc_kb:up) echo $((was * 2)) ;;
	*)	awk -v v="$was" -v p="$percent" -v up="$2" -v raised="${RAISED[$1]:-100}" -v name="$1" 'BEGIN {
			if (v == 0)
				x = up == "up" ? raised : ""
			else
				x = v * (1 + (up == "up" ? p : -p) / 100)
			# misses under way, and bytes a cycle, are one at least
			if (name ~ /^copy_/ && x < 1)
				x = 1
			print x
		}' ;;
	esac
}

# measure NAME [OPTIONS]: a run of bench.sh in out/NAME, unless it is there
measure()
{
	local name=$1 options=model=$model${2:+,$2}

	[[ ! -s $out/$name/results.json ]] || return 0
	say "[$((SECONDS / 60)) min] $((++done)) of $total: $name${2:+ ($2)}"
	"$CORELANE_TOP/scripts/bench.sh" --no-setup --clock sim --kernel "$kernel" --rows "$rows" \
		--cores "$cores" --repeats "$repeats" --sim "$options" --out "$out/$name" \
		> "$out/$name.log" 2>&1 && return 0
	tail -n 5 "$out/$name.log" >&2
	say "sensitivity.sh: $name failed; the others go on"
	failed=$((failed + 1))
}

# rates NAME: the median rate of each row, in the order of --rows; 0: invalid
rates()
{
	local row

	for row in ${rows//,/ }; do
		jq --arg row "$row" '
			map(select(.row == $row and .metric == "connections_per_second"))
			| if length == 0 or any(.valid | not) then 0
			  else map(.value) | sort | .[length / 2 | floor] end' "$out/$1/results.json"
	done | paste -sd ' '
}

# The last row over each other one, with every run, beside the first run's.
print_table()
{
	awk -v rows="$rows" -v percent="$percent" '
		BEGIN {
			n = split(rows, row, ",")
			printf "%-14s %-10s", "constant", "value"
			for (i = 1; i < n; i++)
				printf " %22s", row[n] "/" row[i]
			print "  verdict"
		}
		{
			printf "%-14s %-10s", $1, $2
			verdict = ""
			for (i = 1; i < n; i++) {
				x = $(2 + i) > 0 ? $(2 + n) / $(2 + i) : 0
				if (NR == 1)
					base[i] = x
				if (x == 0)
					verdict = "invalid point"
				else if ((x > 1) != (base[i] > 1) && verdict == "")
					verdict = "CROSSES 1 against " row[i]
				if (base[i] > 0 && x > 0 && (moved = (x / base[i] - 1) * 100) ^ 2 > most ^ 2) {
					most = moved
					which = sprintf("%s = %s (%s/%s)", $1, $2, row[n], row[i])
				}
				printf " %12.3f (%+5.1f %%)", x, base[i] > 0 ? (x / base[i] - 1) * 100 : 0
			}
			print "  " (verdict == "" ? "stays" : verdict)
			crossed += verdict ~ /^CROSSES/
			bad += verdict ~ /^invalid/
		}
		END {
			printf "\n%d runs", NR
			if (bad)
				printf ", %d invalid", bad
			printf "; the order changed in %d; the most a ratio moved is %+.1f %%: %s\n", crossed, most, which
		}'
}

report()
{
	local item way

	{
		echo "model - $(rates base)"
		for item in ${constants//,/ }; do
			for way in down up; do
				[[ ! -s $out/$item-$way/results.json ]] ||
					echo "$item $(changed "$item" "$way") $(rates "$item-$way")"
			done
		done
	} > "$out/rates"
	{
		echo "constant,value,${rows}"
		tr ' ' , < "$out/rates"
	} > "$out/sensitivity.csv"
	{
		echo "SIMULATED: ratios of connections per second at $cores cores, ${model##*/}, $repeats windows a point"
		print_table < "$out/rates"
	} > "$out/table.txt"
	rm "$out/rates"
	cat "$out/table.txt"
}

mkdir -p "$out"
done=0 failed=0 total=1
for item in ${constants//,/ }; do
	for way in down up; do
		[[ -z $(changed "$item" "$way") ]] || total=$((total + 1))
	done
done
measure base
[[ -s $out/base/results.json ]] || die "the model as it is could not be measured" "see $out/base.log"
for item in ${constants//,/ }; do
	for way in down up; do
		to=$(changed "$item" "$way")
		[[ -z $to ]] || measure "$item-$way" "$item=$to"
	done
done
report
[[ $failed == 0 ]]
