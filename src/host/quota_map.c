/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The records of internal hosts that have a quota: in user space, a small table for tests. */
#include "quota_map.h"

#include <sched.h>

#include "platform.h"

__thread struct quota_map *quota_map;

static void lock(void)
{
	while (__atomic_test_and_set(&quota_map->locked, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void unlock(void)
{
	__atomic_clear(&quota_map->locked, __ATOMIC_RELEASE);
}

/* The slot of this address, or one that is free, or NULL. */
static struct quota_slot *find(__be32 addr, bool free)
{
	for (__u32 i = 0; i < quota_map->max && i < QUOTA_MAP_SLOTS; i++) {
		struct quota_slot *slot = &quota_map->slot[i];

		if (free ? !slot->used : slot->used && slot->addr == addr)
			return slot;
	}
	return NULL;
}

struct quota *platform_quota_find(__be32 addr)
{
	struct quota_slot *slot;

	if (!quota_map)
		return NULL;
	lock();
	slot = find(addr, false);
	unlock();
	return slot ? &slot->quota : NULL;
}

/* The copy is made field by field, and seen so by whoever still holds the memory: nothing is said about the order. */
static void copy(struct quota *to, const struct quota *from)
{
	WRITE_ONCE(to->num_new, from->num_new);
	WRITE_ONCE(to->second, from->second);
	WRITE_ONCE(to->addr, from->addr);
	WRITE_ONCE(to->num_ports, from->num_ports);
	WRITE_ONCE(to->dead, from->dead);
	WRITE_ONCE(to->num_sessions, from->num_sessions);
}

long platform_quota_add(const struct quota *quota)
{
	struct quota_slot *slot;
	long error = 0;

	if (!quota_map)
		return -E2BIG;
	lock();
	slot = find(0, true);
	if (find(quota->addr, false)) {
		error = -EEXIST;
	} else if (!slot) {
		error = -E2BIG;
	} else {
		copy(&slot->quota, quota);
		slot->addr = quota->addr;
		slot->used = true;
	}
	unlock();
	return error;
}

void platform_quota_remove(__be32 addr)
{
	struct quota_slot *slot;

	lock();
	slot = find(addr, false);
	if (slot)
		slot->used = false;
	unlock();
}
