/* SPDX-License-Identifier: GPL-2.0 */
/* What matters of an x86 instruction to the core model. Pure. */
#ifndef SIMLANE_DECODE_H
#define SIMLANE_DECODE_H

#include "types.h"

enum insn_kind {
	INSN_PLAIN,
	INSN_LOCKED,		/* LOCK prefix, or XCHG with memory */
	INSN_STRING,		/* REP MOVS, STOS, LODS, CMPS, SCAS */
	INSN_PAUSE,
	INSN_HLT,
	INSN_RDTSC,
	INSN_SERIALIZE,
	INSN_SYSCALL,		/* and SYSRET */
	INSN_IRET,
	INSN_MARK,		/* a no-op whose displacement is for us */
};

/* A mark is an eight-byte NOP: 0f 1f 84 00, operation, argument, 'S', 'L'. */
#define MARK_TAG_0	0x53
#define MARK_TAG_1	0x4c

enum insn_kind decode(const u8 *insn, size_t len, u8 *mark_op, u8 *mark_arg);

#endif
