/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A gateway in memory: the table and all else that the translator asks its platform for. */
#ifndef TEST_WORLD_H
#define TEST_WORLD_H

#include <stdbool.h>

#include "platform.h"
#include "store.h"

struct world {
	struct header header;
	struct config config;
	struct bucket *bucket;
	struct stripe *stripe;
	struct pool *pool; /* of one external address, header.pool_addr[0] */
	struct crowd *crowd;
	size_t num_entries; /* the stash included */
};

/* An empty table. The hash's secret is drawn from `seed`; the timeouts are those of the RFCs. Acts on `world` from here
 * on, as world_enter() does.
 */
void world_open(struct world *world, __u32 num_buckets, __u32 num_stash, __u64 seed);
void world_close(struct world *world);

/* This thread's calls act on `world`; its random numbers follow from `seed`. */
void world_enter(struct world *world, __u64 seed);

/* Where a run of random operations begins: BAUTA_SEED from the environment, or the clock. Printed, so that a failure can
 * be played again.
 */
__u64 world_seed(void);

/* What is wrong with the table that this thread acts on, nobody using it at the moment; NULL when all is well. The text
 * holds until the next call.
 */
const char *world_violation(void);

/* Whether every byte of the table is zero, and the header's counts with it. */
bool world_is_empty(const struct world *world);

/* Number of free slots among those where a key may be: its two buckets, and the stash if `stash`. */
int world_room(const struct world *world, const struct key *key, bool stash);

#endif
