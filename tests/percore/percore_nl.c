// SPDX-License-Identifier: GPL-2.0
/*
 * percore_nl: messages to percore's netlink family that no sane tool sends
 *
 *   bad             each kind of wrong message once; every refusal must have
 *                   the error, the words and the attribute expected of it
 *   fill VIP N [LANES]
 *                   N services on VIP's port 80 and the ports above, lanes on
 *                   CPU 0 and those above; prints how many were taken and the
 *                   last words
 *   stir VIP SECONDS
 *                   drain and undrain the lane of VIP's port 80, as fast as it
 *                   goes; prints how often
 *   fuzz N SEED     N random messages, most of them about a few services, some
 *                   mutilated; prints how many were taken and how many refused,
 *                   and fails when a refusal of percore's own says nothing
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/percore.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include "random.h"

#define ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))
#define VIP		0x0a090001	/* 10.9.0.1 */

/* An answer's NLMSG_ERROR. */
struct answer {
	int err;
	char text[256];
	unsigned int offset;	/* of the bad attribute, 0 for none */
	unsigned int miss;	/* type of the attribute that is missing */
};

static struct mnl_socket *sock;
static uint16_t family;
static uint32_t seq = 1;
static char out[1 << 17], in[1 << 16];

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static struct nlmsghdr *begin(uint16_t type, uint8_t cmd, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(out);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++seq;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = 1;
	return nlh;
}

static int on_tlv(const struct nlattr *attr, void *data)
{
	struct answer *answer = data;

	switch (mnl_attr_get_type(attr)) {
	case NLMSGERR_ATTR_MSG:
		snprintf(answer->text, sizeof(answer->text), "%s",
			 mnl_attr_get_str(attr));
		break;
	case NLMSGERR_ATTR_OFFS:
		answer->offset = mnl_attr_get_u32(attr);
		break;
	case NLMSGERR_ATTR_MISS_TYPE:
		answer->miss = mnl_attr_get_u32(attr);
		break;
	}
	return MNL_CB_OK;
}

static void read_error(const struct nlmsghdr *nlh, struct answer *answer)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);
	size_t skip = sizeof(*err);

	answer->err = -err->error;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		skip += err->msg.nlmsg_len - NLMSG_HDRLEN;
	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS)
		mnl_attr_parse(nlh, (unsigned int)MNL_ALIGN(skip), on_tlv,
			       answer);
}

/* Send what is in @out and wait for its end. */
static struct answer ask(void)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)out;
	struct answer answer = { 0 };
	ssize_t len;
	int left;

	nlh->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_sendto(sock, nlh, nlh->nlmsg_len) < 0)
		fail("send");
	for (;;) {
		len = mnl_socket_recvfrom(sock, in, sizeof(in));
		if (len < 0)
			fail("receive");
		left = (int)len;
		for (nlh = (struct nlmsghdr *)in; mnl_nlmsg_ok(nlh, left);
		     nlh = mnl_nlmsg_next(nlh, &left)) {
			if (nlh->nlmsg_seq != seq)
				continue;
			if (nlh->nlmsg_type == NLMSG_DONE)
				return answer;
			if (nlh->nlmsg_type != NLMSG_ERROR)
				continue;
			read_error(nlh, &answer);
			return answer;
		}
	}
}

static int on_family(const struct nlattr *attr, void *data)
{
	(void)data;
	if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
		family = mnl_attr_get_u16(attr);
	return MNL_CB_OK;
}

static void start(void)
{
	int one = 1;
	struct nlmsghdr *nlh;
	ssize_t len;

	sock = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!sock || mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID))
		fail("netlink");
	mnl_socket_setsockopt(sock, NETLINK_EXT_ACK, &one, sizeof(one));
	mnl_socket_setsockopt(sock, NETLINK_CAP_ACK, &one, sizeof(one));
	nlh = begin(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, PERCORE_GENL_NAME);
	if (mnl_socket_sendto(sock, nlh, nlh->nlmsg_len) < 0)
		fail("send");
	len = mnl_socket_recvfrom(sock, in, sizeof(in));
	nlh = (struct nlmsghdr *)in;
	if (len > 0 && nlh->nlmsg_type != NLMSG_ERROR)
		mnl_attr_parse(nlh, sizeof(struct genlmsghdr), on_family, NULL);
	if (!family) {
		fputs("the kernel has no percore\n", stderr);
		exit(1);
	}
}

/* Messages with something wrong */

