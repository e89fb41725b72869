/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expire.h"

static const __u8 proto_number[NUM_MODEL_PROTO] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };

static char wrong_text[240];

const char *wrong(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(wrong_text, sizeof(wrong_text), format, args);
	va_end(args);
	return wrong_text;
}

/* ---- names ---------------------------------------------------------------------------------------------------- */

static struct endpoint endpoint_of(__u32 addr, __u32 port)
{
	return (struct endpoint){ .addr = cpu_to_be32(addr), .port = cpu_to_be16(port) };
}

struct pair name_pair(const struct name *name, __u8 flags)
{
	struct pair pair = { .proto = proto_number[name->proto], .flags = flags };

	pair.internal = endpoint_of(0x0a000000 + name->internal / 64, 1024 + name->internal % 64);
	pair.external = endpoint_of(0xc0000201 + name->external % 2, 1024 + name->external / 2);
	if (name->remote)
		pair.remote =
			endpoint_of(0xc6336400 + name->remote, pair.proto == IPPROTO_ICMP ? 0 : 443 + name->remote % 3);
	return pair;
}

struct name pair_name(const struct pair *pair)
{
	struct name name = { .proto = pair->proto == IPPROTO_TCP ? 0 : pair->proto == IPPROTO_UDP ? 1 : 2 };

	name.internal = (be32_to_cpu(pair->internal.addr) - 0x0a000000) * 64 + be16_to_cpu(pair->internal.port) - 1024;
	name.external = be32_to_cpu(pair->external.addr) - 0xc0000201 + (be16_to_cpu(pair->external.port) - 1024) * 2;
	if (pair->remote.addr)
		name.remote = be32_to_cpu(pair->remote.addr) - 0xc6336400;
	return name;
}

__u32 *model_by_in(const struct model *model, const struct name *name)
{
	return &model->by_in[(name->proto * model->size.num_external + name->external) * model->size.num_remote +
			     name->remote];
}

__u32 *model_by_out(const struct model *model, const struct name *name)
{
	return &model->by_out[(name->proto * model->size.num_internal + name->internal) * model->size.num_remote +
			      name->remote];
}

/* ---- the model alone ------------------------------------------------------------------------------------------ */

void model_add(struct model *model, const struct name *name, const struct known *known)
{
	__u32 number = model->order[model->num_known];

	if (model->num_known == model->max_known)
		abort(); /* the store took more than it has slots for: its own checks come first */
	model->known[number] = *known;
	model->known[number].name = *name;
	model->known[number].position = model->num_known++;
	*model_by_in(model, name) = number;
	*model_by_out(model, name) = number;
}

void model_forget(struct model *model, __u32 number)
{
	struct known *known = &model->known[number];
	__u32 last = model->order[--model->num_known];

	*model_by_in(model, &known->name) = NOBODY;
	*model_by_out(model, &known->name) = NOBODY;
	model->order[known->position] = last;
	model->known[last].position = known->position;
	model->order[model->num_known] = number;
	known->position = model->num_known;
}

__u32 model_mapping(const struct model *model, const struct name *name)
{
	struct name mapping = *name;

	mapping.remote = 0;
	return *model_by_out(model, &mapping);
}

void model_forget_session(struct model *model, __u32 number)
{
	const struct known *known = &model->known[number];

	if (known->flags & ENTRY_COUNTED) {
		__u32 mapping = model_mapping(model, &known->name);

		if (!--model->known[mapping].refs)
			model_forget(model, mapping);
	}
	model_forget(model, number);
}

static bool is_due(__u32 life, __u32 grace_s)
{
	return life_phase(life) == PHASE_DYING && life_idle(life, platform.now) >= grace_s;
}

