// SPDX-License-Identifier: GPL-2.0-only
/*
 * nl.c - generic netlink over libmnl, with the kernel's own error messages
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "corelane.h"

/* Room for one request: a service of 1,024 lanes needs about 24 KiB. */
#define GENL_SEND_SIZE	65536
/* The kernel sends dumps in pieces of at most 48 KiB. */
#define GENL_RECV_SIZE	65536

struct cl_genl {
	struct mnl_socket *sock;
	uint16_t family;
	uint32_t seq;
	cl_genl_cb cb;
	void *arg;
	int cb_err;
	char why[256];
	char send[GENL_SEND_SIZE];
	char recv[GENL_RECV_SIZE];
};

struct nlmsghdr *cl_genl_msg(struct cl_genl *genl, uint8_t cmd,
			     uint8_t version, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(genl->send);
	struct genlmsghdr *ghdr;

	nlh->nlmsg_type = genl->family;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++genl->seq;
	ghdr = mnl_nlmsg_put_extra_header(nlh, sizeof(*ghdr));
	ghdr->cmd = cmd;
	ghdr->version = version;
	return nlh;
}

size_t cl_genl_room(const struct cl_genl *genl)
{
	return sizeof(genl->send);
}

static int extack_attr(const struct nlattr *attr, void *data)
{
	struct cl_genl *genl = data;

	if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
	    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
		snprintf(genl->why, sizeof(genl->why), "%s",
			 mnl_attr_get_str(attr));
	return MNL_CB_OK;
}

/* NLMSG_ERROR: an acknowledgment or a refusal, the latter with extack. */
static int on_error(const struct nlmsghdr *nlh, void *data)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);
	size_t skip = sizeof(*err);

	if (nlh->nlmsg_len < mnl_nlmsg_size(sizeof(*err))) {
		errno = EBADMSG;
		return MNL_CB_ERROR;
	}
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		skip += err->msg.nlmsg_len - NLMSG_HDRLEN;
	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS &&
	    nlh->nlmsg_len > mnl_nlmsg_size(MNL_ALIGN(skip)))
		mnl_attr_parse(nlh, (unsigned int)MNL_ALIGN(skip), extack_attr,
			       data);
	if (!err->error)
		return MNL_CB_STOP;
	errno = err->error < 0 ? -err->error : err->error;
	return MNL_CB_ERROR;
}

static int on_done(const struct nlmsghdr *nlh, void *data)
{
	const int *err = mnl_nlmsg_get_payload(nlh);

	(void)data;
	if (nlh->nlmsg_len >= mnl_nlmsg_size(sizeof(*err)) && *err < 0) {
		errno = -*err;
		return MNL_CB_ERROR;
	}
	return MNL_CB_STOP;
}

static int on_data(const struct nlmsghdr *nlh, void *data)
{
	struct cl_genl *genl = data;

	if (genl->cb && !genl->cb_err)
		genl->cb_err = genl->cb(nlh, genl->arg);
	return MNL_CB_OK;
}

static mnl_cb_t control[NLMSG_MIN_TYPE] = {
	[NLMSG_ERROR] = on_error,
	[NLMSG_DONE] = on_done,
};

/* Was a dump interrupted by a change? libmnl leaves it at the first message that says
 * so, and what comes behind it would be taken for the answer to the next request. So
 * it is not told.
 */
static bool take_interrupted(void *buf, ssize_t len)
{
	struct nlmsghdr *nlh = buf;
	bool interrupted = false;
	int left = (int)len;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		interrupted |= nlh->nlmsg_flags & NLM_F_DUMP_INTR;
		nlh->nlmsg_flags &= (uint16_t)~NLM_F_DUMP_INTR;
	}
	return interrupted;
}

