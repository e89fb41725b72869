/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing to the store: pairs that come and go, and the references that mappings and permits go by. store.h says what a
 * reader may see meanwhile.
 */
#ifndef BAUTA_STORE_WRITE_H
#define BAUTA_STORE_WRITE_H

#include "pool.h"
#include "store.h"

enum insert_result {
	INSERT_DONE,
	INSERT_TAKEN,       /* the inbound tuple has an owner */
	INSERT_EXISTS,      /* the outbound tuple has a pair already */
	INSERT_NO_ROOM_IN,  /* no free slot for the inbound entry */
	INSERT_NO_ROOM_OUT, /* no free slot for the outbound entry */
};

/* Tells who copies the store that the pair with its outbound entry at `index` has changed, come or gone. After the fact and
 * outside of the lock: whoever copies waits for all who write before he believes that no bit is missing.
 */
static __always_inline void store_mark(struct header *header, __u32 index)
{
	__u32 bucket = index / BUCKET_ENTRIES;
	__u64 *word;

	if (READ_ONCE(header->resize) == RESIZE_NONE)
		return;
	word = platform_dirty(bucket / DIRTY_BITS);
	if (word)
		platform_or64(word, 1ull << bucket % DIRTY_BITS);
}

/* Choosing among the slots of a bucket without a branch for each: the verifier follows every branch, and all that comes behind
 * it, once more. (A packet, which finds its entry among the first, is better served by bucket_find.) A set of slots is a bit for
 * each: 1 << slot if the word is 0.
 */
static __always_inline __u32 slot_if_zero(__u32 slot, __u32 word)
{
	__u64 wide = word;

	/* or the compiler finds the branch again */
	OPTIMIZER_HIDE_VAR(wide);
	return ((wide - 1) >> 63) << slot;
}

/* The first of a set that is not empty: two bits for each set. */
static __always_inline int slot_first(__u32 set)
{
	_Static_assert(BUCKET_ENTRIES == 4, "a set has four bits");
	return 0x12131210u >> (set & 15) * 2 & 3;
}

static __always_inline __u32 bucket_free(struct bucket *bucket)
{
	__u32 set = 0;

	_Static_assert(PHASE_FREE == 0, "a life of 0 is a free slot");
	for (int slot = 0; slot < BUCKET_ENTRIES; slot++)
		set |= slot_if_zero(slot, READ_ONCE(bucket->entry[slot].life));
	return set;
}

static __always_inline bool bucket_has_room(struct bucket *bucket)
{
	return bucket_free(bucket);
}

/* Takes a free slot: its number, or -1; that also if somebody else takes it at this moment. Makes no call. */
static __always_inline int bucket_take(struct bucket *bucket)
{
	__u32 set = bucket_free(bucket);
	int slot = slot_first(set);

	if (!set || platform_cmpxchg(&bucket->entry[slot].life, PHASE_FREE, PHASE_BUSY) != PHASE_FREE)
		return -1;
	return slot;
}

/* Writes the fields of an entry that is ours (BUSY), all but its life. */
static __always_inline void entry_write(struct entry *entry, const struct key *key, struct endpoint new, __u8 flags,
					__u32 twin, __u32 refs)
{
	WRITE_ONCE(entry->new_addr, new.addr);
	WRITE_ONCE(entry->new_port, new.port);
	WRITE_ONCE(entry->twin, twin);
	WRITE_ONCE(entry->refs, refs);
	WRITE_ONCE(entry->flags, flags | key->direction);
	WRITE_ONCE(entry->proto, key->tuple.proto);
	WRITE_ONCE(entry->ports, key->tuple.ports);
	WRITE_ONCE(entry->addrs, key->tuple.addrs);
}

/* Makes an entry that is ours (BUSY) free: key first (see store_read), life last. */
static __always_inline void entry_clear(struct entry *entry)
{
	WRITE_ONCE(entry->addrs, 0);
	WRITE_ONCE(entry->ports, 0);
	WRITE_ONCE(entry->proto, 0);
	WRITE_ONCE(entry->flags, 0);
	WRITE_ONCE(entry->new_addr, 0);
	WRITE_ONCE(entry->new_port, 0);
	WRITE_ONCE(entry->twin, 0);
	WRITE_ONCE(entry->refs, 0);
	platform_xchg(&entry->life, PHASE_FREE);
}

