/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A data plane of another size that takes the place of the one that is there: its store and its programs. */
#ifndef BAUTA_DATAPLANE_NEXT_H
#define BAUTA_DATAPLANE_NEXT_H

#include "contract.h"
#include "dataplane.h"
#include "fault.h"
#include "store_map.h"
#include "table.h"

struct tc;
struct bpf_object;

/* A store of another size, which is to take the place of the one that is there, and the programs for it. */
struct dataplane_next {
	struct store_shape shape;
	struct store_map map;
	struct area store;
	struct area dirty;
	struct tc *programs; /* NULL: not loaded */
};

/* Makes the maps, if there is memory for both stores, and maps them into memory. */
int dataplane_next_make(const struct dataplane *dataplane, const struct store_shape *shape,
			struct dataplane_next *ret_next, struct fault *fault);

/* Writes down what is to come, for those who read the header. */
void dataplane_next_announce(struct dataplane *dataplane, const struct dataplane_next *next);

/* The programs that were loaded. */
const struct bpf_object *dataplane_next_object(const struct dataplane_next *next);

/* Loads the programs; every other map is that of the data plane. */
int dataplane_next_load(const struct dataplane *dataplane, struct dataplane_next *next, struct fault *fault);

/* Pins, beside what is pinned, all without which the new store would go with this process. */
int dataplane_next_pin(const struct dataplane *dataplane, const struct dataplane_next *next, struct fault *fault);

/* Attaches the programs in the place of those that are attached. If that fails all is as it was. */
int dataplane_next_attach(struct dataplane *dataplane, const struct dataplane_next *next, struct fault *fault);

/* Makes the new store and its programs those of the data plane, and those of it the next; what is pinned is exchanged too. One
 * rename in it decides which of both counts for a run that comes after.
 */
void dataplane_next_commit(struct dataplane *dataplane, struct dataplane_next *next);

/* Lets go of it. All zero is fine. */
void dataplane_next_close(struct dataplane_next *next);

/* Nothing that has to do with another store is under way, and all programs are of this one: sessions may begin and end. */
void dataplane_next_thaw(struct dataplane *dataplane);

/* Ends what a run that died in the middle has left, when the table has just been opened. */
int dataplane_next_settle(struct dataplane *dataplane, struct fault *fault);

#endif
