/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * percore: one address and port in front of a listener per CPU.
 *
 * Generic netlink family "percore"; a YNL specification of it is in
 * Documentation/netlink/specs/percore.yaml. A request acts on the network
 * namespace of its socket.
 */
#ifndef _UAPI_LINUX_PERCORE_H
#define _UAPI_LINUX_PERCORE_H

#define PERCORE_GENL_NAME	"percore"
#define PERCORE_GENL_VERSION	1
#define PERCORE_GENL_GROUP	"services"	/* multicast: PERCORE_CMD_*_NTF */

#define PERCORE_MAX_LANES	1024	/* lanes of one service, retired ones too */
#define PERCORE_MARK_DEFAULT	50	/* percent, when a service spills */
#define PERCORE_MAX_SERVICES	256	/* services of one network namespace */

/**
 * enum percore_cmd - commands of the family
 * @PERCORE_CMD_UNSPEC: unused
 * @PERCORE_CMD_SERVICE_NEW: add a service; CAP_NET_ADMIN in the user namespace
 *	that owns the network namespace
 * @PERCORE_CMD_SERVICE_DEL: delete the service with this address, port and
 *	protocol; CAP_NET_ADMIN likewise
 * @PERCORE_CMD_SERVICE_GET: dump all services
 * @PERCORE_CMD_STATS_GET: dump counters, a message per service and CPU
 * @PERCORE_CMD_LANE_SET: drain one lane of the service with this address, port
 *	and protocol, or let new connections in again; its nest has cpu and drain;
 *	CAP_NET_ADMIN likewise
 * @PERCORE_CMD_SERVICE_SET: give the service with this address, port and
 *	protocol other lanes, another method or another balance, whatever is there;
 *	its connections go on; CAP_NET_ADMIN likewise
 * @PERCORE_CMD_SERVICE_NEW_NTF: told unasked: a service has been added
 * @PERCORE_CMD_SERVICE_SET_NTF: told unasked: it has changed, lanes have been
 *	drained, or retired ones have gone
 * @PERCORE_CMD_SERVICE_DEL_NTF: told unasked: it has been deleted
 */
enum percore_cmd {
	PERCORE_CMD_UNSPEC,
	PERCORE_CMD_SERVICE_NEW,
	PERCORE_CMD_SERVICE_DEL,
	PERCORE_CMD_SERVICE_GET,
	PERCORE_CMD_STATS_GET,
	PERCORE_CMD_LANE_SET,
	PERCORE_CMD_SERVICE_SET,
	PERCORE_CMD_SERVICE_NEW_NTF,
	PERCORE_CMD_SERVICE_SET_NTF,
	PERCORE_CMD_SERVICE_DEL_NTF,

	/* private: */
	__PERCORE_CMD_MAX,
	PERCORE_CMD_MAX = __PERCORE_CMD_MAX - 1,
};

/**
 * enum percore_method - how a packet gets to the listener of its lane
 * @PERCORE_METHOD_NAT: its destination port becomes the lane's private port,
 *	and replies leave with the service's port
 * @PERCORE_METHOD_STEER: the lane's listener is given the first packet of a
 *	connection as it is; nothing is rewritten. TCP alone
 * @PERCORE_METHOD_FRONT: the kernel itself listens at the service's address and
 *	port, and hands each connection request to the lane's listener, which must
 *	be bound to the loopback address; other packets are not looked at. TCP
 *	alone
 */
enum percore_method {
	PERCORE_METHOD_NAT,
	PERCORE_METHOD_STEER,
	PERCORE_METHOD_FRONT,

	/* private: */
	__PERCORE_METHOD_MAX,
	PERCORE_METHOD_MAX = __PERCORE_METHOD_MAX - 1,
};

/**
 * enum percore_balance - what else decides on the lane of a new connection
 * @PERCORE_BALANCE_NONE: nothing: it goes to the lane of its CPU
 * @PERCORE_BALANCE_SPILL: when the connections that wait to be accepted fill that
 *	lane's queue to the mark, to the lane whose queue is least full; with a mark
 *	for CPUs, and that lane's above it, some to a lane whose CPU is below. TCP
 *	alone
 */
