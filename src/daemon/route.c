/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking the kernel where packets would go. */
#include "route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>

/* No host has this address (RFC 7600), so no route is there for it alone: what holds for it holds for the rest of the
 * world. Nothing is ever sent to it.
 */
#define DUMMY_ADDRESS 0xc0000008

static int take_route(const struct nlmsghdr *message, void *context)
{
	const struct rtmsg *info = mnl_nlmsg_get_payload(message);
	struct route *route = context;
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWROUTE || info->rtm_family != AF_INET)
		return MNL_CB_OK;
	route->type = info->rtm_type;
	mnl_attr_for_each(attr, message, sizeof(*info))
	{
		__u16 type = mnl_attr_get_type(attr);

		if ((type != RTA_OIF && type != RTA_PREFSRC) || mnl_attr_validate(attr, MNL_TYPE_U32) < 0)
			continue;
		if (type == RTA_OIF)
			route->out = mnl_attr_get_u32(attr);
		else
			route->source = mnl_attr_get_u32(attr);
	}
	return MNL_CB_OK;
}

static void put_u32(struct nlmsghdr *request, __u16 type, __u32 value)
{
	if (value)
		mnl_attr_put_u32(request, type, value);
}

int route_ask(struct mnl_socket *socket, const struct route_packet *packet, struct route *ret_route)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct route route = {};
	struct rtmsg *info;
	int err;

	request->nlmsg_type = RTM_GETROUTE;
	info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	info->rtm_family = AF_INET;
	info->rtm_dst_len = 32;
	info->rtm_src_len = packet->src ? 32 : 0;
	mnl_attr_put_u32(request, RTA_DST, packet->dst);
	put_u32(request, RTA_SRC, packet->src);
	put_u32(request, RTA_IIF, packet->in);
	put_u32(request, RTA_OIF, packet->out);
	put_u32(request, RTA_MARK, packet->mark);
	err = netlink_ask(socket, request, take_route, &route);
	if (!err)
		*ret_route = route;
	return err;
}

int route_is_local(struct mnl_socket *socket, __be32 addr, bool *ret_local)
{
	const struct route_packet packet = { .dst = addr };
	struct route route;
	int err = route_ask(socket, &packet, &route);

	switch (err) {
	case 0:
		*ret_local = route.type == RTN_LOCAL;
		return 0;
	/* unreachable, prohibited, a black hole, no route at all */
	case -ENETUNREACH:
	case -EHOSTUNREACH:
	case -EACCES:
	case -EINVAL:
	case -EAGAIN:
		*ret_local = false;
		return 0;
	default:
		return err;
	}
}

int route_read_source(struct mnl_socket *socket, __u32 ifindex, __be32 *ret_source)
{
	const struct route_packet packet = { .dst = htonl(DUMMY_ADDRESS), .out = ifindex };
	struct route route;
	int err = route_ask(socket, &packet, &route);

	if (err)
		return err;
	if (route.type != RTN_UNICAST || !route.source)
		return -EADDRNOTAVAIL;
	*ret_source = route.source;
	return 0;
}
