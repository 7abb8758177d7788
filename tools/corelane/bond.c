// SPDX-License-Identifier: GPL-2.0-only
/*
 * bond.c - corelane bond: which slave does each CPU send through, and why
 *
 * Everything comes from sysfs: the slaves' tx_cpus and tx_cpu_stats, see
 * Documentation/ABI/testing/sysfs-class-net-bonding-cpu-bound.
 */
#include <argp.h>
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "corelane.h"

#define NET	"/sys/class/net"
#define MAX_SLAVES	64

/* one line of tx_cpu_stats */
struct cell {
	char bound[16];		/* mask, learned, numa, unusable or - */
	uint64_t local, remote, fallback, held;
};

struct slave {
	char name[32];
	char status[16];	/* up, down, ... */
	char tx_cpus[4096];
	struct cell *cells;	/* one a CPU, in the order of bond.cpus */
	struct cell sum;
};

struct bond {
	const char *name;
	char mode[32];
	char policy[32];
	struct slave slaves[MAX_SLAVES];
	size_t n_slaves;
	unsigned int *cpus;
	size_t n_cpus;
};

struct args {
	const char *bond;
	bool show;
	bool json;
};

static const struct argp_option options[] = {
	{ "json", 'j', NULL, 0, "print JSON", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *args = state->input;

	switch (key) {
	case 'j':
		args->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (!args->show && !strcmp(arg, "show"))
			args->show = true;
		else if (args->show && !args->bond)
			args->bond = arg;
		else
			return ARGP_ERR_UNKNOWN;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "show [BOND]",
	.doc = "Show for every CPU which slave of a cpu-bound bond it sends "
	       "through and why, and what each slave has sent for whom.\v"
	       "Reasons: mask (the slave's tx_cpus has the CPU), learned (the "
	       "slave's receive work runs on the CPU), numa (the slave is on "
	       "the CPU's node), hash (nothing is known of the CPU, a hash of "
	       "addresses and ports chooses), fallback (the CPU's slave is not "
	       "usable, so the hash chooses).\n"
	       "Counters, in packets: local left by their CPU's own slave; "
	       "remote are the others: fallback, and held, which stayed on a "
	       "slave because their flow had packets under way there.",
};

/* "cpu-bound 6" -> "cpu-bound" */
static int read_word(char *buf, size_t size, const char *bond, const char *file)
{
	int len = cl_read_file(buf, size, NET "/%s/bonding/%s", bond, file);

	if (len > 0)
		buf[strcspn(buf, " ")] = '\0';
	return len;
}

static bool parse_row(const char *line, unsigned int *cpu, struct cell *c)
{
	return sscanf(line, "%u %15s %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
		      cpu, c->bound, &c->local, &c->remote, &c->fallback,
		      &c->held) == 6;
}

/* The first slave read says which CPUs there are; the others have the same. */
static int add_row(struct bond *b, struct slave *s, size_t row, const char *line)
{
	unsigned int cpu;
	struct cell c;

	if (!parse_row(line, &cpu, &c))
		return -EINVAL;
	if (s == b->slaves) {
		unsigned int *cpus = reallocarray(b->cpus, row + 1, sizeof(*cpus));

		if (!cpus)
			return -ENOMEM;
		b->cpus = cpus;
		b->cpus[row] = cpu;
		b->n_cpus = row + 1;
	}
	if (row >= b->n_cpus || b->cpus[row] != cpu)
		return -EINVAL;

	struct cell *cells = reallocarray(s->cells, row + 1, sizeof(*cells));

	if (!cells)
		return -ENOMEM;
	s->cells = cells;
	s->cells[row] = c;
	s->sum.local += c.local;
	s->sum.remote += c.remote;
	s->sum.fallback += c.fallback;
	s->sum.held += c.held;
	return 0;
}

static int read_stats(struct bond *b, struct slave *s)
{
	char path[256], line[256];
	size_t row = 0;
	int err = 0;
	FILE *f;

	snprintf(path, sizeof(path), NET "/%s/bonding_slave/tx_cpu_stats", s->name);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	if (!fgets(line, sizeof(line), f))	/* the names of the columns */
		err = -EINVAL;
	while (!err && fgets(line, sizeof(line), f))
		err = add_row(b, s, row++, line);
	if (!err && (ferror(f) || row != b->n_cpus))
		err = -EIO;
	fclose(f);
	return err;
}

/* A slave that has left meanwhile is none. */
static bool has_left(const char *name)
{
	return access(cl_str(NET "/%s/bonding_slave", name), F_OK) != 0;
}

static int read_slave(struct bond *b, const char *name)
{
	struct slave *s = &b->slaves[b->n_slaves];
	int err;

	snprintf(s->name, sizeof(s->name), "%s", name);
	err = cl_read_file(s->status, sizeof(s->status),
			   NET "/%s/bonding_slave/mii_status", name);
	if (err >= 0)
		err = cl_read_file(s->tx_cpus, sizeof(s->tx_cpus),
				   NET "/%s/bonding_slave/tx_cpus", name);
	if (err >= 0)
		err = read_stats(b, s);
	if (err < 0 && has_left(name)) {
		free(s->cells);
		memset(s, 0, sizeof(*s));
		/* What it has told of CPUs went with it. */
		if (!b->n_slaves)
			b->n_cpus = 0;
		return CL_OK;
	}
	if (err == -ENOENT)
		return cl_error("%s: the loaded bonding module knows no cpu-bound policy: load corelane's (modinfo bonding shows which one is found)",
				b->name);
	if (err < 0)
		return cl_error("%s: cannot read slave %s: %s", b->name, name,
				strerror(-err));
	b->n_slaves++;
	return CL_OK;
}

static int read_bond(struct bond *b, const char *name)
{
	char slaves[8192], *save, *slave;
	int err;

	b->name = name;
	err = read_word(b->mode, sizeof(b->mode), name, "mode");
	if (err >= 0)
		err = read_word(b->policy, sizeof(b->policy), name, "xmit_hash_policy");
	if (err >= 0)
		err = cl_read_file(slaves, sizeof(slaves), NET "/%s/bonding/slaves", name);
	if (err < 0)
		return cl_error("%s is not a bond (%s): see /sys/class/net/bonding_masters",
				name, strerror(-err));

	for (slave = strtok_r(slaves, " ", &save); slave;
	     slave = strtok_r(NULL, " ", &save)) {
		if (b->n_slaves == MAX_SLAVES)
			return cl_error("%s has more than %d slaves: not supported",
					name, MAX_SLAVES);
		err = read_slave(b, slave);
		if (err)
			return err;
	}
	return CL_OK;
}

static void free_bond(struct bond *b)
{
	for (size_t i = 0; i < MAX_SLAVES; i++)
		free(b->slaves[i].cells);
	free(b->cpus);
}

/* Who owns the CPU, and what that comes to: the slave's name and a reason. */
static const char *owner(const struct bond *b, size_t row, const char **why)
{
	*why = "hash";
	for (size_t i = 0; i < b->n_slaves; i++) {
		const char *bound = b->slaves[i].cells[row].bound;

		if (!strcmp(bound, "-"))
			continue;
		*why = strcmp(bound, "unusable") ? bound : "fallback";
		return b->slaves[i].name;
	}
	return NULL;
}

/* Other modes take the policy and do without it. */
static bool in_use(const struct bond *b)
{
	return !strcmp(b->policy, "cpu-bound") &&
	       (!strcmp(b->mode, "balance-xor") || !strcmp(b->mode, "802.3ad"));
}

static void print_text(const struct bond *b)
{
	struct cl_table t;
	const char *why;
	char plain[64];

	snprintf(plain, sizeof(plain), "%s", b->name);
	cl_plain(plain);
	printf("%s: mode %s, transmit policy %s%s\n", plain, b->mode, b->policy,
	       in_use(b) ? "" : " (cpu-bound is not in use)");
	cl_table_init(&t, 3);
	cl_table_row(&t, "cpu", "slave", "why");
	for (size_t row = 0; row < b->n_cpus; row++) {
		const char *name = owner(b, row, &why);
		bool unusable = name && !strcmp(why, "fallback");

		cl_table_row(&t, cl_str("%u", b->cpus[row]),
			     name && !unusable ? name : "by hash",
			     unusable ? cl_str("fallback: %s is not usable", name) :
			     why);
	}
	cl_table_print(&t);

	putchar('\n');
	cl_table_init(&t, 7);
	cl_table_row(&t, "slave", "link", "tx_cpus", "local", "remote",
		     "fallback", "held");
	for (size_t i = 0; i < b->n_slaves; i++) {
		const struct slave *s = &b->slaves[i];

		cl_table_row(&t, s->name, s->status, *s->tx_cpus ? s->tx_cpus : "-",
			     cl_str("%" PRIu64, s->sum.local),
			     cl_str("%" PRIu64, s->sum.remote),
			     cl_str("%" PRIu64, s->sum.fallback),
			     cl_str("%" PRIu64, s->sum.held));
	}
	cl_table_print(&t);
}

/* The kernel takes any bytes for an interface's name, JSON UTF-8 alone. */
static json_t *json_name(const char *name)
{
	json_t *json = json_string(name);
	char *plain;

	if (json)
		return json;
	plain = strdup(name);
	if (!plain)
		return NULL;
	cl_plain(plain);
	json = json_string(plain);
	free(plain);
	return json;
}

static json_t *json_counters(const struct cell *c)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "local", (json_int_t)c->local,
			 "remote", (json_int_t)c->remote, "fallback",
			 (json_int_t)c->fallback, "held", (json_int_t)c->held);
}

