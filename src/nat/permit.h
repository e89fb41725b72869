/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Permits: which remote addresses a mapping has sessions with (RFC 4787 §5, address-dependent filtering).
 *
 * The first session on a mapping writes its remote address into the mapping itself, where it stands as long as the mapping: most
 * mappings have no other. Each further address gets a permit, a pair in the store, which goes with the last session toward it,
 * whoever began that: the inside may be speaking on any of them. So a session brings at most one pair besides itself: its
 * mapping, or a permit.
 */
#ifndef BAUTA_PERMIT_H
#define BAUTA_PERMIT_H

#include "mapping.h"
#include "store_write.h"

static __always_inline enum filtering permit_filtering(const struct config *cfg, __u8 proto)
{
	return proto == IPPROTO_TCP ? cfg->filtering_tcp : cfg->filtering_udp;
}

/* Whether sessions of this protocol need permits. Queries of ICMP are answered by whom they were sent to. */
static __always_inline bool permit_is_needed(const struct config *cfg, __u8 proto)
{
	return proto != IPPROTO_ICMP && permit_filtering(cfg, proto) == FILTERING_ADDRESS_DEPENDENT;
}

/* The permit for the remote address of a session. */
static __always_inline struct pair permit_pair(const struct pair *session)
{
	struct pair permit = {
		.internal = session->internal,
		.external = session->external,
		.remote = { .addr = session->remote.addr },
		.proto = session->proto | PROTO_PERMIT,
		.flags = ENTRY_MAPPING,
	};

	return permit;
}

/* Whether the mapping itself lets this remote address in; with `take`, also if it has none yet, which is then this one. Somebody
 * has a reference on the mapping, so what it has stays; all mappings of a protocol share a lock, which is taken only to write.
 */
SLOW_PATH bool permit_is_first(const struct pair *mapping, __be32 remote, bool take)
{
	struct header *header = platform_header();
	bool first = false, wrote = false;
	struct stripe *stripe;
	struct entry *entry;
	struct key key;
	__u32 index;
	__be32 there;

	if (!mapping)
		return false;
	key = pair_key(mapping, ENTRY_INBOUND);
	index = store_find(&key);
	if (index == INDEX_NONE)
		return false;
	entry = store_entry(index);
	stripe = store_stripe(mapping->proto, mapping->remote);
	if (!entry || !header || !stripe)
		return false;
	there = READ_ONCE(entry->refs);
	if (!take || there)
		return there == remote && entry_has_key(entry, &key);
	platform_lock(stripe);
	if (life_is_visible(READ_ONCE(entry->life)) && entry_has_key(entry, &key)) {
		wrote = !READ_ONCE(entry->refs);
		if (wrote)
			WRITE_ONCE(entry->refs, remote);
		first = READ_ONCE(entry->refs) == remote;
		index = READ_ONCE(entry->twin);
	}
	platform_unlock(stripe);
	if (wrote)
		store_mark(header, index);
	return first;
}

/* Gives back the reference of a session that is gone. `room` is for the permit. 0. */
SLOW_PATH int permit_release(const struct pair *session, struct pair *room)
{
	if (session && room && (session->flags & ENTRY_PERMITTED)) {
		*room = permit_pair(session);
		store_release(room, RELEASE_SESSION, 0);
	}
	return 0;
}

/* Whether the filter of the mapping of `session`, which is not there, lets its remote in. */
SLOW_PATH bool permit_lets_in(const struct pair *mapping, const struct pair *session)
{
	const struct config *cfg = platform_config();
	struct pair permit;
	struct key key;

	/* a port that sessions share belongs to nobody, and one that rests to nobody any more */
	if (!cfg || !mapping || !session || endpoint_equal(mapping->internal, mapping->external) ||
	    mapping_rests(mapping))
		return false;
	switch (permit_filtering(cfg, session->proto)) {
	case FILTERING_ENDPOINT_INDEPENDENT:
		return true;
	case FILTERING_ADDRESS_DEPENDENT:
		break;
	case FILTERING_ADDRESS_AND_PORT_DEPENDENT:
		return false;
	}
	if (permit_is_first(mapping, session->remote.addr, false))
		return true;
	permit = permit_pair(session);
	key = pair_key(&permit, ENTRY_INBOUND);
	return store_find(&key) != INDEX_NONE;
}

#endif
