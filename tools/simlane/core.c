// SPDX-License-Identifier: GPL-2.0
/*
 * The core model: an in-order core that needs cpi_base cycles for any
 * instruction whose memory is in its L1 cache, and more for what the table
 * names.  Costs known from the code alone are summed up when QEMU translates a
 * block; only memory is looked at as it is accessed, and only on the cores
 * under study: the others stand for other machines, whose caches are not this
 * machine's.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "clock.h"
#include "control.h"
#include "core.h"
#include "decode.h"
#include "model.h"
#include "pages.h"
#include "profile.h"
#include "qemu.h"

struct core_dma core_dma;

static qemu_plugin_id_t plugin;
static struct symbols *syms, *next_syms;
static bool cache_on, hurry, translating;
static unsigned int cores;
static u64 idle_start, idle_end;	/* the kernel's polling loop */
static u64 ram;

/*
 * A translated block's price, packed into the one word that its callback gets:
 * to follow a pointer would cost more than all else the callback does.
 */
#define BLOCK_TICKS_BITS	26
#define BLOCK_INSNS_BITS	10
#define BLOCK_LOCKED_BITS	8
#define BLOCK_SYMBOL_BITS	20

struct block {
	u32 ticks, insns, locked, symbol;
};

static u64 least(u64 value, unsigned int bits)
{
	return value < (1ULL << bits) ? value : (1ULL << bits) - 1;
}

static void *pack(const struct block *b)
{
	u64 word = least(b->symbol, BLOCK_SYMBOL_BITS);

	word = word << BLOCK_LOCKED_BITS | least(b->locked, BLOCK_LOCKED_BITS);
	word = word << BLOCK_INSNS_BITS | least(b->insns, BLOCK_INSNS_BITS);
	word = word << BLOCK_TICKS_BITS | least(b->ticks, BLOCK_TICKS_BITS);
	return (void *)(uintptr_t)word;
}

static inline struct block unpack(const void *udata)
{
	u64 word = (uintptr_t)udata;

	return (struct block){
		.ticks = word & ((1u << BLOCK_TICKS_BITS) - 1),
		.insns = word >> BLOCK_TICKS_BITS & ((1u << BLOCK_INSNS_BITS) - 1),
		.locked = word >> (BLOCK_TICKS_BITS + BLOCK_INSNS_BITS) &
			((1u << BLOCK_LOCKED_BITS) - 1),
		.symbol = (u32)(word >> (64 - BLOCK_SYMBOL_BITS)),
	};
}

#define COPY_SIZES	8

static struct {
	u64 miss[2][16];		/* [string move][cache_access()'s result] */
	u64 insn, locked, pause, serialize, syscall, irq_entry, irq_exit;
	u64 apic, mmio_read, mmio_write;
	u64 copy[COPY_SIZES];		/* by log2 of the bytes moved */
} cost;

/*
 * What needs no asking QEMU where memory is: Linux on x86-64 with nokaslr and four-level
 * page tables (its Documentation/arch/x86/x86_64/mm.rst).
 */
#define DIRECT_MAP	0xffff888000000000ULL
#define KERNEL_MAP	0xffffffff80000000ULL
#define KERNEL_TEXT	0xffffffff81000000ULL
#define KERNEL_SPAN	0x02800000ULL
#define APIC_PAGE	0xfee00ULL

/* These and what pages.h knows are checked against QEMU's answer this often. */
static unsigned int checks_left = 200000;

/* udata of a memory access */
#define ACCESS_LOCKED		1
#define ACCESS_STRING		2
#define ACCESS_STORE		4
#define ACCESS_SYMBOL_SHIFT	3

