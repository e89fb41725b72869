/* SPDX-License-Identifier: GPL-2.0-or-later */
/* New sessions: which external endpoint, and claiming it.
 *
 * An internal endpoint that has a mapping keeps its external endpoint. One that has none is given, in this order: its
 * own port if it is in the ranges; a few ports drawn at random (RFC 6056 §3.3.2); every port of the ranges from a random
 * start on. First only ports that no mapping holds are taken, and a mapping is made. When there is none of these left,
 * ports are shared: the same candidates again, and only the tuple has to be free; such a session has no mapping.
 * So the search fails only if every tuple toward this remote endpoint has an owner.
 *
 * The tuple of an existing mapping may have another owner toward this one remote: a socket of the host, or a session that
 * shares the port. Then the mapping stays what it is, and this session alone goes by another port.
 *
 * A candidate is taken only if no session has the tuple and no socket of the host would receive its packets. Choosing
 * (create_choose) changes nothing; the store's insert decides between two who chose the same, and the loser chooses
 * again.
 */
#ifndef BAUTA_CREATE_H
#define BAUTA_CREATE_H

#include "displace.h"
#include "expire.h"
#include "mapping.h"
#include "port.h"
#include "store.h"

#define NUM_PROBES 8
#define CREATE_ATTEMPTS 4

enum create_result {
	CREATE_MAPPED,  /* on a mapping, old or new */
	CREATE_ALONE,   /* of the host: no mapping */
	CREATE_SHARED,  /* beside its mapping, or on a port that others use toward other remotes */
	CREATE_EXISTS,  /* somebody else created it a moment ago, or was faster each time */
	CREATE_NO_PORT, /* every tuple has an owner */
	CREATE_NO_ROOM, /* the table is full */
};

enum choice {
	CHOICE_NONE,
	CHOICE_MAPPING,     /* the mapping that there is */
	CHOICE_NEW_MAPPING, /* an external endpoint that is free toward everybody */
	CHOICE_ALONE,       /* for the host, which needs no mapping */
	CHOICE_SHARED,      /* one that is free toward this remote, for this session alone */
};

/* A search for an external endpoint. platform_search() has the room for it. */
struct search {
	struct pair session; /* in: all but external.port; out: external.port, and ENTRY_COUNTED in flags */
	struct pair mapping; /* that the session is, or is to be, on */
	struct pair refused; /* that found no room in the store */
	__u32 mapping_index; /* of CHOICE_MAPPING: the mapping's outbound entry */
	__u8 choice;         /* enum choice */
	__u8 owner_kind;     /* enum owner_kind: who held the first candidate that was not free, the one liked best */
	__u8 unused[2];
	struct endpoint owner;
};

/* What the steps of a search share. */
struct search_run {
	void *hook; /* for platform_host_holds */
	struct search *search;
	const struct config *cfg;
	__u32 num_ports; /* candidates: 0..65535 for identifiers of ICMP queries, else the ranges */
	__u32 start;
	bool mapped; /* there is a mapping, which will not do; and an endpoint has no two */
};

static __always_inline bool search_any_port(const struct search *search)
{
	return search->session.proto == IPPROTO_ICMP;
}

/* The candidate number `n` of a round, host order; false if there is none by that number. */
static __always_inline bool search_candidate(const struct search_run *run, __u32 n, __u16 *ret_port)
{
	__u16 own = be16_to_cpu(run->search->session.internal.port);
	bool any = search_any_port(run->search);
	__u32 number;

	if (n == 0) {
		*ret_port = own;
		return any || port_is_ours(run->cfg, own);
	}
	if (n <= NUM_PROBES)
		number = hash_scale(platform_random(), run->num_ports);
	else
		number = (run->start + n) % run->num_ports;
	*ret_port = any ? number : port_at(run->cfg, number);
	return true;
}

/* Whether somebody holds the tuple that the session would have; notes who was the first one met. */
static __always_inline bool search_is_held(void *hook, struct search *search)
{
	struct key key = pair_key(&search->session, ENTRY_INBOUND);
	__u32 index = store_find(&key);
	struct entry *entry;
	__u8 flags;

	if (index != INDEX_NONE) {
		entry = store_entry(index);
		if (search->owner_kind == OWNER_NONE && entry && store_read(entry, &key, &search->owner, &flags))
			search->owner_kind = OWNER_SESSION;
		return true;
	}
	if (platform_host_holds(hook, &key.tuple)) {
		if (search->owner_kind == OWNER_NONE) {
			search->owner_kind = OWNER_HOST;
			search->owner = search->session.external;
		}
		return true;
	}
	return false;
}

