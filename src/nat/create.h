/* SPDX-License-Identifier: GPL-2.0-or-later */
/* New sessions: choosing an external endpoint (search.h) and claiming it.
 *
 * The store's insert decides between two who chose the same, and the loser chooses again. What was taken for a session that
 * then does not come to be (references on its mapping and permit, quota) is given back.
 */
#ifndef BAUTA_CREATE_H
#define BAUTA_CREATE_H

#include "displace.h"
#include "exhaustion.h"
#include "expire.h"
#include "mapping.h"
#include "permit.h"
#include "quota.h"
#include "search.h"
#include "store_write.h"

#define CREATE_ATTEMPTS 4

enum create_result {
	CREATE_MAPPED,  /* on a mapping, old or new */
	CREATE_ALONE,   /* of the host: no mapping */
	CREATE_SHARED,  /* beside its mapping, or on a port that others use toward other remotes */
	CREATE_EXISTS,  /* somebody else created it a moment ago, or was faster each time */
	CREATE_NO_PORT, /* every tuple has an owner */
	CREATE_NO_ROOM, /* the table is full */
	CREATE_FROZEN,  /* the table is being exchanged */
	CREATE_QUOTA_PORTS,
	CREATE_QUOTA_SESSIONS,
	CREATE_QUOTA_RATE,
};

SLOW_PATH bool create_is_dependent(void)
{
	const struct config *cfg = platform_config();

	return cfg && cfg->mapping == MAPPING_ENDPOINT_DEPENDENT;
}

/* Chooses an external endpoint for `search->session`; search->choice tells what was found. In steps that are called one after
 * the other, for the sake of the stack.
 */
static __always_inline void create_choose(HOOK *hook, struct search *search)
{
	search->choice = CHOICE_NONE;
	search->owner_kind = OWNER_NONE;
	search->mapped = 0;
	search->dependent = 0;
	search->crowd = INDEX_NONE;
	if (search->session.flags & ENTRY_HOST) {
		search_address(hook, search, SEARCH_UNMAPPED);
		if (search->choice == CHOICE_NONE)
			search_address(hook, search, SEARCH_ALL);
		return;
	}
	search->dependent = create_is_dependent();
	if (!search->dependent)
		search_mapping(hook, search);
	if (search->choice == CHOICE_NONE)
		search_addresses(hook, search);
}

static __always_inline void search_set_mapping(struct search *search)
{
	search->mapping.internal = search->session.internal;
	search->mapping.external = search->session.external;
	search->mapping.remote = (struct endpoint){};
	search->mapping.proto = search->session.proto;
	search->mapping.flags = ENTRY_MAPPING;
}

/* For how long the mapping rests if the session does not come to be: one that was there as it did, one just made not at all. */
SLOW_PATH __u32 create_rest(const struct search *search)
{
	const struct config *cfg = platform_config();

	return search && cfg && search->choice == CHOICE_MAPPING ? cfg->rest_s : 0;
}

/* Of a session whose mapping is its internal endpoint's: nobody outside finds the way in by any other. */
SLOW_PATH bool create_needs_permit(const struct search *search)
{
	const struct config *cfg = platform_config();

	return search && cfg && (search->choice == CHOICE_MAPPING || search->choice == CHOICE_NEW_MAPPING) &&
	       permit_is_needed(cfg, search->session.proto);
}

/* Whether a socket of the host took the port while it was searched for. With `borrow` host and NAT both note first that the
 * port is theirs and then look whether it is the other's (socket_hooks.bpf.c): both may give way, but never both have it.
 */
SLOW_PATH bool create_is_lent(const struct search *search)
{
	const struct config *cfg = platform_config();
	struct host_ports *host_ports;
	__u16 port;

	/* a mapping that was there had the port first */
	if (!search || !cfg || !cfg->borrow || search_any_port(search) || search->choice == CHOICE_MAPPING ||
	    search->choice == CHOICE_ALONE)
		return false;
	host_ports = platform_host_ports(port_space(search->session.proto));
	port = be16_to_cpu(search->session.external.port);
	/* what is fresh stands in both but for the moment in which the daemon clears what is old */
	return host_ports && (bitmap_has(host_ports->held, port) || bitmap_has(host_ports->fresh, port));
}

