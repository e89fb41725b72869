/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The end of sessions: marking what has expired, freeing it, and making room where an insert finds none.
 *
 * Expiry takes two steps. First both entries are marked DYING, with the time of marking as last-seen; a packet that
 * comes now makes its entry LIVE again and with it the session. A second or more later both are freed, if both are
 * still DYING.
 */
#ifndef BAUTA_EXPIRE_H
#define BAUTA_EXPIRE_H

#include "mapping.h"
#include "session.h"
#include "store.h"

#define EXPIRE_GRACE_S 2 /* at least one whole second, the clock's grain being one */

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

/* Removes the session at `index`, in whatever state it is, and its mapping if it was the last one on it. */
static __always_inline bool session_remove(__u32 index)
{
	struct entry *out, *in;
	struct pair session;

	if (!session_at(index, &session, &out, &in) || !store_remove(index, &session, REMOVE_NOW, 0))
		return false;
	mapping_release(&session);
	return true;
}

/* Takes the session at `index` one step further to its end if its time has come; true when that freed it. With
 * `grace_s` 0 both steps are taken at once: for a writer that needs the slot.
 */
static __always_inline bool session_expire(const struct config *cfg, __u32 index, __u32 grace_s)
{
	__u32 now = platform_now();
	__u32 out_life, in_life;
	struct entry *out, *in;
	struct pair session;

	if (!session_at(index, &session, &out, &in))
		return false;
	out_life = READ_ONCE(out->life);
	in_life = READ_ONCE(in->life);
	if (life_phase(out_life) == PHASE_LIVE && life_phase(in_life) == PHASE_LIVE) {
		if (session_expires(cfg, session.proto, out_life, in_life, now))
			return false;
		if (platform_cmpxchg(&out->life, out_life, life_make(PHASE_DYING, out_life, now)) != out_life)
			return false;
		platform_cmpxchg(&in->life, in_life, life_make(PHASE_DYING, in_life, now));
		if (grace_s)
			return false;
	}
	if (!store_remove(index, &session, REMOVE_DYING, grace_s))
		return false;
	mapping_release(&session);
	return true;
}

/* Frees a slot where an entry with this key may be: that of an expired session, or of one that can be moved. */
static SLOW_PATH bool expire_make_room(const struct pair *pair, __u8 direction)
{
	const struct config *cfg = platform_config();
	struct key key = pair_key(pair, direction);
	struct place place = store_place(&key);

	if (!cfg)
		return false;
	for (int i = 0; i < 2 * BUCKET_ENTRIES; i++)
		if (session_expire(cfg, place.bucket[i / BUCKET_ENTRIES] * BUCKET_ENTRIES + i % BUCKET_ENTRIES, 0))
			return true;
	for (int i = 0; i < BUCKET_ENTRIES; i++)
		if (store_move(place.bucket[0] * BUCKET_ENTRIES + i))
			return true;
	return false;
}

/* store_insert that makes room where it can, and takes the stash where it cannot. */
static SLOW_PATH enum insert_result expire_insert(const struct pair *pair, __u32 in_life, __u32 out_life, __u32 refs)
{
	enum insert_result result = INSERT_NO_ROOM_IN;

	/* twice with room made, for either direction; then with the stash */
	for (int i = 0; i < 3; i++) {
		result = store_insert(pair, in_life, out_life, refs, i == 2);
		if (result < INSERT_NO_ROOM_IN || i == 2)
			break;
		if (!expire_make_room(pair, result == INSERT_NO_ROOM_IN ? ENTRY_INBOUND : 0))
			i = 1;
	}
	return result;
}

#endif
