/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nat.h - what nat.c (add, del) and nat_view.c (show, stats) share
 */
#ifndef CORELANE_NAT_H
#define CORELANE_NAT_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>

#include "corelane.h"

#define NAT_HINT	"load the module with `modprobe percore'"

/**
 * struct nat_key - a service's address and port
 * @vip: IPv4 address, network order
 * @port: port, host order
 */
struct nat_key {
	struct in_addr vip;
	uint16_t port;
};

/**
 * struct nat_args - the command line of every nat subcommand
 * @key: VIP:PORT, when @have_key
 * @have_key: one was given
 * @cpus: --cpus, or NULL
 * @ports: --ports, or NULL
 * @method: --method, enum percore_method
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
	bool json;
	bool dry_run;
	bool explain;
};

/* "10.0.0.1:80", valid until sixteen further calls of cl_str(). */
const char *nat_key_str(const struct nat_key *key);

/* "nat" or "steer"; "?" for what a newer module may have. */
const char *nat_method_str(uint8_t method);

int nat_show(const struct nat_args *args);
int nat_stats(const struct nat_args *args);

#endif /* CORELANE_NAT_H */
