/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets of addresses, written as prefixes: those that a user lists, and the fewest that cover exactly some addresses. */
#ifndef BAUTA_PREFIXES_H
#define BAUTA_PREFIXES_H

#include <linux/types.h>

#include "contract.h"
#include "fault.h"

#define MAX_EXTERNAL_ITEMS 32

/* External addresses as they were asked for: no two items overlap, and there are MAX_EXTERNAL addresses at most. */
struct external_items {
	__u32 num;
	struct prefix item[MAX_EXTERNAL_ITEMS];
};

/* Adds ADDRESS or PREFIX; `what` begins the sentence of a fault ("--external"). -EINVAL or -ERANGE when it is none, names
 * addresses that no host can have, overlaps an item that is there, or makes too many; the fault says which and what would be
 * accepted.
 */
int external_items_add(struct external_items *items, const char *text, const char *what, struct fault *fault);

__u32 external_items_count(const struct external_items *items);

/* The addresses in the order of the items; returns how many there are. */
__u32 external_items_list(const struct external_items *items, __be32 ret_addr[MAX_EXTERNAL]);

/* The item that an address belongs to; NULL: none. */
const struct prefix *external_items_find(const struct external_items *items, __be32 addr);

/* The prefixes that hold these addresses and no other, as few as can be, in ascending order; stops at `max`. Sorts
 * addr[], and drops those that are there twice; *num is how many are left. Returns how many prefixes there are.
 */
__u32 prefixes_cover(__be32 *addr, __u32 *num, struct prefix *ret_prefix, __u32 max);

#endif
