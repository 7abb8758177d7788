// SPDX-License-Identifier: GPL-2.0
/*
 * calibrate.c - measure this machine's constants for simlane's model
 *
 * Prints a table the simlane plugin reads (model=FILE).  What user space
 * cannot measure keeps the value of model/server.conf and says so.
 */
#include <argp.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "calibrate.h"

volatile sig_atomic_t cal_stop;
bool cal_quick;

static bool json, quiet;
static const char *output;
static char *warnings[32];
static int warning_count;
static uint64_t begun;

static const struct argp_option options[] = {
	{ "json", 'j', NULL, 0, "Print JSON: constants with their spread, and every pair", 0 },
	{ "output", 'o', "FILE", 0, "Write to FILE when all is measured", 0 },
	{ "quick", 'q', NULL, 0, "A twentieth of the samples, in a second", 0 },
	{ "silent", 's', NULL, 0, "Do not tell what is being measured", 0 },
	{ 0 }
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 'j':
		json = true;
		return 0;
	case 'o':
		output = arg;
		return 0;
	case 'q':
		cal_quick = true;
		return 0;
	case 's':
		quiet = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: not understood", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.doc = "Measure this machine's constants for simlane's core and cache model.\v"
	       "Latency of each cache level and of DRAM, of lines that move between cores, of "
	       "locked operations and PAUSE, and how far a copy's misses overlap.  Prints a table "
	       "for the plugin's model=FILE option: lines of \"name value # unit and source\", in "
	       "cycles of this machine's clock.  Device registers, interrupt entry and sleep "
	       "states cannot be measured from user space; they keep the values of "
	       "model/server.conf and say so.  Run it on an idle machine.\n\n"
	       "Exit status: 0 done, 1 failed, 2 wrong command line, 130 interrupted.",
};

/**
 * cal_warn() - something that makes the table less true
 * @fmt: printf style, one sentence
 */
void cal_warn(const char *fmt, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	if (!text)
		return;
	fprintf(stderr, "calibrate: warning: %s\n", text);
	if (warning_count < (int)CAL_ARRAY_SIZE(warnings))
		warnings[warning_count++] = text;
	else
		free(text);
}

/**
 * cal_say() - what is being measured now
 * @fmt: printf style
 */