/* The three buckets of a key, looked up before a lock is taken. */
struct shelf {
	struct place place;
	struct bucket *bucket[3];
};

static __always_inline bool shelf_open(struct shelf *shelf, const struct key *key)
{
	shelf->place = store_place(key);
	for (int i = 0; i < 3; i++) {
		shelf->bucket[i] = platform_bucket(shelf->place.bucket[i]);
		if (!shelf->bucket[i])
			return false;
	}
	return true;
}

_Static_assert(PHASE_LIVE == 2 && PHASE_DYING == 3 && LIFE_PHASE_MASK == 3,
	       "the bit of PHASE_LIVE says what is visible");

/* What bucket_find finds. */
static __always_inline int shelf_find_in(struct bucket *bucket, const struct key *key)
{
	__u32 set = 0;

	for (int slot = 0; slot < BUCKET_ENTRIES; slot++) {
		struct entry *entry = &bucket->entry[slot];
		__u64 addrs = READ_ONCE(entry->addrs) ^ key->tuple.addrs;
		__u32 differs = addrs | addrs >> 32;

		differs |= READ_ONCE(entry->ports) ^ key->tuple.ports;
		differs |= READ_ONCE(entry->proto) ^ key->tuple.proto;
		differs |= (READ_ONCE(entry->flags) & ENTRY_INBOUND) ^ key->direction;
		differs |= ~READ_ONCE(entry->life) & PHASE_LIVE;
		set |= slot_if_zero(slot, differs);
	}
	return set ? slot_first(set) : -1;
}

/* The visible entry with this key; NULL when there is none. No loop, as in shelf_take. */
static __always_inline struct entry *shelf_find(const struct shelf *shelf, const struct key *key, __u32 *ret_index)
{
	struct bucket *bucket = shelf->bucket[0];
	__u32 number = shelf->place.bucket[0];
	int slot = shelf_find_in(bucket, key);

	if (slot < 0) {
		bucket = shelf->bucket[1];
		number = shelf->place.bucket[1];
		slot = shelf_find_in(bucket, key);
	}
	if (slot < 0) {
		bucket = shelf->bucket[2];
		number = shelf->place.bucket[2];
		slot = shelf_find_in(bucket, key);
	}
	if (slot < 0)
		return NULL;
	slot &= BUCKET_ENTRIES - 1;
	*ret_index = number * BUCKET_ENTRIES + slot;
	return &bucket->entry[slot];
}

/* `stash`: something is in the stash, read under the lock of the key's pair, without which nothing of this key comes there. Its
 * line is none that another key would have brought into the cache.
 */
static __always_inline bool shelf_has(const struct shelf *shelf, const struct key *key, bool stash)
{
	return shelf_find_in(shelf->bucket[0], key) >= 0 || shelf_find_in(shelf->bucket[1], key) >= 0 ||
	       (stash && shelf_find_in(shelf->bucket[2], key) >= 0);
}

/* Takes a free slot, in the stash only if `stash`; NULL when there is none. No loop: the verifier of 6.1 refuses one that
 * the compiler enters in its middle.
 */
static __always_inline struct entry *shelf_take(const struct shelf *shelf, bool stash, __u32 *ret_index)
{
	struct bucket *bucket = shelf->bucket[0];
	__u32 number = shelf->place.bucket[0];
	int slot = bucket_take(bucket);

	if (slot < 0) {
		bucket = shelf->bucket[1];
		number = shelf->place.bucket[1];
		slot = bucket_take(bucket);
	}
	if (slot < 0 && stash) {
		bucket = shelf->bucket[2];
		number = shelf->place.bucket[2];
		slot = bucket_take(bucket);
	}
	if (slot < 0)
		return NULL;
	slot &= BUCKET_ENTRIES - 1;
	*ret_index = number * BUCKET_ENTRIES + slot;
	return &bucket->entry[slot];
}

