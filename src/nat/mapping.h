/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mappings: one external endpoint for an internal one, whatever the remote (RFC 4787 REQ-1).
 *
 * A mapping is a pair in the store with the remote endpoint 0.0.0.0:0. Its inbound entry is the claim of the external
 * endpoint as a whole; its outbound entry counts the sessions that use it, and it goes with the last of them
 * (RFC 3022 §3.3), so it needs no timer of its own.
 */
#ifndef BAUTA_MAPPING_H
#define BAUTA_MAPPING_H

#include "store.h"

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

/* Whether an external endpoint belongs to a mapping. */
static __always_inline bool mapping_holds(__u8 proto, struct endpoint external)
{
	struct pair mapping = { .external = external, .proto = proto };
	struct key key = pair_key(&mapping, ENTRY_INBOUND);

	return store_find(&key) != INDEX_NONE;
}

/* Gives back the reference of a session that is gone. */
static __always_inline void mapping_release(const struct pair *session)
{
	struct pair mapping = {
		.internal = session->internal,
		.external = session->external,
		.proto = session->proto,
		.flags = ENTRY_MAPPING,
	};

	if (session->flags & ENTRY_COUNTED)
		store_unref(&mapping);
}

#endif
