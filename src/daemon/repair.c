/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mending a table.
 *
 * The table is live while it is mended. Writers touch only pairs whose entries point at each other and say the same, and
 * free slots; so an entry that is in no such pair is nobody's, and may be taken (compare-and-exchange to BUSY) and
 * cleared like one's own. Counts are corrected by adding the difference, so that what is counted meanwhile stays.
 */
#include "repair.h"

#include <stdbool.h>

#include "invariant.h"
#include "log.h"
#include "platform.h"
#include "quota_check.h"
#include "store_write.h"
#include "table.h"

#define MAX_LINES 10 /* of violations told one by one */
#define MAX_TRIES 10 /* to correct the counts while they change */

struct repair {
	const char *iface;
	unsigned int lines;
	unsigned int cleared;
	bool counts; /* of the header are wrong */
};

static void tell(struct repair *repair, const struct violation *violation)
{
	if (repair->lines++ < MAX_LINES)
		log_warn("table of %s: %s: %s", repair->iface, rule_name[violation->rule], violation->text);
}

/* Rules that an entry breaks by itself or toward its twin. */
static bool is_of_entry(enum rule rule)
{
	switch (rule) {
	case RULE_FREE:
	case RULE_BUSY:
	case RULE_FIELDS:
	case RULE_BUCKET:
	case RULE_UNIQUE:
	case RULE_TWIN:
		return true;
	case RULE_MAPPING:
	case RULE_POOL:
	case RULE_REFS:
	case RULE_SESSIONS:
	case RULE_MAPPINGS:
	case RULE_PERMITS:
	case RULE_STASH:
	case RULE_QUOTA:
	case NUM_RULE:
		break;
	}
	return false;
}

static bool clear_entry(__u32 index)
{
	struct entry *entry = store_entry(index);
	struct row row;
	__u32 life;

	/* One half of a whole pair is cleared by nobody but the hooks. */
	if (!entry || table_read(index, &row))
		return false;
	life = READ_ONCE(entry->life);
	if (platform_cmpxchg(&entry->life, life, PHASE_BUSY) != life)
		return false;
	entry_clear(entry);
	return true;
}

static void take_violation(const struct violation *violation, void *context)
{
	struct repair *repair = context;

	tell(repair, violation);
	if (is_of_entry(violation->rule) && violation->index != INDEX_NONE)
		repair->cleared += clear_entry(violation->index);
	else if (violation->rule >= RULE_SESSIONS)
		repair->counts = true;
}

/* Only the hooks change the quotas; what is wrong there stays until bauta down. */
static void tell_quota(const struct violation *violation, void *context)
{
	tell(context, violation);
}

static __u32 count_stashed(void)
{
	const volatile struct store_shape *shape = platform_shape();
	__u32 stashed = 0;

	for (__u32 i = shape->num_buckets * BUCKET_ENTRIES; i < table_num_entries(); i++)
		stashed += life_phase(READ_ONCE(store_entry(i)->life)) != PHASE_FREE;
	return stashed;
}

/* True when it was done: only a moment without a change of the counts tells what the difference is. */
static bool correct_counts(struct header *header)
{
	__u64 sessions = READ_ONCE(header->num_sessions), mappings = READ_ONCE(header->num_mappings);
	__u64 permits = READ_ONCE(header->num_permits);
	__u32 stashed = READ_ONCE(header->num_stashed);
	struct census census;
	__u32 in_stash;

	invariant_check(NULL, NULL, &census);
	in_stash = count_stashed();
	if (READ_ONCE(header->num_sessions) != sessions || READ_ONCE(header->num_mappings) != mappings ||
	    READ_ONCE(header->num_permits) != permits || READ_ONCE(header->num_stashed) != stashed)
		return false;
	platform_add64(&header->num_sessions, census.sessions - sessions);
	platform_add64(&header->num_mappings, census.mappings - mappings);
	platform_add64(&header->num_permits, census.permits - permits);
	platform_add32(&header->num_stashed, in_stash - stashed);
	return true;
}

size_t repair_table(struct dataplane *dataplane)
{
	struct repair repair = { .iface = dataplane->instance->iface };
	int quotas_fd = dataplane->table.quotas_fd;
	size_t found = invariant_check(take_violation, &repair, NULL) + quota_check(quotas_fd, tell_quota, &repair);
	size_t left;

	if (!found)
		return 0;
	for (int i = 0; (repair.cleared || repair.counts) && i < MAX_TRIES; i++)
		if (correct_counts(dataplane->table.header))
			break;
	left = invariant_check(NULL, NULL, NULL) + quota_check(quotas_fd, NULL, NULL);
	log_warn("table of %s: %zu violations found, %u entries cleared, %zu violations left%s", repair.iface, found,
		 repair.cleared, left, left ? " (see bauta fsck; bauta down begins with a new table)" : "");
	return left;
}
