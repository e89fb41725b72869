/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The search for an external endpoint.
 *
 * An internal endpoint that has a mapping keeps its external endpoint. One that has none is given one on the external address
 * of its host (paired pooling, by a hash), by `spill` on any; and there its own port, if that is in the
 * ranges and free, else the next free one from a random port on (RFC 6056 §3.3.1, with a keyed random number). First only
 * ports without a mapping count. When there is none of these left, ports are shared: any will do that is free toward this
 * remote. So the search fails only if every tuple toward this remote endpoint has an owner, or if sharing is turned off. With
 * endpoint-dependent mapping each session is given a random port that is free toward its remote.
 *
 * The tuple of an existing mapping may have another owner toward this one remote: a socket of the host, or a session that
 * shares the port. Then the mapping stays what it is, and this session alone goes by another port.
 *
 * What is free is read from bitmaps, so a search takes as long in a full pool as in an empty one: ports without a mapping
 * (pool.h), and for crowded destinations the tuples that are held (crowd.h). A candidate is then looked up all the same: no
 * session may have the tuple and no socket of the host may receive its packets. A search changes nothing but these hints.
 */
#ifndef BAUTA_SEARCH_H
#define BAUTA_SEARCH_H

#include "crowd.h"
#include "expire.h"
#include "mapping.h"
#include "port.h"
#include "store.h"

#define SEARCH_RUNS 3 /* without a crowd, with one, and without one to the end */

enum choice {
	CHOICE_NONE,
	CHOICE_MAPPING,     /* the mapping that there is */
	CHOICE_NEW_MAPPING, /* an external endpoint that is free toward everybody */
	CHOICE_ALONE,       /* for the host, which needs no mapping */
	CHOICE_SHARED,      /* one that is free toward this remote, for this session alone */
};

/* Which ports of an address are tried. */
enum search_round {
	SEARCH_UNMAPPED, /* those without a mapping */
	SEARCH_ALL,
};

/* A search for an external endpoint. platform_search() has the room for it. */
struct search {
	struct pair
		session; /* in: all but external; of the host: external.addr too. Out: external, and what it holds in flags */
	struct pair mapping; /* that the session is, or is to be, on */
	struct pair permit;
	struct pair refused; /* that found no room in the store */
	struct session_room room;
	struct key key; /* of the candidate */
	struct crowd_key crowd_key;
	__u32 crowd;     /* number of the crowd toward this remote, or INDEX_NONE */
	__u8 choice;     /* enum choice */
	__u8 owner_kind; /* enum owner_kind: who held the first candidate that was not free, the one liked best */
	__u8 mapped;     /* the internal endpoint has a mapping, which will not do; and an endpoint has no two */
	__u8 round;      /* enum search_round */
	__u8 exhausted;  /* the crowd says that sessions hold every tuple: no round will find one */
	__u8 own_tried;  /* the run has looked at its own port */
	__u8 dependent;  /* endpoint-dependent mapping: a port of its own choice for each session */
	__u32 quota;     /* enum quota_result: whether a quota is in the way */
	__u32 next_hop;  /* in: of the session */
	struct endpoint owner;
	__u32 home;      /* the external address of its host: index in the configuration */
	__u32 num_addrs; /* addresses that it may have, from that one on */
	/* of the round over one external address */
	__u32 pool;     /* number of its pool; INDEX_NONE: it has none, so no port has a mapping */
	__u32 slot;     /* of the configuration */
	__u32 start;    /* the port to begin with */
	__u32 offset;   /* how many behind it have been looked at */
	__u32 num_held; /* candidates that were held */
	__u32 max_held; /* as many end the run */
};

/* What the steps of a search share. */
struct search_run {
	void *hook; /* for platform_host_holds */
	struct search *search;
};

static __always_inline bool search_any_port(const struct search *search)
{
	return search->session.proto == IPPROTO_ICMP;
}

/* The pool that bounds this round; NULL: none does. */
static __always_inline struct pool *search_pool(const struct search *search)
{
	return search->round == SEARCH_UNMAPPED && search->pool != INDEX_NONE ? platform_pool(search->pool) : NULL;
}

static __always_inline struct crowd *search_crowd(const struct search *search)
{
	return search->crowd != INDEX_NONE ? platform_crowd(search->crowd) : NULL;
}

