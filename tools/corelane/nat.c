// SPDX-License-Identifier: GPL-2.0-only
/*
 * nat.c - corelane nat: add and delete services of percore
 */
#include <argp.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/percore.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nat.h"

/* Neighbouring ports share a cache line of the kernel's bind hash; 16 apart
 * none does.
 */
#define NAT_DEFAULT_PORTS	"8000+16"

struct nat_lane {
	unsigned int cpu;
	uint16_t port;
};

const char *nat_key_str(const struct nat_key *key)
{
	char addr[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &key->vip, addr, sizeof(addr));
	return cl_str("%s:%u", addr, key->port);
}

static const char *const methods[] = {
	[PERCORE_METHOD_NAT] = "nat",
	[PERCORE_METHOD_STEER] = "steer",
};

_Static_assert(CL_ARRAY_SIZE(methods) == PERCORE_METHOD_MAX + 1,
	       "a method has no name");

const char *nat_method_str(uint8_t method)
{
	return method < CL_ARRAY_SIZE(methods) ? methods[method] : "?";
}

static int parse_method(const char *text, uint8_t *method)
{
	for (*method = 0; *method < CL_ARRAY_SIZE(methods); ++*method)
		if (!strcmp(text, methods[*method]))
			return CL_OK;
	return cl_usage("method '%s' is not known: write 'nat' or 'steer'",
			text);
}

static int parse_key(const char *text, struct nat_key *key)
{
	char addr[INET_ADDRSTRLEN];
	const char *colon = strrchr(text, ':');
	uint32_t port;

	if (text[0] == '[' || strchr(text, ':') != colon)
		return cl_usage("'%s' is IPv6: only IPv4 is supported so far",
				text);
	if (!colon || (size_t)(colon - text) >= sizeof(addr))
		return cl_usage("'%s' is no VIP:PORT: write 10.0.0.1:80", text);
	memcpy(addr, text, (size_t)(colon - text));
	addr[colon - text] = '\0';
	if (inet_pton(AF_INET, addr, &key->vip) != 1)
		return cl_usage("'%s' is no IPv4 address: write 10.0.0.1:80",
				addr);
	if (!cl_parse_u32(colon + 1, UINT16_MAX, &port))
		return cl_usage("'%s' is no port: give a number up to 65535",
				colon + 1);
	key->port = (uint16_t)port;
	return CL_OK;
}

/* The CPUs of --cpus: a list, or all that are online. */
static int parse_cpus(const char *text, unsigned int *cpus)
{
	int n;

	if (!text || !strcmp(text, "all"))
		n = cl_online_cpus(cpus, PERCORE_MAX_LANES);
	else
		n = cl_parse_cpulist(text, cpus, PERCORE_MAX_LANES);
	if (n == -E2BIG)
		cl_usage("more than %d CPUs: name fewer with --cpus",
			 PERCORE_MAX_LANES);
	else if (n < 0 && (!text || !strcmp(text, "all")))
		cl_error("cannot read the online CPUs: %s", strerror(-n));
	else if (n < 0)
		cl_usage("'%s' is no list of CPUs: write 0-3 or 0,2,4", text);
	return n;
}

/* BASE or BASE+STEP; lane i listens on BASE + i * STEP. */
static int parse_ports(const char *text, int lanes, uint32_t *base,
		       uint32_t *step)
{
	char *copy = strdup(text), *plus;
	bool good;

	if (!copy)
		return cl_error("out of memory");
	*step = 16;
	plus = strchr(copy, '+');
	if (plus)
		*plus++ = '\0';
	good = cl_parse_u32(copy, UINT16_MAX, base) &&
	       (!plus || cl_parse_u32(plus, UINT16_MAX, step));
	free(copy);
	if (!good)
		return cl_usage("'%s' are no ports: write 8000 or 8000+16",
				text);
	if (*base + (uint64_t)*step * (uint64_t)(lanes - 1) > UINT16_MAX)
		return cl_usage("ports %u, %u apart, for %d lanes end beyond 65535: choose a smaller base or step",
				*base, *step, lanes);
	return CL_OK;
}

/* The kernel may give such a port to an outgoing connection, which then gets
 * no answer on the service's address. Worth a word, not a refusal.
 */
