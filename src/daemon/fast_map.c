/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing the maps of interfaces. */
#include "fast_map.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

/* ---- as they are to be ---------------------------------------------------------------------------------------- */

static enum fast_role role_of(const struct fast_iface *iface, __u32 external)
{
	return iface->ifindex == external ? FAST_EXTERNAL : FAST_INTERNAL;
}

static void leave_out(struct fast_iface *iface)
{
	iface->takes_part = false;
	snprintf(iface->why, sizeof(iface->why), "there is room for %d interfaces; list those that matter most",
		 MAX_FAST_VLAN);
}

static void add_vlan(const struct fast_iface *iface, __u32 external, struct fast_map *map)
{
	__u32 at = map->num_vlans++;

	map->vlan_key[at] = (struct fast_vlan_key){
		.ifindex = iface->carrier->ifindex,
		.proto = iface->vlan_proto,
		.vlan = iface->vlan,
	};
	map->vlan[at] = (struct fast_vlan){ .ifindex = iface->ifindex, .role = role_of(iface, external) };
	memcpy(map->vlan[at].mac, iface->mac, MAC_LEN);
}

static void add(struct fast_iface *iface, __u32 external, struct fast_map *map)
{
	const struct fast_iface *carrier = iface->carrier;
	__u32 port = carrier->ifindex % NUM_FAST_LINK;
	struct fast_link *link = &map->link[port];
	__u32 at = map->num_exits;

	if (at == MAX_FAST_VLAN) {
		leave_out(iface);
		return;
	}
	link->ifindex = carrier->ifindex;
	map->exit_key[at] = iface->ifindex;
	map->exit[at] = (struct fast_exit){ .port = port };
	map->num_exits++;
	if (carrier == iface) {
		link->role = role_of(iface, external);
		memcpy(link->mac, iface->mac, MAC_LEN);
		return;
	}
	link->has_vlans = true;
	map->exit[at].vlan_proto = iface->vlan_proto;
	map->exit[at].vlan = iface->vlan;
	add_vlan(iface, external, map);
}

void fast_map_make(const struct fast_ifaces *ifaces, __u32 external, struct fast_map *ret_map)
{
	memset(ret_map, 0, sizeof(*ret_map)); /* padding too: it is compared */
	for (size_t i = 0; i < ifaces->num; i++)
		if (ifaces->at[i].takes_part)
			add(&ifaces->at[i], external, ret_map);
}

bool fast_map_equal(const struct fast_map *first, const struct fast_map *second)
{
	return memcmp(first, second, sizeof(*first)) == 0;
}

/* ---- as they are ---------------------------------------------------------------------------------------------- */

static bool is_key(const void *key, const void *keys, __u32 num, size_t size)
{
	for (__u32 i = 0; i < num; i++)
		if (memcmp((const char *)keys + i * size, key, size) == 0)
			return true;
	return false;
}

/* What is wanted is put in before what is not is taken out: a packet finds the one or the other, or goes up. */
static int write_hash(int fd, const void *keys, size_t key_size, const void *values, size_t value_size, __u32 num)
{
	char key[16], next[16];
	void *last = NULL;
	int err = 0;

	for (__u32 i = 0; i < num && !err; i++)
		err = bpf_map_update_elem(fd, (const char *)keys + i * key_size, (const char *)values + i * value_size,
					  BPF_ANY);
	while (!err && bpf_map_get_next_key(fd, last, next) == 0) {
		if (is_key(next, keys, num, key_size)) {
			memcpy(key, next, key_size);
			last = key;
			continue;
		}
		err = bpf_map_delete_elem(fd, next);
		last = NULL;
	}
	return err;
}

static int write_links(int links, int ports, const struct fast_map *map)
{
	int err = 0;

	for (__u32 i = 0; i < NUM_FAST_LINK && !err; i++) {
		const struct fast_link *link = &map->link[i];

		/* a slot that is empty already is as well as one that is emptied */
		if (link->ifindex)
			err = bpf_map_update_elem(ports, &i, &link->ifindex, BPF_ANY);
		else
			bpf_map_delete_elem(ports, &i);
		if (!err)
			err = bpf_map_update_elem(links, &i, link, BPF_ANY);
	}
	return err;
}

int fast_map_write(const struct fast_hooks *hooks, const struct fast_map *map, struct fault *fault)
{
	int err = write_links(fast_hooks_map(hooks, "fast_links"), fast_hooks_map(hooks, "fast_ports"), map);

	if (!err)
		err = write_hash(fast_hooks_map(hooks, "fast_vlans"), map->vlan_key, sizeof(map->vlan_key[0]),
				 map->vlan, sizeof(map->vlan[0]), map->num_vlans);
	if (!err)
		err = write_hash(fast_hooks_map(hooks, "fast_exits"), map->exit_key, sizeof(map->exit_key[0]),
				 map->exit, sizeof(map->exit[0]), map->num_exits);
	return err ? fault_set_errno(fault, -err, "cannot tell the XDP program about the interfaces") : 0;
}
