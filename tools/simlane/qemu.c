// SPDX-License-Identifier: GPL-2.0
/*
 * What simlane relies on inside QEMU 10.0, in this file alone.
 *
 * Debian builds QEMU with loadable modules, so its executable exports its
 * functions and data; dlsym() finds them.  Of their insides we rely on this,
 * and qemu_check() tries every point before the guest's first instruction:
 *
 *  - struct AccelOpsClass holds, in this order, handle_interrupt,
 *    get_virtual_clock, set_virtual_clock and get_elapsed_ticks.  We find the
 *    first by its value (tcg_handle_interrupt) and fill the empty others; with
 *    thread=single QEMU leaves them empty and reads the host's clock.
 *  - main_loop_tlg is an array of timer lists, the virtual clock's second.
 *    Devices have put their timers on that list.  We set it aside, give the
 *    main loop an empty one in its place, and run the first ourselves: the
 *    main loop would otherwise wait for virtual times in host time.
 *  - thread=single runs all vCPUs in one thread; current_cpu tells which.  (The
 *    index QEMU hands to plugins is the one of the vCPU that translated the
 *    code, which is of no use here.)
 *  - a device's access to guest RAM ends in memcpy() or memmove(), reached
 *    through the executable's own jump slots, which we redirect.
 *  - what a disk's controller is asked to do waits in the main loop's
 *    AioContext, whose GSource is laid out as GLib 2 shows it; see
 *    qemu_take_disks().
 *  - E1000E keeps its five interrupt timers as (timer, running, register,
 *    ns per unit, core); see qemu_nic_interrupt_gap().
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "qemu.h"

enum { CLOCK_VIRTUAL = 1 };		/* QEMUClockType */
enum { INTERRUPT_HARD = 2 };		/* CPU_INTERRUPT_HARD */
#define ACCEL_OPS_WORDS	48		/* more than AccelOpsClass has */
#define MAX_VCPUS	256

struct clock_slots {
	void (*handle_interrupt)(void *cpu, int mask);
	s64 (*get_virtual_clock)(void);
	void (*set_virtual_clock)(s64 ns);
	s64 (*get_elapsed_ticks)(void);
};

static struct {
	/* functions */
	const void *(*cpus_get_accel)(void);
	void *(*qemu_get_cpu)(int index);
	void (*cpu_exit)(void *cpu);
	void (*cpu_loop_exit_restore)(void *cpu, uintptr_t pc) __attribute__((noreturn));
	void (*cpu_physical_memory_rw)(u64 address, void *buffer, u64 len, bool is_write);
	bool (*cpu_has_work)(void *cpu);
	bool (*bql_locked)(void);
	void (*bql_lock_impl)(const char *file, int line);
	void (*bql_unlock)(void);
	s64 (*qemu_clock_get_ns)(int type);
	s64 (*cpus_get_elapsed_ticks)(void);
	s64 (*qemu_clock_deadline_ns_all)(int type, int attributes);
	void *(*timerlist_new)(int type, void *notify, void *opaque);
	bool (*timerlist_run_timers)(void *list);
	bool (*timerlist_has_timers)(void *list);
	void *(*qemu_ram_block_by_name)(const char *name);
	void *(*qemu_ram_get_host_addr)(void *block);
	u64 (*qemu_ram_get_used_length)(void *block);
	void *(*object_get_root)(void);
	int (*object_child_foreach_recursive)(void *obj, int (*fn)(void *child, void *opaque),
					      void *opaque);
	const char *(*object_get_typename)(const void *obj);
	void *(*qemu_get_aio_context)(void);
	void *(*aio_get_g_source)(void *ctx);
	s64 (*aio_compute_timeout)(void *ctx);
	bool (*aio_poll)(void *ctx, bool blocking);
	void *(*g_main_context_default)(void);
	void (*g_main_context_wakeup)(void *context);
	void (*g_source_remove_poll)(void *source, void *fd);
	/* functions we only compare or hand on */
	void *tcg_handle_interrupt;
	void *qemu_timer_notify_cb;
	/* data */
	void **main_loop_tlg;
	bool *mttcg_enabled;
	int *use_icount;
} q;