static void init_costs(void)
{
	const struct clock_costs idling = {
		.idle_exit = model_ticks(model.idle_exit),
		.ipi = model_ticks(model.ipi),
	};
	double level[CACHE_LEVELS] = {
		[CACHE_L2] = model.l2_hit, [CACHE_LLC] = model.llc_hit,
		[CACHE_DRAM] = model.dram, [CACHE_HITM] = model.hitm,
	};
	double all, shown;
	unsigned int r;

	for (r = 0; r < CACHE_UPGRADE + CACHE_LEVELS; r++) {
		if ((r & CACHE_LEVEL_MASK) >= CACHE_LEVELS)
			continue;
		all = level[r & CACHE_LEVEL_MASK];
		/* one that others share and this core does not: fetched and
		 * taken from them at once
		 */
		if (r == (CACHE_LLC | CACHE_UPGRADE))
			all = fmax(all, model.upgrade);
		else if (r & CACHE_UPGRADE)
			all += model.upgrade;
		shown = all > model.ooo_hide ? all - model.ooo_hide : 0;
		cost.miss[0][r] = model_ticks(shown);
		cost.miss[1][r] = model_ticks(all / model.copy_overlap);
	}
	cost.insn = model_ticks(model.cpi_base);
	cost.locked = model_ticks(model.locked);
	cost.pause = model_ticks(model.pause);
	cost.serialize = model_ticks(model.serialize);
	cost.syscall = model_ticks(model.syscall);
	cost.irq_entry = model_ticks(model.irq_entry);
	cost.irq_exit = model_ticks(model.irq_exit);
	cost.apic = model_ticks(model.apic);
	cost.mmio_read = model_ticks(model.mmio_read);
	cost.mmio_write = model_ticks(model.mmio_write);
	for (r = 0; r < COPY_SIZES; r++)
		cost.copy[r] = model_ticks((1 << r) / model.copy_bytes);
	clock_set_costs(&idling);
}

/* ---- what runs with the guest ---- */

static void on_block(unsigned int index, void *udata)
{
	const struct block b = unpack(udata);
	struct vcpu *v = clock_current();

	(void)index;
	if (!clock_may_run(v))
		qemu_leave(__builtin_return_address(0));
	v->insns += b.insns;
	v->now += b.ticks;
}

static void on_block_profiled(unsigned int index, void *udata)
{
	const struct block b = unpack(udata);
	struct vcpu *v = clock_current();
	u64 *row;

	(void)index;
	if (!clock_may_run(v))
		qemu_leave(__builtin_return_address(0));
	v->insns += b.insns;
	v->now += b.ticks;
	if (v->modelled) {
		row = profile_rows[b.symbol].n;
		row[PROFILE_insn] += b.insns;
		row[PROFILE_cycles] += b.ticks;
		row[PROFILE_locked] += b.locked;
	}
}

/* A device register, or the interrupt controller every core has. */
static void device_access(struct vcpu *v, u64 *row, u64 page, bool store)
{
	u64 ticks;

	if (page == APIC_PAGE) {
		ticks = cost.apic;
	} else if (store) {
		ticks = cost.mmio_write;
		row[PROFILE_mmio_write]++;
		qemu_stored();
	} else {
		ticks = cost.mmio_read;
		row[PROFILE_mmio_read]++;
	}
	v->now += ticks;
	row[PROFILE_cycles] += ticks;
}

/* Where is it?  False: at a device's address (@page says which), or nowhere. */
static bool ask_qemu(qemu_plugin_meminfo_t info, u64 va, u64 *pa, u64 *page)
{
	struct qemu_plugin_hwaddr *hw = qemu_plugin_get_hwaddr(info, va);

	if (!hw)
		return false;
	*pa = qemu_plugin_hwaddr_phys_addr(hw);
	if (!qemu_plugin_hwaddr_is_io(hw))
		return true;
	*page = *pa >> 12;
	return false;
}

