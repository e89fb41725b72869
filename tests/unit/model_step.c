/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps of the model: each does one thing to the store and to the model. */
#include "model.h"

#include <stdlib.h>

#include "create.h"

/* ---- inserting ------------------------------------------------------------------------------------------------ */

enum insert_mode {
	INSERT_PLAIN,
	INSERT_STASH,
	INSERT_ROOM, /* makes room, then takes the stash */
	NUM_INSERT_MODE,
};

/* Index of the first free slot for a key; `taken` is not free. */
static __u32 first_fit(const struct model *model, const struct key *key, bool stash, __u32 taken)
{
	struct place place = store_place(key);

	for (int i = 0; i < (stash ? 3 : 2); i++)
		for (int slot = 0; slot < BUCKET_ENTRIES; slot++) {
			__u32 index = place.bucket[i] * BUCKET_ENTRIES + slot;

			if (!model->world->bucket[place.bucket[i]].entry[slot].life && index != taken)
				return index;
		}
	return INDEX_NONE;
}

static enum insert_result insert_predict(const struct model *model, const struct name *name, bool stash)
{
	struct pair pair = name_pair(name, 0);
	struct key in_key = pair_key(&pair, ENTRY_INBOUND);
	struct key out_key = pair_key(&pair, 0);
	__u32 in_index;

	if (*model_by_in(model, name) != NOBODY)
		return INSERT_TAKEN;
	if (*model_by_out(model, name) != NOBODY)
		return INSERT_EXISTS;
	in_index = first_fit(model, &in_key, stash, INDEX_NONE);
	if (in_index == INDEX_NONE)
		return INSERT_NO_ROOM_IN;
	return first_fit(model, &out_key, stash, in_index) == INDEX_NONE ? INSERT_NO_ROOM_OUT : INSERT_DONE;
}

/* Ends a session that has been found to have expired, unless it lives on in one half. */
static const char *end_expired(struct model *model, __u32 index, __u32 number, bool *ret_freed)
{
	*ret_freed = model_remove_dying(&model->known[number], 0);
	if (session_reap(index, 0, &(struct session_room){}) != *ret_freed)
		return wrong("an expired session is %s", *ret_freed ? "not removed" : "removed");
	if (*ret_freed)
		model_forget_session(model, number);
	return NULL;
}

/* Whether an entry's own life lets its session have expired. */
static bool seems_expired(const struct entry *entry, const struct pair *pair)
{
	return session_may_expire(platform_config(), pair->proto, pair->remote.port, entry->life, platform_now());
}

/* Ends the first session in the two buckets of a key that has expired, as the translator does to make room; true if that freed
 * a slot.
 */
static const char *make_room_by_expiry(struct model *model, const struct pair *pair, __u32 direction, bool thorough,
				       bool *ret_freed)
{
	struct key key = pair_key(pair, direction);
	struct place place = store_place(&key);
	__u32 expect = INDEX_NONE, number = NOBODY, found;

	for (int i = 0; i < 2 * BUCKET_ENTRIES && expect == INDEX_NONE; i++) {
		__u32 index = place.bucket[i / BUCKET_ENTRIES] * BUCKET_ENTRIES + i % BUCKET_ENTRIES;
		struct pair there = entry_pair(store_entry(index));
		struct name name = pair_name(&there);

		if (!life_is_visible(store_entry(index)->life) || there.flags & ENTRY_MAPPING)
			continue;
		if (!thorough && !seems_expired(store_entry(index), &there))
			continue;
		number = *model_by_in(model, &name);
		if (model_mark(model, &model->known[number]))
			expect = index;
	}
	found = expire_find(pair, direction, thorough);
	if (found != expect)
		return wrong("%u is found to have expired, not %u", found, expect);
	return found == INDEX_NONE ? NULL : end_expired(model, found, number, ret_freed);
}

/* The same where what is in the way could be moved to. */
static const char *make_room_behind(struct model *model, const struct pair *pair, __u32 direction, bool *ret_freed)
{
	__u32 found = expire_find_behind(pair, direction);
	struct pair there;
	struct name name;
	__u32 number;

	if (found == INDEX_NONE)
		return NULL;
	there = entry_pair(store_entry(found));
	name = pair_name(&there);
	number = *model_by_in(model, &name);
	if (!model_mark(model, &model->known[number]))
		return wrong("%u is found to have expired, and has not", found);
	return end_expired(model, found, number, ret_freed);
}