static void warn_ephemeral(const struct nat_lane *lanes, int n)
{
	char buf[64];
	unsigned int low, high;

	if (cl_read_file(buf, sizeof(buf),
			 "/proc/sys/net/ipv4/ip_local_port_range") < 0 ||
	    sscanf(buf, "%u %u", &low, &high) != 2)
		return;
	for (int i = 0; i < n; i++) {
		if (lanes[i].port < low || lanes[i].port > high)
			continue;
		cl_error("warning: port %u is in net.ipv4.ip_local_port_range: choose others with --ports, or reserve it",
			 lanes[i].port);
		return;
	}
}

/* What add would do, or did. */
static int report_service(const struct nat_args *args,
			  const struct nat_lane *lanes, int n)
{
	struct cl_table table;
	json_t *list;

	if (args->json) {
		list = json_array();
		for (int i = 0; i < n; i++)
			json_array_append_new(list,
				json_pack("{s:i, s:i}", "cpu",
					  (int)lanes[i].cpu, "port",
					  (int)lanes[i].port));
		return cl_print_json(json_pack("{s:s, s:s, s:s, s:b, s:o}",
			"service", nat_key_str(&args->key), "proto", "tcp",
			"method", nat_method_str(args->method), "dry_run", args->dry_run, "lanes",
			list));
	}
	if (!args->dry_run)
		return CL_OK;
	printf("service %s, method %s, %d lanes (nothing was changed)\n",
	       nat_key_str(&args->key), nat_method_str(args->method), n);
	cl_table_init(&table, 2);
	cl_table_row(&table, "CPU", "PORT");
	for (int i = 0; i < n; i++)
		cl_table_row(&table, cl_str("%u", lanes[i].cpu),
			     cl_str("%u", lanes[i].port));
	cl_table_print(&table);
	return CL_OK;
}

static void put_key(struct nlmsghdr *nlh, const struct nat_key *key)
{
	mnl_attr_put(nlh, PERCORE_A_SERVICE_VIP4, sizeof(key->vip), &key->vip);
	mnl_attr_put_u16(nlh, PERCORE_A_SERVICE_PORT, htons(key->port));
	mnl_attr_put_u8(nlh, PERCORE_A_SERVICE_PROTO, IPPROTO_TCP);
}

static void put_service(struct nlmsghdr *nlh, const struct nat_args *args,
			const struct nat_lane *lanes, int n)
{
	struct nlattr *nest;

	put_key(nlh, &args->key);
	mnl_attr_put_u8(nlh, PERCORE_A_SERVICE_METHOD, args->method);
	for (int i = 0; i < n; i++) {
		nest = mnl_attr_nest_start(nlh, PERCORE_A_SERVICE_LANE);
		mnl_attr_put_u32(nlh, PERCORE_A_LANE_CPU, lanes[i].cpu);
		mnl_attr_put_u16(nlh, PERCORE_A_LANE_PORT,
				 htons(lanes[i].port));
		mnl_attr_nest_end(nlh, nest);
	}
}

static int send_service(const struct nat_args *args,
			const struct nat_lane *lanes, int n)
{
	struct cl_genl *genl = cl_genl_open(PERCORE_GENL_NAME, NAT_HINT);
	int err;

	if (!genl)
		return CL_FAIL;
	/* 1,024 lanes of 20 bytes fit into the buffer three times. */
	put_service(cl_genl_msg(genl, PERCORE_CMD_SERVICE_NEW,
				PERCORE_GENL_VERSION, 0), args, lanes, n);
	err = cl_genl_run(genl, NULL, NULL);
	if (err)
		cl_error("cannot add %s: %s", nat_key_str(&args->key),
			 cl_genl_why(genl, err));
	cl_genl_close(genl);
	return err ? CL_FAIL : CL_OK;
}

