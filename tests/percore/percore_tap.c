// SPDX-License-Identifier: GPL-2.0
/*
 * percore_tap: mutated packets through a tap device
 *
 *   percore_tap DEVICE MAC tcp|udp N SEED
 *
 * Sends N packets into the tap DEVICE, to its Ethernet address MAC: TCP packets
 * of every kind or UDP datagrams, ICMP errors that quote one, and fragments, over
 * IPv4 (10.8.0.2 to 10.8.0.1) and IPv6 (2001:db8:8::2 to ::1), for the public
 * port 80, private ports and others; most of them with a few bytes changed, cut
 * short, or with an offload header that lies. SEED chooses the 64 source ports
 * too: what an earlier run has opened is not met again. Prints how many went in
 * and how many came back.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "random.h"

#define PACKET_MAX	2048
#define PROTO_ICMP	1
#define PROTO_TCP	6
#define PROTO_UDP	17
#define PROTO_ICMP6	58

static const uint16_t ports[] = { 80, 80, 80, 8000, 8016, 8032, 8048, 22, 0 };
static const uint8_t flags[] = { 0x02, 0x10, 0x18, 0x12, 0x11, 0x04, 0x14, 0, 0xff };

static uint8_t packet[sizeof(struct virtio_net_hdr) + PACKET_MAX];
static uint8_t *const frame = packet + sizeof(struct virtio_net_hdr);
static size_t length;
static uint8_t mac[6];
static uint8_t proto;		/* PROTO_TCP or PROTO_UDP */
static uint32_t first_port;	/* of 64 source ports */

static void put(const void *data, size_t len)
{
	memcpy(frame + length, data, len);
	length += len;
}

static void put8(uint32_t n)
{
	frame[length++] = (uint8_t)n;
}

static void put16(uint32_t n)
{
	put8(n >> 8);
	put8(n);
}

static void put32(uint32_t n)
{
	put16(n >> 16);
	put16(n);
}

static uint32_t sum_of(const uint8_t *data, size_t len, uint32_t sum)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)data[i] << 8 | data[i + 1];
	if (len & 1)
		sum += (uint32_t)data[len - 1] << 8;
	return sum;
}

static void set_sum(size_t at, uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum;
	frame[at] = (uint8_t)(sum >> 8);
	frame[at + 1] = (uint8_t)sum;
}

/* What has been put from @start on, behind @addrs, is a TCP, UDP or ICMPv6 packet
 * with its checksum at @at.
 */
static void sum_up(size_t start, size_t at, size_t addrs, size_t addrs_len,
		   uint32_t next)
{
	uint32_t sum = next + (uint32_t)(length - start);

	sum = sum_of(frame + addrs, addrs_len, sum);
	set_sum(at, sum_of(frame + start, length - start, sum));
}

static uint16_t any_port(void)
{
	return ports[any(sizeof(ports) / sizeof(ports[0]))];
}

/* Addresses: from us to the host, or, in a quote, the other way round. */
static void put_addrs(bool v6, bool back)
{
	static const uint8_t net6[15] = { 0x20, 0x01, 0x0d, 0xb8, 0, 8 };

	for (int i = 0; i < 2; i++) {
		uint8_t host = (i == 0) == back ? 1 : 2;

		if (v6)
			put(net6, sizeof(net6));
		else
			put("\12\10\0", 3);
		put8(host);
	}
}

static void end_ip4(size_t start)
{
	size_t ihl = (size_t)(frame[start] & 15) * 4;

	frame[start + 2] = (uint8_t)((length - start) >> 8);
	frame[start + 3] = (uint8_t)(length - start);
	frame[start + 10] = 0;
	frame[start + 11] = 0;
	set_sum(start + 10, sum_of(frame + start, ihl, 0));
}

static void put_ip4(uint32_t next, bool back)
{
	bool options = !any(16);

	put8(options ? 0x46 : 0x45);
	put8(0);
	put16(0);
	put16(any(4));
	put16(any(16) ? 0x4000 : any(65536) & 0x200f);
	put8(64);
	put8(next);
	put16(0);
	put_addrs(false, back);
	if (options)
		put32(0x01010100);
}

/* With extension headers at times. */
static void put_ip6(uint32_t next, bool back)
{
	static const uint8_t kinds[] = { 0, 43, 44, 60 };
	uint8_t kind = any(8) ? 0 : kinds[any(4)];
	bool extended = kind || !any(16);

	put32(0x60000000);
	put16(0);
	put8(extended ? kind : next);
	put8(64);
	put_addrs(true, back);
	if (!extended)
		return;
	put8(next);
	put8(0);
	put16(any(4) ? 0 : any(65536));
	put32(any(4));
}

static void put_ports(bool back)
{
	uint32_t from = first_port + any(64), to = any_port();

	put16(back ? to : from);
	put16(back ? from : to);
}

static void put_payload(void)
{
	for (uint32_t n = any(4) ? 0 : any(64); n; n--)
		put8(any(256));
}

static void put_tcp(bool back)
{
	uint32_t doff = any(16) ? 5 : any(16);

	put_ports(back);
	put32(any(4) ? 1000 + any(4) : any(UINT32_MAX));
	put32(any(4) ? 1000 + any(4) : any(UINT32_MAX));
	put8(doff << 4);
	put8(flags[any(sizeof(flags))]);
	put16(any(65536));
	put32(0);
	put_payload();
}

