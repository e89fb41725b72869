/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The maps of a store: how large they have to be, whether there is memory for them, and making them. */
#ifndef BAUTA_STORE_MAP_H
#define BAUTA_STORE_MAP_H

#include <stdbool.h>

#include "contract.h"
#include "fault.h"

/* The shape of a store for so many sessions, but for its map and the key of its hash. */
int store_map_shape(__u32 num_sessions, struct store_shape *ret_shape, struct fault *fault);

/* For how many sessions a store has to be made if it is to hold so many pairs: at least `least`, at most what can be. */
__u32 store_map_sessions_for(__u64 num_pairs, __u32 least);

/* Whether so many pairs fit into a store of this shape as it is meant to be filled. */
bool store_map_fits(const struct store_shape *shape, __u64 num_pairs);

struct store_map {
	int store_fd;
	int dirty_fd;
};

/* Makes the maps, if there is memory for them and for `beside` bytes more; shape->store_id is the store from then on. */
int store_map_make(struct store_shape *shape, __u64 beside, struct store_map *ret_map, struct fault *fault);

/* Lets go of them: whoever uses them keeps them. */
void store_map_close(struct store_map *map);

/* How many words `dirty` has for a store. */
__u32 store_map_dirty_words(const struct store_shape *shape);

int store_map_make_dirty(const struct store_shape *shape);

#endif
