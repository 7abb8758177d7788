// SPDX-License-Identifier: GPL-2.0
/*
 * calibrate_host.c - the machine measured: clocks, processors, noise
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "calibrate.h"

/**
 * cal_ns() - monotonic nanoseconds
 * Return: nanoseconds since some moment.
 */
uint64_t cal_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/**
 * cal_pin() - keep the calling thread on one processor
 * @cpu: its number
 * Return: 0, or -1 if it may not run there.
 */
int cal_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

/**
 * cal_switches() - how often the calling thread lost its processor
 *
 * A batch during which this moved measured somebody else's program.
 *
 * Return: involuntary context switches so far.
 */
long cal_switches(void)
{
	struct rusage use;

	getrusage(RUSAGE_THREAD, &use);
	return use.ru_nivcsw;
}

/**
 * cal_steal() - time a hypervisor took from this machine
 * Return: seconds since boot, over all processors.
 */
double cal_steal(void)
{
	unsigned long long v[8] = { 0 };
	FILE *file = fopen("/proc/stat", "r");

	if (!file)
		return 0;
	if (fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2],
		   &v[3], &v[4], &v[5], &v[6], &v[7]) != 8)
		v[7] = 0;
	fclose(file);
	return (double)v[7] / sysconf(_SC_CLK_TCK);
}

static int read_int(int missing, const char *fmt, int cpu)
{
	char path[128];
	int value = missing;
	FILE *file;

	snprintf(path, sizeof(path), fmt, cpu);
	file = fopen(path, "r");
	if (!file)
		return missing;
	if (fscanf(file, "%d", &value) != 1)
		value = missing;
	fclose(file);
	return value;
}

/* Sizes of the data caches, as the kernel lists them. */
static void read_caches(struct cal_host *host)
{
	char path[128], type[16];
	int index;

	for (index = 0; index < 8; index++) {
		static const char base[] = "/sys/devices/system/cpu/cpu%d/cache/index%d/%s";
		size_t kib = 0;
		int level = 0;
		FILE *file;

		snprintf(path, sizeof(path), base, host->cpu[0].id, index, "type");
		file = fopen(path, "r");
		if (!file)
			return;
		if (fscanf(file, "%15s", type) != 1)
			type[0] = 0;
		fclose(file);
		if (!strcmp(type, "Instruction"))
			continue;
		snprintf(path, sizeof(path), base, host->cpu[0].id, index, "level");
		file = fopen(path, "r");
		if (file) {
			if (fscanf(file, "%d", &level) != 1)
				level = 0;
			fclose(file);
		}
		snprintf(path, sizeof(path), base, host->cpu[0].id, index, "size");
		file = fopen(path, "r");
		if (file) {
			if (fscanf(file, "%zuK", &kib) != 1)
				kib = 0;
			fclose(file);
		}
		if (level == 1)
			host->l1 = kib << 10;
		else if (level == 2)
			host->l2 = kib << 10;
		if (level >= 2)
			host->llc = kib << 10;
	}
}

static void read_cpuinfo(struct cal_host *host)
{
	FILE *file = fopen("/proc/cpuinfo", "r");
	char line[8192];

	snprintf(host->model, sizeof(host->model), "unknown processor");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		char *value = strchr(line, ':');

		if (!value)
			continue;
		value += strspn(value, ": \t");
		value[strcspn(value, "\n")] = 0;
		if (!strncmp(line, "model name", 10))
			snprintf(host->model, sizeof(host->model), "%.60s", value);
		else if (!strncmp(line, "flags", 5) && strstr(value, " hypervisor"))
			host->virtual = true;
	}
	fclose(file);
}

/* The counter's rate against the kernel's clock. */
static double tsc_rate(void)
{
	uint64_t t0, t1, n0, n1;

	n0 = cal_ns();
	t0 = cal_tsc();
	do {
		n1 = cal_ns();
	} while (n1 - n0 < 50000000);
	t1 = cal_tsc();
	return (double)(t1 - t0) / (n1 - n0);
}

