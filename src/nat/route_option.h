/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IP options that tell a way by addresses (RFC 791 §3.1). What routers and hosts inside wrote there is nobody's business
 * outside.
 */
#ifndef BAUTA_ROUTE_OPTION_H
#define BAUTA_ROUTE_OPTION_H

#include "platform.h"

#define IP_OPTIONS_MAX 40

enum ip_option {
	IP_OPTION_END = 0,
	IP_OPTION_NOP = 1,
	IP_OPTION_RECORD_ROUTE = 7,
	IP_OPTION_TIMESTAMP = 68,
	IP_OPTION_LOOSE_ROUTE = 131,
	IP_OPTION_STRICT_ROUTE = 137,
};

#define TIMESTAMP_FLAGS 3 /* offset of the octet whose lower half says whether there are addresses: 0 if not */

/* Longer than options can be, so that an index needs no more than a mask to be within. */
struct ip_options {
	union {
		__u8 octet[64];
		__be32 word[16];
	};
};

enum route_option {
	ROUTE_OPTION_NONE,
	ROUTE_OPTION_HIDDEN, /* there were records of the way; they are gone */
	ROUTE_OPTION_SOURCE, /* the sender has chosen the way: the packet cannot do without, and is as it was or partly so */
};

static __always_inline bool route_option_is_record(const struct ip_options *options, __u32 at)
{
	__u8 kind = options->octet[at & 63];

	return kind == IP_OPTION_RECORD_ROUTE ||
	       (kind == IP_OPTION_TIMESTAMP && (options->octet[(at + TIMESTAMP_FLAGS) & 63] & 0xf));
}

/* Puts no-operations in the place of records of the way, in options that are `len` octets long. What stands behind a broken
 * option is left alone: no router would read it.
 */
static __always_inline enum route_option route_option_hide(struct ip_options *options, __u32 len)
{
	enum route_option found = ROUTE_OPTION_NONE;
	__u32 left = 0; /* octets of the option that we are in */
	bool hide = false;

	for (__u64 i = 0; i < IP_OPTIONS_MAX; i++) {
		__u8 kind = options->octet[i];

		if (i >= len)
			break;
		if (!left) {
			if (kind == IP_OPTION_END)
				break;
			left = kind == IP_OPTION_NOP ? 1 : options->octet[i + 1];
			if (!left || (left == 1 && kind != IP_OPTION_NOP) || i + left > len)
				break;
			if (kind == IP_OPTION_LOOSE_ROUTE || kind == IP_OPTION_STRICT_ROUTE)
				return ROUTE_OPTION_SOURCE;
			hide = route_option_is_record(options, i);
			if (hide)
				found = ROUTE_OPTION_HIDDEN;
		}
		if (hide)
			options->octet[i] = IP_OPTION_NOP;
		/* it stays below 63 anyway; but so the verifier of 6.1 has one state for whatever is left, and not one for
		 * each
		 */
		left--;
		OPTIMIZER_HIDE_VAR(left);
		left &= 63;
	}
	return found;
}

#endif
