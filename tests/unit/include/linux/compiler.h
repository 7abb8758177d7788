/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's compiler helpers, for pure kernel code in user space. */
#ifndef CORELANE_TESTS_LINUX_COMPILER_H
#define CORELANE_TESTS_LINUX_COMPILER_H

#undef __always_inline		/* the C library may have one */
#define __always_inline		inline __attribute__((__always_inline__))

#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value)	(*(volatile __typeof__(x) *)&(x) = (value))

#endif /* CORELANE_TESTS_LINUX_COMPILER_H */
