/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's compiler helpers, for pure kernel code in user space. */
#ifndef CORELANE_TESTS_LINUX_COMPILER_H
#define CORELANE_TESTS_LINUX_COMPILER_H

#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value)	(*(volatile __typeof__(x) *)&(x) = (value))

#endif /* CORELANE_TESTS_LINUX_COMPILER_H */
