/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Crowded destinations: which tuples toward one remote endpoint are held, so that a search need not ask one by one.
 *
 * A cache. It is made when a search has met CROWD_AFTER held tuples toward one remote, and gives way to another when its set
 * is full. What it says is taken, is: whoever notes a tuple sees, under the lock of the crowd, that its entry still
 * stands, and whoever removes a session clears the bit after the entry is gone. What it does not say is taken may be; a search
 * looks in any case. Sockets of the host come and go unseen: what was learnt of them is forgotten after a while, which is
 * the longer the more there are, so that asking anew takes at most a few thousandths of a CPU.
 */
#ifndef BAUTA_CROWD_H
#define BAUTA_CROWD_H

#include "hash.h"
#include "pool.h"
#include "store.h"

#define CROWD_AFTER 8
#define CROWD_HOST_PER_TICK 256 /* sockets, for each jiffy that they are believed in */

static __always_inline bool crowd_is(struct crowd *crowd, const struct crowd_key *key)
{
	return READ_ONCE(crowd->key.external) == key->external && READ_ONCE(crowd->key.remote) == key->remote &&
	       READ_ONCE(crowd->key.remote_port) == key->remote_port && READ_ONCE(crowd->key.proto) == key->proto &&
	       READ_ONCE(crowd->key.state) == CROWD_VALID && READ_ONCE(crowd->key.generation) == key->generation;
}

static __always_inline void crowd_set_key(const struct pair *session, const struct config *cfg,
					  struct crowd_key *ret_key)
{
	ret_key->external = session->external.addr;
	ret_key->remote = session->remote.addr;
	ret_key->remote_port = session->remote.port;
	ret_key->proto = session->proto;
	ret_key->state = CROWD_VALID;
	ret_key->generation = cfg->generation;
}

/* The number of the first of the CROWD_WAYS crowds that may be the one with this key. */
static __always_inline __u32 crowd_base(const struct crowd_key *key)
{
	__u64 hash = hash_words(key->external, key->remote, key->remote_port, key->proto, platform_shape()->hash_key);

	return hash_scale(hash, NUM_CROWD_SET) * CROWD_WAYS;
}

static __always_inline struct stripe *crowd_stripe(__u32 index)
{
	return platform_stripe(NUM_PAIR_STRIPES + index / CROWD_WAYS % NUM_CROWD_SET);
}

/* The number of the crowd with this key, or INDEX_NONE. */
static __always_inline __u32 crowd_find(const struct crowd_key *key)
{
	struct header *header = platform_header();
	__u32 base;

	if (!header || !READ_ONCE(header->num_crowds))
		return INDEX_NONE;
	base = crowd_base(key);
	for (__u32 way = 0; way < CROWD_WAYS; way++) {
		struct crowd *crowd = platform_crowd(base + way);

		if (crowd && crowd_is(crowd, key))
			return base + way;
	}
	return INDEX_NONE;
}

static long crowd_empty_word(__u32 n, void *ctx)
{
	struct crowd *crowd = *(struct crowd **)ctx;

	if (n < PORT_WORDS)
		WRITE_ONCE(crowd->taken[n], 0);
	return 0;
}

static long crowd_empty_host_word(__u32 n, void *ctx)
{
	struct crowd *crowd = *(struct crowd **)ctx;

	if (n < PORT_WORDS)
		WRITE_ONCE(crowd->host[n], 0);
	return 0;
}

static __always_inline void crowd_empty_host(struct crowd *crowd)
{
	platform_loop(PORT_WORDS, crowd_empty_host_word, &crowd);
}

/* The one of the crowds that may have this key which is empty or was used longest ago: its number, or INDEX_NONE. */
static __always_inline __u32 crowd_oldest(const struct crowd_key *key)
{
	__u32 base = crowd_base(key), now = platform_now();
	__u32 index = INDEX_NONE, oldest = 0;

	for (__u32 way = 0; way < CROWD_WAYS; way++) {
		struct crowd *crowd = platform_crowd(base + way);
		__u32 age;

		if (!crowd || READ_ONCE(crowd->key.state) == CROWD_MAKING)
			continue;
		age = READ_ONCE(crowd->key.state) == CROWD_VALID && READ_ONCE(crowd->key.generation) == key->generation
			      ? now - READ_ONCE(crowd->used_s) + 1
			      : INDEX_NONE;
		if (age > oldest) {
			oldest = age;
			index = base + way;
		}
	}
	return index;
}

/* Two who made a crowd for one key, each in a place of its own: the first place has it. Both have published before they look,
 * so one of them at least sees the other. Returns the number of the one that stays.
 */
static __always_inline __u32 crowd_settle(const struct crowd_key *key, __u32 index, struct stripe *stripe)
{
	__u32 base = index / CROWD_WAYS * CROWD_WAYS;
	__u32 first = INDEX_NONE;

	for (__u32 way = 0; way < CROWD_WAYS; way++) {
		struct crowd *crowd = platform_crowd(base + way);

		if (!crowd || !crowd_is(crowd, key))
			continue;
		if (first == INDEX_NONE) {
			first = base + way;
			continue;
		}
		platform_lock(stripe);
		if (crowd_is(crowd, key))
			WRITE_ONCE(crowd->key.state, CROWD_EMPTY);
		platform_unlock(stripe);
	}
	return first;
}

/* Makes a crowd for this key, in the place of the one that was used longest ago. Its number, or INDEX_NONE: then somebody else
 * is making one there. While it is made nobody notes anything in it.
 */
