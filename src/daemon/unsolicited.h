/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answering SYNs from outside that nobody has asked for, late and once (RFC 5382 REQ-4). */
#ifndef BAUTA_UNSOLICITED_H
#define BAUTA_UNSOLICITED_H

#include "dataplane.h"
#include "fault.h"

struct unsolicited_syns {
	const struct dataplane *dataplane;
	int socket;
	__u32 tick_ms;  /* how often unsolicited_step() wants to be called */
	__u64 second;   /* of CLOCK_MONOTONIC */
	__u32 num_sent; /* in that second */
};

/* Opens the socket that answers go by. */
int unsolicited_open(struct unsolicited_syns *ret_unsolicited, const struct dataplane *dataplane, struct fault *fault);

/* Takes one that was never opened, too, if it is all zero. */
void unsolicited_close(struct unsolicited_syns *unsolicited);

/* Answers what has waited long enough, and forgets it. */
void unsolicited_step(struct unsolicited_syns *unsolicited);

#endif
