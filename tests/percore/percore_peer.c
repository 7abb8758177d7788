// SPDX-License-Identifier: GPL-2.0
/*
 * percore_peer: the server and the clients of percore's tests
 *
 *   serve ADDR PORT...      listen on each port; answer a line with the port
 *                           it came in on, "big N" with N bytes, "name" with
 *                           the port that getsockname() tells, "close" by
 *                           closing the connection
 *   talk ADDR PORT [SPORT]  one connection: send each line of stdin, print the
 *                           answer (its length when it is long)
 *   tiny SADDR ADDR PORT    a first packet from port 46000, its TCP header in
 *                           two fragments
 *   conns ADDR PORT N       N connections with one request each, one after
 *                           another; print how they went and who answered
 *   burst ADDR PORT N       the same, but make all N and send their requests
 *                           first, one after another, then print "sent"; and
 *                           every answer when it comes
 *
 * With -u in front serve, talk and conns do it by UDP: a datagram is a line and
 * a line is a datagram. The server makes a socket that is connected to the
 * client when it is told "connect", and says so in all answers from it, and how
 * often it was refused there.
 *
 * Sockets are bound to the device in PERCORE_PEER_DEV, if there is one.
 *
 * A client prints "reset", "timeout" or "refused" for what went wrong.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define MAX_FDS		1024
#define LINE_SIZE	8192
#define DATAGRAM_MAX	65507
#define TIMEOUT_SEC	12	/* a busy host may lose a SYN or two: four are sent */
#define BURST_SEC	60

struct peer {
	uint16_t port;
	bool listens;
	bool connected;
	unsigned int refused;
	size_t len;
	char line[LINE_SIZE];
};

static struct pollfd fds[MAX_FDS];
static struct peer *peers[MAX_FDS];
static int nfds;
static int type = SOCK_STREAM;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

union end {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static socklen_t end_len(const union end *end)
{
	return end->sa.sa_family == AF_INET6 ? sizeof(end->in6)
					     : sizeof(end->in);
}

static uint16_t end_port(const union end *end)
{
	return ntohs(end->sa.sa_family == AF_INET6 ? end->in6.sin6_port
						   : end->in.sin_port);
}

/* An address of the family that it is written in; "" is any of @family. */
static union end address(const char *ip, const char *port, int family)
{
	union end end = { 0 };
	int ok = 1;

	if (*ip)
		family = strchr(ip, ':') ? AF_INET6 : AF_INET;
	end.sa.sa_family = (sa_family_t)family;
	if (family == AF_INET6) {
		end.in6.sin6_port = htons((uint16_t)atoi(port));
		if (*ip)
			ok = inet_pton(AF_INET6, ip, &end.in6.sin6_addr);
	} else {
		end.in.sin_port = htons((uint16_t)atoi(port));
		if (*ip)
			ok = inet_pton(AF_INET, ip, &end.in.sin_addr);
	}
	if (ok != 1) {
		fprintf(stderr, "bad address %s\n", ip);
		exit(2);
	}
	return end;
}

static int new_socket(int family)
{
	struct timeval limit = { .tv_sec = TIMEOUT_SEC };
	int fd = socket(family, type | SOCK_CLOEXEC, 0), one = 1;
	const char *dev = getenv("PERCORE_PEER_DEV");

	if (fd < 0)
		fail("socket");
	if (dev && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, dev,
			      (socklen_t)strlen(dev)))
		fail(dev);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return fd;
}

/* Server */

