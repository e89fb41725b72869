/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of the external addresses that were asked for are this machine's. */
#include "external.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "endpoint.h"
#include "prefixes.h"
#include "route.h"

static int read_listed(struct mnl_socket *socket, const struct external_items *items, struct externals *externals)
{
	__be32 wanted[MAX_EXTERNAL];
	__u32 num = external_items_list(items, wanted);

	for (__u32 i = 0; i < num; i++) {
		bool local = false;
		int err = route_is_local(socket, wanted[i], &local);

		if (err)
			return err;
		if (local)
			externals->addr[externals->num++] = wanted[i];
		else if (!externals->num_missing++)
			externals->missing = wanted[i];
	}
	return 0;
}

int externals_read(struct mnl_socket *socket, const struct settings *settings, const struct addresses *addresses,
		   struct externals *ret_externals)
{
	struct externals externals;
	int err;

	memset(&externals, 0, sizeof(externals)); /* padding too: it is compared */
	if (settings->external.num) {
		err = read_listed(socket, &settings->external, &externals);
		if (err)
			return err;
	} else if (addresses->external) {
		externals.addr[0] = addresses->external;
		externals.num = 1;
	}
	if (addresses->link.ifindex && route_read_source(socket, addresses->link.ifindex, &externals.source))
		externals.source = addresses->external;
	*ret_externals = externals;
	return 0;
}

int externals_fault(const struct externals *externals, const struct settings *settings, struct fault *fault)
{
	const struct prefix *item = external_items_find(&settings->external, externals->missing);
	const struct origin *from = &settings->from[SETTING_EXTERNAL];
	char addr[ENDPOINT_TEXT], whole[PREFIX_TEXT] = "";
	const char *iface = settings->iface;

	address_format(externals->missing, addr);
	if (item)
		prefix_format(*item, whole);
	if (!item || item->mask == 0xffffffff)
		fault_set(fault, EADDRNOTAVAIL,
			  "cannot serve %s: the external address %s is none of this machine (`ip address add "
			  "%s/32 dev %s` or `ip route add local %s dev lo` would make it one)",
			  iface, addr, addr, iface, addr);
	else
		fault_set(fault, EADDRNOTAVAIL,
			  "cannot serve %s: %s of the external prefix %s is no address of this machine (`ip route add "
			  "local %s dev lo` would make all of them its own, `ip address add %s/32 dev %s` this one)",
			  iface, addr, whole, whole, addr, iface);
	if (from->file)
		fault_prefix(fault, "%s:%u: ", from->file, from->line);
	return -EADDRNOTAVAIL;
}

bool externals_has(const struct externals *externals, __be32 addr)
{
	for (__u32 i = 0; i < externals->num; i++)
		if (externals->addr[i] == addr)
			return true;
	return false;
}

char *externals_format(const struct externals *externals, char *text)
{
	char first[ENDPOINT_TEXT];

	if (!externals->num) {
		snprintf(text, EXTERNALS_TEXT, "no address");
		return text;
	}
	address_format(externals->addr[0], first);
	if (externals->num == 1)
		snprintf(text, EXTERNALS_TEXT, "%s", first);
	else
		snprintf(text, EXTERNALS_TEXT, "%s and %u other%s", first, externals->num - 1,
			 externals->num == 2 ? "" : "s");
	return text;
}
