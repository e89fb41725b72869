/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The store: one table that holds an entry for each direction of every session and mapping.
 *
 * Where an entry is. Two candidate buckets of four from one keyed hash of its key (tuple and direction), first fit; a
 * third in the stash, a small region behind the table, when both are full and nothing could be moved.
 *
 * Who may write. The entries of a pair belong to one lock, the stripe chosen by protocol and remote endpoint, which
 * both directions share. Under it a pair is inserted, moved and removed; so whoever holds it sees whole pairs only, and
 * "insert if absent" is the one arbiter of who owns an external tuple. Stripes share buckets, therefore a free slot is
 * taken by a compare-and-exchange of its life word, FREE to BUSY. A packet takes no lock: it reads, and changes nothing
 * but the life word, by compare-and-exchange, and only while the entry is LIVE or DYING.
 *
 * What a packet may see.
 *  - inserting: BUSY until all fields are written, inbound LIVE first, then outbound; a reply cannot come before.
 *  - moving from the first bucket to the second (copy before clear): both copies, or the new one; as it looks into the
 *    first bucket first it never sees none. Moving home, from the second to the first, it may look into each at the wrong moment:
 *    so a move home is counted between copy and clear, and who finds nothing looks again if the count has changed since before it
 *    looked (store_find). It may have matched the old copy just before that was cleared and taken by another pair: so
 *    after it has read the new endpoint it compares the key once more (store_read), and if it is gone looks again,
 *    once (store_get). Key before endpoint is also the order in which a removed entry is cleared.
 *    A change of the life word of the old copy after the move is lost: at most one second of idle time, or a TCP
 *    flag that the next segment repeats.
 *  - removing: from the moment when both are BUSY, none.
 * On x86 loads and stores keep these orders by themselves; elsewhere the atomics of the life word, full barriers all,
 * stand between them on the writer's side.
 */
#ifndef BAUTA_STORE_H
#define BAUTA_STORE_H

#include "hash.h"
#include "life.h"
#include "platform.h"
#include "tuple.h"

/* What identifies an entry: the tuple its packets carry, and their direction (0 or ENTRY_INBOUND). */
struct key {
	struct tuple tuple;
	__u8 direction;
};

/* A session, a mapping (remote 0.0.0.0:0) or a permit (remote ADDRESS:0, PROTO_PERMIT), as one record: both entries follow
 * from it.
 */
struct pair {
	struct endpoint internal;
	struct endpoint external;
	struct endpoint remote;
	__u8 proto;
	__u8 flags; /* enum entry_flag without ENTRY_INBOUND */
	__u8 unused[2];
};

/* The buckets where a key may be: first choice, second choice, stash. */
struct place {
	__u32 bucket[3];
};

static __always_inline struct key pair_key(const struct pair *pair, __u8 direction)
{
	struct key key = { .direction = direction };

	key.tuple.proto = pair->proto;
	if (direction == ENTRY_INBOUND) {
		key.tuple.src = pair->remote.addr;
		key.tuple.sport = pair->remote.port;
		key.tuple.dst = pair->external.addr;
		key.tuple.dport = pair->external.port;
	} else {
		key.tuple.src = pair->internal.addr;
		key.tuple.sport = pair->internal.port;
		key.tuple.dst = pair->remote.addr;
		key.tuple.dport = pair->remote.port;
	}
	return key;
}

/* The pair that an entry belongs to, as far as the entry tells: all of it. */
static __always_inline struct pair entry_pair(const struct entry *entry)
{
	struct endpoint src = { .addr = READ_ONCE(entry->src), .port = READ_ONCE(entry->sport) };
	struct endpoint dst = { .addr = READ_ONCE(entry->dst), .port = READ_ONCE(entry->dport) };
	struct endpoint new = { .addr = READ_ONCE(entry->new_addr), .port = READ_ONCE(entry->new_port) };
	__u8 flags = READ_ONCE(entry->flags);
	bool inbound = flags & ENTRY_INBOUND;
	struct pair pair = {
		.internal = inbound ? new : src,
		.external = inbound ? dst : new,
		.remote = inbound ? src : dst,
		.proto = READ_ONCE(entry->proto),
		.flags = flags & ~ENTRY_INBOUND,
	};

	return pair;
}

