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

/* On the way through options that are `len` octets long. */
struct route_option_walk {
	struct ip_options *options;
	__u32 len;
	__u32 left; /* octets of the option that we are in */
	bool hide;  /* it */
	__u8 found; /* enum route_option */
};

/* One octet. 1 ends the walk. */
static long route_option_step(__u32 i, void *ctx)
{
	struct route_option_walk *walk = ctx;
	__u8 *octet = walk->options->octet;
	__u8 kind = octet[i & 63];

	if (i >= walk->len)
		return 1;
	if (!walk->left) {
		if (kind == IP_OPTION_END)
			return 1;
		walk->left = kind == IP_OPTION_NOP ? 1 : octet[(i + 1) & 63];
		if (!walk->left || (walk->left == 1 && kind != IP_OPTION_NOP) || i + walk->left > walk->len)
			return 1;
		if (kind == IP_OPTION_LOOSE_ROUTE || kind == IP_OPTION_STRICT_ROUTE) {
			walk->found = ROUTE_OPTION_SOURCE;
			return 1;
		}
		walk->hide = route_option_is_record(walk->options, i);
		if (walk->hide)
			walk->found = ROUTE_OPTION_HIDDEN;
	}
	if (walk->hide)
		octet[i & 63] = IP_OPTION_NOP;
	walk->left--;
	return 0;
}

/* Puts no-operations in the place of records of the way, in options that are `len` octets long. What stands behind a broken
 * option is left alone: no router would read it.
 */
static __always_inline enum route_option route_option_hide(struct ip_options *options, __u32 len)
{
	struct route_option_walk walk = { .options = options, .len = len };

	platform_loop(IP_OPTIONS_MAX, route_option_step, &walk);
	return walk.found;
}

#endif
