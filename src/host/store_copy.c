/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copying a store that is in use into one of another size. */
#include "store_copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "create.h"
#include "table.h"

static __u64 num_entries(const struct store_shape *shape)
{
	return ((__u64)shape->num_buckets + shape->num_stash) * BUCKET_ENTRIES;
}

__u64 store_copy_bytes(const struct store_shape *from, const struct store_shape *to)
{
	return (num_entries(from) + num_entries(to)) * sizeof(__u32);
}

int store_copy_open(struct store_copy *copy, const struct store_shape *shape, struct bucket *bucket)
{
	const volatile struct store_shape *from = platform_shape();

	memset(copy, 0, sizeof(*copy));
	copy->from = platform;
	copy->from_shape = *(const struct store_shape *)from;
	copy->from.shape = &copy->from_shape;
	copy->began_s = platform_now();
	copy->header.shape = *shape;
	copy->stripe = calloc(NUM_STRIPES, sizeof(*copy->stripe));
	copy->where = calloc(((size_t)from->num_buckets + from->num_stash) * BUCKET_ENTRIES, sizeof(*copy->where));
	copy->whose = calloc(num_entries(shape), sizeof(*copy->whose));
	copy->to = (struct platform){
		.header = &copy->header,
		.bucket = bucket,
		.stripe = copy->stripe,
		.now = platform.now,
	};
	if (copy->stripe && copy->where && copy->whose)
		return 0;
	store_copy_close(copy);
	return -ENOMEM;
}

void store_copy_close(struct store_copy *copy)
{
	free(copy->stripe);
	free(copy->where);
	free(copy->whose);
	memset(copy, 0, sizeof(*copy));
}

/* ---- the copy: `platform` is copy->to -------------------------------------------------------------------------- */

/* The outbound entry of a pair in the copy. */
static void vouch(struct store_copy *copy, __u32 index, __u32 from)
{
	copy->whose[index] = from + 1;
	copy->where[from] = index + 1;
}

static bool pair_is(const struct entry *entry, const struct pair *pair)
{
	struct pair own = entry_pair(entry);

	return life_is_visible(entry->life) && endpoint_equal(own.internal, pair->internal) &&
	       endpoint_equal(own.external, pair->external) && endpoint_equal(own.remote, pair->remote) &&
	       own.proto == pair->proto && own.flags == pair->flags;
}

static void drop(struct store_copy *copy, __u32 index)
{
	struct entry *out = store_entry(index);
	__u32 twin = out->twin;
	struct entry *in = store_entry(twin);
	struct pair pair = entry_pair(out);

	*pair_count(&copy->header, &pair) -= 1;
	copy->header.num_stashed -= index_is_stash(index) + index_is_stash(twin);
	copy->whose[index] = 0;
	entry_clear(out);
	entry_clear(in);
}

/* As store_make_room, but that nobody else moves what we have to find again. */
static void make_room(struct store_copy *copy, const struct pair *pair, __u32 direction)
{
	for (int i = 0; i < 2; i++) {
		__u32 index = store_displace(pair, direction), twin;
		struct entry *entry;
		bool outbound;

		if (index == INDEX_NONE)
			return;
		entry = store_entry(index);
		outbound = !(entry->flags & ENTRY_INBOUND);
		twin = entry->twin;
		if (!store_move(index) || !outbound)
			continue;
		vouch(copy, store_entry(twin)->twin, copy->whose[index] - 1);
		copy->whose[index] = 0;
	}
}

/* Whoever else has one of the tuples of this pair has lost it in the store in use. */
static void drop_others(struct store_copy *copy, const struct row *row)
{
	struct key out_key = pair_key(&row->pair, 0), in_key = pair_key(&row->pair, ENTRY_INBOUND);
	__u32 index = store_find(&out_key);

	if (index != INDEX_NONE && !pair_is(store_entry(index), &row->pair))
		drop(copy, index);
	index = store_find(&in_key);
	if (index != INDEX_NONE && !pair_is(store_entry(index), &row->pair))
		drop(copy, store_entry(index)->twin);
}

static int insert(struct store_copy *copy, const struct row *row)
{
	__u32 refs = row_is_mapping(row) ? row->refs : 0;
	enum insert_result result = INSERT_NO_ROOM_IN;

	for (int i = 0; i < CREATE_ATTEMPTS && result >= INSERT_NO_ROOM_IN; i++) {
		result = store_insert(&row->pair, row->in_life, row->out_life, refs, i >= CREATE_ATTEMPTS / 2);
		if (result >= INSERT_NO_ROOM_IN)
			make_room(copy, &row->pair, result == INSERT_NO_ROOM_IN ? ENTRY_INBOUND : 0);
	}
	return result == INSERT_DONE ? 0 : -ENOSPC;
}

