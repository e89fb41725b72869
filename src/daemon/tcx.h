/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs at the interface on kernels from 6.6 on: tcx calls them without a qdisc and a classifier between. */
#ifndef BAUTA_TCX_H
#define BAUTA_TCX_H

#include <linux/types.h>
#include <stdbool.h>

enum tcx_hook {
	TCX_INGRESS = 46, /* enum bpf_attach_type, since 6.6; Debian 12's headers are older */
	TCX_EGRESS = 47,
};

/* Whether this kernel has it. */
bool tcx_is_supported(__u32 ifindex);

/* How many programs of this name are attached, or -errno. */
int tcx_count(__u32 ifindex, enum tcx_hook hook, const char *name);

/* Puts a program in the place of the one of the same name, at once, or behind all others if there is none. 0 or -errno.
 * It stays when this process ends, like a filter.
 */
int tcx_attach(__u32 ifindex, enum tcx_hook hook, const char *name, int program);

/* Removes all programs of this name; how many that were, or -errno. */
int tcx_remove(__u32 ifindex, enum tcx_hook hook, const char *name);

/* A link of a program behind those that are at the hook: a descriptor, or -errno. It holds the program there as long as it is
 * open or pinned, and the interface lives.
 */
int tcx_link(__u32 ifindex, enum tcx_hook hook, int program);

/* Whether a link still is at this interface. */
bool tcx_link_is_at(int link, __u32 ifindex);

#endif