static const struct {
	const char *name;
	void **where;
} symbols[] = {
#define SYMBOL(name) { #name, (void **)&q.name }
	SYMBOL(cpus_get_accel), SYMBOL(qemu_get_cpu), SYMBOL(cpu_exit), SYMBOL(cpu_has_work),
	SYMBOL(cpu_loop_exit_restore), SYMBOL(cpu_physical_memory_rw),
	SYMBOL(bql_locked), SYMBOL(bql_lock_impl), SYMBOL(bql_unlock),
	SYMBOL(qemu_clock_get_ns), SYMBOL(cpus_get_elapsed_ticks),
	SYMBOL(qemu_clock_deadline_ns_all), SYMBOL(timerlist_new), SYMBOL(timerlist_run_timers),
	SYMBOL(timerlist_has_timers), SYMBOL(qemu_ram_block_by_name),
	SYMBOL(qemu_ram_get_host_addr), SYMBOL(qemu_ram_get_used_length),
	SYMBOL(object_get_root), SYMBOL(object_child_foreach_recursive),
	SYMBOL(object_get_typename), SYMBOL(tcg_handle_interrupt), SYMBOL(qemu_timer_notify_cb),
	SYMBOL(qemu_get_aio_context), SYMBOL(aio_get_g_source), SYMBOL(aio_compute_timeout),
	SYMBOL(aio_poll), SYMBOL(g_main_context_default), SYMBOL(g_main_context_wakeup),
	SYMBOL(g_source_remove_poll),
	SYMBOL(main_loop_tlg), SYMBOL(mttcg_enabled), SYMBOL(use_icount),
#undef SYMBOL
};

void **qemu_running;

static char why[256];
static struct qemu_clock_ops clock_ops;
static struct clock_slots *slots;
static void *vcpus[MAX_VCPUS];
static unsigned int vcpu_count;
static void *device_timers;		/* the virtual clock's list, set aside */
static qemu_dma_fn dma_fn;
static u8 *ram_host;
static u64 ram_size, ram_low;

static bool refuse(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	return false;
}

/**
 * qemu_error() - why the last call in this file returned false
 *
 * Return: a sentence.
 */
const char *qemu_error(void)
{
	return why;
}

/**
 * qemu_attach() - find what we need in this QEMU
 * @cpus: number of vCPUs the guest has
 *
 * Return: false if this QEMU cannot serve; see qemu_error().
 */
bool qemu_attach(unsigned int cpus)
{
	size_t i;

	if (cpus > MAX_VCPUS)
		return refuse("%u vCPUs, and %d is the most", cpus, MAX_VCPUS);
	for (i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		*symbols[i].where = dlsym(RTLD_DEFAULT, symbols[i].name);
		if (!*symbols[i].where)
			return refuse("it does not export %s: use Debian's build of QEMU 10.0",
				      symbols[i].name);
	}
	return true;
}

/**
 * qemu_attach_thread() - learn where this thread keeps its running vCPU
 *
 * To be called once, in the vCPU thread: current_cpu is thread-local.
 */
void qemu_attach_thread(void)
{
	qemu_running = dlsym(RTLD_DEFAULT, "current_cpu");
}

/**
 * qemu_vcpu_add() - a vCPU exists from now on
 * @index: its number
 */
void qemu_vcpu_add(unsigned int index)
{
	if (index >= MAX_VCPUS)
		return;
	vcpus[index] = q.qemu_get_cpu((int)index);
	if (index >= vcpu_count)
		vcpu_count = index + 1;
}

/**
 * qemu_index_of() - the number of a vCPU
 * @cpu: as found in qemu_running
 *
 * Return: its index, or the number of vCPUs if it is none of ours.
 */
unsigned int qemu_index_of(const void *cpu)
{
	unsigned int i;

	for (i = 0; i < vcpu_count; i++)
		if (vcpus[i] == cpu)
			break;
	return i;
}