static json_t *json_slave(const struct bond *b, const struct slave *s)
{
	json_t *per_cpu = json_object();

	for (size_t row = 0; row < b->n_cpus; row++)
		json_object_set_new(per_cpu, cl_str("%u", b->cpus[row]),
				    json_counters(&s->cells[row]));
	return json_pack("{s:o, s:s, s:s, s:o, s:o}", "name",
			 json_name(s->name), "link", s->status, "tx_cpus", s->tx_cpus, "packets",
			 json_counters(&s->sum), "packets_per_cpu", per_cpu);
}

static json_t *json_bond(const struct bond *b)
{
	json_t *cpus = json_array(), *slaves = json_array();
	const char *why;

	for (size_t row = 0; row < b->n_cpus; row++) {
		const char *name = owner(b, row, &why);

		json_array_append_new(cpus, json_pack("{s:i, s:o, s:s}", "cpu",
						      (int)b->cpus[row], "slave",
						      name ? json_name(name) :
						      json_null(), "why", why));
	}
	for (size_t i = 0; i < b->n_slaves; i++)
		json_array_append_new(slaves, json_slave(b, &b->slaves[i]));
	return json_pack("{s:o, s:s, s:s, s:o, s:o}", "bond",
			 json_name(b->name), "mode", b->mode, "policy",
			 b->policy, "cpus", cpus, "slaves", slaves);
}