/* False: a device's address, or none. */
static bool line_of(unsigned int core, qemu_plugin_meminfo_t info, u64 va, u64 *line, u64 *page)
{
	bool guessed = true;
	u64 pa, known;

	*page = 0;
	if (va - DIRECT_MAP < ram)
		pa = va - DIRECT_MAP;
	else if (va - KERNEL_TEXT < KERNEL_SPAN)
		pa = va - KERNEL_MAP;
	else
		guessed = pages_find(core, va, &pa);
	if (unlikely(!guessed || checks_left)) {
		if (!ask_qemu(info, va, &known, page))
			return false;
		if (!guessed) {
			pages_add(core, va, known);
			pa = known;
		} else {
			checks_left--;
			if (known != pa)
				control_fatal("a page is not where it was expected: boot the guest with nokaslr");
		}
	}
	*line = pa >> CACHE_LINE_SHIFT;
	return *line < cache_lines();
}

static void on_access(unsigned int index, qemu_plugin_meminfo_t info, uint64_t va, void *udata)
{
	static const enum profile_counter counter[CACHE_LEVELS] = {
		[CACHE_L2] = PROFILE_l2_hit, [CACHE_LLC] = PROFILE_llc_hit,
		[CACHE_DRAM] = PROFILE_dram, [CACHE_HITM] = PROFILE_hitm,
	};
	struct vcpu *v = clock_vcpu;
	unsigned int symbol = (uintptr_t)udata >> ACCESS_SYMBOL_SHIFT, result, level;
	bool string = (uintptr_t)udata & ACCESS_STRING;
	bool store = (uintptr_t)udata & ACCESS_STORE;
	u64 *row, line, page, ticks;

	(void)index;
	if (!v->modelled)
		return;
	row = profile_rows[symbol].n;
	if (!line_of(v->index, info, va, &line, &page)) {
		if (page)
			device_access(v, row, page, store);
		return;
	}
	row[PROFILE_refs]++;
	result = cache_access(v->index, line, store || ((uintptr_t)udata & ACCESS_LOCKED));
	ticks = cost.miss[string][result];
	if (string && store)
		ticks += cost.copy[qemu_plugin_mem_size_shift(info) % COPY_SIZES];
	if (likely(result == CACHE_L1 && !ticks))
		return;
	level = result & CACHE_LEVEL_MASK;
	if (level != CACHE_L1) {
		row[PROFILE_l1_miss]++;
		row[counter[level]]++;
	}
	if (result & CACHE_UPGRADE)
		row[PROFILE_upgrade]++;
	if (level == CACHE_HITM || (result & CACHE_UPGRADE))
		profile_line(line, va, symbol, level != CACHE_HITM);
	v->now += ticks;
	row[PROFILE_cycles] += ticks;
}

static void on_idle(unsigned int index, void *udata)
{
	(void)index;
	(void)udata;
	clock_poll(clock_current());
}

static void on_pause(unsigned int index, void *udata)
{
	struct vcpu *v = clock_current();
	u64 *row;

	(void)index;
	v->now += cost.pause;
	v->spin += cost.pause;
	if (cache_on && v->modelled) {
		row = profile_rows[(uintptr_t)udata].n;
		row[PROFILE_spin]++;
		row[PROFILE_cycles] += cost.pause;
	}
}

/* Some of these flush the core's TLB. */
static void on_serialize(unsigned int index, void *udata)
{
	struct vcpu *v = clock_current();

	(void)index;
	(void)udata;
	if (v->modelled)
		pages_flush(v->index);
}

static void on_halt(unsigned int index, void *udata)
{
	(void)index;
	(void)udata;
	clock_halt(clock_current());
}

/* While the guest boots, waiting by the time-stamp counter may be cut short. */
#define HURRY_CYCLES	2000

static void on_rdtsc(unsigned int index, void *udata)
{
	(void)index;
	(void)udata;
	if (hurry)
		clock_current()->now += CLOCK_TICKS(HURRY_CYCLES);
}

static void on_mark(unsigned int index, void *udata)
{
	(void)index;
	control_mark(clock_current(), (uintptr_t)udata >> 8, (uintptr_t)udata & 0xff);
}

