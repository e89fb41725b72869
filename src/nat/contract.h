/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The contract: every record that crosses a map, read alike by the hooks, the daemon, the CLI and the tests.
 *
 * map       type                     who writes                 who reads             who deletes
 * store     array of bucket, mmap    hooks, sweep               hooks, daemon, CLI    sweep, flush, insert (expired ones)
 * dirty     array of u64, mmap       hooks, sweep; daemon       daemon                daemon
 * locks     array of stripe          hooks, sweep               -                     -
 * header    array[1], mmap           daemon; hooks (counts)     hooks, daemon, CLI    -
 * config    array[2]                 daemon                     hooks, CLI            -
 * pools     array of pool, mmap      hooks, sweep; daemon       hooks, daemon, CLI    -
 * crowds    array of crowd, mmap     hooks, sweep               hooks, CLI            hooks (one gives way to another)
 * host_ports array[4], mmap          hooks, daemon              hooks, CLI            daemon
 * quotas    hash address -> quota    hooks, sweep               hooks, CLI            sweep
 * counters  per-CPU array            hooks                      CLI, daemon           -
 * limits    array, mmap              hooks; daemon              daemon, CLI           -
 * gateways  hash ifindex -> address  daemon                     hooks                 daemon
 * unsolicited hash tuple -> SYN      hooks                      daemon                daemon
 * events    ring buffer              hooks                      daemon                daemon
 * failures  array of event, mmap     hooks                      CLI                   hooks (the oldest)
 * fragments LRU hash, by datagram    hooks                      hooks                 the kernel (the oldest)
 * held      one ring of bytes        hooks                      hooks                 hooks (the oldest)
 * idents    array of counters        hooks                      hooks                 -
 * next_hops array of next_hop, mmap  xdp                        xdp, daemon           xdp (those of an older generation)
 * fast_links array, mmap             daemon                     xdp, CLI              daemon
 * fast_vlans hash link, VLAN -> who  daemon                     xdp, CLI              daemon
 * fast_exits hash ifindex -> exit    daemon                     xdp                   daemon
 * fast_ports device map              daemon                     xdp                   daemon
 * fast_counters per-CPU array        xdp, fast_lost             CLI                   -
 * fast_notes hash 0, 1, … -> note    daemon                     CLI                   daemon
 *
 * Addresses and ports are in network order wherever the type says __be; everything else is in host order.
 */
#ifndef BAUTA_CONTRACT_H
#define BAUTA_CONTRACT_H

#include <linux/types.h>
#include <stddef.h>

/* Changes with every change of a pinned record: a daemon never adopts a table that it would misread. */
#define LAYOUT_VERSION 6
#define LAYOUT_MAGIC 0x61747561 /* "auta" */

/* ---- the store ------------------------------------------------------------------------------------------------ */

#define BUCKET_ENTRIES 4
#define INDEX_NONE 0xffffffffu

/* What `struct entry.flags` says. ENTRY_INBOUND is part of the key; the others never change while the entry lives. */
enum entry_flag {
	ENTRY_INBOUND = 1,    /* the packets of this entry come from the remote */
	ENTRY_MAPPING = 2,    /* a mapping: the remote endpoint is 0.0.0.0:0 */
	ENTRY_HOST = 4,       /* the internal endpoint is the host's own */
	ENTRY_COUNTED = 8,    /* a session that holds a reference on the mapping of its external endpoint */
	ENTRY_QUOTA = 16,     /* counted against the quota of its internal host */
	ENTRY_PERMITTED = 32, /* a session that holds a reference on a permit */
};

/* A permit says that sessions of a mapping lead to a remote address, whose packets address-dependent filtering therefore lets
 * in from any port. It is a pair like a mapping, with the remote endpoint ADDRESS:0, and this bit set in its protocol, so
 * that it never meets a session toward port 0.
 */
#define PROTO_PERMIT 0x80

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
#define LIFE_SESSION 0x40u         /* neither a mapping nor a permit: what stands beside is next_hop, not refs */
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
		};
		__u64 rest; /* of the key, and what stands beside it: to read at once */
	};
	__be32 new_addr;
	__u32 twin; /* index of the other direction's entry */
	union {
		struct {
			union {
				/* Of an outbound mapping or permit entry: sessions that use it. Of an inbound mapping entry: the
				 * remote address of the first session on it, which needs no permit; 0: none yet. Of an inbound
				 * permit entry: 0.
				 */
				__u32 refs;
				/* Of a session's: where xdp sends packets of this direction (struct next_hop); 0: not known. */
				__u32 next_hop;
			};
			__u32 life;
		};
		__u64 next_hop_life; /* both, to exchange at once */
	};
};
_Static_assert(sizeof(struct entry) == 32, "two entries share a cache line");
_Static_assert(offsetof(struct entry, life) == 28, "life is an aligned word");