static int nat_add(const struct nat_args *args)
{
	const char *ports = args->ports ? args->ports : NAT_DEFAULT_PORTS;
	static struct nat_lane lanes[PERCORE_MAX_LANES];
	static unsigned int cpus[PERCORE_MAX_LANES];
	uint32_t base, step;
	int n, ret;

	n = parse_cpus(args->cpus, cpus);
	if (n < 0)
		return CL_USAGE;
	ret = parse_ports(ports, n, &base, &step);
	if (ret)
		return ret;
	for (int i = 0; i < n; i++) {
		lanes[i].cpu = cpus[i];
		lanes[i].port = (uint16_t)(base + step * (uint32_t)i);
	}
	warn_ephemeral(lanes, n);
	if (!args->dry_run) {
		ret = send_service(args, lanes, n);
		if (ret)
			return ret;
	}
	return report_service(args, lanes, n);
}

static int nat_del(const struct nat_args *args)
{
	struct cl_genl *genl = cl_genl_open(PERCORE_GENL_NAME, NAT_HINT);
	int err;

	if (!genl)
		return CL_FAIL;
	put_key(cl_genl_msg(genl, PERCORE_CMD_SERVICE_DEL,
			    PERCORE_GENL_VERSION, 0), &args->key);
	err = cl_genl_run(genl, NULL, NULL);
	if (err)
		cl_error("cannot delete %s: %s", nat_key_str(&args->key),
			 cl_genl_why(genl, err));
	cl_genl_close(genl);
	if (err)
		return CL_FAIL;
	if (args->json)
		return cl_print_json(json_pack("{s:s}", "deleted",
					       nat_key_str(&args->key)));
	return CL_OK;
}

static int set_lane(struct cl_genl *genl, const struct nat_args *args,
		    unsigned int cpu, bool drain)
{
	struct nlmsghdr *nlh = cl_genl_msg(genl, PERCORE_CMD_LANE_SET,
					   PERCORE_GENL_VERSION, 0);
	struct nlattr *nest;
	int err;

	put_key(nlh, &args->key);
	nest = mnl_attr_nest_start(nlh, PERCORE_A_SERVICE_LANE);
	mnl_attr_put_u32(nlh, PERCORE_A_LANE_CPU, cpu);
	mnl_attr_put_u8(nlh, PERCORE_A_LANE_DRAIN, drain);
	mnl_attr_nest_end(nlh, nest);
	err = cl_genl_run(genl, NULL, NULL);
	if (err)
		cl_error("cannot %s CPU %u of %s: %s",
			 drain ? "drain" : "undrain", cpu,
			 nat_key_str(&args->key), cl_genl_why(genl, err));
	return err;
}

static int set_lanes(const struct nat_args *args, bool drain)
{
	static unsigned int cpus[PERCORE_MAX_LANES];
	struct cl_genl *genl;
	int n, err = 0;

	if (!args->cpus)
		return cl_usage("which lanes? name their CPUs with --cpus");
	n = parse_cpus(args->cpus, cpus);
	if (n < 0)
		return CL_USAGE;
	genl = cl_genl_open(PERCORE_GENL_NAME, NAT_HINT);
	if (!genl)
		return CL_FAIL;
	for (int i = 0; !err && i < n; i++)
		err = set_lane(genl, args, cpus[i], drain);
	cl_genl_close(genl);
	return err ? CL_FAIL : CL_OK;
}

static int nat_drain(const struct nat_args *args)
{
	return set_lanes(args, true);
}

static int nat_undrain(const struct nat_args *args)
{
	return set_lanes(args, false);
}

enum {
	OPT_CPUS = 256,
	OPT_PORTS,
	OPT_METHOD,
	OPT_DRY_RUN,
	OPT_JSON,
	OPT_EXPLAIN,
};

#define OPTION_JSON { "json", OPT_JSON, NULL, 0, "Print JSON", 0 }

static const struct argp_option add_options[] = {
	{ "cpus", OPT_CPUS, "LIST", 0,
	  "CPUs that get a lane, as 0-3,8, or `all' that are online (default)",
	  0 },
	{ "ports", OPT_PORTS, "BASE[+STEP]", 0,
	  "Private port of the first lane, and the distance to the next "
	  "(default " NAT_DEFAULT_PORTS "; ports closer than 16 share a cache "
	  "line of the kernel's port table)", 0 },
	{ "method", OPT_METHOD, "METHOD", 0,
	  "nat (default): rewrite ports, for any server; steer: give the "
	  "lane's listener the connection as it is", 0 },
	{ "dry-run", OPT_DRY_RUN, NULL, 0, "Show the lanes, change nothing",
	  0 },
	OPTION_JSON, { 0 }
};