static __always_inline struct place store_place(const struct key *key)
{
	const volatile struct store_shape *shape = platform_shape();
	const struct tuple *t = &key->tuple;
	__u64 hash = hash_words(t->src, t->dst, t->ports, t->proto | key->direction << 8, shape->hash_key);
	__u32 num = shape->num_buckets;
	struct place place;
	__u64 differs;

	place.bucket[0] = hash_scale(hash, num);
	place.bucket[1] = hash_scale(hash >> 32, num);
	/* If it is the same bucket, the one before it, in a circle. Without branches, which the verifier would follow through all
	 * that comes after; and hidden, or the compiler makes some.
	 */
	differs = place.bucket[0] ^ place.bucket[1];
	OPTIMIZER_HIDE_VAR(differs);
	place.bucket[1] -= (differs - 1) >> 63;
	place.bucket[1] += num & -(place.bucket[1] >> 31);
	place.bucket[2] = num + hash_scale(hash >> 16, shape->num_stash);
	return place;
}

/* The lock of a pair. Not a secret: aiming at one lock costs an attacker's own sessions most. */
static __always_inline struct stripe *store_stripe(__u8 proto, struct endpoint remote)
{
	__u32 mix = (remote.addr ^ ((__u32)remote.port << 16) ^ proto) * 0x9e3779b1u;

	return platform_stripe(mix >> 24);
}

/* NULL only for an index outside the table. */
static __always_inline struct entry *store_entry(__u32 index)
{
	struct bucket *bucket = platform_bucket(index / BUCKET_ENTRIES);

	return bucket ? &bucket->entry[index % BUCKET_ENTRIES] : NULL;
}

static __always_inline bool entry_has_key(struct entry *entry, const struct key *key)
{
	return READ_ONCE(entry->addrs) == key->tuple.addrs && READ_ONCE(entry->ports) == key->tuple.ports &&
	       READ_ONCE(entry->proto) == key->tuple.proto &&
	       (READ_ONCE(entry->flags) & ENTRY_INBOUND) == key->direction;
}

/* Slot of the visible entry with this key, or -1. Makes no call: fit for use under a lock. */
static __always_inline int bucket_find(struct bucket *bucket, const struct key *key)
{
	for (int slot = 0; slot < BUCKET_ENTRIES; slot++)
		if (entry_has_key(&bucket->entry[slot], key) && life_is_visible(READ_ONCE(bucket->entry[slot].life)))
			return slot;
	return -1;
}

/* The same, of the whole table. An entry that has come home into its first bucket while we were between the two is missed. */
static __always_inline __u32 store_look(const struct key *key, const struct place *place, struct header *header)
{
	for (int i = 0; i < 3; i++) {
		struct bucket *bucket;
		int slot;

		if (i == 2 && !READ_ONCE(header->num_stashed))
			break;
		bucket = platform_bucket(place->bucket[i]);
		if (!bucket)
			break;
		slot = bucket_find(bucket, key);
		if (slot >= 0)
			return place->bucket[i] * BUCKET_ENTRIES + slot;
	}
	return INDEX_NONE;
}

/* Index of the visible entry with this key, or INDEX_NONE. Looks again if any entry came home meanwhile. */
static __always_inline __u32 store_find(const struct key *key)
{
	struct place place = store_place(key);
	struct header *header = platform_header();
	__u32 index = INDEX_NONE;

	if (!header)
		return INDEX_NONE;
	for (int i = 0; i < 2; i++) {
		__u32 homed = READ_ONCE(header->num_homed);

		index = store_look(key, &place, header);
		if (index != INDEX_NONE || READ_ONCE(header->num_homed) == homed)
			break;
	}
	return index;
}

