/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Telling the operator which addresses came and went. */
#include "follow_report.h"

#include "endpoint.h"
#include "log.h"

static void report_addresses(const struct follow *follow, const struct addresses *old, __u64 ended)
{
	char new_text[ENDPOINT_TEXT], old_text[ENDPOINT_TEXT];
	__be32 now = follow->addresses.external;
	const char *iface = follow->settings->iface;

	address_format(now, new_text);
	address_format(old->external, old_text);
	if (now == old->external && ended)
		log_warn("%s has lost an address: %llu sessions of it were ended", iface, ended);
	if (now == old->external || !follow->addresses.link.ifindex)
		return;
	if (!now)
		log_warn("%s has lost its address %s: %llu sessions were ended, new ones are refused until it has one",
			 iface, old_text, ended);
	else if (!old->external)
		log_info("%s masquerades as %s again: it has an address; %llu sessions of others were ended", iface,
			 new_text, ended);
	else
		log_warn("%s masquerades as %s now, no longer as %s; %llu sessions of addresses that are gone were "
			 "ended",
			 iface, new_text, old_text, ended);
}

/* The first address of one list that the other does not have, and how many there are of these. */
static __u32 count_missing(const struct externals *in, const struct externals *from, char *ret_first)
{
	__u32 num = 0;

	for (__u32 i = 0; i < in->num; i++)
		if (!externals_has(from, in->addr[i]) && !num++)
			address_format(in->addr[i], ret_first);
	return num;
}

/* Of the addresses that were listed in the settings. */
static void report_externals(const struct follow *follow, const struct externals *old, __u64 ended)
{
	const struct externals *now = &follow->externals;
	const char *iface = follow->settings->iface;
	char gone_text[ENDPOINT_TEXT], back_text[ENDPOINT_TEXT];
	__u32 gone = count_missing(old, now, gone_text);
	__u32 back = count_missing(now, old, back_text);

	if (gone && now->num)
		log_warn("%s no longer masquerades as %s%s: gone from this machine; %llu sessions were ended, %u "
			 "external "
			 "addresses are left",
			 iface, gone_text, gone > 1 ? " and others" : "", ended, now->num);
	else if (gone)
		log_warn("%s has lost its last external address, %s: %llu sessions were ended, new ones are refused "
			 "until "
			 "one is back",
			 iface, gone_text, ended);
	if (back)
		log_info("%s masquerades as %s%s again: back on this machine", iface, back_text,
			 back > 1 ? " and others" : "");
}

void follow_report(const struct follow *follow, const struct addresses *old, const struct externals *old_externals,
		   __u64 ended)
{
	if (follow->settings->external.num)
		report_externals(follow, old_externals, ended);
	else
		report_addresses(follow, old, ended);
}
