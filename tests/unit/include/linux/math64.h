/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's division, for pure kernel code in user space. */
#ifndef CORELANE_TESTS_LINUX_MATH64_H
#define CORELANE_TESTS_LINUX_MATH64_H

#define div_u64(dividend, divisor)	((u64)(dividend) / (u32)(divisor))

#endif /* CORELANE_TESTS_LINUX_MATH64_H */