/* Reads what a packet with this key becomes. False when the entry has been taken by another key meanwhile (moved or
 * removed while we looked): then there is nothing to be had from this index.
 */
static __always_inline bool store_read(struct entry *entry, const struct key *key, struct endpoint *ret_new,
				       __u8 *ret_flags)
{
	struct endpoint new = {
		.addr = READ_ONCE(entry->new_addr),
		.port = READ_ONCE(entry->new_port),
	};
	__u8 flags = READ_ONCE(entry->flags);

	if (!entry_has_key(entry, key))
		return false;
	*ret_new = new;
	*ret_flags = flags;
	return true;
}

/* Begins to bring the buckets of a key into the cache: whoever looks up several keys one after the other waits for all of them
 * at once. What is read is of no account.
 */
static __always_inline void store_warm(const struct key *key)
{
	struct place place = store_place(key);

	for (int i = 0; i < 2; i++) {
		struct bucket *bucket = platform_bucket(place.bucket[i]);

		if (!bucket)
			return;
		READ_ONCE(bucket->entry[0].life);
		READ_ONCE(bucket->entry[BUCKET_ENTRIES / 2].life);
	}
}

/* What a packet gets from the store. */
struct found {
	struct entry *entry;
	struct endpoint new;
	__u32 life; /* as it was when the key stood in the entry */
	__u32 next_hop;
	__u8 flags;
};

/* Both words of an entry's key, and what stands beside it in the second, as its fields and as a word. */
union entry_rest {
	struct entry entry;
	struct {
		__u64 addrs;
		__u64 rest;
	};
};

/* What of the second word is the key's. */
static __always_inline __u64 rest_mask(void)
{
	const union entry_rest mask = { .entry = { .ports = 0xffffffff, .proto = 0xff, .flags = ENTRY_INBOUND } };

	return mask.rest;
}

/* 1 if it is not 0, without a branch. */
static __always_inline __u64 is_set(__u64 word)
{
	return (word | -word) >> 63;
}

/* Reads the entry with this key, if nothing is in its way: it is the first in its bucket with these ports. All slots are looked
 * at together, without a branch that depends on which one it is: nobody could foretell that. The addresses are read last: they
 * are the first to go (entry_clear) and the last to come (entry_write), so what was read before them is the session's.
 */
static __always_inline bool bucket_get(struct bucket *bucket, const union entry_rest *key, struct found *ret_found)
{
	__u64 a = is_set((READ_ONCE(bucket->entry[0].rest) & rest_mask()) ^ key->rest);
	__u64 b = is_set((READ_ONCE(bucket->entry[1].rest) & rest_mask()) ^ key->rest) & a;
	__u64 c = is_set((READ_ONCE(bucket->entry[2].rest) & rest_mask()) ^ key->rest) & b;
	struct entry *entry = &bucket->entry[(a + b + c) & (BUCKET_ENTRIES - 1)];
	union entry_rest there = { .entry.next_hop_life = READ_ONCE(entry->next_hop_life) };

	ret_found->new.addr = READ_ONCE(entry->new_addr);
	there.rest = READ_ONCE(entry->rest);
	there.addrs = READ_ONCE(entry->addrs);
	ret_found->entry = entry;
	ret_found->new.port = there.entry.new_port;
	ret_found->flags = there.entry.flags;
	ret_found->life = there.entry.life;
	ret_found->next_hop = there.entry.next_hop;
	return there.addrs == key->addrs && (there.rest & rest_mask()) == key->rest && life_is_visible(ret_found->life);
}
_Static_assert(BUCKET_ENTRIES == 4, "bucket_get has a term for each slot but the last");

