/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Expiry: a paced walk over the mapped table, whose candidates a BPF program removes. */
#ifndef BAUTA_SWEEP_H
#define BAUTA_SWEEP_H

#include <linux/types.h>
#include <stdbool.h>

#include "contract.h"
#include "dataplane.h"
#include "farewell.h"
#include "quota_sweep.h"

#define SWEEP_AHEAD 32 /* entries whose twins are on their way from memory */

struct sweep {
	const struct dataplane *dataplane;
	__u32 cursor;                /* the entry that comes next */
	__u32 tick_ms;               /* how often sweep_step() wants to be called */
	__u32 pass_ms;               /* how long this pass is to last */
	__u64 pass_cpu_ns;           /* what the last one cost; 0: there was none */
	__u64 cpu_ns;                /* what this one has cost so far */
	bool paused;                 /* what the table says of time is not true yet */
	bool keep_foreign;           /* while the interface is away: its addresses may come back with it */
	__u32 shortest_s[NUM_SPACE]; /* time-outs */
	__u32 ahead[SWEEP_AHEAD];    /* put aside until their twins have come; INDEX_NONE: nothing */
	__u32 num_ahead;             /* ever */
	struct quota_sweep quotas;
	struct farewell farewell;
	struct sweep_request expire;
	struct sweep_request flush;
};

/* Sets the pace from the size of the table and the factor of its clock; what passes cost changes it later. */
int sweep_open(struct sweep *ret_sweep, const struct dataplane *dataplane, struct fault *fault);

/* The data plane has another store: the pass begins anew. */
void sweep_restart(struct sweep *sweep);

/* Takes one that was never opened, too, if it is all zero. */
void sweep_close(struct sweep *sweep);

/* Goes on for one tick. Next to nothing when the table is empty. */
void sweep_step(struct sweep *sweep);

/* Ends at once all sessions whose external address is none of ours any more; returns how many there were. */
__u64 sweep_flush_foreign(struct sweep *sweep);

#endif