/* Which of the header's numbers counts this kind of pair. */
static __always_inline __u64 *pair_count(struct header *header, const struct pair *pair)
{
	if (pair->proto & PROTO_PERMIT)
		return &header->num_permits;
	return pair->flags & ENTRY_MAPPING ? &header->num_mappings : &header->num_sessions;
}

/* The pool that notes the port of a mapping; NULL for other pairs. */
static __always_inline struct pool *pair_pool(const struct pair *pair)
{
	if (!(pair->flags & ENTRY_MAPPING) || (pair->proto & PROTO_PERMIT))
		return NULL;
	return pool_of(pair->external.addr, pair->proto);
}

/* Inserts both entries of a pair if neither tuple has one; this is the claim of the external tuple. `life` is the first life of
 * both (the outbound one with the flags of the packet that made it), `refs` the references on a new mapping, or the next hop of
 * a session. With `stash` a slot in the stash will do. On anything but INSERT_DONE nothing has changed.
 */
SLOW_PATH enum insert_result store_insert(const struct pair *pair, __u32 in_life, __u32 out_life, __u32 refs,
					  bool stash)
{
	struct header *header = platform_header();
	enum insert_result result = INSERT_DONE;
	__u32 in_index = 0, out_index = 0, kind;
	struct shelf in_shelf, out_shelf;
	struct key in_key, out_key;
	struct stripe *stripe;
	struct entry *in, *out;
	struct pool *pool;
	bool stashed;

	if (!pair)
		return INSERT_NO_ROOM_IN;
	kind = pair->flags & ENTRY_MAPPING ? 0 : LIFE_SESSION;
	pool = pair_pool(pair);
	in_key = pair_key(pair, ENTRY_INBOUND);
	out_key = pair_key(pair, 0);
	stripe = store_stripe(pair->proto, pair->remote);
	if (!stripe || !header || !shelf_open(&in_shelf, &in_key) || !shelf_open(&out_shelf, &out_key))
		return INSERT_NO_ROOM_IN;

	platform_lock(stripe);
	stashed = READ_ONCE(header->num_stashed);
	if (shelf_has(&in_shelf, &in_key, stashed)) {
		result = INSERT_TAKEN;
		goto out;
	}
	if (shelf_has(&out_shelf, &out_key, stashed)) {
		result = INSERT_EXISTS;
		goto out;
	}
	in = shelf_take(&in_shelf, stash, &in_index);
	if (!in) {
		result = INSERT_NO_ROOM_IN;
		goto out;
	}
	out = shelf_take(&out_shelf, stash, &out_index);
	if (!out) {
		entry_clear(in);
		result = INSERT_NO_ROOM_OUT;
		goto out;
	}
	entry_write(in, &in_key, pair->internal, pair->flags, out_index, 0);
	entry_write(out, &out_key, pair->external, pair->flags, in_index, refs);
	if (index_is_stash(in_index))
		platform_add32(&header->num_stashed, 1);
	if (index_is_stash(out_index))
		platform_add32(&header->num_stashed, 1);
	pool_take(pool, be16_to_cpu(pair->external.port));
	platform_xchg(&in->life, in_life | kind);
	platform_xchg(&out->life, out_life | kind);
out:
	platform_unlock(stripe);
	if (result != INSERT_DONE)
		return result;
	store_mark(header, out_index);
	platform_add64(pair_count(header, pair), 1);
	return result;
}

enum remove_mode {
	REMOVE_DYING, /* only if both that count are DYING since `grace_s` or more; else both live on */
	REMOVE_NOW,   /* whatever they are; not a mapping */
};

static __always_inline bool entry_is_due(__u32 life, __u32 now, __u32 grace_s)
{
	return life_phase(life) == PHASE_DYING && life_idle(life, now) >= grace_s;
}

/* Makes both entries of a pair BUSY, or neither. Under the pair's lock, so only packets can interfere: one that came
 * since the pair was marked DYING has made its entry LIVE, and wins, if packets of its direction count.
 *
 * The outbound entry comes first. An outbound packet that misses it because of that wants to create a session, waits for
 * our lock, and then learns what became of the pair. An inbound packet that finds nothing is the host's, and a TCP segment
 * then is answered by a RST: so the inbound entry goes only if nothing can bring the outbound one back.
 */
