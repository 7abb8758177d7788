/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nat.h - what the files of corelane nat share
 */
#ifndef CORELANE_NAT_H
#define CORELANE_NAT_H

#include <arpa/inet.h>
#include <linux/percore.h>
#include <stdbool.h>
#include <stdint.h>

#include "corelane.h"

#define NAT_HINT	"load the module with `modprobe percore'"

/**
 * struct nat_key - a service's address and port
 * @family: AF_INET or AF_INET6
 * @vip: address, network order; zeros behind an IPv4 address
 * @port: port, host order
 * @proto: IPPROTO_TCP or IPPROTO_UDP
 */
struct nat_key {
	int family;
	union {
		struct in_addr in;
		struct in6_addr in6;
	} vip;
	uint16_t port;
	uint8_t proto;
};

/**
 * struct nat_args - the command line of every nat subcommand
 * @key: VIP:PORT, when @have_key
 * @have_key: one was given
 * @cpus: --cpus, or NULL
 * @ports: --ports, or NULL
 * @method: --method, enum percore_method
 * @have_method: one was given
 * @balance: --balance, enum percore_balance
 * @have_balance: one was given
 * @mark: --mark, percent; 0 when none was given
 * @cpu_mark: --cpu-mark, percent, 0 for none, when @have_cpu_mark
 * @have_cpu_mark: one was given
 * @json: --json
 * @dry_run: --dry-run
 * @explain: --explain
 */
struct nat_args {
	struct nat_key key;
	bool have_key;
	const char *cpus;
	const char *ports;
	uint8_t method;
	bool have_method;
	uint8_t balance;
	bool have_balance;
	uint8_t mark;
	uint8_t cpu_mark;
	bool have_cpu_mark;
	bool json;
	bool dry_run;
	bool explain;
};

bool nat_key_equal(const struct nat_key *a, const struct nat_key *b);

/* "10.0.0.1:80", "[2001:db8::1]:80" or "10.0.0.1:53/udp", valid until sixteen further calls of cl_str(). */
const char *nat_key_str(const struct nat_key *key);

/* "tcp" or "udp". */
const char *nat_proto_str(const struct nat_key *key);

/* "nat", "steer" or "front"; "?" for what a newer module may have. */
const char *nat_method_str(uint8_t method);

/* "none" or "spill"; "?" for what a newer module may have. */
const char *nat_balance_str(uint8_t balance);

/* Neighbouring ports share a cache line of the kernel's bind hash; 16 apart
 * none does.
 */
#define NAT_DEFAULT_PORTS	"8000+16"

/**
 * struct nat_lane - a CPU and the private port of its server
 * @cpu: CPU
 * @port: port
 */
struct nat_lane {
	unsigned int cpu;
	uint16_t port;
};

/**
 * struct nat_lanes - the lanes of a service, without those that are retired
 * @n: how many
 * @lane: each
 */
struct nat_lanes {
	size_t n;
	struct nat_lane lane[PERCORE_MAX_LANES];
};

/* The CPUs of --cpus, a list or all that are online; CL_OK or what to exit with. */
int nat_parse_cpus(const char *text, struct nat_lanes *lanes);

/* The lanes of a new service by --cpus and --ports; likewise. */
int nat_lanes_new(const struct nat_args *args, struct nat_lanes *lanes);

/* Those of one that there is, where one or both are given; likewise. */
int nat_lanes_changed(const struct nat_args *args, struct nat_lanes *lanes);

/* Those that the service has at present; likewise. */
int nat_lanes_read(const struct nat_args *args, struct nat_lanes *lanes);

/* A CPU's lane, or NULL. */
const struct nat_lane *nat_lane_of(const struct nat_lanes *lanes,
				   unsigned int cpu);

#define NAT_COUNTERS	(PERCORE_A_STATS_MAX + 1 - PERCORE_A_STATS_NEW)

/**
 * struct nat_row - the counters of a service on a CPU
 * @key: service
 * @cpu: CPU
 * @port: private port of its lane; 0 when it has none
 * @n: counters, in the order of enum percore_stats_attr
 */
struct nat_row {
	struct nat_key key;
	unsigned int cpu;
	uint16_t port;
	uint64_t n[NAT_COUNTERS];
};

struct nlmsghdr;

/* Does the command line ask for this service? */
bool nat_wanted(const struct nat_args *args, const struct nat_key *key);

/* What a message tells of a service, as show --json does; NULL: it is broken. */
json_t *nat_service_json(const struct nlmsghdr *nlh, struct nat_key *key);

/* A word or number of such an object. */
const char *nat_text(const json_t *object, const char *name);
int nat_number(const json_t *object, const char *name);

/* "none", or "spill 50%". */
const char *nat_balance_text(const json_t *service);

/* What a message tells of counters; false: it is broken. */
bool nat_row_read(const struct nlmsghdr *nlh, struct nat_row *row);

/* The name of a counter, by its place in struct nat_row. */
const char *nat_counter_name(size_t i);

int nat_show(const struct nat_args *args);
int nat_stats(const struct nat_args *args);
int nat_monitor(const struct nat_args *args);

#endif /* CORELANE_NAT_H */