SLOW_PATH __u32 crowd_open(const struct crowd_key *key)
{
	const struct config *cfg = platform_config();
	struct header *header = platform_header();
	__u32 now = platform_now();
	struct stripe *stripe;
	struct crowd *crowd;
	bool ours = false;
	__u32 index;

	if (!key || !cfg || !header)
		return INDEX_NONE;
	index = crowd_oldest(key);
	if (index == INDEX_NONE)
		return INDEX_NONE;
	crowd = platform_crowd(index);
	stripe = crowd_stripe(index);
	if (!crowd || !stripe)
		return INDEX_NONE;
	platform_lock(stripe);
	if (READ_ONCE(crowd->key.state) != CROWD_MAKING) {
		WRITE_ONCE(crowd->key.state, CROWD_MAKING);
		ours = true;
	}
	platform_unlock(stripe);
	if (!ours)
		return INDEX_NONE;
	platform_loop(PORT_WORDS, crowd_empty_word, &crowd);
	crowd_empty_host(crowd);
	WRITE_ONCE(crowd->num_host, 0);
	for (__u32 i = 0; i < SUMMARY_WORDS; i++)
		WRITE_ONCE(crowd->open[i], key->proto == IPPROTO_ICMP ? ~0ull : cfg->ranges_open[i]);
	platform_lock(stripe);
	WRITE_ONCE(crowd->key.external, key->external);
	WRITE_ONCE(crowd->key.remote, key->remote);
	WRITE_ONCE(crowd->key.remote_port, key->remote_port);
	WRITE_ONCE(crowd->key.proto, key->proto);
	WRITE_ONCE(crowd->key.generation, key->generation);
	WRITE_ONCE(crowd->used_s, now);
	WRITE_ONCE(crowd->key.state, CROWD_VALID);
	platform_unlock(stripe);
	platform_add32(&header->num_crowds, 1);
	return crowd_settle(key, index, stripe);
}

/* Forgets what was learnt of the host's sockets, if it is old. The count goes first, under the lock, so that one forgets and no
 * other: what is noted while the words are emptied may be lost, but a bit never stands without being counted. 0.
 */
SLOW_PATH int crowd_refresh(__u32 index, const struct crowd_key *key)
{
	struct crowd *crowd = platform_crowd(index);
	__u64 ticks = platform_ticks();
	struct stripe *stripe;
	bool ours = false;

	if (!crowd || !key)
		return 0;
	WRITE_ONCE(crowd->used_s, platform_now());
	stripe = crowd_stripe(index);
	if (!stripe || !READ_ONCE(crowd->num_host))
		return 0;
	platform_lock(stripe);
	if (crowd_is(crowd, key) && crowd->num_host &&
	    ticks - crowd->host_jiffies > 1 + crowd->num_host / CROWD_HOST_PER_TICK) {
		WRITE_ONCE(crowd->num_host, 0);
		ours = true;
	}
	platform_unlock(stripe);
	if (ours)
		crowd_empty_host(crowd);
	return 0;
}

/* Notes that a session, whose inbound entry stands at `entry`, holds a port (host order) toward this remote. */
static __always_inline void crowd_note_session(struct crowd *crowd, struct stripe *stripe, const struct crowd_key *key,
					       __u16 port, struct entry *entry, const struct key *inbound)
{
	__u64 *word = &crowd->taken[bitmap_word(port)];

	platform_lock(stripe);
	if (crowd_is(crowd, key) && life_is_visible(READ_ONCE(entry->life)) && entry_has_key(entry, inbound))
		WRITE_ONCE(*word, *word | 1ull << port % 64);
	platform_unlock(stripe);
}

/* Notes that a socket of the host holds it. */
static __always_inline void crowd_note_host(struct crowd *crowd, struct stripe *stripe, const struct crowd_key *key,
					    __u16 port)
{
	__u64 *word = &crowd->host[bitmap_word(port)];
	__u64 ticks = platform_ticks();

	platform_lock(stripe);
	if (crowd_is(crowd, key) && !(*word >> port % 64 & 1)) {
		WRITE_ONCE(*word, *word | 1ull << port % 64);
		if (!crowd->num_host)
			WRITE_ONCE(crowd->host_jiffies, ticks);
		WRITE_ONCE(crowd->num_host, crowd->num_host + 1);
	}
	platform_unlock(stripe);
}

/* Notes that the tuple of a session is free again, after its entries are gone. 0. */
SLOW_PATH int crowd_release(const struct pair *session)
{
	const struct config *cfg = platform_config();
	struct crowd_key key = {};
	struct stripe *stripe;
	struct crowd *crowd;
	__u32 index;
	__u64 *word;
	__u16 port;

	if (!session || !cfg)
		return 0;
	crowd_set_key(session, cfg, &key);
	index = crowd_find(&key);
	if (index == INDEX_NONE)
		return 0;
	port = be16_to_cpu(session->external.port);
	crowd = platform_crowd(index);
	stripe = crowd_stripe(index);
	if (!crowd || !stripe)
		return 0;
	platform_lock(stripe);
	word = &crowd->taken[bitmap_word(port)];
	if (crowd_is(crowd, &key)) {
		WRITE_ONCE(*word, *word & ~(1ull << port % 64));
		summary_set(crowd->open, port / 64);
	}
	platform_unlock(stripe);
	return 0;
}

#endif
