/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much memory this process could have: what the machine has to give, and what the cgroups that it is in allow. */
#ifndef BAUTA_MEMORY_H
#define BAUTA_MEMORY_H

#include <linux/types.h>
#include <stdbool.h>

/* Room for a path of the file that sets a limit. */
#define MEMORY_LIMIT 300

struct memory {
	__u64 bytes;                   /* 0: nobody can tell */
	char limit[MEMORY_LIMIT + 64]; /* the cgroup whose limit that is; "": it is what the machine has */
};

/* Bytes that could be had without swapping. */
void memory_read(struct memory *ret_memory);

#endif
