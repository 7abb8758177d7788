// SPDX-License-Identifier: GPL-2.0
/*
 * calibrate_ipi.c - what stands for an interrupt between two cores
 */
#include <linux/membarrier.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "calibrate_duel.h"

static uint64_t time_syscall(struct duel *duel)
{
	uint64_t t0 = cal_tsc();
	int i;

	(void)duel;
	for (i = 0; i < 50; i++)
		syscall(SYS_getppid);
	return cal_tsc() - t0;
}

static uint64_t time_membarrier(struct duel *duel)
{
	uint64_t t0 = cal_tsc();
	int i;

	(void)duel;
	for (i = 0; i < 50; i++)
		syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
	return cal_tsc() - t0;
}

/* A wake-up there and one back, of sleepers. */
static struct cal_stat time_wake(struct cal_host *host, struct duel *duel)
{
	int batches = cal_quick ? DUEL_BATCHES / 40 : DUEL_BATCHES, count = 0;
	double samples[DUEL_BATCHES];
	uint64_t one = 1, two = 2, t0;

	duel->event[0] = eventfd(0, 0);
	duel->event[1] = eventfd(0, 0);
	duel_ask(duel, DUEL_EVENT);
	while (count < batches && !cal_stop) {
		t0 = cal_tsc();
		if (write(duel->event[0], &one, sizeof(one)) != sizeof(one) ||
		    read(duel->event[1], &one, sizeof(one)) != sizeof(one))
			break;
		samples[count++] = (cal_tsc() - t0) / host->tsc_ghz / 2;
	}
	if (write(duel->event[0], &two, sizeof(two)) == sizeof(two))
		duel_finish(duel);
	close(duel->event[0]);
	close(duel->event[1]);
	return cal_summary(samples, count);
}

/**
 * cal_ipi() - what stands for an interrupt between two cores
 * @host: the machine
 * @table: gets ipi where it can be told; hitm and irq_entry must be there
 *
 * membarrier() interrupts the cores that run the process's other threads and
 * waits until each has answered: a system call, the order to the interrupt
 * controller, delivery, entry, and the answer's line back.
 */
void cal_ipi(struct cal_host *host, struct cal_table *table)
{
	struct cal_stat call, barrier, wake;
	static struct duel duel;
	pthread_t thread;
	size_t size = 2 << 20;
	double cycles;
	char *mem;
	int other;

	for (other = 1; other < host->cpus; other++)
		if (cal_place(&host->cpu[0], &host->cpu[other]) == CAL_PACKAGE)
			break;
	if (other >= host->cpus)
		return;
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0)) {
		cal_warn("no membarrier() here: ipi keeps the table's value");
		return;
	}
	mem = cal_buffer(host, size);
	if (!mem || !duel_begin(&duel, &thread, mem, host->cpu[0].id, host->cpu[other].id))
		return;
	cal_say("interrupts between processors %d and %d", host->cpu[0].id, host->cpu[other].id);
	call = duel_timed(host, &duel, time_syscall, 50);
	barrier = duel_timed(host, &duel, time_membarrier, 50);
	wake = time_wake(host, &duel);
	duel_end(&duel, thread);
	munmap(mem, size);
	if (!call.samples || !barrier.samples)
		return;
	cycles = (barrier.median - call.median) * host->ghz - cal_table_get(table, "hitm")->value -
		 cal_table_get(table, "irq_entry")->value;
	cal_say("membarrier %.0f ns, of it %.0f ns the system call; waking a sleeper %.0f ns",
		barrier.median, call.median, wake.median);
	if (host->virtual)
		cal_warn("ipi keeps the table's value: here an interrupt goes through the hypervisor (membarrier %.0f ns, system call %.0f ns, waking a sleeper %.0f ns)",
			 barrier.median, call.median, wake.median);
	else if (cycles > 0)
		cal_table_set(table, "ipi", cycles, &barrier,
			      "cycles, membarrier() less system call, hitm and irq_entry (stands for an IPI; waking a sleeper takes %.0f ns)",
			      wake.median);
}
