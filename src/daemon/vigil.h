/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Watching over a neighbour that the fast path sends to. The kernel does not know that it is in use, and would believe in it for
 * minutes after it is gone. So it is asked more than twice a second, and given up when it has not answered three times in 0.4 s:
 * within a second of its end.
 *
 * Who was given up and then is soon found at the same place is slow, or does not answer to what is sent to it alone: it is asked
 * ever more seldom, until it answers.
 */
#ifndef BAUTA_VIGIL_H
#define BAUTA_VIGIL_H

#include "neighbour.h"

#define VIGIL_MS 400
#define VIGIL_MAX_MS 30000
#define VIGIL_PATIENCE_MS 133
#define VIGIL_TRIES 3
#define VIGIL_SOON_MS 2500  /* by then the kernel has asked everybody three times */
#define VIGIL_ASKS_PER_S 80 /* of all neighbours together: when they are many, each is asked more seldom */

struct vigil {
	struct neighbour neighbour;
	__u64 used_ms;     /* when it was last seen to be in use */
	__u64 next_ms;     /* when there is something to do */
	__u32 pause_ms;    /* from an answer to the next question */
	__u32 share_ms;    /* the same, as far as all the others allow */
	__u32 tries;       /* without an answer so far; 0: it is not being asked */
	bool known;        /* `neighbour` is what the kernel knows */
	__u64 given_up_ms; /* 0: it was not */
	__u8 given_up_mac[MAC_LEN];
};

enum vigil_step {
	VIGIL_WAIT,
	VIGIL_ASK,
	VIGIL_GIVE_UP,
};

/* What is to be done now; then it counts as done. `num`: neighbours that are watched over. */
enum vigil_step vigil_step(struct vigil *vigil, __u32 num, __u64 now_ms);

/* What the kernel knows of it now. */
void vigil_hear(struct vigil *vigil, const struct neighbour *neighbour, __u64 now_ms);

#endif
