/* SPDX-License-Identifier: GPL-2.0 */
/* The constants of the simulated machine: one table, read from a file. */
#ifndef SIMLANE_MODEL_H
#define SIMLANE_MODEL_H

#include <stdio.h>

#include "types.h"

/*
 * name, unit, what it is.  Cycles are the core's.  Documentation/simlane.rst
 * says how each is used, the tables in model/ where the values come from.
 */
#define MODEL_CONSTANTS(X)							\
	X(ghz, "GHz", "core frequency, and the time-stamp counter's")		\
	X(cpi_base, "cycles", "an instruction, all its memory in the L1 cache")	\
	X(l1_kb, "KiB", "L1 data cache of a core, 8 ways")			\
	X(l2_kb, "KiB", "L2 cache of a core, 16 ways")				\
	X(llc_kb, "KiB", "last-level cache of the machine, 16 ways")		\
	X(l2_hit, "cycles", "a load or store that the L2 cache answers")	\
	X(llc_hit, "cycles", "one that the last-level cache answers")		\
	X(dram, "cycles", "one that memory answers")				\
	X(hitm, "cycles", "a line that another core has modified")		\
	X(upgrade, "cycles", "a store to a line that other cores share")	\
	X(ooo_hide, "cycles", "of a miss that the core hides behind other work")	\
	X(copy_overlap, "misses", "outstanding at once in a string move")	\
	X(copy_bytes, "bytes/cycle", "string move that hits the cache")		\
	X(locked, "cycles", "a locked operation, beyond its access")		\
	X(pause, "cycles", "PAUSE")						\
	X(serialize, "cycles", "CPUID, WRMSR, MOV to CR, INVLPG, ...")		\
	X(syscall, "cycles", "SYSCALL and SYSRET, each")			\
	X(irq_entry, "cycles", "from an interrupt's arrival to its first instruction")	\
	X(irq_exit, "cycles", "IRET")						\
	X(idle_exit, "cycles", "from an event to an idle core's first instruction")	\
	X(ipi, "cycles", "from one core's request to another's interrupt")	\
	X(apic, "cycles", "access to the core's own interrupt controller")	\
	X(mmio_read, "cycles", "a device register read")			\
	X(mmio_write, "cycles", "a device register written (posted)")

/**
 * struct model - the table, as read
 */
struct model {
#define MODEL_FIELD(name, unit, what) double name;
	MODEL_CONSTANTS(MODEL_FIELD)
#undef MODEL_FIELD
};

extern struct model model;

bool model_load(const char *path);
bool model_set(const char *name, const char *value);
bool model_scale(const char *name, unsigned int percent);
bool model_complete(void);
void model_write(FILE *out);
const char *model_error(void);
u64 model_ticks(double cycles);
void json_string(FILE *out, const char *s);

#endif
