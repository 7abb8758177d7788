# SPDX-License-Identifier: GPL-2.0
#
# How a folder's programs for the lab's guests are built: one from each .c file,
# static so that it runs in any guest.  Included by the folder's Makefile, which
# says what they want besides.

TOP ?= $(abspath ../..)
O   ?= $(TOP)/build/tests

CFLAGS ?= -O2 -g
override CFLAGS += -std=gnu11 -Wall -Wextra -Werror -I$(TOP)/tests

LINKING := -static
PROGRAMS := $(patsubst %.c,$(O)/%,$(wildcard *.c))

all: $(PROGRAMS)

$(O)/%: %.c Makefile $(TOP)/tests/programs.mk
	@mkdir -p $(O)
	$(CC) $(CFLAGS) -MMD -MP -MF $@.d $(LINKING) -o $@ $< $(LDLIBS)

clean:
	rm -f $(PROGRAMS) $(PROGRAMS:=.d)

-include $(wildcard $(PROGRAMS:=.d))

.PHONY: all clean
