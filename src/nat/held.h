/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fragments that came before the first one of their datagram (RFC 4787 REQ-14), held until that comes.
 *
 * A ring of bytes: who holds a fragment reserves as many as it needs, and so overwrites the oldest, whatever they were. That
 * bounds the memory, and nothing has to be freed. A ticket is the place of a record since the beginning, with bit 0 set, so
 * that 0 is none. A record is there while the ring has not come round to it: whoever reads one asks for that before he reads
 * and once more afterwards. (A CPU that is overtaken by the whole ring while it writes could spoil a record of another. Its
 * receiver's checksum would tell.)
 *
 * Records are found by a list for each hash of a datagram, newest first. Who follows a list takes off what does not wait any
 * more, so that nobody comes by it again. A record is sent on by the one CPU that turns it from waiting to taken.
 *
 * Neither side can miss the other: who holds a fragment puts it on the list and then asks once more whether the first one is
 * noted; who has a first one notes it and then looks at the list; and there is a full barrier between the two steps of both.
 */
#ifndef BAUTA_HELD_H
#define BAUTA_HELD_H

#include "fragment.h"
#include "hash.h"
#include "platform.h"

#define HELD_RING_SIZE (2u << 20)
#define HELD_ALIGN 64u
#define HELD_MAX_LEN 16384u /* of a frame */
#define HELD_MAX_STEPS 256  /* that a list is followed, and so the most fragments of one datagram */
#define HELD_TRIES 8        /* to get on a list */
#define NUM_HELD_LIST 4096
#define HELD_SALT 0x68656c64

enum held_state {
	HELD_EMPTY, /* being written */
	HELD_WAITING,
	HELD_TAKEN,
};

struct held {
	struct fragment_key key;
	__u32 state; /* enum held_state */
	__u64 older; /* ticket of the next record of the list; 0: there is none */
	__u64 next;  /* of those that one CPU has taken: the one that is sent after this */
	__u32 since_s;
	__u32 len; /* of the frame, whose bytes follow */
	__u32 unused[6];
};
_Static_assert(sizeof(struct held) == HELD_ALIGN, "its bytes begin aligned");

struct held_ring {
	__u64 head; /* bytes reserved, ever */
	__u64 list[NUM_HELD_LIST];
	__u8 bytes[HELD_RING_SIZE + sizeof(struct held) + HELD_MAX_LEN] __attribute__((aligned(HELD_ALIGN)));
};

static __always_inline bool held_key_equal(const struct fragment_key *a, const struct fragment_key *b)
{
	return a->src == b->src && a->dst == b->dst && a->id == b->id && a->proto == b->proto &&
	       a->direction == b->direction;
}

static __always_inline struct held *held_at(struct held_ring *ring, __u64 ticket)
{
	return (struct held *)(ring->bytes + (ticket & (HELD_RING_SIZE - HELD_ALIGN)));
}

/* Whether the ring has not come round to a record yet. */
static __always_inline bool held_is_there(const struct held_ring *ring, __u64 ticket)
{
	return ticket && READ_ONCE(ring->head) - ticket < HELD_RING_SIZE;
}

/* The same after it has been read, which is done by then. */
static __always_inline bool held_was_there(struct held_ring *ring, __u64 ticket)
{
	return platform_take64(&ring->head, 0) - ticket < HELD_RING_SIZE;
}

static __always_inline __u64 *held_list(struct held_ring *ring, const struct fragment_key *key)
{
	__u64 hash = hash_words(key->src, key->dst, (__u32)key->id << 16 | key->proto << 8 | key->direction, HELD_SALT,
				platform_shape()->hash_key);

	return &ring->list[hash % NUM_HELD_LIST];
}

/* Reserves a record for a frame of `len` bytes, at most HELD_MAX_LEN, which the caller writes behind it. */
static __always_inline __u64 held_reserve(struct held_ring *ring, const struct fragment_key *key, __u32 len)
{
	__u32 size = (sizeof(struct held) + len + HELD_ALIGN - 1) & ~(HELD_ALIGN - 1);
	__u64 ticket = platform_take64(&ring->head, size) | 1;
	struct held *held = held_at(ring, ticket);

	held->key = *key;
	held->state = HELD_EMPTY;
	held->next = 0;
	held->since_s = platform_now();
	held->len = len;
	return ticket;
}

/* Puts a record that has been written on its list; false if others keep coming between. */
static __always_inline bool held_publish(struct held_ring *ring, __u64 ticket)
{
	struct held *held = held_at(ring, ticket);
	__u64 *list = held_list(ring, &held->key);

	held->state = HELD_WAITING;
	for (__u64 i = 0; i < HELD_TRIES; i++) {
		__u64 first = READ_ONCE(*list);

		OPTIMIZER_HIDE_VAR(i);
		held->older = first;
		if (platform_cmpxchg64(list, first, ticket) == first)
			return true;
	}
	return false;
}

/* True for exactly one of those who want a record. */
static __always_inline bool held_take(struct held *held)
{
	return platform_cmpxchg(&held->state, HELD_WAITING, HELD_TAKEN) == HELD_WAITING;
}

/* Following a list, and taking what waits for one datagram. */
struct held_walk {
	struct fragment_key key;
	__u32 timeout_s;
	__u64 newest; /* ticket that the list began with */
	__u64 ticket; /* where it is */
	__u64 oldest; /* of those that were taken; the others follow by `next`, in the order in which they came */
	__u64 kept;   /* ticket of the last record that waits for another datagram; 0: there was none yet */
	__u64 link;   /* what followed that one */
	__u32 num;    /* how many were taken */
	__u8 done;    /* it has come to the end */
};

/* Where the list of a datagram begins. A caller who must miss nobody has noted the first fragment before. */
static __always_inline __u64 held_begin(struct held_ring *ring, const struct fragment_key *key)
{
	return platform_take64(held_list(ring, key), 0);
}

/* Lets the record `to`, or nobody, follow the last one that still waits. A ticket comes but once: if somebody has changed the
 * list there, it stays as he left it, and the next who follows it will come by here.
 */
static __always_inline void held_link(const struct held_walk *walk, struct held_ring *ring, __u64 to)
{
	if (!walk->kept) {
		if (walk->newest != to)
			platform_cmpxchg64(held_list(ring, &walk->key), walk->newest, to);
	} else if (walk->link != to && held_is_there(ring, walk->kept)) {
		platform_cmpxchg64(&held_at(ring, walk->kept)->older, walk->link, to);
	}
}

/* One record. Returns 1 at the end of the list. */
static __always_inline long held_step(struct held_walk *walk, struct held_ring *ring)
{
	__u64 ticket = walk->ticket;
	struct held *held = held_at(ring, ticket);
	struct fragment_key key;
	__u32 state, since_s;
	__u64 older;

	walk->done = 1;
	if (!held_is_there(ring, ticket))
		return 1;
	key = held->key;
	older = READ_ONCE(held->older);
	state = READ_ONCE(held->state);
	since_s = held->since_s;
	/* those behind it have waited longer still */
	if (!held_was_there(ring, ticket) || platform_now() - since_s > walk->timeout_s)
		return 1;
	if (state == HELD_WAITING && !held_key_equal(&key, &walk->key)) {
		held_link(walk, ring, ticket);
		walk->kept = ticket;
		walk->link = older;
	} else if (state == HELD_WAITING && held_take(held)) {
		held->next = walk->oldest;
		walk->oldest = ticket;
		walk->num++;
	}
	walk->ticket = older;
	walk->done = 0;
	return 0;
}

/* To be called behind the last step: what was taken there comes off the list too. */
static __always_inline void held_end(const struct held_walk *walk, struct held_ring *ring)
{
	held_link(walk, ring, walk->done ? 0 : walk->ticket);
}

#endif