static void on_interrupt(void *cpu, int mask)
{
	((void (*)(void *, int))q.tcg_handle_interrupt)(cpu, mask);
	if (mask & INTERRUPT_HARD)
		clock_ops.interrupt(qemu_index_of(cpu));
}

/* Virtual time moves only as vCPUs run: nobody sets it. */
static void on_set_virtual_clock(s64 ns)
{
	(void)ns;
}

/**
 * qemu_take_clock() - from now on we tell QEMU the time
 * @ops: how
 *
 * Big lock held; vCPU thread, before a vCPU has run.
 *
 * Return: false if QEMU's table of clock functions is not as we know it.
 */
bool qemu_take_clock(const struct qemu_clock_ops *ops)
{
	void **word = (void **)(uintptr_t)q.cpus_get_accel();
	int i;

	if (*q.mttcg_enabled || *q.use_icount)
		return refuse("it runs with threads or icount: start it with -accel tcg,thread=single");
	for (i = 0; word && i < ACCEL_OPS_WORDS; i++)
		if (word[i] == q.tcg_handle_interrupt)
			break;
	if (!word || i == ACCEL_OPS_WORDS || word[i + 1] || word[i + 2] || word[i + 3])
		return refuse("its table of accelerator functions differs from QEMU 10.0's");
	clock_ops = *ops;
	slots = (struct clock_slots *)&word[i];
	slots->handle_interrupt = on_interrupt;
	slots->get_virtual_clock = ops->virtual_ns;
	slots->set_virtual_clock = on_set_virtual_clock;
	slots->get_elapsed_ticks = ops->tsc;
	return true;
}

/**
 * qemu_take_timers() - take the devices' timers from the main loop
 *
 * vCPU thread, without the big lock, once the machine is made.
 *
 * Return: false if they are not where we expect them.
 */
bool qemu_take_timers(void)
{
	void **list = &q.main_loop_tlg[CLOCK_VIRTUAL];
	bool ok;

	q.bql_lock_impl(__FILE__, __LINE__);
	ok = *list && q.timerlist_has_timers(*list);
	if (ok) {
		device_timers = *list;
		*list = q.timerlist_new(CLOCK_VIRTUAL, q.qemu_timer_notify_cb, NULL);
	}
	q.bql_unlock();
	return ok || refuse("its devices' timers are not on the main loop's list");
}

/**
 * qemu_check() - does QEMU do as we assume?
 *
 * vCPU thread, after the clock and the timers are ours.
 *
 * Return: false, with the reason in qemu_error(), if not.
 */
bool qemu_check(void)
{
	s64 now = clock_ops.virtual_ns();
	s64 deadline;

	if (q.qemu_clock_get_ns(CLOCK_VIRTUAL) != now)
		return refuse("its virtual clock is not ours");
	if (q.cpus_get_elapsed_ticks() != clock_ops.tsc())
		return refuse("its time-stamp counter is not ours");
	if (!qemu_running || qemu_index_of(*qemu_running) >= vcpu_count)
		return refuse("it does not tell which vCPU runs");
	if (q.bql_locked())
		return refuse("it runs guest code under its big lock");
	deadline = qemu_timer_deadline();
	if (deadline < 0)
		return refuse("no timer of its devices can be seen");
	return true;
}

/* GLib's GSourceFuncs and the beginning of its GSource */
struct source_funcs {
	int (*prepare)(void *source, int *timeout);
	int (*check)(void *source);
	int (*dispatch)(void *source, void *callback, void *data);
	void (*finalize)(void *source);
	void *closure[2];
};

struct source {
	void *callback_data;
	void *callback_funcs;
	const struct source_funcs *funcs;
	u32 ref_count;
	void *context;
	int priority;
	u32 flags, id;
	struct list {
		void *data;
		struct list *next;
	} *fds;
};

static struct {
	void *ctx;			/* NULL: the main loop does this work */
	const struct source_funcs *theirs;
	s64 latency;			/* ns */
	s64 due;			/* ns; 0: nothing is asked for */
	bool waits;			/* and for what a store asked for */
} disks;

