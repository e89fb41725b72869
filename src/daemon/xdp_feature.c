/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking for XDP features, by generic netlink. */
#include "xdp_feature.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <stdlib.h>

#include "netlink.h"

#define MAX_TRIES 8 /* a dump that changes happened under is taken again */

#define FAMILY "netdev"
#define FAMILY_VERSION 1
#define COMMAND_DEV_GET 1
#define ATTR_IFINDEX 1
#define ATTR_FEATURES 3

struct list {
	struct xdp_features *at;
	int num;
};

static struct nlmsghdr *make_request(char *buffer, __u16 family, __u8 command, __u8 version)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *generic;

	request->nlmsg_type = family;
	generic = mnl_nlmsg_put_extra_header(request, sizeof(*generic));
	generic->cmd = command;
	generic->version = version;
	return request;
}

static int take_family(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attr;
	__u16 *family = context;

	mnl_attr_for_each(attr, message, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
			*family = mnl_attr_get_u16(attr);
	}
	return MNL_CB_OK;
}

static int take_device(const struct nlmsghdr *message, void *context)
{
	struct xdp_features *more, device = {};
	const struct nlattr *attr;
	struct list *list = context;

	mnl_attr_for_each(attr, message, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(attr) == ATTR_IFINDEX)
			device.ifindex = mnl_attr_get_u32(attr);
		else if (mnl_attr_get_type(attr) == ATTR_FEATURES)
			device.features = mnl_attr_get_u64(attr);
	}
	more = realloc(list->at, (list->num + 1) * sizeof(*more));
	if (!more) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	list->at = more;
	list->at[list->num++] = device;
	return MNL_CB_OK;
}

static int find_family(struct mnl_socket *socket, __u16 *ret_family)
{
	char buffer[256];
	struct nlmsghdr *request = make_request(buffer, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
	int err;

	mnl_attr_put_strz(request, CTRL_ATTR_FAMILY_NAME, FAMILY);
	err = netlink_ask(socket, request, take_family, ret_family);
	return err == -ENOENT || (!err && !*ret_family) ? -EOPNOTSUPP : err;
}

static int ask(struct mnl_socket *socket, struct list *list)
{
	struct nlmsghdr *request;
	char buffer[256];
	__u16 family = 0;
	int err = find_family(socket, &family);

	if (err)
		return err;
	err = -EINTR;
	for (int i = 0; i < MAX_TRIES && err == -EINTR; i++) {
		list->num = 0;
		request = make_request(buffer, family, COMMAND_DEV_GET, FAMILY_VERSION);
		request->nlmsg_flags = NLM_F_DUMP;
		err = netlink_ask(socket, request, take_device, list);
	}
	return err;
}

int xdp_features_read(struct xdp_features **ret_list)
{
	struct mnl_socket *socket;
	struct list list = {};
	int err = netlink_open(NETLINK_GENERIC, &socket);

	if (err)
		return err;
	err = ask(socket, &list);
	netlink_close(socket);
	if (err) {
		free(list.at);
		return err;
	}
	*ret_list = list.at;
	return list.num;
}