/* One candidate: rounds of 1 + NUM_PROBES + num_ports, first unshared, then shared. 1 ends the search. */
static long search_step(__u32 n, void *ctx)
{
	struct search_run *run = ctx;
	struct search *search = run->search;
	__u32 round = 1 + NUM_PROBES + run->num_ports;
	bool host = search->session.flags & ENTRY_HOST;
	bool share = n >= round;
	__u16 port;

	n = share ? n - round : n;
	if (!search_candidate(run, n, &port))
		return 0;
	search->session.external.port = cpu_to_be16(port);
	/* A flow of the host keeps its own identifier if it can, whoever else uses it toward other remotes. */
	if (!share && !(host && n == 0) && mapping_holds(search->session.proto, search->session.external))
		return 0;
	if (search_is_held(run->hook, search))
		return 0;
	search->choice = host ? CHOICE_ALONE : share || run->mapped ? CHOICE_SHARED : CHOICE_NEW_MAPPING;
	return 1;
}

/* Chooses an external endpoint for `search->session`; search->choice tells what was found. 0. */
SLOW_PATH int create_choose(HOOK *hook, struct search *search)
{
	struct search_run run = { .hook = hook, .search = search, .cfg = platform_config() };
	struct pair mapping;

	if (!search || !run.cfg)
		return 0;
	search->choice = CHOICE_NONE;
	search->owner_kind = OWNER_NONE;
	if (!(search->session.flags & ENTRY_HOST) &&
	    mapping_find(search->session.proto, search->session.internal, &mapping, &search->mapping_index)) {
		search->session.external = mapping.external;
		run.mapped = true;
		if (!search_is_held(hook, search)) {
			search->choice = CHOICE_MAPPING;
			return 0;
		}
	}
	run.num_ports = search_any_port(search) ? 65536 : run.cfg->num_ports;
	if (!run.num_ports)
		return 0;
	run.start = hash_scale(platform_random(), run.num_ports);
	platform_loop(2 * (1 + NUM_PROBES + run.num_ports), search_step, &run);
	return 0;
}

static __always_inline void search_set_mapping(struct search *search)
{
	search->mapping.internal = search->session.internal;
	search->mapping.external = search->session.external;
	search->mapping.remote = (struct endpoint){};
	search->mapping.proto = search->session.proto;
	search->mapping.flags = ENTRY_MAPPING;
}

/* Takes what was chosen. INSERT_DONE, or why not; then nothing has changed, and search->refused is the pair that could
 * not be inserted.
 */
static __always_inline enum insert_result create_claim(struct search *search, __u8 tcp_flags, bool stash)
{
	struct header *header = platform_header();
	__u32 now = platform_now();
	__u32 life = life_make(PHASE_LIVE, 0, now);
	enum insert_result result;

	search_set_mapping(search);
	search->session.flags &= ~ENTRY_COUNTED;
	if (search->choice == CHOICE_MAPPING) {
		if (!store_ref(search->mapping_index, &search->mapping))
			return INSERT_TAKEN;
		search->session.flags |= ENTRY_COUNTED;
	} else if (search->choice == CHOICE_NEW_MAPPING) {
		result = store_insert(&search->mapping, life, life, 1, stash);
		if (result != INSERT_DONE) {
			search->refused = search->mapping;
			/* it has a mapping by now: choose that one */
			return result == INSERT_EXISTS ? INSERT_TAKEN : result;
		}
		search->session.flags |= ENTRY_COUNTED;
	}
	result = store_insert(&search->session, life, life_make(PHASE_LIVE, tcp_flags, now), 0, stash);
	if (result == INSERT_DONE) {
		if (header)
			platform_add64(&header->num_created, 1);
	} else {
		if (search->session.flags & ENTRY_COUNTED)
			store_unref(&search->mapping);
		search->refused = search->session;
	}
	return result;
}

/* Creates the session of `search->session` (internal, remote, external address, proto, ENTRY_HOST or not); leaves the
 * external endpoint there. `tcp_flags` are the LIFE_* flags of the packet that asks for it.
 */
static __always_inline enum create_result create_session(HOOK *hook, struct search *search, __u8 tcp_flags)
{
	enum create_result last = CREATE_EXISTS;

	for (int i = 0; i < CREATE_ATTEMPTS; i++) {
		enum insert_result result;
		__u32 direction, expired;

		create_choose(hook, search);
		if (search->choice == CHOICE_NONE)
			return CREATE_NO_PORT;
		/* the stash is for what finds no room otherwise */
		result = create_claim(search, tcp_flags, i >= CREATE_ATTEMPTS / 2);
		if (result == INSERT_DONE)
			return search->choice == CHOICE_ALONE    ? CREATE_ALONE
			       : search->choice == CHOICE_SHARED ? CREATE_SHARED
								 : CREATE_MAPPED;
		if (result == INSERT_EXISTS)
			return CREATE_EXISTS;
		if (result == INSERT_TAKEN)
			continue;
		last = CREATE_NO_ROOM;
		direction = result == INSERT_NO_ROOM_IN ? ENTRY_INBOUND : 0;
		expired = expire_find(&search->refused, direction);
		if (expired == INDEX_NONE || !session_reap(expired, 0))
			store_displace(&search->refused, direction);
	}
	return last;
}

#endif
