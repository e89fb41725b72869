/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What must hold in the table at any time (docs/design.md), checked in one pass. */
#ifndef BAUTA_INVARIANT_H
#define BAUTA_INVARIANT_H

#include <linux/types.h>
#include <stddef.h>

#include "violation.h"

/* What was seen on the way. */
struct census {
	__u32 entries;
	__u64 sessions;
	__u64 mappings;
	__u64 permits;
};

/* Checks the table in this thread's `platform` (header and buckets are enough) and calls `report` (may be NULL) for each
 * violation, whose text lives as long as the call. Returns their number. The table may be live: whatever looks wrong is
 * looked at again, some milliseconds apart, before it counts. ret_census may be NULL. Needs four bytes for each
 * entry. Of a big table every CPU takes a part; `report` is called by one at a time.
 */
size_t invariant_check(void (*report)(const struct violation *violation, void *ctx), void *ctx,
		       struct census *ret_census);

#endif
