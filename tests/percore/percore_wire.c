// SPDX-License-Identifier: GPL-2.0
/*
 * percore_wire: send this packet, expect that one
 *
 *   percore_wire TUN VIP
 *
 * Plays clients behind the tun device TUN of the server's host, one packet at a
 * time, against a percore_peer behind the service VIP:80. Reads lines of a case
 * and a client's address, and prints "done 0" when the case went as it should,
 * else what was wrong and "done 1". Every packet that comes back must come from
 * VIP:80 with a right checksum.
 *
 * It stays for all cases, since a tun device that nobody holds has no carrier
 * and loses packets for a while after somebody does again.
 *
 * A packet is received on the CPU that writes it, so a case says which.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PUBLIC		80
#define PACKET_MAX	65536
#define WAIT_MS		20000	/* for what must come; a busy host is slow */
#define AGAIN_MS	500	/* how often one asks who insists */
#define TCP_OPT_TFO	34

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

static int tun, family;
static uint8_t vip[16], client[16];
static size_t alen;

static void __attribute__((noreturn, format(printf, 1, 2)))
wrong(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	printf("# ");
	vprintf(fmt, args);
	putchar('\n');
	va_end(args);
	exit(1);
}

/**
 * struct flow - a client's end
 * @port: its port
 * @peer: the port it sends to
 * @cpu: where its packets are received
 * @seq: its next sequence number
 * @ack: the server's next
 */
struct flow {
	uint16_t port;
	uint16_t peer;
	int cpu;
	uint32_t seq;
	uint32_t ack;
};

/**
 * struct how - what is unusual about a packet
 * @opts: TCP options, a multiple of 4 bytes
 * @optlen: their length
 * @ext: IPv6 extension headers; the last one's next header is filled in
 * @extlen: their length
 * @first: the first one's kind
 * @last: offset of the last one
 * @vnet: checksum and segmentation, as a NIC's driver would say
 * @spoil: the checksum is wrong
 */
struct how {
	const uint8_t *opts;
	size_t optlen;
	const uint8_t *ext;
	size_t extlen;
	uint8_t first;
	size_t last;
	struct virtio_net_hdr vnet;
	bool spoil;
};

/**
 * struct got - a segment of the server's
 * @flags: its flags
 * @seq: its sequence number
 * @ack: what it acknowledges
 * @len: length of its data
 * @whole: length of the packet
 * @packet: the packet
 * @data: its data
 * @tfo: length of a Fast Open cookie
 * @cookie: the cookie
 */
struct got {
	uint8_t flags;
	uint32_t seq;
	uint32_t ack;
	size_t len;
	size_t whole;
	uint8_t packet[PACKET_MAX];
	const uint8_t *data;
	size_t tfo;
	uint8_t cookie[16];
};

static struct got got;

static uint32_t sum_words(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *byte = data;

	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? byte[i] : (uint32_t)byte[i] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint32_t pseudo(const uint8_t *from, const uint8_t *to, uint8_t proto,
		       size_t len)
{
	uint32_t sum = sum_words(proto, from, alen);

	return sum_words(sum, to, alen) + (uint32_t)len;
}

static void on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		wrong("no CPU %d", cpu);
}

/* IP header and what else goes before @proto's header; returns the length. */
static size_t put_ip(uint8_t *p, uint8_t proto, size_t len,
		     const struct how *how, uint16_t frag)
{
	struct ip6_hdr *ip6 = (void *)p;
	struct iphdr *ip = (void *)p;

	if (family == AF_INET) {
		*ip = (struct iphdr){
			.version = 4, .ihl = 5, .ttl = 64, .protocol = proto,
			.id = htons(4711), .frag_off = htons(frag),
			.tot_len = htons((uint16_t)(sizeof(*ip) + len)),
		};
		memcpy(&ip->saddr, client, 4);
		memcpy(&ip->daddr, vip, 4);
		ip->check = htons((uint16_t)~fold(sum_words(0, ip,
							    sizeof(*ip))));
		return sizeof(*ip);
	}
	memset(ip6, 0, sizeof(*ip6));
	ip6->ip6_vfc = 0x60;
	ip6->ip6_hlim = 64;
	ip6->ip6_plen = htons((uint16_t)(how->extlen + len));
	ip6->ip6_nxt = how->extlen ? how->first : proto;
	memcpy(&ip6->ip6_src, client, 16);
	memcpy(&ip6->ip6_dst, vip, 16);
	p += sizeof(*ip6);
	if (how->extlen) {
		memcpy(p, how->ext, how->extlen);
		p[how->last] = proto;
	}
	return sizeof(*ip6) + how->extlen;
}