static void put_key(struct nlmsghdr *nlh, uint32_t vip, uint16_t port)
{
	mnl_attr_put_u32(nlh, PERCORE_A_SERVICE_VIP4, htonl(vip));
	mnl_attr_put_u16(nlh, PERCORE_A_SERVICE_PORT, htons(port));
}

static void put_lane(struct nlmsghdr *nlh, uint32_t cpu, uint16_t port)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, PERCORE_A_SERVICE_LANE);

	mnl_attr_put_u32(nlh, PERCORE_A_LANE_CPU, cpu);
	mnl_attr_put_u16(nlh, PERCORE_A_LANE_PORT, htons(port));
	mnl_attr_nest_end(nlh, nest);
}

static struct nlmsghdr *begin_with_key(uint8_t cmd)
{
	struct nlmsghdr *nlh = begin(family, cmd, 0);

	put_key(nlh, VIP, 90);
	return nlh;
}

static struct nlmsghdr *begin_good(void)
{
	struct nlmsghdr *nlh = begin_with_key(PERCORE_CMD_SERVICE_NEW);

	put_lane(nlh, 0, 9000);
	return nlh;
}

/* A lane whose nest has one attribute. */
static void put_lane_with(struct nlmsghdr *nlh, uint16_t type, size_t len,
			  const void *data)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, PERCORE_A_SERVICE_LANE);

	mnl_attr_put(nlh, type, len, data);
	mnl_attr_nest_end(nlh, nest);
}

static void no_vip(void)
{
	mnl_attr_put_u16(begin(family, PERCORE_CMD_SERVICE_NEW, 0),
			 PERCORE_A_SERVICE_PORT, htons(90));
}

static void no_port(void)
{
	mnl_attr_put_u32(begin(family, PERCORE_CMD_SERVICE_DEL, 0),
			 PERCORE_A_SERVICE_VIP4, htonl(VIP));
}

static void no_lane(void) { begin_with_key(PERCORE_CMD_SERVICE_NEW); }
static void no_lane_to_set(void) { begin_with_key(PERCORE_CMD_LANE_SET); }

static void no_cpu(void)
{
	uint16_t port = htons(9000);

	put_lane_with(begin_with_key(PERCORE_CMD_SERVICE_NEW),
		      PERCORE_A_LANE_PORT, sizeof(port), &port);
}

static void no_lane_port(void)
{
	uint32_t cpu = 0;

	put_lane_with(begin_with_key(PERCORE_CMD_SERVICE_NEW),
		      PERCORE_A_LANE_CPU, sizeof(cpu), &cpu);
}

static void no_drain(void)
{
	uint32_t cpu = 0;

	put_lane_with(begin_with_key(PERCORE_CMD_LANE_SET),
		      PERCORE_A_LANE_CPU, sizeof(cpu), &cpu);
}

static void port_of_three(void)
{
	struct nlmsghdr *nlh = begin(family, PERCORE_CMD_SERVICE_NEW, 0);

	mnl_attr_put_u32(nlh, PERCORE_A_SERVICE_VIP4, htonl(VIP));
	mnl_attr_put(nlh, PERCORE_A_SERVICE_PORT, 3, "abc");
	put_lane(nlh, 0, 9000);
}

static void vip_of_one(void)
{
	struct nlmsghdr *nlh = begin(family, PERCORE_CMD_SERVICE_DEL, 0);

	mnl_attr_put(nlh, PERCORE_A_SERVICE_VIP4, 1, "a");
	mnl_attr_put_u16(nlh, PERCORE_A_SERVICE_PORT, htons(90));
}

static void vip6_of_four(void)
{
	struct nlmsghdr *nlh = begin(family, PERCORE_CMD_SERVICE_DEL, 0);

	mnl_attr_put(nlh, PERCORE_A_SERVICE_VIP6, 4, "abcd");
	mnl_attr_put_u16(nlh, PERCORE_A_SERVICE_PORT, htons(90));
}

static void two_vips(void)
{
	mnl_attr_put(begin_good(), PERCORE_A_SERVICE_VIP6, 16,
		     "abcdefghijklmnop");
}

static void unknown(void) { mnl_attr_put_u32(begin_good(), 60, 1); }

static void unknown_in_lane(void)
{
	put_lane_with(begin_with_key(PERCORE_CMD_SERVICE_NEW), 60, 1, "a");
}

static void not_nested(void)
{
	mnl_attr_put(begin_with_key(PERCORE_CMD_SERVICE_NEW),
		     PERCORE_A_SERVICE_LANE, 8, "\x08\0\x01\0\0\0\0\0");
}