static void put_udp(bool back)
{
	size_t start = length, len;

	put_ports(back);
	put32(0);
	put_payload();
	len = any(16) ? length - start : any(65536);
	frame[start + 4] = (uint8_t)(len >> 8);
	frame[start + 5] = (uint8_t)len;
}

static void put_upper(bool back)
{
	if (proto == PROTO_UDP)
		put_udp(back);
	else
		put_tcp(back);
}

/* An IP packet that the error's receiver is said to have sent, cut anywhere. */
static void put_quote(bool v6)
{
	size_t start = length, all;

	if (v6)
		put_ip6(proto, true);
	else
		put_ip4(proto, true);
	put_upper(true);
	if (!v6)
		end_ip4(start);
	all = length - start;
	if (any(2))
		length = start + 20 + any((uint32_t)all - 19);
}

static void put_icmp(bool v6)
{
	static const uint8_t types4[] = { 3, 3, 11, 12, 4, 8 };
	static const uint8_t types6[] = { 1, 2, 2, 3, 4, 128 };

	put8(v6 ? types6[any(6)] : types4[any(6)]);
	put8(any(8) ? 4 : any(256));
	put16(0);
	put32(any(4) ? 1400 : any(UINT32_MAX));
	put_quote(v6);
}

/* Where the checksum is, from the header on. */
static size_t sum_at(uint32_t next)
{
	return next == PROTO_TCP ? 16 : next == PROTO_UDP ? 6 : 2;
}

static void make_right(void)
{
	bool v6 = any(2), icmp = !any(4);
	uint32_t next = !icmp ? proto : v6 ? PROTO_ICMP6 : PROTO_ICMP;
	size_t start, upper;

	length = 0;
	put(mac, sizeof(mac));
	put("\2\0\0\0\0\2", 6);
	put16(v6 ? ETH_P_IPV6 : ETH_P_IP);
	start = length;
	if (v6)
		put_ip6(next, false);
	else
		put_ip4(next, false);
	upper = length;
	if (icmp)
		put_icmp(v6);
	else
		put_upper(false);
	if (v6) {
		frame[start + 4] = (uint8_t)((length - start - 40) >> 8);
		frame[start + 5] = (uint8_t)(length - start - 40);
	} else {
		end_ip4(start);
	}
	/* A datagram may come without. */
	if (next == PROTO_UDP && !any(8))
		return;
	if (next == PROTO_ICMP)
		set_sum(upper + sum_at(next),
			sum_of(frame + upper, length - upper, 0));
	else
		sum_up(upper, upper + sum_at(next), start + (v6 ? 8 : 12),
		       v6 ? 32 : 8, next);
}

/* Change a few bytes behind the Ethernet header. The IPv4 checksum is mended
 * mostly, or nothing of it would get past the stack's first look.
 */
static void mutate(void)
{
	size_t start = ETH_HLEN;

	for (uint32_t n = any(6); n; n--)
		frame[start + any((uint32_t)(length - start))] =
			(uint8_t)any(256);
	if (!any(8))
		length = start + 1 + any((uint32_t)(length - start));
	if (any(8) && frame[12] == 8 && frame[13] == 0 && length >= start + 20 &&
	    length >= start + (size_t)(frame[start] & 15) * 4)
		end_ip4(start);
}

static void offload(void)
{
	struct virtio_net_hdr *hdr = (void *)packet;

	memset(hdr, 0, sizeof(*hdr));
	if (any(4))
		return;
	hdr->flags = (uint8_t)any(4);
	hdr->csum_start = (uint16_t)(any(2) ? 34 : any(256));
	hdr->csum_offset = (uint16_t)(any(2) ? 16 : any(64));
	if (any(2))
		return;
	hdr->gso_type = (uint8_t)(any(2) ? VIRTIO_NET_HDR_GSO_TCPV4
					 : VIRTIO_NET_HDR_GSO_TCPV6);
	hdr->gso_size = (uint16_t)any(64);
	hdr->hdr_len = (uint16_t)any(128);
}

static int open_tap(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr)) {
		perror(name);
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	static uint8_t answer[65536];
	unsigned long sent = 0, refused = 0, back = 0;
	int fd;

	if (argc == 6)
		proto = !strcmp(argv[3], "tcp") ? PROTO_TCP :
			!strcmp(argv[3], "udp") ? PROTO_UDP : 0;
	if (!proto || sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx",
				&mac[0], &mac[1], &mac[2], &mac[3], &mac[4],
				&mac[5]) != 6) {
		fputs("usage: percore_tap DEVICE MAC tcp|udp N SEED\n", stderr);
		return 2;
	}
	fd = open_tap(argv[1]);
	random_seed(strtoul(argv[5], NULL, 10));
	first_port = 20000 + 64 * any(512);
	for (unsigned long n = strtoul(argv[4], NULL, 10); n; n--) {
		make_right();
		if (any(8))
			mutate();
		offload();
		if (write(fd, packet, sizeof(struct virtio_net_hdr) +
				      length) > 0)
			sent++;
		else
			refused++;
		while (read(fd, answer, sizeof(answer)) > 0)
			back++;
	}
	printf("%lu went in, %lu refused by the device, %lu came back\n", sent,
	       refused, back);
	return !sent;
}
