/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All rules of nftables that could translate what leaves by an interface. The kernel is asked, not the program nft, which may be
 * missing.
 */
#ifndef BAUTA_NFT_RULESET_H
#define BAUTA_NFT_RULESET_H

#include "nft_rule.h"

struct nft_chain {
	__u8 family;
	char table[NFT_NAME_MAXLEN];
	char name[NFT_NAME_MAXLEN];
};

struct nft_place {
	struct nft_rule *rule;
};

struct nft_ruleset {
	struct nft_interface interface;
	struct mnl_socket *socket;
	size_t num_rules;
	struct nft_rule *rule;
	struct nft_place *by_chain; /* the rules of each chain side by side, in their order */
	size_t num_bases;
	struct nft_chain *base; /* chains of type nat at the postrouting hook: where packets come by */
};

/* What an element of a set says. */
struct nft_elements {
	bool found; /* our interface is one of the keys */
	size_t num_chains;
	char (*chain)[NFT_NAME_MAXLEN]; /* where those elements lead that may be met; the caller frees it */
};

/* Without nftables in the kernel there are no rules. Whatever comes of it, nft_ruleset_close() is to be called. */
int nft_ruleset_open(const struct nft_interface *interface, struct nft_ruleset *ret_set);
void nft_ruleset_close(struct nft_ruleset *set);

/* Begins a request for a dump of chains, rules or elements, to be sent to a socket of NETLINK_NETFILTER. */
struct nlmsghdr *nft_ruleset_request(char *buffer, __u16 type, __u8 family);

/* Where the rules of a chain begin in by_chain, or those of the next if it has none. */
size_t nft_ruleset_find(const struct nft_ruleset *set, const struct nft_chain *chain);

bool nft_ruleset_is_in(const struct nft_rule *rule, const struct nft_chain *chain);

/* The elements of the set that a rule looks into. ret_elements->chain is to be freed, also after a failure. */
int nft_ruleset_read_elements(const struct nft_ruleset *set, const struct nft_rule *rule,
			      const struct nft_lookup *lookup, struct nft_elements *ret_elements);

#endif
