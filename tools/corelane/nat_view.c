// SPDX-License-Identifier: GPL-2.0-only
/*
 * nat_view.c - corelane nat show and stats
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/percore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nat.h"

/* Name and sentence of each counter, in the order of enum percore_stats_attr. */
static const struct counter {
	const char *name;
	const char *sentence;
} counters[] = {
	{ "new", "first packets of connections that no lane knows yet, whichever lane gets them" },
	{ "local", "packets of known connections that arrived on the CPU of their lane" },
	{ "migrated", "packets of known connections that arrived on another CPU and were led to their lane" },
	{ "fallback", "connections given to another lane because the CPU's own is drained, or offline, or nobody listens there" },
	{ "refused", "connections that no lane listened for; the client gets a reset" },
	{ "cookie", "acknowledgments without a connection, given to a listener: the end of a SYN cookie handshake, or a stray" },
	{ "stray", "other packets without a connection, such as a late reset" },
	{ "out", "packets sent with the public port in place of the private one" },
	{ "icmp", "ICMP errors about connections, translated" },
	{ "frag", "packets that arrived in fragments" },
	{ "dropped_direct", "packets dropped because they named a private port themselves" },
	{ "dropped_nomem", "packets dropped for want of memory" },
};

#define COUNTERS	CL_ARRAY_SIZE(counters)

_Static_assert(PERCORE_A_STATS_NEW + COUNTERS == PERCORE_A_STATS_MAX + 1,
	       "a counter has no sentence");

/**
 * struct view - what a dump is gathered into
 * @args: command line
 * @list: JSON rows
 * @found: rows so far
 * @last: key of the row before
 * @table: text rows
 */
struct view {
	const struct nat_args *args;
	json_t *list;
	size_t found;
	struct nat_key last;
	struct cl_table table;
};

struct attrs {
	const struct nlattr *tb[PERCORE_A_STATS_MAX + 1];
};

static int collect(const struct nlattr *attr, void *data)
{
	struct attrs *attrs = data;

	if (mnl_attr_get_type(attr) <= PERCORE_A_STATS_MAX)
		attrs->tb[mnl_attr_get_type(attr)] = attr;
	return MNL_CB_OK;
}

static bool is_wanted(const struct view *view, const struct nat_key *key)
{
	const struct nat_args *args = view->args;

	return !args->have_key || (args->key.vip.s_addr == key->vip.s_addr &&
				   args->key.port == key->port);
}

static bool parse_key(const struct nlattr *vip, const struct nlattr *port,
		      struct nat_key *key)
{
	if (!vip || mnl_attr_get_payload_len(vip) != sizeof(key->vip) ||
	    !port || mnl_attr_validate(port, MNL_TYPE_U16) < 0)
		return false;
	memcpy(&key->vip, mnl_attr_get_payload(vip), sizeof(key->vip));
	key->port = ntohs(mnl_attr_get_u16(port));
	return true;
}

static bool parse_lane(const struct nlattr *nest, unsigned int *cpu,
		       unsigned int *port, bool *drain)
{
	struct attrs lane = { 0 };

	mnl_attr_parse_nested(nest, collect, &lane);
	if (!lane.tb[PERCORE_A_LANE_CPU] || !lane.tb[PERCORE_A_LANE_PORT])
		return false;
	*cpu = mnl_attr_get_u32(lane.tb[PERCORE_A_LANE_CPU]);
	*port = ntohs(mnl_attr_get_u16(lane.tb[PERCORE_A_LANE_PORT]));
	*drain = lane.tb[PERCORE_A_LANE_DRAIN] &&
		 mnl_attr_get_u8(lane.tb[PERCORE_A_LANE_DRAIN]);
	return true;
}

static int on_service(const struct nlmsghdr *nlh, void *data)
{
	json_t *lanes = json_array();
	struct attrs attrs = { 0 };
	struct view *view = data;
	const struct nlattr *attr;
	unsigned int cpu, port;
	const char *method;
	struct nat_key key;
	bool drain;

	mnl_attr_parse(nlh, sizeof(struct genlmsghdr), collect, &attrs);
	if (!parse_key(attrs.tb[PERCORE_A_SERVICE_VIP4],
		       attrs.tb[PERCORE_A_SERVICE_PORT], &key)) {
		json_decref(lanes);
		return -EBADMSG;
	}
	if (!is_wanted(view, &key)) {
		json_decref(lanes);
		return 0;
	}
	attr = attrs.tb[PERCORE_A_SERVICE_METHOD];
	method = attr ? nat_method_str(mnl_attr_get_u8(attr)) : "?";
	view->found++;
	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) != PERCORE_A_SERVICE_LANE ||
		    !parse_lane(attr, &cpu, &port, &drain))
			continue;
		json_array_append_new(lanes, json_pack("{s:i, s:i, s:b}", "cpu",
						       (int)cpu, "port",
						       (int)port, "drain",
						       drain));
		if (!view->args->json)
			cl_table_row(&view->table, nat_key_str(&key), "tcp",
				     method, cl_str("%u", cpu),
				     cl_str("%u", port), drain ? "drain" : "-");
	}
	json_array_append_new(view->list,
			      json_pack("{s:s, s:s, s:s, s:o}", "service",
					nat_key_str(&key), "proto", "tcp",
					"method", method, "lanes", lanes));
	return 0;
}

