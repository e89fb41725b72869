/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Following the interfaces that lead inside.
 *
 * Wanted are those by which the IP layer receives: a port of a bridge or of a bond has a master that does. With "auto" that
 * is each that is up, has a link header that we know, and is neither the loopback nor served as an external interface, by us
 * or by another instance. One that goes down keeps its program.
 */
#include "inner.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "instance.h"
#include "link.h"
#include "log.h"

#define MAX_TRIES 16 /* a dump that changes happened under is taken again */

struct inner_link {
	struct link link;
	char name[IF_NAMESIZE];
	bool loopback;
	bool has_master;
};

struct inner_links {
	struct inner_link *at;
	size_t num;
};

/* ---- reading -------------------------------------------------------------------------------------------------- */

static void take_attrs(const struct nlmsghdr *message, struct inner_link *link)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct ifinfomsg))
	{
		if (mnl_attr_get_type(attr) == IFLA_MASTER)
			link->has_master = true;
		else if (mnl_attr_get_type(attr) == IFLA_IFNAME && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			strncpy(link->name, mnl_attr_get_str(attr), sizeof(link->name) - 1);
	}
}

static int take_link(const struct nlmsghdr *message, void *context)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	struct inner_links *links = context;
	struct inner_link *more;

	/* what a bridge says of its ports is of another family */
	if (message->nlmsg_type != RTM_NEWLINK || info->ifi_family != AF_UNSPEC)
		return MNL_CB_OK;
	more = realloc(links->at, (links->num + 1) * sizeof(*links->at));
	if (!more) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	links->at = more;
	more += links->num++;
	*more = (struct inner_link){
		.link = { .ifindex = info->ifi_index, .type = info->ifi_type, .up = info->ifi_flags & IFF_UP },
		.loopback = info->ifi_flags & IFF_LOOPBACK,
	};
	take_attrs(message, more);
	return MNL_CB_OK;
}

static int read_links(struct mnl_socket *socket, struct inner_links *ret_links)
{
	int err = -EINTR;

	for (int i = 0; i < MAX_TRIES && err == -EINTR; i++) {
		char buffer[256];
		struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
		struct ifinfomsg *info;

		ret_links->num = 0;
		request->nlmsg_type = RTM_GETLINK;
		request->nlmsg_flags = NLM_F_DUMP;
		info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
		info->ifi_family = AF_UNSPEC;
		err = netlink_ask(socket, request, take_link, ret_links);
	}
	return err;
}

/* ---- deciding ------------------------------------------------------------------------------------------------- */

static bool is_listed(const struct interfaces *hairpin, const char *name)
{
	for (__u8 i = 0; i < hairpin->num && i < MAX_INTERFACES; i++)
		if (strcmp(hairpin->iface[i], name) == 0)
			return true;
	return false;
}

/* Whether an instance serves the interface as its external one. */
static bool is_served(const struct instance *instances, int num, const char *name)
{
	for (int i = 0; i < num; i++)
		if (strcmp(instances[i].iface, name) == 0)
			return true;
	return false;
}

static bool is_wanted(const struct inner *inner, const struct inner_link *link, const struct instance *instances,
		      int num)
{
	const struct interfaces *hairpin = &inner->dataplane->table.config.hairpin;
	const struct instance *own = inner->dataplane->instance;
	__u32 l2_len;

	if (strcmp(link->name, own->iface) == 0)
		return false;
	switch ((enum interfaces_mode)hairpin->mode) {
	case INTERFACES_AUTO:
		return !link->loopback && !link_header_len(link->name, &link->link, &l2_len, &(struct fault){}) &&
		       !link->has_master && !is_served(instances, num, link->name) &&
		       (link->link.up || inner_hook_is_at(own, link->link.ifindex));
	case INTERFACES_OFF:
		return false;
	case INTERFACES_LIST:
		return is_listed(hairpin, link->name);
	}
	return false;
}

/* ---- acting --------------------------------------------------------------------------------------------------- */

static bool has_name(const struct inner_links *links, const char *name)
{
	for (size_t i = 0; i < links->num; i++)
		if (strcmp(links->at[i].name, name) == 0)
			return true;
	return false;
}

