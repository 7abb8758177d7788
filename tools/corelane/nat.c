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

const char *nat_key_str(const struct nat_key *key)
{
	char addr[INET6_ADDRSTRLEN];

	inet_ntop(key->family, &key->vip, addr, sizeof(addr));
	return cl_str(key->family == AF_INET6 ? "[%s]:%u%s" : "%s:%u%s", addr,
		      key->port, key->proto == IPPROTO_UDP ? "/udp" : "");
}

const char *nat_proto_str(const struct nat_key *key)
{
	return key->proto == IPPROTO_UDP ? "udp" : "tcp";
}

bool nat_key_equal(const struct nat_key *a, const struct nat_key *b)
{
	return a->family == b->family && a->port == b->port &&
	       a->proto == b->proto &&
	       !memcmp(&a->vip, &b->vip, sizeof(a->vip));
}

static const char *const methods[] = {
	[PERCORE_METHOD_NAT] = "nat",
	[PERCORE_METHOD_STEER] = "steer",
	[PERCORE_METHOD_FRONT] = "front",
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
	return cl_usage("method '%s' is not known: write 'nat', 'steer' or 'front'",
			text);
}

static const char *const balances[] = {
	[PERCORE_BALANCE_NONE] = "none",
	[PERCORE_BALANCE_SPILL] = "spill",
};

_Static_assert(CL_ARRAY_SIZE(balances) == PERCORE_BALANCE_MAX + 1,
	       "a balance has no name");

const char *nat_balance_str(uint8_t balance)
{
	return balance < CL_ARRAY_SIZE(balances) ? balances[balance] : "?";
}

static int parse_balance(const char *text, uint8_t *balance)
{
	for (*balance = 0; *balance < CL_ARRAY_SIZE(balances); ++*balance)
		if (!strcmp(text, balances[*balance]))
			return CL_OK;
	return cl_usage("balance '%s' is not known: write 'none' or 'spill'",
			text);
}

static int parse_mark(const char *name, const char *text, uint8_t least,
		      uint8_t most, uint8_t *mark)
{
	uint32_t percent;

	if (!cl_parse_u32(text, most, &percent) || percent < least)
		return cl_usage("%s '%s' is no percentage: write %u to %u",
				name, text, least, most);
	*mark = (uint8_t)percent;
	return CL_OK;
}

/* PORT, PORT/tcp or PORT/udp. */
static int parse_port(const char *text, struct nat_key *key)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char number[8] = "";
	uint32_t port;

	key->proto = IPPROTO_TCP;
	if (slash && !strcmp(slash, "/udp"))
		key->proto = IPPROTO_UDP;
	else if (slash && strcmp(slash, "/tcp") != 0)
		return cl_usage("'%s' is no protocol: write /tcp or /udp",
				slash);
	if (len < sizeof(number))
		memcpy(number, text, len);
	if (!cl_parse_u32(number, UINT16_MAX, &port))
		return cl_usage("'%s' is no port: give a number up to 65535",
				text);
	key->port = (uint16_t)port;
	return CL_OK;
}

/* Split ADDRESS:PORT or [ADDRESS]:PORT. */
static int split_key(const char *text, char *addr, size_t size,
		     const char **port, int *family)
{
	bool brackets = text[0] == '[';
	const char *end = strrchr(text, brackets ? ']' : ':');
	const char *start = text + brackets;
	size_t len = end ? (size_t)(end - start) : size;

	if (!brackets && strchr(text, ':') != end)
		return cl_usage("'%s' needs brackets: write [2001:db8::1]:80",
				text);
	if (len >= size || (brackets && end[1] != ':'))
		return cl_usage("'%s' is no VIP:PORT: write 10.0.0.1:80 or [2001:db8::1]:80",
				text);
	memcpy(addr, start, len);
	addr[len] = '\0';
	*port = end + 1 + brackets;
	*family = brackets ? AF_INET6 : AF_INET;
	return CL_OK;
}

