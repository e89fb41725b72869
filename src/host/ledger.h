/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A ledger of what belongs together in the table: the halves of pairs, and references and the sessions that hold them.
 *
 * Each entry is noted where it is met, and no other is read for that. An outbound entry adds a random number that follows from
 * the pair and the places of both entries, an inbound one takes it off; a session adds the number of its mapping, and of its
 * permit, and these take off as many as they have references. So all sums come to zero if the table is whole; if it is not, or
 * if it has changed meanwhile, those do not in which something was noted that has no counterpart, but for one chance in 2^64:
 * the numbers are drawn anew for each ledger.
 */
#ifndef BAUTA_LEDGER_H
#define BAUTA_LEDGER_H

#include <stdbool.h>

#include "store.h"

#define LEDGER_KEYS 5

struct ledger {
	__u64 *sum;
	__u32 num; /* a power of two */
	__u64 key[LEDGER_KEYS];
};

/* Something that has a counterpart: its number, and how often it is there. */
struct fact {
	__u64 number;
	__u64 times;
};

enum fact_kind {
	FACT_PAIR,
	FACT_REFERENCES, /* of a mapping or permit; of a session: that it holds them */
};

#define MAX_FACTS 4 /* of an entry whose flags make no sense */

struct facts {
	int num;
	struct fact at[MAX_FACTS]; /* by enum fact_kind */
};

/* Aborts when there is no memory: it takes 2 MiB at most. */
void ledger_open(struct ledger *ret_ledger, __u32 num_entries);

/* An empty one with the same numbers, whose sums can be added to those of `other`. */
void ledger_open_like(struct ledger *ret_ledger, const struct ledger *other);
void ledger_close(struct ledger *ledger);

/* What a visible entry has to have noted. The sums are fetched meanwhile. */
void ledger_find(const struct ledger *ledger, __u32 index, const struct entry *entry, struct facts *ret_facts);
void ledger_note(struct ledger *ledger, const struct facts *facts);
void ledger_add(struct ledger *ledger, const struct ledger *other);
bool ledger_is_even(const struct ledger *ledger);

/* Whether one of these, from `first` on, is in a sum that is not zero. */
bool ledger_is_open(const struct ledger *ledger, const struct facts *facts, enum fact_kind first);

#endif
