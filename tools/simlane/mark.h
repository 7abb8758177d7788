/* SPDX-License-Identifier: GPL-2.0 */
/* The operations a guest marks; shared by the plugin and the guest's tool. */
#ifndef SIMLANE_MARK_H
#define SIMLANE_MARK_H

enum mark {
	MARK_PRESENT = 1,	/* takes MARK_PRESENT_CYCLES, so that the guest knows */
	MARK_PACE,		/* 0: coarse window, 1: fine */
	MARK_CORES,		/* the first ARG cores are under study */
	MARK_CACHE,		/* memory accesses are looked at (1) or not (0) */
	MARK_SYMBOL_TEXT,	/* one more character of the modules' symbols */
	MARK_SYMBOLS,		/* and that was all of them */
	MARK_SEED,		/* shake the cores' clocks */
	MARK_TAG,		/* one more character of the window's name; 0: none */
	MARK_BEGIN,		/* a window begins */
	MARK_END,		/* and ends */
	MARK_SCALE,		/* the constant of the name given is ARG percent of itself */
	MARK_EXIT,		/* QEMU ends with this status */
};

/* A window's name becomes part of file names. */
#define TAG_CHARS	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
#define TAG_MAX		60

#define MARK_PRESENT_CYCLES	(1 << 22)

#endif
