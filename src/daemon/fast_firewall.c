/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking for chains of nftables (iptables-nft among them) and of the old iptables.
 *
 * Those at the hooks that a forwarded IPv4 packet comes by, of any type: one that filters would not see what it is to drop, and
 * one that translates would not translate back. At an interface only if it takes part. An empty chain that accepts says nothing.
 * Only chains are asked for, for nftables tells with each how many rules it has: a machine may have very many.
 */
#include "fast_firewall.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>

#include "iptables_table.h"
#include "netlink.h"
#include "nft_attribute.h"
#include "nft_ruleset.h"

#define MAX_TRIES 8                 /* a dump that changes happened under is taken again */
#define NETDEV_EGRESS 1             /* NF_NETDEV_EGRESS, of 5.16 */
#define VERDICT_DROP (-NF_DROP - 1) /* as entries of iptables have it */

/* ---- nftables ------------------------------------------------------------------------------------------------- */

struct search {
	const struct fast_ifaces *ifaces;
	char *what; /* "": nothing found yet */
};

static bool takes_part(const struct fast_ifaces *ifaces, const char *name)
{
	for (const struct fast_iface *iface = ifaces->at; iface < ifaces->at + ifaces->num; iface++)
		if (iface->takes_part && (strcmp(iface->name, name) == 0 || strcmp(iface->carrier->name, name) == 0))
			return true;
	return false;
}

/* Interfaces by the beginning of their names, or in ways that we do not know, are any. */
static bool is_at_ours(const struct fast_ifaces *ifaces, const struct nlattr *hook)
{
	const struct nlattr *one = nft_attribute_find(hook, NFTA_HOOK_DEV);
	const struct nlattr *list = nft_attribute_find(hook, NFTA_HOOK_DEVS), *attr;

	if (!list)
		return !one || takes_part(ifaces, mnl_attr_get_str(one));
	mnl_attr_for_each_nested(attr, list)
	{
		if (mnl_attr_get_type(attr) != NFTA_DEVICE_NAME || takes_part(ifaces, mnl_attr_get_str(attr)))
			return true;
	}
	return false;
}

/* The name of the hook, if packets that would take the fast path come by it; else NULL. */
static const char *hook_of(const struct fast_ifaces *ifaces, __u8 family, const struct nlattr *hook)
{
	static const char *const inet[NF_INET_NUMHOOKS + 1] = {
		[NF_INET_PRE_ROUTING] = "prerouting",
		[NF_INET_FORWARD] = "forward",
		[NF_INET_POST_ROUTING] = "postrouting",
		[NF_INET_INGRESS] = "ingress",
	};
	static const char *const netdev[] = { [NF_NETDEV_INGRESS] = "ingress", [NETDEV_EGRESS] = "egress" };
	__u32 number = nft_attribute_number(hook, NFTA_HOOK_HOOKNUM, ~0u);

	if (family == NFPROTO_NETDEV)
		return number <= NETDEV_EGRESS && is_at_ours(ifaces, hook) ? netdev[number] : NULL;
	if ((family != NFPROTO_IPV4 && family != NFPROTO_INET) || number > NF_INET_INGRESS)
		return NULL;
	return number != NF_INET_INGRESS || is_at_ours(ifaces, hook) ? inet[number] : NULL;
}

static int take_chain(const struct nlmsghdr *message, void *context)
{
	const struct nfgenmsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr, *hook = NULL;
	struct search *search = context;
	char table[NFT_NAME_MAXLEN] = "", chain[NFT_NAME_MAXLEN] = "";
	__u32 num_rules = 0, policy = NF_ACCEPT;
	const char *name;

	mnl_attr_for_each(attr, message, sizeof(*info))
	{
		switch (mnl_attr_get_type(attr)) {
		case NFTA_CHAIN_TABLE:
			nft_attribute_copy(attr, table);
			break;
		case NFTA_CHAIN_NAME:
			nft_attribute_copy(attr, chain);
			break;
		case NFTA_CHAIN_HOOK:
			hook = attr;
			break;
		case NFTA_CHAIN_POLICY:
			policy = ntohl(mnl_attr_get_u32(attr));
			break;
		case NFTA_CHAIN_USE: /* nobody jumps to a chain at a hook: these are its rules */
			num_rules = ntohl(mnl_attr_get_u32(attr));
			break;
		default:
			break;
		}
	}
	if (*search->what || !hook || (!num_rules && policy == NF_ACCEPT))
		return MNL_CB_OK;
	name = hook_of(search->ifaces, info->nfgen_family, hook);
	if (name)
		snprintf(search->what, FIREWALL_TEXT, "nftables: table %.40s, chain %.40s, at hook %s", table, chain,
			 name);
	return MNL_CB_OK;
}

static void find_nftables(struct search *search)
{
	struct mnl_socket *socket;
	int err = -EINTR;

	if (netlink_open(NETLINK_NETFILTER, &socket))
		return;
	for (int i = 0; i < MAX_TRIES && err == -EINTR && !*search->what; i++) {
		char buffer[256];

		err = netlink_ask(socket, nft_ruleset_request(buffer, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC), take_chain,
				  search);
	}
	netlink_close(socket);
}

/* ---- the old iptables ----------------------------------------------------------------------------------------- */

/* Whether a chain of the table has a rule, or drops: its last entry is its policy. */
static bool says_something(const struct iptables_table *table, enum nf_inet_hooks hook)
{
	unsigned int first = table->info.hook_entry[hook], last = table->info.underflow[hook];
	const struct xt_standard_target *policy;
	const struct ipt_entry *entry;

	if (!(table->info.valid_hooks & 1u << hook))
		return false;
	if (first != last)
		return true;
	entry = iptables_table_entry(table, last);
	policy = entry ? (const void *)iptables_table_target(entry) : NULL;
	return policy && iptables_table_target_is(entry, XT_STANDARD_TARGET) && policy->verdict == VERDICT_DROP;
}

static void find_iptables(const char *name, char what[FIREWALL_TEXT])
{
	static const struct {
		enum nf_inet_hooks hook;
		const char *chain;
	} chains[] = {
		{ NF_INET_PRE_ROUTING, "PREROUTING" },
		{ NF_INET_FORWARD, "FORWARD" },
		{ NF_INET_POST_ROUTING, "POSTROUTING" },
	};
	struct iptables_table table;

	if (!iptables_table_exists(name))
		return;
	if (!iptables_table_read(name, &table))
		for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]) && !*what; i++)
			if (says_something(&table, chains[i].hook))
				snprintf(what, FIREWALL_TEXT, "iptables: table %s, chain %s", name, chains[i].chain);
	iptables_table_close(&table);
}

bool fast_firewall_find(const struct fast_ifaces *ifaces, char what[FIREWALL_TEXT])
{
	static const char *const tables[] = { "filter", "mangle", "nat", "raw", "security" };
	struct search search = { .ifaces = ifaces, .what = what };

	*what = '\0';
	find_nftables(&search);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && !*what; i++)
		find_iptables(tables[i], what);
	return *what;
}
