// SPDX-License-Identifier: GPL-2.0
/*
 * What the guest asks for, and what it gets to know: windows.jsonl, a line a
 * window, and for each window's tag a profile by function and by line.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "core.h"
#include "model.h"
#include "profile.h"
#include "qemu.h"

static struct control_options opt;
static char tag[TAG_MAX + 1];
static size_t tag_len;

#define SYMBOL_TEXT_MAX	(64u << 20)

static struct {
	char *at;
	size_t len, room;
} text;					/* the modules' symbols, as they come */

static struct {
	bool open;
	u64 begun;
	double wall, cpu;
	u64 insns[CLOCK_MAX_VCPUS], idle[CLOCK_MAX_VCPUS], spin[CLOCK_MAX_VCPUS];
	struct core_dma dma;
} win;

static double host_seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/**
 * control_fatal() - say why we cannot go on, and end QEMU
 * @format: a sentence that says what to do
 */
void control_fatal(const char *format, ...)
{
	va_list args;

	fputs("simlane: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	putc('\n', stderr);
	_exit(3);
}

static FILE *open_out(const char *name, const char *mode)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", opt.out, name);
	file = fopen(path, mode);
	if (!file)
		control_fatal("cannot write %s: is the folder there, and has it room?", path);
	return file;
}

/* A full disk must not leave what looks finished. */
static void close_out(FILE *file, const char *name)
{
	bool bad = ferror(file);

	if (fclose(file) || bad)
		control_fatal("cannot write %s: is there room?", name);
}

/**
 * control_init() - begin a run
 * @options: how
 */
void control_init(const struct control_options *options)
{
	FILE *file;

	opt = *options;
	file = open_out("model.json", "w");
	model_write(file);
	close_out(file, "model.json");
	close_out(open_out("windows.jsonl", "w"), "windows.jsonl");
	core_set_hurry(true);
}

/**
 * control_first_block() - the guest's first instructions are being translated
 *
 * The machine is made and its one thread runs: the moment to take over what
 * did not exist before, and to see that all is as we think.
 */
void control_first_block(void)
{
	FILE *file;

	qemu_attach_thread();
	if (!qemu_running)
		control_fatal("this QEMU cannot serve: it does not tell which vCPU runs (--clock wall works with any)");
	clock_switch();
	clock_start();
	if (!qemu_take_timers() || !qemu_watch_dma(opt.ram_bytes, core_dma_access) || !qemu_check())
		control_fatal("this QEMU cannot serve: %s (--clock wall works with any)",
			      qemu_error());
	if (opt.nic_gap_ns && !qemu_nic_interrupt_gap(opt.nic_gap_ns))
		control_fatal("this QEMU cannot serve: %s", qemu_error());
	if (opt.disk_ns && !qemu_take_disks(opt.disk_ns))
		control_fatal("this QEMU cannot serve: %s", qemu_error());
	file = open_out("check.txt", "w");
	fputs("the virtual clock and the time-stamp counter are ours\n"
	      "the devices' timers are found, and ours to run\n"
	      "the running vCPU is told, and runs without the big lock\n"
	      "a device's read and write of memory were seen\n", file);
	if (opt.nic_gap_ns)
		fprintf(file, "an e1000e's interrupts are %u ns apart at least\n", opt.nic_gap_ns);
	if (opt.disk_ns)
		fprintf(file, "an NVMe controller answers in virtual time, after %u ns\n", opt.disk_ns);
	close_out(file, "check.txt");
}

static void add_symbol_text(unsigned int c)
{
	char *bigger;

	if (text.len == text.room) {
		text.room = text.room ? text.room * 2 : 1 << 16;
		bigger = text.room <= SYMBOL_TEXT_MAX ? realloc(text.at, text.room) : NULL;
		if (!bigger)
			control_fatal("the guest's modules have too many symbols");
		text.at = bigger;
	}
	text.at[text.len++] = (char)c;
}

static void take_symbols(void)
{
	struct symbols *s = calloc(1, sizeof(*s));

	if (!s || !symbols_load(s, opt.map, text.at, text.len))
		control_fatal("cannot read %s again", opt.map);
	text.len = 0;
	core_set_symbols(s);
}

static void begin(void)
{
	unsigned int i;

	win.open = true;
	win.begun = clock_now();
	win.wall = host_seconds(CLOCK_MONOTONIC);
	win.cpu = host_seconds(CLOCK_THREAD_CPUTIME_ID);
	win.dma = core_dma;
	clock_max_ahead(true);
	for (i = 0; i < clock_vcpu_count(); i++) {
		win.insns[i] = clock_vcpus[i].insns;
		win.idle[i] = clock_idle(&clock_vcpus[i]);
		win.spin[i] = clock_vcpus[i].spin;
	}
	profile_clear();
}

