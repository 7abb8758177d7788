/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * corelane.h - what the subcommands of the corelane command share
 *
 * A subcommand is one file with one function, cmd_NAME(argc, argv). argv[0]
 * is "corelane NAME", so that argp's usage and error lines read right; the
 * rest is what the user typed behind it. It parses with argp (--help and
 * --json everywhere), prints text on stdout by default, and returns an exit
 * code: CL_OK, CL_FAIL or CL_USAGE.
 *
 * An error is one line on stderr, made by cl_error():
 *     corelane: <what is wrong>: <what to do>
 */
#ifndef CORELANE_H
#define CORELANE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CL_OK		0	/* done */
#define CL_FAIL		1	/* it did not work; stderr says why */
#define CL_USAGE	2	/* the command line makes no sense */

#define CL_MAX_CPUS	8192	/* the largest NR_CPUS that Linux allows */

#define CL_PRINTF(fmt, args)	__attribute__((format(printf, fmt, args)))
#define CL_ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* Subcommands (one file each). */
int cmd_nat(int argc, char **argv);
int cmd_bond(int argc, char **argv);
int cmd_block(int argc, char **argv);

/* output.c: messages, JSON, tables, small files, lists of CPUs, the clock */

/**
 * cl_error() - print "corelane: <message>" on stderr
 * @fmt: printf format, without prefix and newline
 *
 * Return: always CL_FAIL, so that a caller can `return cl_error(...)`.
 */
int cl_error(const char *fmt, ...) CL_PRINTF(1, 2);

/**
 * cl_usage() - print "corelane: <message>" on stderr for a wrong command line
 * @fmt: printf format, without prefix and newline
 *
 * Return: always CL_USAGE.
 */
int cl_usage(const char *fmt, ...) CL_PRINTF(1, 2);

/**
 * cl_print_json() - print a JSON value on stdout, indented, and release it
 * @root: the value; the reference is consumed, NULL means out of memory
 *
 * Return: CL_OK or CL_FAIL.
 */
int cl_print_json(json_t *root);

/**
 * cl_plain() - make text fit for a terminal and for JSON, wherever it comes from
 * @text: text; whatever is not printable ASCII becomes a question mark
 */
void cl_plain(char *text);

/**
 * struct cl_table - a text table whose columns are as wide as their contents
 * @columns: number of columns
 * @cells: @rows * @columns strings, owned by the table
 * @rows: rows so far, the header included
 */
struct cl_table {
	size_t columns;
	size_t rows;
	char **cells;
};

/* All cells of one row are given at once, as strings (char *). */
void cl_table_init(struct cl_table *t, size_t columns);
void cl_table_row(struct cl_table *t, ...);
/* Prints to stdout (numbers to the right, words to the left) and frees. */
void cl_table_print(struct cl_table *t);
void cl_table_free(struct cl_table *t);

/**
 * cl_str() - printf into one of a few static buffers, for table cells
 * @fmt: printf format
 *
 * Return: the string, valid until sixteen further calls.
 */
const char *cl_str(const char *fmt, ...) CL_PRINTF(1, 2);

/**
 * cl_read_file() - read a small file (sysfs, procfs) and strip the newline
 * @buf: where to
 * @size: bytes in @buf
 * @fmt: printf format of the path
 *
 * Return: length of the string, or -errno.
 */
int cl_read_file(char *buf, size_t size, const char *fmt, ...) CL_PRINTF(3, 4);

/**
 * cl_read_u64() - read a small file that holds one number
 * @value: the number, decimal or 0x…
 * @fmt: printf format of the path
 *
 * Return: 0, or -errno (-EINVAL: not a number).
 */
int cl_read_u64(uint64_t *value, const char *fmt, ...) CL_PRINTF(2, 3);

/**
 * cl_parse_u32() - parse a whole decimal number
 * @s: text
 * @max: largest value allowed
 * @value: result
 *
 * Return: true when @s is a number of at most @max and nothing else.
 */
bool cl_parse_u32(const char *s, uint32_t max, uint32_t *value);

/**
 * cl_parse_cpulist() - parse "0-3,8", as the kernel writes it
 * @s: text
 * @cpus: result: CPU numbers in the order given
 * @max: room in @cpus
 *
 * Return: how many CPUs, or -EINVAL (no list), -ERANGE (number too large),
 * -E2BIG (more than @max).
 */
int cl_parse_cpulist(const char *s, unsigned int *cpus, size_t max);

/**
 * cl_online_cpus() - the CPUs that are online, in ascending order
 * @cpus: result
 * @max: room in @cpus
 *
 * Return: how many, or -errno.
 */
int cl_online_cpus(unsigned int *cpus, size_t max);

/**
 * cl_now_ns() - the monotonic clock
 *
 * Return: nanoseconds since some moment in the past.
 */
uint64_t cl_now_ns(void);

/* nl.c: generic netlink over libmnl */

struct nlmsghdr;
struct cl_genl;

/* Called for each message of a reply; returns 0, or -errno to stop. */
typedef int (*cl_genl_cb)(const struct nlmsghdr *nlh, void *arg);

/**
 * cl_genl_open() - open a generic netlink socket and resolve a family
 * @family: name of the family
 * @hint: what the user should do when the family is missing
 *
 * Return: handle, or NULL after an error message.
 */
struct cl_genl *cl_genl_open(const char *family, const char *hint);
void cl_genl_close(struct cl_genl *genl);

/**
 * cl_genl_msg() - begin a message in the handle's buffer
 * @genl: handle
 * @cmd: command of the family
 * @version: version of the family
 * @flags: NLM_F_… besides NLM_F_REQUEST
 *
 * Return: the message; put attributes behind it with mnl_attr_put_…_check()
 * and cl_genl_room().
 */
struct nlmsghdr *cl_genl_msg(struct cl_genl *genl, uint8_t cmd,
			     uint8_t version, uint16_t flags);

/**
 * cl_genl_room() - size of the handle's buffer, for mnl_attr_put_…_check()
 * @genl: handle
 *
 * Return: bytes.
 */
size_t cl_genl_room(const struct cl_genl *genl);

/**
 * cl_genl_run() - send the message and read the whole answer
 * @genl: handle
 * @cb: called per answering message, or NULL
 * @arg: passed to @cb
 *
 * The kernel's own words (extack) are kept in cl_genl_why().
 *
 * Return: 0, or -errno as the kernel or @cb gave it; -EINTR when what is dumped
 * changed meanwhile: messages may be missing, those that came are whole.
 */
int cl_genl_run(struct cl_genl *genl, cl_genl_cb cb, void *arg);

/**
 * cl_genl_join() - hear what a family tells unasked
 * @genl: handle, which is used for nothing but cl_genl_wait() from then on
 * @group: name of the family's multicast group
 *
 * Return: 0, or -errno (-ENOENT: it has no such group).
 */
int cl_genl_join(struct cl_genl *genl, const char *group);

/**
 * cl_genl_wait() - wait for what is told unasked
 * @genl: handle that has joined a group
 * @timeout_ms: how long, in milliseconds
 * @cb: called per message
 * @arg: passed to @cb
 *
 * Return: 1, 0 when nothing came in time, or -errno (-EINTR: a signal came;
 * -ENOBUFS: messages were lost).
 */
int cl_genl_wait(struct cl_genl *genl, int timeout_ms, cl_genl_cb cb, void *arg);

/**
 * cl_genl_why() - what the kernel said about the last failure
 * @genl: handle
 * @err: what cl_genl_run() returned
 *
 * Return: the extack message, or strerror(-err).
 */
const char *cl_genl_why(const struct cl_genl *genl, int err);

#endif /* CORELANE_H */
