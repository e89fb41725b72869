/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Growing and shrinking the table of a gateway that is in use, without losing a session. */
#ifndef BAUTA_RESIZE_H
#define BAUTA_RESIZE_H

#include <stdbool.h>

#include <event2/event.h>

#include "dataplane_next.h"
#include "fast.h"
#include "fault.h"
#include "follow.h"
#include "inner.h"
#include "store_copy.h"
#include "sweep.h"

enum resize_step {
	STEP_NONE,
	STEP_COPY,  /* bucket after bucket */
	STEP_CATCH, /* what was changed meanwhile, until that is little */
	STEP_LOAD,  /* the programs at the interface */
	STEP_LOAD_INNER,
	STEP_LOAD_FAST,
	STEP_CATCH_AGAIN, /* loading takes a second */
	STEP_EXCHANGE,
	STEP_CARRY, /* bucket after bucket: the new store is in use */
};

struct resize {
	/* the daemon's */
	struct dataplane *dataplane;
	const struct follow *follow;
	struct inner *inner;
	struct fast *fast;
	struct sweep *sweep;
	void (*attach_sockets)(void *context);
	void *context;

	struct event *timer;
	enum resize_step step;
	struct dataplane_next next;
	struct inner_hooks inner_next;
	struct fast_hooks fast_next;
	struct store_copy copy;
	__u32 cursor; /* bucket */
	__u32 rounds; /* of catching up */
	__u64 begun_ms;
	__u64 frozen_ms; /* none could begin */
};

/* `resize` has the members that are the daemon's. */
int resize_open(struct resize *resize, struct event_base *base, struct fault *fault);

/* Begins to make room for so many sessions, 0 being as many as there are; what was under way is given up. Refuses what cannot
 * be: too many for the memory, too few for what the table holds. The rest happens in the loop, and is told.
 */
int resize_to(struct resize *resize, __u32 num_sessions, struct fault *fault);

/* Gives up what is under way: all is as before. All zero is fine. */
void resize_close(struct resize *resize);

#endif