/* Gives the copy a pair that stands at `from` in the store in use, as it is now. */
static int put(struct store_copy *copy, const struct row *row, __u32 from)
{
	struct key key = pair_key(&row->pair, 0);
	struct entry *out, *in;
	__u32 index;
	int err;

	drop_others(copy, row);
	index = store_find(&key);
	if (index == INDEX_NONE) {
		err = insert(copy, row);
		if (err)
			return err;
		index = store_find(&key);
	}
	out = store_entry(index);
	in = store_entry(out->twin);
	out->life = row->out_life;
	in->life = row->in_life;
	if (row_is_mapping(row)) {
		out->refs = row->refs;
		in->refs = row->first;
	}
	vouch(copy, index, from);
	return 0;
}

/* ---- both ------------------------------------------------------------------------------------------------------ */

static int copy_entry(struct store_copy *copy, __u32 from)
{
	__u32 old = copy->where[from];
	struct row row;
	bool there;
	int err = 0;

	platform = copy->from;
	there = table_read(from, &row) && row.out_index == from;
	platform = copy->to;
	/* somebody else may have it by now, or somebody else vouch for it */
	if (old && copy->whose[old - 1] == from + 1 && (!there || !pair_is(store_entry(old - 1), &row.pair)))
		drop(copy, old - 1);
	copy->where[from] = 0;
	if (there)
		err = put(copy, &row, from);
	return err;
}

int store_copy_buckets(struct store_copy *copy, __u32 first, __u32 num)
{
	struct platform before = platform;
	int err = 0;

	for (__u32 from = first * BUCKET_ENTRIES; from < (first + num) * BUCKET_ENTRIES && !err; from++) {
		const struct entry *entry = &copy->from.bucket[from / BUCKET_ENTRIES].entry[from % BUCKET_ENTRIES];

		/* most have nothing to be copied */
		if (copy->where[from] ||
		    (life_is_visible(READ_ONCE(entry->life)) && !(READ_ONCE(entry->flags) & ENTRY_INBOUND)))
			err = copy_entry(copy, from);
	}
	platform = before;
	return err;
}

int store_copy_dirty(struct store_copy *copy)
{
	const struct store_shape *shape = &copy->from_shape;
	__u32 num_words = (shape->num_buckets + shape->num_stash + DIRTY_BITS - 1) / DIRTY_BITS;
	int num = 0;

	for (__u32 n = 0; n < num_words; n++) {
		__u64 word = READ_ONCE(copy->from.dirty[n])
				     ? __atomic_exchange_n(&copy->from.dirty[n], 0, __ATOMIC_SEQ_CST)
				     : 0;

		for (; word; word &= word - 1, num++) {
			int err = store_copy_buckets(copy, n * DIRTY_BITS + __builtin_ctzll(word), 1);

			if (err)
				return err;
		}
	}
	return num;
}

/* ---- life words ------------------------------------------------------------------------------------------------ */

/* Packets went by the store first and by the copy then. So a copy that is earlier has seen none, and one that is later has seen
 * the last, but not the flags that came to the store after it was copied. A RST before the last packet is taken back
 * (life_after).
 */
__u32 store_copy_life(__u32 own, __u32 copied)
{
	__u32 ahead = ((copied >> LIFE_SEEN_SHIFT) - (own >> LIFE_SEEN_SHIFT)) & LIFE_SEEN_MASK;

	/* what is alive in either has seen a packet in this second, after it was marked in the other */
	if (!ahead)
		return (own & (copied | ~LIFE_PHASE_MASK)) | (copied & LIFE_TCP_MASK & ~LIFE_RST);
	return ahead > LIFE_SEEN_MASK / 2 ? own : copied | (own & LIFE_TCP_MASK & ~LIFE_RST);
}

/* The entry of the copy with this key; it may have been moved since it was written. */
static struct entry *find_copy(const struct key *key)
{
	__u32 index = store_find(key);

	return index == INDEX_NONE ? NULL : store_entry(index);
}

static void carry(struct entry *entry, const struct key *key, __u32 own)
{
	__u32 life = READ_ONCE(entry->life);

	/* who changes it meanwhile knows better */
	if (life_is_visible(life) && entry_has_key(entry, key) && store_copy_life(own, life) != life)
		platform_cmpxchg(&entry->life, life, store_copy_life(own, life));
}

void store_copy_lives(const struct store_copy *copy, __u32 first, __u32 num)
{
	__u32 lasted_s = platform_now() - copy->began_s + 2;
	struct platform before = platform;

	platform = copy->to;
	platform.now = before.now;
	for (__u32 from = first * BUCKET_ENTRIES; from < (first + num) * BUCKET_ENTRIES; from++) {
		struct entry *own = &copy->from.bucket[from / BUCKET_ENTRIES].entry[from % BUCKET_ENTRIES];
		__u32 life = READ_ONCE(own->life);
		struct entry *entry;
		struct pair pair;
		struct key key;

		if (!life_is_visible(life) || life_idle(life, platform_now()) > lasted_s)
			continue;
		pair = entry_pair(own);
		key = pair_key(&pair, own->flags & ENTRY_INBOUND);
		entry = find_copy(&key);
		if (entry && pair_is(entry, &pair))
			carry(entry, &key, life);
	}
	platform = before;
}