enum percore_balance {
	PERCORE_BALANCE_NONE,
	PERCORE_BALANCE_SPILL,

	/* private: */
	__PERCORE_BALANCE_MAX,
	PERCORE_BALANCE_MAX = __PERCORE_BALANCE_MAX - 1,
};

/**
 * enum percore_service_attr - attributes of a service
 * @PERCORE_A_SERVICE_UNSPEC: unused
 * @PERCORE_A_SERVICE_PAD: padding of 64-bit attributes
 * @PERCORE_A_SERVICE_VIP4: be32, IPv4 address that clients use; of this and the
 *	next there is exactly one
 * @PERCORE_A_SERVICE_VIP6: 16 bytes, IPv6 address that clients use
 * @PERCORE_A_SERVICE_PORT: be16, port that clients use
 * @PERCORE_A_SERVICE_PROTO: u8, IPPROTO_TCP (the default) or IPPROTO_UDP
 * @PERCORE_A_SERVICE_METHOD: u8, enum percore_method (default: nat)
 * @PERCORE_A_SERVICE_LANE: nest of enum percore_lane_attr, once per lane
 * @PERCORE_A_SERVICE_FORMER: flag, told only: the service had the other method
 *	before, and connections of it live
 * @PERCORE_A_SERVICE_BALANCE: u8, enum percore_balance (default: none)
 * @PERCORE_A_SERVICE_MARK: u8, with PERCORE_BALANCE_SPILL alone: how full a lane's
 *	queue must be, in percent of its room, 1 to 100 (default:
 *	PERCORE_MARK_DEFAULT)
 * @PERCORE_A_SERVICE_CPU_MARK: u8, with PERCORE_BALANCE_SPILL alone: how busy a
 *	lane's CPU may be, in percent, 1 to 99; 0 (the default): that does not matter
 */
enum percore_service_attr {
	PERCORE_A_SERVICE_UNSPEC,
	PERCORE_A_SERVICE_PAD,
	PERCORE_A_SERVICE_VIP4,
	PERCORE_A_SERVICE_VIP6,
	PERCORE_A_SERVICE_PORT,
	PERCORE_A_SERVICE_PROTO,
	PERCORE_A_SERVICE_METHOD,
	PERCORE_A_SERVICE_LANE,
	PERCORE_A_SERVICE_FORMER,
	PERCORE_A_SERVICE_BALANCE,
	PERCORE_A_SERVICE_MARK,
	PERCORE_A_SERVICE_CPU_MARK,

	/* private: */
	__PERCORE_A_SERVICE_MAX,
	PERCORE_A_SERVICE_MAX = __PERCORE_A_SERVICE_MAX - 1,
};

/**
 * enum percore_lane_attr - attributes of a lane
 * @PERCORE_A_LANE_UNSPEC: unused
 * @PERCORE_A_LANE_CPU: u32, CPU whose packets the lane takes
 * @PERCORE_A_LANE_PORT: be16, private port that the lane's server listens on
 * @PERCORE_A_LANE_DRAIN: u8, 1: no new connections for the lane as long as
 *	another has a listener; 0: its share of them. Default: 0, or, with
 *	PERCORE_CMD_SERVICE_SET, as it is with the CPU's present lane
 * @PERCORE_A_LANE_RETIRED: flag, told only: the service has the lane no more, but
 *	connections on it live; there is no cpu then
 * @PERCORE_A_LANE_LOAD: u8, told only, where the service has a mark for CPUs: how
 *	busy the lane's is, in percent
 * @PERCORE_A_LANE_LEAVE: u8, told only, likewise: how many of the lane's new
 *	connections leave it for that, in percent
 */
enum percore_lane_attr {
	PERCORE_A_LANE_UNSPEC,
	PERCORE_A_LANE_CPU,
	PERCORE_A_LANE_PORT,
	PERCORE_A_LANE_DRAIN,
	PERCORE_A_LANE_RETIRED,
	PERCORE_A_LANE_LOAD,
	PERCORE_A_LANE_LEAVE,

