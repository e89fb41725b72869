/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What must hold of one entry of the table. */
#include "entry_check.h"

#include <netinet/in.h>
#include <string.h>

#include "permit.h"

#define LINE 64

void entry_copy(__u32 index, struct entry *ret_copy)
{
	struct entry *entry = store_entry(index);

	ret_copy->life = READ_ONCE(entry->life);
	ret_copy->addrs = READ_ONCE(entry->addrs);
	ret_copy->ports = READ_ONCE(entry->ports);
	ret_copy->proto = READ_ONCE(entry->proto);
	ret_copy->flags = READ_ONCE(entry->flags);
	ret_copy->new_port = READ_ONCE(entry->new_port);
	ret_copy->new_addr = READ_ONCE(entry->new_addr);
	ret_copy->twin = READ_ONCE(entry->twin);
	ret_copy->refs = READ_ONCE(entry->refs);
}

/* ---- the entry itself ------------------------------------------------------------------------------------------ */

/* A mapping has no remote, a permit the address of one, a session an endpoint; ICMP has no port of a remote. */
static bool remote_holds(const struct entry *entry)
{
	bool inbound = entry->flags & ENTRY_INBOUND;
	__be32 addr = inbound ? entry->src : entry->dst;
	__be16 port = inbound ? entry->sport : entry->dport;

	if (entry->flags & ENTRY_MAPPING)
		return !port && !addr == !(entry->proto & PROTO_PERMIT);
	return addr && !(entry->proto & PROTO_PERMIT) && !(entry->proto == IPPROTO_ICMP && port);
}

static bool proto_holds(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_ICMP;
}

static bool fields_hold(const struct entry *entry)
{
	bool mapping = entry->flags & ENTRY_MAPPING;
	__u8 known = mapping ? ENTRY_INBOUND | ENTRY_MAPPING | ENTRY_QUOTA
			     : ENTRY_INBOUND | ENTRY_HOST | ENTRY_COUNTED | ENTRY_QUOTA | ENTRY_PERMITTED;

	if (!proto_holds(entry->proto & ~PROTO_PERMIT) || (entry->flags & ~known) ||
	    mapping == !!(entry->life & LIFE_SESSION))
		return false;
	if (!entry->new_addr || !(entry->flags & ENTRY_INBOUND ? entry->dst : entry->src) || !remote_holds(entry))
		return false;
	/* an outbound one without references rests; an inbound one has the first remote address there */
	return !(entry->proto & PROTO_PERMIT) || !(entry->flags & ENTRY_INBOUND) || !entry->refs;
}

static bool is_there(__u32 index, const struct place *place)
{
	__u32 bucket = index / BUCKET_ENTRIES;

	return bucket == place->bucket[0] || bucket == place->bucket[1] || bucket == place->bucket[2];
}

/* ---- what it depends on ---------------------------------------------------------------------------------------- */

/* Inlined: else GCC finds a function that changes nothing, and leaves its calls out. */
static __always_inline void fetch_bucket(__u32 number)
{
	const char *bucket = (const char *)platform_bucket(number);

	for (size_t at = 0; bucket && at < sizeof(struct bucket); at += LINE)
		__builtin_prefetch(bucket + at);
}

/* An entry has its tuple as packets carry it. */
static struct key entry_key(const struct entry *entry)
{
	struct key key = { .direction = entry->flags & ENTRY_INBOUND };

	key.tuple.addrs = entry->addrs;
	key.tuple.ports = entry->ports;
	key.tuple.proto = entry->proto;
	return key;
}

static void need_base(struct entry_look *look, enum base base, const struct key *key)
{
	look->base_key[base] = *key;
	look->base_place[base] = store_place(key);
	look->has_base[base] = true;
	fetch_bucket(look->base_place[base].bucket[0]);
}

/* The mapping is found by its claim of the external endpoint. */
static void need_bases(struct entry_look *look)
{
	__u8 proto = look->copy.proto;
	struct pair pair, other;
	struct key key;

	if ((look->copy.flags & ENTRY_INBOUND) || (look->depth == ENTRY_ALONE && !(proto & PROTO_PERMIT)))
		return;
	pair = entry_pair(&look->copy);
	if ((look->copy.flags & ENTRY_COUNTED) || (proto & PROTO_PERMIT)) {
		other = (struct pair){ .external = pair.external, .proto = proto & ~PROTO_PERMIT };
		key = pair_key(&other, ENTRY_INBOUND);
		need_base(look, BASE_MAPPING, &key);
	}
	if (look->copy.flags & ENTRY_PERMITTED) {
		other = permit_pair(&pair);
		key = pair_key(&other, 0);
		need_base(look, BASE_PERMIT, &key);
	}
}

