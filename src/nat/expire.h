/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The end of sessions: marking what has expired, freeing it, and making room where an insert finds none.
 *
 * Expiry takes two steps. First both entries are marked DYING, with the time of marking as last-seen; a packet that
 * comes now makes its entry LIVE again and with it the session. A second or more later both are freed, if both are
 * still DYING.
 */
#ifndef BAUTA_EXPIRE_H
#define BAUTA_EXPIRE_H

#include "crowd.h"
#include "displace.h"
#include "mapping.h"
#include "permit.h"
#include "quota.h"
#include "session.h"
#include "store_write.h"

#define EXPIRE_GRACE_S 2 /* at least one whole second, the clock's grain being one */

/* What follows from a session's being gone. */
static __always_inline void session_gone(const struct pair *session, __u32 rest_s, struct pair *room)
{
	struct header *header = platform_header();

	if (header && READ_ONCE(header->num_crowds))
		crowd_release(session);
	quota_give_pair(session, QUOTA_SESSION);
	permit_release(session, room);
	mapping_release(session, rest_s, room);
}

/* Reads the pair of a visible entry, whichever direction. False when there is none at `index`, or a mapping. */
static __always_inline bool session_at(__u32 index, struct pair *ret_session, struct entry **ret_out,
				       struct entry **ret_in)
{
	struct entry *entry = store_entry(index);
	struct entry *twin;

	if (!entry || !life_is_visible(READ_ONCE(entry->life)) || (READ_ONCE(entry->flags) & ENTRY_MAPPING))
		return false;
	twin = store_entry(READ_ONCE(entry->twin));
	if (!twin || READ_ONCE(twin->twin) != index)
		return false;
	*ret_session = entry_pair(entry);
	if (READ_ONCE(entry->flags) & ENTRY_INBOUND) {
		*ret_out = twin;
		*ret_in = entry;
	} else {
		*ret_out = entry;
		*ret_in = twin;
	}
	return true;
}

/* The session that the entry at `index` belongs to, if it does. */
SLOW_PATH bool session_read(__u32 index, struct pair *ret_session)
{
	struct entry *out, *in;
	struct pair session;

	if (!ret_session || !session_at(index, &session, &out, &in))
		return false;
	*ret_session = session;
	return true;
}

/* What removing a session needs room for. */
struct session_room {
	struct pair session;
	struct pair mapping;
};

/* Removes the session at `index`, in whatever state it is, and its mapping, without a rest, if it was the last one on it. */
static __always_inline bool session_remove(__u32 index, struct session_room *room)
{
	if (!session_read(index, &room->session) || !store_remove(index, &room->session, REMOVE_NOW, 0))
		return false;
	session_gone(&room->session, 0, &room->mapping);
	return true;
}

/* Ends the rest of the mapping whose outbound entry is at `index`, if it has lasted `rest_s` seconds; true if that ended it. */
SLOW_PATH bool mapping_reap(__u32 index, __u32 rest_s)
{
	struct entry *entry = store_entry(index);
	struct pair mapping;

	if (!entry || !life_is_visible(READ_ONCE(entry->life)) ||
	    (READ_ONCE(entry->flags) & (ENTRY_MAPPING | ENTRY_INBOUND)) != ENTRY_MAPPING || READ_ONCE(entry->refs))
		return false;
	mapping = entry_pair(entry);
	mapping.flags = store_release(&mapping, RELEASE_RESTED, rest_s);
	quota_give_pair(&mapping, QUOTA_PORT);
	return mapping.flags;
}

/* Marks the session at `index` DYING if it has expired; true when it is, by this call or by an earlier one. */
static __always_inline bool session_mark(const struct config *cfg, __u32 index)
{
	__u32 now = platform_now();
	__u32 out_life, in_life;
	struct entry *out, *in;
	struct pair session;

	if (!session_at(index, &session, &out, &in))
		return false;
	out_life = READ_ONCE(out->life);
	in_life = READ_ONCE(in->life);
	if (life_phase(out_life) != PHASE_LIVE || life_phase(in_life) != PHASE_LIVE)
		return true;
	if (session_expires(cfg, session.proto, session.remote.port, out_life, in_life, now))
		return false;
	if (platform_cmpxchg(&out->life, out_life, life_make(PHASE_DYING, out_life, now)) != out_life)
		return false;
	return platform_cmpxchg(&in->life, in_life, life_make(PHASE_DYING, in_life, now)) == in_life;
}

