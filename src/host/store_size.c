/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How big a store is for a number of sessions. */
#include "store_size.h"

/* A session is two entries and brings a mapping with two more, while there are external endpoints to map to: 65536 of each
 * of three protocols.
 */
#define MAX_MAPPINGS (3 * 65536u)

/* Six of seven slots may be in use: up to nine of ten an insert finds room by moving others (displace.h), and what chance
 * gathers in a few buckets goes into the stash.
 */
#define SLOTS 7
#define USED_SLOTS 6

#define MIN_BUCKETS 2 /* the two choices of a key differ */
#define MIN_STASH 16
#define STASH_SHARE 256

void store_size(__u32 num_sessions, struct store_shape *ret_shape)
{
	__u32 mappings = num_sessions < MAX_MAPPINGS ? num_sessions : MAX_MAPPINGS;
	__u64 entries = 2 * (__u64)num_sessions + 2 * mappings;
	__u32 buckets = (entries * SLOTS / USED_SLOTS + BUCKET_ENTRIES) / BUCKET_ENTRIES;

	ret_shape->capacity = num_sessions;
	ret_shape->num_buckets = buckets < MIN_BUCKETS ? MIN_BUCKETS : buckets;
	ret_shape->num_stash = buckets / STASH_SHARE < MIN_STASH ? MIN_STASH : buckets / STASH_SHARE;
}

bool store_size_fits(const struct store_shape *shape, __u64 num_pairs)
{
	return 2 * num_pairs * SLOTS <= (__u64)shape->num_buckets * BUCKET_ENTRIES * USED_SLOTS;
}

bool store_size_is_full(const volatile struct store_shape *shape, __u64 num_pairs)
{
	return 2 * num_pairs * SLOTS >= (__u64)shape->num_buckets * BUCKET_ENTRIES * USED_SLOTS;
}
