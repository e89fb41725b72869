/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may be wrong with the table, and telling of it. */
#ifndef BAUTA_VIOLATION_H
#define BAUTA_VIOLATION_H

#include <linux/types.h>
#include <pthread.h>
#include <stddef.h>

#include "contract.h"

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

/* On a live table whatever looks wrong is looked at so often, with a pause between two looks, before it is told. */
#define VIOLATION_LOOKS 4
void violation_pause(void);

/* Who is told, by one thread at a time, and how often that has happened. */
struct violations {
	void (*report)(const struct violation *violation, void *ctx); /* may be NULL */
	void *ctx;
	pthread_mutex_t telling;
	size_t num;
};

void violation_tell(struct violations *violations, enum rule rule, __u32 index, const char *text);
void violation_tell_entry(struct violations *violations, enum rule rule, __u32 index);

/* "outbound session, protocol tcp, internal 192.168.0.5:1000, external …, remote …", as far as there is sense in it. */
#define VIOLATION_ENTRY_TEXT 160
void violation_describe(const struct entry *entry, char text[VIOLATION_ENTRY_TEXT]);

#endif
