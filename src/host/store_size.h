/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How big a store is for a number of sessions. */
#ifndef BAUTA_STORE_SIZE_H
#define BAUTA_STORE_SIZE_H

#include <stdbool.h>

#include "contract.h"

/* Sets num_buckets, num_stash and capacity, so that `num_sessions` fit, each with a mapping of its own as long as there are
 * external endpoints of one address to map to; beyond these, sessions of mappings that are there, toward their first remote
 * addresses. At most 2^28.
 */
void store_size(__u32 num_sessions, struct store_shape *ret_shape);

/* Whether so many pairs, of sessions, mappings and permits, fit into a store of this size as it is meant to be filled. */
bool store_size_fits(const struct store_shape *shape, __u64 num_pairs);

/* Whether so many are as many as it is meant to hold. */
bool store_size_is_full(const volatile struct store_shape *shape, __u64 num_pairs);

#endif
