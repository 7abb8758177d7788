// SPDX-License-Identifier: GPL-2.0
/*
 * percore_crowd: many connections at once, each of which must live
 *
 *   serve ADDR PORT...   listen on each port; answer each number with itself
 *                        and the port that it came in on
 *   talk ADDR PORT CONNS ROUNDS [hop] [churn]
 *                        open CONNS connections, then ask each ROUNDS times,
 *                        or with 0 until SIGTERM; print what became of them:
 *                          opened   connections that were answered once
 *                          answers  right answers
 *                          reset    ended by the other side
 *                          hung     nothing was heard of any for 40 s
 *                          strayed  answered by another port than before
 *                          wrong    answered with another number
 *                        hop: on one CPU after another, at random
 *                        churn: every other connection is closed after four
 *                        answers and opened anew
 *   hold ADDR PORT CPUS  for each line of stdin open a connection on each of CPUS
 *                        CPUs, which must be answered, and print how many there
 *                        are; in the end ask all again and print how many
 *                        answer as before
 *   shake FILE CPUS MS   every MS milliseconds write a random mask of CPUS
 *                        CPUs to FILE (a queue's rps_cpus), until killed
 *
 * More than 20,000 connections come from as many addresses as are needed, from
 * 10.9.0.2 upwards.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS		256
#define OPENING_MAX	64	/* handshakes at once */
#define PER_ADDRESS	20000
#define FIRST_ADDRESS	0x0a090002	/* 10.9.0.2 */
#define QUIET_MS	40000	/* longer than TCP's first six tries */
#define CHURN_ANSWERS	4

struct answer {
	uint32_t number;
	uint32_t port;
};

static struct epoll_event events[EVENTS];
static int poller;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static struct sockaddr_in address(const char *ip, const char *port)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
	};

	if (inet_pton(AF_INET, ip, &sin.sin_addr) != 1) {
		fprintf(stderr, "bad address %s\n", ip);
		exit(2);
	}
	return sin;
}

static int new_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void watch(int op, int fd, uint32_t what, uint64_t tag)
{
	struct epoll_event event = { .events = what, .data.u64 = tag };

	if (epoll_ctl(poller, op, fd, &event))
		fail("epoll_ctl");
}

/* Server: the tag of an event is the file, its port and whether it listens. */

static uint64_t tag_of(int fd, uint16_t port, bool listens)
{
	return (uint64_t)listens << 63 | (uint64_t)port << 32 | (uint32_t)fd;
}

static void take_all(int listener, uint16_t port)
{
	int fd, one = 1;

	while ((fd = accept4(listener, NULL, NULL,
			     SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		watch(EPOLL_CTL_ADD, fd, EPOLLIN, tag_of(fd, port, false));
	}
}

static void answer_all(int fd, uint16_t port)
{
	struct answer answer = { .port = port };
	ssize_t n;

	/* A client has one question at a time, of four bytes in one piece. */
	n = recv(fd, &answer.number, sizeof(answer.number), 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n != sizeof(answer.number) ||
	    send(fd, &answer, sizeof(answer), MSG_NOSIGNAL) != sizeof(answer))
		close(fd);
}

static void __attribute__((noreturn)) serve(char **argv)
{
	for (int i = 1; argv[i]; i++) {
		struct sockaddr_in sin = address(argv[0], argv[i]);
		int fd = new_socket();

		if (bind(fd, (void *)&sin, sizeof(sin)) || listen(fd, 4096))
			fail("listen");
		watch(EPOLL_CTL_ADD, fd, EPOLLIN,
		      tag_of(fd, ntohs(sin.sin_port), true));
	}
	puts("ready");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(poller, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			uint64_t tag = events[i].data.u64;
			uint16_t port = (uint16_t)(tag >> 32);

			if (tag >> 63)
				take_all((int)(uint32_t)tag, port);
			else
				answer_all((int)(uint32_t)tag, port);
		}
	}
}

/* Client */

struct conn {
	int fd;			/* -1: not open */
	uint32_t number;	/* asked last */
	uint32_t port;		/* who answered; 0 for nobody yet */
	uint32_t answers;	/* since it was opened */
	uint32_t rounds;	/* answers in all */
	bool opening;
	bool waits;		/* for an answer */
};

static struct conn *conns;
static uint32_t count, rounds, next, opening, waiting;
static uint32_t opened, answers, reset, hung, strayed, wrong;
static struct sockaddr_in server;
static volatile sig_atomic_t stopped;
static bool hops, churns;

static void on_term(int sig)
{
	(void)sig;
	stopped = 1;
}

static void drop(struct conn *c)
{
	opening -= c->opening;
	waiting -= c->waits;
	close(c->fd);
	c->fd = -1;
	c->opening = false;
	c->waits = false;
}

static void lost(struct conn *c)
{
	drop(c);
	c->rounds = UINT32_MAX;
	reset++;
}

/* Non-blocking, from its address; the kernel chooses the port at connect(). */
static void open_one(struct conn *c)
{
	uint32_t i = (uint32_t)(c - conns);
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(FIRST_ADDRESS + i / PER_ADDRESS),
	};
	int one = 1;

	c->fd = new_socket();
	setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one,
		   sizeof(one));
	if (count > PER_ADDRESS && bind(c->fd, (void *)&sin, sizeof(sin)))
		fail("bind");
	c->port = 0;
	c->answers = 0;
	c->opening = true;
	opening++;
	watch(EPOLL_CTL_ADD, c->fd, EPOLLOUT, i);
	if (connect(c->fd, (void *)&server, sizeof(server)) &&
	    errno != EINPROGRESS)
		lost(c);
}

