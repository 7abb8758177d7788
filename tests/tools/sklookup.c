// SPDX-License-Identifier: GPL-2.0
/*
 * sklookup attach DIR ADDRESS PORT CPUS
 * sklookup add DIR CPU PID
 *
 * A listening socket per CPU for one address and port, by what a stock kernel
 * has: a BPF program at the sk_lookup hook gives a connection to the socket
 * that a map holds for the CPU.
 *
 * attach: make map and program, and have this network namespace ask it. They
 * live until the two files in DIR, on a BPF file system, are removed.
 *
 * add: the listening socket of process PID, wherever it listens, is CPU's.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "number.h"

/* A server that has just started has no more files open. */
#define MAX_FD	64

#define INSN(op, dst, src, offset, value) \
	((struct bpf_insn){ .code = (op), .dst_reg = (dst), .src_reg = (src), .off = (offset), .imm = (value) })

static long bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static const char *in_dir(const char *dir, const char *name)
{
	static char path[4096];

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		errx(2, "%s: too long", dir);
	return path;
}

static void pin(int fd, const char *dir, const char *name)
{
	const char *path = in_dir(dir, name);
	union bpf_attr attr = { .pathname = (uintptr_t)path, .bpf_fd = fd };

	if (bpf(BPF_OBJ_PIN, &attr))
		err(1, "%s", path);
}

static int make_map(int cpus)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_SOCKMAP,
		.key_size = sizeof(uint32_t), .value_size = sizeof(uint64_t),
		.max_entries = cpus, .map_name = "listeners",
	};
	int fd = bpf(BPF_MAP_CREATE, &attr);

	if (fd < 0)
		err(1, "map");
	return fd;
}

/* A CPU without a socket leaves the packet to the kernel's own search. */
static int load_program(int map, uint32_t address, int port)
{
	const struct bpf_insn by_cpu[] = {
		/* r6 = context */
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0),
		INSN(BPF_LDX | BPF_MEM | BPF_W, 2, 6, offsetof(struct bpf_sk_lookup, local_port), 0),
		INSN(BPF_JMP32 | BPF_JNE | BPF_K, 2, 0, 17, port),
		INSN(BPF_LDX | BPF_MEM | BPF_W, 2, 6, offsetof(struct bpf_sk_lookup, local_ip4), 0),
		INSN(BPF_JMP32 | BPF_JNE | BPF_K, 2, 0, 15, (int32_t)address),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_smp_processor_id),
		INSN(BPF_STX | BPF_MEM | BPF_W, 10, 0, -4, 0),
		INSN(BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP_FD, 0, map),
		INSN(0, 0, 0, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -4),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 7, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 7, 0, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 1, 6, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 2, 7, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, BPF_SK_LOOKUP_F_NO_REUSEPORT),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_sk_assign),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 1, 7, 0, 0),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_sk_release),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, SK_PASS),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	char log[4096] = "";
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_SK_LOOKUP, .expected_attach_type = BPF_SK_LOOKUP,
		.insns = (uintptr_t)by_cpu, .insn_cnt = sizeof(by_cpu) / sizeof(by_cpu[0]),
		.license = (uintptr_t)"GPL",
		.log_buf = (uintptr_t)log, .log_size = sizeof(log), .log_level = 1,
		.prog_name = "listener_by_cpu",
	};
	int fd = bpf(BPF_PROG_LOAD, &load);

	if (fd < 0)
		err(1, "the program was refused: %s", log);
	return fd;
}

static void attach(const char *dir, const char *address, int port, int cpus)
{
	union bpf_attr link = { .link_create.attach_type = BPF_SK_LOOKUP };
	struct in_addr in;
	int map, fd;

	if (inet_pton(AF_INET, address, &in) != 1)
		errx(2, "%s: no IPv4 address", address);
	map = make_map(cpus);
	link.link_create.prog_fd = load_program(map, in.s_addr, port);
	link.link_create.target_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	fd = bpf(BPF_LINK_CREATE, &link);
	if (fd < 0)
		err(1, "attach");
	pin(map, dir, "map");
	pin(fd, dir, "link");
}

static int listener_of(int pid)
{
	int process = syscall(SYS_pidfd_open, pid, 0), fd, sock, listens;
	socklen_t size;

	if (process < 0)
		err(1, "process %d", pid);
	for (fd = 0; fd < MAX_FD; fd++) {
		sock = syscall(SYS_pidfd_getfd, process, fd, 0);
		if (sock < 0)
			continue;
		size = sizeof(listens);
		if (!getsockopt(sock, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) && listens)
			return sock;
		close(sock);
	}
	errx(1, "process %d has no listening socket", pid);
}

static void add(const char *dir, int cpu, int pid)
{
	const char *path = in_dir(dir, "map");
	union bpf_attr get = { .pathname = (uintptr_t)path };
	union bpf_attr update = { .flags = BPF_ANY };
	uint64_t sock = listener_of(pid);
	uint32_t key = cpu;
	int map = bpf(BPF_OBJ_GET, &get);

	if (map < 0)
		err(1, "%s", path);
	update.map_fd = map;
	update.key = (uintptr_t)&key;
	update.value = (uintptr_t)&sock;
	if (bpf(BPF_MAP_UPDATE_ELEM, &update))
		err(1, "the socket of process %d", pid);
}

int main(int argc, char **argv)
{
	if (argc == 6 && !strcmp(argv[1], "attach"))
		attach(argv[2], argv[3], number(argv[4], 0, UINT16_MAX, "port"),
		       number(argv[5], 0, 4096, "number of CPUs"));
	else if (argc == 5 && !strcmp(argv[1], "add"))
		add(argv[2], number(argv[3], 0, 4095, "CPU"), number(argv[4], 0, 1 << 22, "process"));
	else
		errx(2, "usage: sklookup attach DIR ADDRESS PORT CPUS | sklookup add DIR CPU PID");
	return 0;
}