static const struct inner_link *find(const struct inner_links *links, __u32 ifindex)
{
	for (size_t i = 0; i < links->num; i++)
		if (links->at[i].link.ifindex == ifindex)
			return &links->at[i];
	return NULL;
}

/* An interface that is listed may come later; or its name is not quite right. */
static int check_listed(const struct inner *inner, const struct inner_links *links, struct fault *fault)
{
	const struct interfaces *hairpin = &inner->dataplane->table.config.hairpin;
	int err = 0;

	for (__u8 i = 0; i < hairpin->num && i < MAX_INTERFACES && !err; i++)
		if (!has_name(links, hairpin->iface[i]))
			err = fault_set(
				fault, ENODEV,
				"cannot attach the hairpin program to %s: there is no such interface in this network "
				"namespace (`ip link` lists them)",
				hairpin->iface[i]);
	return err;
}

/* `anew`: also where a program is, which is an earlier run's. */
static int attach(struct inner *inner, const struct inner_link *link, bool anew, struct fault *fault)
{
	__u32 l2_len, ifindex = link->link.ifindex;
	int err;

	if (!anew && inner_hook_is_at(inner->dataplane->instance, ifindex))
		return 0;
	err = link_header_len(link->name, &link->link, &l2_len, fault);
	return err ? err : inner_hook_attach(&inner->hooks, link->name, ifindex, l2_len, fault);
}

static int keep(struct inner *inner, const struct inner_links *links, bool anew, struct fault *fault)
{
	const struct instance *own = inner->dataplane->instance;
	struct instance *instances = NULL;
	int num = instance_list(&instances, &(struct fault){}), err = check_listed(inner, links, fault), num_attached;
	__u32 *attached;

	for (size_t i = 0; i < links->num; i++)
		if (is_wanted(inner, &links->at[i], instances, num)) {
			int failed = attach(inner, &links->at[i], anew, fault);

			/* what cannot be replaced may be of another store; it will be tried again */
			if (failed && anew)
				inner_hook_detach(own, links->at[i].link.ifindex);
			err = failed ? failed : err;
		}
	num_attached = inner_hook_list(own, &attached);
	for (int i = 0; i < num_attached; i++) {
		const struct inner_link *link = find(links, attached[i]);

		if (!link || !is_wanted(inner, link, instances, num))
			inner_hook_detach(own, attached[i]);
	}
	free(attached);
	free(instances);
	return err;
}

static void look(struct inner *inner, bool anew)
{
	struct inner_links links = {};
	struct fault fault = {};
	int err = read_links(inner->ask, &links);

	if (!err) {
		err = keep(inner, &links, anew, &fault);
	} else {
		fault_set_errno(&fault, -err, "cannot read the interfaces of this machine");
		/* it may be of another store, and looks to come would take it for one of this run; they attach anew */
		if (anew)
			inner_hook_detach_all(inner->dataplane->instance);
	}
	free(links.at);
	/* once, though it is tried again and again */
	if (err && strcmp(inner->complaint.text, fault.text) != 0)
		log_warn("%s; until that is done, internal hosts behind it do not reach each other by external "
			 "endpoints",
			 fault.text);
	if (err)
		inner->complaint = fault;
	else
		inner->complaint.text[0] = '\0';
}

void inner_start(struct inner *inner, const struct dataplane *dataplane, struct mnl_socket *ask)
{
	*inner = (struct inner){
		.dataplane = dataplane,
		.ask = ask,
		.hooks = {
			.instance = dataplane->instance,
			.tc = dataplane_object(dataplane),
			.header = dataplane->table.header,
			.shape = &dataplane->table.shape,
		},
	};
	look(inner, true);
}

void inner_exchange(struct inner *inner, const struct inner_hooks *next)
{
	struct inner_hooks old = inner->hooks;

	inner->hooks = *next;
	look(inner, true);
	inner_hooks_close(&old);
}

void inner_follow(struct inner *inner)
{
	look(inner, false);
}

void inner_close(struct inner *inner)
{
	inner_hooks_close(&inner->hooks);
}
