#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Swap on a synchronous disk: what was swapped out comes back as it was, and in
# single pages, whatever vm.page-cluster says.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

need_cmd mkswap swapon python3
trap 'swapoff -a; pn_cleanup' EXIT

# swapped DISK: swaps memory out to it, reads one page of 16 back; prints how
# many pages the disk was asked for
swapped()
{
	python3 - "/sys/block/$1/stat" << 'PYTHON'
import mmap
import os
import sys

PAGE, PAGES, STEP, PAGEOUT = 4096, 4096, 16, 21


def sectors_read():
    with open(sys.argv[1], encoding="ascii") as stat:
        return int(stat.read().split()[2])


memory = mmap.mmap(-1, PAGE * PAGES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
try:
    memory.madvise(15)  # no huge pages
except OSError:
    pass  # as in a kernel for real time
pages = [os.urandom(64) * (PAGE // 64) for _ in range(PAGES)]
for n, page in enumerate(pages):
    memory[n * PAGE:(n + 1) * PAGE] = page
memory.madvise(PAGEOUT)
before = sectors_read()
for n in range(0, PAGES, STEP):
    if memory[n * PAGE:(n + 1) * PAGE] != pages[n]:
        sys.exit("page %d is not what it was" % n)
print((sectors_read() - before) * 512 // PAGE)
for n in range(PAGES):
    if memory[n * PAGE:(n + 1) * PAGE] != pages[n]:
        sys.exit("page %d is not what it was" % n)
PYTHON
}

use() # DISK
{
	mkswap "/dev/$1" > /dev/null && swapon "/dev/$1"
}

# 256 pages were asked for; some may not have been out yet.
in_single_pages()
{
	local pages

	use "$1" && pages=$(swapped "$1") && swapoff "/dev/$1" || return 1
	((pages > 128 && pages <= 256)) || { echo "# $pages pages read for 256"; return 1; }
}

written_polled()
{
	[[ $(pn_stat "$1" writes) -gt 1024 && $(pn_stat "$1" irqs) -eq 0 &&
		$(pn_stat "$1" errors) -eq 0 ]]
}

ktap_print_header
ktap_set_plan 4
dmesg_mark
pn_load
echo 3 > /proc/sys/vm/page-cluster
disk=$(pn_ram swap size_mb=64)
pn_wait_disk "$disk"
check "swapped in by single pages, as it was" in_single_pages "$disk"
check "swapped out by polled writes" written_polled "$disk"
pn_cleanup
check "the module is gone" refused grep -q '^pollnvme ' /proc/modules
check "kernel log is clean" dmesg_clean
ktap_finished