static const struct argp_option lane_options[] = {
	{ "cpus", OPT_CPUS, "LIST", 0, "CPUs of the lanes, as 0-3,8", 0 },
	{ 0 }
};

static const struct argp_option plain_options[] = { OPTION_JSON, { 0 } };

static const struct argp_option stats_options[] = {
	{ "explain", OPT_EXPLAIN, NULL, 0, "Say what each counter counts", 0 },
	OPTION_JSON, { 0 }
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct nat_args *args = state->input;

	switch (key) {
	case OPT_CPUS:
		args->cpus = arg;
		return 0;
	case OPT_PORTS:
		args->ports = arg;
		return 0;
	case OPT_METHOD:
		if (parse_method(arg, &args->method))
			exit(CL_USAGE);
		return 0;
	case OPT_DRY_RUN:
		args->dry_run = true;
		return 0;
	case OPT_JSON:
		args->json = true;
		return 0;
	case OPT_EXPLAIN:
		args->explain = true;
		return 0;
	case ARGP_KEY_ARG:
		if (args->have_key)
			argp_error(state, "one VIP:PORT is enough");
		if (parse_key(arg, &args->key))
			exit(CL_USAGE);
		args->have_key = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct action {
	const char *name;
	int (*run)(const struct nat_args *args);
	const struct argp argp;
	bool needs_key;
} actions[] = {
	{ "add", nat_add,
	  { .options = add_options, .parser = parse_option,
	    .args_doc = "VIP:PORT",
	    .doc = "Give every CPU a lane of the service: a private port on which that CPU's server listens." },
	  true },
	{ "del", nat_del,
	  { .options = plain_options, .parser = parse_option,
	    .args_doc = "VIP:PORT", .doc = "Delete the service." }, true },
	{ "drain", nat_drain,
	  { .options = lane_options, .parser = parse_option,
	    .args_doc = "VIP:PORT",
	    .doc = "Give these lanes no new connections; those they have go on." },
	  true },
	{ "undrain", nat_undrain,
	  { .options = lane_options, .parser = parse_option,
	    .args_doc = "VIP:PORT",
	    .doc = "Give these lanes their share of new connections again." },
	  true },
	{ "show", nat_show,
	  { .options = plain_options, .parser = parse_option,
	    .args_doc = "[VIP:PORT]", .doc = "Show services and lanes." },
	  false },
	{ "stats", nat_stats,
	  { .options = stats_options, .parser = parse_option,
	    .args_doc = "[VIP:PORT]", .doc = "Show counters, a row per CPU." },
	  false },
};

static int run_action(const struct action *action, int argc, char **argv)
{
	struct nat_args args = { 0 };
	char name[64];

	snprintf(name, sizeof(name), "corelane nat %s", action->name);
	argv[0] = name;
	if (argp_parse(&action->argp, argc, argv, 0, NULL, &args))
		return CL_USAGE;
	if (action->needs_key && !args.have_key)
		return cl_usage("no VIP:PORT is given: see `%s --help'", name);
	return action->run(&args);
}

static void print_help(FILE *out)
{
	fputs("Usage: corelane nat ACTION [OPTION...] [VIP:PORT]\n"
	      "One address and port in front of a listener per CPU.\n\n"
	      "  add      add a service\n"
	      "  del      delete a service\n"
	      "  drain    give lanes no new connections\n"
	      "  undrain  give them their share again\n"
	      "  show     show services and their lanes\n"
	      "  stats    show counters\n\n"
	      "`corelane nat ACTION --help' tells more.\n", out);
}

int cmd_nat(int argc, char **argv)
{
	if (argc < 2) {
		print_help(stderr);
		return CL_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-?")) {
		print_help(stdout);
		return CL_OK;
	}
	for (size_t i = 0; i < CL_ARRAY_SIZE(actions); i++)
		if (!strcmp(argv[1], actions[i].name))
			return run_action(&actions[i], argc - 1, argv + 1);
	return cl_usage("no action '%s': see `corelane nat --help'", argv[1]);
}
