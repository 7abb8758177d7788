/* SPDX-License-Identifier: GPL-2.0 */
/* What the guest asks of us by marks, and the windows it measures. */
#ifndef SIMLANE_CONTROL_H
#define SIMLANE_CONTROL_H

#include "clock.h"
#include "mark.h"

/**
 * struct control_options - how a run is to be
 * @out: folder for what we write
 * @map: the kernel's symbols
 * @model: the table's name
 * @fine: window while measuring, cycles
 * @coarse: window while not, cycles
 * @ram_bytes: the guest's RAM
 * @nic_gap_ns: least time between an e1000e's interrupts, ns; 0: as QEMU has it
 * @disk_ns: how long an NVMe controller takes, ns; 0: as long as the host does
 */
struct control_options {
	const char *out, *map, *model;
	u64 fine, coarse;
	u64 ram_bytes;
	unsigned int nic_gap_ns, disk_ns;
};

void control_init(const struct control_options *options);
void control_first_block(void);
void control_mark(struct vcpu *v, unsigned int op, unsigned int arg);
void control_fatal(const char *format, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

#endif
