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
	{ "new", "first packets of connections that no lane knows yet, and datagrams that no socket is connected for, whichever lane gets them" },
	{ "local", "packets of known connections that arrived on the CPU of their lane" },
	{ "migrated", "packets of known connections that arrived on another CPU and were led to their lane" },
	{ "fallback", "connections given to another lane because the CPU's own is drained, or offline, or nobody listens there" },
	{ "refused", "connections that no lane listened for; the client gets a reset, or port unreachable for a datagram" },
	{ "cookie", "acknowledgments without a connection, given to a listener: the end of a SYN cookie handshake, or a stray" },
	{ "stray", "other packets without a connection, such as a late reset" },
	{ "out", "packets sent with the public port in place of the private one" },
	{ "icmp", "ICMP errors about connections, translated" },
	{ "frag", "packets that arrived in fragments" },
	{ "dropped_direct", "packets dropped because they named a private port themselves" },
	{ "dropped_nomem", "packets dropped for want of memory" },
	{ "spilled", "connections given to a less loaded lane because the one that was theirs, or its CPU, is overloaded (--balance spill)" },
};

_Static_assert(CL_ARRAY_SIZE(counters) == NAT_COUNTERS,
	       "a counter has no sentence");

const char *nat_counter_name(size_t i)
{
	return counters[i].name;
}

/**
 * struct view - what a dump is gathered into
 * @args: command line
 * @list: JSON rows
 * @found: rows so far
 * @last: key of the row before
 */
struct view {
	const struct nat_args *args;
	json_t *list;
	size_t found;
	struct nat_key last;
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

bool nat_wanted(const struct nat_args *args, const struct nat_key *key)
{
	return !args->have_key || nat_key_equal(&args->key, key);
}

static bool parse_key(const struct nlattr *vip4, const struct nlattr *vip6,
		      const struct nlattr *port, const struct nlattr *proto,
		      struct nat_key *key)
{
	const struct nlattr *vip = vip6 ? vip6 : vip4;
	size_t size = vip6 ? sizeof(key->vip.in6) : sizeof(key->vip.in);

	if (!vip || mnl_attr_get_payload_len(vip) != size ||
	    !port || mnl_attr_validate(port, MNL_TYPE_U16) < 0)
		return false;
	memset(key, 0, sizeof(*key));
	key->family = vip6 ? AF_INET6 : AF_INET;
	memcpy(&key->vip, mnl_attr_get_payload(vip), size);
	key->port = ntohs(mnl_attr_get_u16(port));
	key->proto = proto ? mnl_attr_get_u8(proto) : IPPROTO_TCP;
	return true;
}

/* A lane as it is told; a retired one has no CPU. @load and @leave are percent, or
 * -1 where nobody looks.
 */
struct lane {
	unsigned int cpu;
	unsigned int port;
	bool drain;
	bool retired;
	int load;
	int leave;
};

/* A byte that may be absent: -1 then. */
static int byte_of(const struct nlattr *attr)
{
	return attr && mnl_attr_validate(attr, MNL_TYPE_U8) >= 0 ?
	       mnl_attr_get_u8(attr) : -1;
}

static json_t *json_maybe(int number)
{
	return number < 0 ? json_null() : json_integer(number);
}

static bool parse_lane(const struct nlattr *nest, struct lane *lane)
{
	struct attrs attrs = { 0 };

	mnl_attr_parse_nested(nest, collect, &attrs);
	lane->retired = attrs.tb[PERCORE_A_LANE_RETIRED];
	if ((!attrs.tb[PERCORE_A_LANE_CPU] && !lane->retired) ||
	    !attrs.tb[PERCORE_A_LANE_PORT])
		return false;
	lane->cpu = lane->retired ? 0 :
		    mnl_attr_get_u32(attrs.tb[PERCORE_A_LANE_CPU]);
	lane->port = ntohs(mnl_attr_get_u16(attrs.tb[PERCORE_A_LANE_PORT]));
	lane->drain = attrs.tb[PERCORE_A_LANE_DRAIN] &&
		      mnl_attr_get_u8(attrs.tb[PERCORE_A_LANE_DRAIN]);
	lane->load = byte_of(attrs.tb[PERCORE_A_LANE_LOAD]);
	lane->leave = byte_of(attrs.tb[PERCORE_A_LANE_LEAVE]);
	return true;
}

static json_t *json_lane(const struct lane *lane)
{
	return json_pack("{s:o, s:i, s:b, s:b, s:o, s:o}", "cpu",
			 lane->retired ? json_null() : json_integer(lane->cpu),
			 "port", (int)lane->port, "drain", lane->drain,
			 "retired", lane->retired, "load",
			 json_maybe(lane->load), "leave",
			 json_maybe(lane->leave));
}

const char *nat_text(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

int nat_number(const json_t *object, const char *name)
{
	return (int)json_integer_value(json_object_get(object, name));
}

json_t *nat_service_json(const struct nlmsghdr *nlh, struct nat_key *key)
{
	struct attrs attrs = { 0 };
	const struct nlattr *attr;
	struct lane lane;
	uint8_t balance;
	int mark, cpu;
	const char *method;
	json_t *lanes;

	mnl_attr_parse(nlh, sizeof(struct genlmsghdr), collect, &attrs);
	if (!parse_key(attrs.tb[PERCORE_A_SERVICE_VIP4],
		       attrs.tb[PERCORE_A_SERVICE_VIP6],
		       attrs.tb[PERCORE_A_SERVICE_PORT],
		       attrs.tb[PERCORE_A_SERVICE_PROTO], key))
		return NULL;
	attr = attrs.tb[PERCORE_A_SERVICE_METHOD];
	method = attr ? nat_method_str(mnl_attr_get_u8(attr)) : "?";
	attr = attrs.tb[PERCORE_A_SERVICE_BALANCE];
	balance = attr ? mnl_attr_get_u8(attr) : PERCORE_BALANCE_NONE;
	mark = byte_of(attrs.tb[PERCORE_A_SERVICE_MARK]);
	cpu = byte_of(attrs.tb[PERCORE_A_SERVICE_CPU_MARK]);
	lanes = json_array();
	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == PERCORE_A_SERVICE_LANE &&
		    parse_lane(attr, &lane))
			json_array_append_new(lanes, json_lane(&lane));
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:b, s:o}",
			 "service", nat_key_str(key),
			 "proto", nat_proto_str(key), "method", method,
			 "balance", nat_balance_str(balance),
			 "mark", json_maybe(mark),
			 "cpu_mark", json_maybe(cpu ? cpu : -1),
			 "former", attrs.tb[PERCORE_A_SERVICE_FORMER] != NULL,
			 "lanes", lanes);
}