/* The index of an entry is bucket * BUCKET_ENTRIES + slot. */
struct bucket {
	struct entry entry[BUCKET_ENTRIES];
};
_Static_assert(sizeof(struct bucket) == 128, "a bucket is two cache lines");

/* Locks: of pairs, by protocol and remote endpoint; and behind them, of crowds. */
#define NUM_PAIR_STRIPES 256
#define NUM_CROWD_SET 16
#define NUM_STRIPES (NUM_PAIR_STRIPES + NUM_CROWD_SET)
#define HASH_KEYS 4

/* The shape of a store, constant in the loaded programs, and the secret of the hash, which is that of all stores of an instance.
 */
struct store_shape {
	__u32 num_buckets; /* addressed by the hash */
	__u32 num_stash;   /* buckets behind them, for entries that found no room in their two */
	__u32 capacity;    /* sessions that it was made for */
	__u32 store_id;    /* which map: the kernel's number of it, never STORE_NONE */
	__u32 hash_key[HASH_KEYS];
};

/* A bit in the map `dirty` for each bucket of the store. */
#define DIRTY_BITS 64

/* While a store of another size is made and takes the place of this one (src/daemon/resize.h). */
enum resize_state {
	RESIZE_NONE,
	RESIZE_COPYING, /* whoever changes more than a life word of an outbound entry sets the bit of its bucket in `dirty` */
	RESIZE_FROZEN, /* the same; and no new program begins to do that (header.writable) */
};

#define STORE_NONE 0xffffffffu

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

/* ---- verdicts and reasons ------------------------------------------------------------------------------------- */

enum verdict {
	VERDICT_TRANSLATED, /* rewritten, on its way */
	VERDICT_PASSED,     /* untouched, on its way */
	VERDICT_HELD,    /* kept for a while; it comes to the hook again, and is then counted as what becomes of it */
	VERDICT_DROPPED, /* gone, and there is nobody to tell */
	VERDICT_REFUSED, /* gone; its sender is told where that is allowed */
	VERDICT_DENIED,  /* there was no packet: a call of a local program failed with EADDRINUSE */
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
	TRANSLATED_ACCEPTED,
	TRANSLATED_CLASH,
	TRANSLATED_ERROR_OUTBOUND,
	TRANSLATED_ERROR_INBOUND,
	TRANSLATED_HAIRPIN,
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
	PASSED_EXCLUDED,
	PASSED_NOT_EXTERNAL,
	PASSED_NO_SESSION,
	PASSED_OWN_ERROR,
	PASSED_LOOPBACK,
	PASSED_INSIDE,
	HELD_FRAGMENT,
	DROPPED_IP_HEADER,
	DROPPED_IP_LENGTH,
	DROPPED_IP_CHECKSUM,
	DROPPED_TCP_HEADER,
	DROPPED_UDP_HEADER,
	DROPPED_ICMP_HEADER,
	DROPPED_ICMP_CHECKSUM,
	DROPPED_ICMP_QUOTE,
	DROPPED_ICMP_TYPE,
	DROPPED_ERROR_NO_SESSION,
	DROPPED_NO_SESSION,
	DROPPED_FILTERED,
	DROPPED_UNSOLICITED,
	DROPPED_FRAGMENT,
	DROPPED_SOURCE_ROUTE,
	DROPPED_MULTICAST,
	DROPPED_MARTIAN,
	DROPPED_RACE,
	DROPPED_RESIZE,
	DROPPED_REWRITE,
	REFUSED_PROTOCOL,
	REFUSED_HOPS,
	REFUSED_TOO_BIG,
	REFUSED_NO_ROUTE,
	REFUSED_MID_STREAM,
	REFUSED_NO_PORT,
	REFUSED_NO_ROOM,
	REFUSED_NO_ADDRESS,
	REFUSED_CLASH,
	REFUSED_QUOTA_PORTS,
	REFUSED_QUOTA_SESSIONS,
	REFUSED_QUOTA_RATE,
	DENIED_BIND,
	DENIED_CONNECT,
	DENIED_SEND,
	NUM_REASON,
};

/* The rings of failures: one for what was dropped, one for each reason from REFUSED_PROTOCOL on. */
#define NUM_FAILURE_RING (1 + NUM_REASON - REFUSED_PROTOCOL)

