/* SPDX-License-Identifier: GPL-2.0-or-later */
/* New sessions: which external endpoint, and claiming it.
 *
 * An internal endpoint that has a mapping keeps its external endpoint. One that has none is given, in this order: its
 * own port if it is in the ranges; a few ports drawn at random (RFC 6056 §3.3.2); every port of the ranges from a random
 * start on. First only ports that no mapping holds are taken, and a mapping is made. When there is none of these left,
 * ports are shared: the same candidates again, and only the tuple has to be free; such a session has no mapping.
 * So the search fails only if every tuple toward this remote endpoint has an owner.
 *
 * A candidate is taken only if no session has the tuple and no socket of the host would receive its packets. The
 * store's insert decides between two who want the same.
 */
#ifndef BAUTA_CREATE_H
#define BAUTA_CREATE_H

#include "expire.h"
#include "mapping.h"
#include "port.h"
#include "store.h"

#define NUM_PROBES 8

enum create_result {
	CREATE_MAPPED,  /* on a mapping, old or new */
	CREATE_ALONE,   /* of the host: no mapping */
	CREATE_SHARED,  /* on a port that others use toward other remotes */
	CREATE_EXISTS,  /* somebody else created it a moment ago: look again */
	CREATE_NO_PORT, /* every tuple has an owner */
	CREATE_NO_ROOM, /* the table is full */
};

/* A search for an external endpoint. */
struct search {
	void *hook; /* for platform_host_holds */
	const struct config *cfg;
	struct pair session; /* external.port is the candidate */
	__u32 num_ports;     /* candidates are any_port ? 0..65535 : the ranges */
	__u32 start;
	__u32 out_life;
	__u32 in_life;
	__u8 any_port; /* identifiers of ICMP queries are not bound by the ranges */
	__u8 result;   /* enum create_result */
	/* who held the candidate tried last */
	__u8 owner_kind; /* enum owner_kind */
	__u8 unused;
	struct endpoint owner;
};

/* The candidate number `n` of a round, host order; false if there is none by that number. */
static __always_inline bool search_candidate(const struct search *search, __u32 n, __u16 *ret_port)
{
	__u16 own = be16_to_cpu(search->session.internal.port);
	__u32 number;

	if (n == 0) {
		*ret_port = own;
		return search->any_port || port_is_ours(search->cfg, own);
	}
	if (n <= NUM_PROBES)
		number = hash_scale(platform_random(), search->num_ports);
	else
		number = (search->start + n) % search->num_ports;
	*ret_port = search->any_port ? number : port_at(search->cfg, number);
	return true;
}

/* Whether somebody holds the tuple that the session would have; notes who. */
static __always_inline bool search_is_held(struct search *search)
{
	struct key key = pair_key(&search->session, ENTRY_INBOUND);
	__u32 index = store_find(&key);
	struct entry *entry;
	__u8 flags;

	if (index != INDEX_NONE) {
		entry = store_entry(index);
		search->owner_kind = OWNER_NONE;
		if (entry && store_read(entry, &key, &search->owner, &flags))
			search->owner_kind = OWNER_SESSION;
		return true;
	}
	if (platform_host_holds(search->hook, &key.tuple)) {
		search->owner_kind = OWNER_HOST;
		search->owner = search->session.external;
		return true;
	}
	return false;
}