/* The ports that may be taken, of the word that a port is in. Who finds a word used up by the NAT says so in the summaries. */
static __always_inline __u64 search_word(const struct search *search, const struct config *cfg, __u32 port)
{
	__u32 word = bitmap_word(port);
	__u64 ranges = search_any_port(search) ? ~0ull : cfg->ranges[word];
	struct crowd *crowd = search_crowd(search);
	struct pool *pool = search_pool(search);
	struct host_ports *host_ports;
	__u64 free = ranges;
	__u64 taken;

	if (pool) {
		__u64 *summary = pool->open[search->slot % NUM_CONFIG_SLOT];

		taken = READ_ONCE(pool->used[word]);
		free &= ~taken;
		if (!(ranges & ~taken)) {
			summary_clear(summary, word);
			if (ranges & ~READ_ONCE(pool->used[word]))
				summary_set(summary, word);
		}
	}
	if (crowd) {
		taken = READ_ONCE(crowd->taken[word]);
		free &= ~taken & ~READ_ONCE(crowd->host[word]);
		if (!(ranges & ~taken)) {
			summary_clear(crowd->open, word);
			if (ranges & ~READ_ONCE(crowd->taken[word]))
				summary_set(crowd->open, word);
		}
	}
	if (cfg->borrow && !(search->session.flags & ENTRY_HOST) && !search_any_port(search)) {
		host_ports = platform_host_ports(port_space(search->session.proto));
		if (host_ports)
			free &= ~READ_ONCE(host_ports->held[word]);
	}
	return free;
}

enum search_candidate {
	CANDIDATE_END = -1,
	CANDIDATE_NONE,
	CANDIDATE_FREE,
	CANDIDATE_TAKEN, /* not to be had, but worth to know whose it is */
};

/* Puts the next candidate at or behind search->offset into the session, and the offset behind it. CANDIDATE_NONE: not in this
 * word, go on.
 */
SLOW_PATH int search_next(struct search *search)
{
	const struct config *cfg = platform_config();
	const __u64 *summary = NULL;
	struct crowd *crowd;
	struct pool *pool;
	__u32 at, distance;
	__u64 free;

	if (!search || !cfg)
		return CANDIDATE_END;
	at = (search->start + search->offset) % NUM_PORTS;
	pool = search_pool(search);
	crowd = search_crowd(search);
	if (pool)
		summary = pool->open[search->slot % NUM_CONFIG_SLOT];
	else if (!search_any_port(search))
		summary = cfg->ranges_open;
	distance = summary_distance(summary, crowd ? crowd->open : NULL, at / 64);
	if (distance == PORT_WORDS && crowd)
		search->exhausted = summary_distance(search_any_port(search) ? NULL : cfg->ranges_open, crowd->open,
						     0) == PORT_WORDS;
	if (distance)
		search->offset += distance * 64 - at % 64;
	if (search->offset >= NUM_PORTS)
		return CANDIDATE_END;
	at = (search->start + search->offset) % NUM_PORTS;
	free = search_word(search, cfg, at) >> at % 64;
	if (!free) {
		search->offset += 64 - at % 64;
		return CANDIDATE_NONE;
	}
	search->offset += word_first(free);
	if (search->offset >= NUM_PORTS)
		return CANDIDATE_END;
	search->session.external.port = cpu_to_be16(search->start + search->offset);
	search->offset++;
	return CANDIDATE_FREE;
}

/* Puts the internal endpoint's own port into the session. */
SLOW_PATH int search_own(struct search *search)
{
	const struct config *cfg = platform_config();
	bool host, any;
	__u16 port;

	if (!search || !cfg)
		return CANDIDATE_NONE;
	host = search->session.flags & ENTRY_HOST;
	any = search_any_port(search);
	port = be16_to_cpu(search->session.internal.port);
	search->session.external.port = search->session.internal.port;
	/* A flow of the host keeps its own identifier if it can, whoever else uses it toward other remotes. */
	if ((search_word(search, cfg, port) >> port % 64 & 1) || (host && any))
		return CANDIDATE_FREE;
	return search->owner_kind == OWNER_NONE && (host || any || bitmap_has(cfg->ranges, port)) ? CANDIDATE_TAKEN
												  : CANDIDATE_NONE;
}

/* Whether the port may not be shared, because it is at rest and not ours. */
static __always_inline bool search_rests(struct search *search)
{
	const struct config *cfg = platform_config();

	return cfg && cfg->rest_s &&
	       mapping_find_external(search->session.proto, search->session.external.addr,
				     search->session.external.port, &search->mapping) &&
	       !endpoint_equal(search->mapping.internal, search->session.internal) && mapping_rests(&search->mapping);
}