static void add_fd(int fd, uint16_t port, bool listens)
{
	if (nfds == MAX_FDS) {
		close(fd);
		return;
	}
	peers[nfds] = calloc(1, sizeof(struct peer));
	if (!peers[nfds])
		fail("calloc");
	peers[nfds]->port = port;
	peers[nfds]->listens = listens;
	fds[nfds++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

static void drop_fd(int i)
{
	close(fds[i].fd);
	free(peers[i]);
	nfds--;
	fds[i] = fds[nfds];
	peers[i] = peers[nfds];
}

static bool send_all(int fd, const char *buf, size_t len)
{
	while (len) {
		ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		buf += n;
		len -= (size_t)n;
	}
	return true;
}

static bool send_big(int fd, size_t len)
{
	char block[4096];

	memset(block, 'x', sizeof(block));
	while (len > sizeof(block)) {
		if (!send_all(fd, block, sizeof(block)))
			return false;
		len -= sizeof(block);
	}
	block[len - 1] = '\n';
	return send_all(fd, block, len);
}

static bool answer(int fd, struct peer *peer)
{
	char text[32];

	if (!strncmp(peer->line, "close", 5))
		return false;
	if (!strncmp(peer->line, "big ", 4)) {
		long len = atol(peer->line + 4);

		return len > 0 && send_big(fd, (size_t)len);
	}
	if (!strncmp(peer->line, "name", 4)) {
		union end end = { 0 };
		socklen_t len = sizeof(end);

		if (getsockname(fd, &end.sa, &len))
			return false;
		snprintf(text, sizeof(text), "%u\n", end_port(&end));
		return send_all(fd, text, strlen(text));
	}
	snprintf(text, sizeof(text), "%u\n", peer->port);
	return send_all(fd, text, strlen(text));
}

static bool serve_line(int fd, struct peer *peer)
{
	ssize_t n = recv(fd, peer->line + peer->len,
			 LINE_SIZE - 1 - peer->len, 0);

	if (n <= 0)
		return false;
	peer->len += (size_t)n;
	peer->line[peer->len] = '\0';
	if (!memchr(peer->line, '\n', peer->len))
		return peer->len < LINE_SIZE - 1;
	peer->len = 0;
	return answer(fd, peer);
}

/* A socket for one client, from the port that it came in on. */
static bool connect_peer(int fd, const struct peer *peer,
			 const union end *client)
{
	union end here = { 0 };
	socklen_t len = sizeof(here);
	int own;

	if (getsockname(fd, &here.sa, &len))
		return false;
	own = new_socket(here.sa.sa_family);
	if (bind(own, &here.sa, end_len(&here)) ||
	    connect(own, &client->sa, end_len(client))) {
		close(own);
		return false;
	}
	add_fd(own, peer->port, false);
	peers[nfds - 1]->connected = true;
	return true;
}

static void serve_datagram(int fd, struct peer *peer)
{
	static char big[DATAGRAM_MAX + 1];
	union end client = { 0 };
	socklen_t from = sizeof(client);
	ssize_t n = recvfrom(fd, big, sizeof(big) - 1, 0, &client.sa, &from);
	size_t len;

	if (n <= 0) {
		peer->refused += n < 0 && errno == ECONNREFUSED;
		return;
	}
	big[n] = '\0';
	if (!strncmp(big, "connect", 7) && !peer->connected &&
	    !connect_peer(fd, peer, &client))
		return;
	len = !strncmp(big, "big ", 4) ? (size_t)atol(big + 4) : 0;
	if (len > 0 && len <= DATAGRAM_MAX) {
		memset(big, 'x', len);
		big[len - 1] = '\n';
	} else {
		len = (size_t)snprintf(big, sizeof(big),
				       peer->connected ? "%u own refused=%u\n"
						       : "%u\n",
				       peer->port, peer->refused);
	}
	if (sendto(fd, big, len, 0, &client.sa, from) < 0)
		peer->refused += errno == ECONNREFUSED;
}

static void __attribute__((noreturn)) serve(char **argv)
{
	struct timeval limit = { .tv_sec = TIMEOUT_SEC };

	for (int i = 1; argv[i]; i++) {
		union end end = address(argv[0], argv[i], AF_UNSPEC);
		int fd = new_socket(end.sa.sa_family);

		if (bind(fd, &end.sa, end_len(&end)) ||
		    (type == SOCK_STREAM && listen(fd, 128)))
			fail("listen");
		add_fd(fd, end_port(&end), true);
	}
	puts("ready");
	fflush(stdout);
	for (;;) {
		if (poll(fds, (nfds_t)nfds, -1) < 0)
			fail("poll");
		for (int i = nfds - 1; i >= 0; i--) {
			if (!fds[i].revents)
				continue;
			if (type == SOCK_DGRAM) {
				serve_datagram(fds[i].fd, peers[i]);
			} else if (peers[i]->listens) {
				int fd = accept(fds[i].fd, NULL, NULL);

				if (fd < 0)
					continue;
				setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit,
					   sizeof(limit));
				add_fd(fd, peers[i]->port, false);
			} else if (!serve_line(fds[i].fd, peers[i])) {
				drop_fd(i);
			}
		}
	}
}

/* Clients */

static const char *trouble(void)
{
	switch (errno) {
	case ECONNRESET:
	case EPIPE:
		return "reset";
	case ECONNREFUSED:
		return "refused";
	case EAGAIN:
	case EINPROGRESS:
	case ETIMEDOUT:
		return "timeout";
	}
	return strerror(errno);
}

static int reach(const char *ip, const char *port, const char *sport)
{
	union end to = address(ip, port, AF_UNSPEC), any;
	int fd = new_socket(to.sa.sa_family);

	if (sport) {
		any = address("", sport, to.sa.sa_family);
		if (bind(fd, &any.sa, end_len(&any)))
			fail("bind");
	}
	if (!connect(fd, &to.sa, end_len(&to)))
		return fd;
	close(fd);
	return -1;
}

/* One answer, up to its newline; returns its length, 0 at the end, -1. */
static long hear(int fd, char *buf, size_t size)
{
	long len = 0;

	for (;;) {
		char block[DATAGRAM_MAX];
		ssize_t n = recv(fd, block, sizeof(block), 0);

		if (n <= 0)
			return n ? -1 : 0;
		for (ssize_t i = 0; i < n; i++)
			if ((size_t)(len + i) < size - 1)
				buf[len + i] = block[i];
		len += n;
		if (block[n - 1] != '\n')
			continue;
		buf[(size_t)len < size ? (size_t)len - 1 : size - 1] = '\0';
		return len;
	}
}

static int talk(char **argv)
{
	int fd = reach(argv[0], argv[1], argv[2]);
	char *line = NULL, reply[64];
	size_t size = 0;
	ssize_t n;
	long len;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (fd < 0) {
		puts(trouble());
		return 1;
	}
	puts("connected");
	while ((n = getline(&line, &size, stdin)) > 0) {
		if (!send_all(fd, line, (size_t)n)) {
			puts(trouble());
			return 1;
		}
		len = hear(fd, reply, sizeof(reply));
		if (len < 0) {
			puts(trouble());
			return 1;
		}
		if (!len) {
			puts("closed");
			break;
		}
		if (len < (long)sizeof(reply))
			puts(reply);
		else
			printf("%ld bytes\n", len);
	}
	free(line);
	close(fd);
	return 0;
}

static int conns(char **argv)
{
	unsigned int ports[65536] = { 0 };
	unsigned int ok = 0, bad = 0;
	int count = atoi(argv[2]);
	const char *last = "";
	char reply[64];

	for (int i = 0; i < count; i++) {
		int fd = reach(argv[0], argv[1], NULL);

		if (fd >= 0 && send_all(fd, "hello\n", 6) &&
		    hear(fd, reply, sizeof(reply)) > 0) {
			ok++;
			ports[(uint16_t)atoi(reply)]++;
		} else {
			bad++;
			last = trouble();
		}
		if (fd >= 0)
			close(fd);
	}
	printf("ok=%u bad=%u", ok, bad);
	if (bad)
		printf(" last=%s", last);
	for (int i = 0; i < 65536; i++)
		if (ports[i])
			printf(" %d=%u", i, ports[i]);
	putchar('\n');
	return bad != 0;
}

/* Wait for what has not been answered; true when all of it has been. */
static bool hear_all(unsigned int *ports)
{
	char reply[64];

	while (nfds) {
		if (poll(fds, (nfds_t)nfds, BURST_SEC * 1000) <= 0)
			return false;
		for (int i = nfds - 1; i >= 0; i--) {
			if (!fds[i].revents)
				continue;
			if (hear(fds[i].fd, reply, sizeof(reply)) <= 0)
				return false;
			puts(reply);
			ports[(uint16_t)atoi(reply)]++;
			drop_fd(i);
		}
	}
	return true;
}

static int burst(char **argv)
{
	unsigned int ports[65536] = { 0 };
	int count = atoi(argv[2]);
	bool good;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < count; i++) {
		int fd = reach(argv[0], argv[1], NULL);

		if (fd < 0 || !send_all(fd, "hello\n", 6)) {
			printf("after %d: %s\n", i, trouble());
			return 1;
		}
		add_fd(fd, 0, false);
	}
	puts("sent");
	good = hear_all(ports);
	printf("ok=%d bad=%d", count - nfds, nfds);
	if (!good)
		printf(" last=%s", trouble());
	for (int i = 0; i < 65536; i++)
		if (ports[i])
			printf(" %d=%u", i, ports[i]);
	putchar('\n');
	return !good;
}