/* Claims the candidate; true when the search is over, one way or the other. */
static __always_inline bool search_claim(struct search *search, bool share)
{
	struct pair mapping = {
		.internal = search->session.internal,
		.external = search->session.external,
		.proto = search->session.proto,
		.flags = ENTRY_MAPPING,
	};
	bool map = !share && !(search->session.flags & ENTRY_HOST);
	enum insert_result inserted;

	if (map) {
		inserted = expire_insert(&mapping, search->in_life, search->in_life, 1);
		if (inserted == INSERT_TAKEN)
			return false;
		if (inserted != INSERT_DONE) {
			search->result = inserted == INSERT_EXISTS ? CREATE_EXISTS : CREATE_NO_ROOM;
			return true;
		}
		search->session.flags |= ENTRY_COUNTED;
	}
	inserted = expire_insert(&search->session, search->in_life, search->out_life, 0);
	if (inserted == INSERT_DONE) {
		search->result = map ? CREATE_MAPPED : share ? CREATE_SHARED : CREATE_ALONE;
		return true;
	}
	if (map) {
		mapping_release(&search->session);
		search->session.flags &= ~ENTRY_COUNTED;
	}
	if (inserted == INSERT_TAKEN)
		return false;
	search->result = inserted == INSERT_EXISTS ? CREATE_EXISTS : CREATE_NO_ROOM;
	return true;
}

/* One step of the search: rounds of 1 + NUM_PROBES + num_ports candidates, first unshared, then shared. */
static long search_step(__u32 n, void *ctx)
{
	struct search *search = ctx;
	__u32 round = 1 + NUM_PROBES + search->num_ports;
	bool share = n >= round;
	struct endpoint external;
	__u16 port;

	n = share ? n - round : n;
	if (!search_candidate(search, n, &port))
		return 0;
	search->session.external.port = cpu_to_be16(port);
	external = search->session.external;
	if (search_is_held(search))
		return 0;
	/* A flow of the host keeps its own identifier if it can, whoever else uses it toward other remotes. */
	if (!share && !((search->session.flags & ENTRY_HOST) && n == 0) &&
	    mapping_holds(search->session.proto, external))
		return 0;
	return search_claim(search, share);
}

/* A session on the mapping that its internal endpoint has. False if there is none, or if the tuple has another owner
 * already: then the session has to share another port.
 */
static __always_inline bool create_mapped(struct search *search)
{
	struct pair mapping;
	__u32 index;

	if (!mapping_find(search->session.proto, search->session.internal, &mapping, &index))
		return false;
	search->session.external = mapping.external;
	if (search_is_held(search) || !store_ref(index, &mapping))
		return false;
	search->session.flags |= ENTRY_COUNTED;
	switch (expire_insert(&search->session, search->in_life, search->out_life, 0)) {
	case INSERT_DONE:
		search->result = CREATE_MAPPED;
		return true;
	case INSERT_EXISTS:
		search->result = CREATE_EXISTS;
		break;
	case INSERT_NO_ROOM_IN:
	case INSERT_NO_ROOM_OUT:
		search->result = CREATE_NO_ROOM;
		break;
	case INSERT_TAKEN:
		break;
	}
	mapping_release(&search->session);
	search->session.flags &= ~ENTRY_COUNTED;
	return search->result != CREATE_NO_PORT;
}

/* Creates the session of `search->session` (internal, remote, proto, ENTRY_HOST), whose external address must be set;
 * leaves the external endpoint there. `tcp_flags` are the LIFE_* flags of the packet that asks for it.
 */
static SLOW_PATH enum create_result create_session(struct search *search, __u8 tcp_flags)
{
	const struct config *cfg = platform_config();
	__u32 now = platform_now();
	bool host = search->session.flags & ENTRY_HOST;

	search->result = CREATE_NO_PORT;
	search->owner_kind = OWNER_NONE;
	if (!cfg)
		return CREATE_NO_PORT;
	search->cfg = cfg;
	search->in_life = life_make(PHASE_LIVE, 0, now);
	search->out_life = life_make(PHASE_LIVE, tcp_flags, now);
	search->any_port = search->session.proto == IPPROTO_ICMP;
	search->num_ports = search->any_port ? 65536 : cfg->num_ports;
	if (!search->num_ports)
		return CREATE_NO_PORT;
	if (!host && create_mapped(search))
		return search->result;
	search->start = hash_scale(platform_random(), search->num_ports);
	platform_loop(2 * (1 + NUM_PROBES + search->num_ports), search_step, search);
	return search->result;
}

#endif
