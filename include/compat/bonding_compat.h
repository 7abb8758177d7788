/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernels for the files of cpu-bound bonding. Plain
 * words only: in a kernel tree they are replaced by what they stand for.
 */
#ifndef _BONDING_COMPAT_H
#define _BONDING_COMPAT_H

#include "compat_autoconf.h"

#ifdef HAVE_CONST_BIN_ATTRIBUTE
#define bond_bin_attribute const struct bin_attribute
#else
#define bond_bin_attribute struct bin_attribute
#endif

#endif /* _BONDING_COMPAT_H */
