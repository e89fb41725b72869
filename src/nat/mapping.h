/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mappings: one external endpoint for an internal one, whatever the remote (RFC 4787 REQ-1).
 *
 * A mapping is a pair in the store with the remote endpoint 0.0.0.0:0. Its inbound entry is the claim of the external
 * endpoint as a whole; its outbound entry counts the sessions on that external endpoint, and it goes with the last of
 * them (RFC 3022 §3.3), or after a rest (RFC 6888 REQ-8).
 *
 * Sessions that share a port count on the mapping of whoever has it mapped. If nobody has, the port gets a mapping of its
 * own, whose internal endpoint is the external one. So a port is in use if and only if it has a mapping.
 */
#ifndef BAUTA_MAPPING_H
#define BAUTA_MAPPING_H

#include "quota.h"
#include "store_write.h"

/* The mapping of an internal endpoint, if there is one. */
static __always_inline bool mapping_find(__u8 proto, struct endpoint internal, struct pair *ret_mapping,
					 __u32 *ret_index)
{
	struct pair mapping = { .internal = internal, .proto = proto, .flags = ENTRY_MAPPING };
	struct key key = pair_key(&mapping, 0);
	__u32 index = store_find(&key);
	struct entry *entry;
	__u8 flags;

	if (index == INDEX_NONE)
		return false;
	entry = store_entry(index);
	if (!entry || !store_read(entry, &key, &mapping.external, &flags))
		return false;
	*ret_mapping = mapping;
	*ret_index = index;
	return true;
}

/* The mapping that an external endpoint belongs to, if there is one. */
SLOW_PATH bool mapping_find_external(__u8 proto, __be32 addr, __be16 port, struct pair *ret_mapping)
{
	struct pair mapping = { .external = { .addr = addr, .port = port }, .proto = proto, .flags = ENTRY_MAPPING };
	struct key key = pair_key(&mapping, ENTRY_INBOUND);
	struct found found;

	if (!ret_mapping || !store_get(&key, &found))
		return false;
	mapping.internal = found.new;
	*ret_mapping = mapping;
	return true;
}

/* Takes one more reference on a mapping. False if it is no longer there. */
SLOW_PATH bool mapping_ref(const struct pair *mapping)
{
	struct key key;

	if (!mapping)
		return false;
	key = pair_key(mapping, 0);
	return store_ref(store_find(&key), mapping);
}

/* Whether a mapping has no session: it rests. */
SLOW_PATH bool mapping_rests(const struct pair *mapping)
{
	struct entry *entry;
	struct key key;
	__u32 index;

	if (!mapping)
		return false;
	key = pair_key(mapping, 0);
	index = store_find(&key);
	if (index == INDEX_NONE)
		return false;
	entry = store_entry(index);
	return entry && entry_has_key(entry, &key) && !READ_ONCE(entry->refs);
}

/* Gives back the reference of a session that is gone. The mapping is there as long as the reference is. `room` is for the
 * mapping: the stack is short where this is called. 0.
 */
SLOW_PATH int mapping_release(const struct pair *session, __u32 rest_s, struct pair *room)
{
	if (session && room && (session->flags & ENTRY_COUNTED) &&
	    mapping_find_external(session->proto, session->external.addr, session->external.port, room)) {
		room->flags = store_release(room, RELEASE_SESSION, rest_s);
		quota_give_pair(room, QUOTA_PORT);
	}
	return 0;
}

#endif
