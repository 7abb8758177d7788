# SPDX-License-Identifier: GPL-2.0
#
# corelane: the front door.  "make help" lists what it does.

# Which kernel: a Debian line (6.1, 6.12), a release (uname -r), or a build
# directory.  Default: the running kernel's headers, else the 6.1 line.
KERNEL ?= $(shell test -d /lib/modules/$$(uname -r)/build && uname -r || echo 6.1)
LINES  := 6.1 6.12
NEWEST := $(shell sed -n 's/^CORELANE_NEWEST=//p' scripts/lib.sh)
BUILD  := $(CURDIR)/build

ifneq ($(words $(CURDIR)),1)
$(error a path with a blank is none for make: move $(CURDIR))
endif

.DEFAULT_GOAL := help

help:
	@echo 'modules KERNEL=6.1     build bonding, percore and pollnvme into build/RELEASE/'
	@echo 'modules_install        install them into /lib/modules/RELEASE/updates (KERNEL=, DESTDIR=)'
	@echo 'tools                  build the corelane command into build/corelane'
	@echo 'test-tools             build the programs that lab tests use into build/tests'
	@echo 'simlane                build simulated time: the QEMU plugin, its guest tool, calibrate'
	@echo 'unit                   build and run the user-space unit tests'
	@echo 'check                  all tests: unit, lab and system, on both kernels (root)'
	@echo 'check-unit, check-bonding, check-percore, check-pollnvme, check-system: a part of it'
	@echo 'patches                write the git am series of every kernel line to patches/'
	@echo 'style                  shellcheck, checkpatch and sparse over our sources'
	@echo 'bench                  scripts/bench.sh with its defaults (root)'
	@echo 'clean                  remove build/ and what an in-place build left'

modules:
	@scripts/build-modules.sh '$(KERNEL)'

modules_install: modules
	@scripts/build-modules.sh --install '$(DESTDIR)' '$(KERNEL)'

tools:
	@$(MAKE) --no-print-directory -C tools/corelane O='$(BUILD)'

simlane:
	@$(MAKE) --no-print-directory -C tools/simlane O='$(BUILD)' all calibrate

test-tools:
	@for dir in $(patsubst %/Makefile,%,$(filter-out tests/unit/%,$(wildcard tests/*/Makefile))); do \
		$(MAKE) --no-print-directory -C "$$dir" O='$(BUILD)/tests' || exit 1; \
	done

unit:
	@$(MAKE) --no-print-directory -C tests/unit O='$(BUILD)/unit' run

check:
	@scripts/check.sh

check-%:
	@scripts/check.sh $*

patches:
	@for line in $(LINES) $(NEWEST); do scripts/make-patches.sh "$$line" || exit 1; done

style: shellcheck checkpatch sparse

shellcheck:
	@scripts/style.sh shellcheck

checkpatch:
	@scripts/style.sh checkpatch

sparse:
	@for line in $(LINES); do scripts/build-modules.sh --sparse "$$line" || exit 1; done

bench:
	@scripts/bench.sh

clean:
	rm -rf build drivers/net/bonding/generated
	find drivers net -name '*.o' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' -o -name '.*.cmd' | xargs -r rm -f
	rm -f include/compat/compat_autoconf.h modules.order Module.symvers .Module.symvers.cmd

.PHONY: help modules modules_install tools simlane test-tools unit check patches style shellcheck checkpatch sparse bench clean
