// SPDX-License-Identifier: GPL-2.0
/*
 * Just enough x86 decoding to tell the instructions that cost more than others
 * (Intel SDM volume 2, chapter 2: prefixes; appendix A: opcode maps).
 */
#include "decode.h"

struct prefixes {
	bool lock, rep;
};

static size_t skip_prefixes(const u8 *insn, size_t len, struct prefixes *p)
{
	size_t i;

	for (i = 0; i < len; i++) {
		switch (insn[i]) {
		case 0xf0:
			p->lock = true;
			continue;
		case 0xf2:
		case 0xf3:
			p->rep = true;
			continue;
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x64 ... 0x67:
		case 0x40 ... 0x4f:		/* REX */
			continue;
		}
		break;
	}
	return i;
}

static enum insn_kind two_byte(const u8 *op, size_t len)
{
	switch (len > 1 ? op[1] : 0) {
	case 0x01:
		if (len > 2 && op[2] == 0xf9)
			return INSN_RDTSC;	/* RDTSCP */
		if (len > 2 && op[2] == 0xc9)
			return INSN_HLT;	/* MWAIT */
		/* INVLPG, LGDT, LIDT, LMSW: a memory operand and /2, /3, /6, /7 */
		if (len > 2 && op[2] < 0xc0 && ((op[2] >> 3) & 7) != 0 && ((op[2] >> 3) & 7) != 1)
			return INSN_SERIALIZE;
		return INSN_PLAIN;
	case 0x05:
	case 0x07:
		return INSN_SYSCALL;
	case 0x31:
		return INSN_RDTSC;
	case 0x22:				/* MOV to CR */
	case 0x23:				/* MOV to DR */
	case 0x30:				/* WRMSR */
	case 0xa2:				/* CPUID */
		return INSN_SERIALIZE;
	}
	return INSN_PLAIN;
}

/**
 * decode() - what kind of instruction is this?
 * @insn: its bytes
 * @len: how many
 * @mark_op: a mark's operation
 * @mark_arg: a mark's argument
 *
 * Return: its kind.
 */
enum insn_kind decode(const u8 *insn, size_t len, u8 *mark_op, u8 *mark_arg)
{
	struct prefixes p = { false, false };
	size_t at = skip_prefixes(insn, len, &p);
	const u8 *op = insn + at;
	size_t left = len - at;

	if (!left)
		return INSN_PLAIN;
	if (len == 8 && insn[0] == 0x0f && insn[1] == 0x1f && insn[2] == 0x84 && !insn[3] &&
	    insn[6] == MARK_TAG_0 && insn[7] == MARK_TAG_1) {
		*mark_op = insn[4];
		*mark_arg = insn[5];
		return INSN_MARK;
	}
	if (p.lock)
		return INSN_LOCKED;
	switch (op[0]) {
	case 0x0f:
		return two_byte(op, left);
	case 0x86:
	case 0x87:				/* XCHG locks if it has a memory operand */
		return left > 1 && op[1] < 0xc0 ? INSN_LOCKED : INSN_PLAIN;
	case 0x90:
		return p.rep ? INSN_PAUSE : INSN_PLAIN;
	case 0xa4 ... 0xa7:
	case 0xaa ... 0xaf:
		return p.rep ? INSN_STRING : INSN_PLAIN;
	case 0xcf:
		return INSN_IRET;
	case 0xf4:
		return INSN_HLT;
	}
	return INSN_PLAIN;
}