/**
 * cal_host_init() - learn processors, caches and the counter's rate
 * @host: filled in
 * Return: 0, or -1 with a message.
 */
int cal_host_init(struct cal_host *host)
{
	cpu_set_t set;
	int cpu;

	memset(host, 0, sizeof(*host));
	if (sched_getaffinity(0, sizeof(set), &set)) {
		perror("calibrate: sched_getaffinity");
		return -1;
	}
	host->cpu = calloc(CPU_COUNT(&set), sizeof(*host->cpu));
	if (!host->cpu)
		return -1;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		struct cal_cpu *c = &host->cpu[host->cpus];

		if (!CPU_ISSET(cpu, &set))
			continue;
		c->id = cpu;
		c->core = read_int(cpu, "/sys/devices/system/cpu/cpu%d/topology/core_id", cpu);
		c->package = read_int(0, "/sys/devices/system/cpu/cpu%d/topology/physical_package_id", cpu);
		host->cpus++;
	}
	read_caches(host);
	read_cpuinfo(host);
	if (!host->l1 || !host->l2 || !host->llc) {
		cal_warn("the kernel lists no caches; 32 KiB, 1 MiB and 32 MiB are assumed");
		host->l1 = 32 << 10;
		host->l2 = 1 << 20;
		host->llc = 32 << 20;
	}
	if (host->virtual)
		cal_warn("a virtual machine: its neighbours and its hypervisor are in every figure");
	if (host->cpus < 2)
		cal_warn("one processor: what two cores cost each other keeps the table's values");
	host->tsc_ghz = tsc_rate();
	return 0;
}

/**
 * cal_host_free() - give back what cal_host_init() took
 * @host: the machine
 */
void cal_host_free(struct cal_host *host)
{
	free(host->cpu);
	host->cpu = NULL;
}

/**
 * cal_buffer() - memory in huge pages if there are any
 * @host: told whether it got them
 * @size: bytes, a multiple of 2 MiB
 *
 * Small pages would put the cost of a TLB miss into each latency.
 *
 * Return: touched memory, or NULL.  To be unmapped by the caller.
 */
void *cal_buffer(struct cal_host *host, size_t size)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	void *mem;

	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | MAP_HUGETLB | MAP_POPULATE, -1, 0);
	host->huge = mem != MAP_FAILED;
	if (mem == MAP_FAILED) {
		uintptr_t start, end;

		/* Transparent ones want their alignment: cut it out. */
		mem = mmap(NULL, size + (2 << 20), PROT_READ | PROT_WRITE, flags, -1, 0);
		if (mem == MAP_FAILED)
			return NULL;
		start = ((uintptr_t)mem + (2 << 20) - 1) & ~((uintptr_t)(2 << 20) - 1);
		end = (uintptr_t)mem + size + (2 << 20);
		if (start != (uintptr_t)mem)
			munmap(mem, start - (uintptr_t)mem);
		if (start + size != end)
			munmap((void *)(start + size), end - start - size);
		mem = (void *)start;
		host->huge = !madvise(mem, size, MADV_HUGEPAGE);
	}
	memset(mem, 0, size);
	return mem;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/**
 * cal_summary() - median and spread
 * @samples: is sorted
 * @count: how many; none gives zeroes
 * Return: the summary.
 */
struct cal_stat cal_summary(double *samples, int count)
{
	struct cal_stat stat = { .samples = count };

	if (count <= 0)
		return stat;
	qsort(samples, count, sizeof(*samples), compare);
	stat.median = samples[count / 2];
	stat.low = samples[count / 10];
	stat.high = samples[count - 1 - count / 10];
	return stat;
}

/**
 * cal_place() - where two processors are to each other
 * @a: one
 * @b: another
 * Return: the nearest thing they share.
 */
enum cal_place cal_place(const struct cal_cpu *a, const struct cal_cpu *b)
{
	if (a->package != b->package)
		return CAL_REMOTE;
	return a->core == b->core ? CAL_SIBLING : CAL_PACKAGE;
}
