/* SPDX-License-Identifier: GPL-2.0 */
/* Marks, as the guest makes them. */
#ifndef SIMLANE_GUEST_MARK_H
#define SIMLANE_GUEST_MARK_H

#include <stdbool.h>

#include "mark.h"

bool marks_init(void);
bool marks_present(void);
bool marks_good_name(const char *name);
void mark(enum mark op, unsigned int arg);
void mark_text(enum mark op, const char *text);
void mark_name(const char *name);

#endif