static void nested(void)
{
	struct nlmsghdr *nlh = begin_good();

	mnl_attr_put_u8(nlh, NLA_F_NESTED | PERCORE_A_SERVICE_METHOD, 0);
}

static void method_9(void)
{
	mnl_attr_put_u8(begin_good(), PERCORE_A_SERVICE_METHOD, 9);
}

static void balance_2(void)
{
	mnl_attr_put_u8(begin_good(), PERCORE_A_SERVICE_BALANCE, 2);
}

static void put_mark(uint8_t mark)
{
	struct nlmsghdr *nlh = begin_good();

	mnl_attr_put_u8(nlh, PERCORE_A_SERVICE_BALANCE, PERCORE_BALANCE_SPILL);
	mnl_attr_put_u8(nlh, PERCORE_A_SERVICE_MARK, mark);
}

static void mark_0(void) { put_mark(0); }
static void mark_101(void) { put_mark(101); }

static void mark_alone(void)
{
	mnl_attr_put_u8(begin_good(), PERCORE_A_SERVICE_MARK, 50);
}

static void cpu_mark_100(void)
{
	put_mark(50);
	mnl_attr_put_u8((struct nlmsghdr *)out, PERCORE_A_SERVICE_CPU_MARK, 100);
}

static void cpu_mark_alone(void)
{
	mnl_attr_put_u8(begin_good(), PERCORE_A_SERVICE_CPU_MARK, 80);
}

static void load_told(void)
{
	struct nlmsghdr *nlh = begin_with_key(PERCORE_CMD_SERVICE_NEW);
	struct nlattr *nest = mnl_attr_nest_start(nlh, PERCORE_A_SERVICE_LANE);

	mnl_attr_put_u8(nlh, PERCORE_A_LANE_LOAD, 50);
	mnl_attr_nest_end(nlh, nest);
}

static void udp_balance(void)
{
	struct nlmsghdr *nlh = begin_good();

	mnl_attr_put_u8(nlh, PERCORE_A_SERVICE_PROTO, IPPROTO_UDP);
	mnl_attr_put_u8(nlh, PERCORE_A_SERVICE_BALANCE, PERCORE_BALANCE_SPILL);
}

static void proto_132(void)
{
	mnl_attr_put_u8(begin_good(), PERCORE_A_SERVICE_PROTO, 132);
}

static void put_drain(struct nlmsghdr *nlh, uint8_t drain)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, PERCORE_A_SERVICE_LANE);

	mnl_attr_put_u32(nlh, PERCORE_A_LANE_CPU, 0);
	mnl_attr_put_u8(nlh, PERCORE_A_LANE_DRAIN, drain);
	mnl_attr_nest_end(nlh, nest);
}

static void drain_2(void)
{
	put_drain(begin_with_key(PERCORE_CMD_LANE_SET), 2);
}

static void two_lanes_to_set(void)
{
	struct nlmsghdr *nlh = begin_with_key(PERCORE_CMD_LANE_SET);

	put_drain(nlh, 1);
	put_drain(nlh, 1);
}

static void port_to_set(void)
{
	put_lane(begin_with_key(PERCORE_CMD_LANE_SET), 0, 9000);
}

static void lane_to_delete(void)
{
	put_lane(begin_with_key(PERCORE_CMD_SERVICE_DEL), 0, 9000);
}

static void dump_with_key(void)
{
	put_key(begin(family, PERCORE_CMD_SERVICE_GET, NLM_F_DUMP), VIP, 90);
}

static void stats_with_key(void)
{
	put_key(begin(family, PERCORE_CMD_STATS_GET, NLM_F_DUMP), VIP, 90);
}

static void put_lanes(unsigned int n)
{
	struct nlmsghdr *nlh = begin_with_key(PERCORE_CMD_SERVICE_NEW);

	while (n--)
		put_lane(nlh, n, (uint16_t)(9000 + n));
}

static void lanes_1025(void) { put_lanes(1025); }
/* Right in number, so the first CPU that is not there is told. */
static void lanes_1024(void) { put_lanes(1024); }

static void leftover(void)
{
	struct nlmsghdr *nlh = begin_good();

	memset(out + nlh->nlmsg_len, 0, 2);
	nlh->nlmsg_len += 2;
}

static void reserved(void)
{
	struct nlmsghdr *nlh = begin_good();
	struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);

	genl->reserved = 1;
}