/* Counts the session on the mapping of a port that it shares, or makes the port a mapping of its own. */
static __always_inline enum insert_result create_share(struct search *search, __u32 life, bool stash)
{
	struct endpoint external = search->session.external;
	enum insert_result result;

	if (mapping_find_external(search->session.proto, external.addr, external.port, &search->mapping))
		return mapping_ref(&search->mapping) ? INSERT_DONE : INSERT_TAKEN;
	search->mapping.internal = external;
	result = store_insert(&search->mapping, life, life, 1, stash);
	return result == INSERT_EXISTS ? INSERT_TAKEN : result;
}

/* Counts the session on the permit of its remote address, if it needs one; search->refused is it where it found no room. */
static __always_inline enum insert_result create_permit(struct search *search, __u32 life, bool stash)
{
	enum insert_result result = INSERT_DONE;

	if (!create_needs_permit(search) || permit_is_first(&search->mapping, search->session.remote.addr, true))
		return INSERT_DONE;
	search->permit = permit_pair(&search->session);
	if (!mapping_ref(&search->permit))
		result = store_insert(&search->permit, life, life, 1, stash);
	if (result == INSERT_DONE)
		search->session.flags |= ENTRY_PERMITTED;
	search->refused = search->permit;
	/* it was made, or was removed, a moment ago: choose again */
	return result == INSERT_EXISTS ? INSERT_TAKEN : result;
}

/* Ends an expired session where the entry of this direction of the pair that was refused may be; false if there is none. All in
 * calls one after the other, for the sake of the stack.
 */
static __always_inline bool create_end_expired(struct search *search, __u32 direction, bool thorough)
{
	__u32 index = expire_find(&search->refused, direction, thorough);

	return index != INDEX_NONE && session_reap(index, 0, &search->room);
}

/* The same where what is in the way could be moved to, and in the stash: of mappings, half of the entries, nobody can see
 * whether their sessions have expired, and where a newcomer may be there may be none but those.
 */
static __always_inline bool create_end_behind(struct search *search, __u32 direction)
{
	__u32 index = expire_find_behind(&search->refused, direction);

	return index != INDEX_NONE && session_reap(index, 0, &search->room);
}

/* Makes room for the entry of this direction of the pair that was refused: by ending an expired session, or by moving an
 * entry. What costs a look at eight more lines of memory comes last.
 */
static __always_inline void create_make_room(struct search *search, __u32 direction)
{
	if (create_end_expired(search, direction, false) || store_make_room(&search->refused, direction) ||
	    create_end_expired(search, direction, true))
		return;
	if (create_end_behind(search, direction))
		store_make_room(&search->refused, direction);
}

/* Takes what was chosen. INSERT_DONE, or why not; then nothing has changed, and search->refused is the pair that could
 * not be inserted.
 */
static __always_inline enum insert_result create_claim(struct search *search, __u8 tcp_flags, bool stash)
{
	__u32 life = life_make(PHASE_LIVE, 0, platform_now());
	enum insert_result result = INSERT_DONE;

	search_set_mapping(search);
	search->session.flags &= ~(ENTRY_COUNTED | ENTRY_PERMITTED);
	switch ((enum choice)search->choice) {
	case CHOICE_MAPPING:
		result = mapping_ref(&search->mapping) ? INSERT_DONE : INSERT_TAKEN;
		break;
	case CHOICE_NEW_MAPPING:
		search->quota = quota_take_pair(&search->mapping);
		if (quota_is_refusal(search->quota))
			return INSERT_TAKEN;
		result = store_insert(&search->mapping, life, life, 1, stash);
		if (result != INSERT_DONE)
			quota_give_pair(&search->mapping, QUOTA_PORT);
		/* it has a mapping by now: choose that one */
		if (result == INSERT_EXISTS)
			result = INSERT_TAKEN;
		break;
	case CHOICE_SHARED:
		result = create_share(search, life, stash);
		break;
	case CHOICE_ALONE:
	case CHOICE_NONE:
		break;
	}
	if (result != INSERT_DONE) {
		search->refused = search->mapping;
		return result;
	}
	if (search->choice != CHOICE_ALONE)
		search->session.flags |= ENTRY_COUNTED;
	if (create_is_lent(search))
		result = INSERT_TAKEN;
	else
		result = create_permit(search, life, stash);
	if (result == INSERT_DONE) {
		result = store_insert(&search->session, life, life | (tcp_flags & LIFE_TCP_MASK), search->next_hop,
				      stash);
		search->refused = search->session;
	}
	if (result == INSERT_DONE) {
		struct header *header = platform_header();

		if (header)
			platform_add64(&header->num_created, 1);
	} else {
		permit_release(&search->session, &search->permit);
		mapping_release(&search->session, create_rest(search), &search->mapping);
	}
	return result;
}

