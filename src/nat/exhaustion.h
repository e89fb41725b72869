/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Refusing without a search: sessions hold every tuple that a new one might have.
 *
 * A crowd whose summary is empty knows that (crowd.h). A search would come to the same end, but it would first wait for buckets
 * of keys that nobody is going to insert; and packets that are refused tend to be many.
 *
 * A mapping that there is may have a port outside of the ranges, or another address: it may be older than the configuration. The
 * summary does not speak of those.
 */
#ifndef BAUTA_EXHAUSTION_H
#define BAUTA_EXHAUSTION_H

#include "search.h"

/* Whether the ranges are used up on the external address in the session. The key is compared before and after the summary is
 * read: the crowd may be taken over by another destination meanwhile.
 */
static __always_inline bool exhaustion_is_known(struct search *search, const struct config *cfg)
{
	__u32 now = platform_now();
	struct crowd *crowd;

	crowd_set_key(&search->session, cfg, &search->crowd_key);
	search->crowd = crowd_find(&search->crowd_key);
	crowd = search_crowd(search);
	if (!crowd || summary_distance(search_any_port(search) ? NULL : cfg->ranges_open, crowd->open, 0) != PORT_WORDS)
		return false;
	if (!crowd_is(crowd, &search->crowd_key))
		return false;
	if (READ_ONCE(crowd->used_s) != now)
		WRITE_ONCE(crowd->used_s, now);
	return true;
}

/* Notes whose session has the tuple that stands in this one; false if none has. */
static __always_inline bool exhaustion_note_owner(struct search *search)
{
	struct entry *entry;
	__u32 index;
	__u8 flags;

	search->key = pair_key(&search->session, ENTRY_INBOUND);
	index = store_find(&search->key);
	if (index == INDEX_NONE)
		return false;
	entry = store_entry(index);
	if (entry && store_read(entry, &search->key, &search->owner, &flags))
		search->owner_kind = OWNER_SESSION;
	return true;
}

/* Whether the tuple that a search would begin with is held as well, now that all others of the address are: that of the mapping
 * that there is, else that with the internal endpoint's own port, if that is in the ranges at all.
 */
static __always_inline bool exhaustion_holds_first(struct search *search, const struct config *cfg)
{
	struct pair *session = &search->session;
	__be32 addr = session->external.addr;
	__u32 index;
	struct key key;

	session->external.port = session->internal.port;
	key = pair_key(session, ENTRY_INBOUND);
	store_warm(&key);
	if (mapping_find(session->proto, session->internal, &search->mapping, &index))
		session->external = search->mapping.external;
	else if (!search_any_port(search) && !bitmap_has(cfg->ranges, be16_to_cpu(session->internal.port)))
		return true;
	return session->external.addr == addr && exhaustion_note_owner(search);
}

/* Whether the session of `search` can be refused at once; false tells nothing. Changes what a search begins with itself, whose
 * session was in the way, and the age of the crowd.
 */
SLOW_PATH bool exhaustion_refuses(struct search *search)
{
	const struct config *cfg = platform_config();
	struct header *header = platform_header();
	__u32 home;

	if (!search || !cfg || !header || !READ_ONCE(header->num_crowds) || (search->session.flags & ENTRY_HOST))
		return false;
	if (!cfg->num_external || (cfg->spill && cfg->num_external > 1))
		return false;
	home = search_home(search->session.internal.addr);
	if (home >= MAX_EXTERNAL)
		return false;
	search->session.external.addr = cfg->external[home].addr;
	if (!exhaustion_is_known(search, cfg))
		return false;
	return cfg->mapping == MAPPING_ENDPOINT_DEPENDENT || exhaustion_holds_first(search, cfg);
}

#endif
