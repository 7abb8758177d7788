/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Everything simlane needs from inside QEMU and the plugin interface does not
 * offer.  Nothing else in this folder knows how QEMU works.
 */
#ifndef SIMLANE_QEMU_H
#define SIMLANE_QEMU_H

#include "types.h"

/**
 * struct qemu_clock_ops - who tells QEMU the time
 * @virtual_ns: the virtual clock, ns; called from any thread
 * @tsc: the running vCPU's time-stamp counter, cycles; vCPU thread only
 * @interrupt: vCPU @index gets an interrupt; big lock held, any thread
 */
struct qemu_clock_ops {
	s64 (*virtual_ns)(void);
	s64 (*tsc)(void);
	void (*interrupt)(unsigned int index);
};

/**
 * typedef qemu_dma_fn - a device touches guest memory
 * @gpa: guest physical address, bytes
 * @len: bytes
 * @write: true if the device writes
 *
 * Called in whatever thread the device runs in, before the bytes move.
 */
typedef void (*qemu_dma_fn)(u64 gpa, size_t len, bool write);

bool qemu_attach(unsigned int cpus);
void qemu_vcpu_add(unsigned int index);
bool qemu_take_clock(const struct qemu_clock_ops *ops);
bool qemu_take_timers(void);
bool qemu_watch_dma(u64 ram_bytes, qemu_dma_fn fn);
bool qemu_take_disks(unsigned int ns);
bool qemu_check(void);
const char *qemu_error(void);

s64 qemu_timer_deadline(void);
void qemu_run_timers(void);
void qemu_stored(void);
void qemu_yield(void);
void qemu_leave(void *return_address) __attribute__((noreturn));
bool qemu_has_work(unsigned int index);
bool qemu_nic_interrupt_gap(unsigned int ns);

/* Where QEMU keeps the vCPU it runs; set by qemu_attach_thread(). */
extern void **qemu_running;
void qemu_attach_thread(void);
unsigned int qemu_index_of(const void *cpu);

#endif