/* Frees the session at `index` if it has been DYING for `grace_s`; its mapping rests or goes if it was the last one on it. A
 * session of which a packet has revived one half is made whole again instead.
 */
static __always_inline bool session_reap(__u32 index, __u32 grace_s, struct session_room *room)
{
	const struct config *cfg = platform_config();

	if (!cfg || !session_read(index, &room->session) || !store_remove(index, &room->session, REMOVE_DYING, grace_s))
		return false;
	session_gone(&room->session, cfg->rest_s, &room->mapping);
	return true;
}

/* session_mark, for those who ask for one session after another. Not `thorough`: only if the entry at hand has not been used for
 * long, as nearly all that have expired; then the others cost no look at their twins, which are somewhere else in memory.
 */
SLOW_PATH bool expire_mark(__u32 index, bool thorough)
{
	const struct config *cfg = platform_config();
	struct entry *entry = store_entry(index);
	__be16 port;

	if (!cfg || !entry)
		return false;
	port = READ_ONCE(entry->flags) & ENTRY_INBOUND ? READ_ONCE(entry->sport) : READ_ONCE(entry->dport);
	if (!thorough &&
	    !session_may_expire(cfg, READ_ONCE(entry->proto), port, READ_ONCE(entry->life), platform_now()))
		return false;
	return session_mark(cfg, index);
}

/* Whether life words are still to come from the store before this one, so that who looks idle may be busy. */
static __always_inline bool expire_must_wait(void)
{
	struct header *header = platform_header();
	__u32 until = header ? READ_ONCE(header->carried_until) : 0;

	return until && (__s32)(until - platform_now()) > 0;
}

/* The index of an expired session in a bucket, which is marked now; or INDEX_NONE. */
SLOW_PATH __u32 expire_find_in(__u32 bucket, bool thorough)
{
	if (expire_must_wait())
		return INDEX_NONE;
	for (__u32 slot = 0; slot < BUCKET_ENTRIES; slot++)
		if (expire_mark(bucket * BUCKET_ENTRIES + slot, thorough))
			return bucket * BUCKET_ENTRIES + slot;
	return INDEX_NONE;
}

/* The index of an expired session where the entry of this direction may be, which is marked now; or INDEX_NONE. */
SLOW_PATH __u32 expire_find(const struct pair *pair, __u32 direction, bool thorough)
{
	struct place place;
	struct key key;
	__u32 index;

	if (!pair)
		return INDEX_NONE;
	key = pair_key(pair, direction);
	place = store_place(&key);
	index = expire_find_in(place.bucket[0], thorough);
	return index != INDEX_NONE ? index : expire_find_in(place.bucket[1], thorough);
}

/* The index of an expired session, marked now, that bars where an entry in the way of this direction's could be moved to, or the
 * stash; INDEX_NONE if there is none.
 */
SLOW_PATH __u32 expire_find_behind(const struct pair *pair, __u32 direction)
{
	struct place place;
	struct key key;

	if (!pair)
		return INDEX_NONE;
	key = pair_key(pair, direction);
	place = store_place(&key);
	for (__u32 i = 0; i < 2 * BUCKET_ENTRIES; i++) {
		__u32 next = store_next(place.bucket[i / BUCKET_ENTRIES] * BUCKET_ENTRIES + i % BUCKET_ENTRIES);
		__u32 index = next == INDEX_NONE ? INDEX_NONE : expire_find_in(next, true);

		if (index != INDEX_NONE)
			return index;
	}
	return expire_find_in(place.bucket[2], true);
}

#endif
