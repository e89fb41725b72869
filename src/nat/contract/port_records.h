/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is known of ports: pools, crowded destinations, the host's ports, quotas. Read contract.h first. */
#ifndef BAUTA_CONTRACT_PORT_RECORDS_H
#define BAUTA_CONTRACT_PORT_RECORDS_H

#include <linux/types.h>
#include <stddef.h>

#include "contract/config.h"

/* A pool for each external address and protocol; index: address * NUM_SPACE + space. */
enum port_space {
	SPACE_TCP,
	SPACE_UDP,
	SPACE_ICMP, /* identifiers of queries: all of them, whatever the ranges */
	NUM_SPACE,
};

/* Which ports have a mapping: exactly the inbound mapping entries of this space; written under their lock.
 * `open` is a hint, for each configuration: the words in which there may be a port of the ranges without a mapping. A bit that
 * is set may be wrong, and is then cleared by whoever finds out; a bit that is clear is right, but for the moment in which
 * that is done.
 */
struct pool {
	__u64 used[PORT_WORDS];
	__u64 open[NUM_CONFIG_SLOT][SUMMARY_WORDS];
};

/* Which tuples toward one remote endpoint are held: a crowded destination. A cache of the truth in the store and in the
 * kernel's sockets, made when a search has met many held tuples. What `taken` says is so: a session's end clears its bit.
 * What `host` says was so when it was looked up, and is believed for a short while only: sockets close unseen.
 */
#define CROWD_WAYS 4
#define NUM_CROWD (NUM_CROWD_SET * CROWD_WAYS)

enum crowd_state {
	CROWD_EMPTY,
	CROWD_MAKING, /* belongs to the one who empties it */
	CROWD_VALID,
};

struct crowd_key {
	__be32 external;
	__be32 remote;
	__be16 remote_port;
	__u8 proto;
	__u8 state;       /* enum crowd_state */
	__u32 generation; /* of the configuration that it was made under */
};

struct crowd {
	struct crowd_key key;
	__u32 used_s;              /* when a search came by, in seconds of the gateway's clock */
	__u32 num_host;            /* bits in `host` */
	__u64 host_jiffies;        /* when they were begun to be learnt */
	__u64 open[SUMMARY_WORDS]; /* words of the ranges with a port that is not taken; a hint, as in struct pool */
	__u64 taken[PORT_WORDS];
	__u64 host[PORT_WORDS];
};

/* Ports on which any socket of the host sits, whatever the remote; kept only with `borrow`. Index: SPACE_TCP, SPACE_UDP. And
 * behind these, from HOST_PORTS_BOUND on, those on which a socket sits that is bound to an interface, kept only with
 * `fast_create`: where a packet came in by another interface, the kernel does not find such a socket. A hook that sees a socket
 * take a port sets its bit in both bitmaps, `fresh` first. The daemon clears in `held` what has no socket any more: it empties
 * `fresh`, lists the sockets, clears what is in neither, and sets again what is in `fresh` by now.
 */
#define HOST_PORTS_BOUND 2
#define NUM_HOST_PORTS (2 * HOST_PORTS_BOUND)

struct host_ports {
	__u64 held[PORT_WORDS];
	__u64 fresh[PORT_WORDS];
};

#define MAX_QUOTA_HOST 65536 /* internal hosts that something can be counted for */

/* What an internal host has, if there are quotas: sessions and mappings with ENTRY_QUOTA. Its lock is a stripe. */
struct quota {
	union {
		struct {
			__be32 addr;
			__u32 dead; /* not to be used: not yet, or not any more */
		};
		__u64 who; /* both, to compare at once */
	};
	__u32 num_sessions;
	__u32 num_ports;
	__u32 second;  /* of the gateway's clock */
	__u32 num_new; /* in that second */
};
_Static_assert(sizeof(struct quota) == 24, "no padding");

#endif
