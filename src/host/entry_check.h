/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What must hold of one entry of the table.
 *
 * A look has two halves: the first reads the entry itself, says which others it depends on, and has the CPU fetch them; the
 * second reads those. Whoever looks at many entries begins several looks before ending the first, since a big table is in no
 * cache.
 */
#ifndef BAUTA_ENTRY_CHECK_H
#define BAUTA_ENTRY_CHECK_H

#include "ledger.h"
#include "store.h"
#include "violation.h"

/* What a session counts on. */
enum base {
	BASE_MAPPING,
	BASE_PERMIT,
	NUM_BASE,
};

enum entry_depth {
	ENTRY_ALONE, /* all but what a ledger shows of many entries at once: its twin, and what a session counts on */
	ENTRY_WHOLE,
};

struct entry_look {
	__u32 index;
	enum entry_depth depth;
	struct entry copy;
	struct key key;
	struct place place;
	struct facts facts; /* for whoever keeps a ledger */
	enum rule rule;     /* the first one that it breaks; NUM_RULE: none so far */
	struct key base_key[NUM_BASE];
	struct place base_place[NUM_BASE];
	bool has_base[NUM_BASE]; /* or has to have it */
	__u32 base[NUM_BASE];    /* the outbound entry whose references count it; INDEX_NONE: none */
};

void entry_copy(__u32 index, struct entry *ret_copy);
void entry_look_begin(__u32 index, enum entry_depth depth, struct entry_look *ret_look);
void entry_look_end(struct entry_look *look);

/* Both halves: the first rule that the entry breaks, or NUM_RULE. */
enum rule entry_check(__u32 index);

#endif