static void ask(struct conn *c)
{
	c->number++;
	if (send(c->fd, &c->number, sizeof(c->number), MSG_NOSIGNAL) !=
	    sizeof(c->number)) {
		lost(c);
		return;
	}
	c->waits = true;
	waiting++;
}

static void is_open(struct conn *c)
{
	socklen_t len = sizeof(int);
	int err = 0;

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (err) {
		lost(c);
		return;
	}
	c->opening = false;
	opening--;
	watch(EPOLL_CTL_MOD, c->fd, EPOLLIN, (uint64_t)(c - conns));
	ask(c);
}

static void hear(struct conn *c)
{
	struct answer answer;
	ssize_t n = recv(c->fd, &answer, sizeof(answer), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n != sizeof(answer)) {
		lost(c);
		return;
	}
	waiting -= c->waits;
	c->waits = false;
	wrong += answer.number != c->number;
	strayed += c->port && c->port != answer.port;
	c->port = answer.port;
	answers++;
	opened += !c->answers++;
	c->rounds++;
	if (churns && (c - conns) % 2 && c->answers == CHURN_ANSWERS)
		drop(c);
}

static void hop(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((unsigned long)(random() % sysconf(_SC_NPROCESSORS_ONLN)),
		&set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* Whose turn is it? Each one's, again and again, as long as it has rounds left;
 * returns whether something is under way.
 */
static bool go_on(uint32_t round)
{
	for (; next < count && waiting < EVENTS && opening < OPENING_MAX;
	     next++) {
		struct conn *c = &conns[next];

		if (stopped || c->rounds >= round)
			continue;
		if (c->fd < 0)
			open_one(c);
		else if (!c->opening && !c->waits)
			ask(c);
	}
	return next < count || waiting || opening;
}

static void one_round(uint32_t round)
{
	next = 0;
	while (go_on(round)) {
		int n = epoll_wait(poller, events, EVENTS, QUIET_MS);

		if (n < 0 && errno == EINTR)
			continue;
		if (!n) {
			hung += waiting + opening;
			stopped = 1;
			return;
		}
		for (int i = 0; i < n; i++) {
			struct conn *c = &conns[events[i].data.u64];

			if (c->fd >= 0 && c->opening)
				is_open(c);
			else if (c->fd >= 0)
				hear(c);
		}
		if (hops)
			hop();
	}
}

static int talk(int argc, char **argv)
{
	server = address(argv[0], argv[1]);
	count = (uint32_t)atoi(argv[2]);
	rounds = (uint32_t)atoi(argv[3]);
	for (int i = 4; i < argc; i++) {
		hops |= !strcmp(argv[i], "hop");
		churns |= !strcmp(argv[i], "churn");
	}
	conns = calloc(count, sizeof(*conns));
	if (!conns)
		fail("calloc");
	for (uint32_t i = 0; i < count; i++)
		conns[i].fd = -1;
	signal(SIGTERM, on_term);
	srandom((unsigned int)time(NULL));
	for (uint32_t i = 1; !stopped && (!rounds || i <= rounds); i++)
		one_round(i);
	printf("opened=%u answers=%u reset=%u hung=%u strayed=%u wrong=%u\n",
	       opened, answers, reset, hung, strayed, wrong);
	return reset || hung || strayed || wrong;
}

/* Ask and wait: who answers?  0: nobody, or another number came back. */
static uint32_t ask_held(struct conn *c)
{
	struct answer answer;

	c->number++;
	if (send(c->fd, &c->number, sizeof(c->number), MSG_NOSIGNAL) !=
	    sizeof(c->number) ||
	    recv(c->fd, &answer, sizeof(answer), MSG_WAITALL) != sizeof(answer) ||
	    answer.number != c->number)
		return 0;
	return answer.port;
}

static bool open_held(struct conn *c, unsigned int cpu)
{
	struct timeval patience = { .tv_sec = QUIET_MS / 1000 };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || sched_setaffinity(0, sizeof(set), &set))
		fail("hold");
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(c->fd, (void *)&server, sizeof(server)))
		return false;
	c->port = ask_held(c);
	return c->port;
}

