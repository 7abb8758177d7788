/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Included before all else by what runs in the lab's guest and is not static.
 * From glibc 2.38 on, strtoul() and sscanf() become names that the C library of
 * the guest, Debian 12's 2.36, has not; all they know more is binary numbers.
 */
#ifndef CORELANE_OLDER_LIBC_H
#define CORELANE_OLDER_LIBC_H

#include <features.h>

#ifdef __GLIBC_USE_C2X_STRTOL
#undef __GLIBC_USE_C2X_STRTOL
#define __GLIBC_USE_C2X_STRTOL 0
#endif
/* its later name */
#ifdef __GLIBC_USE_C23_STRTOL
#undef __GLIBC_USE_C23_STRTOL
#define __GLIBC_USE_C23_STRTOL 0
#endif

#endif /* CORELANE_OLDER_LIBC_H */
