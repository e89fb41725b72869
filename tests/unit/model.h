/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A naive model of the store: pairs in plain arrays, found by number. Each step does one thing to the store and to the
 * model, and compares all that the two can both tell.
 */
#ifndef TEST_MODEL_H
#define TEST_MODEL_H

#include "world.h"

enum model_op {
	MODEL_CREATE, /* a session as the translator makes it: on its mapping, with a new mapping, or sharing */
	MODEL_INSERT, /* a bare session */
	MODEL_FIND,
	MODEL_TOUCH,
	MODEL_MARK,
	MODEL_REMOVE,
	MODEL_REMOVE_DYING,
	MODEL_REMOVE_WRONG, /* by an index or of a pair that is not there */
	MODEL_EXPIRE,
	MODEL_REF_WRONG,
	MODEL_MOVE,
	MODEL_TICK,
	NUM_MODEL_OP,
};

/* What to do: all values mean something, so that they may come from a fuzzer. */
struct model_step {
	enum model_op op;
	__u32 choice[4];
};

/* How many endpoints of each kind there are to choose from. Remote 0 is that of mappings. */
struct model_size {
	__u32 num_internal;
	__u32 num_external;
	__u32 num_remote;
};

#define NOBODY 0xffffffffu
#define NUM_MODEL_PROTO 3

/* A pair by the numbers of its endpoints. */
struct name {
	__u32 proto;
	__u32 internal;
	__u32 external;
	__u32 remote;
};

/* A pair that the store has to have, and what its entries have to say. */
struct known {
	struct name name;
	__u32 out_life;
	__u32 in_life;
	__u32 refs;
	__u32 position; /* in model.order */
	__u8 flags;
};

struct model {
	struct world *world;
	struct model_size size;
	struct known *known; /* one for each pair that can be at a time */
	__u32 *order;        /* numbers of known pairs: those in use, then the others */
	__u32 num_known;     /* in use */
	__u32 max_known;
	__u32 *by_in; /* number of the pair that has an inbound tuple, or NOBODY */
	__u32 *by_out;
	struct bucket *before; /* a copy of the table, for what must not change it */
};

void model_open(struct model *model, struct world *world, struct model_size size);
void model_close(struct model *model);

/* NULL, or in what store and model differ; the text holds until the next call. */
const char *model_step(struct model *model, const struct model_step *step);

/* Compares all of both, and checks the invariants. */
const char *model_check(struct model *model);

/* Removes every pair that is left, by expiry, and checks that the table is all zero then. */
const char *model_drain(struct model *model);

/* Share of the table's slots that pairs take, the stash not counted. */
double model_load(const struct model *model);

/* ---- what the steps are made of ------------------------------------------------------------------------------- */

__attribute__((format(printf, 1, 2))) const char *wrong(const char *format, ...);

struct pair name_pair(const struct name *name, __u8 flags);
struct name pair_name(const struct pair *pair);

/* Number of the pair that has the inbound or the outbound tuple of a name, or NOBODY. */
__u32 *model_by_in(const struct model *model, const struct name *name);
__u32 *model_by_out(const struct model *model, const struct name *name);
__u32 model_mapping(const struct model *model, const struct name *name);

void model_add(struct model *model, const struct name *name, const struct known *known);
void model_forget(struct model *model, __u32 number);

/* A session is gone; with the last one goes its mapping. */
void model_forget_session(struct model *model, __u32 number);

/* What REMOVE_DYING has to do: true if the pair goes. Otherwise a live half that counts revives the other. */
bool model_remove_dying(struct known *known, __u32 grace_s);

/* What session_mark has to do: true if the session is DYING, at least by half, and may be reaped. */
bool model_mark(const struct model *model, struct known *known);

/* Whether the store has both entries of a pair as they have to be. */
const char *check_known(const struct known *known);

/* Finds both tuples of a name, and whom the model says they belong to. */
const char *check_name(const struct model *model, const struct name *name);

/* A copy of the table, and whether it is still the same. */
void snapshot_take(struct model *model);
const char *snapshot_check(const struct model *model, const char *what);

#endif