static void put_packet(const struct how *how, const uint8_t *l4, size_t len,
		       uint8_t proto, uint16_t frag)
{
	static uint8_t buf[sizeof(struct virtio_net_hdr) + PACKET_MAX + 256];
	struct virtio_net_hdr *vnet = (void *)buf;
	size_t ip;

	*vnet = how->vnet;
	ip = put_ip(buf + sizeof(*vnet), proto, len, how, frag);
	if (vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		vnet->csum_start = (uint16_t)ip;
		vnet->csum_offset = offsetof(struct tcphdr, check);
		vnet->hdr_len = (uint16_t)(ip + sizeof(struct tcphdr));
	}
	memcpy(buf + sizeof(*vnet) + ip, l4, len);
	len += sizeof(*vnet) + ip;
	if (write(tun, buf, len) != (ssize_t)len)
		wrong("write: %s", strerror(errno));
}

/* A TCP header and data at @p; returns their length. */
static size_t make_tcp(uint8_t *p, const struct flow *f, uint8_t flags,
		       const void *data, size_t len, const struct how *how)
{
	size_t head = sizeof(struct tcphdr) + how->optlen;
	struct tcphdr *th = (void *)p;
	uint32_t sum;

	memset(th, 0, sizeof(*th));
	th->source = htons(f->port);
	th->dest = htons(f->peer);
	th->seq = htonl(f->seq);
	th->ack_seq = htonl(flags & ACK ? f->ack : 0);
	th->doff = (uint8_t)(head / 4) & 0xf;
	p[13] = flags;
	th->window = htons(65535);
	if (how->optlen)
		memcpy(p + sizeof(*th), how->opts, how->optlen);
	if (len)
		memcpy(p + head, data, len);
	sum = pseudo(client, vip, IPPROTO_TCP, head + len);
	if (how->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		th->check = htons(fold(sum));
	else
		th->check = htons((uint16_t)~fold(sum_words(sum, p,
							    head + len)));
	if (how->spoil)
		th->check ^= htons(1);
	return head + len;
}

static const uint8_t no_options[20] = {
	1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
};
static const struct how padded = {
	.opts = no_options, .optlen = sizeof(no_options),
};
static const struct how usual;

static void send_how(struct flow *f, uint8_t flags, const void *data,
		     size_t len, const struct how *how)
{
	static uint8_t l4[PACKET_MAX];
	size_t n = make_tcp(l4, f, flags, data, len, how);

	on_cpu(f->cpu);
	put_packet(how, l4, n, IPPROTO_TCP, 0);
	f->seq += (uint32_t)len + !!(flags & SYN) + !!(flags & FIN);
}

static void send_text(struct flow *f, uint8_t flags, const char *text)
{
	send_how(f, flags, text, strlen(text), &usual);
}

/* The same segment in fragments of @step bytes, from the first or from the last.
 * A SYN has options, as its first fragment must have a whole header with IPv6.
 */
static void send_fragments(struct flow *f, uint8_t flags, const char *text,
			   size_t step, bool backwards)
{
	static uint8_t l4[PACKET_MAX], ext[8] = { 0, 0, 0, 0, 0, 0, 0x47, 0x11 };
	struct how how = { .ext = ext, .first = IPPROTO_FRAGMENT };
	size_t len = make_tcp(l4, f, flags, text, strlen(text),
			      flags & SYN ? &padded : &usual);
	size_t parts = (len + step - 1) / step;

	on_cpu(f->cpu);
	how.extlen = family == AF_INET6 ? sizeof(ext) : 0;
	for (size_t i = 0; i < parts; i++) {
		size_t part = backwards ? parts - 1 - i : i, off = part * step;
		bool more = part + 1 < parts;
		uint16_t word = htons((uint16_t)(off | more));

		memcpy(ext + 2, &word, sizeof(word));
		put_packet(&how, l4 + off, more ? step : len - off, IPPROTO_TCP,
			   (uint16_t)(off / 8 | (more ? IP_MF : 0)));
	}
	f->seq += (uint32_t)strlen(text) + !!(flags & SYN);
}

static void read_options(const uint8_t *opt, const uint8_t *end)
{
	got.tfo = 0;
	while (opt < end && *opt) {
		if (*opt == 1) {
			opt++;
			continue;
		}
		if (opt + 1 >= end || opt[1] < 2 || opt + opt[1] > end)
			wrong("broken options");
		if (*opt == TCP_OPT_TFO && opt[1] - 2 <= 16) {
			got.tfo = opt[1] - 2u;
			memcpy(got.cookie, opt + 2, got.tfo);
		}
		opt += opt[1];
	}
}

/* Is the packet in @got a segment for @f? Then take it apart. */
static bool take_apart(const struct flow *f, size_t n)
{
	const uint8_t *p = got.packet;
	const struct tcphdr *th;
	uint32_t sum;
	size_t ip;

	if (n < 40 || p[0] >> 4 != (family == AF_INET ? 4 : 6))
		return false;
	ip = family == AF_INET ? (p[0] & 15) * 4u : 40;
	if (p[family == AF_INET ? 9 : 6] != IPPROTO_TCP || n < ip + sizeof(*th))
		return false;
	th = (const void *)(p + ip);
	if (ntohs(th->dest) != f->port)
		return false;
	if (ntohs(th->source) != f->peer)
		wrong("a segment from port %u", ntohs(th->source));
	sum = pseudo(vip, client, IPPROTO_TCP, n - ip);
	if (fold(sum_words(sum, th, n - ip)) != 0xffff)
		wrong("a wrong checksum");
	got.flags = ((const uint8_t *)th)[13];
	got.seq = ntohl(th->seq);
	got.ack = ntohl(th->ack_seq);
	got.data = (const uint8_t *)th + th->doff * 4;
	got.len = (size_t)(p + n - got.data);
	got.whole = n;
	read_options((const uint8_t *)(th + 1), got.data);
	return true;
}

/* A segment that was sent again, on a host so busy that we were late. */
static bool is_old(const struct flow *f)
{
	uint32_t len = (uint32_t)got.len + !!(got.flags & (SYN | FIN));

	return f->ack && len && (int32_t)(got.seq + len - f->ack) <= 0;
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The next segment for @f, into @got; packets for others are passed over. False
 * when there is none for so long.
 */
static bool hear_within(const struct flow *f, long ms)
{
	struct pollfd pfd = { .fd = tun, .events = POLLIN };
	static uint8_t buf[sizeof(struct virtio_net_hdr) + PACKET_MAX];
	long left, end = now_ms() + ms;
	ssize_t n;

	for (;;) {
		left = end - now_ms();
		if (poll(&pfd, 1, left > 0 ? (int)left : 0) <= 0)
			return false;
		n = read(tun, buf, sizeof(buf));
		if (n <= (ssize_t)sizeof(struct virtio_net_hdr))
			continue;
		n -= (ssize_t)sizeof(struct virtio_net_hdr);
		memcpy(got.packet, buf + sizeof(struct virtio_net_hdr),
		       (size_t)n);
		if (take_apart(f, (size_t)n) && !is_old(f))
			return true;
	}
}

static void hear(const struct flow *f, const char *what)
{
	if (!hear_within(f, WAIT_MS))
		wrong("no %s", what);
}

/* What was heard is that. */
static void must_be(const struct flow *f, uint8_t flags, const char *what)
{
	if ((got.flags & ~PSH) != flags)
		wrong("flags %#x in place of %s", got.flags, what);
	if (flags & ACK && !(flags & RST) && got.ack != f->seq)
		wrong("%s acknowledges %u in place of %u", what, got.ack,
		      f->seq);
}

static void expect(const struct flow *f, uint8_t flags, const char *what)
{
	hear(f, what);
	must_be(f, flags, what);
}

static void take_synack(struct flow *f)
{
	must_be(f, SYN | ACK, "SYN-ACK");
	f->ack = got.seq + 1;
}

static void expect_synack(struct flow *f)
{
	hear(f, "SYN-ACK");
	take_synack(f);
}

/* What hears nothing is sent again, as clients do: with the port of a connection
 * that is just ending, in the server's hands, it may be dropped.
 */
static void handshake(struct flow *f)
{
	uint32_t seq = f->seq;
	bool heard = false;
	int i;

	for (i = 0; !heard && i < WAIT_MS / AGAIN_MS; i++) {
		f->seq = seq;
		send_how(f, SYN, NULL, 0, &usual);
		heard = hear_within(f, AGAIN_MS);
	}
	if (!heard)
		wrong("no SYN-ACK");
	take_synack(f);
	send_how(f, ACK, NULL, 0, &usual);
}

/* Hear @len bytes in order, acknowledging each; a FIN ends them. Sets whether
 * there was one.
 */
static bool hear_bytes(struct flow *f, size_t len)
{
	while (len) {
		hear(f, "data");
		if (got.flags & RST)
			wrong("a reset in place of data");
		if (got.seq != f->ack || (!got.len && !(got.flags & FIN)))
			continue;
		if (got.len > len)
			wrong("%zu bytes too many", got.len - len);
		len -= got.len;
		f->ack += (uint32_t)got.len + !!(got.flags & FIN);
		send_how(f, ACK, NULL, 0, &usual);
		if (got.flags & FIN)
			break;
	}
	if (len)
		wrong("%zu bytes are missing", len);
	return got.flags & FIN;
}

/* The answer to "who serves?", which begins with what was heard. */
static unsigned int answer(struct flow *f)
{
	unsigned int port = 0;

	while (!got.len && !(got.flags & RST))
		hear(f, "answer");
	if (got.flags & RST || got.seq != f->ack ||
	    sscanf((const char *)got.data, "%u", &port) != 1)
		wrong("no answer but flags %#x", got.flags);
	f->ack += (uint32_t)got.len;
	send_how(f, ACK, NULL, 0, &usual);
	return port;
}

/* Ask who serves. */
static unsigned int ask(struct flow *f)
{
	send_text(f, PSH | ACK, "who\n");
	hear(f, "answer");
	return answer(f);
}

/* Send "who", again and again, as a client does that hears nothing. */
static void insist(struct flow *f, const char *what)
{
	uint32_t seq = f->seq;
	int i;

	for (i = 0; i < WAIT_MS / AGAIN_MS; i++) {
		f->seq = seq;
		send_text(f, PSH | ACK, "who\n");
		if (hear_within(f, AGAIN_MS))
			return;
	}
	wrong("no %s", what);
}

static unsigned int ask_again(struct flow *f)
{
	insist(f, "answer");
	return answer(f);
}

static void hang_up(struct flow *f)
{
	send_how(f, RST | ACK, NULL, 0, &usual);
}

/* What no answer may come to was sent; a good SYN behind it on the same CPU
 * must be the first to be answered.
 */
static void expect_silence(const struct flow *f)
{
	struct flow next = { f->port + 1, PUBLIC, f->cpu, 9000, 0 }, both = *f;
	struct pollfd pfd = { .fd = tun, .events = POLLIN };
	static uint8_t buf[sizeof(struct virtio_net_hdr) + PACKET_MAX];
	ssize_t n;

	send_how(&next, SYN, NULL, 0, &usual);
	for (;;) {
		if (poll(&pfd, 1, WAIT_MS) <= 0)
			wrong("no SYN-ACK for the good one");
		n = read(tun, buf, sizeof(buf));
		n -= (ssize_t)sizeof(struct virtio_net_hdr);
		if (n <= 0)
			continue;
		memcpy(got.packet, buf + sizeof(struct virtio_net_hdr),
		       (size_t)n);
		both.peer = PUBLIC;
		if (take_apart(&both, (size_t)n))
			wrong("an answer with flags %#x", got.flags);
		if (take_apart(&next, (size_t)n))
			break;
	}
	next.ack = got.seq + 1;
	hang_up(&next);
}

static void lane_is(unsigned int port, int cpu)
{
	if (port != 8000u + 16u * (unsigned int)cpu)
		wrong("served by port %u, not by CPU %d's", port, cpu);
}

/* Cases */

static void c_plain(void)
{
	struct flow f = { 5001, PUBLIC, 2, 1000, 0 };

	handshake(&f);
	lane_is(ask(&f), 2);
	f.cpu = 0;
	lane_is(ask(&f), 2);
	hang_up(&f);
}

/* A SYN, and data, in fragments in either order, the data on another CPU. */
static void c_fragments(void)
{
	for (int backwards = 0; backwards < 2; backwards++) {
		struct flow f = { (uint16_t)(5010 + backwards), PUBLIC, 1,
				  1000, 0 };

		send_fragments(&f, SYN, "", 24, backwards);
		expect_synack(&f);
		send_how(&f, ACK, NULL, 0, &usual);
		f.cpu = 3;
		send_fragments(&f, PSH | ACK, "a question in small parts\n", 24,
			       backwards);
		if (hear_bytes(&f, 5) || memcmp(got.data, "8016\n", 5))
			wrong("another answer");
		hang_up(&f);
	}
}

static void syn_behind(const uint8_t *ext, size_t len, uint8_t first,
		       size_t last, uint16_t port)
{
	struct how how = {
		.ext = ext, .extlen = len, .first = first, .last = last,
	};
	struct flow f = { port, PUBLIC, 1, 1000, 0 };

	send_how(&f, SYN, NULL, 0, &how);
	expect_synack(&f);
	send_how(&f, ACK, NULL, 0, &how);
	lane_is(ask(&f), 1);
	hang_up(&f);
}

#define PADDING	0, 0, 1, 4, 0, 0, 0, 0

/* Options for every hop, for the destination, ten of the latter, a routing
 * header that has been followed to its end, and a fragment that is whole.
 */
static void c_extension(void)
{
	static const uint8_t one[] = { PADDING };
	static const uint8_t two[] = { 60, 0, 1, 4, 0, 0, 0, 0, PADDING };
	static const uint8_t routed[] = { 0, 0, 0, 0, 0, 0, 0, 0 };
	static const uint8_t whole[] = { 0, 0, 0, 0, 0, 0, 0, 9 };
	uint8_t ten[80] = { 0 };

	for (size_t i = 0; i < 10; i++)
		memcpy(ten + 8 * i, two, 8);
	syn_behind(one, 8, IPPROTO_HOPOPTS, 0, 5020);
	syn_behind(one, 8, IPPROTO_DSTOPTS, 0, 5021);
	syn_behind(two, 16, IPPROTO_HOPOPTS, 8, 5022);
	syn_behind(ten, 80, IPPROTO_DSTOPTS, 72, 5023);
	syn_behind(routed, 8, IPPROTO_ROUTING, 0, 5024);
	syn_behind(whole, 8, IPPROTO_FRAGMENT, 0, 5025);
}

/* Behind an authentication header, which nobody here can check. */
static void c_authenticated(void)
{
	static const uint8_t header[24] = { 0, 4 };
	const struct how how = {
		.ext = header, .extlen = sizeof(header), .first = IPPROTO_AH,
	};
	struct flow f = { 5140, PUBLIC, 1, 1000, 0 };

	send_how(&f, SYN, NULL, 0, &how);
	expect_silence(&f);
}

/* A private port is closed, behind headers and in fragments too; so is a public
 * one to a packet that has another hop before it.
 */
static void c_private(void)
{
	static const uint8_t one[] = { PADDING };
	static const uint8_t hop[24] = { 0, 2, 0, 1 };
	struct how how = {
		.ext = one, .extlen = 8, .first = IPPROTO_DSTOPTS,
	};
	struct flow f = { 5030, 8016, 1, 1000, 0 };

	send_how(&f, SYN, NULL, 0, &usual);
	expect_silence(&f);
	f.port = 5032;
	send_fragments(&f, SYN, "", 24, false);
	expect_silence(&f);
	if (family == AF_INET)
		return;
	f.port = 5034;
	send_how(&f, SYN, NULL, 0, &how);
	expect_silence(&f);
	f = (struct flow){ 5036, PUBLIC, 1, 1000, 0 };
	how = (struct how){
		.ext = hop, .extlen = sizeof(hop), .first = IPPROTO_ROUTING,
	};
	send_how(&f, SYN, NULL, 0, &how);
	expect_silence(&f);
}

/* Checksums as drivers tell them: left to us, found right, found wrong. */
static void c_checksum(void)
{
	struct how partial = { .vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };
	struct how valid = { .vnet.flags = VIRTIO_NET_HDR_F_DATA_VALID };
	struct flow f = { 5040, PUBLIC, 2, 1000, 0 };
	struct how spoilt = { .spoil = true };

	send_how(&f, SYN, NULL, 0, &partial);
	expect_synack(&f);
	send_how(&f, ACK, NULL, 0, &valid);
	send_how(&f, PSH | ACK, "who\n", 4, &partial);
	if (hear_bytes(&f, 5))
		wrong("the end");
	send_how(&f, PSH | ACK, "who\n", 4, &valid);
	if (hear_bytes(&f, 5))
		wrong("the end");
	hang_up(&f);
	f = (struct flow){ 5042, PUBLIC, 2, 1000, 0 };
	send_how(&f, SYN, NULL, 0, &spoilt);
	expect_silence(&f);
}

/* Many segments as one, as GRO leaves them. */
static void c_gso(void)
{
	struct flow f = { 5050, PUBLIC, 3, 1000, 0 };
	struct how gso = { .vnet = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_size = 1000,
		.gso_type = family == AF_INET ? VIRTIO_NET_HDR_GSO_TCPV4
					      : VIRTIO_NET_HDR_GSO_TCPV6,
	} };
	static char line[7000];

	memset(line, 'y', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	handshake(&f);
	f.cpu = 1;
	send_how(&f, PSH | ACK, line, sizeof(line), &gso);
	if (hear_bytes(&f, 5) || memcmp(got.data, "8048\n", 5))
		wrong("another answer");
	hang_up(&f);
}

static uint32_t ones(const void *data, size_t len)
{
	return sum_words(0, data, len);
}

/* "Too big" about the packet in @got: @quote bytes of it and its next MTU. */
static void send_too_big(int cpu, size_t quote, uint32_t mtu)
{
	uint8_t l4[1500] = { 0 };
	uint16_t sum, word = htons((uint16_t)mtu);
	uint32_t wide = htonl(mtu);

	if (family == AF_INET) {
		l4[0] = ICMP_DEST_UNREACH;
		l4[1] = ICMP_FRAG_NEEDED;
		memcpy(l4 + 6, &word, 2);
	} else {
		l4[0] = ICMP6_PACKET_TOO_BIG;
		memcpy(l4 + 4, &wide, 4);
	}
	memcpy(l4 + 8, got.packet, quote);
	sum = htons((uint16_t)~fold(family == AF_INET ? ones(l4, 8 + quote) :
		    sum_words(pseudo(client, vip, IPPROTO_ICMPV6, 8 + quote),
			      l4, 8 + quote)));
	memcpy(l4 + 2, &sum, 2);
	on_cpu(cpu);
	put_packet(&usual, l4, 8 + quote,
		   family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6, 0);
}

/* A router between us has a smaller MTU; its error comes in on another CPU and
 * quotes as little as it may, or with IPv6 a lot.
 */
static void c_too_big(void)
{
	static const uint8_t mss[] = { 2, 4, 1440 >> 8, 1440 & 255 };
	struct how how = { .opts = mss, .optlen = sizeof(mss) };
	size_t quote = family == AF_INET ? 28 : 600, mtu = 1280, had = 0;
	struct flow f = { 5060, PUBLIC, 0, 1000, 0 };

	send_how(&f, SYN, NULL, 0, &how);
	expect_synack(&f);
	send_how(&f, ACK, NULL, 0, &usual);
	send_text(&f, PSH | ACK, "big 6000\n");
	do
		hear(&f, "a large packet");
	while (got.whole <= mtu);
	if (got.seq != f.ack)
		wrong("not the first packet");
	send_too_big(3, quote, (uint32_t)mtu);
	while (had < 6000) {
		hear(&f, "a smaller packet");
		if (got.seq != f.ack || !got.len || got.whole > mtu)
			continue;
		had += got.len;
		f.ack += (uint32_t)got.len;
		send_how(&f, ACK, NULL, 0, &usual);
	}
	hang_up(&f);
}

/* The client ends its half; the server has 20,000 bytes to send still, which
 * acknowledgments from another CPU call forth.
 */
static void c_half_close(void)
{
	struct flow f = { 5070, PUBLIC, 1, 1000, 0 };

	handshake(&f);
	send_text(&f, PSH | ACK | FIN, "big 20000\n");
	f.cpu = 2;
	if (!hear_bytes(&f, 20000)) {
		expect(&f, FIN | ACK, "FIN");
		f.ack++;
		send_how(&f, ACK, NULL, 0, &usual);
	}
}

/* A probe for a sign of life, from another CPU. */
static void c_keepalive(void)
{
	struct flow f = { 5080, PUBLIC, 1, 1000, 0 };

	handshake(&f);
	lane_is(ask(&f), 1);
	f.cpu = 3;
	f.seq--;
	send_how(&f, ACK, NULL, 0, &usual);
	f.seq++;
	expect(&f, ACK, "sign of life");
	hang_up(&f);
}

/* A connection that the server ends, so that TIME_WAIT is left there. */
static void rest(struct flow *f)
{
	handshake(f);
	send_text(f, PSH | ACK, "close\n");
	do
		hear(f, "FIN");
	while (!(got.flags & FIN));
	f->ack = got.seq + 1;
	send_how(f, FIN | ACK, NULL, 0, &usual);
	expect(f, ACK, "the last ACK");
}

/* It begins anew, its SYN on another CPU. */
static void begin_anew(struct flow *f)
{
	f->cpu = 2;
	f->seq += 100000;
	f->ack = 0;
	handshake(f);
}

/* A port in TIME_WAIT begins anew. */
static void c_time_wait(void)
{
	struct flow f = { 5090, PUBLIC, 0, 1000, 0 };

	rest(&f);
	begin_anew(&f);
	ask(&f);
	hang_up(&f);
}

static void c_rest(void)
{
	struct flow f = { 5140, PUBLIC, 0, 1000, 0 };

	rest(&f);
}

/* The same port once nobody listens: what is in TIME_WAIT answers, and stays. */
static void c_closed_rest(void)
{
	struct flow f = { 5140, PUBLIC, 2, 101000, 0 };

	for (int i = 0; i < 2; i++) {
		send_how(&f, SYN, NULL, 0, &usual);
		hear(&f, "ACK");
		if (got.flags != ACK)
			wrong("flags %#x in place of ACK", got.flags);
		f.seq += 1000;
	}
}

/* A packet on each CPU; all are answered by @cpu's lane. */
static void ask_from_all(struct flow *f, int cpu)
{
	static const int from[] = { 3, 1, 0, 2, 3 };

	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
		f->cpu = from[i];
		lane_is(ask(f), cpu);
	}
	f->cpu = cpu;
	hang_up(f);
}

/* A SYN comes to one CPU and, sent again, to another, before any other packet shows
 * that flows have moved. The client takes the answer of @cpu's lane, and says so on
 * the other CPU.
 */
static void syn_twice(uint16_t port, int cpu)
{
	struct flow f[2] = { { port, PUBLIC, 0, 1000, 0 },
			     { port, PUBLIC, 2, 1000, 0 } };

	for (int i = 0; i < 2; i++) {
		send_how(&f[i], SYN, NULL, 0, &usual);
		/* The first one's may be sent again. */
		do
			expect_synack(&f[i]);
		while (f[i].ack == f[0].ack && i);
	}
	f[cpu / 2].cpu = 2 - cpu;
	send_how(&f[cpu / 2], ACK, NULL, 0, &usual);
	lane_is(ask(&f[cpu / 2]), cpu);
	ask_from_all(&f[cpu / 2], cpu);
}

static void c_syn_first(void)
{
	syn_twice(5150, 0);
}

static void c_syn_second(void)
{
	syn_twice(5151, 2);
}

/* The same with a port in TIME_WAIT: its new connection is on another lane. */
static void c_rest_moved(void)
{
	struct flow f = { 5160, PUBLIC, 0, 1000, 0 };

	rest(&f);
	begin_anew(&f);
	lane_is(ask(&f), 2);
	ask_from_all(&f, 2);
}

/* But where first packets are looked for, on the lane that it was on. */
static void c_rest_looked(void)
{
	struct flow f = { 5162, PUBLIC, 0, 1000, 0 };

	rest(&f);
	begin_anew(&f);
	lane_is(ask(&f), 0);
}

/* Let listeners send cookies always, or when their queue is full. */
static void cookies_always(bool on)
{
	FILE *f = fopen("/proc/sys/net/ipv4/tcp_syncookies", "w");

	if (!f || fputs(on ? "2" : "1", f) < 0 || fclose(f))
		wrong("tcp_syncookies: %s", strerror(errno));
}

/* The second SYN's answer is a cookie, which the first one's lane must not take, where
 * a request waits.
 */
static void c_syn_cookie(void)
{
	struct flow f = { 5152, PUBLIC, 0, 1000, 0 };

	send_how(&f, SYN, NULL, 0, &usual);
	expect_synack(&f);
	cookies_always(true);
	for (int cpu = 2; cpu >= 0; cpu -= 2) {
		struct flow g = { f.port, PUBLIC, 2, 1000, 0 };

		send_how(&g, SYN, NULL, 0, &usual);
		do
			expect_synack(&g);
		while (g.ack == f.ack);
		/* On the cookie's CPU, and then on the request's. */
		g.cpu = cpu;
		send_how(&g, ACK, NULL, 0, &usual);
		lane_is(ask_again(&g), 2);
		ask_from_all(&g, 2);
	}
	cookies_always(false);
}

/* The same where the first one's lane has a TIME_WAIT. */
static void c_rest_cookie(void)
{
	struct flow f = { 5161, PUBLIC, 0, 1000, 0 };

	rest(&f);
	cookies_always(true);
	begin_anew(&f);
	lane_is(ask_again(&f), 2);
	cookies_always(false);
	ask_from_all(&f, 2);
}

/* A client's reset ends the connection; what comes behind is reset. But if the
 * server is still in the call that sent its answer, both wait for it, and what
 * meets the connection just when it has ended is dropped: so it is sent again.
 */
static void c_reset(void)
{
	struct flow f = { 5100, PUBLIC, 1, 1000, 0 };

	handshake(&f);
	lane_is(ask(&f), 1);
	f.cpu = 3;
	send_how(&f, RST | ACK, NULL, 0, &usual);
	insist(&f, "reset");
	if (!(got.flags & RST) || got.seq != f.ack)
		wrong("flags %#x, sequence %u in place of a reset", got.flags,
		      got.seq);
}

/* Nobody listens. */
static void c_closed(void)
{
	struct flow f = { 5110, PUBLIC, 1, 1000, 0 };

	send_how(&f, SYN, NULL, 0, &usual);
	hear(&f, "reset");
	if (got.flags != (RST | ACK) || got.ack != f.seq)
		wrong("flags %#x in place of a reset", got.flags);
}

/* A cookie, and then data with the SYN, on another CPU. */
static void c_fast_open(void)
{
	struct flow f = { 5120, PUBLIC, 1, 1000, 0 };
	uint8_t opt[20] = { TCP_OPT_TFO, 2, 1, 1 };
	struct how how = { .opts = opt, .optlen = 4 };

	send_how(&f, SYN, NULL, 0, &how);
	expect_synack(&f);
	if (!got.tfo)
		wrong("no cookie");
	hang_up(&f);
	opt[1] = (uint8_t)(2 + got.tfo);
	memcpy(opt + 2, got.cookie, got.tfo);
	memset(opt + 2 + got.tfo, 1, sizeof(opt) - 2 - got.tfo);
	how.optlen = (2 + got.tfo + 3) / 4 * 4;
	f = (struct flow){ 5121, PUBLIC, 2, 5000, 0 };
	send_how(&f, SYN, "who\n", 4, &how);
	expect_synack(&f);
	if (hear_bytes(&f, 5) || memcmp(got.data, "8032\n", 5))
		wrong("another answer");
	lane_is(ask(&f), 2);
	hang_up(&f);
}

/* More handshakes begin than the lane's queue holds (128): then cookies are
 * sent, and the one that ends such a handshake is received on another CPU. A front
 * drops it where it comes before the hook: the client asks until it is answered.
 */
static void cookies(unsigned int (*asks)(struct flow *f))
{
	struct flow f = { 5200, PUBLIC, 1, 1000, 0 };

	for (int i = 0; i < 160; i++) {
		f.port++;
		send_how(&f, SYN, NULL, 0, &usual);
	}
	f = (struct flow){ 5199, PUBLIC, 1, 1000, 0 };
	send_how(&f, SYN, NULL, 0, &usual);
	expect_synack(&f);
	f.cpu = 3;
	send_how(&f, ACK, NULL, 0, &usual);
	lane_is(asks(&f), 1);
	hang_up(&f);
}

static void c_cookies(void)
{
	cookies(ask);
}

static void c_cookies_insist(void)
{
	cookies(ask_again);
}

/* The server's host calls us from a private port while we call it. */
static void c_simultaneous(void)
{
	struct flow f = { 5130, PUBLIC, 1, 1000, 0 };

	hear(&f, "SYN");
	if (got.flags != SYN)
		wrong("flags %#x in place of SYN", got.flags);
	send_how(&f, SYN, NULL, 0, &usual);
	/* It may have called again meanwhile. */
	do
		hear(&f, "SYN-ACK");
	while (got.flags == SYN);
	take_synack(&f);
	send_how(&f, ACK, NULL, 0, &usual);
	/* It has nothing to say. */
	expect(&f, FIN | ACK, "FIN");
	f.ack++;
	f.cpu = 2;
	send_how(&f, FIN | ACK, NULL, 0, &usual);
	expect(&f, ACK, "the last ACK");
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "plain", c_plain },
	{ "fragments", c_fragments },
	{ "extension", c_extension },
	{ "authenticated", c_authenticated },
	{ "private", c_private },
	{ "checksum", c_checksum },
	{ "gso", c_gso },
	{ "too-big", c_too_big },
	{ "half-close", c_half_close },
	{ "keepalive", c_keepalive },
	{ "time-wait", c_time_wait },
	{ "syn-first", c_syn_first },
	{ "syn-second", c_syn_second },
	{ "syn-cookie", c_syn_cookie },
	{ "rest-moved", c_rest_moved },
	{ "rest-looked", c_rest_looked },
	{ "rest-cookie", c_rest_cookie },
	{ "reset", c_reset },
	{ "closed", c_closed },
	{ "rest", c_rest },
	{ "closed-rest", c_closed_rest },
	{ "fast-open", c_fast_open },
	{ "cookies", c_cookies },
	{ "cookies-insist", c_cookies_insist },
	{ "simultaneous", c_simultaneous },
};

