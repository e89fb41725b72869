/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeping what the fast path remembers of next hops true (struct next_hop in contract.h). */
#ifndef BAUTA_DAEMON_NEXT_HOP_H
#define BAUTA_DAEMON_NEXT_HOP_H

#include <linux/types.h>
#include <stdbool.h>

#include "contract.h"
#include "dataplane.h"
#include "fault.h"
#include "neighbour.h"

struct event_base;
struct next_hops;

/* Watches from here on; `map` is the one of the records. Whatever was remembered before is void, also when the data plane has
 * another header now, if it had these records already. Acts on this thread's `platform`.
 */
int next_hops_open(struct event_base *base, const struct dataplane *dataplane, int map, struct next_hops **ret_hops,
		   struct fault *fault);

/* Nothing is trusted any more, from this moment on. Takes NULL. */
void next_hops_close(struct next_hops *hops);

/* Something has changed that the kernel does not tell of. Takes NULL. */
void next_hops_change(struct next_hops *hops);

/* To be called before what keeps the loop from watching for a while: the fast path goes on for three seconds. Takes NULL. */
void next_hops_promise(struct next_hops *hops);

/* ---- for tests -------------------------------------------------------------------------------------------------- */

enum next_hop_news {
	NEXT_HOP_NOTHING,
	NEXT_HOP_NEIGHBOUR, /* it depends on whose */
	NEXT_HOP_CHANGE,
};

/* What a message of rtnetlink is about. */
enum next_hop_news next_hop_hear(const struct nlmsghdr *message, struct neighbour *ret_neighbour);

/* Whether a record of this generation says something else of a neighbour than the kernel does. */
bool next_hop_contradicts(struct next_hop *records, __u32 generation, const struct neighbour *neighbour);

/* Clears all records, and what sessions refer to them by. The generation has to be 0. Acts on `platform`. */
void next_hop_forget_all(struct next_hop *records);

#endif
