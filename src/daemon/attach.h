/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs at the interface: two tc filters, in a clsact qdisc. */
#ifndef BAUTA_ATTACH_H
#define BAUTA_ATTACH_H

#include <linux/types.h>
#include <stdbool.h>

#include "fault.h"

/* By these, and by the program's name, a filter is known as ours. Filters that were given no priority have 49152 or a
 * little less, so ours comes before them; who wants to see a packet before its translation (egress) or after nobody
 * (ingress) takes a smaller one.
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

/* Whether filters of ours are there: how many, or -errno. */
int attach_count(__u32 ifindex);

/* Removes the filters that are ours, and with `qdisc_ours` the qdisc if it has no others. What is not there, the
 * interface included, is no error. *ret_removed (may be NULL): how many filters were.
 */
int attach_remove(const char *iface, __u32 ifindex, bool qdisc_ours, unsigned int *ret_removed, struct fault *fault);

#endif
