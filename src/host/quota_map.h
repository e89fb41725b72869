/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The records of internal hosts that have a quota: in user space, a small table for tests, shared by their threads. It gives
 * the memory of what was removed away at once, as the kernel's does.
 */
#ifndef BAUTA_QUOTA_MAP_H
#define BAUTA_QUOTA_MAP_H

#include <errno.h>
#include <stdbool.h>

#include "contract.h"

#define QUOTA_MAP_SLOTS 64

struct quota_map {
	char locked;
	__u32 max; /* records, at most QUOTA_MAP_SLOTS */
	struct quota_slot {
		bool used;
		__be32 addr;
		struct quota quota;
	} slot[QUOTA_MAP_SLOTS];
};

/* Where this thread's calls find them; NULL: there is no room for any. */
extern __thread struct quota_map *quota_map;

struct quota *platform_quota_find(__be32 addr);
long platform_quota_add(const struct quota *quota);
void platform_quota_remove(__be32 addr);

#endif
