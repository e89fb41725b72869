/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading what nftables says of itself. */
#include "nft_attribute.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

void nft_attribute_copy(const struct nlattr *attr, char name[NFT_NAME_MAXLEN])
{
	snprintf(name, NFT_NAME_MAXLEN, "%.*s", (int)mnl_attr_get_payload_len(attr), mnl_attr_get_str(attr));
}

const struct nlattr *nft_attribute_find(const struct nlattr *nest, __u16 type)
{
	const struct nlattr *attr;

	if (!nest)
		return NULL;
	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == type)
			return attr;
	}
	return NULL;
}

__u32 nft_attribute_number(const struct nlattr *nest, __u16 type, __u32 otherwise)
{
	const struct nlattr *attr = nft_attribute_find(nest, type);

	return attr && mnl_attr_get_payload_len(attr) == sizeof(__u32) ? ntohl(mnl_attr_get_u32(attr)) : otherwise;
}

bool nft_attribute_is(const struct nlattr *attr, const char *name)
{
	return attr && strncmp(mnl_attr_get_str(attr), name, mnl_attr_get_payload_len(attr)) == 0;
}
