/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Telling both ends of a TCP connection that its session has expired (RFC 5382 §5 allows it). */
#ifndef BAUTA_FAREWELL_H
#define BAUTA_FAREWELL_H

#include "dataplane.h"
#include "fault.h"
#include "store.h"

struct farewell {
	const struct dataplane *dataplane;
	int socket;
	__u32 num;
	struct pair session[SWEEP_BATCH]; /* that are about to be removed */
	__u64 second;                     /* of CLOCK_MONOTONIC */
	__u32 num_told;                   /* in that second */
};

/* Opens the socket that segments go by. */
int farewell_open(struct farewell *ret_farewell, const struct dataplane *dataplane, struct fault *fault);

/* Takes one that was never opened, too, if it is all zero. */
void farewell_close(struct farewell *farewell);

/* Notes the session whose outbound entry is at `index`, if the ends are to be told when it is gone. At most SWEEP_BATCH. */
void farewell_note(struct farewell *farewell, __u32 index);

/* Tells the ends of those that are gone by now, and forgets all of them. */
void farewell_send(struct farewell *farewell);

#endif