static int parse_key(const char *text, struct nat_key *key)
{
	char addr[INET6_ADDRSTRLEN];
	const char *port = "";
	int ret;

	ret = split_key(text, addr, sizeof(addr), &port, &key->family);
	if (ret)
		return ret;
	if (inet_pton(key->family, addr, &key->vip) != 1)
		return cl_usage("'%s' is no %s address: write 10.0.0.1:80 or [2001:db8::1]:80",
				addr, key->family == AF_INET ? "IPv4" : "IPv6");
	return parse_port(port, key);
}

/* The mark that a new service has; 0 when it does not spill. */
static uint8_t mark_of(const struct nat_args *args)
{
	if (args->balance != PERCORE_BALANCE_SPILL)
		return 0;
	return args->mark ? args->mark : PERCORE_MARK_DEFAULT;
}

/* What add would do, or did. */
static int report_service(const struct nat_args *args,
			  const struct nat_lanes *lanes)
{
	uint8_t mark = mark_of(args);
	struct cl_table table;
	json_t *list;

	if (args->json) {
		list = json_array();
		for (size_t i = 0; i < lanes->n; i++)
			json_array_append_new(list,
				json_pack("{s:i, s:i}", "cpu",
					  (int)lanes->lane[i].cpu, "port",
					  (int)lanes->lane[i].port));
		return cl_print_json(json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:b, s:o}",
			"service", nat_key_str(&args->key), "proto",
			nat_proto_str(&args->key),
			"method", nat_method_str(args->method), "balance",
			nat_balance_str(args->balance), "mark",
			mark ? json_integer(mark) : json_null(), "cpu_mark",
			args->cpu_mark ? json_integer(args->cpu_mark) :
			json_null(), "dry_run",
			args->dry_run, "lanes", list));
	}
	if (!args->dry_run)
		return CL_OK;
	printf("service %s, method %s, %zu lanes (nothing was changed)\n",
	       nat_key_str(&args->key), nat_method_str(args->method), lanes->n);
	cl_table_init(&table, 2);
	cl_table_row(&table, "CPU", "PORT");
	for (size_t i = 0; i < lanes->n; i++)
		cl_table_row(&table, cl_str("%u", lanes->lane[i].cpu),
			     cl_str("%u", lanes->lane[i].port));
	cl_table_print(&table);
	return CL_OK;
}

static void put_key(struct nlmsghdr *nlh, const struct nat_key *key)
{
	if (key->family == AF_INET6)
		mnl_attr_put(nlh, PERCORE_A_SERVICE_VIP6, sizeof(key->vip.in6),
			     &key->vip);
	else
		mnl_attr_put(nlh, PERCORE_A_SERVICE_VIP4, sizeof(key->vip.in),
			     &key->vip);
	mnl_attr_put_u16(nlh, PERCORE_A_SERVICE_PORT, htons(key->port));
	mnl_attr_put_u8(nlh, PERCORE_A_SERVICE_PROTO, key->proto);
}

static void put_service(struct nlmsghdr *nlh, const struct nat_args *args,
			const struct nat_lanes *lanes)
{
	struct nlattr *nest;

	put_key(nlh, &args->key);
	if (args->have_method)
		mnl_attr_put_u8(nlh, PERCORE_A_SERVICE_METHOD, args->method);
	if (args->have_balance)
		mnl_attr_put_u8(nlh, PERCORE_A_SERVICE_BALANCE, args->balance);
	if (args->mark)
		mnl_attr_put_u8(nlh, PERCORE_A_SERVICE_MARK, args->mark);
	if (args->have_cpu_mark)
		mnl_attr_put_u8(nlh, PERCORE_A_SERVICE_CPU_MARK,
				args->cpu_mark);
	for (size_t i = 0; i < lanes->n; i++) {
		nest = mnl_attr_nest_start(nlh, PERCORE_A_SERVICE_LANE);
		mnl_attr_put_u32(nlh, PERCORE_A_LANE_CPU, lanes->lane[i].cpu);
		mnl_attr_put_u16(nlh, PERCORE_A_LANE_PORT,
				 htons(lanes->lane[i].port));
		mnl_attr_nest_end(nlh, nest);
	}
}