int cl_genl_run(struct cl_genl *genl, cl_genl_cb cb, void *arg)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)genl->send;
	unsigned int port = mnl_socket_get_portid(genl->sock);
	bool interrupted = false;
	ssize_t len;
	int ret;

	genl->cb = cb;
	genl->arg = arg;
	genl->cb_err = 0;
	genl->why[0] = '\0';
	/* A dump ends with NLMSG_DONE; anything else is acknowledged. */
	if ((nlh->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		nlh->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_sendto(genl->sock, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		len = mnl_socket_recvfrom(genl->sock, genl->recv,
					  sizeof(genl->recv));
		if (len < 0)
			return -errno;
		interrupted |= take_interrupted(genl->recv, len);
		ret = mnl_cb_run2(genl->recv, (size_t)len, genl->seq, port,
				  on_data, genl, control, NLMSG_MIN_TYPE);
	} while (ret > MNL_CB_STOP);
	if (ret == MNL_CB_ERROR)
		return errno ? -errno : -EIO;
	if (genl->cb_err)
		return genl->cb_err;
	return interrupted ? -EINTR : 0;
}

const char *cl_genl_why(const struct cl_genl *genl, int err)
{
	return genl->why[0] ? genl->why : strerror(-err);
}

/* The number of a group is wanted. */
struct wanted {
	const char *group;
	uint32_t group_id;
	bool is_it;
};

static int group_attr(const struct nlattr *attr, void *data)
{
	struct wanted *wanted = data;

	if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_ID &&
	    mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
		wanted->group_id = mnl_attr_get_u32(attr);
	if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_NAME &&
	    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
		wanted->is_it = !strcmp(mnl_attr_get_str(attr), wanted->group);
	return MNL_CB_OK;
}

static int groups_attr(const struct nlattr *attr, void *data)
{
	const struct nlattr *group;
	struct wanted *wanted = data;

	if (mnl_attr_get_type(attr) != CTRL_ATTR_MCAST_GROUPS)
		return MNL_CB_OK;
	mnl_attr_for_each_nested(group, attr) {
		wanted->is_it = false;
		mnl_attr_parse_nested(group, group_attr, wanted);
		if (wanted->is_it)
			return MNL_CB_STOP;
	}
	return MNL_CB_OK;
}

static int on_groups(const struct nlmsghdr *nlh, void *arg)
{
	mnl_attr_parse(nlh, sizeof(struct genlmsghdr), groups_attr, arg);
	return 0;
}

int cl_genl_join(struct cl_genl *genl, const char *group)
{
	struct wanted wanted = { .group = group };
	uint16_t family = genl->family;
	struct nlmsghdr *nlh;
	int err;

	genl->family = GENL_ID_CTRL;
	nlh = cl_genl_msg(genl, CTRL_CMD_GETFAMILY, 1, 0);
	genl->family = family;
	mnl_attr_put_u16(nlh, CTRL_ATTR_FAMILY_ID, family);
	err = cl_genl_run(genl, on_groups, &wanted);
	if (err)
		return err;
	if (!wanted.is_it)
		return -ENOENT;
	if (mnl_socket_setsockopt(genl->sock, NETLINK_ADD_MEMBERSHIP,
				  &wanted.group_id, sizeof(wanted.group_id)))
		return -errno;
	return 0;
}

int cl_genl_wait(struct cl_genl *genl, int timeout_ms, cl_genl_cb cb, void *arg)
{
	struct pollfd fd = { .fd = mnl_socket_get_fd(genl->sock), .events = POLLIN };
	ssize_t len;
	int ret;

	genl->cb = cb;
	genl->arg = arg;
	genl->cb_err = 0;
	ret = poll(&fd, 1, timeout_ms);
	if (ret <= 0)
		return ret < 0 ? -errno : 0;
	len = mnl_socket_recvfrom(genl->sock, genl->recv, sizeof(genl->recv));
	if (len < 0)
		return -errno;
	/* Unasked: they have no sequence number, and are not for our port. */
	ret = mnl_cb_run2(genl->recv, (size_t)len, 0, 0, on_data, genl, control,
			  NLMSG_MIN_TYPE);
	if (ret == MNL_CB_ERROR)
		return errno ? -errno : -EIO;
	return genl->cb_err ? genl->cb_err : 1;
}

static int family_attr(const struct nlattr *attr, void *data)
{
	struct cl_genl *genl = data;

	if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID &&
	    mnl_attr_validate(attr, MNL_TYPE_U16) >= 0)
		genl->family = mnl_attr_get_u16(attr);
	return MNL_CB_OK;
}

static int on_family(const struct nlmsghdr *nlh, void *arg)
{
	mnl_attr_parse(nlh, sizeof(struct genlmsghdr), family_attr, arg);
	return 0;
}

static int resolve(struct cl_genl *genl, const char *family)
{
	struct nlmsghdr *nlh;
	int err;

	genl->family = GENL_ID_CTRL;
	nlh = cl_genl_msg(genl, CTRL_CMD_GETFAMILY, 1, 0);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, family);
	err = cl_genl_run(genl, on_family, genl);
	if (!err && genl->family == GENL_ID_CTRL)
		err = -ENOENT;
	return err;
}

struct cl_genl *cl_genl_open(const char *family, const char *hint)
{
	struct cl_genl *genl = calloc(1, sizeof(*genl));
	int one = 1, err;

	if (!genl) {
		cl_error("out of memory");
		return NULL;
	}
	genl->seq = (uint32_t)time(NULL);
	genl->sock = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!genl->sock || mnl_socket_bind(genl->sock, 0, MNL_SOCKET_AUTOPID)) {
		cl_error("cannot open a netlink socket: %s", strerror(errno));
		goto fail;
	}
	/* Old kernels know neither option; messages are then shorter. */
	mnl_socket_setsockopt(genl->sock, NETLINK_EXT_ACK, &one, sizeof(one));
	mnl_socket_setsockopt(genl->sock, NETLINK_CAP_ACK, &one, sizeof(one));
	err = resolve(genl, family);
	if (err == -ENOENT) {
		cl_error("the kernel has no '%s': %s", family, hint);
		goto fail;
	}
	if (err) {
		cl_error("cannot ask the kernel for '%s': %s", family,
			 cl_genl_why(genl, err));
		goto fail;
	}
	return genl;
fail:
	cl_genl_close(genl);
	return NULL;
}

void cl_genl_close(struct cl_genl *genl)
{
	if (!genl)
		return;
	if (genl->sock)
		mnl_socket_close(genl->sock);
	free(genl);
}
