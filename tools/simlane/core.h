/* SPDX-License-Identifier: GPL-2.0 */
/* The core model: what the guest's instructions cost, as they are executed. */
#ifndef SIMLANE_CORE_H
#define SIMLANE_CORE_H

#include <qemu-plugin.h>

#include "symbols.h"
#include "types.h"

/**
 * struct core_dma - what devices did to guest memory
 * @write_lines: lines they wrote
 * @taken_lines: of these, lines a core had
 * @read_lines: lines they read
 */
struct core_dma {
	u64 write_lines, taken_lines, read_lines;
};

extern struct core_dma core_dma;

bool core_init(qemu_plugin_id_t id, struct symbols *symbols, u64 ram_bytes);
void core_set_symbols(struct symbols *symbols);
void core_set_cache(bool on);
void core_new_costs(void);
bool core_cache(void);
bool core_set_cores(unsigned int n);
unsigned int core_cores(void);
void core_set_hurry(bool on);
const struct symbols *core_symbols(void);
void core_dma_access(u64 gpa, size_t len, bool write);

#endif
