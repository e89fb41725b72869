/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a change that was heard of makes all next hops be looked up anew: the first at once, those that follow closely together,
 * and each twice more, for the kernel tells of some changes a moment before it makes them.
 */
#ifndef BAUTA_PACE_H
#define BAUTA_PACE_H

#include <linux/types.h>
#include <stdbool.h>

#define PACE_MS 100    /* from one new generation to the next, at least */
#define SETTLE_MS 1000 /* whatever was told, the kernel has done by then */
#define PACE_NEVER (~0ull)

enum pace_reason {
	PACE_CHANGE,
	PACE_AGAIN,  /* the usual case: the route was told of, and removed a microsecond later */
	PACE_SETTLE, /* an interface went down, and a million routes with it */
	NUM_PACE,
};

struct pace {
	__u64 last_ms;
	__u64 due_ms[NUM_PACE]; /* 0: not due */
};

/* Something has changed. */
void pace_hear(struct pace *pace, __u64 now_ms);

/* Whether now is the time for a new generation; then it counts as made. */
bool pace_step(struct pace *pace, __u64 now_ms);

/* When pace_step() is to be called next, or PACE_NEVER. */
__u64 pace_next(const struct pace *pace);

/* So soon after a new generation nothing else can come of news: they may wait, and are lost if they are too many. */
bool pace_is_quiet(const struct pace *pace, __u64 now_ms);

#endif
