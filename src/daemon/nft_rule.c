/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading the expressions of a rule of nftables. */
#include "nft_rule.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "nft_attribute.h"

#define MAX_REGISTER 32

/* A rule while its expressions are read, in order. */
struct reading {
	const struct nft_interface *interface;
	struct nft_rule *rule;
	enum nft_loaded loaded[MAX_REGISTER];
};

static enum nft_loaded *reg(struct reading *reading, __u32 number)
{
	return &reading->loaded[number < MAX_REGISTER ? number : 0];
}

static void read_meta(struct reading *reading, const struct nlattr *data)
{
	__u32 to = nft_attribute_number(data, NFTA_META_DREG, MAX_REGISTER);
	enum nft_loaded loaded = LOADED_OTHER;

	if (to == MAX_REGISTER)
		return; /* it sets something */
	switch (nft_attribute_number(data, NFTA_META_KEY, ~0u)) {
	case NFT_META_OIF:
		loaded = LOADED_OIF;
		break;
	case NFT_META_OIFNAME:
		loaded = LOADED_OIFNAME;
		break;
	case NFT_META_NFPROTO:
		loaded = LOADED_NFPROTO;
		break;
	default:
		break;
	}
	*reg(reading, to) = loaded;
}

bool nft_rule_is_ours(const struct nft_interface *interface, enum nft_loaded loaded, const void *value, size_t len)
{
	char name[IF_NAMESIZE] = "";
	__u8 ipv4 = NFPROTO_IPV4;

	switch (loaded) {
	case LOADED_OIF:
		return len == sizeof(interface->ifindex) && memcmp(value, &interface->ifindex, len) == 0;
	case LOADED_OIFNAME:
		snprintf(name, sizeof(name), "%s", interface->name);
		return len <= sizeof(name) && memcmp(value, name, len) == 0;
	case LOADED_NFPROTO:
		return len == sizeof(ipv4) && memcmp(value, &ipv4, len) == 0;
	case LOADED_OTHER:
		break;
	}
	return true;
}

static void read_cmp(struct reading *reading, const struct nlattr *data)
{
	const struct nlattr *value = nft_attribute_find(nft_attribute_find(data, NFTA_CMP_DATA), NFTA_DATA_VALUE);
	enum nft_loaded loaded = *reg(reading, nft_attribute_number(data, NFTA_CMP_SREG, 0));
	__u32 op = nft_attribute_number(data, NFTA_CMP_OP, ~0u);
	bool ours;

	if (loaded == LOADED_OTHER || !value || (op != NFT_CMP_EQ && op != NFT_CMP_NEQ)) {
		reading->rule->limited = true;
		return;
	}
	ours = nft_rule_is_ours(reading->interface, loaded, mnl_attr_get_payload(value),
				mnl_attr_get_payload_len(value));
	if (ours != (op == NFT_CMP_EQ))
		reading->rule->excluded = true;
}

static void read_lookup(struct reading *reading, const struct nlattr *data)
{
	const struct nlattr *name = nft_attribute_find(data, NFTA_LOOKUP_SET);
	struct nft_rule *rule = reading->rule;
	struct nft_lookup *lookup = &rule->lookup[rule->num_lookups];

	if (!name || rule->num_lookups == NFT_MAX_LOOKUP) {
		rule->limited = true;
		return;
	}
	nft_attribute_copy(name, lookup->set);
	lookup->key = *reg(reading, nft_attribute_number(data, NFTA_LOOKUP_SREG, 0));
	lookup->inverted = nft_attribute_number(data, NFTA_LOOKUP_FLAGS, 0) & NFT_LOOKUP_F_INV;
	lookup->verdicts = nft_attribute_number(data, NFTA_LOOKUP_DREG, ~0u) == NFT_REG_VERDICT;
	rule->num_lookups++;
}

static void read_immediate(struct reading *reading, const struct nlattr *data)
{
	const struct nlattr *verdict =
		nft_attribute_find(nft_attribute_find(data, NFTA_IMMEDIATE_DATA), NFTA_DATA_VERDICT);
	const struct nlattr *chain = nft_attribute_find(verdict, NFTA_VERDICT_CHAIN);
	struct nft_rule *rule = reading->rule;

	if (!verdict)
		return;
	switch ((int)nft_attribute_number(verdict, NFTA_VERDICT_CODE, NFT_CONTINUE)) {
	case NFT_JUMP:
	case NFT_GOTO:
		rule->goes = (int)nft_attribute_number(verdict, NFTA_VERDICT_CODE, 0) == NFT_GOTO;
		if (chain)
			nft_attribute_copy(chain, rule->jump);
		break;
	case NFT_CONTINUE:
	case NFT_BREAK:
		break;
	default:
		rule->ends = true;
		break;
	}
}

/* Extensions of iptables. */
static void read_match(struct reading *reading, const struct nlattr *data)
{
	if (!nft_attribute_is(nft_attribute_find(data, NFTA_MATCH_NAME), "comment"))
		reading->rule->limited = true;
}

static void read_target(struct reading *reading, const struct nlattr *data)
{
	const struct nlattr *name = nft_attribute_find(data, NFTA_TARGET_NAME);

	if (nft_attribute_is(name, "MASQUERADE") || nft_attribute_is(name, "SNAT") || nft_attribute_is(name, "NETMAP"))
		reading->rule->translates = true;
}

static void read_expression(struct reading *reading, const struct nlattr *expression)
{
	const struct nlattr *name = nft_attribute_find(expression, NFTA_EXPR_NAME);
	const struct nlattr *data = nft_attribute_find(expression, NFTA_EXPR_DATA);
	/* those that set or count something, and stop no packet */
	static const char *const harmless[] = {
		"counter", "log", "notrack", "payload", "ct", "immediate", "hash", "rt"
	};

	if (!name)
		return;
	if (nft_attribute_is(name, "masq")) {
		reading->rule->translates = true;
	} else if (nft_attribute_is(name, "nat")) {
		reading->rule->translates |= nft_attribute_number(data, NFTA_NAT_TYPE, ~0u) == NFT_NAT_SNAT;
	} else if (nft_attribute_is(name, "target")) {
		read_target(reading, data);
	} else if (nft_attribute_is(name, "match")) {
		read_match(reading, data);
	} else if (nft_attribute_is(name, "meta")) {
		read_meta(reading, data);
	} else if (nft_attribute_is(name, "cmp")) {
		read_cmp(reading, data);
	} else if (nft_attribute_is(name, "lookup")) {
		read_lookup(reading, data);
	} else {
		bool known = false;

		if (nft_attribute_is(name, "immediate"))
			read_immediate(reading, data);
		for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
			known = known || nft_attribute_is(name, harmless[i]);
		if (known) /* what it may load is nothing that we know */
			*reg(reading, nft_attribute_number(data, NFTA_PAYLOAD_DREG, 0)) = LOADED_OTHER;
		else
			reading->rule->limited = true;
	}
}

void nft_rule_read(struct nft_rule *rule, const struct nlattr *expressions, const struct nft_interface *interface)
{
	struct reading reading = { .interface = interface, .rule = rule };
	const struct nlattr *expression;

	mnl_attr_for_each_nested(expression, expressions) read_expression(&reading, expression);
}