static __always_inline bool pair_seize(struct entry *out, struct entry *in, __u8 proto, bool inbound_refresh, __u32 now,
				       __u32 grace_s)
{
	__u32 out_life = READ_ONCE(out->life);
	__u32 in_life = READ_ONCE(in->life);
	bool in_counts = life_counts_inbound(proto, out_life, inbound_refresh);

	if (entry_is_due(out_life, now, grace_s) && (!in_counts || entry_is_due(in_life, now, grace_s)) &&
	    platform_cmpxchg(&out->life, out_life, PHASE_BUSY) == out_life) {
		if (!in_counts) {
			platform_xchg(&in->life, PHASE_BUSY);
			return true;
		}
		if (platform_cmpxchg(&in->life, in_life, PHASE_BUSY) == in_life)
			return true;
		platform_xchg(&out->life, out_life);
	}
	/* Revive the one that the packet did not touch. Its time of marking stands for its last-seen. */
	out_life = READ_ONCE(out->life);
	in_life = READ_ONCE(in->life);
	if (life_phase(out_life) == PHASE_LIVE && life_phase(in_life) == PHASE_DYING)
		platform_cmpxchg(&in->life, in_life, (in_life & ~LIFE_PHASE_MASK) | PHASE_LIVE);
	if (in_counts && life_phase(in_life) == PHASE_LIVE && life_phase(out_life) == PHASE_DYING)
		platform_cmpxchg(&out->life, out_life, (out_life & ~LIFE_PHASE_MASK) | PHASE_LIVE);
	return false;
}

/* Removes the pair that the entry at `index` belongs to, which must be `expect`, flags and all (someone may have removed or
 * moved it since the caller looked, or while he did). True if it is gone, and then by this call.
 */
SLOW_PATH bool store_remove(__u32 index, const struct pair *expect, enum remove_mode mode, __u32 grace_s)
{
	struct header *header = platform_header();
	const struct config *cfg = platform_config();
	struct entry *entry = store_entry(index);
	__u32 now = platform_now();
	bool inbound_refresh, removed = false;
	struct stripe *stripe;
	struct entry *twin;
	__u32 twin_index;
	struct key key;

	/* a mapping goes by its references: it may have taken the slot of a session that was seen there */
	if (!expect || (expect->flags & ENTRY_MAPPING))
		return false;
	stripe = store_stripe(expect->proto, expect->remote);
	if (!stripe || !header || !entry)
		return false;
	twin_index = READ_ONCE(entry->twin);
	twin = store_entry(twin_index);
	if (!twin)
		return false;
	key = pair_key(expect, READ_ONCE(entry->flags) & ENTRY_INBOUND);
	inbound_refresh = cfg && cfg->inbound_refresh;

	platform_lock(stripe);
	/* Now nobody else changes this pair. That the two still point at each other and the key still stands is the
	 * proof that they are a pair, and this one.
	 */
	if (!life_is_visible(READ_ONCE(entry->life)) || !entry_has_key(entry, &key) ||
	    READ_ONCE(entry->flags) != (expect->flags | key.direction) ||
	    READ_ONCE(entry->new_addr) != (key.direction ? expect->internal.addr : expect->external.addr) ||
	    READ_ONCE(entry->new_port) != (key.direction ? expect->internal.port : expect->external.port) ||
	    READ_ONCE(entry->twin) != twin_index || READ_ONCE(twin->twin) != index)
		goto out;
	switch (mode) {
	case REMOVE_DYING:
		removed = pair_seize(key.direction ? twin : entry, key.direction ? entry : twin, expect->proto,
				     inbound_refresh, now, grace_s);
		break;
	case REMOVE_NOW:
		platform_xchg(&entry->life, PHASE_BUSY);
		platform_xchg(&twin->life, PHASE_BUSY);
		removed = true;
		break;
	}
	if (!removed)
		goto out;
	if (index_is_stash(index))
		platform_add32(&header->num_stashed, -1);
	if (index_is_stash(twin_index))
		platform_add32(&header->num_stashed, -1);
	entry_clear(entry);
	entry_clear(twin);
out:
	platform_unlock(stripe);
	/* also of a pair that lives on: it was not to be seen for a moment (pair_seize) */
	store_mark(header, key.direction ? twin_index : index);
	if (!removed)
		return false;
	platform_add64(&header->num_sessions, -1);
	return true;
}