static void replace(void) { begin_good()->nlmsg_flags |= NLM_F_REPLACE; }

/* What each must be told: the words, or their beginning, and that the attribute
 * is pointed at (ATTR) or its type given as missing.
 */
#define ATTR	0x10000

static const struct bad {
	const char *name;
	void (*make)(void);
	int err;
	const char *text;
	unsigned int attr;
} bad[] = {
	{ "no vip", no_vip, EINVAL, "vip4 or vip6 is missing",
	  PERCORE_A_SERVICE_VIP4 },
	{ "no port", no_port, EINVAL, "port is missing",
	  PERCORE_A_SERVICE_PORT },
	{ "no lane", no_lane, EINVAL, "lane is missing: one at least",
	  PERCORE_A_SERVICE_LANE },
	{ "no lane to set", no_lane_to_set, EINVAL, "lane is missing",
	  PERCORE_A_SERVICE_LANE },
	{ "no cpu", no_cpu, EINVAL, "lane: cpu is missing",
	  PERCORE_A_LANE_CPU },
	{ "no private port", no_lane_port, EINVAL, "lane: port is missing",
	  PERCORE_A_LANE_PORT },
	{ "no drain", no_drain, EINVAL, "lane: drain is missing",
	  PERCORE_A_LANE_DRAIN },
	{ "a port of 3 bytes", port_of_three, EINVAL, "invalid attribute", ATTR },
	{ "a vip4 of a byte", vip_of_one, EINVAL, "invalid attribute", ATTR },
	{ "a vip6 of 4 bytes", vip6_of_four, ERANGE,
	  "binary attribute size out of range", ATTR },
	{ "two vips", two_vips, EINVAL, "vip6 beside vip4: one of them", ATTR },
	{ "an unknown attribute", unknown, EINVAL, "Unknown attribute", ATTR },
	{ "one in a lane", unknown_in_lane, EINVAL, "Unknown attribute",
	  ATTR },
	{ "a lane that is no nest", not_nested, EINVAL, "NLA_F_NESTED is miss",
	  ATTR },
	{ "a method that is one", nested, EINVAL, "NLA_F_NESTED not expected",
	  ATTR },
	{ "method 9", method_9, EOPNOTSUPP,
	  "method 9 is not known: 0 (nat), 1 (steer) and 2 (front) are", ATTR },
	{ "balance 2", balance_2, EOPNOTSUPP,
	  "balance 2 is not known: 0 (none) and 1 (spill) are", ATTR },
	{ "mark 0", mark_0, ERANGE, "mark 0 is no percentage from 1 to 100",
	  ATTR },
	{ "mark 101", mark_101, ERANGE,
	  "mark 101 is no percentage from 1 to 100", ATTR },
	{ "a mark alone", mark_alone, EINVAL,
	  "mark 50: only with balance 1 (spill)", ATTR },
	{ "cpu-mark 100", cpu_mark_100, ERANGE,
	  "cpu-mark 100 is no percentage from 0 (off) to 99", ATTR },
	{ "a cpu-mark alone", cpu_mark_alone, EINVAL,
	  "cpu-mark 80: only with balance 1 (spill)", ATTR },
	{ "a load, which is told only", load_told, EINVAL,
	  "Unsupported attribute", ATTR },
	{ "a balance of UDP", udp_balance, EOPNOTSUPP,
	  "balance 1 (spill) is for proto 6 (TCP) alone", ATTR },
	{ "proto 132", proto_132, EPROTONOSUPPORT, "proto 132 is not supported",
	  ATTR },
	{ "drain 2", drain_2, ERANGE, "drain 2 of CPU 0 is neither 0 nor 1",
	  ATTR },
	{ "two lanes to set", two_lanes_to_set, EINVAL, "more than one lane",
	  ATTR },
	{ "a port to set", port_to_set, EINVAL, "Unsupported attribute", ATTR },
	{ "a lane to delete", lane_to_delete, EINVAL, "Unsupported attribute",
	  ATTR },
	{ "a dump with a key", dump_with_key, EINVAL, "Unknown attribute",
	  ATTR },
	{ "counters with a key", stats_with_key, EINVAL, "Unknown attribute",
	  ATTR },
	{ "1,025 lanes", lanes_1025, E2BIG,
	  "1025 lanes are too many: at most 1024", ATTR },
	{ "1,024 lanes", lanes_1024, EINVAL, "CPU 1023 does not exist", ATTR },
	{ "bytes behind", leftover, EINVAL, "bytes leftover", 0 },
	{ "a reserved field", reserved, EINVAL, "genlmsghdr.reserved", 0 },
	{ "a flag for nothing", replace, EINVAL, "ambiguous or reserved", 0 },
};