/* ---- header --------------------------------------------------------------------------------------------------- */

#define MAX_EXTERNAL 256

struct header {
	__u32 magic;
	__u32 layout;
	struct store_shape shape;
	struct clock clock;
	__u32 ifindex;
	__u32 l2_len;              /* 14 on Ethernet, 0 on layer-3 interfaces */
	__u32 config_slot;         /* which of the two configurations holds */
	__u32 num_pool_addrs;      /* how many external addresses there are pools for */
	__u32 next_hop_generation; /* another one makes all next hops be looked up anew; 0: for now none is remembered */
	/* Until then, in jiffies, the daemon watches routes and neighbours; it goes on promising that while it lives. Past it
	 * nothing may be sent past the stack.
	 */
	__u64 next_hop_until;
	__u32 resize; /* enum resize_state */
	/* store_id of the store where entries come, go and move; STORE_NONE: nowhere. A program of another store leaves it
	 * alone.
	 */
	__u32 writable;
	__u32 next_stashed; /* how many of num_stashed are entries of the store that is to come */
	/* Of the store that is to come, or that has come. The one that is pinned counts, be it this or `shape`. */
	struct store_shape next_shape;
	__u32 num_homed; /* entries that came back to their first buckets, ever; counted by all writers, atomically */
	/* Whose they are; 0: nobody's. An address keeps its pools while it has mappings. */
	__be32 pool_addr[MAX_EXTERNAL];
	/* counted by all writers, atomically */
	__u64 num_sessions __attribute__((aligned(64)));
	__u64 num_mappings;
	__u64 num_permits;
	__u64 num_created; /* sessions, ever */
	__u64 num_returned
		[2]; /* packets sent to their hook again with fragments that were held, ever: at egress, at ingress */
	__u32 num_stashed;                    /* entries in the stash; 0 lets a look-up skip it */
	__u32 num_crowds;                     /* crowds, ever; 0 lets a removal skip them */
	__u32 num_failures[NUM_FAILURE_RING]; /* ever, in each ring */
	__u32 unused;
};

/* ---- configuration -------------------------------------------------------------------------------------------- */

/* One holds (header.config_slot), the other is written; then they change places, so that no packet sees half of each. */
#define NUM_CONFIG_SLOT 2

#define MAX_SLICES 256
#define MAX_OWN 64
#define MAX_INTERNAL 32
#define MAX_EXCLUDED 64
#define MAX_PORT_TIMEOUTS 32

#define NUM_PORTS 65536
#define PORT_WORDS (NUM_PORTS / 64)     /* a bitmap of ports: bit n is port n, host order */
#define SUMMARY_WORDS (PORT_WORDS / 64) /* a bit for each word of such a bitmap */

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

/* Destinations that are not translated (RFC 6888 REQ-6). */
struct exclusion {
	struct prefix prefix;
	__be16 port; /* 0: any */
	__u8 proto;  /* 0: any */
	__u8 unused;
};

enum timeout {
	TIMEOUT_UDP,
	TIMEOUT_TCP_OPENING,
	TIMEOUT_TCP_ESTABLISHED,
	TIMEOUT_TCP_CLOSING,
	TIMEOUT_TCP_RESET,
	TIMEOUT_ICMP,            /* the last one that is a session's */
	TIMEOUT_UNSOLICITED_SYN, /* a SYN from outside that nobody asked for waits so long for its answer (RFC 5382 REQ-4) */
	TIMEOUT_FRAGMENT, /* fragments wait so long for the first of their datagram, and it is remembered as long */
	NUM_TIMEOUT,
};

/* A timeout of sessions toward one port of remotes, whatever the state but opening, closing and reset. */
struct port_timeout {
	__be16 port;
	__u8 proto;
	__u8 unused;
	__u32 timeout_s;
};

/* RFC 4787 §4.1: whether an internal endpoint keeps one external endpoint for all remotes. */
enum mapping_mode {
	MAPPING_ENDPOINT_INDEPENDENT,
	MAPPING_ENDPOINT_DEPENDENT, /* each session has an external port of its own choice */
};

/* RFC 4787 §5: who outside may send to a mapped external endpoint. */
enum filtering {
	FILTERING_ENDPOINT_INDEPENDENT, /* anybody */
	FILTERING_ADDRESS_DEPENDENT,    /* addresses that the internal endpoint has sessions with, from any port */
	FILTERING_ADDRESS_AND_PORT_DEPENDENT, /* endpoints that it has sessions with */
};

