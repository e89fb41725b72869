/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading all rules of nftables, and the elements of its sets. */
#include "nft_ruleset.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink.h"
#include "nft_attribute.h"

#define MAX_TRIES 8 /* a dump that changes happened under is taken again */

static int take_rule(const struct nlmsghdr *message, void *context)
{
	const struct nfgenmsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr, *expressions = NULL;
	struct nft_ruleset *set = context;
	struct nft_rule rule = { .family = info->nfgen_family };
	struct nft_rule *more;

	if (rule.family != NFPROTO_IPV4 && rule.family != NFPROTO_INET)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, message, sizeof(*info))
	{
		switch (mnl_attr_get_type(attr)) {
		case NFTA_RULE_TABLE:
			nft_attribute_copy(attr, rule.table);
			break;
		case NFTA_RULE_CHAIN:
			nft_attribute_copy(attr, rule.chain);
			break;
		case NFTA_RULE_HANDLE:
			rule.handle = be64toh(mnl_attr_get_u64(attr));
			break;
		case NFTA_RULE_EXPRESSIONS:
			expressions = attr;
			break;
		default:
			break;
		}
	}
	if (expressions)
		nft_rule_read(&rule, expressions, &set->interface);
	if (set->num_rules % 64 == 0) {
		more = reallocarray(set->rule, set->num_rules + 64, sizeof(*more));
		if (!more) {
			errno = ENOMEM;
			return MNL_CB_ERROR;
		}
		set->rule = more;
	}
	set->rule[set->num_rules++] = rule;
	return MNL_CB_OK;
}

static int take_chain(const struct nlmsghdr *message, void *context)
{
	const struct nfgenmsg *info = mnl_nlmsg_get_payload(message);
	struct nft_chain chain = { .family = info->nfgen_family };
	const struct nlattr *attr, *hook = NULL;
	struct nft_ruleset *set = context;
	bool is_nat = false;
	struct nft_chain *more;

	mnl_attr_for_each(attr, message, sizeof(*info))
	{
		switch (mnl_attr_get_type(attr)) {
		case NFTA_CHAIN_TABLE:
			nft_attribute_copy(attr, chain.table);
			break;
		case NFTA_CHAIN_NAME:
			nft_attribute_copy(attr, chain.name);
			break;
		case NFTA_CHAIN_TYPE:
			is_nat = nft_attribute_is(attr, "nat");
			break;
		case NFTA_CHAIN_HOOK:
			hook = attr;
			break;
		default:
			break;
		}
	}
	if (chain.family != NFPROTO_IPV4 && chain.family != NFPROTO_INET)
		return MNL_CB_OK;
	if (!is_nat || nft_attribute_number(hook, NFTA_HOOK_HOOKNUM, ~0u) != NF_INET_POST_ROUTING)
		return MNL_CB_OK;
	more = reallocarray(set->base, set->num_bases + 1, sizeof(*more));
	if (!more) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	set->base = more;
	more[set->num_bases++] = chain;
	return MNL_CB_OK;
}

struct nlmsghdr *nft_ruleset_request(char *buffer, __u16 type, __u8 family)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *info;

	request->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | type;
	request->nlmsg_flags = NLM_F_DUMP;
	info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	info->nfgen_family = family;
	info->version = NFNETLINK_V0;
	return request;
}

/* Where the kernel has no nftables, there are no base chains, and nothing more is asked. */
static int read_ruleset(struct nft_ruleset *set)
{
	char buffer[256];
	int err = -EINTR;

	for (int i = 0; i < MAX_TRIES && err == -EINTR; i++) {
		set->num_rules = set->num_bases = 0;
		err = netlink_ask(set->socket, nft_ruleset_request(buffer, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC),
				  take_chain, set);
		if ((err == -EINVAL || err == -EOPNOTSUPP || err == -ENOENT) && !set->num_bases)
			return 0;
		if (!err && set->num_bases)
			err = netlink_ask(set->socket, nft_ruleset_request(buffer, NFT_MSG_GETRULE, NFPROTO_UNSPEC),
					  take_rule, set);
	}
	return err;
}

