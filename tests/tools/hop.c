// SPDX-License-Identifier: GPL-2.0-only
/*
 * hop - a flow whose sender moves to another CPU all the time
 *
 * hop receive tcp|udp PORT
 *	Take one flow, to its end, and say "packets N reordered N". Of TCP N is
 *	0: what the receiver reordered is in its TcpExt counters.
 * hop send tcp|udp ADDRESS PORT PACKETS
 *	Send that many in bursts, each begun when nothing of the one before is
 *	under way, so that the flow can move between them and not within. The
 *	sender moves every millisecond, and every few packets where it is fast.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SIZE		600
#define HOP_NS		1000000ull
#define HOP_PACKETS	15
#define BURST		(4 * HOP_PACKETS)
#define DRAIN_US	1000
#define DRAIN_MAX	10000	/* times DRAIN_US: what takes longer is lost */
#define QUIET_S		20	/* a receiver does not wait longer */
#define LAST		UINT32_MAX

struct packet {
	uint32_t number;
	char filler[SIZE - sizeof(uint32_t)];
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static bool is_tcp(const char *name)
{
	if (strcmp(name, "tcp") && strcmp(name, "udp"))
		errx(2, "%s: neither tcp nor udp", name);
	return !strcmp(name, "tcp");
}

static struct sockaddr_in address(const char *ip, const char *port)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET, .sin_port = htons(atoi(port)),
	};

	if (inet_pton(AF_INET, ip, &sin.sin_addr) != 1)
		errx(2, "%s: no IPv4 address", ip);
	return sin;
}

static void hop(void)
{
	static unsigned int cpu;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu++ % sysconf(_SC_NPROCESSORS_ONLN), &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		err(1, "sched_setaffinity");
}

/* Until all that was sent is acknowledged (TCP) or has left the device (UDP). */
static void drain(int fd)
{
	int left, tries;

	for (tries = 0; tries < DRAIN_MAX; tries++) {
		if (ioctl(fd, SIOCOUTQ, &left))
			err(1, "SIOCOUTQ");
		if (!left)
			return;
		usleep(DRAIN_US);
	}
	errx(1, "%d bytes do not leave", left);
}

static void transmit(int fd, unsigned int packets)
{
	uint64_t hopped = 0, now;
	struct packet p = { 0 };

	for (p.number = 0; p.number < packets; p.number++) {
		if (!(p.number % BURST))
			drain(fd);
		now = now_ns();
		if (!(p.number % HOP_PACKETS) || now - hopped > HOP_NS) {
			hop();
			hopped = now;
		}
		if (send(fd, &p, sizeof(p), 0) != sizeof(p))
			err(1, "send");
	}

	/* more than one, since nobody says that it has come */
	drain(fd);
	for (p.number = LAST, packets = 0; packets < 3; packets++)
		send(fd, &p, sizeof(p), MSG_NOSIGNAL);
}

static void receive(int fd, bool tcp)
{
	unsigned int packets = 0, reordered = 0;
	int64_t newest = -1;
	struct packet p;

	while (recv(fd, &p, sizeof(p), tcp ? MSG_WAITALL : 0) == sizeof(p)) {
		if (p.number == LAST)
			break;
		packets++;
		if (p.number < newest)
			reordered++;
		else
			newest = p.number;
	}
	printf("packets %u reordered %u\n", packets, reordered);
}

static int server(const char *port, bool tcp)
{
	struct sockaddr_in sin = address("0.0.0.0", port);
	struct timeval quiet = { .tv_sec = QUIET_S };
	int one = 1, size = 4 << 20, fd;

	fd = socket(AF_INET, tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &quiet, sizeof(quiet));
	if (!tcp)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) || (tcp && listen(fd, 1)))
		err(1, "port %s", port);
	if (!tcp)
		return fd;
	fd = accept(fd, NULL, NULL);
	if (fd < 0)
		err(1, "accept");
	return fd;
}

static int client(const char *ip, const char *port, bool tcp)
{
	struct sockaddr_in sin = address(ip, port);
	int one = 1, fd;

	fd = socket(AF_INET, tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
	if (tcp)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)))
		err(1, "connect %s:%s", ip, port);
	return fd;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "receive"))
		receive(server(argv[3], is_tcp(argv[2])), is_tcp(argv[2]));
	else if (argc == 6 && !strcmp(argv[1], "send"))
		transmit(client(argv[3], argv[4], is_tcp(argv[2])), atoi(argv[5]));
	else
		errx(2, "usage: hop receive tcp|udp PORT | hop send tcp|udp ADDRESS PORT PACKETS");
	return 0;
}
