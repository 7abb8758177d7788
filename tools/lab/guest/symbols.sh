#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In the guest: the kernel's own symbols, which Debian's System.map lacks.
# Modules' are left out: their addresses are this boot's alone.

set -euo pipefail
grep -v '\[' /proc/kallsyms > /results/kallsyms.tmp
mv /results/kallsyms.tmp /results/kallsyms