/* Takes one more reference on the mapping, or permit, whose outbound entry is at `index`. False if it is no longer there. */
SLOW_PATH bool store_ref(__u32 index, const struct pair *expect)
{
	struct header *header = platform_header();
	struct entry *entry = store_entry(index);
	struct stripe *stripe;
	bool done = false;
	struct key key;

	if (!expect)
		return false;
	key = pair_key(expect, 0);
	stripe = store_stripe(expect->proto, expect->remote);
	if (!stripe || !header || !entry)
		return false;
	platform_lock(stripe);
	if (life_is_visible(READ_ONCE(entry->life)) && entry_has_key(entry, &key) &&
	    READ_ONCE(entry->new_addr) == expect->external.addr &&
	    READ_ONCE(entry->new_port) == expect->external.port) {
		WRITE_ONCE(entry->refs, entry->refs + 1);
		done = true;
	}
	platform_unlock(stripe);
	if (done)
		store_mark(header, index);
	return done;
}

enum release {
	RELEASE_SESSION, /* a session gives its reference back */
	RELEASE_RESTED,  /* no session has come; only if there is no reference, for the whole rest */
};

/* Gives a reference on a mapping or permit back. The mapping goes with the last one, or rests without any for `rest_s`
 * seconds first. Its flags if it is gone by this call, else 0. Unlike store_remove this does not ask where the mapping was
 * seen: it may have been moved since, and a reference that is not given back holds a port for ever.
 */
SLOW_PATH __u32 store_release(const struct pair *mapping, enum release release, __u32 rest_s)
{
	struct header *header = platform_header();
	struct shelf in_shelf, out_shelf;
	__u32 in_index = 0, out_index = 0;
	__u32 now = platform_now();
	struct key in_key, out_key;
	struct stripe *stripe;
	struct entry *in, *out;
	struct pool *pool;
	__u32 removed = 0;

	if (!mapping)
		return 0;
	in_key = pair_key(mapping, ENTRY_INBOUND);
	out_key = pair_key(mapping, 0);
	pool = pair_pool(mapping);
	stripe = store_stripe(mapping->proto, mapping->remote);
	if (!stripe || !header || !shelf_open(&in_shelf, &in_key) || !shelf_open(&out_shelf, &out_key))
		return 0;

	platform_lock(stripe);
	out = shelf_find(&out_shelf, &out_key, &out_index);
	in = shelf_find(&in_shelf, &in_key, &in_index);
	/* Of two entries that each have a key of this pair, one could belong to another pair; not if they are twins. */
	if (!out || !in || READ_ONCE(out->twin) != in_index || READ_ONCE(in->twin) != out_index)
		goto out;
	if (release == RELEASE_SESSION) {
		if (READ_ONCE(out->refs))
			WRITE_ONCE(out->refs, out->refs - 1);
		if (!READ_ONCE(out->refs) && rest_s) {
			/* whoever its next session is with will be the first again */
			WRITE_ONCE(in->refs, 0);
			platform_xchg(&out->life, life_make(PHASE_LIVE, 0, now));
		}
	}
	if (READ_ONCE(out->refs) || (rest_s && life_idle(READ_ONCE(out->life), now) < rest_s))
		goto out;
	removed = READ_ONCE(out->flags);
	platform_xchg(&out->life, PHASE_BUSY);
	platform_xchg(&in->life, PHASE_BUSY);
	if (index_is_stash(out_index))
		platform_add32(&header->num_stashed, -1);
	if (index_is_stash(in_index))
		platform_add32(&header->num_stashed, -1);
	entry_clear(out);
	entry_clear(in);
	pool_give(pool, be16_to_cpu(mapping->external.port));
out:
	platform_unlock(stripe);
	store_mark(header, out_index);
	if (removed)
		platform_add64(pair_count(header, mapping), -1);
	return removed;
}

#endif
