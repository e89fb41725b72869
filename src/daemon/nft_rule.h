/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A rule of nftables, as far as it matters to what leaves by an interface: what it says about that interface; whether there
 * are other conditions; what becomes of a packet that meets them.
 */
#ifndef BAUTA_NFT_RULE_H
#define BAUTA_NFT_RULE_H

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/types.h>
#include <stdbool.h>

#define NFT_MAX_LOOKUP 2

/* The interface that rules are read for. */
struct nft_interface {
	const char *name;
	unsigned int ifindex;
};

/* What a register was loaded with, as far as it matters. */
enum nft_loaded {
	LOADED_OTHER,
	LOADED_NFPROTO,
	LOADED_OIF,
	LOADED_OIFNAME,
};

/* A look-up in a set or map. */
struct nft_lookup {
	char set[NFT_NAME_MAXLEN];
	enum nft_loaded key;
	bool inverted;
	bool verdicts; /* a map to verdicts: chains to go to */
};

struct nft_rule {
	__u8 family;
	char table[NFT_NAME_MAXLEN];
	char chain[NFT_NAME_MAXLEN];
	__u64 handle;
	bool excluded; /* it is not for packets that leave by this interface */
	bool limited;  /* it has conditions of other kinds */
	bool translates;
	bool ends; /* accept, drop or return: what follows in the chain is not reached; nor is it behind a translation */
	char jump[NFT_NAME_MAXLEN];
	bool goes;   /* the jump does not come back */
	__u8 walked; /* the walker's own */
	unsigned int num_lookups;
	struct nft_lookup lookup[NFT_MAX_LOOKUP];
};

/* Reads the expressions of a rule, which has its place already. */
void nft_rule_read(struct nft_rule *rule, const struct nlattr *expressions, const struct nft_interface *interface);

/* Whether a value (maybe the beginning of one: eth*) is that of the interface, or of IPv4. */
bool nft_rule_is_ours(const struct nft_interface *interface, enum nft_loaded loaded, const void *value, size_t len);

#endif