/* A port at rest is like one that a socket of the host sits on: not to be had for a while, of which nobody tells the end. 0. */
SLOW_PATH int search_note_rest(struct search *search)
{
	struct stripe *stripe;
	struct crowd *crowd;

	if (!search)
		return 0;
	crowd = search_crowd(search);
	stripe = crowd_stripe(search->crowd);
	if (crowd && stripe)
		crowd_note_host(crowd, stripe, &search->crowd_key, be16_to_cpu(search->session.external.port));
	return 0;
}

/* Whether somebody holds the tuple that the session would have; notes who was the first one met, and in the crowd who it is. */
SLOW_PATH bool search_is_held(HOOK *hook, struct search *search)
{
	struct stripe *stripe = NULL;
	struct crowd *crowd = NULL;
	struct entry *entry;
	__u32 index;
	__u16 port;
	__u8 flags;

	if (!search)
		return true;
	search->key = pair_key(&search->session, ENTRY_INBOUND);
	port = be16_to_cpu(search->session.external.port);
	index = store_find(&search->key);
	if (index == INDEX_NONE && !platform_host_holds(hook, &search->key.tuple))
		return false;
	crowd = search_crowd(search);
	stripe = crowd_stripe(search->crowd);
	if (index == INDEX_NONE) {
		if (search->owner_kind == OWNER_NONE) {
			search->owner_kind = OWNER_HOST;
			search->owner = search->session.external;
		}
		if (crowd && stripe)
			crowd_note_host(crowd, stripe, &search->crowd_key, port);
		return true;
	}
	entry = store_entry(index);
	if (!entry)
		return true;
	if (search->owner_kind == OWNER_NONE && store_read(entry, &search->key, &search->owner, &flags))
		search->owner_kind = OWNER_SESSION;
	if (crowd && stripe)
		crowd_note_session(crowd, stripe, &search->crowd_key, port, entry, &search->key);
	return true;
}

/* One step: the endpoint's own port first, then what is free from the start on. 1 ends the run. Never inlined, so that its
 * caller, who is deep in the stack already, keeps a small frame.
 */
static __attribute__((noinline)) long search_step(__u32 n, void *ctx)
{
	struct search_run *run = ctx;
	struct search *search = run->search;
	bool held;
	int next;

	(void)n;
	next = search->own_tried ? search_next(search) : search_own(search);
	search->own_tried = 1;

	if (next == CANDIDATE_END)
		return 1;
	if (next == CANDIDATE_NONE)
		return 0;
	held = search_is_held(run->hook, search);
	if (next == CANDIDATE_TAKEN)
		return 0;
	if (!held && search->round == SEARCH_ALL && search_rests(search)) {
		search_note_rest(search);
		held = true;
	}
	if (held)
		return ++search->num_held >= search->max_held;
	search->choice = search->session.flags & ENTRY_HOST              ? CHOICE_ALONE
			 : search->round == SEARCH_ALL || search->mapped ? CHOICE_SHARED
									 : CHOICE_NEW_MAPPING;
	return 1;
}

static __always_inline __u32 search_random(const struct search *search, __u32 num)
{
	const struct pair *session = &search->session;

	/* The kernel's generator can be predicted by who sees some of its numbers; not with the table's key mixed in. */
	return hash_scale(hash_words(platform_random(), session->internal.addr, session->remote.addr,
				     session->internal.port | (__u32)session->remote.port << 16,
				     platform_shape()->hash_key),
			  num);
}

/* Sets what a round over the external address in the session needs. */
SLOW_PATH bool search_begin(struct search *search, enum search_round round)
{
	const struct config *cfg = platform_config();
	struct header *header = platform_header();

	if (!search || !cfg || !header)
		return false;
	search->round = round;
	search->exhausted = 0;
	search->slot = READ_ONCE(header->config_slot);
	search->pool = pool_index(search->session.external.addr, search->session.proto);
	search->start = 0;
	if (search_any_port(search))
		search->start = search_random(search, NUM_PORTS);
	else if (cfg->num_ports)
		search->start = port_at(cfg, search_random(search, cfg->num_ports));
	crowd_set_key(&search->session, cfg, &search->crowd_key);
	search->crowd = crowd_find(&search->crowd_key);
	return true;
}

