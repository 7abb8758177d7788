// SPDX-License-Identifier: GPL-2.0-only
/*
 * nat_monitor.c - corelane nat monitor: a line for whatever becomes of services
 *
 * The kernel tells unasked when a service comes, changes or goes. Lanes that
 * do not take what is theirs show in the counters, which are read once a
 * second.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/percore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nat.h"

#define LOOK_MS		1000

/* Counters that say that a lane does not get, or take, what is its own. */
static const int troubles[] = {
	PERCORE_A_STATS_FALLBACK, PERCORE_A_STATS_SPILLED,
	PERCORE_A_STATS_REFUSED, PERCORE_A_STATS_DROPPED_DIRECT,
	PERCORE_A_STATS_DROPPED_NOMEM,
};

/**
 * struct monitor - what is watched
 * @args: command line
 * @now: counters of this look
 * @then: of the last one that saw all
 * @n_now: rows of @now
 * @n_then: rows of @then
 * @compares: there was such a look
 * @next: where in @then the next row of this look is likely to be: rows come in
 *	the same order while services do not change
 */
struct monitor {
	const struct nat_args *args;
	struct nat_row *now, *then;
	size_t n_now, n_then, next;
	bool compares;
};

static volatile sig_atomic_t ended;

static void on_signal(int signal)
{
	(void)signal;
	ended = 1;
}

/* Handlers that interrupt the wait, so that the monitor ends in order. */
static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static const char *now_str(void)
{
	static char text[sizeof("2026-01-01T00:00:00+0000")];
	time_t now = time(NULL);
	struct tm tm;

	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S%z", localtime_r(&now, &tm));
	return text;
}