	/* private: */
	__PERCORE_A_LANE_MAX,
	PERCORE_A_LANE_MAX = __PERCORE_A_LANE_MAX - 1,
};

/**
 * enum percore_stats_attr - attributes of a message of counters
 * @PERCORE_A_STATS_UNSPEC: unused
 * @PERCORE_A_STATS_PAD: padding of 64-bit attributes
 * @PERCORE_A_STATS_VIP4: be32, the service's address if it is IPv4
 * @PERCORE_A_STATS_VIP6: 16 bytes, the service's address if it is IPv6
 * @PERCORE_A_STATS_PORT: be16, the service's port
 * @PERCORE_A_STATS_PROTO: u8, the service's protocol
 * @PERCORE_A_STATS_CPU: u32, CPU on which the packets below were handled
 * @PERCORE_A_STATS_LANE_PORT: be16, private port of that CPU's lane; absent
 *	when the CPU has no lane
 * @PERCORE_A_STATS_NEW: u64, first packets of connections, whichever lane they
 *	were given to; datagrams that no socket is connected for
 * @PERCORE_A_STATS_LOCAL: u64, packets of known connections that arrived on the
 *	CPU of their lane
 * @PERCORE_A_STATS_MIGRATED: u64, packets of known connections that arrived on
 *	another CPU and were led to their lane
 * @PERCORE_A_STATS_FALLBACK: u64, packets without a connection given to another
 *	lane because the CPU's own was drained, or offline, or nobody listened there
 * @PERCORE_A_STATS_REFUSED: u64, new connections that no lane listened for; the
 *	client gets a reset, or "port unreachable" for a datagram
 * @PERCORE_A_STATS_COOKIE: u64, acknowledgments without a connection, given to a
 *	listener: the end of a SYN cookie handshake, or a stray
 * @PERCORE_A_STATS_STRAY: u64, other packets without a connection
 * @PERCORE_A_STATS_OUT: u64, packets sent with the public port in place of the
 *	private one
 * @PERCORE_A_STATS_ICMP: u64, ICMP errors about connections, translated
 * @PERCORE_A_STATS_FRAG: u64, packets that arrived in fragments
 * @PERCORE_A_STATS_DROPPED_DIRECT: u64, packets sent to a private port itself
 * @PERCORE_A_STATS_DROPPED_NOMEM: u64, packets lost for want of memory
 * @PERCORE_A_STATS_SPILLED: u64, first packets of connections given to a less
 *	loaded lane because the one that was theirs, or its CPU, is overloaded
 */
enum percore_stats_attr {
	PERCORE_A_STATS_UNSPEC,
	PERCORE_A_STATS_PAD,
	PERCORE_A_STATS_VIP4,
	PERCORE_A_STATS_VIP6,
	PERCORE_A_STATS_PORT,
	PERCORE_A_STATS_PROTO,
	PERCORE_A_STATS_CPU,
	PERCORE_A_STATS_LANE_PORT,
	PERCORE_A_STATS_NEW,
	PERCORE_A_STATS_LOCAL,
	PERCORE_A_STATS_MIGRATED,
	PERCORE_A_STATS_FALLBACK,
	PERCORE_A_STATS_REFUSED,
	PERCORE_A_STATS_COOKIE,
	PERCORE_A_STATS_STRAY,
	PERCORE_A_STATS_OUT,
	PERCORE_A_STATS_ICMP,
	PERCORE_A_STATS_FRAG,
	PERCORE_A_STATS_DROPPED_DIRECT,
	PERCORE_A_STATS_DROPPED_NOMEM,
	PERCORE_A_STATS_SPILLED,

	/* private: */
	__PERCORE_A_STATS_MAX,
	PERCORE_A_STATS_MAX = __PERCORE_A_STATS_MAX - 1,
};

#endif /* _UAPI_LINUX_PERCORE_H */