const char *nat_balance_text(const json_t *service)
{
	const char *balance = nat_text(service, "balance");
	int mark = nat_number(service, "mark");
	int cpu = nat_number(service, "cpu_mark");

	if (cpu)
		return cl_str("%s %d%%, cpu %d%%", balance, mark, cpu);
	return mark ? cl_str("%s %d%%", balance, mark) : balance;
}

/* What is special about a lane. */
static const char *state_text(const json_t *lane)
{
	const char *drain = json_is_true(json_object_get(lane, "drain")) ?
			    "drain" : "";

	if (json_is_true(json_object_get(lane, "retired")))
		return "retired";
	if (json_is_integer(json_object_get(lane, "load")))
		return cl_str("%s%sbusy %d%%, %d%% leave", drain,
			      *drain ? ", " : "", nat_number(lane, "load"),
			      nat_number(lane, "leave"));
	return *drain ? drain : "-";
}

/* What show tells of a service, a row per lane. */
static void text_service(struct cl_table *table, const json_t *service)
{
	const json_t *lane, *lanes = json_object_get(service, "lanes");
	size_t i;

	json_array_foreach(lanes, i, lane) {
		bool retired = json_is_true(json_object_get(lane, "retired"));

		cl_table_row(table, nat_text(service, "service"),
			     nat_text(service, "proto"),
			     nat_text(service, "method"),
			     nat_balance_text(service), retired ? "-" :
			     cl_str("%d", nat_number(lane, "cpu")),
			     cl_str("%d", nat_number(lane, "port")),
			     state_text(lane));
	}
}

static int on_service(const struct nlmsghdr *nlh, void *data)
{
	struct view *view = data;
	struct nat_key key;
	json_t *service = nat_service_json(nlh, &key);

	if (!service)
		return -EBADMSG;
	if (!nat_wanted(view->args, &key)) {
		json_decref(service);
		return 0;
	}
	view->found++;
	json_array_append_new(view->list, service);
	return 0;
}

static void text_counters(const struct view *view, const struct nat_row *row)
{
	if (view->found == 1 || !nat_key_equal(&view->last, &row->key))
		printf("%s%s\n", view->found > 1 ? "\n" : "",
		       nat_key_str(&row->key));
	printf("  cpu %-4u port %-6s", row->cpu,
	       row->port ? cl_str("%u", row->port) : "-");
	for (size_t i = 0; i < NAT_COUNTERS; i++)
		if (row->n[i])
			printf(" %s %llu", counters[i].name,
			       (unsigned long long)row->n[i]);
	putchar('\n');
}

