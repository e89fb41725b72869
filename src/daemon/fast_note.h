/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Saying of each interface whether it takes part in the fast path, and why not: in the log, and in a map for those who ask. */
#ifndef BAUTA_FAST_NOTE_H
#define BAUTA_FAST_NOTE_H

#include "fast_iface.h"
#include "instance.h"

struct fast_notes {
	int fd;                 /* of the map; < 0: there is none */
	struct fast_note *note; /* what stands in it */
	__u32 num;
	bool warned_of_tracking;
};

/* Makes the map and pins it, or takes over the one that is pinned. */
int fast_notes_open(const struct instance *instance, struct fast_notes *ret_notes);

/* Takes one that was never opened (all zero). */
void fast_notes_close(struct fast_notes *notes);

/* Writes what has become of the interfaces; what is worth saying is said once. */
void fast_notes_write(struct fast_notes *notes, const struct instance *instance, const struct fast_ifaces *ifaces,
		      __u32 external);

/* Says which interfaces run the fast path, after the maps of it were written; `first`: for the first time. */
void fast_notes_tell(const struct instance *instance, const struct fast_ifaces *ifaces, bool first);

#endif