bool model_remove_dying(struct known *known, __u32 grace_s)
{
	/* no inbound refresh, and what comes after a RST from inside does not count */
	bool in_counts = proto_number[known->name.proto] == IPPROTO_TCP && !(known->out_life & LIFE_RST);

	if (is_due(known->out_life, grace_s) && (!in_counts || is_due(known->in_life, grace_s)))
		return true;
	if (life_phase(known->out_life) == PHASE_LIVE || (in_counts && life_phase(known->in_life) == PHASE_LIVE)) {
		known->out_life = (known->out_life & ~LIFE_PHASE_MASK) | PHASE_LIVE;
		known->in_life = (known->in_life & ~LIFE_PHASE_MASK) | PHASE_LIVE;
	}
	return false;
}

bool model_mark(const struct model *model, struct known *known)
{
	__u8 proto = proto_number[known->name.proto];

	if (life_phase(known->out_life) != PHASE_LIVE || life_phase(known->in_life) != PHASE_LIVE)
		return true;
	if (session_expires(&model->world->config, proto, name_pair(&known->name, 0).remote.port, known->out_life,
			    known->in_life, platform.now))
		return false;
	known->out_life = life_make(PHASE_DYING, known->out_life, platform.now);
	known->in_life = life_make(PHASE_DYING, known->in_life, platform.now);
	return true;
}

/* ---- comparing ------------------------------------------------------------------------------------------------ */

/* Whether another entry of the bucket comes first that differs by its addresses only. */
static bool is_hidden(const struct key *key, __u32 index)
{
	for (__u32 i = index - index % BUCKET_ENTRIES; i < index; i++) {
		const struct entry *entry = store_entry(i);

		if (entry->ports == key->tuple.ports && entry->proto == key->tuple.proto &&
		    (entry->flags & ENTRY_INBOUND) == key->direction)
			return true;
	}
	return false;
}

/* In fewer steps the same is found, and little is missed. */
static const char *check_soon(const struct key *key, __u32 index)
{
	struct entry *entry = store_entry(index);
	struct found found;

	if (!store_get_soon(key, &found))
		return index_is_stash(index) || is_hidden(key, index) ? NULL : wrong("entry %u is missed", index);
	if (found.entry != entry || found.new.addr != entry->new_addr || found.new.port != entry->new_port ||
	    found.flags != entry->flags || found.life != entry->life || found.next_hop != entry->next_hop)
		return wrong("entry %u is read otherwise in fewer steps", index);
	return NULL;
}

static const char *check_entry(const struct known *known, __u8 direction, __u32 *ret_index)
{
	struct pair pair = name_pair(&known->name, known->flags);
	struct key key = pair_key(&pair, direction);
	struct endpoint new = { 0 };
	struct entry *entry;
	__u8 flags = 0;

	*ret_index = store_find(&key);
	if (*ret_index == INDEX_NONE)
		return wrong("direction %u of a pair is not found", direction);
	entry = store_entry(*ret_index);
	if (!store_read(entry, &key, &new, &flags))
		return wrong("entry %u cannot be read", *ret_index);
	if (!endpoint_equal(new, direction ? pair.internal : pair.external))
		return wrong("entry %u has another endpoint", *ret_index);
	if (flags != (known->flags | direction))
		return wrong("entry %u has flags %#x, not %#x", *ret_index, flags, known->flags | direction);
	if (entry->life != (direction ? known->in_life : known->out_life))
		return wrong("entry %u has life %#x, not %#x", *ret_index, entry->life,
			     direction ? known->in_life : known->out_life);
	if (entry->refs != (direction ? 0 : known->refs))
		return wrong("entry %u has %u references, not %u", *ret_index, entry->refs, known->refs);
	return check_soon(&key, *ret_index);
}

const char *check_known(const struct known *known)
{
	__u32 out_index, in_index;
	const char *why = check_entry(known, 0, &out_index);

	if (!why)
		why = check_entry(known, ENTRY_INBOUND, &in_index);
	if (!why && (store_entry(out_index)->twin != in_index || store_entry(in_index)->twin != out_index))
		return wrong("entries %u and %u are not twins", out_index, in_index);
	return why;
}

