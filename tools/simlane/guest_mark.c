// SPDX-License-Identifier: GPL-2.0
/*
 * A mark is a no-op instruction whose displacement says what is wanted, so the
 * same program does no harm on a machine that is not simulated.
 */
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <x86intrin.h>

#include "decode.h"
#include "guest_mark.h"

#define CODE_ROOM	4096

static uint8_t *code;
static size_t code_len;

static void run_marks(void)
{
	code[code_len] = 0xc3;		/* ret */
	((void (*)(void))code)();
	code_len = 0;
}

static void put_mark(enum mark op, unsigned int arg)
{
	const uint8_t nop[] = { 0x0f, 0x1f, 0x84, 0x00, op, arg, MARK_TAG_0, MARK_TAG_1 };

	memcpy(code + code_len, nop, sizeof(nop));
	code_len += sizeof(nop);
	if (code_len + sizeof(nop) + 1 > CODE_ROOM)
		run_marks();
}

/**
 * marks_init() - get ready to make marks
 *
 * Return: false when there is no memory for code, errno says why.
 */
bool marks_init(void)
{
	code = mmap(NULL, CODE_ROOM, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	return code != MAP_FAILED;
}

/**
 * mark() - make one mark
 * @op: what is wanted
 * @arg: 0 to 255
 */
void mark(enum mark op, unsigned int arg)
{
	put_mark(op, arg);
	run_marks();
}

/**
 * mark_text() - make a mark for each character
 * @op: what is wanted with each
 * @text: the characters
 */
void mark_text(enum mark op, const char *text)
{
	for (; *text; text++)
		put_mark(op, (unsigned char)*text);
	run_marks();
}

/**
 * mark_name() - name what the next mark is about
 * @name: of a window or a constant
 */
void mark_name(const char *name)
{
	mark(MARK_TAG, 0);
	mark_text(MARK_TAG, name);
}

/**
 * marks_good_name() - can this name a window or a constant
 * @name: any text
 *
 * Return: true when it is short and of characters that may stand in file names.
 */
bool marks_good_name(const char *name)
{
	return *name && strlen(name) <= TAG_MAX && !name[strspn(name, TAG_CHARS)];
}

/**
 * marks_present() - is anybody there to see the marks
 *
 * Return: true in simulated time.
 */
bool marks_present(void)
{
	uint64_t before, took;

	mark(MARK_TAG, 0);		/* the code's first run may fault its page in */
	before = __rdtsc();
	mark(MARK_PRESENT, 0);
	took = __rdtsc() - before;
	return took >= MARK_PRESENT_CYCLES && took < 2 * MARK_PRESENT_CYCLES;
}
