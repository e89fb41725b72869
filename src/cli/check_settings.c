/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of the settings does not go with the machine. */
#include "check_settings.h"

#include <stdio.h>

#include "daemon/address.h"
#include "daemon/external.h"
#include "daemon/netlink.h"
#include "endpoint.h"
#include "prefixes.h"
#include "settings_check.h"

static void add(json_t *findings, const char *name, const char *what, const char *why, const char *mend)
{
	json_array_insert_new(findings, 0,
			      json_pack("{s:s, s:s, s:s, s:s, s:s}", "severity", "problem", "finding", name, "what",
					what, "why", why, "mend", mend));
}

static void add_missing(const struct settings *settings, const struct externals *externals, json_t *findings)
{
	const struct prefix *item = external_items_find(&settings->external, externals->missing);
	char addr[ENDPOINT_TEXT], prefix[PREFIX_TEXT], what[128], mend[96];

	address_format(externals->missing, addr);
	snprintf(what, sizeof(what), "the external address %s is none of this machine", addr);
	if (item && item->mask != 0xffffffff)
		snprintf(mend, sizeof(mend), "ip route add local %s dev lo", prefix_format(*item, prefix));
	else
		snprintf(mend, sizeof(mend), "ip address add %s/32 dev %s", addr, settings->iface);
	add(findings, "no-address", what, "what is sent to it would not come here; a run does not start", mend);
}

static void look_at_excluded(const struct settings *settings, const struct externals *externals, json_t *findings)
{
	const struct origin *from;
	struct fault what;
	__be32 covered;
	char mend[300];

	if (!settings_check_external(settings, externals->addr, externals->num, &what))
		return;
	from = &settings->excluded_from[settings_find_covering(settings, externals->addr, externals->num, &covered)];
	snprintf(mend, sizeof(mend), "editor +%u %s", from->line, from->file ? from->file : "");
	add(findings, "exclusion", what.text,
	    "what is sent there is for the gateway or the machine itself; a run does not start", mend);
}

int check_settings_add(const struct settings *settings, json_t *findings, struct fault *fault)
{
	static struct addresses addresses;
	struct externals externals;
	struct mnl_socket *socket;
	int err = netlink_open(NETLINK_ROUTE, &socket);

	if (err)
		return fault_set_errno(fault, -err, "cannot talk to the kernel (rtnetlink)");
	err = addresses_read(socket, settings->iface, &addresses);
	if (!err)
		err = externals_read(socket, settings, &addresses, &externals);
	netlink_close(socket);
	if (err)
		return fault_set_errno(fault, -err, "cannot read the addresses of this machine");
	look_at_excluded(settings, &externals, findings);
	if (externals.num_missing)
		add_missing(settings, &externals, findings);
	return 0;
}
