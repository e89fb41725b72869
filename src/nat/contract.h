/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The contract: every record that crosses a map, read alike by the hooks, the daemon, the CLI and the tests.
 *
 * map       type                     who writes                 who reads             who deletes
 * store     array of bucket, mmap    hooks, sweep               hooks, daemon, CLI    sweep, flush, insert (expired ones)
 * locks     array of stripe          hooks, sweep               -                     -
 * header    array[1], mmap           daemon; hooks (counts)     hooks, daemon, CLI    -
 * config    array[2]                 daemon                     hooks, CLI            -
 * counters  per-CPU array            hooks                      CLI, daemon           -
 * limits    array                    hooks                      CLI                   -
 * gateways  hash ifindex -> address  daemon                     hooks                 daemon
 * events    ring buffer              hooks                      daemon                daemon
 *
 * Addresses and ports are in network order wherever the type says __be; everything else is in host order.
 */
#ifndef BAUTA_CONTRACT_H
#define BAUTA_CONTRACT_H

#include <linux/types.h>
#include <stddef.h>

/* Changes with every change of a pinned record: a daemon never adopts a table that it would misread. */
#define LAYOUT_VERSION 1
#define LAYOUT_MAGIC 0x61747561 /* "auta" */

/* ---- the store ------------------------------------------------------------------------------------------------ */

#define BUCKET_ENTRIES 4
#define INDEX_NONE 0xffffffffu

/* What `struct entry.flags` says. ENTRY_INBOUND is part of the key; the others never change while the entry lives. */
enum entry_flag {
	ENTRY_INBOUND = 1, /* the packets of this entry come from the remote */
	ENTRY_MAPPING = 2, /* a mapping: the remote endpoint is 0.0.0.0:0 */
	ENTRY_HOST = 4,    /* the internal endpoint is the host's own */
	ENTRY_COUNTED = 8, /* a session that holds a reference on the mapping of its internal endpoint */
};

/* `struct entry.life` says whether an entry is there, since when it was idle, and which TCP flags it carried.
 * One word, so that one compare-and-exchange decides between a packet and the sweep.
 *
 *   FREE   all of the entry is zero; any writer may take it (compare-and-exchange to BUSY)
 *   BUSY   belongs to the one writer that made it so; invisible to packets
 *   LIVE   translates packets
 *   DYING  marked by the sweep; still translates, and a packet makes it LIVE again; else it is freed at the next pass
 */
enum phase {
	PHASE_FREE,
	PHASE_BUSY,
	PHASE_LIVE,
	PHASE_DYING,
};

#define LIFE_PHASE_MASK 0x3u
#define LIFE_SYN 0x04u
#define LIFE_ACK 0x08u
#define LIFE_FIN 0x10u
#define LIFE_RST 0x20u
#define LIFE_TCP_MASK (LIFE_SYN | LIFE_ACK | LIFE_FIN | LIFE_RST)
#define LIFE_SEEN_SHIFT 8          /* bits 8..31: when the last packet was seen, in seconds of the gateway's clock */
#define LIFE_SEEN_MASK 0x00ffffffu /* 194 days; compared modulo */

/* One direction of a session, or of a mapping: the tuple as packets of this direction carry it, and what becomes of
 * it. An outbound packet (src internal, dst remote) gets new_* as its source, an inbound one (src remote, dst external)
 * as its destination. A mapping is a pair with the remote endpoint 0.0.0.0:0.
 * ICMP queries have their identifier as the port of the internal and external endpoint, and 0 as the remote port.
 */
struct entry {
	union {
		struct {
			__be32 src;
			__be32 dst;
		};
		__u64 addrs; /* both, to compare at once */
	};
	union {
		struct {
			__be16 sport;
			__be16 dport;
		};
		__u32 ports;
	};
	__u8 proto;
	__u8 flags; /* enum entry_flag */
	__be16 new_port;
	__be32 new_addr;
	__u32 twin; /* index of the other direction's entry */
	__u32 refs; /* of an outbound mapping entry: sessions that use it; else 0 */
	__u32 life;
};
_Static_assert(sizeof(struct entry) == 32, "two entries share a cache line");
_Static_assert(offsetof(struct entry, life) == 28, "life is an aligned word");