/* What becomes of a TCP segment from inside that belongs to no session and begins none (RFC 5382 §5 leaves it to us). */
enum mid_stream {
	MID_STREAM_ADOPT, /* it makes a session: a connection survives the loss of the table */
	MID_STREAM_RESET, /* its sender gets a RST, and learns at once that the connection is gone */
};

/* What becomes of a SYN from outside for a port of ours that nobody waits at. */
enum unsolicited {
	UNSOLICITED_WAIT, /* no answer for a while, then ICMP 3/3, unless the inside has sent a SYN too (RFC 5382 REQ-4) */
	UNSOLICITED_SILENT, /* no answer (RFC 5382 REQ-4a) */
};

/* What becomes of the two ends of a TCP session that was idle for too long. */
enum expired {
	EXPIRED_SILENT,
	EXPIRED_RESET, /* both get a RST, and learn at once that the connection is gone */
};

/* Interfaces for a purpose. */
enum interfaces_mode {
	INTERFACES_AUTO, /* those that it makes sense for */
	INTERFACES_OFF,
	INTERFACES_LIST,
};

#define MAX_INTERFACES 16
#define IFACE_NAME 16 /* with its NUL */

struct interfaces {
	__u8 mode; /* enum interfaces_mode */
	__u8 num;  /* of a list */
	char iface[MAX_INTERFACES][IFACE_NAME];
};

/* What becomes of an internal endpoint when every port has a mapping. */
enum on_full {
	ON_FULL_SHARE,  /* it gets a port that others use toward other remotes */
	ON_FULL_REFUSE, /* it is refused */
};

/* What an internal client is told when its packet is refused. */
enum icmp_policy {
	ICMP_HOST_UNREACHABLE, /* 3/1 (RFC 6888 REQ-11) */
	ICMP_ADMIN_PROHIBITED, /* 3/13 */
	ICMP_NONE,
};

/* An address that internal hosts are seen as. */
struct external {
	__be32 addr;
	__u32 pool; /* its index in header.pool_addr */
};

struct config {
	__u32 generation;   /* counts configurations, from 1 */
	__be32 source;      /* the address that the kernel gives to sockets of the host that leave by the interface */
	__u32 num_external; /* 0: none at the moment */
	__u32 num_own;
	__u32 num_internal; /* 0: everything that is forwarded is translated */
	__u32 num_slices;
	__u32 num_ports;
	__u32 rest_s;    /* seconds that a freed port rests (RFC 6888 REQ-8); 0: it does not */
	__u32 max_ports; /* quotas of each internal host, for each protocol together; 0: none */
	__u32 max_sessions;
	__u32 max_new_per_s;
	__u8 on_full;       /* enum on_full */
	__u8 spill;         /* a host whose own external address is full may use the others */
	__u8 borrow;        /* no port is used by the host and by the NAT at one time, whatever the remote */
	__u8 icmp;          /* enum icmp_policy */
	__u8 mapping;       /* enum mapping_mode */
	__u8 filtering_tcp; /* enum filtering */
	__u8 filtering_udp;
	__u8 mid_stream;           /* enum mid_stream */
	__u8 unsolicited;          /* enum unsolicited */
	__u8 inbound_refresh;      /* packets from outside keep UDP sessions alive too (RFC 4787 REQ-6a) */
	__u8 expired;              /* enum expired */
	__u8 mss_auto;             /* `mss` was found, not set */
	__u16 mss;                 /* at most this MSS passes in a SYN, in either direction; 0: any */
	struct interfaces hairpin; /* lead to hosts that may send to each other's external endpoints (RFC 4787 REQ-9) */
	struct interfaces fast_path; /* may run it */
	/* of no concern to packets, to be shown */
	__u8 keep;      /* the data plane stays when the daemon ends */
	__u8 below_rfc; /* time-outs may be shorter than the RFCs allow */
	/* xdp makes sessions too; packets that begin one do not come to the firewall */
	__u8 fast_create;
	__u8 unused; /* no padding: configurations are compared whole */
	__u32 num_excluded;
	__u32 num_port_timeouts;
	struct exclusion excluded[MAX_EXCLUDED];
	struct port_timeout port_timeout[MAX_PORT_TIMEOUTS];
	__u32 timeout_s[NUM_TIMEOUT];
	struct external external[MAX_EXTERNAL];
	struct prefix own[MAX_OWN]; /* every address of the external interface, and the external ones */
	struct prefix internal[MAX_INTERNAL];
	struct port_slice slice[MAX_SLICES];
	__u64 ranges[PORT_WORDS];         /* the slices, as a bitmap */
	__u64 ranges_open[SUMMARY_WORDS]; /* which words of it are not 0 */
};

