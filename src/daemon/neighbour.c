/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "neighbour.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define NUD_VALID (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

bool neighbour_is_valid(const struct neighbour *neighbour)
{
	return neighbour->state & NUD_VALID;
}

bool neighbour_parse(const struct nlmsghdr *message, struct neighbour *ret_neighbour)
{
	const struct ndmsg *info = mnl_nlmsg_get_payload(message);
	struct neighbour neighbour = {};
	const struct nlattr *attr;

	if ((message->nlmsg_type != RTM_NEWNEIGH && message->nlmsg_type != RTM_DELNEIGH) ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*info) || info->ndm_family != AF_INET ||
	    (info->ndm_flags & NTF_PROXY))
		return false;
	neighbour.ifindex = info->ndm_ifindex;
	neighbour.state = message->nlmsg_type == RTM_NEWNEIGH ? info->ndm_state : 0;
	neighbour.kept = (info->ndm_state & (NUD_PERMANENT | NUD_NOARP)) || (info->ndm_flags & NTF_EXT_LEARNED);
	mnl_attr_for_each(attr, message, sizeof(*info))
	{
		__u16 type = mnl_attr_get_type(attr), len = mnl_attr_get_payload_len(attr);

		if (type == NDA_DST && len == sizeof(neighbour.addr))
			memcpy(&neighbour.addr, mnl_attr_get_payload(attr), len);
		else if (type == NDA_LLADDR && len == MAC_LEN)
			memcpy(neighbour.mac, mnl_attr_get_payload(attr), len);
		else if (type == NDA_FLAGS_EXT && len == sizeof(__u32))
			neighbour.kept |= mnl_attr_get_u32(attr) != 0; /* managed, and what newer kernels have */
	}
	if (!neighbour.addr)
		return false;
	*ret_neighbour = neighbour;
	return true;
}

static struct nlmsghdr *begin(char *buffer, __u16 type, const struct neighbour *neighbour, __u16 state)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ndmsg *info;

	request->nlmsg_type = type;
	info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	info->ndm_family = AF_INET;
	info->ndm_ifindex = neighbour->ifindex;
	info->ndm_state = state;
	mnl_attr_put_u32(request, NDA_DST, neighbour->addr);
	return request;
}

static int take(const struct nlmsghdr *message, void *context)
{
	neighbour_parse(message, context);
	return MNL_CB_OK;
}

int neighbour_read(struct mnl_socket *socket, struct neighbour *ret_neighbour)
{
	struct neighbour neighbour = { .ifindex = ret_neighbour->ifindex, .addr = ret_neighbour->addr };
	char buffer[128];
	int err = netlink_ask(socket, begin(buffer, RTM_GETNEIGH, &neighbour, 0), take, &neighbour);

	if (err && err != -ENOENT && err != -ENODEV)
		return err;
	*ret_neighbour = neighbour;
	return 0;
}

/* Without NLM_F_CREATE: what has gone meanwhile is not made anew. */
static int set_state(struct mnl_socket *socket, const struct neighbour *neighbour, __u16 state)
{
	char buffer[128];

	return netlink_ask(socket, begin(buffer, RTM_NEWNEIGH, neighbour, state), NULL, NULL);
}

/* Only one that was not in this state before is asked at once. */
int neighbour_ask(struct mnl_socket *socket, const struct neighbour *neighbour)
{
	int err = set_state(socket, neighbour, NUD_STALE);

	return err ? err : set_state(socket, neighbour, NUD_PROBE);
}

int neighbour_give_up(struct mnl_socket *socket, const struct neighbour *neighbour)
{
	char buffer[128];
	struct nlmsghdr *request;
	int err = set_state(socket, neighbour, NUD_FAILED);

	if (err)
		return err;
	request = begin(buffer, RTM_NEWNEIGH, neighbour, 0);
	((struct ndmsg *)mnl_nlmsg_get_payload(request))->ndm_flags = NTF_USE;
	return netlink_ask(socket, request, NULL, NULL);
}