/* As create_session does it. */
static const char *insert_with_room(struct model *model, const struct pair *pair, const struct known *new,
				    enum insert_result *ret_result)
{
	struct key in_key = pair_key(pair, ENTRY_INBOUND);
	struct key out_key = pair_key(pair, 0);

	for (int i = 0; i < CREATE_ATTEMPTS; i++) {
		bool freed = false;
		const char *why;
		__u32 direction;

		*ret_result = store_insert(pair, new->in_life, new->out_life, new->refs, i >= CREATE_ATTEMPTS / 2);
		if (*ret_result < INSERT_NO_ROOM_IN)
			return NULL;
		if (*ret_result == INSERT_NO_ROOM_IN && world_room(model->world, &in_key, i >= CREATE_ATTEMPTS / 2))
			return wrong("no room for an inbound entry, where there is some");
		if (*ret_result == INSERT_NO_ROOM_OUT &&
		    world_room(model->world, &out_key, i >= CREATE_ATTEMPTS / 2) > 1)
			return wrong("no room for an outbound entry, where there is some");
		direction = *ret_result == INSERT_NO_ROOM_IN ? ENTRY_INBOUND : 0;
		why = make_room_by_expiry(model, pair, direction, false, &freed);
		if (why)
			return why;
		if (freed || store_make_room(pair, direction))
			continue;
		why = make_room_by_expiry(model, pair, direction, true, &freed);
		if (why)
			return why;
		if (freed)
			continue;
		why = make_room_behind(model, pair, direction, &freed);
		if (why)
			return why;
		if (freed)
			store_make_room(pair, direction);
	}
	return NULL;
}

static const char *insert(struct model *model, const struct name *name, const struct known *new, enum insert_mode mode,
			  enum insert_result *ret_result)
{
	struct pair pair = name_pair(name, new->flags);
	enum insert_result expect = insert_predict(model, name, mode != INSERT_PLAIN);
	const char *why = NULL;

	if (mode == INSERT_ROOM && (expect == INSERT_DONE || expect >= INSERT_NO_ROOM_IN)) {
		why = insert_with_room(model, &pair, new, ret_result);
		if (!why && *ret_result != INSERT_DONE && *ret_result < INSERT_NO_ROOM_IN)
			why = wrong("insert says %u of tuples that nobody has", *ret_result);
	} else {
		if (expect != INSERT_DONE)
			snapshot_take(model);
		*ret_result = store_insert(&pair, new->in_life, new->out_life, new->refs, mode == INSERT_STASH);
		if (*ret_result != expect)
			why = wrong("insert says %u, not %u", *ret_result, expect);
		else if (expect != INSERT_DONE)
			why = snapshot_check(model, "insert");
	}
	if (!why && *ret_result == INSERT_DONE) {
		struct known added = *new;
		__u32 kind = name->remote ? LIFE_SESSION : 0;

		added.in_life |= kind;
		added.out_life |= kind;
		model_add(model, name, &added);
	}
	return why ? why : check_name(model, name);
}

static struct name name_choose(const struct model *model, const struct model_step *step)
{
	return (struct name){
		.proto = step->choice[0] % NUM_MODEL_PROTO,
		.internal = step->choice[1] % model->size.num_internal,
		.external = step->choice[2] % model->size.num_external,
		.remote = 1 + step->choice[0] / NUM_MODEL_PROTO % (model->size.num_remote - 1),
	};
}

static const char *step_insert(struct model *model, const struct model_step *step)
{
	struct name name = name_choose(model, step);
	struct known new = {
		.in_life = life_make(PHASE_LIVE, 0, platform.now),
		.out_life = life_make(PHASE_LIVE, step->choice[3] >> 8 & LIFE_TCP_MASK, platform.now),
		.flags = step->choice[3] & 0x80 ? ENTRY_HOST : 0,
	};
	enum insert_result result;

	return insert(model, &name, &new, step->choice[3] % NUM_INSERT_MODE, &result);
}

