/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which interfaces take part in the fast path, and keeping its program at them. */
#ifndef BAUTA_FAST_H
#define BAUTA_FAST_H

#include "dataplane.h"
#include "fast_hook.h"
#include "fast_map.h"
#include "fast_note.h"
#include "fast_refusal.h"
#include "netlink.h"
#include "next_hop.h"

struct fast {
	const struct dataplane *dataplane; /* its configuration says what is wanted */
	struct mnl_socket *ask;
	struct event_base *base;
	struct next_hops *next_hops; /* NULL: not watched, because nothing runs */
	struct fast_hooks hooks;
	struct interfaces wanted; /* at the last look: when it changes, everybody is asked again */
	struct fast_map *map;     /* in force; NULL: none was written yet */
	struct fast_refusals refusals;
	struct fast_notes notes;
	struct fault complaint;  /* "" when all is well */
	struct fault unloadable; /* why the program could not be loaded, or "" */
	__u32 unloadable_for;    /* with this external interface */
};

/* Attaches wherever it is wanted and can be, and detaches where an earlier run had. What goes wrong is told, and the interface
 * stays on tc, which does everything.
 */
void fast_start(struct fast *fast, const struct dataplane *dataplane, struct mnl_socket *ask, struct event_base *base);

/* Interfaces may have come, gone or changed, or the configuration may be another. */
void fast_follow(struct fast *fast);

/* The same, and what has failed is tried again. */
void fast_retry(struct fast *fast);

/* What is attached stays, and gives all packets to the stack from here on. To be called before `base` is freed. Takes one that
 * was never started (all zero).
 */
void fast_close(struct fast *fast);

#endif
