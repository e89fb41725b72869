/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking for lists, and judging what comes instead of them. */
#include "netlink_list.h"

#include <errno.h>
#include <linux/netlink.h>

#define MAX_TRIES 8 /* a dump that changes happened under is taken again */

bool netlink_list_is_absent(int protocol, int err)
{
	switch (-err) {
	case EPROTONOSUPPORT: /* no such sockets */
	case EAFNOSUPPORT:    /* no routing rules */
	case EOPNOTSUPP:
		return true;
	case EINVAL: /* nfnetlink has nobody who answers */
	case ENOENT:
		return protocol == NETLINK_NETFILTER;
	default:
		return false;
	}
}

int netlink_list_ask(struct mnl_socket *socket, int protocol, struct nlmsghdr *request, mnl_cb_t each, void *context)
{
	int err = -EINTR;

	request->nlmsg_flags |= NLM_F_DUMP;
	for (int i = 0; i < MAX_TRIES && err == -EINTR; i++)
		err = netlink_ask(socket, request, each, context);
	return netlink_list_is_absent(protocol, err) ? 0 : err;
}

int netlink_list_read(int protocol, struct nlmsghdr *request, mnl_cb_t each, void *context)
{
	struct mnl_socket *socket;
	int err = netlink_open(protocol, &socket);

	if (err)
		return netlink_list_is_absent(protocol, err) ? 0 : err;
	err = netlink_list_ask(socket, protocol, request, each, context);
	netlink_close(socket);
	return err;
}
