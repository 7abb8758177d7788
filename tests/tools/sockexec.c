// SPDX-License-Identifier: GPL-2.0
/*
 * sockexec CPU ADDRESS PORT PROGRAM [ARGUMENT...]
 *
 * Open a listening socket of one CPU and become PROGRAM, which takes the
 * socket over as systemd's socket activation passes it (descriptor 3).
 * Several of them share an address and port by SO_REUSEPORT; the kernel gives
 * a connection to the one whose SO_INCOMING_CPU is the CPU it arrived on.
 * So a server that knows nothing of either gets a listener per CPU.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "number.h"

#define ACTIVATION_FD	3
#define BACKLOG		1024

static int listener(int cpu, const char *address, int port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	int one = 1;
	int fd;

	if (inet_pton(AF_INET, address, &sin.sin_addr) != 1)
		errx(2, "%s: no IPv4 address", address);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (fd < 0)
		err(1, "socket");
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_INCOMING_CPU, &cpu, sizeof(cpu)))
		err(1, "setsockopt");
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)))
		err(1, "bind %s:%d", address, port);
	if (listen(fd, BACKLOG))
		err(1, "listen");
	return fd;
}

int main(int argc, char **argv)
{
	char pid[16];
	cpu_set_t cpus;
	int cpu, fd;

	if (argc < 5)
		errx(2, "usage: sockexec CPU ADDRESS PORT PROGRAM [ARGUMENT...]");
	cpu = number(argv[1], 0, CPU_SETSIZE - 1, "CPU");
	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		err(1, "CPU %d", cpu);

	fd = listener(cpu, argv[2], number(argv[3], 0, 65535, "port"));
	if (fd != ACTIVATION_FD) {
		if (dup2(fd, ACTIVATION_FD) < 0)
			err(1, "dup2");
		close(fd);
	}
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	execvp(argv[4], argv + 4);
	err(1, "%s", argv[4]);
}
