/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking for chains of nftables (iptables-nft among them) and of the old iptables.
 *
 * Those at the hooks that a forwarded IPv4 packet comes by, of any type: one that filters would not see what it is to drop, and
 * one that translates would not translate back. At an interface only if it takes part. An empty chain that accepts says nothing.
 * A machine may have very many rules, so they are not asked for: nftables tells with each chain how many it has, and
 * iptables with each table where its chains begin and end. Only the policies of iptables stand among the rules, and a table
 * is read whole when none of its chains here has any.
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
#include "netlink_list.h"
#include "nft_attribute.h"
#include "nft_ruleset.h"

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

static int find_nftables(struct search *search)
{
	char buffer[256];

	return netlink_list_read(NETLINK_NETFILTER, nft_ruleset_request(buffer, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC),
				 take_chain, search);
}

/* ---- the old iptables ----------------------------------------------------------------------------------------- */

static const struct chain {
	enum nf_inet_hooks hook;
	const char *name;
} chains[] = {
	{ NF_INET_PRE_ROUTING, "PREROUTING" },
	{ NF_INET_FORWARD, "FORWARD" },
	{ NF_INET_POST_ROUTING, "POSTROUTING" },
};

#define NUM_CHAIN (sizeof(chains) / sizeof(chains[0]))

static bool has_chain(const struct ipt_getinfo *info, enum nf_inet_hooks hook)
{
	return info->valid_hooks & 1u << hook;
}

/* Its last entry is its policy: whatever stands before that is a rule. */
static bool has_rule(const struct ipt_getinfo *info, enum nf_inet_hooks hook)
{
	return has_chain(info, hook) && info->hook_entry[hook] != info->underflow[hook];
}

static bool drops(const struct iptables_table *table, enum nf_inet_hooks hook)
{
	const struct ipt_entry *entry;
	const struct xt_standard_target *policy;

	if (!has_chain(&table->info, hook))
		return false;
	entry = iptables_table_entry(table, table->info.underflow[hook]);
	policy = entry ? (const void *)iptables_table_target(entry) : NULL;
	return policy && iptables_table_target_is(entry, XT_STANDARD_TARGET) && policy->verdict == VERDICT_DROP;
}

static void tell_chain(const char *table, const struct chain *chain, char what[FIREWALL_TEXT])
{
	snprintf(what, FIREWALL_TEXT, "iptables: table %s, chain %s", table, chain->name);
}

static void find_rule(const char *name, const struct ipt_getinfo *info, char what[FIREWALL_TEXT])
{
	for (size_t i = 0; i < NUM_CHAIN && !*what; i++)
		if (has_rule(info, chains[i].hook))
			tell_chain(name, &chains[i], what);
}

static int find_policy(const char *name, char what[FIREWALL_TEXT])
{
	struct iptables_table table;
	int err = iptables_table_read(name, &table);

	/* it may be another table by now */
	if (!err)
		find_rule(name, &table.info, what);
	for (size_t i = 0; !err && i < NUM_CHAIN && !*what; i++)
		if (drops(&table, chains[i].hook))
			tell_chain(name, &chains[i], what);
	iptables_table_close(&table);
	return err;
}

static int find_iptables(const char *name, char what[FIREWALL_TEXT])
{
	struct ipt_getinfo info;
	int err = iptables_table_exists(name);

	if (err <= 0)
		return err;
	err = iptables_table_read_info(name, &info);
	if (!err)
		find_rule(name, &info, what);
	if (!err && !*what)
		err = find_policy(name, what);
	return err == -ENOENT ? 0 : err; /* it has gone meanwhile */
}

int fast_firewall_find(const struct fast_ifaces *ifaces, char what[FIREWALL_TEXT])
{
	static const char *const tables[] = { "filter", "mangle", "nat", "raw", "security" };
	struct search search = { .ifaces = ifaces, .what = what };
	int err;

	*what = '\0';
	err = find_nftables(&search);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && !*what; i++) {
		int failure = find_iptables(tables[i], what);

		err = err ? err : failure;
	}
	return *what ? 0 : err;
}
