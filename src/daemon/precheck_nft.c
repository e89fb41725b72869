/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of nftables (iptables-nft among them) that translate the source of what leaves by an interface.
 *
 * Beginning with the base chains of type nat at the postrouting hook, chains are followed as packets would be, as far as
 * that depends on the interface.
 */
#include "precheck_nft.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nft_ruleset.h"

#define MAX_DEPTH 16 /* as many chains can call each other (NFT_JUMP_STACK_SIZE) */

/* How a rule was come by so far. */
enum walked {
	WALKED_LIMITED = 1, /* by packets that met conditions */
	WALKED_BY_ALL = 2,
};

struct walk {
	struct nft_ruleset *set;
	struct check_facts *facts;
	int err;
};

static void walk_chain(struct walk *walk, const struct nft_chain *chain, bool limited, int depth);

/* Follows a rule's look-up: false if packets of our interface do not pass it. */
static bool pass_lookup(struct walk *walk, const struct nft_rule *rule, const struct nft_lookup *lookup, bool *limited,
			int depth)
{
	struct nft_elements elements = {};
	bool passes = true;

	if (lookup->key == LOADED_OTHER)
		*limited = true;
	if (lookup->key == LOADED_OTHER && !lookup->verdicts)
		return true;
	/* a set that is gone meanwhile, or of a kind that we do not know, is one that may be met */
	if (nft_ruleset_read_elements(walk->set, rule, lookup, &elements))
		*limited = true;
	else if (lookup->key != LOADED_OTHER)
		passes = elements.found != lookup->inverted;
	for (size_t i = 0; i < elements.num_chains; i++) {
		struct nft_chain chain = { .family = rule->family };

		memcpy(chain.table, rule->table, sizeof(chain.table));
		memcpy(chain.name, elements.chain[i], sizeof(chain.name));
		walk_chain(walk, &chain, *limited, depth + 1);
	}
	free(elements.chain);
	return passes;
}

static void add_rule(struct walk *walk, const struct nft_rule *rule, bool limited)
{
	struct other_nat nat = { .by = "nftables", .rule = rule->handle, .limited = limited };

	snprintf(nat.family, sizeof(nat.family), "%s", rule->family == NFPROTO_IPV4 ? "ip" : "inet");
	snprintf(nat.table, sizeof(nat.table), "%s", rule->table);
	snprintf(nat.chain, sizeof(nat.chain), "%s", rule->chain);
	if (check_facts_add_nat(walk->facts, &nat))
		walk->err = -ENOMEM;
}

/* False if packets of our interface do not come behind this rule. */
static bool walk_rule(struct walk *walk, const struct nft_rule *rule, bool limited, int depth)
{
	bool here = rule->limited;

	if (rule->excluded)
		return true;
	for (unsigned int i = 0; i < rule->num_lookups; i++)
		if (!pass_lookup(walk, rule, &rule->lookup[i], &here, depth))
			return true;
	if (rule->translates)
		add_rule(walk, rule, limited || here);
	if (*rule->jump) {
		struct nft_chain chain = { .family = rule->family };

		memcpy(chain.table, rule->table, sizeof(chain.table));
		memcpy(chain.name, rule->jump, sizeof(chain.name));
		walk_chain(walk, &chain, limited || here, depth + 1);
	}
	return here || !(rule->ends || rule->goes || rule->translates);
}

/* A chain that many rules lead to is walked once for each kind, lest they multiply. */
static void walk_chain(struct walk *walk, const struct nft_chain *chain, bool limited, int depth)
{
	__u8 known = limited ? WALKED_LIMITED | WALKED_BY_ALL : WALKED_BY_ALL;

	if (depth > MAX_DEPTH)
		return;
	for (size_t i = nft_ruleset_find(walk->set, chain); i < walk->set->num_rules; i++) {
		struct nft_rule *rule = walk->set->by_chain[i].rule;

		if (!nft_ruleset_is_in(rule, chain) || rule->walked & known)
			return;
		rule->walked |= limited ? WALKED_LIMITED : WALKED_BY_ALL;
		if (!walk_rule(walk, rule, limited, depth))
			return;
	}
}

int precheck_nft(const char *iface, unsigned int ifindex, struct check_facts *facts, struct fault *fault)
{
	struct nft_interface interface = { .name = iface, .ifindex = ifindex };
	struct nft_ruleset set;
	struct walk walk = { .set = &set, .facts = facts };
	int err = nft_ruleset_open(&interface, &set);

	for (size_t i = 0; !err && i < set.num_bases; i++)
		walk_chain(&walk, &set.base[i], false, 0);
	nft_ruleset_close(&set);
	if (!err)
		err = walk.err;
	return err ? fault_set_errno(fault, -err,
				     "cannot read the rules of nftables: whether another NAT serves %s "
				     "is not known",
				     iface)
		   : 0;
}
