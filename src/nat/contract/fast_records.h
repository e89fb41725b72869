/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The records of the fast path. Read contract.h first. */
#ifndef BAUTA_CONTRACT_FAST_RECORDS_H
#define BAUTA_CONTRACT_FAST_RECORDS_H

#include <linux/types.h>
#include <stddef.h>

#include "contract/config.h"

/* Where packets go on from here, found by the kernel's own look-up of routes and neighbours, and remembered for all sessions
 * that go there. What stands in `struct entry.next_hop` is the index of such a record, and the generation that it was found in:
 * generation << NEXT_HOP_BITS | index. With header.next_hop_generation all of it is void.
 *
 * Generations are counted up by the daemon, from 1; when they are used up it clears all records and references, while the
 * generation is 0, and begins anew. A record never changes while its generation lasts: two sessions with equal next hops share
 * one, and one that is of an older generation may be taken and written anew, but never for an older one still. So between two
 * moments at which a reader has found the same generation in it, it has not changed.
 *
 * The records of a neighbour stand in NEXT_HOP_WAYS that follow each other (hop.h), where the daemon looks for them.
 */
#define NEXT_HOP_BITS 12
#define NUM_NEXT_HOP (1u << NEXT_HOP_BITS)
#define NEXT_HOP_MASK (NUM_NEXT_HOP - 1)
#define NEXT_HOP_GENERATIONS (1u << (32 - NEXT_HOP_BITS))
#define NEXT_HOP_WRITING 0xffffffffu /* no generation: somebody is writing the record */
#define NEXT_HOP_WAYS 8
#define NEXT_HOP_USED_SHIFT 8 /* `used` counts 256 jiffies */

#define MAC_LEN 6

/* What a frame needs to go on. */
struct fast_way {
	union {
		struct {
			__u32 port; /* in fast_ports */
			__u32 mtu;  /* of the IP packet */
			__u8 dest_mac[MAC_LEN];
			__u8 source_mac[MAC_LEN];
			__be16 vlan_proto; /* of the tag that the frame has there; 0: none */
			__be16 vlan;
			/* The only interface whose packets it is for: the one that the way to their sender leads by. 0: any */
			__u32 from;
			__u32 unused;
		};
		__u64 word[4]; /* all of it, to copy and compare */
	};
};
_Static_assert(sizeof(struct fast_way) == 32, "no padding");

struct next_hop {
	__u32 generation; /* 0: empty */
	__u32 used;       /* when a packet was last sent by it */
	struct fast_way way;
	/* what it was found as, for the daemon */
	__u32 ifindex; /* the interface that the route leads to: of the VLAN, if that is one */
	__be32 addr;   /* the neighbour */
	__u32 unused[4];
};
_Static_assert(sizeof(struct next_hop) == 64, "a cache line");

/* An interface whose driver runs the fast path; index: ifindex % NUM_FAST_LINK, which is also its place in fast_ports. */
#define NUM_FAST_LINK 256

enum fast_role {
	FAST_NONE,
	FAST_INTERNAL, /* what comes here leaves by the external interface */
	FAST_EXTERNAL, /* what comes here is for inside */
};

struct fast_link {
	__u32 ifindex; /* 0: nobody's */
	__u8 mac[MAC_LEN];
	__u8 role;      /* enum fast_role, of frames without a VLAN tag; FAST_NONE if only its VLANs take part */
	__u8 has_vlans; /* fast_vlans knows some */
	__u32 unused;
};
_Static_assert(sizeof(struct fast_link) == 16, "no padding");

/* A VLAN of such an interface. */
struct fast_vlan_key {
	__u32 ifindex; /* of the device below */
	__be16 proto;  /* of the tag: 802.1Q or 802.1ad */
	__be16 vlan;   /* its number, 12 bits */
};

struct fast_vlan {
	__u32 ifindex; /* of the VLAN's own interface */
	__u8 mac[MAC_LEN];
	__u8 role; /* enum fast_role */
	__u8 unused;
};

#define MAX_FAST_VLAN 4096

/* How to send by an interface that a route leads to. */
struct fast_exit {
	__u32 port;        /* in fast_ports */
	__be16 vlan_proto; /* of the tag to be put on; 0: none */
	__be16 vlan;
};

/* What the daemon says of an interface, for those who ask. */
#define MAX_FAST_NOTE 1024
#define FAST_WHY 360

struct fast_note {
	char iface[IFACE_NAME];
	__u8 role; /* enum fast_role; FAST_NONE: there is no such interface */
	__u8 runs; /* it takes part: xdp runs there, or below */
	__u8 unused[6];
	char why[FAST_WHY]; /* it does not */
};
_Static_assert(sizeof(struct fast_note) == 384, "no padding");

/* What xdp did with a frame: each is counted under exactly one, and under FAST_LOST again if it did not leave. What is given to
 * the stack, unchanged, tc sees and counts.
 */
enum fast_reason {
	FAST_OUTBOUND, /* translated, and sent on its way */
	FAST_INBOUND,
	FAST_CREATED, /* the first packet of a session (--fast-create) */
	FAST_REFUSED, /* no session could be created, and nobody is told: tc has told so many in this second (--fast-create) */
	FAST_UP_LINK,     /* not for this machine's MAC address, or of a VLAN that takes no part */
	FAST_UP_PROTOCOL, /* no IPv4, or neither TCP, UDP nor an ICMP query of a session */
	FAST_UP_HEADER,   /* broken, with IP options, or with octets behind the packet */
	FAST_UP_FRAGMENT,
	FAST_UP_SYN,
	FAST_UP_HOPS,       /* its TTL expires here */
	FAST_UP_CHECKSUM,   /* its sender left the checksum to a device that was none */
	FAST_UP_NO_SESSION, /* the first packet of a session, or the host's */
	FAST_UP_SOURCE, /* came from inside by another interface than the way to its source leads by: the stack judges that */
	FAST_UP_ROUTE, /* no route, or one that xdp does not take: to the host, or to an interface outside of the fast path */
	FAST_UP_UNWATCHED, /* nobody watches routes and neighbours: the daemon is gone */
	FAST_UP_NEIGHBOUR, /* its next hop's MAC address is not known */
	FAST_UP_TOO_BIG,   /* larger than the MTU of the way on */
	FAST_UP_REFUSED,   /* no session could be created: tc refuses it (--fast-create) */
	FAST_UP_ROOM,      /* no room in the frame for the VLAN tag of the way on */
	FAST_LOST,         /* of those that were sent: not taken by the driver of the way */
	NUM_FAST_REASON,
};

#endif
