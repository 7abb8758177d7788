// SPDX-License-Identifier: GPL-2.0
/*
 * cpuhash team DEVICE
 * cpuhash queue PATH
 *
 * What a stock kernel offers to send a packet by the NIC of the CPU it is sent
 * on, where nobody's own tools can say so:
 *
 * team: a team without ports becomes one in mode loadbalance whose hash is a
 * classic BPF program that returns the CPU's number, so port N, counted from
 * nought in the order they are added, sends for CPU N.
 *
 * queue: load a program for "tc ... bpf da object-pinned PATH" that gives a
 * packet on CPU N the queue of the slave with queue_id N + 1.
 */

#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/genetlink.h>
#include <linux/if_team.h>
#include <net/if.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The types of team's options are the kernel's own attribute types. */
#define OPTION_STRING	5
#define OPTION_BINARY	11

struct message {
	union {
		struct {
			struct nlmsghdr nl;
			struct genlmsghdr genl;
		};
		char room[1024];
	};
};

static void begin(struct message *m, uint16_t family, uint8_t command, uint8_t version)
{
	memset(m, 0, sizeof(*m));
	m->nl.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	m->nl.nlmsg_type = family;
	m->nl.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	m->genl.cmd = command;
	m->genl.version = version;
}

/* An attribute of @len bytes, or with @data NULL one whose content follows. */
static struct nlattr *put(struct message *m, uint16_t type, const void *data, size_t len)
{
	struct nlattr *attr = (struct nlattr *)(m->room + m->nl.nlmsg_len);

	if (m->nl.nlmsg_len + NLA_HDRLEN + NLA_ALIGN(len) > sizeof(m->room))
		errx(1, "a message has no room");
	attr->nla_type = data ? type : type | NLA_F_NESTED;
	attr->nla_len = NLA_HDRLEN + len;
	if (data)
		memcpy((char *)attr + NLA_HDRLEN, data, len);
	m->nl.nlmsg_len += NLA_ALIGN(attr->nla_len);
	return attr;
}

static void close_nest(const struct message *m, struct nlattr *nest)
{
	nest->nla_len = m->room + m->nl.nlmsg_len - (char *)nest;
}

/* Send a request; read its answer, if it has one, and the kernel's word. */
static void ask(int fd, struct message *m, struct message *answer, const char *what)
{
	const struct nlmsgerr *said;
	struct message got;

	if (send(fd, m, m->nl.nlmsg_len, 0) < 0)
		err(1, "%s", what);
	for (;;) {
		if (recv(fd, &got, sizeof(got), 0) < (ssize_t)NLMSG_HDRLEN)
			err(1, "%s", what);
		if (got.nl.nlmsg_type == NLMSG_ERROR)
			break;
		if (answer)
			*answer = got;
	}
	said = NLMSG_DATA(&got.nl);
	/* Team's own answer when it is done and nobody listens to its news. */
	if (said->error && said->error != -ESRCH) {
		errno = -said->error;
		err(1, "%s", what);
	}
}

static uint16_t family(int fd, const char *name)
{
	const struct nlattr *attr;
	struct message m, answer;
	uint16_t id = 0;
	size_t at;

	begin(&m, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
	put(&m, CTRL_ATTR_FAMILY_NAME, name, strlen(name) + 1);
	answer.nl.nlmsg_len = 0;
	ask(fd, &m, &answer, name);
	for (at = NLMSG_LENGTH(GENL_HDRLEN); at + NLA_HDRLEN <= answer.nl.nlmsg_len; at += NLA_ALIGN(attr->nla_len)) {
		attr = (const struct nlattr *)(answer.room + at);
		if (attr->nla_len < NLA_HDRLEN)
			break;
		if (attr->nla_type == CTRL_ATTR_FAMILY_ID)
			memcpy(&id, (const char *)attr + NLA_HDRLEN, sizeof(id));
	}
	return id;
}

static void option(int fd, uint16_t team, uint32_t device, const char *name, uint8_t type,
		   const void *data, size_t len)
{
	struct nlattr *list, *item;
	struct message m;

	begin(&m, team, TEAM_CMD_OPTIONS_SET, TEAM_GENL_VERSION);
	put(&m, TEAM_ATTR_TEAM_IFINDEX, &device, sizeof(device));
	list = put(&m, TEAM_ATTR_LIST_OPTION, NULL, 0);
	item = put(&m, TEAM_ATTR_ITEM_OPTION, NULL, 0);
	put(&m, TEAM_ATTR_OPTION_NAME, name, strlen(name) + 1);
	put(&m, TEAM_ATTR_OPTION_TYPE, &type, sizeof(type));
	put(&m, TEAM_ATTR_OPTION_DATA, data, len);
	close_nest(&m, item);
	close_nest(&m, list);
	ask(fd, &m, NULL, name);
}

static void team_by_cpu(const char *device)
{
	static const struct sock_filter cpu[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_CPU)),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	static const char mode[] = "loadbalance";
	uint32_t index = if_nametoindex(device);
	uint16_t team;
	int fd;

	if (!index)
		err(1, "%s", device);
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (fd < 0)
		err(1, "netlink");
	team = family(fd, TEAM_GENL_NAME);
	option(fd, team, index, "mode", OPTION_STRING, mode, sizeof(mode));
	option(fd, team, index, "bpf_hash_func", OPTION_BINARY, cpu, sizeof(cpu));
	close(fd);
}

/*
 * The bond takes one off what the program leaves there when it selects a queue
 * of its own, and looks for a slave by what remains: hence CPU + 2.
 */
static void queue_by_cpu(const char *path)
{
	const struct bpf_insn by_cpu[] = {
		/* r6 = skb */
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 1 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_get_smp_processor_id },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 0, .imm = 2 },
		{ .code = BPF_STX | BPF_MEM | BPF_W, .dst_reg = 6, .src_reg = 0,
		  .off = offsetof(struct __sk_buff, queue_mapping) },
		/* TC_ACT_UNSPEC: go on */
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = -1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	char log[4096] = "";
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_SCHED_CLS,
		.insns = (uintptr_t)by_cpu, .insn_cnt = sizeof(by_cpu) / sizeof(by_cpu[0]),
		.license = (uintptr_t)"GPL",
		.log_buf = (uintptr_t)log, .log_size = sizeof(log), .log_level = 1,
		.prog_name = "queue_by_cpu",
	};
	union bpf_attr pin = { .pathname = (uintptr_t)path };
	int fd;

	fd = syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));
	if (fd < 0)
		err(1, "the program was refused: %s", log);
	pin.bpf_fd = fd;
	if (syscall(SYS_bpf, BPF_OBJ_PIN, &pin, sizeof(pin)))
		err(1, "%s", path);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "team"))
		team_by_cpu(argv[2]);
	else if (argc == 3 && !strcmp(argv[1], "queue"))
		queue_by_cpu(argv[2]);
	else
		errx(2, "usage: cpuhash team DEVICE | cpuhash queue PATH");
	return 0;
}