/* A session on the mapping of its internal endpoint, which is made if there is none. */
static const char *step_create(struct model *model, const struct model_step *step)
{
	enum insert_mode mode = step->choice[3] % NUM_INSERT_MODE;
	struct name name = name_choose(model, step);
	__u32 mapping = model_mapping(model, &name);
	struct known new = {
		.in_life = life_make(PHASE_LIVE, 0, platform.now),
		.out_life = life_make(PHASE_LIVE, 0, platform.now),
	};
	enum insert_result result;
	struct pair session;
	const char *why;

	if (mapping == NOBODY) {
		struct name mapping_name = { name.proto, name.internal, name.external, 0 };

		new.refs = 1;
		new.flags = ENTRY_MAPPING;
		why = insert(model, &mapping_name, &new, mode, &result);
		if (why || result != INSERT_DONE)
			return why;
	} else {
		struct pair pair = name_pair(&model->known[mapping].name, ENTRY_MAPPING);
		struct key key = pair_key(&pair, 0);

		if (!store_ref(store_find(&key), &pair))
			return wrong("no reference on a mapping that is there");
		model->known[mapping].refs++;
		name.external = model->known[mapping].name.external;
	}
	new.refs = 0;
	new.flags = ENTRY_COUNTED;
	why = insert(model, &name, &new, mode, &result);
	if (why || result == INSERT_DONE)
		return why;
	session = name_pair(&name, ENTRY_COUNTED);
	mapping_release(&session, 0, &(struct pair){});
	mapping = model_mapping(model, &name);
	if (!--model->known[mapping].refs)
		model_forget(model, mapping);
	return check_name(model, &name);
}

/* ---- the other steps ------------------------------------------------------------------------------------------ */

static struct known *known_choose(const struct model *model, const struct model_step *step)
{
	return &model->known[model->order[step->choice[0] % model->num_known]];
}

static __u32 index_of(const struct known *known, __u8 direction)
{
	struct pair pair = name_pair(&known->name, 0);
	struct key key = pair_key(&pair, direction);

	return store_find(&key);
}

static const char *step_touch(const struct model *model, const struct model_step *step)
{
	struct known *known = known_choose(model, step);
	__u8 direction = step->choice[1] % 2 ? ENTRY_INBOUND : 0;
	__u32 flags = step->choice[2] & LIFE_TCP_MASK;
	__u32 *life = direction ? &known->in_life : &known->out_life;
	struct pair pair = name_pair(&known->name, known->flags);
	struct key key = pair_key(&pair, direction);
	struct found found;

	if (!store_get(&key, &found))
		return wrong("a pair that is there is not found");
	if (!endpoint_equal(found.new, direction ? pair.internal : pair.external) || found.life != *life)
		return wrong("a packet gets another endpoint or life");
	store_touch(&found, flags);
	*life = life_after(*life, direction, flags, platform.now);
	return check_known(known);
}

static const char *step_mark(const struct model *model, const struct model_step *step)
{
	struct known *known = known_choose(model, step);

	if (known->flags & ENTRY_MAPPING)
		return NULL; /* goes with its last session */
	known->out_life = life_make(PHASE_DYING, known->out_life, platform.now);
	known->in_life = life_make(PHASE_DYING, known->in_life, platform.now);
	store_entry(index_of(known, 0))->life = known->out_life;
	store_entry(index_of(known, ENTRY_INBOUND))->life = known->in_life;
	return check_known(known);
}

/* By its own removal, or as the translator removes a session: with its reference. */
static const char *removed(struct model *model, struct known *known)
{
	struct name name = known->name;
	struct pair pair = name_pair(&name, known->flags);

	mapping_release(&pair, 0, &(struct pair){});
	model_forget_session(model, model->order[known->position]);
	return check_name(model, &name);
}

static const char *step_remove(struct model *model, const struct model_step *step)
{
	struct known *known = known_choose(model, step);
	struct pair pair = name_pair(&known->name, known->flags);

	if (known->flags & ENTRY_MAPPING) /* goes with its last session only */
		return store_remove(index_of(known, 0), &pair, REMOVE_NOW, 0) ? wrong("a mapping is removed") : NULL;
	if (!store_remove(index_of(known, step->choice[1] % 2 ? ENTRY_INBOUND : 0), &pair, REMOVE_NOW, 0))
		return wrong("a pair that is there is not removed");
	return removed(model, known);
}

static const char *step_remove_dying(struct model *model, const struct model_step *step)
{
	struct known *known = known_choose(model, step);
	struct pair pair = name_pair(&known->name, known->flags);
	__u32 index = index_of(known, step->choice[1] % 2 ? ENTRY_INBOUND : 0);
	__u32 grace_s = step->choice[2] % 4;
	bool goes;

	if (known->flags & ENTRY_MAPPING)
		return NULL;
	goes = model_remove_dying(known, grace_s);
	if (store_remove(index, &pair, REMOVE_DYING, grace_s) != goes)
		return wrong("a pair that %s is %s", goes ? "is due" : "lives", goes ? "not removed" : "removed");
	return goes ? removed(model, known) : check_known(known);
}