static int disks_prepare(void *source, int *timeout)
{
	(void)source;
	*timeout = -1;
	return 0;
}

/* Theirs takes back that the main loop wants to be woken. */
static int disks_check(void *source)
{
	disks.theirs->check(source);
	return 0;
}

static int disks_dispatch(void *source, void *callback, void *data)
{
	(void)source;
	(void)callback;
	(void)data;
	return 1;
}

/**
 * qemu_take_disks() - do in virtual time what the main loop does for disks
 * @ns: how long after it was asked for, 1 or more
 *
 * A write to an NVMe controller's doorbell leaves the rest to the main loop,
 * which gets to it when the host lets it.  We keep it from looking there, and
 * do that work in the vCPU thread, where QEMU does so too when it must wait for
 * a disk.  That is all of it only where the host's files have no part: null-co.
 *
 * vCPU thread, without the big lock, once the machine is made.
 *
 * Return: false if the AioContext is not as we know it.
 */
bool qemu_take_disks(unsigned int ns)
{
	static struct source_funcs ours = {
		.prepare = disks_prepare, .check = disks_check, .dispatch = disks_dispatch,
	};
	struct source *source;
	bool ok;

	q.bql_lock_impl(__FILE__, __LINE__);
	source = q.aio_get_g_source(q.qemu_get_aio_context());
	ok = source->context == q.g_main_context_default() && source->funcs && source->fds;
	if (ok) {
		disks.ctx = q.qemu_get_aio_context();
		disks.latency = ns;
		disks.theirs = source->funcs;
		ours.finalize = disks.theirs->finalize;
		source->funcs = &ours;
		/* nor does it wake for what it does not look at */
		while (source->fds)
			q.g_source_remove_poll(source, source->fds->data);
	}
	q.bql_unlock();
	return ok || refuse("its disks' work is not in the main loop");
}

static bool disks_asked(void)
{
	return disks.ctx && !q.aio_compute_timeout(disks.ctx);
}

/**
 * qemu_stored() - a core under study wrote to a device
 *
 * If that asked for something, the answer takes its time.  What is asked for
 * while the cache model is off, or by others, is done at once.
 */
void qemu_stored(void)
{
	if (!disks.ctx || disks.waits || !disks_asked())
		return;
	disks.due = q.qemu_clock_get_ns(CLOCK_VIRTUAL) + disks.latency;
	disks.waits = true;
}

/* Time must move for what is due to be run, so that "at once" is a ns later. */
static s64 disks_deadline(void)
{
	s64 now;

	if (!disks.due && !disks_asked())
		return -1;
	now = q.qemu_clock_get_ns(CLOCK_VIRTUAL);
	if (!disks.due)
		disks.due = now + 1;
	return disks.due > now ? disks.due - now : 0;
}

/* More rounds than a command takes; big lock held. */
#define DISKS_ROUNDS	1000

static void run_disks(void)
{
	int i;

	if (!disks.ctx || disks_deadline())
		return;
	disks.due = 0;
	disks.waits = false;
	for (i = 0; i < DISKS_ROUNDS && q.aio_poll(disks.ctx, false); i++)
		;
	/* There may have been a word for it as well: to end, for one. */
	q.g_main_context_wakeup(NULL);
}

/**
 * qemu_timer_deadline() - when is the next thing due that devices do by themselves?
 *
 * Return: ns from the virtual clock's now, 0 if it is due, -1 if there is none.
 */
s64 qemu_timer_deadline(void)
{
	s64 timers = q.qemu_clock_deadline_ns_all(CLOCK_VIRTUAL, -1);
	s64 own = disks_deadline();

	return timers < 0 || (own >= 0 && own < timers) ? own : timers;
}

/**
 * qemu_run_timers() - run what is due now
 *
 * vCPU thread; takes the big lock, as an access to a device does.
 */
void qemu_run_timers(void)
{
	q.bql_lock_impl(__FILE__, __LINE__);
	q.timerlist_run_timers(device_timers);
	q.timerlist_run_timers(q.main_loop_tlg[CLOCK_VIRTUAL]);
	run_disks();
	q.bql_unlock();
}