/* The index of an entry is bucket * BUCKET_ENTRIES + slot. */
struct bucket {
	struct entry entry[BUCKET_ENTRIES];
};
_Static_assert(sizeof(struct bucket) == 128, "a bucket is two cache lines");

#define NUM_STRIPES 256
#define HASH_KEYS 4

/* The shape of the table and the secret of its hash: fixed from creation, and constant in the loaded programs. */
struct store_shape {
	__u32 num_buckets; /* addressed by the hash */
	__u32 num_stash;   /* buckets behind them, for entries that found no room in their two */
	__u32 capacity;    /* sessions that it was made for */
	__u32 hash_key[HASH_KEYS];
};

/* ---- clock ---------------------------------------------------------------------------------------------------- */

/* The gateway's clock counts seconds, `factor` times faster than the wall when a test asks for it:
 * now = jiffies64 * mult >> CLOCK_SHIFT, mult = factor << CLOCK_SHIFT / HZ.
 */
#define CLOCK_SHIFT 20

struct clock {
	__u32 hz;
	__u32 factor;
	__u64 mult;
	__u64 base_jiffies; /* jiffies64 and CLOCK_MONOTONIC read together, for user space */
	__u64 base_mono_ns;
};

/* ---- header --------------------------------------------------------------------------------------------------- */

struct header {
	__u32 magic;
	__u32 layout;
	struct store_shape shape;
	struct clock clock;
	__u32 ifindex;
	__u32 l2_len;      /* 14 on Ethernet, 0 on layer-3 interfaces */
	__u32 config_slot; /* which of the two configurations holds */
	/* counted by all writers, atomically */
	__u64 num_sessions __attribute__((aligned(64)));
	__u64 num_mappings;
	__u64 num_created; /* sessions, ever */
	__u32 num_stashed; /* entries in the stash; 0 lets a look-up skip it */
	__u32 unused;
};

/* ---- configuration -------------------------------------------------------------------------------------------- */

/* One holds (header.config_slot), the other is written; then they change places, so that no packet sees half of each. */
#define NUM_CONFIG_SLOT 2

#define MAX_SLICES 256
#define MAX_OWN_ADDRS 32
#define MAX_INTERNAL 32

/* Ports first..last, and how many ports the slices before it hold: the n-th port is found by bisection. */
struct port_slice {
	__u16 first;
	__u16 last;
	__u32 before;
};

struct prefix {
	__be32 addr;
	__be32 mask;
};

enum timeout {
	TIMEOUT_UDP,
	TIMEOUT_TCP_OPENING,
	TIMEOUT_TCP_ESTABLISHED,
	TIMEOUT_TCP_CLOSING,
	TIMEOUT_TCP_RESET,
	TIMEOUT_ICMP,
	NUM_TIMEOUT,
};

struct config {
	__be32 external; /* the address internal hosts are seen as; 0: none at the moment */
	__u32 num_own;
	__be32 own[MAX_OWN_ADDRS]; /* every address of the external interface, the external one included */
	__u32 num_internal;        /* 0: everything that is forwarded is translated */
	struct prefix internal[MAX_INTERNAL];
	__u32 num_slices;
	__u32 num_ports;
	struct port_slice slice[MAX_SLICES];
	__u32 timeout_s[NUM_TIMEOUT];
};

/* ---- verdicts and reasons ------------------------------------------------------------------------------------- */

enum verdict {
	VERDICT_TRANSLATED, /* rewritten, on its way */
	VERDICT_PASSED,     /* untouched, on its way */
	VERDICT_DROPPED,    /* gone, and there is nobody to tell */
	VERDICT_REFUSED,    /* gone, and its sender was told by an ICMP error */
	NUM_VERDICT,
};