static int send_bad(void)
{
	unsigned int wrong = 0;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const struct bad *b = &bad[i];
		struct answer answer;

		b->make();
		answer = ask();
		if (answer.err == b->err && answer.text[0] &&
		    !strncmp(answer.text, b->text, strlen(b->text)) &&
		    (b->attr == ATTR ? answer.offset > 0
				     : answer.miss == b->attr))
			continue;
		printf("# %s: error %d, \"%s\", attribute at %u, missing %u\n",
		       b->name, answer.err, answer.text, answer.offset,
		       answer.miss);
		wrong++;
	}
	return wrong != 0;
}

static int fill(const char *vip, unsigned int n, unsigned int lanes)
{
	struct answer answer = { 0 };
	unsigned int taken = 0;
	struct in_addr addr;

	if (inet_pton(AF_INET, vip, &addr) != 1)
		return 2;
	for (unsigned int i = 0; i < n && !answer.err; i++) {
		struct nlmsghdr *nlh = begin(family, PERCORE_CMD_SERVICE_NEW,
					     0);

		put_key(nlh, ntohl(addr.s_addr), (uint16_t)(80 + i));
		for (unsigned int cpu = 0; cpu < lanes; cpu++)
			put_lane(nlh, cpu, (uint16_t)(10000 + i * lanes + cpu));
		answer = ask();
		taken += !answer.err;
	}
	printf("%u taken, error %d: %s\n", taken, answer.err, answer.text);
	return 0;
}

static int stir(const char *vip, time_t seconds)
{
	time_t end = time(NULL) + seconds;
	struct answer answer = { 0 };
	unsigned int n = 0;
	struct in_addr addr;

	if (inet_pton(AF_INET, vip, &addr) != 1)
		return 2;
	for (; !answer.err && time(NULL) < end; n++) {
		struct nlmsghdr *nlh = begin(family, PERCORE_CMD_LANE_SET, 0);

		put_key(nlh, ntohl(addr.s_addr), 80);
		put_drain(nlh, n % 2);
		answer = ask();
	}
	printf("%u changes, error %d\n", n, answer.err);
	return answer.err != 0;
}

/* Random messages */

static bool often(void) { return any(16); }

/* One of a few values that matter, or, seldom, any. */
static uint32_t pick(const uint32_t *values, uint32_t n)
{
	return often() ? values[any(n)] : any(UINT32_MAX);
}

static const uint32_t vips[] = { VIP, VIP + 1, 0, 0xe0000001, 0xffffffff };
static const uint32_t ports[] = { 80, 81, 0, 8000, 8016, 8032, 9000, 65535 };
static const uint32_t cpus[] = { 1, 0, 2, 3, 4, 8191, UINT32_MAX };
static const uint32_t small[] = { 1, 0, 0, 0, 2, 255 };
static const uint32_t protos[] = { 6, 6, 6, 17, 0 };

/* Attributes of any type and length, nested in one another. */
static void put_junk(struct nlmsghdr *nlh, unsigned int depth)
{
	char data[64];

	for (uint32_t n = any(4); n; n--) {
		uint16_t type = (uint16_t)(any(12) | (any(4) ? 0 : NLA_F_NESTED));

		if (depth && !any(3)) {
			struct nlattr *nest = mnl_attr_nest_start(nlh, type);

			put_junk(nlh, depth - 1);
			mnl_attr_nest_end(nlh, nest);
			continue;
		}
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (char)any(256);
		mnl_attr_put(nlh, type, any(sizeof(data)), data);
	}
}

static void put_some_lane(struct nlmsghdr *nlh)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, PERCORE_A_SERVICE_LANE);

	if (often())
		mnl_attr_put_u32(nlh, PERCORE_A_LANE_CPU,
				 pick(cpus, ARRAY_LEN(cpus)));
	if (often())
		mnl_attr_put_u16(nlh, PERCORE_A_LANE_PORT,
				 htons((uint16_t)pick(ports,
						      ARRAY_LEN(ports))));
	if (!any(4))
		mnl_attr_put_u8(nlh, PERCORE_A_LANE_DRAIN,
				(uint8_t)pick(small, ARRAY_LEN(small)));
	if (!often())
		put_junk(nlh, 2);
	mnl_attr_nest_end(nlh, nest);
}

