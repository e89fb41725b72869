/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may be wrong with the table, and telling of it. */
#include "violation.h"

#include <stdio.h>
#include <time.h>

#include "endpoint.h"
#include "entry_check.h"
#include "platform.h"
#include "words.h"

#define PAUSE_NS 5000000

const char *const rule_name[NUM_RULE] = {
	[RULE_FREE] = "free",         [RULE_BUSY] = "busy",       [RULE_FIELDS] = "fields",
	[RULE_BUCKET] = "bucket",     [RULE_UNIQUE] = "unique",   [RULE_TWIN] = "twin",
	[RULE_MAPPING] = "mapping",   [RULE_REFS] = "refs",       [RULE_SESSIONS] = "sessions",
	[RULE_MAPPINGS] = "mappings", [RULE_PERMITS] = "permits", [RULE_STASH] = "stash",
	[RULE_QUOTA] = "quota",       [RULE_POOL] = "pool",
};

static const char *const rule_text[NUM_RULE] = {
	[RULE_FREE] = "a free entry is not all zero",
	[RULE_BUSY] = "an entry stays busy: its writer never finished",
	[RULE_FIELDS] = "fields that no writer writes",
	[RULE_BUCKET] = "stands in none of the three buckets of its key",
	[RULE_UNIQUE] = "its key is there twice",
	[RULE_TWIN] = "its twin is not live, does not point back, or says another pair",
	[RULE_MAPPING] = "counts on a mapping or permit that is not there",
	[RULE_POOL] = "is not marked in the pool of its external address",
};

void violation_pause(void)
{
	struct timespec pause = { .tv_nsec = PAUSE_NS };

	nanosleep(&pause, NULL);
}

void violation_tell(struct violations *violations, enum rule rule, __u32 index, const char *text)
{
	struct violation violation = { .rule = rule, .index = index, .text = text };

	pthread_mutex_lock(&violations->telling);
	violations->num++;
	if (violations->report)
		violations->report(&violation, violations->ctx);
	pthread_mutex_unlock(&violations->telling);
}

void violation_describe(const struct entry *entry, char text[VIOLATION_ENTRY_TEXT])
{
	char internal[ENDPOINT_TEXT], external[ENDPOINT_TEXT], remote[ENDPOINT_TEXT];
	struct pair pair = entry_pair(entry);
	const char *proto = proto_name(entry->proto & ~PROTO_PERMIT);

	snprintf(text, VIOLATION_ENTRY_TEXT, "%s %s, protocol %s, internal %s, external %s, remote %s",
		 entry->flags & ENTRY_INBOUND ? "inbound" : "outbound",
		 entry->proto & PROTO_PERMIT    ? "permit"
		 : entry->flags & ENTRY_MAPPING ? "mapping"
						: "session",
		 proto ? proto : "?", endpoint_format(pair.internal, internal),
		 endpoint_format(pair.external, external), endpoint_format(pair.remote, remote));
}

void violation_tell_entry(struct violations *violations, enum rule rule, __u32 index)
{
	char what[VIOLATION_ENTRY_TEXT], text[256];
	struct entry copy;

	entry_copy(index, &copy);
	violation_describe(&copy, what);
	snprintf(text, sizeof(text), "%s (%s)", rule_text[rule], what);
	violation_tell(violations, rule, index, text);
}
