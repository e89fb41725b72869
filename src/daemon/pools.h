/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which pools belong to which external address (header.pool_addr), and making them ready for a configuration.
 *
 * An address has a place: NUM_SPACE pools in a row. It keeps its place while it is configured, and beyond that while a
 * port of it is in use; so an address that comes back finds its pools as they have to be. A place that an address is given
 * anew is filled from the store.
 */
#ifndef BAUTA_POOLS_H
#define BAUTA_POOLS_H

#include <linux/types.h>

#include "contract.h"

/* Takes back the places of addresses that are neither in the configuration in force nor have a port in use. */
void pools_release(struct header *header, struct pool *pool, const struct config *in_force);

/* Finds a place for each address: the one that it has, else one that is nobody's. *ret_external gets, in the same order,
 * those for which there is one; returns how many these are. `pool` are NUM_SPACE for each of header->num_pool_addrs. Acts
 * on `platform`, whose store says which ports are in use.
 */
__u32 pools_assign(struct header *header, struct pool *pool, const struct config *in_force, const __be32 *addr,
		   __u32 num, struct external ret_external[MAX_EXTERNAL]);

/* Says of the pools of all external addresses that every word of the ranges may have a port, for a configuration that is
 * going to be in this slot. No hook may be using the slot: pools_settle().
 */
void pools_open(struct pool *pool, const struct config *config, __u32 slot);

/* Returns when all hooks have ended that had begun before: none of them goes by an older configuration any more. */
void pools_settle(void);

#endif
