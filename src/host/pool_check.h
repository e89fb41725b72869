/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether exactly those ports are marked as used in the pools that have a mapping. */
#ifndef BAUTA_POOL_CHECK_H
#define BAUTA_POOL_CHECK_H

#include <linux/types.h>
#include <stddef.h>

#include "contract.h"
#include "violation.h"

/* Of the bitmap of ports, for each pool, that an inbound mapping entry was seen for; zeroed at first. None, and no bitmap, if
 * this thread's `platform` has no pools.
 */
size_t pool_check_bytes(void);

/* Notes an inbound mapping entry. Several threads may do so at once. */
void pool_check_note(__u64 *mapped, const struct entry *entry);

/* Tells of ports that are marked and have no mapping; NULL: nothing was noted. The other direction, a mapping that is not marked,
 * is judged with its entry (entry_check.h).
 */
void pool_check(struct violations *violations, __u64 *mapped);

#endif
