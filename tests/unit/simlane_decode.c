// SPDX-License-Identifier: GPL-2.0
/* simlane's decoder: which instructions cost more than others. */
#include "tools/simlane/decode.c"
#include "ktap.h"

static const struct {
	const char *name;
	enum insn_kind kind;
	u8 len, bytes[8];
} cases[] = {
	{ "mov %eax,%ebx", INSN_PLAIN, 2, { 0x89, 0xc3 } },
	{ "lock incl (%rax)", INSN_LOCKED, 3, { 0xf0, 0xff, 0x00 } },
	{ "lock cmpxchg %rdx,(%rdi)", INSN_LOCKED, 5, { 0xf0, 0x48, 0x0f, 0xb1, 0x17 } },
	{ "xchg %eax,(%rdi)", INSN_LOCKED, 2, { 0x87, 0x07 } },
	{ "xchg %eax,%edi", INSN_PLAIN, 2, { 0x87, 0xc7 } },
	{ "pause", INSN_PAUSE, 2, { 0xf3, 0x90 } },
	{ "nop", INSN_PLAIN, 1, { 0x90 } },
	{ "hlt", INSN_HLT, 1, { 0xf4 } },
	{ "rdtsc", INSN_RDTSC, 2, { 0x0f, 0x31 } },
	{ "rdtscp", INSN_RDTSC, 3, { 0x0f, 0x01, 0xf9 } },
	{ "swapgs", INSN_PLAIN, 3, { 0x0f, 0x01, 0xf8 } },
	{ "invlpg (%rax)", INSN_SERIALIZE, 3, { 0x0f, 0x01, 0x38 } },
	{ "sgdt (%rax)", INSN_PLAIN, 3, { 0x0f, 0x01, 0x00 } },
	{ "wrmsr", INSN_SERIALIZE, 2, { 0x0f, 0x30 } },
	{ "cpuid", INSN_SERIALIZE, 2, { 0x0f, 0xa2 } },
	{ "mov %rax,%cr3", INSN_SERIALIZE, 3, { 0x0f, 0x22, 0xd8 } },
	{ "syscall", INSN_SYSCALL, 2, { 0x0f, 0x05 } },
	{ "sysretq", INSN_SYSCALL, 3, { 0x48, 0x0f, 0x07 } },
	{ "iretq", INSN_IRET, 2, { 0x48, 0xcf } },
	{ "rep movsq", INSN_STRING, 3, { 0xf3, 0x48, 0xa5 } },
	{ "rep stosb", INSN_STRING, 2, { 0xf3, 0xaa } },
	{ "movsb", INSN_PLAIN, 1, { 0xa4 } },
	{ "repne scasb", INSN_STRING, 2, { 0xf2, 0xae } },
	{ "nopl 0x12345678(%rax,%rax,1)", INSN_PLAIN, 8,
	  { 0x0f, 0x1f, 0x84, 0x00, 0x78, 0x56, 0x34, 0x12 } },
	{ "prefixes and no more", INSN_PLAIN, 3, { 0xf0, 0x66, 0x48 } },
	{ "an escape cut short", INSN_PLAIN, 1, { 0x0f } },
	{ "xchg cut short", INSN_PLAIN, 1, { 0x87 } },
};

int main(void)
{
	const u8 mark[] = { 0x0f, 0x1f, 0x84, 0x00, 7, 'x', MARK_TAG_0, MARK_TAG_1 };
	const size_t n = sizeof(cases) / sizeof(cases[0]);
	u8 op = 0, arg = 0;
	size_t i;

	ktap_plan((unsigned int)n + 2);
	for (i = 0; i < n; i++)
		ktap_ok(decode(cases[i].bytes, cases[i].len, &op, &arg) == cases[i].kind, "%s",
			cases[i].name);
	ktap_ok(decode(mark, sizeof(mark), &op, &arg) == INSN_MARK, "a mark");
	ktap_ok(op == 7 && arg == 'x', "and what it says");
	ktap_exit();
}