static const char *step_expire(struct model *model, const struct model_step *step)
{
	struct known *known = known_choose(model, step);
	__u32 index = index_of(known, step->choice[1] % 2 ? ENTRY_INBOUND : 0);
	__u32 grace_s = step->choice[2] % 4;
	struct name name = known->name;
	bool mapping = known->flags & ENTRY_MAPPING;
	bool due = !mapping && model_mark(model, known);
	bool goes = due && model_remove_dying(known, grace_s);

	if (session_mark(&model->world->config, index) != due)
		return wrong("a session that %s is %s", due ? "has expired" : "lives", due ? "not marked" : "marked");
	if ((due || mapping) && session_reap(index, grace_s, &(struct session_room){}) != goes)
		return wrong("a session that %s is %s", goes ? "is due" : "lives", goes ? "not removed" : "removed");
	if (goes)
		model_forget_session(model, model->order[known->position]);
	return check_name(model, &name);
}

/* A pair that is not there, or not at that index: neither a removal nor a reference may find it. */
static const char *step_wrong(struct model *model, const struct model_step *step)
{
	const struct known *known = known_choose(model, step);
	struct pair pair = name_pair(&known->name, known->flags);
	__u32 index = index_of(known, 0);
	bool done;

	switch (step->choice[1] % 7) {
	case 0:
		pair.external.port ^= 0x80;
		break;
	case 1:
		pair.internal.addr ^= 0x80;
		break;
	case 2:
		pair.remote.port ^= 0x80;
		break;
	case 3:
		pair.proto ^= 0x80;
		break;
	case 4:
		pair.flags ^= ENTRY_HOST;
		break;
	case 5:
		index = step->choice[2];
		break;
	default:
		index = step->choice[2] % model->world->num_entries;
		break;
	}
	if (index == index_of(known, 0) && step->choice[1] % 7 >= 5)
		return NULL;
	if (index == index_of(known, ENTRY_INBOUND) && step->op != MODEL_REF_WRONG)
		return NULL;
	snapshot_take(model);
	if (step->op == MODEL_REF_WRONG && pair.flags == known->flags)
		done = store_ref(index, &pair);
	else
		done = store_remove(index, &pair, step->choice[3] % 2 ? REMOVE_NOW : REMOVE_DYING, 0);
	return done ? wrong("a pair that is not there is found at %u", index) : snapshot_check(model, "finding it");
}

static const char *step_move(struct model *model, const struct model_step *step)
{
	__u32 index = step->choice[0] % model->world->num_entries;
	const struct entry *entry = store_entry(index);
	struct pair pair = entry_pair(entry);
	struct name name = pair_name(&pair);
	struct key key = pair_key(&pair, entry->flags & ENTRY_INBOUND);
	struct place place = store_place(&key);
	__u32 other = place.bucket[index / BUCKET_ENTRIES == place.bucket[0]];
	__u32 target = INDEX_NONE;

	for (int slot = BUCKET_ENTRIES - 1; slot >= 0; slot--)
		if (!model->world->bucket[other].entry[slot].life)
			target = other * BUCKET_ENTRIES + slot;
	if (life_phase(entry->life) != PHASE_LIVE || index_is_stash(index) || target == INDEX_NONE) {
		snapshot_take(model);
		if (store_move(index))
			return wrong("entry %u is moved, which cannot be", index);
		return snapshot_check(model, "move");
	}
	if (!store_move(index))
		return wrong("entry %u is not moved to %u", index, target);
	if (store_find(&key) != target)
		return wrong("entry %u is moved to %u, not %u", index, store_find(&key), target);
	return check_name(model, &name);
}

const char *model_step(struct model *model, const struct model_step *step)
{
	struct name name;

	if (!model->num_known && step->op != MODEL_INSERT && step->op != MODEL_TICK)
		return step_create(model, step);
	switch (step->op) {
	case MODEL_CREATE:
		return step_create(model, step);
	case MODEL_INSERT:
		return step_insert(model, step);
	case MODEL_FIND:
		name = name_choose(model, step);
		return check_name(model, &name);
	case MODEL_TOUCH:
		return step_touch(model, step);
	case MODEL_MARK:
		return step_mark(model, step);
	case MODEL_REMOVE:
		return step_remove(model, step);
	case MODEL_REMOVE_DYING:
		return step_remove_dying(model, step);
	case MODEL_REMOVE_WRONG:
	case MODEL_REF_WRONG:
		return step_wrong(model, step);
	case MODEL_EXPIRE:
		return step_expire(model, step);
	case MODEL_MOVE:
		return step_move(model, step);
	case MODEL_TICK:
		platform.now += step->choice[0] % 4;
		return NULL;
	case NUM_MODEL_OP:
		break;
	}
	return wrong("no such step");
}
