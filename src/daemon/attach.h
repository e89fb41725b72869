/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs at the interface: in tcx, or as two tc filters in a clsact qdisc. */
#ifndef BAUTA_ATTACH_H
#define BAUTA_ATTACH_H

#include <linux/types.h>
#include <stdbool.h>

#include "fault.h"

/* A program in tcx is known as ours by its name; a filter by its program's name, and by these. Filters that were given
 * no priority have 49152 or a little less, so ours comes before them; who wants to come before ours takes a smaller one.
 */
#define ATTACH_PRIORITY 0xba07
#define ATTACH_HANDLE 0xba07a

enum attach_hook {
	ATTACH_INGRESS,
	ATTACH_EGRESS,
	NUM_ATTACH_HOOK,
};

/* Puts the programs in place, each at once, also where a filter of ours is there already. Sets *qdisc_ours if the qdisc
 * had to be made, and else leaves it. On failure what was not there before is gone again.
 */
int attach_programs(const char *iface, __u32 ifindex, const int program[NUM_ATTACH_HOOK], bool *qdisc_ours,
		    struct fault *fault);

/* How many programs of ours are there, or -errno. */
int attach_count(__u32 ifindex);

/* Whether a program of ours is at this hook. */
bool attach_is_at(__u32 ifindex, enum attach_hook hook);

/* Removes the programs that are ours, and with `qdisc_ours` the qdisc if it has no others. What is not there, the
 * interface included, is no error. *ret_removed (may be NULL): how many programs were.
 */
int attach_remove(const char *iface, __u32 ifindex, bool qdisc_ours, unsigned int *ret_removed, struct fault *fault);

/* The filter of an interface that leads inside, where there is no tcx. Each instance has its own handle. Sets *qdisc_ours if the
 * qdisc had to be made, and else leaves it.
 */
int attach_inner(const char *iface, __u32 ifindex, __u32 handle, int program, bool *qdisc_ours, struct fault *fault);
bool attach_has_inner(__u32 ifindex, __u32 handle);

/* What is not there is no matter. */
void attach_remove_inner(__u32 ifindex, __u32 handle, bool qdisc_ours);

#endif