static void put_some_service(struct nlmsghdr *nlh)
{
	if (often())
		mnl_attr_put_u32(nlh, PERCORE_A_SERVICE_VIP4,
				 htonl(pick(vips, ARRAY_LEN(vips))));
	if (!often()) {
		uint32_t vip6[4] = { htonl(0x20010db8), 0, 0, any(3) };

		mnl_attr_put(nlh, PERCORE_A_SERVICE_VIP6, sizeof(vip6), vip6);
	}
	if (often())
		mnl_attr_put_u16(nlh, PERCORE_A_SERVICE_PORT,
				 htons((uint16_t)pick(ports,
						      ARRAY_LEN(ports))));
	if (!any(4))
		mnl_attr_put_u8(nlh, PERCORE_A_SERVICE_PROTO,
				(uint8_t)pick(protos, ARRAY_LEN(protos)));
	if (any(2))
		mnl_attr_put_u8(nlh, PERCORE_A_SERVICE_METHOD,
				(uint8_t)pick(small, ARRAY_LEN(small)));
	if (!any(4))
		mnl_attr_put_u8(nlh, PERCORE_A_SERVICE_BALANCE,
				(uint8_t)pick(small, ARRAY_LEN(small)));
	if (!any(8))
		mnl_attr_put_u8(nlh, PERCORE_A_SERVICE_MARK,
				(uint8_t)any(256));
	if (!any(8))
		mnl_attr_put_u8(nlh, PERCORE_A_SERVICE_CPU_MARK,
				(uint8_t)any(128));
	for (uint32_t n = any(5); n; n--)
		put_some_lane(nlh);
	if (!often())
		put_junk(nlh, 3);
}

/* Commands beyond are what the kernel tells unasked. */
#define LAST_REQUEST	PERCORE_CMD_SERVICE_SET

/* Returns whether it was mutilated: then the core may refuse it in silence. */
static bool make_some(void)
{
	uint8_t cmd = (uint8_t)(often() ? 1 + any(LAST_REQUEST) : any(256));
	bool dump = cmd == PERCORE_CMD_SERVICE_GET ||
		    cmd == PERCORE_CMD_STATS_GET;
	struct nlmsghdr *nlh = begin(family, cmd, 0);
	uint32_t len;

	if (dump == often())
		nlh->nlmsg_flags |= NLM_F_DUMP;
	if (!dump || !often())
		put_some_service(nlh);
	if (any(8))
		return false;
	len = nlh->nlmsg_len - NLMSG_HDRLEN;
	for (uint32_t n = 1 + any(8); n; n--)
		out[NLMSG_HDRLEN + any(len)] = (char)any(256);
	if (!any(4))
		nlh->nlmsg_len -= any(len - GENL_HDRLEN + 1);
	return true;
}

static bool is_ours(const struct nlmsghdr *nlh)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);
	bool dump = genl->cmd == PERCORE_CMD_SERVICE_GET ||
		    genl->cmd == PERCORE_CMD_STATS_GET;

	return genl->cmd && genl->cmd <= LAST_REQUEST &&
	       dump == ((nlh->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP);
}

static int fuzz(unsigned int n, unsigned int seed)
{
	unsigned int taken = 0, refused = 0, silent = 0;

	random_seed(seed);
	while (n--) {
		bool mutilated = make_some();
		bool ours = is_ours((struct nlmsghdr *)out);
		struct answer answer = ask();

		taken += !answer.err;
		refused += answer.err != 0;
		if (answer.err && !answer.text[0] && ours && !mutilated)
			silent++;
	}
	printf("%u taken, %u refused, %u without a word\n", taken, refused,
	       silent);
	return silent != 0;
}

int main(int argc, char **argv)
{
	start();
	if (argc == 2 && !strcmp(argv[1], "bad"))
		return send_bad();
	if ((argc == 4 || argc == 5) && !strcmp(argv[1], "fill"))
		return fill(argv[2], (unsigned int)atoi(argv[3]),
			    argc == 5 ? (unsigned int)atoi(argv[4]) : 1);
	if (argc == 4 && !strcmp(argv[1], "stir"))
		return stir(argv[2], atoi(argv[3]));
	if (argc == 4 && !strcmp(argv[1], "fuzz"))
		return fuzz((unsigned int)atoi(argv[2]),
			    (unsigned int)atoi(argv[3]));
	fputs("usage: percore_nl bad | fill VIP N [LANES] | stir VIP SECONDS | fuzz N SEED\n", stderr);
	return 2;
}
