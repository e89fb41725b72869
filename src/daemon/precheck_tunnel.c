/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tunnel devices that receive on a port of UDP: VXLAN, Geneve, WireGuard.
 *
 * rtnetlink tells the port of all but WireGuard, which has a generic netlink family of its own. A device that was made in
 * another network namespace has its socket there, and its port is of no concern here: then rtnetlink names a link
 * namespace. Other tunnels (FOU, L2TP, Bareudp) have a kernel socket too, which is found among the sockets.
 */
#include "precheck_tunnel.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/wireguard.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

#include "netlink.h"
#include "platform.h"

#define MAX_TRIES 8 /* a dump that changes happened under is taken again */

/* The attribute of a kind's data that has its port, in network order. */
static const struct {
	const char *kind;
	__u16 port;
} kinds[] = {
	{ "vxlan", IFLA_VXLAN_PORT },
	{ "geneve", IFLA_GENEVE_PORT },
};

static const char wireguard[] = "wireguard";

/* ---- rtnetlink ------------------------------------------------------------------------------------------------- */

/* WireGuard's devices are told with port 0, which no other has. */
static void read_info(const struct nlattr *info, struct tunnel *tunnel, bool *ret_known)
{
	const struct nlattr *attr, *data = NULL;
	__u16 type = 0;

	mnl_attr_for_each_nested(attr, info)
	{
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			snprintf(tunnel->kind, sizeof(tunnel->kind), "%.*s", (int)mnl_attr_get_payload_len(attr),
				 mnl_attr_get_str(attr));
		if (mnl_attr_get_type(attr) == IFLA_INFO_DATA)
			data = attr;
	}
	*ret_known = strcmp(tunnel->kind, wireguard) == 0;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(tunnel->kind, kinds[i].kind) == 0)
			type = kinds[i].port;
	if (!type || !data)
		return;
	mnl_attr_for_each_nested(attr, data)
	{
		if (mnl_attr_get_type(attr) == type && mnl_attr_get_payload_len(attr) == sizeof(__be16))
			tunnel->port = be16_to_cpu(mnl_attr_get_u16(attr));
	}
	*ret_known = tunnel->port;
}

static int take_link(const struct nlmsghdr *message, void *context)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	struct tunnel tunnel = { .up = info->ifi_flags & IFF_UP };
	bool known = false, elsewhere = false;
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, message, sizeof(*info))
	{
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			snprintf(tunnel.device, sizeof(tunnel.device), "%.*s", (int)mnl_attr_get_payload_len(attr),
				 mnl_attr_get_str(attr));
			break;
		case IFLA_LINKINFO:
			read_info(attr, &tunnel, &known);
			break;
		case IFLA_LINK_NETNSID:
			elsewhere = true;
			break;
		default:
			break;
		}
	}
	if (known && !elsewhere && check_facts_add_tunnel(context, &tunnel)) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	return MNL_CB_OK;
}

static int dump_links(struct mnl_socket *socket, struct check_facts *facts)
{
	char buffer[256];
	struct nlmsghdr *request;
	struct ifinfomsg *info;
	int err = -EINTR;

	for (int i = 0; i < MAX_TRIES && err == -EINTR; i++) {
		request = mnl_nlmsg_put_header(buffer);
		request->nlmsg_type = RTM_GETLINK;
		request->nlmsg_flags = NLM_F_DUMP;
		info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
		info->ifi_family = AF_UNSPEC;
		facts->num_tunnels = 0;
		err = netlink_ask(socket, request, take_link, facts);
	}
	return err;
}

/* ---- WireGuard ------------------------------------------------------------------------------------------------- */

static int take_family(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attr, *name = NULL;
	__u16 *family = context, id = 0;

	mnl_attr_for_each(attr, message, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_NAME)
			name = attr;
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
			id = mnl_attr_get_u16(attr);
	}
	if (name && strcmp(mnl_attr_get_str(name), wireguard) == 0)
		*family = id;
	return MNL_CB_OK;
}

static struct nlmsghdr *put_request(char *buffer, __u16 family, __u8 command, __u8 version)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *header;

	request->nlmsg_type = family;
	request->nlmsg_flags = NLM_F_DUMP;
	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->cmd = command;
	header->version = version;
	return request;
}

static int take_device(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attr;
	struct tunnel *tunnel = context;

	mnl_attr_for_each(attr, message, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(attr) == WGDEVICE_A_LISTEN_PORT)
			tunnel->port = mnl_attr_get_u16(attr);
	}
	return MNL_CB_OK;
}

/* The families are listed, for asking for one by name would load its module. */
static int ask_wireguard(struct tunnel *tunnel)
{
	struct mnl_socket *socket = NULL;
	struct nlmsghdr *request;
	char buffer[256];
	__u16 family = 0;
	int err = netlink_open(NETLINK_GENERIC, &socket);

	if (err)
		return err;
	request = put_request(buffer, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
	err = netlink_ask(socket, request, take_family, &family);
	if (!err && !family)
		err = -ENOENT;
	if (!err) {
		request = put_request(buffer, family, WG_CMD_GET_DEVICE, WG_GENL_VERSION);
		mnl_attr_put_strz(request, WGDEVICE_A_IFNAME, tunnel->device);
		err = netlink_ask(socket, request, take_device, tunnel);
	}
	netlink_close(socket);
	return err;
}

void precheck_tunnels(struct check_facts *facts)
{
	struct mnl_socket *socket = NULL;
	struct fault fault;
	int err = netlink_open(NETLINK_ROUTE, &socket);

	if (!err)
		err = dump_links(socket, facts);
	netlink_close(socket);
	if (err) {
		fault_set_errno(&fault, -err,
				"cannot list the devices: whether tunnels use ports of the ranges is not "
				"known");
		check_facts_add_unseen(facts, &fault);
	}
	for (size_t i = 0; i < facts->num_tunnels; i++) {
		struct tunnel *tunnel = &facts->tunnel[i];

		if (tunnel->port)
			continue;
		err = ask_wireguard(tunnel);
		if (!err)
			continue;
		fault_set_errno(&fault, -err, "cannot ask WireGuard device %s for its port", tunnel->device);
		check_facts_add_unseen(facts, &fault);
	}
}