static int send_service(const struct nat_args *args, uint8_t cmd,
			const struct nat_lanes *lanes)
{
	struct cl_genl *genl = cl_genl_open(PERCORE_GENL_NAME, NAT_HINT);
	int err;

	if (!genl)
		return CL_FAIL;
	/* 1,024 lanes of 20 bytes fit into the buffer three times. */
	put_service(cl_genl_msg(genl, cmd, PERCORE_GENL_VERSION, 0), args,
		    lanes);
	err = cl_genl_run(genl, NULL, NULL);
	if (err)
		cl_error("cannot %s %s: %s",
			 cmd == PERCORE_CMD_SERVICE_NEW ? "add" : "change",
			 nat_key_str(&args->key), cl_genl_why(genl, err));
	cl_genl_close(genl);
	return err ? CL_FAIL : CL_OK;
}

static int nat_add(const struct nat_args *args)
{
	static struct nat_lanes lanes;
	int ret;

	/* A new service has no balance that is not told here. */
	if (args->mark && !mark_of(args))
		return cl_usage("mark %u: only with --balance spill", args->mark);
	if (args->cpu_mark && !mark_of(args))
		return cl_usage("cpu-mark %u: only with --balance spill",
				args->cpu_mark);
	ret = nat_lanes_new(args, &lanes);
	if (!ret && !args->dry_run)
		ret = send_service(args, PERCORE_CMD_SERVICE_NEW, &lanes);
	return ret ? ret : report_service(args, &lanes);
}

static int nat_set(const struct nat_args *args)
{
	static struct nat_lanes lanes;
	int ret = CL_OK;

	if (!args->cpus && !args->ports && !args->have_method &&
	    !args->have_balance && !args->mark && !args->have_cpu_mark)
		return cl_usage("what shall change? give --method, --cpus, --ports, --balance, --mark or --cpu-mark");
	if (args->cpus || args->ports)
		ret = nat_lanes_changed(args, &lanes);
	return ret ? ret : send_service(args, PERCORE_CMD_SERVICE_SET, &lanes);
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

/* All or none: a CPU without a lane is found before anything is changed. */
static int check_lanes(const struct nat_args *args, const struct nat_lanes *lanes,
		       bool drain)
{
	static struct nat_lanes present;
	int ret;

	ret = nat_lanes_read(args, &present);
	for (size_t i = 0; !ret && i < lanes->n; i++)
		if (!nat_lane_of(&present, lanes->lane[i].cpu))
			ret = cl_error("CPU %u has no lane of %s, and nothing was %s: see `corelane nat show'",
				       lanes->lane[i].cpu,
				       nat_key_str(&args->key),
				       drain ? "drained" : "undrained");
	return ret;
}

static int set_lanes(const struct nat_args *args, bool drain)
{
	static struct nat_lanes lanes;
	struct cl_genl *genl;
	int ret, err = 0;

	if (!args->cpus)
		return cl_usage("which lanes? name their CPUs with --cpus");
	ret = nat_parse_cpus(args->cpus, &lanes);
	if (!ret)
		ret = check_lanes(args, &lanes, drain);
	if (ret)
		return ret;
	genl = cl_genl_open(PERCORE_GENL_NAME, NAT_HINT);
	if (!genl)
		return CL_FAIL;
	for (size_t i = 0; !err && i < lanes.n; i++)
		err = set_lane(genl, args, lanes.lane[i].cpu, drain);
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
	OPT_BALANCE,
	OPT_MARK,
	OPT_CPU_MARK,
	OPT_DRY_RUN,
	OPT_JSON,
	OPT_EXPLAIN,
};

#define STRING_OF(text)	#text
#define STRING(macro)	STRING_OF(macro)

#define OPTIONS_BALANCE							\
	{ "balance", OPT_BALANCE, "HOW", 0,				\
	  "none (default): a connection goes to its CPU's lane; spill: "\
	  "while too many wait to be accepted there, new ones go to "	\
	  "the lane with the shortest queue (TCP)", 0 },			\
	{ "mark", OPT_MARK, "PERCENT", 0,				\
	  "With spill: how full a lane's queue is then, 1 to 100 "	\
	  "(default " STRING(PERCORE_MARK_DEFAULT) ")", 0 },			\
	{ "cpu-mark", OPT_CPU_MARK, "PERCENT", 0,			\
	  "With spill: while a lane's CPU is busier than this, some of "	\
	  "its new connections go to lanes whose CPU is not; 0 (default): "	\
	  "that does not matter", 0 }

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
	  "lane's listener the connection as it is; front: the same without "
	  "a look at other packets, for servers on the loopback address", 0 },
	OPTIONS_BALANCE,
	{ "dry-run", OPT_DRY_RUN, NULL, 0,
	  "Show the lanes, change nothing; the kernel, which may refuse them, "
	  "is not asked", 0 },
	OPTION_JSON, { 0 }
};

