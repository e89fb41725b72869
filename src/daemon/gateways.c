/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeping the map "gateways". */
#include "gateways.h"

#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf.h>

static bool has_gateway(const struct addresses *addresses, __u32 ifindex)
{
	for (__u32 i = 0; i < addresses->num_gateways; i++)
		if (addresses->gateway[i].ifindex == ifindex)
			return true;
	return false;
}

/* A key that goes while the map is walked would make the walk begin anew: the next one is asked for first. */
static void remove_others(int map_fd, const struct addresses *addresses)
{
	__u32 key, next;
	int err = bpf_map_get_next_key(map_fd, NULL, &next);

	while (!err) {
		key = next;
		err = bpf_map_get_next_key(map_fd, &key, &next);
		if (!has_gateway(addresses, key))
			bpf_map_delete_elem(map_fd, &key);
	}
}

int gateways_write(int map_fd, const struct addresses *addresses)
{
	int result = 0;

	remove_others(map_fd, addresses);
	for (__u32 i = 0; i < addresses->num_gateways; i++) {
		const struct gateway *gateway = &addresses->gateway[i];
		int err = bpf_map_update_elem(map_fd, &gateway->ifindex, &gateway->addr, BPF_ANY);

		if (err)
			result = err;
	}
	return result;
}
