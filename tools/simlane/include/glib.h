/* SPDX-License-Identifier: GPL-2.0 */
/*
 * QEMU's plugin header names two of glib's types and asks for no more; this
 * saves a plugin that uses neither from needing glib's development package.
 */
#ifndef SIMLANE_GLIB_H
#define SIMLANE_GLIB_H

typedef struct _GArray GArray;
typedef struct _GByteArray GByteArray;

#endif
