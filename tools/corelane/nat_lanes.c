// SPDX-License-Identifier: GPL-2.0-only
/*
 * nat_lanes.c - which lanes a service shall have, by --cpus and --ports
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nat.h"

/* The distance where none is told. */
#define DEFAULT_STEP	16

int nat_parse_cpus(const char *text, struct nat_lanes *lanes)
{
	static unsigned int cpus[PERCORE_MAX_LANES];
	bool all = !text || !strcmp(text, "all");
	int n;

	n = all ? cl_online_cpus(cpus, PERCORE_MAX_LANES) :
		  cl_parse_cpulist(text, cpus, PERCORE_MAX_LANES);
	if (n == -E2BIG)
		return cl_usage("more than %d CPUs: name fewer with --cpus",
				PERCORE_MAX_LANES);
	if (n == -ERANGE)
		return cl_usage("'%s': CPU numbers end at %d", text,
				CL_MAX_CPUS - 1);
	if (n < 0 && all)
		return cl_error("cannot read the online CPUs: %s", strerror(-n));
	if (n < 0)
		return cl_usage("'%s' is no list of CPUs: write 0-3 or 0,2,4",
				text);
	lanes->n = (size_t)n;
	for (size_t i = 0; i < lanes->n; i++)
		lanes->lane[i].cpu = cpus[i];
	return CL_OK;
}

/* BASE or BASE+STEP; lane i listens on BASE + i * STEP. */
static int parse_ports(const char *text, size_t lanes, uint32_t *base,
		       uint32_t *step)
{
	char *copy = strdup(text), *plus;
	bool good;

	if (!copy)
		return cl_error("out of memory");
	*step = DEFAULT_STEP;
	plus = strchr(copy, '+');
	if (plus)
		*plus++ = '\0';
	good = cl_parse_u32(copy, UINT16_MAX, base) &&
	       (!plus || cl_parse_u32(plus, UINT16_MAX, step));
	free(copy);
	if (!good)
		return cl_usage("'%s' are no ports: write 8000 or 8000+16",
				text);
	if (*base + (uint64_t)*step * (lanes - 1) > UINT16_MAX)
		return cl_usage("ports %u, %u apart, for %zu lanes end beyond 65535: choose a smaller base or step",
				*base, *step, lanes);
	return CL_OK;
}

/* A list like 8000,9000-9010 has the port. */
static bool port_listed(const char *list, unsigned int port)
{
	unsigned int first, last;
	int len;

	while (sscanf(list, "%u%n", &first, &len) == 1) {
		list += len;
		last = first;
		if (sscanf(list, "-%u%n", &last, &len) == 1)
			list += len;
		if (port >= first && port <= last)
			return true;
		if (*list++ != ',')
			break;
	}
	return false;
}

/* The kernel may give such a port to an outgoing connection, which then gets
 * no answer on the service's address. Worth a word, not a refusal.
 */
static void warn_ephemeral(const struct nat_lanes *lanes)
{
	static char reserved[65536];
	char buf[64];
	unsigned int low, high;

	if (cl_read_file(buf, sizeof(buf),
			 "/proc/sys/net/ipv4/ip_local_port_range") < 0 ||
	    sscanf(buf, "%u %u", &low, &high) != 2)
		return;
	if (cl_read_file(reserved, sizeof(reserved),
			 "/proc/sys/net/ipv4/ip_local_reserved_ports") < 0)
		*reserved = '\0';
	for (size_t i = 0; i < lanes->n; i++) {
		unsigned int port = lanes->lane[i].port;

		if (port < low || port > high || port_listed(reserved, port))
			continue;
		cl_error("warning: port %u is in net.ipv4.ip_local_port_range: choose others with --ports, or reserve it in ip_local_reserved_ports",
			 port);
		return;
	}
}

/* Give lanes, whose CPUs are there, ports as --ports says. */
static int lay_out(const char *ports, struct nat_lanes *lanes)
{
	uint32_t base, step;
	int ret;

	ret = parse_ports(ports, lanes->n, &base, &step);
	if (ret)
		return ret;
	for (size_t i = 0; i < lanes->n; i++)
		lanes->lane[i].port = (uint16_t)(base + step * (uint32_t)i);
	warn_ephemeral(lanes);
	return CL_OK;
}

int nat_lanes_new(const struct nat_args *args, struct nat_lanes *lanes)
{
	int ret;

	ret = nat_parse_cpus(args->cpus, lanes);
	if (ret)
		return ret;
	return lay_out(args->ports ? args->ports : NAT_DEFAULT_PORTS, lanes);
}

const struct nat_lane *nat_lane_of(const struct nat_lanes *lanes,
				   unsigned int cpu)
{
	for (size_t i = 0; i < lanes->n; i++)
		if (lanes->lane[i].cpu == cpu)
			return &lanes->lane[i];
	return NULL;
}

static int by_port(const void *a, const void *b)
{
	const struct nat_lane *one = a, *other = b;

	return one->port - other->port;
}

/* The last of a service's ports, and how far apart they are; 0: some farther than
 * others.
 */
static uint32_t step_of(const struct nat_lanes *lanes, uint32_t *last)
{
	static struct nat_lanes sorted;
	int step = DEFAULT_STEP;

	sorted = *lanes;
	qsort(sorted.lane, sorted.n, sizeof(*sorted.lane), by_port);
	*last = sorted.lane[sorted.n - 1].port;
	if (sorted.n > 1)
		step = sorted.lane[1].port - sorted.lane[0].port;
	for (size_t i = 2; i < sorted.n; i++)
		if (sorted.lane[i].port - sorted.lane[i - 1].port != step)
			return 0;
	return (uint32_t)step;
}

/* Servers listen already where CPUs have a lane: there they stay. Other CPUs' ports
 * are behind those of all lanes that there are, also of those that go: their
 * servers are still needed.
 */
static int go_on(const struct nat_lanes *present, struct nat_lanes *lanes)
{
	uint32_t last, step = step_of(present, &last);

	for (size_t i = 0; i < lanes->n; i++) {
		struct nat_lane *lane = &lanes->lane[i];
		const struct nat_lane *was = nat_lane_of(present, lane->cpu);

		last += was ? 0 : step;
		if (!was && !step)
			return cl_usage("which port for CPU %u? the present ones are not equally far apart: give --ports as well",
					lane->cpu);
		if (last > UINT16_MAX)
			return cl_usage("which port for CPU %u? the present ones, %u apart, would go on beyond 65535: give --ports as well",
					lane->cpu, step);
		lane->port = was ? was->port : (uint16_t)last;
	}
	warn_ephemeral(lanes);
	return CL_OK;
}

int nat_lanes_changed(const struct nat_args *args, struct nat_lanes *lanes)
{
	static struct nat_lanes present;
	int ret = CL_OK;

	if (args->cpus && args->ports)
		return nat_lanes_new(args, lanes);
	if (args->cpus)
		ret = nat_parse_cpus(args->cpus, lanes);
	if (!ret)
		ret = nat_lanes_read(args, &present);
	if (ret)
		return ret;
	if (args->cpus)
		return go_on(&present, lanes);
	*lanes = present;
	return lay_out(args->ports, lanes);
}
