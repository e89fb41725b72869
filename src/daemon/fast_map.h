/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the XDP program is told of the interfaces that take part in the fast path. */
#ifndef BAUTA_FAST_MAP_H
#define BAUTA_FAST_MAP_H

#include "fast_hook.h"
#include "fast_iface.h"

/* The maps of interfaces, as they are to be or as they are. All zero: empty. */
struct fast_map {
	struct fast_link link[NUM_FAST_LINK];
	__u32 num_vlans;
	struct fast_vlan_key vlan_key[MAX_FAST_VLAN];
	struct fast_vlan vlan[MAX_FAST_VLAN];
	__u32 num_exits;
	__u32 exit_key[MAX_FAST_VLAN];
	struct fast_exit exit[MAX_FAST_VLAN];
};

/* Of the interfaces that take part; those for which there is no room are told so in `why`, and do not. */
void fast_map_make(const struct fast_ifaces *ifaces, __u32 external, struct fast_map *ret_map);

bool fast_map_equal(const struct fast_map *first, const struct fast_map *second);

/* Makes the kernel's maps as `map` says. */
int fast_map_write(const struct fast_hooks *hooks, const struct fast_map *map, struct fault *fault);

#endif