static void open_tun(const char *name)
{
	struct ifreq ifr = {
		.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR,
	};

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (tun < 0 || ioctl(tun, TUNSETIFF, &ifr))
		wrong("%s: %s", name, strerror(errno));
}

static void __attribute__((noreturn)) run(const char *name, const char *addr)
{
	if (inet_pton(family, addr, client) != 1)
		wrong("bad address %s", addr);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strcmp(name, cases[i].name)) {
			cases[i].run();
			exit(0);
		}
	wrong("no case %s", name);
}

int main(int argc, char **argv)
{
	char line[128], name[32], addr[64];
	int status;

	if (argc != 3) {
		fputs("usage: percore_wire TUN VIP\n", stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	family = strchr(argv[2], ':') ? AF_INET6 : AF_INET;
	alen = family == AF_INET6 ? 16 : 4;
	if (inet_pton(family, argv[2], vip) != 1)
		wrong("bad address %s", argv[2]);
	open_tun(argv[1]);
	puts("ready");
	while (fgets(line, sizeof(line), stdin)) {
		pid_t pid;

		if (sscanf(line, "%31s %63s", name, addr) != 2)
			continue;
		pid = fork();
		if (!pid)
			run(name, addr);
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			wrong("fork: %s", strerror(errno));
		printf("done %d\n", !WIFEXITED(status) || WEXITSTATUS(status));
	}
	return 0;
}