void cal_say(const char *fmt, ...)
{
	va_list args;

	if (quiet)
		return;
	fprintf(stderr, "[%3.0f s] ", (cal_ns() - begun) / 1e9);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

static void on_signal(int number)
{
	(void)number;
	cal_stop = 1;
}

static const char *place_name(enum cal_place place)
{
	static const char *const names[] = { "siblings", "package", "remote" };

	return names[place];
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* The median over the pairs of cores that share a package. */
static void pairs_to_table(struct cal_host *host, struct cal_table *table,
			   const struct cal_pair *pair, int count)
{
	double *values = calloc(count, 2 * sizeof(*values));
	struct cal_stat middle[2];
	const struct cal_pair *last = NULL;
	int i, used = 0;

	for (i = 0; values && i < count; i++)
		if (pair[i].place == CAL_PACKAGE && pair[i].hitm.samples && pair[i].upgrade.samples) {
			last = &pair[i];
			values[used] = last->hitm.median;
			values[count + used++] = last->upgrade.median;
		}
	if (!used) {
		cal_warn("no two cores of one package to measure: hitm and upgrade keep the table's values");
		free(values);
		return;
	}
	qsort(values, used, sizeof(*values), compare);
	qsort(values + count, used, sizeof(*values), compare);
	for (i = 0; i < 2; i++)
		middle[i] = (struct cal_stat){
			.median = values[i * count + used / 2], .low = values[i * count],
			.high = values[i * count + used - 1], .samples = used,
		};
	if (used == 1) {
		middle[0] = last->hitm;
		middle[1] = last->upgrade;
	}
	cal_table_set(table, "hitm", (middle[0].median - host->l1_ns.median) * host->ghz, &middle[0],
		      "cycles beyond L1, reading a line another core wrote; median of %d pair%s of cores", used, used == 1 ? "" : "s");
	cal_table_set(table, "upgrade", middle[1].median * host->ghz, &middle[1],
		      "cycles, writing a line another core also reads; median of %d pair%s of cores", used, used == 1 ? "" : "s");
	free(values);
}

static void print_text(FILE *out, const struct cal_host *host, const struct cal_table *table,
		       const struct cal_pair *pair, int count)
{
	char date[32];
	time_t now = time(NULL);
	int i;

	strftime(date, sizeof(date), "%Y-%m-%d", gmtime(&now));
	fprintf(out, "# Constants of %s, %d processor%s%s, measured %s%s\n", host->model, host->cpus,
		host->cpus == 1 ? "" : "s", host->virtual ? ", a virtual machine" : "", date,
		cal_quick ? " (quick)" : "");
	for (i = 0; i < warning_count; i++)
		fprintf(out, "# warning: %s\n", warnings[i]);
	for (i = 0; i < count; i++)
		fprintf(out, "# processors %d and %d (%s): modified line %.1f ns, upgrade %.1f ns, ping-pong one way %.1f ns\n",
			pair[i].cpu[0], pair[i].cpu[1], place_name(pair[i].place), pair[i].hitm.median,
			pair[i].upgrade.median, pair[i].pingpong.median);
	for (i = 0; i < table->count; i++) {
		const struct cal_constant *c = &table->entry[i];

		/* Cycles of a latency are not known to a tenth. */
		fprintf(out, "%-20s %-8.*f # ", c->name, c->value < 10 && c->value != (long)c->value ? 2 : 0,
			c->value);
		if (c->measured && c->ns.samples)
			fprintf(out, "%s (%.1f ns, %.1f to %.1f)\n", c->comment, c->ns.median,
				c->ns.low, c->ns.high);
		else
			fprintf(out, "%s%s\n", c->measured ? "" : "not measured: ", c->comment);
	}
}

static void print_string(FILE *out, const char *s)
{
	fputc('"', out);
	for (; *s; s++)
		fprintf(out, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
	fputc('"', out);
}

static void print_stat(FILE *out, const char *name, const struct cal_stat *s)
{
	fprintf(out, "\"%s\": {\"median\": %.2f, \"low\": %.2f, \"high\": %.2f, \"samples\": %d}",
		name, s->median, s->low, s->high, s->samples);
}

static void print_json(FILE *out, const struct cal_host *host, const struct cal_table *table,
		       const struct cal_pair *pair, int count)
{
	int i;

	fputs("{\"processor\": ", out);
	print_string(out, host->model);
	fprintf(out, ", \"processors\": %d, \"virtual\": %s, \"tsc_ghz\": %.4f, \"quick\": %s,\n \"warnings\": [",
		host->cpus, host->virtual ? "true" : "false", host->tsc_ghz, cal_quick ? "true" : "false");
	for (i = 0; i < warning_count; i++) {
		fputs(i ? ", " : "", out);
		print_string(out, warnings[i]);
	}
	fputs("],\n \"constants\": {", out);
	for (i = 0; i < table->count; i++) {
		const struct cal_constant *c = &table->entry[i];

		fprintf(out, "%s\n  \"%s\": {\"value\": %.3f, \"measured\": %s, \"source\": ", i ? "," : "",
			c->name, c->value, c->measured ? "true" : "false");
		print_string(out, c->comment);
		if (c->ns.samples) {
			fputs(", ", out);
			print_stat(out, "ns", &c->ns);
		}
		fputc('}', out);
	}
	fputs("\n },\n \"pairs\": [", out);
	for (i = 0; i < count; i++) {
		fprintf(out, "%s\n  {\"cpus\": [%d, %d], \"place\": \"%s\", ", i ? "," : "", pair[i].cpu[0],
			pair[i].cpu[1], place_name(pair[i].place));
		print_stat(out, "hitm_ns", &pair[i].hitm);
		fputs(", ", out);
		print_stat(out, "upgrade_ns", &pair[i].upgrade);
		fputs(", ", out);
		print_stat(out, "pingpong_ns", &pair[i].pingpong);
		fputc('}', out);
	}
	fputs("\n ]}\n", out);
}

/* A file appears whole or not at all. */
static int print_all(const struct cal_host *host, const struct cal_table *table,
		     const struct cal_pair *pair, int count)
{
	char *partial = NULL;
	FILE *out = stdout;

	if (output) {
		if (asprintf(&partial, "%s.partial", output) < 0)
			return 1;
		out = fopen(partial, "w");
		if (!out) {
			fprintf(stderr, "calibrate: cannot write %s: %s\n", partial, strerror(errno));
			free(partial);
			return 1;
		}
	}
	(json ? print_json : print_text)(out, host, table, pair, count);
	if (fflush(out) || ferror(out) || (output && (fclose(out) || rename(partial, output)))) {
		fprintf(stderr, "calibrate: cannot write the table: %s\n", strerror(errno));
		if (partial)
			unlink(partial);
		free(partial);
		return 1;
	}
	free(partial);
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct cal_pair *pairs;
	struct cal_table table;
	struct cal_host host;
	int count = 0, status;
	double steal, ghz;

	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	begun = cal_ns();
	steal = cal_steal();
	if (cal_table_default(&table) || cal_host_init(&host))
		return 1;
	ghz = cal_table_get(&table, "ghz")->value;
	cal_core(&host, &table);
	if (!cal_stop && !host.ghz) {
		fputs("calibrate: the machine is too busy: no batch ran undisturbed\n", stderr);
		return 1;
	}
	if (!cal_stop)
		cal_mem(&host, &table);
	pairs = cal_stop ? NULL : cal_pairs(&host, &count);
	if (!cal_stop && host.cpus > 1) {
		pairs_to_table(&host, &table, pairs, count);
		cal_ipi(&host, &table);
	}
	cal_table_scale(&table, ghz);
	steal = cal_steal() - steal;
	if (!cal_stop && steal > 0.02 * (cal_ns() - begun) / 1e9)
		cal_warn("the hypervisor took %.1f s of processor time meanwhile", steal);
	status = cal_stop ? 130 : print_all(&host, &table, pairs, count);
	free(pairs);
	cal_host_free(&host);
	while (warning_count)
		free(warnings[--warning_count]);
	return status;
}