/**
 * qemu_yield() - end the running vCPU's turn with its present block
 */
void qemu_yield(void)
{
	q.cpu_exit(*qemu_running);
}

/**
 * qemu_leave() - end the running vCPU's turn before the block that is beginning
 * @return_address: of the callback that runs at the block's beginning
 *
 * QEMU finds the block's first instruction by that address, less the 2 bytes
 * that its own helpers take off (GETPC_ADJ), and begins there next time.  The
 * search makes this several times dearer than qemu_yield().
 */
void qemu_leave(void *return_address)
{
	qemu_yield();
	q.cpu_loop_exit_restore(*qemu_running, (uintptr_t)return_address - 2);
}

/**
 * qemu_has_work() - does something wait for this vCPU?
 * @index: vCPU
 *
 * Return: true if it would leave HLT.
 */
bool qemu_has_work(unsigned int index)
{
	return q.cpu_has_work(vcpus[index]);
}

/* Guest RAM sits in one block; above the PCI hole it goes on at 4 GiB. */
static void on_copy(const void *at, size_t len, bool write)
{
	u64 offset = (u64)((const u8 *)at - ram_host);

	if (offset < ram_size && len)
		dma_fn(offset < ram_low ? offset : offset - ram_low + (1ULL << 32), len, write);
}

static void *on_memmove(void *to, const void *from, size_t len)
{
	on_copy(to, len, true);
	on_copy(from, len, false);
	return memmove(to, from, len);
}

static void *on_memcpy(void *to, const void *from, size_t len)
{
	on_copy(to, len, true);
	on_copy(from, len, false);
	return memcpy(to, from, len);
}

enum { TRIAL_ADDRESS = 0x1000, TRIAL_LEN = 64 };

struct slot_search {
	const char *name;
	void **slot;
};

