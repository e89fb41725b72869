/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attributes of nftables' messages. */
#ifndef BAUTA_NFT_ATTRIBUTE_H
#define BAUTA_NFT_ATTRIBUTE_H

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/types.h>
#include <stdbool.h>

/* The name that an attribute holds; cut where it is too long. */
void nft_attribute_copy(const struct nlattr *attr, char name[NFT_NAME_MAXLEN]);

/* The attribute of this type inside of another (NULL: none), or NULL. */
const struct nlattr *nft_attribute_find(const struct nlattr *nest, __u16 type);

/* The number inside of another attribute; `otherwise` if it is not there. */
__u32 nft_attribute_number(const struct nlattr *nest, __u16 type, __u32 otherwise);

/* Whether an attribute (NULL: no) holds this name. */
bool nft_attribute_is(const struct nlattr *attr, const char *name);

#endif