static void text_counters(const struct view *view, unsigned int cpu,
			  const char *port, const struct nat_key *key,
			  const uint64_t *n)
{
	if (view->found == 1 || memcmp(&view->last, key, sizeof(*key)))
		printf("%s%s\n", view->found > 1 ? "\n" : "",
		       nat_key_str(key));
	printf("  cpu %-4u port %-6s", cpu, port);
	for (size_t i = 0; i < COUNTERS; i++)
		if (n[i])
			printf(" %s %llu", counters[i].name,
			       (unsigned long long)n[i]);
	putchar('\n');
}

static void json_counters(struct view *view, unsigned int cpu,
			  const struct nlattr *port, const struct nat_key *key,
			  const uint64_t *n)
{
	json_t *row = json_pack("{s:s, s:s, s:i}", "service", nat_key_str(key),
				"proto", "tcp", "cpu", (int)cpu);

	json_object_set_new(row, "port", port ?
			    json_integer(ntohs(mnl_attr_get_u16(port))) :
			    json_null());
	for (size_t i = 0; i < COUNTERS; i++)
		json_object_set_new(row, counters[i].name,
				    json_integer((json_int_t)n[i]));
	json_array_append_new(view->list, row);
}

static int on_stats(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *port, *attr;
	uint64_t n[COUNTERS] = { 0 };
	struct attrs attrs = { 0 };
	struct view *view = data;
	struct nat_key key = { 0 };
	unsigned int cpu;

	mnl_attr_parse(nlh, sizeof(struct genlmsghdr), collect, &attrs);
	if (!attrs.tb[PERCORE_A_STATS_CPU] ||
	    !parse_key(attrs.tb[PERCORE_A_STATS_VIP4],
		       attrs.tb[PERCORE_A_STATS_PORT], &key))
		return -EBADMSG;
	if (!is_wanted(view, &key))
		return 0;
	view->found++;
	cpu = mnl_attr_get_u32(attrs.tb[PERCORE_A_STATS_CPU]);
	port = attrs.tb[PERCORE_A_STATS_LANE_PORT];
	for (size_t i = 0; i < COUNTERS; i++) {
		attr = attrs.tb[PERCORE_A_STATS_NEW + i];
		if (attr && mnl_attr_validate(attr, MNL_TYPE_U64) >= 0)
			n[i] = mnl_attr_get_u64(attr);
	}
	if (view->args->json)
		json_counters(view, cpu, port, &key, n);
	else
		text_counters(view, cpu, port ?
			      cl_str("%u", ntohs(mnl_attr_get_u16(port))) : "-",
			      &key, n);
	view->last = key;
	return 0;
}

static int dump(struct view *view, uint8_t cmd, cl_genl_cb cb)
{
	struct cl_genl *genl = cl_genl_open(PERCORE_GENL_NAME, NAT_HINT);
	int err;

	if (!genl)
		return CL_FAIL;
	cl_genl_msg(genl, cmd, PERCORE_GENL_VERSION, NLM_F_DUMP);
	err = cl_genl_run(genl, cb, view);
	if (err == -EINTR)
		cl_error("the services changed meanwhile: try again");
	else if (err)
		cl_error("cannot read the services: %s",
			 cl_genl_why(genl, err));
	else if (view->args->have_key && !view->found)
		err = cl_error("%s has no service: see `corelane nat show'",
			       nat_key_str(&view->args->key));
	cl_genl_close(genl);
	return err ? CL_FAIL : CL_OK;
}

int nat_show(const struct nat_args *args)
{
	struct view view = { .args = args, .list = json_array() };
	int ret;

	cl_table_init(&view.table, 6);
	cl_table_row(&view.table, "SERVICE", "PROTO", "METHOD", "CPU", "PORT",
		     "STATE");
	ret = dump(&view, PERCORE_CMD_SERVICE_GET, on_service);
	if (!ret && args->json)
		return cl_print_json(json_pack("{s:o}", "services", view.list));
	if (!ret && view.found)
		cl_table_print(&view.table);
	else
		cl_table_free(&view.table);
	json_decref(view.list);
	return ret;
}

static json_t *sentences(void)
{
	json_t *all = json_object();

	for (size_t i = 0; i < COUNTERS; i++)
		json_object_set_new(all, counters[i].name,
				    json_string(counters[i].sentence));
	return all;
}

int nat_stats(const struct nat_args *args)
{
	struct view view = { .args = args, .list = json_array() };
	json_t *root;
	int ret;

	ret = dump(&view, PERCORE_CMD_STATS_GET, on_stats);
	if (!ret && args->json) {
		root = json_pack("{s:o}", "stats", view.list);
		if (args->explain)
			json_object_set_new(root, "explain", sentences());
		return cl_print_json(root);
	}
	json_decref(view.list);
	if (ret || !args->explain)
		return ret;
	puts(view.found ? "" : "no counters yet; they would be:");
	for (size_t i = 0; i < COUNTERS; i++)
		printf("%-15s %s\n", counters[i].name, counters[i].sentence);
	return ret;
}
