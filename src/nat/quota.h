/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Quotas: how many mappings and sessions an internal host may have, and how many new sessions a second (RFC 6888 REQ-4, 5).
 *
 * A host has a record in a hash while it has anything that was counted; whatever was counted carries ENTRY_QUOTA, so what is
 * older than the quotas is never counted down. Existing sessions are never touched: a quota that is lowered below what a
 * host has refuses new ones until enough of the old have gone.
 *
 * The rate is that of sessions that came to be. What a quota refuses leaves no trace, so a host that goes on asking is not
 * kept waiting for it; nor does an attempt that failed for want of a port or of room use anything up.
 *
 * The life of a record. Its fields are changed under a stripe, chosen by the address; but finding, adding and removing are
 * calls, which cannot be made under a lock, and the kernel gives memory of a removed element away at once. So whoever has
 * found a record and waits for its lock may come to hold the memory of none, or of another, or of one that is just
 * being written. Therefore a record is added `dead` and woken under the lock by the one who added it, when it is complete,
 * and is dead again before it is removed; and `dead` is read together with the address, in one word. A record that somebody
 * has something of is never removed: giving back always finds it.
 */
#ifndef BAUTA_QUOTA_H
#define BAUTA_QUOTA_H

#include "platform.h"
#include "quota_map.h"
#include "store.h"

/* Somebody else's adding or removing takes a fraction of a microsecond. */
#define QUOTA_TRIES 8
#define QUOTA_AGAIN (-1) /* no enum quota_result */

enum quota_item {
	QUOTA_PORT,    /* a mapping */
	QUOTA_SESSION, /* a session; taking it counts for the rate */
	QUOTA_ATTEMPT, /* only given back: a session that never came to be, with what it counted for the rate */
};

enum quota_result {
	QUOTA_UNCOUNTED, /* go ahead, without ENTRY_QUOTA */
	QUOTA_COUNTED,   /* go ahead, with ENTRY_QUOTA; or give it back */
	QUOTA_NO_PORT,
	QUOTA_NO_SESSION,
	QUOTA_NO_RATE,
	QUOTA_NO_ROOM, /* there is no record for one more host */
};

static __always_inline bool quota_is_refusal(enum quota_result result)
{
	return result >= QUOTA_NO_PORT;
}

static __always_inline bool quota_is_set(const struct config *cfg)
{
	return cfg->max_ports || cfg->max_sessions || cfg->max_new_per_s;
}

static __always_inline struct stripe *quota_stripe(__be32 addr)
{
	__u32 mix = addr * 0x9e3779b1u;

	return platform_stripe(mix >> 24);
}

/* Whether this memory is the record of that host, complete and not about to be removed. */
static __always_inline bool quota_is_of(struct quota *quota, __be32 addr)
{
	const struct quota want = { .addr = addr };

	return READ_ONCE(quota->who) == want.who;
}

/* Whether the second that was counted in last is still the current one. A CPU whose clock has just ticked may be ahead of
 * this one: that does not begin the second anew.
 */
static __always_inline bool quota_is_current(struct quota *quota, __u32 now)
{
	return (__s32)(now - READ_ONCE(quota->second)) <= 0;
}

/* What stands against one more, or QUOTA_COUNTED. */
static __always_inline enum quota_result quota_judge(const struct config *cfg, struct quota *quota,
						     enum quota_item item, __u32 now)
{
	if (item == QUOTA_PORT)
		return cfg->max_ports && READ_ONCE(quota->num_ports) >= cfg->max_ports ? QUOTA_NO_PORT : QUOTA_COUNTED;
	if (cfg->max_sessions && READ_ONCE(quota->num_sessions) >= cfg->max_sessions)
		return QUOTA_NO_SESSION;
	if (cfg->max_new_per_s && quota_is_current(quota, now) && READ_ONCE(quota->num_new) >= cfg->max_new_per_s)
		return QUOTA_NO_RATE;
	return QUOTA_COUNTED;
}

/* Counts one more. Under the lock. */
static __always_inline void quota_count(struct quota *quota, enum quota_item item, __u32 now)
{
	if (item == QUOTA_PORT) {
		WRITE_ONCE(quota->num_ports, quota->num_ports + 1);
		return;
	}
	WRITE_ONCE(quota->num_sessions, quota->num_sessions + 1);
	if (quota_is_current(quota, now)) {
		WRITE_ONCE(quota->num_new, quota->num_new + 1);
	} else {
		WRITE_ONCE(quota->second, now);
		WRITE_ONCE(quota->num_new, 1);
	}
}

/* Adds the record of a host: 0 when there is one now, ours or another's; else -errno. */
static __always_inline long quota_add(__be32 addr, struct stripe *stripe, __u32 now)
{
	const struct quota unborn = { .addr = addr, .dead = 1, .second = now };
	long error = platform_quota_add(&unborn);
	struct quota *quota;

	if (error)
		return error == -EEXIST ? 0 : error;
	quota = platform_quota_find(addr);
	if (!quota)
		return 0; /* never: nobody removes what is dead */
	platform_lock(stripe);
	WRITE_ONCE(quota->dead, 0);
	platform_unlock(stripe);
	return 0;
}

