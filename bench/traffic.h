/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The frames of the bench and its set of sessions, as the generator, the sinks and traffic.c agree on them. */
#ifndef BENCH_TRAFFIC_H
#define BENCH_TRAFFIC_H

#include <linux/types.h>

/*
 * The set of sessions. Session s of N (a power of two) is the pair of
 *   remote            r = s mod R, R = min(N, 32):  198.18.0.1 … .8, ports 443 … 446
 *   internal endpoint e = s div R:                  host h = e mod 256 at 10.1.0.0 + h, j = e div 256,
 *                                                   port 1024 + (offset(h) + 509 j) mod 64512
 * 509 shares no factor with 64512, so a host never repeats a port, and every session is a 5-tuple of its own; offset(h)
 * is a hash, so ports of different hosts meet by chance, as they do behind a real gateway. One million sessions are
 * 32,768 internal endpoints: they fit the ports of one external address even if each endpoint keeps one for itself.
 */
#define MAX_SESSIONS (1U << 20)
#define MAX_REMOTES 32
#define NUM_HOSTS 256
#define FIRST_PORT 1024
#define NUM_PORTS 64512

enum order {
	ORDER_FIRST,     /* session 0, always */
	ORDER_EACH_ONCE, /* all sessions, scattered, none twice before every other had its turn */
	ORDER_RANDOM,    /* any session, each packet anew */
};

/*
 * 60 bytes in memory are 64 on the wire, with the check sequence. Fields are 16-bit words: the frame starts at an even
 * address, and checksums add 16-bit words. The tag repeats the endpoints as they are inside the gateway, so that who
 * looks at a frame outside knows what it was, whatever was done to its headers.
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
	__be16 udp_source;
	__be16 udp_destination;
	__be16 udp_length;
	__be16 udp_check;
	__be16 magic;
	__u16 session[2]; /* host order, low half first */
	__be16 internal_address[2];
	__be16 internal_port;
	__be16 remote_address[2];
	__be16 remote_port;
};
_Static_assert(sizeof(struct frame) == 60, "60 bytes and the check sequence make a 64-byte frame");

/* What a program of the generator needs of its side: written before load. */
struct side {
	__u32 ifindex;
	__be16 source[3];
	__be16 next_hop[3];
};

/*
 * The generator's state. There is one generator; only it writes random, sent and next while it runs. User space sets all
 * before, and changes order meanwhile.
 */
struct generator {
	__u64 random;
	__u64 sent;
	__u32 next;
	__u32 session_mask;
	__u32 remote_mask;
	__u32 remote_shift;
	__u32 order; /* enum order */
};

/* Where the remote has to answer to: what the sink outside saw as a session's source. All zero: nothing seen yet. */
struct learned {
	__be16 address[2];
	__be16 port;
	__be16 zero;
};

enum sink_count {
	SINK_DELIVERED, /* frames of the generator, dropped here */
	SINK_STRAY,     /* anything else, passed on */
	NUM_SINK_COUNTS,
};

#define CAPTURE_FRAMES 4096

#endif
