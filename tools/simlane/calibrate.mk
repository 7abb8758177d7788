# SPDX-License-Identifier: GPL-2.0
#
# build/simlane/calibrate: measures the host's constants for the model.

SIMLANE_DIR := $(abspath $(dir $(lastword $(MAKEFILE_LIST))))
SIMLANE_O   ?= $(if $(O),$(abspath $(O)),$(abspath $(SIMLANE_DIR)/../../build))/simlane

CALIBRATE_SRCS   := $(wildcard $(SIMLANE_DIR)/calibrate*.c)
CALIBRATE_CFLAGS := -O2 -g -std=gnu11 -Wall -Wextra -Werror -Wmissing-prototypes -D_GNU_SOURCE

# It carries model/server.conf: the assembler looks for it here.
$(SIMLANE_O)/calibrate: $(CALIBRATE_SRCS) $(wildcard $(SIMLANE_DIR)/calibrate*.h) $(SIMLANE_DIR)/model/server.conf
	@mkdir -p $(@D)
	$(CC) $(CALIBRATE_CFLAGS) -Wa,-I,$(SIMLANE_DIR) -o $@ $(CALIBRATE_SRCS) -pthread

calibrate: $(SIMLANE_O)/calibrate

.PHONY: calibrate
