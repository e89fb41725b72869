/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the fast path says of itself: names and sentences of its reasons, and reading its maps. */
#ifndef BAUTA_FAST_TEXT_H
#define BAUTA_FAST_TEXT_H

#include "contract.h"
#include "fault.h"
#include "instance.h"

enum fast_verdict {
	FAST_SENT, /* translated and sent on */
	FAST_UP,   /* given to the kernel as it came, and translated by tc, if at all */
	FAST_GONE, /* of those that were sent: did not leave */
	NUM_FAST_VERDICT,
};

struct fast_text {
	const char *name;
	enum fast_verdict verdict;
	const char *meaning;
};

extern const struct fast_text fast_text[];
extern const char *const fast_verdict_name[NUM_FAST_VERDICT];
extern const char *const fast_role_name[FAST_EXTERNAL + 1]; /* NULL for FAST_NONE */

/* Frames under each reason, all CPUs together; all zero where the program was never loaded. */
int fast_read_counters(const struct instance *instance, __u64 ret_counters[NUM_FAST_REASON], struct fault *fault);

/* What the daemon says of the interfaces: how many, or -errno. The caller frees *ret_notes. */
int fast_read_notes(const struct instance *instance, struct fast_note **ret_notes, struct fault *fault);

/* How many next hops are remembered in a generation; 0 where the program was never loaded. */
int fast_count_next_hops(const struct instance *instance, __u32 generation, __u32 *ret_num, struct fault *fault);

#endif
