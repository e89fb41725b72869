/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading the interfaces. */
#include "fast_iface.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "xdp_feature.h"

#define MAX_TRIES 16 /* a dump that changes happened under is taken again */
#define VLAN_MASK 0x0fff

static void take_vlan(const struct nlattr *data, struct fast_iface *iface)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, data)
	{
		switch (mnl_attr_get_type(attr)) {
		case IFLA_VLAN_ID:
			iface->vlan = cpu_to_be16(mnl_attr_get_u16(attr) & VLAN_MASK);
			break;
		case IFLA_VLAN_PROTOCOL:
			iface->vlan_proto = mnl_attr_get_u16(attr);
			break;
		case IFLA_VLAN_EGRESS_QOS:
			iface->vlan_priorities = mnl_attr_get_payload_len(attr) > 0;
			break;
		}
	}
}

static void take_info(const struct nlattr *info, struct fast_iface *iface)
{
	const struct nlattr *attr, *data = NULL;

	mnl_attr_for_each_nested(attr, info)
	{
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			strncpy(iface->kind, mnl_attr_get_str(attr), sizeof(iface->kind) - 1);
		else if (mnl_attr_get_type(attr) == IFLA_INFO_DATA)
			data = attr;
	}
	if (data && strcmp(iface->kind, "vlan") == 0)
		take_vlan(data, iface);
}

static void take_xdp(const struct nlattr *xdp, struct fast_iface *iface)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, xdp)
	{
		if (mnl_attr_get_type(attr) == IFLA_XDP_PROG_ID)
			iface->xdp = mnl_attr_get_u32(attr);
	}
}

static void take_attrs(const struct nlmsghdr *message, struct fast_iface *iface)
{
	const struct nlattr *attr;
	bool elsewhere = false;

	mnl_attr_for_each(attr, message, sizeof(struct ifinfomsg))
	{
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
				strncpy(iface->name, mnl_attr_get_str(attr), sizeof(iface->name) - 1);
			break;
		case IFLA_ADDRESS:
			if (mnl_attr_get_payload_len(attr) == MAC_LEN)
				memcpy(iface->mac, mnl_attr_get_payload(attr), MAC_LEN);
			break;
		case IFLA_MTU:
			iface->mtu = mnl_attr_get_u32(attr);
			break;
		case IFLA_MASTER:
			iface->has_master = true;
			break;
		case IFLA_LINK:
			iface->lower = mnl_attr_get_u32(attr);
			break;
		case IFLA_LINK_NETNSID:
			elsewhere = true;
			break;
		case IFLA_LINKINFO:
			take_info(attr, iface);
			break;
		case IFLA_XDP:
			take_xdp(attr, iface);
			break;
		case IFLA_PARENT_DEV_NAME:
			iface->on_bus = true;
			break;
		}
	}
	if (elsewhere)
		iface->lower = 0;
}

static int take_link(const struct nlmsghdr *message, void *context)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	struct fast_ifaces *ifaces = context;
	struct fast_iface *more;

	/* what a bridge says of its ports is of another family */
	if (message->nlmsg_type != RTM_NEWLINK || info->ifi_family != AF_UNSPEC)
		return MNL_CB_OK;
	more = realloc(ifaces->at, (ifaces->num + 1) * sizeof(*ifaces->at));
	if (!more) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	ifaces->at = more;
	more += ifaces->num++;
	*more = (struct fast_iface){
		.ifindex = info->ifi_index,
		.ethernet = info->ifi_type == ARPHRD_ETHER,
		.loopback = info->ifi_flags & IFF_LOOPBACK,
		.up = info->ifi_flags & IFF_UP,
	};
	take_attrs(message, more);
	return MNL_CB_OK;
}

int fast_ifaces_read(struct mnl_socket *socket, struct fast_ifaces *ret_ifaces)
{
	int err = -EINTR;

	for (int i = 0; i < MAX_TRIES && err == -EINTR; i++) {
		char buffer[256];
		struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
		struct ifinfomsg *info;

		ret_ifaces->num = 0;
		request->nlmsg_type = RTM_GETLINK;
		request->nlmsg_flags = NLM_F_DUMP;
		info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
		info->ifi_family = AF_UNSPEC;
		err = netlink_ask(socket, request, take_link, ret_ifaces);
	}
	return err;
}

int fast_ifaces_read_features(struct fast_ifaces *ifaces)
{
	struct xdp_features *list;
	int num = xdp_features_read(&list);

	if (num < 0)
		return num == -EOPNOTSUPP ? 0 : num;
	for (int i = 0; i < num; i++) {
		struct fast_iface *iface = fast_ifaces_find(ifaces, list[i].ifindex);

		if (!iface)
			continue;
		if (!iface->knows_features)
			iface->features = list[i].features;
		iface->features_now = list[i].features;
		iface->knows_features = true;
	}
	free(list);
	return 0;
}

void fast_ifaces_read_tags(struct fast_ifaces *ifaces, bool all)
{
	for (struct fast_iface *iface = ifaces->at; iface < ifaces->at + ifaces->num; iface++)
		if (iface->ethernet && (all || iface->on_bus))
			iface->tags = offload_read_tags(iface->name);
}

struct fast_iface *fast_ifaces_find(const struct fast_ifaces *ifaces, __u32 ifindex)
{
	for (size_t i = 0; i < ifaces->num; i++)
		if (ifaces->at[i].ifindex == ifindex)
			return &ifaces->at[i];
	return NULL;
}

struct fast_iface *fast_ifaces_named(const struct fast_ifaces *ifaces, const char *name)
{
	for (size_t i = 0; i < ifaces->num; i++)
		if (strcmp(ifaces->at[i].name, name) == 0)
			return &ifaces->at[i];
	return NULL;
}