static void json_counters(struct view *view, const struct nat_row *row)
{
	json_t *json = json_pack("{s:s, s:s, s:i, s:o}", "service",
				 nat_key_str(&row->key), "proto",
				 nat_proto_str(&row->key), "cpu", (int)row->cpu,
				 "port", row->port ? json_integer(row->port) :
				 json_null());

	for (size_t i = 0; i < NAT_COUNTERS; i++)
		json_object_set_new(json, counters[i].name,
				    json_integer((json_int_t)row->n[i]));
	json_array_append_new(view->list, json);
}

bool nat_row_read(const struct nlmsghdr *nlh, struct nat_row *row)
{
	struct attrs attrs = { 0 };
	const struct nlattr *attr;

	memset(row, 0, sizeof(*row));
	mnl_attr_parse(nlh, sizeof(struct genlmsghdr), collect, &attrs);
	if (!attrs.tb[PERCORE_A_STATS_CPU] ||
	    !parse_key(attrs.tb[PERCORE_A_STATS_VIP4],
		       attrs.tb[PERCORE_A_STATS_VIP6],
		       attrs.tb[PERCORE_A_STATS_PORT],
		       attrs.tb[PERCORE_A_STATS_PROTO], &row->key))
		return false;
	row->cpu = mnl_attr_get_u32(attrs.tb[PERCORE_A_STATS_CPU]);
	attr = attrs.tb[PERCORE_A_STATS_LANE_PORT];
	row->port = attr ? ntohs(mnl_attr_get_u16(attr)) : 0;
	for (size_t i = 0; i < NAT_COUNTERS; i++) {
		attr = attrs.tb[PERCORE_A_STATS_NEW + i];
		if (attr && mnl_attr_validate(attr, MNL_TYPE_U64) >= 0)
			row->n[i] = mnl_attr_get_u64(attr);
	}
	return true;
}

static int on_stats(const struct nlmsghdr *nlh, void *data)
{
	struct view *view = data;
	struct nat_row row;

	if (!nat_row_read(nlh, &row))
		return -EBADMSG;
	if (!nat_wanted(view->args, &row.key))
		return 0;
	view->found++;
	if (view->args->json)
		json_counters(view, &row);
	else
		text_counters(view, &row);
	view->last = row.key;
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
	/* One message tells all of a service: when it came, the rest is no matter. */
	if (err == -EINTR && cmd == PERCORE_CMD_SERVICE_GET &&
	    view->args->have_key && view->found)
		err = 0;
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

static void text_services(const json_t *list)
{
	const json_t *service;
	struct cl_table table;
	size_t i;

	cl_table_init(&table, 7);
	cl_table_row(&table, "SERVICE", "PROTO", "METHOD", "BALANCE", "CPU",
		     "PORT", "STATE");
	json_array_foreach(list, i, service)
		text_service(&table, service);
	cl_table_print(&table);
}

int nat_show(const struct nat_args *args)
{
	struct view view = { .args = args, .list = json_array() };
	int ret;

	ret = dump(&view, PERCORE_CMD_SERVICE_GET, on_service);
	if (!ret && args->json)
		return cl_print_json(json_pack("{s:o}", "services", view.list));
	if (!ret && view.found)
		text_services(view.list);
	json_decref(view.list);
	return ret;
}

int nat_lanes_read(const struct nat_args *args, struct nat_lanes *lanes)
{
	struct view view = { .args = args, .list = json_array() };
	const json_t *lane;
	size_t i;
	int ret;

	ret = dump(&view, PERCORE_CMD_SERVICE_GET, on_service);
	lanes->n = 0;
	json_array_foreach(json_object_get(json_array_get(view.list, 0), "lanes"),
			   i, lane) {
		if (json_is_true(json_object_get(lane, "retired")) ||
		    lanes->n == CL_ARRAY_SIZE(lanes->lane))
			continue;
		lanes->lane[lanes->n++] = (struct nat_lane){
			.cpu = (unsigned int)nat_number(lane, "cpu"),
			.port = (uint16_t)nat_number(lane, "port"),
		};
	}
	json_decref(view.list);
	if (!ret && !lanes->n)
		ret = cl_error("%s has no lanes: load the module that belongs to this command",
			       nat_key_str(&args->key));
	return ret;
}

static json_t *sentences(void)
{
	json_t *all = json_object();

	for (size_t i = 0; i < NAT_COUNTERS; i++)
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
	for (size_t i = 0; i < NAT_COUNTERS; i++)
		printf("%-15s %s\n", counters[i].name, counters[i].sentence);
	return ret;
}