const char *check_name(const struct model *model, const struct name *name)
{
	struct pair pair = name_pair(name, 0);
	struct key in_key = pair_key(&pair, ENTRY_INBOUND);
	struct key out_key = pair_key(&pair, 0);
	const char *why = NULL;

	if (*model_by_in(model, name) != NOBODY)
		why = check_known(&model->known[*model_by_in(model, name)]);
	else if (store_find(&in_key) != INDEX_NONE)
		why = wrong("an inbound tuple that nobody has is found");
	if (why)
		return why;
	if (*model_by_out(model, name) != NOBODY)
		return check_known(&model->known[*model_by_out(model, name)]);
	return store_find(&out_key) != INDEX_NONE ? wrong("an outbound tuple that nobody has is found") : NULL;
}

void snapshot_take(struct model *model)
{
	memcpy(model->before, model->world->bucket, model->world->num_entries * sizeof(struct entry));
}

const char *snapshot_check(const struct model *model, const char *what)
{
	if (memcmp(model->before, model->world->bucket, model->world->num_entries * sizeof(struct entry)) != 0)
		return wrong("%s failed and changed the table", what);
	return NULL;
}

/* ---- all of it ------------------------------------------------------------------------------------------------ */

const char *model_check(struct model *model)
{
	const struct header *header = &model->world->header;
	__u64 num_mappings = 0;
	const char *why = NULL;

	for (__u32 i = 0; i < model->num_known && !why; i++) {
		why = check_known(&model->known[model->order[i]]);
		num_mappings += !!(model->known[model->order[i]].flags & ENTRY_MAPPING);
	}
	if (why)
		return why;
	if (header->num_mappings != num_mappings || header->num_sessions != model->num_known - num_mappings)
		return wrong("the header counts %llu sessions and %llu mappings, not %llu and %llu",
			     header->num_sessions, header->num_mappings, model->num_known - num_mappings, num_mappings);
	return world_violation();
}

const char *model_drain(struct model *model)
{
	/* Mappings go with their sessions. Each pass is later by the longest timeout; a half revived one takes all three. */
	for (int pass = 0; pass < 3; pass++) {
		platform.now += 7440;
		for (__u32 index = 0; index < model->world->num_entries; index++)
			if (session_mark(&model->world->config, index))
				session_reap(index, EXPIRE_GRACE_S, &(struct session_room){});
	}
	while (model->num_known)
		model_forget(model, model->order[0]);
	return world_is_empty(model->world) ? NULL : wrong("something is left when everything has expired");
}

double model_load(const struct model *model)
{
	return 2.0 * model->num_known / (model->world->header.shape.num_buckets * BUCKET_ENTRIES);
}

static void *allocate(size_t num, size_t size)
{
	void *memory = calloc(num, size);

	if (!memory)
		abort();
	return memory;
}

void model_open(struct model *model, struct world *world, struct model_size size)
{
	size_t num_in = (size_t)NUM_MODEL_PROTO * size.num_external * size.num_remote;
	size_t num_out = (size_t)NUM_MODEL_PROTO * size.num_internal * size.num_remote;

	memset(model, 0, sizeof(*model));
	model->world = world;
	model->size = size;
	model->max_known = world->num_entries / 2;
	model->known = allocate(model->max_known, sizeof(*model->known));
	model->order = allocate(model->max_known, sizeof(*model->order));
	model->before = allocate(world->num_entries, sizeof(struct entry));
	model->by_in = allocate(num_in, sizeof(*model->by_in));
	model->by_out = allocate(num_out, sizeof(*model->by_out));
	for (__u32 i = 0; i < model->max_known; i++)
		model->order[i] = i;
	memset(model->by_in, 0xff, num_in * sizeof(*model->by_in));
	memset(model->by_out, 0xff, num_out * sizeof(*model->by_out));
}

void model_close(struct model *model)
{
	free(model->known);
	free(model->order);
	free(model->before);
	free(model->by_in);
	free(model->by_out);
	memset(model, 0, sizeof(*model));
}
