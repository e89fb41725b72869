/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The records of the table: entries of sessions, mappings and permits, and the clock that they are stamped by. Read contract.h
 * first.
 */
#ifndef BAUTA_CONTRACT_ENTRY_H
#define BAUTA_CONTRACT_ENTRY_H

#include <linux/types.h>
#include <stddef.h>

/* ---- the store ------------------------------------------------------------------------------------------------- */

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
	RESIZE_COPYING, /* whoever changes more of a pair than life words sets its outbound entry's bit in `dirty` */
	RESIZE_FROZEN,  /* the same; and no new program begins to do that (header.writable) */
};

#define STORE_NONE 0xffffffffu

/* ---- clock ----------------------------------------------------------------------------------------------------- */

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

#endif
