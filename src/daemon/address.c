/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading addresses over rtnetlink. */
#include "address.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>

#define MAX_TRIES 16 /* a dump that changes happened under is taken again */

static void add_own(struct addresses *addresses, __be32 addr, bool external)
{
	if (addresses_own(addresses, addr))
		return;
	if (external && !addresses->external) {
		addresses->external = addr;
		if (addresses->num_own == MAX_OWN_ADDRS) {
			addresses->num_own--;
			addresses->num_own_left_out++;
		}
		memmove(&addresses->own[1], &addresses->own[0], addresses->num_own * sizeof(addresses->own[0]));
		addresses->own[0] = addr;
		addresses->num_own++;
	} else if (addresses->num_own < MAX_OWN_ADDRS) {
		addresses->own[addresses->num_own++] = addr;
	} else {
		addresses->num_own_left_out++;
	}
}

static void add_gateway(struct addresses *addresses, __u32 ifindex, __be32 addr)
{
	for (__u32 i = 0; i < addresses->num_gateways; i++)
		if (addresses->gateway[i].ifindex == ifindex)
			return;
	if (addresses->num_gateways < MAX_GATEWAYS)
		addresses->gateway[addresses->num_gateways++] = (struct gateway){ .ifindex = ifindex, .addr = addr };
}

/* IFA_LOCAL is ours; IFA_ADDRESS is the peer's on a point-to-point interface, and else the same. */
static bool read_local(const struct nlmsghdr *message, __be32 *ret_addr)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct ifaddrmsg))
	{
		if (mnl_attr_get_type(attr) != IFA_LOCAL || mnl_attr_validate(attr, MNL_TYPE_U32) < 0)
			continue;
		*ret_addr = mnl_attr_get_u32(attr);
		return true;
	}
	return false;
}

static int take_address(const struct nlmsghdr *message, void *context)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
	struct addresses *addresses = context;
	__be32 addr;

	if (message->nlmsg_type != RTM_NEWADDR || info->ifa_family != AF_INET || !read_local(message, &addr))
		return MNL_CB_OK;
	if (info->ifa_index == addresses->link.ifindex)
		add_own(addresses, addr, info->ifa_scope == RT_SCOPE_UNIVERSE && !(info->ifa_flags & IFA_F_SECONDARY));
	else if (ntohl(addr) >> IN_CLASSA_NSHIFT != IN_LOOPBACKNET)
		add_gateway(addresses, info->ifa_index, addr);
	return MNL_CB_OK;
}

static int dump_addresses(struct mnl_socket *socket, struct addresses *addresses)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *info;

	request->nlmsg_type = RTM_GETADDR;
	request->nlmsg_flags = NLM_F_DUMP;
	info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	info->ifa_family = AF_INET;
	return netlink_ask(socket, request, take_address, addresses);
}

/* An interface that is being removed loses its addresses first, and a dump may fall between. Asking for the link waits
 * for the kernel's lock, until the removal is done; so that is done once more after the dump, and only what both say is
 * believed.
 */
int addresses_read(struct mnl_socket *socket, const char *iface, struct addresses *ret_addresses)
{
	static struct addresses addresses;
	int err = -EINTR;

	for (int i = 0; i < MAX_TRIES && err; i++) {
		struct link before = {}, after = {};

		err = link_read(socket, iface, &before);
		if (err && err != -ENODEV)
			return err;
		memset(&addresses, 0, sizeof(addresses));
		addresses.link = before;
		err = dump_addresses(socket, &addresses);
		if (err && err != -EINTR)
			return err;
		if (err)
			continue;
		err = link_read(socket, iface, &after);
		if (err && err != -ENODEV)
			return err;
		err = before.ifindex == after.ifindex && before.up == after.up ? 0 : -EINTR;
	}
	if (!err)
		*ret_addresses = addresses;
	return err;
}

bool addresses_own(const struct addresses *addresses, __be32 addr)
{
	for (__u32 i = 0; i < addresses->num_own; i++)
		if (addresses->own[i] == addr)
			return true;
	return false;
}