static void write_totals(FILE *out)
{
	struct profile_row total;
	unsigned int k;

	profile_total(&total);
	for (k = 0; k < PROFILE_COUNTER_COUNT; k++)
		fprintf(out, "%s\"%s\": %llu", k ? ", " : "{", profile_counter_name(k),
			(unsigned long long)total.n[k]);
	fprintf(out, ", \"dma_write_lines\": %llu, \"dma_taken_lines\": %llu, \"dma_read_lines\": %llu}",
		(unsigned long long)(core_dma.write_lines - win.dma.write_lines),
		(unsigned long long)(core_dma.taken_lines - win.dma.taken_lines),
		(unsigned long long)(core_dma.read_lines - win.dma.read_lines));
}

static void write_profile(void)
{
	char name[128];
	FILE *file;

	snprintf(name, sizeof(name), "functions-%s.csv", tag);
	file = open_out(name, "w");
	profile_write_functions(file, core_symbols());
	close_out(file, name);
	snprintf(name, sizeof(name), "lines-%s.csv", tag);
	file = open_out(name, "w");
	profile_write_lines(file, core_symbols());
	close_out(file, name);
}

static void end(void)
{
	double span = clock_seconds(clock_now() - win.begun), insns = 0;
	double wall = host_seconds(CLOCK_MONOTONIC) - win.wall;
	double cpu = host_seconds(CLOCK_THREAD_CPUTIME_ID) - win.cpu;
	const struct vcpu *v;
	unsigned int i;
	FILE *out;

	if (!win.open)
		return;
	win.open = false;
	/* so short that the machine's time has not moved */
	if (span <= 0 || wall <= 0 || cpu <= 0) {
		fprintf(stderr, "simlane: window %s is too short to be one\n", tag);
		return;
	}
	for (i = 0; i < clock_vcpu_count(); i++)
		insns += (double)(clock_vcpus[i].insns - win.insns[i]);
	out = open_out("windows.jsonl", "a");
	fprintf(out, "{\"tag\": \"%s\", \"model\": ", tag);
	json_string(out, opt.model);
	fprintf(out, ", \"virtual_ms\": %.6f, \"wall_s\": %.3f, \"cpu_s\": %.3f, \"mips\": %.2f, ",
		span * 1e3, wall, cpu, insns / cpu * 1e-6);
	fprintf(out, "\"max_ahead_cycles\": %llu, \"q_cycles\": %llu, \"cache\": %s, \"cores\": %u, \"cpu\": [",
		(unsigned long long)clock_max_ahead(true) >> CLOCK_TICK_SHIFT,
		(unsigned long long)clock_window() >> CLOCK_TICK_SHIFT,
		core_cache() ? "true" : "false", core_cores());
	for (i = 0; i < clock_vcpu_count(); i++) {
		v = &clock_vcpus[i];
		fprintf(out, "%s{\"busy\": %.4f, \"spin\": %.4f, \"insn\": %llu}", i ? ", " : "",
			1 - clock_seconds(clock_idle(v) - win.idle[i]) / span,
			clock_seconds(v->spin - win.spin[i]) / span,
			(unsigned long long)(v->insns - win.insns[i]));
	}
	fputs("], \"totals\": ", out);
	write_totals(out);
	fputs("}\n", out);
	close_out(out, "windows.jsonl");
	if (core_cache())
		write_profile();
}

/* A tag becomes part of file names: nothing but what is safe there. */
static void add_to_tag(unsigned int c)
{
	if (!c)
		tag_len = 0;
	else if (tag_len + 1 < sizeof(tag))
		tag[tag_len++] = strchr(TAG_CHARS, (int)c) ? (char)c : '_';
	tag[tag_len] = '\0';
}

/**
 * control_mark() - the guest executed a mark
 * @v: the vCPU that did
 * @op: enum mark
 * @arg: its argument, 0 to 255
 */
void control_mark(struct vcpu *v, unsigned int op, unsigned int arg)
{
	switch (op) {
	case MARK_PRESENT:
		v->now += CLOCK_TICKS(MARK_PRESENT_CYCLES);
		break;
	case MARK_PACE:
		clock_set_window(CLOCK_TICKS(arg ? opt.fine : opt.coarse));
		core_set_hurry(!arg);
		break;
	case MARK_CORES:
		if (!core_set_cores(arg))
			control_fatal("the guest wants %u cores under study and has not so many", arg);
		break;
	case MARK_CACHE:
		core_set_cache(arg);
		break;
	case MARK_SYMBOL_TEXT:
		add_symbol_text(arg);
		break;
	case MARK_SYMBOLS:
		take_symbols();
		break;
	case MARK_SEED:
		clock_shake(arg);
		break;
	case MARK_TAG:
		add_to_tag(arg);
		break;
	case MARK_BEGIN:
		begin();
		break;
	case MARK_END:
		end();
		break;
	case MARK_SCALE:
		if (!model_scale(tag, arg))
			control_fatal("%s", model_error());
		core_new_costs();
		break;
	case MARK_EXIT:
		_exit((int)arg);
	}
}