/* Why a packet had its verdict. Each packet that a hook sees is counted under exactly one of these; reason.h holds the
 * verdict, the name and the sentence of each.
 */
enum reason {
	TRANSLATED_OUTBOUND,
	TRANSLATED_INBOUND,
	TRANSLATED_NEW,
	TRANSLATED_SHARED,
	TRANSLATED_CLASH,
	TRANSLATED_ERROR_OUTBOUND,
	TRANSLATED_ERROR_INBOUND,
	PASSED_ARP,
	PASSED_IPV6,
	PASSED_VLAN,
	PASSED_OTHER_ETHERTYPE,
	PASSED_UNSPECIFIED,
	PASSED_MULTICAST,
	PASSED_BROADCAST,
	PASSED_HOST,
	PASSED_HOST_PROTOCOL,
	PASSED_HOST_FRAGMENT,
	PASSED_NOT_INTERNAL,
	PASSED_NOT_EXTERNAL,
	PASSED_NO_SESSION,
	PASSED_OWN_ERROR,
	PASSED_LOOPBACK,
	DROPPED_IP_HEADER,
	DROPPED_IP_LENGTH,
	DROPPED_IP_CHECKSUM,
	DROPPED_TCP_HEADER,
	DROPPED_UDP_HEADER,
	DROPPED_ICMP_HEADER,
	DROPPED_ICMP_QUOTE,
	DROPPED_ICMP_TYPE,
	DROPPED_ERROR_NO_SESSION,
	DROPPED_NO_SESSION,
	DROPPED_FRAGMENT,
	DROPPED_MULTICAST,
	DROPPED_MARTIAN,
	DROPPED_RACE,
	DROPPED_REWRITE,
	REFUSED_PROTOCOL,
	REFUSED_NO_PORT,
	REFUSED_NO_ROOM,
	REFUSED_NO_ADDRESS,
	REFUSED_CLASH,
	NUM_REASON,
};

/* ---- limits and events ---------------------------------------------------------------------------------------- */

/* How often something was done in the current second of the real clock, and how often it was left undone since the
 * last time it was done. Index: enum reason for events, LIMIT_ICMP for ICMP errors.
 */
struct limit {
	__u32 second;
	__u32 done;
	__u32 suppressed;
	__u32 suppressed_ever;
};

#define LIMIT_ICMP NUM_REASON
#define NUM_LIMIT (NUM_REASON + 1)
#define LIMIT_EVENTS_PER_S 10
#define LIMIT_ICMP_PER_S 1000

enum owner_kind {
	OWNER_NONE,    /* nobody in particular: the whole range was tried */
	OWNER_SESSION, /* `owner_addr`:`owner_port` holds the tuple */
	OWNER_HOST,    /* a socket of the host holds it */
};

/* Something an operator should hear of. Tuple as the packet carried it; external 0 when none was given. */
struct event {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u32 suppressed;
	__u8 reason;
	__u8 proto;
	__u8 owner; /* enum owner_kind */
	__u8 from_host;
	__be32 src;
	__be32 dst;
	__be16 sport;
	__be16 dport;
	__be32 external;
	__be16 external_port;
	__be16 owner_port;
	__be32 owner_addr;
};
_Static_assert(sizeof(struct event) == 40, "events have no hidden padding");

/* ---- the sweep ------------------------------------------------------------------------------------------------ */

/* What the daemon asks of the sweep program, as the data of a test run. */
enum sweep_op {
	SWEEP_EXPIRE, /* mark what is expired, free what was marked a second ago */
	SWEEP_FLUSH,  /* remove whatever it is */
};

#define SWEEP_BATCH 512

struct sweep_head {
	__u32 op; /* enum sweep_op */
	__u32 num;
	__u32 unused[2];
};

struct sweep_request {
	struct sweep_head head;
	__u32 index[SWEEP_BATCH]; /* of outbound entries */
};

#endif
