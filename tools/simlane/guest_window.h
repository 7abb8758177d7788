/* SPDX-License-Identifier: GPL-2.0 */
/* Measured windows, and the guest's counters at their ends. */
#ifndef SIMLANE_GUEST_WINDOW_H
#define SIMLANE_GUEST_WINDOW_H

#define SNAPSHOTS	"/tmp/simlane"

int window(const char *tag, const char *ms, char **files, int n);
int windows(const char *ms, char **files, int n);

#endif
