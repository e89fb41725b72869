/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What must hold in the table at any time (DESIGN.md §4), checked in one pass. */
#ifndef BAUTA_INVARIANT_H
#define BAUTA_INVARIANT_H

#include <linux/types.h>
#include <stddef.h>

enum rule {
	RULE_FREE,     /* a free entry is all zero */
	RULE_BUSY,     /* no entry stays busy */
	RULE_FIELDS,   /* protocol, flags, endpoints and references are such as a writer can have written */
	RULE_BUCKET,   /* an entry stands in one of the three buckets of its key */
	RULE_UNIQUE,   /* no key twice */
	RULE_TWIN,     /* the twin of a live entry is live, points back, and says the same pair */
	RULE_MAPPING,  /* a counted session and a permit have a mapping, and a session that has a permit has it */
	RULE_POOL,     /* a port is marked as used in its pool if and only if it has a mapping */
	RULE_REFS,     /* a mapping or permit has as many references as there are sessions that count on it */
	RULE_SESSIONS, /* the header's number of sessions is what is there */
	RULE_MAPPINGS, /* .. of mappings */
	RULE_PERMITS,  /* .. of permits */
	RULE_STASH,    /* .. of entries in the stash */
	RULE_QUOTA,    /* the quota of an internal host counts what there is (quota_check.h) */
	NUM_RULE,
};

struct violation {
	enum rule rule;
	__u32 index; /* INDEX_NONE: of the header */
	const char *text;
};

extern const char *const rule_name[NUM_RULE];

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