/* The first object that dl_iterate_phdr() shows is the executable. */
static int find_slot(struct dl_phdr_info *info, size_t size, void *data)
{
	struct slot_search *want = data;
	const Elf64_Rela *rela = NULL;
	const Elf64_Dyn *dyn = NULL;
	const Elf64_Sym *sym = NULL;
	const char *str = NULL;
	size_t i, bytes = 0;

	(void)size;
	for (i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
			dyn = (void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
	for (; dyn && dyn->d_tag != DT_NULL; dyn++) {
		if (dyn->d_tag == DT_JMPREL)
			rela = (void *)dyn->d_un.d_ptr;
		else if (dyn->d_tag == DT_PLTRELSZ)
			bytes = dyn->d_un.d_val;
		else if (dyn->d_tag == DT_SYMTAB)
			sym = (void *)dyn->d_un.d_ptr;
		else if (dyn->d_tag == DT_STRTAB)
			str = (void *)dyn->d_un.d_ptr;
	}
	for (i = 0; rela && sym && str && i < bytes / sizeof(*rela); i++)
		if (!strcmp(str + sym[ELF64_R_SYM(rela[i].r_info)].st_name, want->name))
			want->slot = (void **)(info->dlpi_addr + rela[i].r_offset);
	return 1;
}

/* Point the executable's jump slot for @name at @fn (its page is read-only). */
static bool redirect(const char *name, void *fn)
{
	struct slot_search want = { .name = name };
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *start;

	dl_iterate_phdr(find_slot, &want);
	if (!want.slot)
		return refuse("it has no jump slot for %s", name);
	start = (void *)((uintptr_t)want.slot & ~(page - 1));
	if (mprotect(start, page, PROT_READ | PROT_WRITE))
		return refuse("its jump slot for %s cannot be written", name);
	*want.slot = fn;
	mprotect(start, page, PROT_READ);
	return true;
}

static unsigned int tried;

static void on_trial(u64 gpa, size_t len, bool write)
{
	if (gpa == TRIAL_ADDRESS && len == TRIAL_LEN)
		tried |= write ? 2 : 1;
}

/* Read a line of RAM and write it back as a device would: are we told? */
static bool try_dma(void)
{
	u8 line[TRIAL_LEN];
	qemu_dma_fn fn = dma_fn;

	tried = 0;
	dma_fn = on_trial;
	q.cpu_physical_memory_rw(TRIAL_ADDRESS, line, sizeof(line), false);
	q.cpu_physical_memory_rw(TRIAL_ADDRESS, line, sizeof(line), true);
	dma_fn = fn;
	return tried == 3 || refuse("its devices' accesses to memory cannot be seen");
}

/**
 * qemu_watch_dma() - have devices' accesses to guest memory told
 * @ram_bytes: the guest's RAM
 * @fn: whom to tell
 *
 * Return: false if guest RAM or the jump slots are not as we know them.
 */
bool qemu_watch_dma(u64 ram_bytes, qemu_dma_fn fn)
{
	void *block = q.qemu_ram_block_by_name("pc.ram");

	if (!block || q.qemu_ram_get_used_length(block) != ram_bytes)
		return refuse("the guest has no %llu MiB of pc.ram: does ram= name what -m gives?",
			      (unsigned long long)ram_bytes >> 20);
	ram_host = q.qemu_ram_get_host_addr(block);
	ram_size = ram_bytes;
	/* q35 leaves room for PCI below 4 GiB once RAM would reach 0xb0000000 */
	ram_low = ram_bytes >= 0xb0000000 ? 0x80000000 : ram_bytes;
	dma_fn = fn;
	return redirect("memmove", (void *)on_memmove) && redirect("memcpy", (void *)on_memcpy) &&
	       try_dma();
}

/* E1000IntrDelayTimer of hw/net/e1000e_core.h */
struct nic_timer {
	void *timer;
	bool running;
	u32 delay_reg;
	u32 unit_ns;
	void *core;
};

enum { NIC_UNIT_NS = 256, NIC_FLOOR_UNITS = 500, REG_ITR = 0xc4 / 4, REG_EITR = 0xe8 / 4, NIC_TIMERS = 6 };

struct nic_search {
	unsigned int ns, nics, timers;
};

static int soften_nic(void *obj, void *opaque)
{
	struct nic_search *arg = opaque;
	struct nic_timer *t;
	size_t size, at;

	if (strcmp(q.object_get_typename(obj), "e1000e"))
		return 0;
	arg->nics++;
	/* a device of its own, so on the heap: most other objects are not */
	size = malloc_usable_size(obj);
	for (at = 0; at + sizeof(*t) <= size; at += sizeof(void *)) {
		t = (struct nic_timer *)((char *)obj + at);
		if (t->unit_ns != NIC_UNIT_NS || (char *)t->core < (char *)obj ||
		    (char *)t->core >= (char *)obj + size)
			continue;
		if (t->delay_reg != REG_ITR && t->delay_reg - REG_EITR >= 5)
			continue;
		t->unit_ns = arg->ns / NIC_FLOOR_UNITS ? arg->ns / NIC_FLOOR_UNITS : 1;
		arg->timers++;
	}
	return 0;
}

/**
 * qemu_nic_interrupt_gap() - set the least time between an e1000e's interrupts
 * @ns: what it shall be, 500 ns or more
 *
 * QEMU's e1000e never lets a vector fire twice within 500 units of 256 ns,
 * whatever its driver asks; a real 82574 obeys its driver.  The units are made
 * shorter, so that those 500 are @ns.
 *
 * Return: false if a card's six timers were not all found.
 */
bool qemu_nic_interrupt_gap(unsigned int ns)
{
	struct nic_search arg = { .ns = ns };

	q.bql_lock_impl(__FILE__, __LINE__);
	q.object_child_foreach_recursive(q.object_get_root(), soften_nic, &arg);
	q.bql_unlock();
	return arg.timers == arg.nics * NIC_TIMERS ||
	       refuse("its e1000e differs: %u interrupt timers in %u cards (nic_itr_ns=0 leaves them)",
		      arg.timers, arg.nics);
}
