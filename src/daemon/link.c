/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking for an interface by name. */
#include "link.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>

#ifndef ARPHRD_RAWIP
#define ARPHRD_RAWIP 519 /* modems and the like; the C library's header does not know it */
#endif

static int take_link(const struct nlmsghdr *message, void *context)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	struct link *link = context;
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	link->ifindex = info->ifi_index;
	link->type = info->ifi_type;
	link->up = info->ifi_flags & IFF_UP;
	mnl_attr_for_each(attr, message, sizeof(*info))
	{
		if (mnl_attr_get_type(attr) == IFLA_MTU && mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			link->mtu = mnl_attr_get_u32(attr);
	}
	return MNL_CB_OK;
}

int link_read(struct mnl_socket *socket, const char *iface, struct link *ret_link)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info;
	struct link link = {};
	int err;

	request->nlmsg_type = RTM_GETLINK;
	info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	mnl_attr_put_strz(request, IFLA_IFNAME, iface);
	err = netlink_ask(socket, request, take_link, &link);
	if (err)
		return err;
	if (!link.ifindex)
		return -ENODEV;
	*ret_link = link;
	return 0;
}

int link_header_len(const char *iface, const struct link *link, __u32 *ret_l2_len, struct fault *fault)
{
	switch (link->type) {
	case ARPHRD_ETHER:
		*ret_l2_len = ETH_HLEN;
		return 0;
	case ARPHRD_NONE: /* tun, WireGuard */
	case ARPHRD_PPP:
	case ARPHRD_RAWIP:
	case ARPHRD_TUNNEL:  /* ipip, vti */
	case ARPHRD_TUNNEL6: /* IPv4 in IPv6 */
	case ARPHRD_SIT:
		*ret_l2_len = 0;
		return 0;
	case ARPHRD_LOOPBACK:
		return fault_set(fault, EOPNOTSUPP,
				 "cannot serve %s: it is the loopback; name the interface that leads outside", iface);
	default:
		return fault_set(
			fault, EOPNOTSUPP,
			"cannot serve %s: its link type %u is not known; Ethernet (1) and interfaces without a link "
			"header (tun, WireGuard, PPP, ipip) are",
			iface, link->type);
	}
}
