/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The frames that the bench's generators make, and where they begin. */
#ifndef BENCH_FRAME_H
#define BENCH_FRAME_H

#include <linux/types.h>

#define MIN_FRAME 60
#define MAX_FRAME 1514 /* the link header, and an IP packet of 1500 bytes */

/*
 * 60 bytes in memory are 64 on the wire, with the check sequence. Fields are 16-bit words: the frame starts at an even
 * address, and checksums add 16-bit words. The tag, behind the headers, says which session a frame is of, and, but for the churn,
 * repeats the endpoints as they are inside the gateway: so who looks at a frame outside knows what it was, whatever was done to
 * its headers.
 */
struct frame {
	__be16 eth_destination[3];
	__be16 eth_source[3];
	__be16 eth_type;
	__be16 ip_version;
	__be16 ip_length;
	__be16 ip_id;
	__be16 ip_fragment;
	__be16 ip_ttl_protocol;
	__be16 ip_check;
	__be16 ip_source[2];
	__be16 ip_destination[2];
	union {
		struct {
			__be16 udp_source;
			__be16 udp_destination;
			__be16 udp_length;
			__be16 udp_check;
			__be16 internal_address[2];
			__be16 internal_port;
			__be16 remote_address[2];
			__be16 remote_port;
		};
		__be16 l4[10]; /* the churn: a TCP header; or one of UDP or ICMP, and 12 octets */
	};
	__be16 magic;
	__u16 session[2]; /* host order, low half first */
};
_Static_assert(sizeof(struct frame) == MIN_FRAME, "60 bytes and the check sequence make a 64-byte frame");

/* What a program of a generator needs of its side: written before load. */
struct side {
	__u32 ifindex;
	__be16 source[3];
	__be16 next_hop[3];
};

/* The external endpoint of a session: what the sink outside saw as its source. All zero: nothing seen yet. */
struct learned {
	__be16 address[2];
	__be16 port;
	__be16 zero;
};

#endif