/* ---- ports ---------------------------------------------------------------------------------------------------- */

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

/* ---- the fast path --------------------------------------------------------------------------------------------- */

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
		};
		__u64 word[3]; /* all of it, to copy and compare */
	};
};
_Static_assert(sizeof(struct fast_way) == 24, "no padding");

struct next_hop {
	__u32 generation; /* 0: empty */
	__u32 used;       /* when a packet was last sent by it */
	struct fast_way way;
	/* what it was found as, for the daemon */
	__u32 ifindex; /* the interface that the route leads to: of the VLAN, if that is one */
	__be32 addr;   /* the neighbour */
	__u32 unused[6];
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
	FAST_UP_HOPS,       /* its hop limit ends here */
	FAST_UP_CHECKSUM,   /* its sender left the checksum to a device that was none */
	FAST_UP_NO_SESSION, /* the first packet of a session, or the host's */
	FAST_UP_ROUTE, /* no route, or one that xdp does not take: to the host, or to an interface outside of the fast path */
	FAST_UP_UNWATCHED, /* nobody watches routes and neighbours: the daemon is gone */
	FAST_UP_NEIGHBOUR, /* its next hop's MAC address is not known */
	FAST_UP_TOO_BIG,   /* larger than the MTU of the way on */
	FAST_UP_REFUSED,   /* no session could be created: tc refuses it (--fast-create) */
	FAST_UP_ROOM,      /* no room in the frame for the VLAN tag of the way on */
	FAST_LOST,         /* of those that were sent: not taken by the driver of the way */
	NUM_FAST_REASON,
};

/* ---- unsolicited SYNs ----------------------------------------------------------------------------------------- */

/* SYNs from outside that nobody has asked for wait here to be answered, each once, however often it is repeated. When there are
 * so many, further ones are not answered.
 */
#define MAX_UNSOLICITED 4096
#define UNSOLICITED_QUOTE 128 /* the longest headers have 120 */

struct unsolicited_key {
	__be32 remote;
	__be32 external;
	__be16 remote_port;
	__be16 external_port;
};
_Static_assert(sizeof(struct unsolicited_key) == 12, "no padding");

struct unsolicited_syn {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u32 len;
	__u32 unused;
	__u8 quote[UNSOLICITED_QUOTE]; /* its first bytes, from the IP header on, as it came */
};
_Static_assert(sizeof(struct unsolicited_syn) == 144, "no padding");

/* ---- limits and events ---------------------------------------------------------------------------------------- */

/* How often something was done in the current second of CLOCK_MONOTONIC, and how often it was left undone since the last
 * time it was done: beyond its limit, or because the ring of events was full. The daemon takes `suppressed` when nothing more
 * comes. Index: enum reason for events, LIMIT_ICMP for ICMP errors.
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

/* Something an operator should hear of, or a failure that is kept. Tuple as the packet carried it, or as it would have, zero as
 * far as it could not be parsed; external 0 when none was given. Of a denied call: the process that made it.
 */
#define COMM_LEN 16 /* as in the kernel's task_struct */

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
	__u32 pid; /* 0: not known */
	char comm[COMM_LEN];
	__u8 inbound; /* the packet came from outside: its source is the remote */
	__u8 unused[3];
};
_Static_assert(sizeof(struct event) == 64, "events have no hidden padding");

/* Every failure is kept, whatever the limits, until FAILURE_RING_SIZE newer ones of its kind have come: a ring for each reason
 * from REFUSED_PROTOCOL on, and ring 0 for all packets that were dropped. header.num_failures says how far each has come.
 */
#define FAILURE_RING_SIZE 4096

/* ---- the sweep ------------------------------------------------------------------------------------------------ */

/* What the daemon asks of the sweep program, as the data of a test run. */
enum sweep_op {
	SWEEP_EXPIRE, /* mark what is expired, free what was marked a while ago */
	SWEEP_FLUSH,  /* remove whatever it is */
	SWEEP_QUOTA,  /* remove the quota records of those that have nothing */
};

#define SWEEP_BATCH 512

struct sweep_head {
	__u32 op; /* enum sweep_op */
	__u32 num;
	__u32 store_id; /* of the store that the indexes are of: the program of another does nothing */
	__u32 unused;
};

struct sweep_request {
	struct sweep_head head;
	__u32 index[SWEEP_BATCH]; /* of outbound entries; of SWEEP_QUOTA: internal addresses */
};

#endif