static bool is_bond(const char *name)
{
	return access(cl_str(NET "/%s/bonding", name), F_OK) == 0;
}

static int show(const char *name, const struct args *args, json_t *all)
{
	struct bond *b = calloc(1, sizeof(*b));
	int ret;

	if (!b)
		return cl_error("out of memory");
	ret = read_bond(b, name);
	if (!ret && !args->json)
		print_text(b);
	else if (!ret && json_array_append_new(all, json_bond(b)))
		ret = cl_error("out of memory");
	free_bond(b);
	free(b);
	return ret;
}

/* Every bond of the machine. bonding_masters has no room for more than a page of
 * names.
 */
static int show_all(const struct args *args, json_t *all)
{
	glob_t found;
	int ret = CL_OK;
	int err;

	if (access(NET "/bonding_masters", F_OK))
		return cl_error("bonding is not loaded: modprobe bonding");
	err = glob(NET "/*/bonding", 0, NULL, &found);
	if (err == GLOB_NOMATCH)
		return CL_OK;
	if (err)
		return cl_error("cannot list " NET);
	for (size_t i = 0; i < found.gl_pathc && !ret; i++) {
		char *name = found.gl_pathv[i] + strlen(NET "/");

		*strchr(name, '/') = '\0';
		/* It may be gone since it was listed. */
		if (is_bond(name))
			ret = show(name, args, all);
	}
	globfree(&found);
	return ret;
}

int cmd_bond(int argc, char **argv)
{
	struct args args = { 0 };
	json_t *all;
	int ret;

	if (argp_parse(&argp, argc, argv, 0, NULL, &args))
		return CL_USAGE;
	if (!args.show)
		return cl_usage("bond: what to do is missing: corelane bond show [BOND]");

	/* a name goes into a path: keep it a name */
	if (args.bond && (strchr(args.bond, '/') || args.bond[0] == '.'))
		return cl_usage("bond: %s is no interface name: corelane bond show [BOND]",
				args.bond);

	all = json_array();
	ret = args.bond ? show(args.bond, &args, all) : show_all(&args, all);
	if (ret || !args.json) {
		json_decref(all);
		return ret;
	}
	return cl_print_json(all);
}