static __always_inline enum create_result create_refused(enum quota_result quota)
{
	switch (quota) {
	case QUOTA_NO_PORT:
		return CREATE_QUOTA_PORTS;
	case QUOTA_NO_SESSION:
		return CREATE_QUOTA_SESSIONS;
	case QUOTA_NO_RATE:
		return CREATE_QUOTA_RATE;
	case QUOTA_UNCOUNTED:
	case QUOTA_COUNTED:
	case QUOTA_NO_ROOM:
		break;
	}
	return CREATE_NO_ROOM;
}

/* Chooses and claims, until one has come of the other. */
static __always_inline enum create_result create_choose_and_claim(HOOK *hook, struct search *search, __u8 tcp_flags)
{
	enum create_result last = CREATE_EXISTS;

	/* 64 bits: the verifier forgets a smaller counter when the compiler puts it on the stack. Hidden: the compiler must not
	 * prepare the next turn in the last instructions of this one; the verifier of 6.1 refuses to fall into a turn.
	 */
	for (__u64 i = 0; i < CREATE_ATTEMPTS; i++) {
		enum insert_result result;

		OPTIMIZER_HIDE_VAR(search);
		create_choose(hook, search);
		if (search->choice == CHOICE_NONE)
			return CREATE_NO_PORT;
		/* the stash is for what finds no room otherwise */
		result = create_claim(search, tcp_flags, i >= CREATE_ATTEMPTS / 2);
		if (result == INSERT_DONE)
			return search->choice == CHOICE_ALONE                          ? CREATE_ALONE
			       : search->choice == CHOICE_SHARED && !search->dependent ? CREATE_SHARED
										       : CREATE_MAPPED;
		if (quota_is_refusal(search->quota))
			return create_refused(search->quota);
		if (result == INSERT_EXISTS)
			return CREATE_EXISTS;
		if (result == INSERT_TAKEN)
			continue;
		last = CREATE_NO_ROOM;
		create_make_room(search, result == INSERT_NO_ROOM_IN ? ENTRY_INBOUND : 0);
	}
	return last;
}

/* Sends for what will be looked up, in buckets that nobody has looked at for long: the mapping and the permit, there or not, and
 * what the session's external tuple is if it keeps its port, as most do. 0.
 */
SLOW_PATH int create_warm(const struct search *search)
{
	const struct config *cfg = platform_config();
	struct pair session, mapping, permit;
	struct key key;

	if (!search || !cfg)
		return 0;
	session = search->session;
	session.external = (struct endpoint){ .addr = cfg->external[0].addr, .port = session.internal.port };
	mapping = session;
	mapping.remote = (struct endpoint){};
	key = pair_key(&mapping, 0);
	store_warm(&key);
	if (permit_is_needed(cfg, session.proto)) {
		permit = permit_pair(&session);
		key = pair_key(&permit, 0);
		store_warm(&key);
	}
	if (cfg->num_external != 1)
		return 0;
	key = pair_key(&session, ENTRY_INBOUND);
	store_warm(&key);
	key = pair_key(&mapping, ENTRY_INBOUND);
	store_warm(&key);
	return 0;
}

static __always_inline bool create_is_done(enum create_result result)
{
	return result == CREATE_MAPPED || result == CREATE_ALONE || result == CREATE_SHARED;
}

/* Creates the session of `search->session` (internal, remote, proto, ENTRY_HOST or not, and then the external address);
 * leaves the external endpoint there. `tcp_flags` are the LIFE_* flags of the packet that asks for it. The quota comes first: a
 * host at its limit costs no search.
 */
static __always_inline enum create_result create_session(HOOK *hook, struct search *search, __u8 tcp_flags)
{
	enum create_result result;

	if (!store_is_writable())
		return CREATE_FROZEN;
	/* nobody is in the way of who is at his limit */
	search->owner_kind = OWNER_NONE;
	search->quota = quota_take_pair(&search->session);
	if (quota_is_refusal(search->quota))
		return create_refused(search->quota);
	if (exhaustion_refuses(search)) {
		result = CREATE_NO_PORT;
	} else {
		create_warm(search);
		result = create_choose_and_claim(hook, search, tcp_flags);
	}
	if (!create_is_done(result))
		quota_give_pair(&search->session, QUOTA_ATTEMPT);
	return result;
}

#endif