/* One attempt to take one more: an enum quota_result; QUOTA_AGAIN if the record was not to be got hold of. */
SLOW_PATH int quota_try(__be32 addr, enum quota_item item)
{
	const struct config *cfg = platform_config();
	struct stripe *stripe = quota_stripe(addr);
	struct quota *quota = platform_quota_find(addr);
	__u32 now = platform_now();
	enum quota_result result;
	bool ours;

	if (!cfg || !stripe)
		return QUOTA_NO_ROOM;
	if (!quota)
		return quota_add(addr, stripe, now) ? QUOTA_NO_ROOM : QUOTA_AGAIN;
	if (quota_judge(cfg, quota, item, now) == QUOTA_COUNTED) {
		platform_lock(stripe);
		ours = quota_is_of(quota, addr);
		result = quota_judge(cfg, quota, item, now);
		if (ours && result == QUOTA_COUNTED)
			quota_count(quota, item, now);
		platform_unlock(stripe);
	} else {
		ours = quota_is_of(quota, addr);
		result = quota_judge(cfg, quota, item, now);
		/* it may have become another's between the two */
		ours = ours && quota_is_of(quota, addr) && result != QUOTA_COUNTED;
	}
	return ours ? (int)result : QUOTA_AGAIN;
}

/* Takes one more, a QUOTA_PORT or a QUOTA_SESSION, for an internal host. A host that is at its limit learns that without
 * a lock, so one that goes on asking keeps nobody waiting. Whoever does not get hold of the record, because others add or
 * remove it all the while, goes uncounted: its host has, or had a moment ago, nothing at all.
 */
SLOW_PATH enum quota_result quota_take(__be32 addr, enum quota_item item)
{
	for (int i = 0; i < QUOTA_TRIES; i++) {
		int result = quota_try(addr, item);

		if (result != QUOTA_AGAIN)
			return result;
	}
	return QUOTA_UNCOUNTED;
}

static __always_inline void quota_uncount(struct quota *quota, enum quota_item item, __u32 now)
{
	if (item == QUOTA_PORT) {
		if (quota->num_ports)
			WRITE_ONCE(quota->num_ports, quota->num_ports - 1);
		return;
	}
	if (quota->num_sessions)
		WRITE_ONCE(quota->num_sessions, quota->num_sessions - 1);
	if (item == QUOTA_ATTEMPT && quota_is_current(quota, now) && quota->num_new)
		WRITE_ONCE(quota->num_new, quota->num_new - 1);
}

/* Gives back what was counted. False if it was not, which would be a mistake of the caller's. */
SLOW_PATH bool quota_give(__be32 addr, enum quota_item item)
{
	struct quota *quota = platform_quota_find(addr);
	struct stripe *stripe = quota_stripe(addr);
	__u32 now = platform_now();
	bool ours;

	if (!quota || !stripe)
		return false;
	platform_lock(stripe);
	ours = quota_is_of(quota, addr);
	if (ours)
		quota_uncount(quota, item, now);
	platform_unlock(stripe);
	return ours;
}

/* Takes what a pair that is about to be made needs, and notes in its flags whether it was counted. The host of the gateway has
 * no quota; nor has a mapping that only keeps a port, whose internal endpoint is the external one.
 */
SLOW_PATH enum quota_result quota_take_pair(struct pair *pair)
{
	const struct config *cfg = platform_config();
	enum quota_result result;

	if (!pair)
		return QUOTA_NO_ROOM;
	pair->flags &= ~ENTRY_QUOTA;
	if (!cfg || !quota_is_set(cfg) || (pair->flags & ENTRY_HOST) || pair->internal.addr == pair->external.addr)
		return QUOTA_UNCOUNTED;
	result = quota_take(pair->internal.addr, pair->flags & ENTRY_MAPPING ? QUOTA_PORT : QUOTA_SESSION);
	if (result == QUOTA_COUNTED)
		pair->flags |= ENTRY_QUOTA;
	return result;
}

/* Gives back what a pair had that is gone, or, as a QUOTA_ATTEMPT, never came to be. */
static __always_inline void quota_give_pair(const struct pair *pair, enum quota_item item)
{
	if (pair->flags & ENTRY_QUOTA)
		quota_give(pair->internal.addr, item);
}

/* Removes the record of a host that has nothing, once its last second is over. True if it is gone, by this call. */
SLOW_PATH bool quota_reap(__be32 addr)
{
	struct quota *quota = platform_quota_find(addr);
	struct stripe *stripe = quota_stripe(addr);
	__u32 now = platform_now();
	bool idle;

	if (!quota || !stripe)
		return false;
	platform_lock(stripe);
	idle = quota_is_of(quota, addr) && !quota->num_sessions && !quota->num_ports && !quota_is_current(quota, now);
	if (idle)
		WRITE_ONCE(quota->dead, 1);
	platform_unlock(stripe);
	if (idle)
		platform_quota_remove(addr);
	return idle;
}

#endif
