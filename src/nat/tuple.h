/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Endpoints and tuples: who a packet is from and to. */
#ifndef BAUTA_TUPLE_H
#define BAUTA_TUPLE_H

#include <linux/types.h>

#include "platform.h"

/* Address and port, or address and identifier of an ICMP query. */
struct endpoint {
	__be32 addr;
	__be16 port;
	__u16 unused;
};

/* As a packet carries it. An ICMP query has its identifier as the source port when it goes out and as the destination
 * port when its reply comes in; the remote's port is 0.
 */
struct tuple {
	union {
		struct {
			__be32 src;
			__be32 dst;
		};
		__u64 addrs;
	};
	union {
		struct {
			__be16 sport;
			__be16 dport;
		};
		__u32 ports;
	};
	__u8 proto;
	__u8 unused[3];
};

/* The tuple of the packets that come back. */
static __always_inline struct tuple tuple_reverse(const struct tuple *tuple)
{
	struct tuple reverse = {
		.src = tuple->dst,
		.dst = tuple->src,
		.sport = tuple->dport,
		.dport = tuple->sport,
		.proto = tuple->proto,
	};

	return reverse;
}

static __always_inline bool endpoint_equal(struct endpoint a, struct endpoint b)
{
	return a.addr == b.addr && a.port == b.port;
}

#endif