/* One line of JSON, which is used up; or of text, which follows the time. */
static int print_event(const struct monitor *m, json_t *event, const char *text)
{
	if (m->args->json) {
		json_object_set_new(event, "time", json_string(now_str()));
		json_dumpf(event, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
		putchar('\n');
	} else {
		printf("%s %s\n", now_str(), text);
	}
	json_decref(event);
	/* Who reads a pipe wants each line when it is there. */
	return fflush(stdout) || ferror(stdout) ? -EIO : 0;
}

static const char *event_name(uint8_t cmd)
{
	switch (cmd) {
	case PERCORE_CMD_SERVICE_NEW_NTF:
		return "added";
	case PERCORE_CMD_SERVICE_SET_NTF:
		return "changed";
	case PERCORE_CMD_SERVICE_DEL_NTF:
		return "deleted";
	}
	return NULL;
}

/* "cpu 0 port 8000, cpu 1 port 8016 drain, port 9000 retired" */
static void lanes_str(const json_t *service, char *text, size_t size)
{
	const json_t *lane;
	size_t i, len = 0;

	text[0] = '\0';
	json_array_foreach(json_object_get(service, "lanes"), i, lane) {
		const char *cpu = json_is_integer(json_object_get(lane, "cpu")) ?
				  cl_str("cpu %d ", nat_number(lane, "cpu")) : "";
		int n = snprintf(text + len, size - len, "%s%sport %d%s%s",
				 i ? ", " : "", cpu, nat_number(lane, "port"),
				 json_is_true(json_object_get(lane, "drain")) ?
				 " drain" : "",
				 json_is_true(json_object_get(lane, "retired")) ?
				 " retired" : "");

		if (n < 0 || (size_t)n >= size - len)
			return;
		len += (size_t)n;
	}
}

static int on_notice(const struct nlmsghdr *nlh, void *data)
{
	/* A lane takes 40 characters at most. */
	static char lanes[PERCORE_MAX_LANES * 40], text[sizeof(lanes) + 256];
	const struct genlmsghdr *ghdr = mnl_nlmsg_get_payload(nlh);
	const char *event = event_name(ghdr->cmd);
	const struct monitor *m = data;
	struct nat_key key;
	json_t *service;

	/* What a newer module may have. */
	if (!event)
		return 0;
	service = nat_service_json(nlh, &key);
	if (!service)
		return -EBADMSG;
	if (!nat_wanted(m->args, &key)) {
		json_decref(service);
		return 0;
	}
	lanes_str(service, lanes, sizeof(lanes));
	snprintf(text, sizeof(text), "%s %s %s %s, balance %s: %s", event,
		 nat_text(service, "service"), nat_text(service, "proto"),
		 nat_text(service, "method"), nat_balance_text(service), lanes);
	json_object_set_new(service, "event", json_string(event));
	return print_event(m, service, text);
}

static int on_row(const struct nlmsghdr *nlh, void *data)
{
	struct monitor *m = data;
	struct nat_row *now;

	now = realloc(m->now, (m->n_now + 1) * sizeof(*now));
	if (!now)
		return -ENOMEM;
	m->now = now;
	if (!nat_row_read(nlh, &now[m->n_now]))
		return -EBADMSG;
	m->n_now += nat_wanted(m->args, &now[m->n_now].key);
	return 0;
}

/* The same row of the look before, or NULL. */
static const struct nat_row *before(struct monitor *m, const struct nat_row *row)
{
	for (size_t i = 0; i < m->n_then; i++) {
		const struct nat_row *then = &m->then[(m->next + i) % m->n_then];

		if (then->cpu == row->cpu && nat_key_equal(&then->key, &row->key)) {
			m->next += i + 1;
			return then;
		}
	}
	return NULL;
}

static int tell_trouble(struct monitor *m, const struct nat_row *row)
{
	const struct nat_row *then = before(m, row);
	int err = 0;

	for (size_t i = 0; i < CL_ARRAY_SIZE(troubles) && !err; i++) {
		size_t c = (size_t)(troubles[i] - PERCORE_A_STATS_NEW);
		uint64_t was = then ? then->n[c] : 0;
		const char *name = nat_counter_name(c);

		/* What went back belongs to a new service of the same name. */
		if (row->n[c] <= was)
			continue;
		err = print_event(m, json_pack("{s:s, s:s, s:s, s:i, s:I}",
					       "event", name,
					       "service", nat_key_str(&row->key),
					       "proto", nat_proto_str(&row->key),
					       "cpu", (int)row->cpu,
					       "n", (json_int_t)(row->n[c] - was)),
				  cl_str("%s %s %s cpu %u: %llu", name,
					 nat_key_str(&row->key),
					 nat_proto_str(&row->key), row->cpu,
					 (unsigned long long)(row->n[c] - was)));
	}
	return err;
}

/* This look is the one before the next. */
static void look_ends(struct monitor *m)
{
	struct nat_row *rows = m->then;

	m->then = m->now;
	m->n_then = m->n_now;
	m->now = rows;
	m->compares = true;
}

/* Read the counters; tell what they say, but for the first time. */
static int look(struct monitor *m, struct cl_genl *genl)
{
	int err;

	m->n_now = 0;
	m->next = 0;
	cl_genl_msg(genl, PERCORE_CMD_STATS_GET, PERCORE_GENL_VERSION, NLM_F_DUMP);
	err = cl_genl_run(genl, on_row, m);
	/* The services changed meanwhile. Of a row that did not come for it the next
	 * look would tell all that it ever counted: so that compares with the one
	 * before this.
	 */
	if (err == -EINTR)
		return 0;
	for (size_t i = 0; m->compares && !err && i < m->n_now; i++)
		err = tell_trouble(m, &m->now[i]);
	look_ends(m);
	return err;
}

static int64_t now_ms(void)
{
	return (int64_t)(cl_now_ns() / 1000000);
}

static int watch(struct monitor *m, struct cl_genl *notices,
		 struct cl_genl *counters)
{
	int err = look(m, counters);
	int64_t next = now_ms() + LOOK_MS, left;

	while (err >= 0 && !ended) {
		left = next - now_ms();
		err = cl_genl_wait(notices, left > 0 ? (int)left : 0, on_notice, m);
		if (err == -ENOBUFS)
			err = print_event(m, json_pack("{s:s}", "event", "lost"),
					  "changes were lost: see `corelane nat show'");
		if (err == -EINTR)
			err = 0;
		if (err >= 0 && now_ms() >= next) {
			err = look(m, counters);
			next = now_ms() + LOOK_MS;
		}
	}
	return err < 0 ? err : 0;
}

int nat_monitor(const struct nat_args *args)
{
	struct cl_genl *notices = cl_genl_open(PERCORE_GENL_NAME, NAT_HINT);
	struct cl_genl *counters = NULL;
	struct monitor m = { .args = args };
	int err = -EIO;

	if (!notices)
		return CL_FAIL;
	catch_signals();
	err = cl_genl_join(notices, PERCORE_GENL_GROUP);
	if (err) {
		cl_error("percore tells nothing unasked (%s): load the module that belongs to this command",
			 strerror(-err));
		goto close;
	}
	counters = cl_genl_open(PERCORE_GENL_NAME, NAT_HINT);
	err = counters ? watch(&m, notices, counters) : -EIO;
	if (err && counters)
		cl_error("cannot watch the services: %s", strerror(-err));
close:
	free(m.now);
	free(m.then);
	cl_genl_close(counters);
	cl_genl_close(notices);
	return err ? CL_FAIL : CL_OK;
}
