/* SPDX-License-Identifier: GPL-2.0 */
/* Barriers, for pure kernel code in single-threaded user space. */
#ifndef CORELANE_TESTS_ASM_BARRIER_H
#define CORELANE_TESTS_ASM_BARRIER_H

#define dma_rmb()	__atomic_thread_fence(__ATOMIC_ACQUIRE)

#endif /* CORELANE_TESTS_ASM_BARRIER_H */