/**
 * core_dma_access() - a device reads or writes guest memory
 * @gpa: guest physical address, bytes
 * @len: bytes
 * @write: the device writes
 *
 * QEMU's translator reads the guest's code the same way; that is no device.  A
 * device that works in QEMU's main loop (9p) is not seen: the caches belong to
 * the vCPU thread.
 */
void core_dma_access(u64 gpa, size_t len, bool write)
{
	u64 line, last;

	if (!cache_on || translating || !clock_is_vcpu_thread())
		return;
	last = (gpa + len - 1) >> CACHE_LINE_SHIFT;
	for (line = gpa >> CACHE_LINE_SHIFT; line <= last; line++) {
		if (write) {
			core_dma.write_lines++;
			core_dma.taken_lines += cache_device_write(line);
		} else {
			core_dma.read_lines++;
			cache_device_read(line);
		}
	}
}

/* ---- translation ---- */

static bool interrupt_entry(u64 pc, unsigned int symbol)
{
	const struct symbol *s = &syms->sym[symbol];

	return s->start == pc && (!strncmp(s->name, "asm_sysvec_", 11) ||
				  !strncmp(s->name, "asm_exc_", 8) ||
				  !strcmp(s->name, "asm_common_interrupt"));
}

/* Register what this instruction calls when executed; return its static cost. */
static u64 translate_insn(struct qemu_plugin_insn *insn, struct block *b, bool idle)
{
	uintptr_t udata = (uintptr_t)b->symbol << ACCESS_SYMBOL_SHIFT;
	u8 bytes[16] = { 0 }, op = 0, arg = 0;
	size_t len = qemu_plugin_insn_data(insn, bytes, sizeof(bytes));
	qemu_plugin_vcpu_udata_cb_t call = NULL;
	void *with = NULL;
	u64 ticks = 0;

	switch (decode(bytes, len, &op, &arg)) {
	case INSN_LOCKED:
		b->locked++;
		ticks = cost.locked;
		udata |= ACCESS_LOCKED;
		break;
	case INSN_STRING:
		udata |= ACCESS_STRING;
		break;
	case INSN_SERIALIZE:
		ticks = cost.serialize;
		if (cache_on)
			call = on_serialize;
		break;
	case INSN_SYSCALL:
		ticks = cost.syscall;
		break;
	case INSN_IRET:
		ticks = cost.irq_exit;
		break;
	case INSN_PAUSE:
		call = idle ? on_idle : on_pause;
		with = (void *)(uintptr_t)b->symbol;
		break;
	case INSN_HLT:
		call = on_halt;
		break;
	case INSN_RDTSC:
		call = on_rdtsc;
		break;
	case INSN_MARK:
		call = on_mark;
		with = (void *)(uintptr_t)(op << 8 | arg);
		break;
	case INSN_PLAIN:
		break;
	}
	if (call)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, call, QEMU_PLUGIN_CB_NO_REGS, with);
	if (cache_on && !idle) {
		qemu_plugin_register_vcpu_mem_cb(insn, on_access, QEMU_PLUGIN_CB_NO_REGS,
						 QEMU_PLUGIN_MEM_R, (void *)udata);
		qemu_plugin_register_vcpu_mem_cb(insn, on_access, QEMU_PLUGIN_CB_NO_REGS,
						 QEMU_PLUGIN_MEM_W, (void *)(udata | ACCESS_STORE));
	}
	return ticks;
}

/* Nothing of the kernel's idle loop is charged: in it, no time passes. */
static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	u64 pc = qemu_plugin_tb_vaddr(tb), ticks;
	size_t i, n = qemu_plugin_tb_n_insns(tb);
	bool idle = pc >= idle_start && pc < idle_end;
	struct block b = { .insns = (u32)n, .symbol = symbols_find(syms, pc) };

	(void)id;
	if (unlikely(!qemu_running))
		control_first_block();
	translating = true;
	ticks = n * cost.insn;
	if (interrupt_entry(pc, b.symbol))
		ticks += cost.irq_entry;
	for (i = 0; i < n; i++)
		ticks += translate_insn(qemu_plugin_tb_get_insn(tb, i), &b, idle);
	translating = false;
	b.ticks = (u32)least(ticks, BLOCK_TICKS_BITS);
	if (!idle)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, cache_on ? on_block_profiled : on_block,
						     QEMU_PLUGIN_CB_NO_REGS, pack(&b));
}

