/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copying a store that is in use into one of another size.
 *
 * The store in use is the truth, and is read only. Whoever changes it meanwhile marks the bucket of the pair's outbound entry
 * (`dirty`), after he has done so. A bucket is copied by making the copy agree with what stands in it: what the copy had
 * from there and is there no more goes, what is there and not in the copy is inserted. So it can be done as often as
 * one likes, in any order; and when each bucket has been done, and each that was marked once more, with nobody left who
 * writes, then the copy holds exactly the pairs of the store. The last packets are another matter: their notes in life words
 * leave no mark. They are carried over at the end (store_copy_lives).
 */
#ifndef BAUTA_STORE_COPY_H
#define BAUTA_STORE_COPY_H

#include "platform.h"

struct store_copy {
	struct platform from; /* the store in use */
	struct store_shape from_shape;
	struct platform to;
	struct header header; /* of the copy: its shape, and how much it holds */
	struct stripe *stripe;
	/* By the index of an outbound entry, plus 1: where its copy stands, and of whom one is the copy; 0: nowhere, nobody. */
	__u32 *where;
	__u32 *whose;
	__u32 began_s; /* seconds of the gateway's clock */
};

/* Begins to copy the store of this thread's `platform` into empty buckets. -ENOMEM. */
int store_copy_open(struct store_copy *copy, const struct store_shape *shape, struct bucket *bucket);

/* All zero is fine. */
void store_copy_close(struct store_copy *copy);

/* Copies buckets of the store in use. -ENOSPC: the copy has no room for a pair. */
int store_copy_buckets(struct store_copy *copy, __u32 first, __u32 num);

/* Copies the buckets that are marked, and takes the marks away: how many, or -ENOSPC. */
int store_copy_dirty(struct store_copy *copy);

/* Carries over what packets noted in these buckets since the copying began, into a copy that is in use by now. */
void store_copy_lives(const struct store_copy *copy, __u32 first, __u32 num);

/* How many bytes it takes, beside both stores. */
__u64 store_copy_bytes(const struct store_shape *from, const struct store_shape *to);

/* The life word of an entry whose copy is in use, by what its own has become and what the copy's has. */
__u32 store_copy_life(__u32 own, __u32 copied);

#endif