static int hold(char **argv)
{
	unsigned int cpus = (unsigned int)atoi(argv[2]), cpu;
	uint32_t right = 0;
	char line[16];

	server = address(argv[0], argv[1]);
	while (fgets(line, sizeof(line), stdin)) {
		conns = realloc(conns, (count + cpus) * sizeof(*conns));
		if (!conns)
			fail("realloc");
		for (cpu = 0; cpu < cpus; cpu++, count++) {
			conns[count] = (struct conn){ .number = count };
			if (!open_held(&conns[count], cpu))
				fail("a connection");
		}
		printf("%u\n", count);
		fflush(stdout);
	}
	for (uint32_t i = 0; i < count; i++)
		right += ask_held(&conns[i]) == conns[i].port;
	printf("%u\n", right);
	return right != count;
}

static int shake(char **argv)
{
	unsigned int cpus = (unsigned int)atoi(argv[1]);
	long ms = atol(argv[2]);
	struct timespec pause = { ms / 1000, ms % 1000 * 1000000 };
	int fd = open(argv[0], O_WRONLY | O_CLOEXEC);
	char mask[32];

	if (fd < 0)
		fail(argv[0]);
	signal(SIGTERM, on_term);
	while (!stopped) {
		int n = snprintf(mask, sizeof(mask), "%lx\n",
				 random() % ((1L << cpus) - 1) + 1);

		if (pwrite(fd, mask, (size_t)n, 0) != n)
			fail("write");
		nanosleep(&pause, NULL);
	}
	/* As it was: no steering. */
	return pwrite(fd, "0\n", 2, 0) != 2;
}

int main(int argc, char **argv)
{
	struct rlimit files = { 300000, 300000 };

	setrlimit(RLIMIT_NOFILE, &files);
	signal(SIGPIPE, SIG_IGN);
	poller = epoll_create1(EPOLL_CLOEXEC);
	if (poller < 0)
		fail("epoll");
	if (argc >= 4 && !strcmp(argv[1], "serve"))
		serve(argv + 2);
	if (argc >= 6 && !strcmp(argv[1], "talk"))
		return talk(argc - 2, argv + 2);
	if (argc == 5 && !strcmp(argv[1], "hold"))
		return hold(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "shake"))
		return shake(argv + 2);
	fputs("usage: percore_crowd serve ADDR PORT... | talk ADDR PORT CONNS ROUNDS [hop] [churn] | hold ADDR PORT CPUS | shake FILE CPUS MS\n",
	      stderr);
	return 2;
}
