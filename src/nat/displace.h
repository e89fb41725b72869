/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Moving entries of the store to their other buckets, to make room for a newcomer. */
#ifndef BAUTA_DISPLACE_H
#define BAUTA_DISPLACE_H

#include "store_write.h"

/* The other bucket of an entry that stands in this one; INDEX_NONE if that is the stash. */
static __always_inline __u32 place_other(const struct place *place, __u32 bucket)
{
	if (bucket == place->bucket[0])
		return place->bucket[1];
	return bucket == place->bucket[1] ? place->bucket[0] : INDEX_NONE;
}

/* Moves the entry at `index` to its other bucket, if there is room; true if that freed the slot.
 * The pair's lock keeps it whole; packets may go on using it (store.h).
 */
SLOW_PATH bool store_move(__u32 index)
{
	struct header *header = platform_header();
	struct entry *entry = store_entry(index);
	struct entry copy, *target, *twin;
	struct stripe *stripe;
	struct bucket *second;
	struct place place;
	struct pair pair;
	__u32 other;
	bool moved = false;
	struct key key;
	__u32 life;
	int slot;

	if (!entry || !header || life_phase(READ_ONCE(entry->life)) != PHASE_LIVE)
		return false;
	copy.addrs = READ_ONCE(entry->addrs);
	copy.ports = READ_ONCE(entry->ports);
	copy.proto = READ_ONCE(entry->proto);
	copy.flags = READ_ONCE(entry->flags);
	copy.new_addr = READ_ONCE(entry->new_addr);
	copy.new_port = READ_ONCE(entry->new_port);
	copy.twin = READ_ONCE(entry->twin);
	pair = entry_pair(&copy);
	key = pair_key(&pair, copy.flags & ENTRY_INBOUND);
	place = store_place(&key);
	twin = store_entry(copy.twin);
	stripe = store_stripe(pair.proto, pair.remote);
	other = place_other(&place, index / BUCKET_ENTRIES);
	second = platform_bucket(other);
	if (!twin || !stripe || !second)
		return false;
	/* a full table is found full without a lock */
	if (!bucket_has_room(second))
		return false;

	platform_lock(stripe);
	life = READ_ONCE(entry->life);
	if (life_phase(life) != PHASE_LIVE || !entry_has_key(entry, &key) || READ_ONCE(entry->flags) != copy.flags ||
	    READ_ONCE(entry->twin) != copy.twin || READ_ONCE(entry->new_addr) != copy.new_addr ||
	    READ_ONCE(entry->new_port) != copy.new_port || READ_ONCE(twin->twin) != index)
		goto out;
	slot = bucket_take(second);
	if (slot < 0)
		goto out;
	target = &second->entry[slot];
	entry_write(target, &key, (struct endpoint){ .addr = copy.new_addr, .port = copy.new_port },
		    copy.flags & ~ENTRY_INBOUND, copy.twin, entry->refs);
	platform_xchg(&target->life, life);
	if (other == place.bucket[0])
		platform_add32(&header->num_homed, 1);
	/* A packet that has just refreshed the old copy wins: it will be moved another time. */
	if (platform_cmpxchg(&entry->life, life, PHASE_BUSY) != life) {
		platform_xchg(&target->life, PHASE_BUSY);
		entry_clear(target);
		goto out;
	}
	WRITE_ONCE(twin->twin, other * BUCKET_ENTRIES + slot);
	entry_clear(entry);
	moved = true;
out:
	platform_unlock(stripe);
	if (!moved)
		return false;
	/* an inbound entry takes no place in the copy, but who reads the pair in the middle of this finds none */
	store_mark(header, key.direction ? copy.twin : index);
	store_mark(header, key.direction ? copy.twin : other * BUCKET_ENTRIES);
	return true;
}

/* The bucket where the entry at `index` can be moved to, if there is room; INDEX_NONE if it is in the stash. */
SLOW_PATH __u32 store_next(__u32 index)
{
	struct entry *entry = store_entry(index);
	struct place place;
	struct pair pair;
	struct key key;

	if (!entry || life_phase(READ_ONCE(entry->life)) != PHASE_LIVE)
		return INDEX_NONE;
	pair = entry_pair(entry);
	key = pair_key(&pair, READ_ONCE(entry->flags) & ENTRY_INBOUND);
	place = store_place(&key);
	return place_other(&place, index / BUCKET_ENTRIES);
}

/* An entry of a bucket that can be moved to its other bucket now: its index, or INDEX_NONE. */
SLOW_PATH __u32 store_movable(__u32 bucket)
{
	for (__u32 slot = 0; slot < BUCKET_ENTRIES; slot++) {
		__u32 index = bucket * BUCKET_ENTRIES + slot;
		__u32 next = store_next(index);
		struct bucket *second;

		if (next == INDEX_NONE)
			continue;
		second = platform_bucket(next);
		if (second && bucket_has_room(second))
			return index;
	}
	return INDEX_NONE;
}

/* The entry to move (store_move) so that a slot becomes free in one of the two buckets where the entry of this direction may
 * be; if there is no such entry, one that has to be moved before that. INDEX_NONE when nothing helps. What is said here may
 * have changed a moment later: the mover looks again. Room that is there already does not count: who was refused may have
 * wanted it twice, for both entries of a pair, or for a session and for the mapping that it brings.
 *
 * With moves in both directions and two steps the table can be filled to nine tenths, and sessions may come and go at that
 * load without one being refused (make bench-store; bench/store_load.c). If entries never came home, ever more of them would
 * be where they cannot be moved from, and at 0.8 two of a thousand inserts would find no room.
 */
SLOW_PATH __u32 store_displace(const struct pair *pair, __u32 direction)
{
	struct place place;
	struct key key;

	if (!pair)
		return INDEX_NONE;
	key = pair_key(pair, direction);
	place = store_place(&key);
	for (__u32 i = 0; i < 2; i++) {
		__u32 index = store_movable(place.bucket[i]);

		if (index != INDEX_NONE)
			return index;
	}
	for (__u32 i = 0; i < 2 * BUCKET_ENTRIES; i++) {
		__u32 index = place.bucket[i / BUCKET_ENTRIES] * BUCKET_ENTRIES + i % BUCKET_ENTRIES;
		__u32 next = store_next(index);

		if (next == INDEX_NONE)
			continue;
		index = store_movable(next);
		if (index != INDEX_NONE)
			return index;
	}
	return INDEX_NONE;
}

SLOW_PATH bool store_has_room(const struct pair *pair, __u32 direction)
{
	struct place place;
	struct key key;

	if (!pair)
		return false;
	key = pair_key(pair, direction);
	place = store_place(&key);
	for (__u32 i = 0; i < 2; i++) {
		struct bucket *bucket = platform_bucket(place.bucket[i]);

		if (bucket && bucket_has_room(bucket))
			return true;
	}
	return false;
}

/* Frees a slot where the entry of this direction may be, if that can be done; somebody else may be faster to take it. False if
 * nothing could be moved.
 */
static __always_inline bool store_make_room(const struct pair *pair, __u32 direction)
{
	__u32 index = store_displace(pair, direction);

	if (index == INDEX_NONE || !store_move(index))
		return false;
	/* what was moved stood behind what is in the way */
	if (!store_has_room(pair, direction)) {
		index = store_displace(pair, direction);
		if (index != INDEX_NONE)
			store_move(index);
	}
	return true;
}

#endif