/* Like store_get, in fewer steps, and it may miss: when false, ask store_get. */
static __always_inline bool store_get_soon(const struct key *key, struct found *ret_found)
{
	struct place place = store_place(key);
	const union entry_rest wanted = {
		.entry = { .addrs = key->tuple.addrs,
			   .ports = key->tuple.ports,
			   .proto = key->tuple.proto,
			   .flags = key->direction },
	};
	struct bucket *bucket = platform_bucket(place.bucket[0]);

	if (!bucket)
		return false;
	if (bucket_get(bucket, &wanted, ret_found))
		return true;
	bucket = platform_bucket(place.bucket[1]);
	return bucket && bucket_get(bucket, &wanted, ret_found);
}

/* Finds the entry with this key and reads it; false if there is none. What was found may have been moved before it was read;
 * then it is in its other bucket, and is found there.
 */
static __always_inline bool store_get(const struct key *key, struct found *ret_found)
{
	for (int i = 0; i < 2; i++) {
		__u32 index = store_find(key);
		__u32 life, next_hop;
		struct entry *entry;

		if (index == INDEX_NONE)
			return false;
		entry = store_entry(index);
		if (!entry)
			return false;
		life = READ_ONCE(entry->life);
		next_hop = READ_ONCE(entry->next_hop);
		if (life_is_visible(life) && store_read(entry, key, &ret_found->new, &ret_found->flags)) {
			ret_found->entry = entry;
			ret_found->life = life;
			ret_found->next_hop = next_hop;
			return true;
		}
	}
	return false;
}

/* Notes a packet in the life of what it found: at most once a second, and when its flags are news. If the entry has been
 * taken by another pair since, its life has changed, and stays as it is.
 */
static __always_inline void store_touch(const struct found *found, __u32 tcp_flags)
{
	__u32 after = life_after(found->life, found->flags & ENTRY_INBOUND, tcp_flags, platform_now());
	__u32 life;

	if (found->life == after)
		return;
	life = platform_cmpxchg(&found->entry->life, found->life, after);
	/* Lost to another packet: the next one makes it good. Lost to the sweep, which has just marked it: we came first. */
	if (life != found->life && life_phase(life) == PHASE_DYING)
		platform_cmpxchg(&found->entry->life, life, after);
}

union next_hop_life {
	struct {
		__u32 next_hop;
		__u32 life;
	};
	__u64 word;
};

#define UNROUTE_TRIES 8 /* as many packets may note something in a life meanwhile */

/* Takes back what store_route() has noted in the entry of another session. */
static __always_inline void store_unroute(struct entry *entry, __u32 next_hop)
{
	for (int i = 0; i < UNROUTE_TRIES; i++) {
		union next_hop_life old = { .word = READ_ONCE(entry->next_hop_life) }, new = { .life = old.life };

		if (old.next_hop != next_hop || !(old.life & LIFE_SESSION) ||
		    platform_cmpxchg64(&entry->next_hop_life, old.word, new.word) == old.word)
			return;
	}
}

/* Notes where packets like the one that found it go on. Only into the entry of a session, never into the references of a mapping
 * that has taken its place: the two are told apart by their life words. If another session has taken it, with this very life,
 * the note is taken back, and until then one packet of that session may be sent astray.
 */
static __always_inline void store_route(const struct found *found, const struct key *key, __u32 next_hop)
{
	struct entry *entry = found->entry;
	union next_hop_life old, new;

	old.next_hop = found->next_hop;
	old.life = READ_ONCE(entry->life);
	if (!(old.life & LIFE_SESSION) || !life_is_visible(old.life) || !entry_has_key(entry, key))
		return;
	new.next_hop = next_hop;
	new.life = old.life;
	if (platform_cmpxchg64(&entry->next_hop_life, old.word, new.word) == old.word && !entry_has_key(entry, key))
		store_unroute(entry, next_hop);
}

/* Whether entries may come, go and move. Asked once, before the first step of what takes several: whoever freezes the store waits
 * for all who have begun.
 */
static __always_inline bool store_is_writable(void)
{
	struct header *header = platform_header();

	return header && READ_ONCE(header->writable) == platform_shape()->store_id;
}

static __always_inline bool index_is_stash(__u32 index)
{
	return index / BUCKET_ENTRIES >= platform_shape()->num_buckets;
}

#endif
