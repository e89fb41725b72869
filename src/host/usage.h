/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which internal host has how much: the sessions and mappings of the table, added up for each address. */
#ifndef BAUTA_USAGE_H
#define BAUTA_USAGE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "filter.h"

struct usage {
	__be32 addr;
	__u32 sessions;
	__u32 ports;            /* mappings */
	__u32 counted_sessions; /* of these: those with ENTRY_QUOTA */
	__u32 counted_ports;
};

/* What the table in this thread's `platform` has of what `filter` lets through (NULL: all); of internal hosts only, and with
 * `counted` only what is counted against quotas. One for each address, sorted by it; the caller frees *ret_usage. 0 or
 * -ENOMEM.
 */
int usage_read(const struct filter *filter, bool counted, struct usage **ret_usage, size_t *ret_num);

#endif