/* Looks for a port on the external address that stands in the session. search->choice tells. 0.
 *
 * A run that meets too many held tuples stops and is repeated with a crowd, which notes them; so is one whose crowd was taken
 * over by another destination meanwhile: it may have believed what was not said of it.
 */
SLOW_PATH int search_address(HOOK *hook, struct search *search, enum search_round round)
{
	struct search_run run = { .hook = hook, .search = search };

	if (!search || !search_begin(search, round))
		return 0;
	for (int i = 0; i < SEARCH_RUNS; i++) {
		struct crowd *crowd;

		/* the last run believes nobody */
		if (i == SEARCH_RUNS - 1)
			search->crowd = INDEX_NONE;
		crowd = search_crowd(search);
		search->max_held = crowd || i == SEARCH_RUNS - 1 ? 2 * NUM_PORTS : CROWD_AFTER;
		search->num_held = 0;
		search->offset = 0;
		search->own_tried = search->dependent;
		search->exhausted = 0;
		if (crowd)
			crowd_refresh(search->crowd, &search->crowd_key);
		/* the first two by themselves: nearly always they will do, and a loop costs */
		if (!search_step(0, &run) && !search_step(0, &run))
			platform_loop(PORT_WORDS + 1 + NUM_PORTS, search_step, &run);
		if (search->choice != CHOICE_NONE)
			break;
		if (crowd ? crowd_is(crowd, &search->crowd_key) : search->num_held < search->max_held)
			break;
		search->crowd = crowd_open(&search->crowd_key);
	}
	return 0;
}

/* The external endpoint of the mapping that there is, if the tuple is free; search->mapped tells whether there is one. 0. */
SLOW_PATH int search_mapping(HOOK *hook, struct search *search)
{
	struct pair mapping;
	__u32 index;

	if (!search)
		return 0;
	search->mapped = mapping_find(search->session.proto, search->session.internal, &mapping, &index);
	if (!search->mapped)
		return 0;
	search->session.external = mapping.external;
	if (!search_is_held(hook, search))
		search->choice = CHOICE_MAPPING;
	return 0;
}

/* One external address in one round. 1 ends the search. */
static long search_address_step(__u32 n, void *ctx)
{
	struct search_run *run = ctx;
	struct search *search = run->search;
	const struct config *cfg = platform_config();
	__u32 at;

	if (!cfg || !cfg->num_external)
		return 1;
	at = (search->home + n % search->num_addrs) % cfg->num_external;
	if (!search->mapped && at < MAX_EXTERNAL)
		search->session.external.addr = cfg->external[at].addr;
	search_address(run->hook, search, n < search->num_addrs && !search->dependent ? SEARCH_UNMAPPED : SEARCH_ALL);
	return search->choice != CHOICE_NONE || (search->exhausted && search->num_addrs == 1);
}

struct search_home {
	__be32 internal;
	__u32 home; /* index in the configuration */
	__u64 best;
};

/* Compares one external address with the best so far. */
static long search_home_step(__u32 n, void *ctx)
{
	const struct config *cfg = platform_config();
	struct search_home *search = ctx;
	__u64 hash;

	if (!cfg || n >= MAX_EXTERNAL)
		return 1;
	hash = hash_words(search->internal, cfg->external[n].addr, 0, 0, platform_shape()->hash_key);
	if (hash >= search->best) {
		search->best = hash;
		search->home = n;
	}
	return 0;
}

/* The external address of an internal host: the one with the largest hash together with it, so that hosts stay with theirs when
 * another address comes or goes.
 */
SLOW_PATH __u32 search_home(__be32 internal)
{
	struct search_home search = { .internal = internal };
	const struct config *cfg = platform_config();

	if (cfg && cfg->num_external > 1)
		platform_loop(cfg->num_external, search_home_step, &search);
	return search.home;
}

/* Goes through the external addresses that the session may have: once for ports without a mapping, once for all. 0. */
SLOW_PATH int search_addresses(HOOK *hook, struct search *search)
{
	struct search_run run = { .hook = hook, .search = search };
	const struct config *cfg = platform_config();
	__u32 num;

	if (!search || !cfg || !cfg->num_external)
		return 0;
	num = cfg->num_external;
	search->home = search_home(search->session.internal.addr);
	search->num_addrs = cfg->spill && !search->mapped ? num : 1;
	platform_loop(cfg->on_full == ON_FULL_SHARE && !search->dependent ? 2 * search->num_addrs : search->num_addrs,
		      search_address_step, &run);
	return 0;
}

#endif