static bool find_idle_loop(void)
{
	return symbols_range(syms, "cpu_idle_poll", &idle_start, &idle_end);
}

static bool symbols_fit(void)
{
	return syms->count < 1u << BLOCK_SYMBOL_BITS;
}

/* All vCPUs are out of translated code, which is gone. */
static void on_reset(qemu_plugin_id_t id)
{
	if (next_syms) {
		symbols_free(syms);
		free(syms);
		syms = next_syms;
		next_syms = NULL;
		if (!symbols_fit() || !profile_init(syms->count) || !find_idle_loop())
			control_fatal("the guest's new symbols are of no use");
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
}

/**
 * core_init() - set the model up
 * @id: our plugin
 * @symbols: the guest kernel's functions; ours from now on
 * @ram_bytes: the guest's RAM
 *
 * Return: false if the symbols or the memory do not do.
 */
bool core_init(qemu_plugin_id_t id, struct symbols *symbols, u64 ram_bytes)
{
	plugin = id;
	syms = symbols;
	ram = ram_bytes;
	init_costs();
	if (!find_idle_loop() || !symbols_fit() || !profile_init(syms->count))
		return false;
	/* RAM above the hole below 4 GiB has addresses past its size */
	if (!cache_init(ram_bytes + (4ULL << 30), (unsigned int)model.l1_kb,
			(unsigned int)model.l2_kb, (unsigned int)model.llc_kb))
		return false;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	return true;
}

/**
 * core_set_symbols() - the guest's functions have changed
 * @symbols: as they are now; ours from now on
 */
void core_set_symbols(struct symbols *symbols)
{
	if (next_syms) {
		symbols_free(next_syms);
		free(next_syms);
	}
	next_syms = symbols;
	qemu_plugin_reset(plugin, on_reset);
}

/* All caches are empty, also that of pages. */
static void forget(void)
{
	unsigned int i;

	cache_clear();
	for (i = 0; i < CACHE_MAX_CORES; i++)
		pages_flush(i);
}

/**
 * core_set_cache() - look at memory accesses, or do not
 * @on: which
 */
void core_set_cache(bool on)
{
	if (cache_on == on)
		return;
	cache_on = on;
	forget();
	qemu_plugin_reset(plugin, on_reset);
}

/**
 * core_new_costs() - the model's constants have changed
 */
void core_new_costs(void)
{
	init_costs();
	qemu_plugin_reset(plugin, on_reset);
}

/**
 * core_cache() - are memory accesses looked at?
 *
 * Return: true if so.
 */
bool core_cache(void)
{
	return cache_on;
}

/**
 * core_set_cores() - which cores are under study
 * @n: the first n
 *
 * Return: false if there are not so many, or more than the caches have.
 */
bool core_set_cores(unsigned int n)
{
	unsigned int i;

	if (n > clock_vcpu_count() || n > CACHE_MAX_CORES)
		return false;
	if (cores != n)
		forget();
	cores = n;
	for (i = 0; i < clock_vcpu_count(); i++)
		clock_vcpus[i].modelled = i < n;
	return true;
}

/**
 * core_cores() - how many cores are under study
 *
 * Return: their number; they are the first.
 */
unsigned int core_cores(void)
{
	return cores;
}

/**
 * core_set_hurry() - cut waiting by the time-stamp counter short, or do not
 * @on: which
 */
void core_set_hurry(bool on)
{
	hurry = on;
}

/**
 * core_symbols() - the functions that counters are for
 *
 * Return: their table.
 */
const struct symbols *core_symbols(void)
{
	return syms;
}