static uint16_t tcp_sum(const struct iphdr *iph, const struct tcphdr *th)
{
	const uint16_t *addr = (const void *)&iph->saddr;
	const uint16_t *word = (const void *)th;
	uint32_t sum = htons(IPPROTO_TCP) + htons(sizeof(*th));

	for (int i = 0; i < 4; i++)
		sum += addr[i];
	for (size_t i = 0; i < sizeof(*th) / 2; i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~(sum + (sum >> 16));
}

/* A raw socket with its own IP header: the kernel fills in the checksum. */
static void send_fragment(int fd, const struct sockaddr_in *to,
			  struct iphdr iph, const char *data, size_t offset,
			  size_t len, bool more)
{
	char packet[sizeof(iph) + sizeof(struct tcphdr)];

	iph.frag_off = htons((uint16_t)(offset / 8 | (more ? IP_MF : 0)));
	memcpy(packet, &iph, sizeof(iph));
	memcpy(packet + sizeof(iph), data + offset, len);
	if (sendto(fd, packet, sizeof(iph) + len, 0, (const void *)to,
		   sizeof(*to)) < 0)
		fail("sendto");
}

static int tiny(char **argv)
{
	struct sockaddr_in from = address(argv[0], "46000", AF_INET).in;
	struct sockaddr_in to = address(argv[1], argv[2], AF_INET).in;
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	struct iphdr iph = {
		.version = 4,
		.ihl = 5,
		.id = htons(4711),
		.ttl = 64,
		.protocol = IPPROTO_TCP,
		.saddr = from.sin_addr.s_addr,
		.daddr = to.sin_addr.s_addr,
	};
	struct tcphdr th = {
		.source = from.sin_port,
		.dest = to.sin_port,
		.seq = htonl(1),
		.doff = sizeof(th) / 4,
		.syn = 1,
		.window = htons(1024),
	};

	if (fd < 0)
		fail("socket");
	th.check = tcp_sum(&iph, &th);
	to.sin_port = 0;
	send_fragment(fd, &to, iph, (const char *)&th, 0, 16, true);
	send_fragment(fd, &to, iph, (const char *)&th, 16, sizeof(th) - 16,
		      false);
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && !strcmp(argv[1], "-u")) {
		type = SOCK_DGRAM;
		argc--;
		argv++;
	}
	if (argc >= 4 && !strcmp(argv[1], "serve"))
		serve(argv + 2);
	if ((argc == 4 || argc == 5) && !strcmp(argv[1], "talk"))
		return talk(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "tiny"))
		return tiny(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "conns"))
		return conns(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "burst"))
		return burst(argv + 2);
	fputs("usage: percore_peer [-u] serve ADDR PORT... | talk ADDR PORT [SPORT] | tiny SADDR ADDR PORT | conns ADDR PORT N | burst ADDR PORT N\n",
	      stderr);
	return 2;
}
