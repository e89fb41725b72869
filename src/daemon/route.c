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

struct answer {
	bool found;
	__u8 type; /* RTN_* */
	__be32 source;
};

static int take_route(const struct nlmsghdr *message, void *context)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);
	struct answer *answer = context;
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWROUTE || route->rtm_family != AF_INET)
		return MNL_CB_OK;
	answer->found = true;
	answer->type = route->rtm_type;
	mnl_attr_for_each(attr, message, sizeof(*route))
	{
		if (mnl_attr_get_type(attr) == RTA_PREFSRC && mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			answer->source = mnl_attr_get_u32(attr);
	}
	return MNL_CB_OK;
}

/* The route to an address; `ifindex` 0: by whichever interface. */
static int ask(struct mnl_socket *socket, __be32 addr, __u32 ifindex, struct answer *ret_answer)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct rtmsg *route;

	request->nlmsg_type = RTM_GETROUTE;
	route = mnl_nlmsg_put_extra_header(request, sizeof(*route));
	route->rtm_family = AF_INET;
	route->rtm_dst_len = 32;
	mnl_attr_put_u32(request, RTA_DST, addr);
	if (ifindex)
		mnl_attr_put_u32(request, RTA_OIF, ifindex);
	*ret_answer = (struct answer){};
	return netlink_ask(socket, request, take_route, ret_answer);
}

int route_is_local(struct mnl_socket *socket, __be32 addr, bool *ret_local)
{
	struct answer answer;
	int err = ask(socket, addr, 0, &answer);

	switch (err) {
	case 0:
		*ret_local = answer.found && answer.type == RTN_LOCAL;
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
	struct answer answer;
	int err = ask(socket, htonl(DUMMY_ADDRESS), ifindex, &answer);

	if (err)
		return err;
	if (!answer.found || answer.type != RTN_UNICAST || !answer.source)
		return -EADDRNOTAVAIL;
	*ret_source = answer.source;
	return 0;
}