static int compare_chains(const struct nft_rule *rule, __u8 family, const char *table, const char *chain)
{
	int order = rule->family - family;

	if (!order)
		order = strcmp(rule->table, table);
	return order ? order : strcmp(rule->chain, chain);
}

static int compare_rules(const void *one, const void *other)
{
	const struct nft_rule *a = ((const struct nft_place *)one)->rule, *b = ((const struct nft_place *)other)->rule;
	int order = compare_chains(a, b->family, b->table, b->chain);

	return order ? order : (a > b) - (a < b);
}

static int sort_rules(struct nft_ruleset *set)
{
	set->by_chain = calloc(set->num_rules + 1, sizeof(*set->by_chain));
	if (!set->by_chain)
		return -ENOMEM;
	for (size_t i = 0; i < set->num_rules; i++)
		set->by_chain[i].rule = &set->rule[i];
	qsort(set->by_chain, set->num_rules, sizeof(*set->by_chain), compare_rules);
	return 0;
}

/* The elements of a set as they come. */
struct coming {
	const struct nft_ruleset *set;
	const struct nft_lookup *lookup;
	struct nft_elements *elements;
};

static int take_element(const struct coming *coming, const struct nlattr *element)
{
	struct nft_elements *elements = coming->elements;
	const struct nlattr *key = nft_attribute_find(nft_attribute_find(element, NFTA_SET_ELEM_KEY), NFTA_DATA_VALUE);
	const struct nlattr *verdict =
		nft_attribute_find(nft_attribute_find(element, NFTA_SET_ELEM_DATA), NFTA_DATA_VERDICT);
	const struct nlattr *chain = nft_attribute_find(verdict, NFTA_VERDICT_CHAIN);
	char(*more)[NFT_NAME_MAXLEN];

	if (coming->lookup->key != LOADED_OTHER && key &&
	    !nft_rule_is_ours(&coming->set->interface, coming->lookup->key, mnl_attr_get_payload(key),
			      mnl_attr_get_payload_len(key)))
		return MNL_CB_OK;
	elements->found = true;
	if (!chain)
		return MNL_CB_OK;
	more = reallocarray(elements->chain, elements->num_chains + 1, sizeof(*more));
	if (!more) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	elements->chain = more;
	nft_attribute_copy(chain, more[elements->num_chains++]);
	return MNL_CB_OK;
}

static int take_elements(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attr, *element;

	mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(element, attr)
		{
			if (take_element(context, element) != MNL_CB_OK)
				return MNL_CB_ERROR;
		}
	}
	return MNL_CB_OK;
}

int nft_ruleset_read_elements(const struct nft_ruleset *set, const struct nft_rule *rule,
			      const struct nft_lookup *lookup, struct nft_elements *ret_elements)
{
	struct coming coming = { .set = set, .lookup = lookup, .elements = ret_elements };
	char buffer[1024];
	struct nlmsghdr *request = nft_ruleset_request(buffer, NFT_MSG_GETSETELEM, rule->family);

	*ret_elements = (struct nft_elements){};
	mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_TABLE, rule->table);
	mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_SET, lookup->set);
	return netlink_ask(set->socket, request, take_elements, &coming);
}

size_t nft_ruleset_find(const struct nft_ruleset *set, const struct nft_chain *chain)
{
	size_t low = 0, high = set->num_rules;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_chains(set->by_chain[middle].rule, chain->family, chain->table, chain->name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool nft_ruleset_is_in(const struct nft_rule *rule, const struct nft_chain *chain)
{
	return compare_chains(rule, chain->family, chain->table, chain->name) == 0;
}

int nft_ruleset_open(const struct nft_interface *interface, struct nft_ruleset *ret_set)
{
	int err;

	*ret_set = (struct nft_ruleset){ .interface = *interface };
	err = netlink_open(NETLINK_NETFILTER, &ret_set->socket);
	if (err)
		return err == -EPROTONOSUPPORT || err == -EAFNOSUPPORT ? 0 : err;
	err = read_ruleset(ret_set);
	return err ? err : sort_rules(ret_set);
}

void nft_ruleset_close(struct nft_ruleset *set)
{
	netlink_close(set->socket);
	free(set->by_chain);
	free(set->rule);
	free(set->base);
}
