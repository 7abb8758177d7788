/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's smaller and larger, for pure kernel code in user space. */
#ifndef CORELANE_TESTS_LINUX_MINMAX_H
#define CORELANE_TESTS_LINUX_MINMAX_H

#define min_t(type, a, b)	((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define max(a, b)		((a) > (b) ? (a) : (b))

#endif /* CORELANE_TESTS_LINUX_MINMAX_H */