static const struct argp_option set_options[] = {
	{ "cpus", OPT_CPUS, "LIST", 0,
	  "CPUs that get a lane (default, with --ports: those that have one)",
	  0 },
	{ "ports", OPT_PORTS, "BASE[+STEP]", 0,
	  "Private ports (default, with --cpus: a CPU that has a lane keeps its "
	  "port, others go on behind the last, as far apart as the present "
	  "ones are)", 0 },
	{ "method", OPT_METHOD, "METHOD", 0, "nat or steer; front stays", 0 },
	OPTIONS_BALANCE,
	{ 0 }
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
		args->have_method = true;
		return 0;
	case OPT_BALANCE:
		if (parse_balance(arg, &args->balance))
			exit(CL_USAGE);
		args->have_balance = true;
		return 0;
	case OPT_MARK:
		if (parse_mark("mark", arg, 1, 100, &args->mark))
			exit(CL_USAGE);
		return 0;
	case OPT_CPU_MARK:
		if (parse_mark("cpu-mark", arg, 0, 99, &args->cpu_mark))
			exit(CL_USAGE);
		args->have_cpu_mark = true;
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
	    .args_doc = "VIP:PORT[/udp]",
	    .doc = "Give every CPU a lane of the service: a private port on which that CPU's server listens. VIP is an IPv4 address, or an IPv6 address in brackets." },
	  true },
	{ "set", nat_set,
	  { .options = set_options, .parser = parse_option,
	    .args_doc = "VIP:PORT[/udp]",
	    .doc = "Give the service other lanes (--cpus, --ports), another method, another balance, or all of them. No connection is lost: lanes that it does not keep retire when their last one ends. What is drained stays so." },
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
	{ "monitor", nat_monitor,
	  { .options = plain_options, .parser = parse_option,
	    .args_doc = "[VIP:PORT]",
	    .doc = "Print a line, or an object of JSON, whenever a service comes, changes or goes, and for each second in which connections did not get the lane that is theirs. Ends with Ctrl-C." },
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
	fputs("Usage: corelane nat ACTION [OPTION...] [VIP:PORT[/udp]]\n"
	      "One address and port in front of a listener per CPU.\n\n"
	      "  add      add a service\n"
	      "  set      change its lanes, method or balance under its connections\n"
	      "  del      delete a service\n"
	      "  drain    give lanes no new connections\n"
	      "  undrain  give them their share again\n"
	      "  show     show services and their lanes\n"
	      "  stats    show counters\n"
	      "  monitor  tell what changes, and what goes wrong, when it does\n\n"
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