void entry_look_begin(__u32 index, enum entry_depth depth, struct entry_look *ret_look)
{
	static const struct entry zero;
	struct entry_look *look = ret_look;
	struct entry *twin;

	look->index = index;
	look->depth = depth;
	look->rule = NUM_RULE;
	memset(look->has_base, 0, sizeof(look->has_base));
	entry_copy(index, &look->copy);
	if (!life_is_visible(look->copy.life)) {
		if (life_phase(look->copy.life) == PHASE_BUSY)
			look->rule = RULE_BUSY;
		else if (memcmp(&look->copy, &zero, sizeof(zero)) != 0)
			look->rule = RULE_FREE;
		return;
	}
	look->key = entry_key(&look->copy);
	look->place = store_place(&look->key);
	twin = depth == ENTRY_WHOLE ? store_entry(look->copy.twin) : NULL;
	if (twin)
		__builtin_prefetch(twin);
	if (index / BUCKET_ENTRIES != look->place.bucket[0])
		fetch_bucket(look->place.bucket[0]);
	need_bases(look);
	if (!fields_hold(&look->copy))
		look->rule = RULE_FIELDS;
	else if (!is_there(index, &look->place))
		look->rule = RULE_BUCKET;
}

/* ---- the others ------------------------------------------------------------------------------------------------ */

/* Of two with one key the one is told that stands in a later bucket of the three, or in a later slot. So one in its first bucket,
 * as most are, need not look into another.
 */
static bool key_is_unique(const struct entry_look *look)
{
	for (int i = 0; i < 3; i++) {
		__u32 bucket = look->place.bucket[i];

		for (__u32 slot = 0; slot < BUCKET_ENTRIES; slot++) {
			struct entry *other = store_entry(bucket * BUCKET_ENTRIES + slot);

			if (bucket * BUCKET_ENTRIES + slot == look->index)
				return true;
			if (other && entry_has_key(other, &look->key) && life_is_visible(READ_ONCE(other->life)))
				return false;
		}
	}
	return true;
}

static bool twin_holds(const struct entry_look *look)
{
	struct pair pair = entry_pair(&look->copy), other;
	struct entry copy;

	if (!store_entry(look->copy.twin))
		return false;
	entry_copy(look->copy.twin, &copy);
	other = entry_pair(&copy);
	return life_is_visible(copy.life) && copy.twin == look->index &&
	       ((copy.flags ^ look->copy.flags) & ENTRY_INBOUND) && endpoint_equal(pair.internal, other.internal) &&
	       endpoint_equal(pair.external, other.external) && endpoint_equal(pair.remote, other.remote) &&
	       pair.proto == other.proto && pair.flags == other.flags;
}

/* store_find, where the place is known. */
static __u32 find_at(const struct key *key, const struct place *place)
{
	for (int i = 0; i < 3; i++) {
		struct bucket *bucket;
		int slot;

		if (i == 2 && !READ_ONCE(platform_header()->num_stashed))
			break;
		bucket = platform_bucket(place->bucket[i]);
		slot = bucket ? bucket_find(bucket, key) : -1;
		if (slot >= 0)
			return place->bucket[i] * BUCKET_ENTRIES + slot;
	}
	return INDEX_NONE;
}

/* False if one of them is not there. References are counted at the outbound entry, which of the mapping is the twin. */
static bool find_bases(struct entry_look *look)
{
	bool found = true;

	for (enum base base = 0; base < NUM_BASE; base++) {
		__u32 index =
			look->has_base[base] ? find_at(&look->base_key[base], &look->base_place[base]) : INDEX_NONE;

		if (look->has_base[base] && index == INDEX_NONE)
			found = false;
		if (base == BASE_MAPPING && index != INDEX_NONE)
			index = look->copy.flags & ENTRY_COUNTED ? READ_ONCE(store_entry(index)->twin) : INDEX_NONE;
		look->base[base] = store_entry(index) ? index : INDEX_NONE;
	}
	return found;
}

void entry_look_end(struct entry_look *look)
{
	bool based, outbound = !(look->copy.flags & ENTRY_INBOUND);
	struct pool *pool;
	struct pair pair;

	if (!life_is_visible(look->copy.life))
		return;
	based = find_bases(look);
	if (look->rule != NUM_RULE)
		return;
	if (!key_is_unique(look))
		look->rule = RULE_UNIQUE;
	else if (look->depth == ENTRY_WHOLE && !twin_holds(look))
		look->rule = RULE_TWIN;
	else if (!based)
		look->rule = RULE_MAPPING;
	if (look->rule != NUM_RULE || !outbound || !(look->copy.flags & ENTRY_MAPPING))
		return;
	pair = entry_pair(&look->copy);
	pool = pair_pool(&pair);
	if (pool && !bitmap_has(pool->used, be16_to_cpu(pair.external.port)))
		look->rule = RULE_POOL;
}

enum rule entry_check(__u32 index)
{
	struct entry_look look;

	entry_look_begin(index, ENTRY_WHOLE, &look);
	entry_look_end(&look);
	return look.rule;
}
