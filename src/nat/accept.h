/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets from outside that belong to no session: whose they are, and sessions that begin with them.
 *
 * In this order: a socket of the host that is connected to the remote; the internal endpoint of a mapping whose filter lets the
 * remote in; a socket of the host that waits for anybody; nobody. What comes for a mapped port and is nobody's is not given to
 * the host, whose refusal would tell a remote that is to be called in a moment (hole punching) that nobody is there.
 */
#ifndef BAUTA_ACCEPT_H
#define BAUTA_ACCEPT_H

#include "addr.h"
#include "create.h"
#include "packet.h"
#include "permit.h"

static __always_inline bool packet_is_bare_syn(const struct packet *pkt)
{
	return pkt->kind == PACKET_TCP && (pkt->tcp_flags & LIFE_TCP_MASK) == LIFE_SYN;
}

/* Whether the table has room for sessions that begin outside: while it is less than half full. It is made for six sevenths; the
 * rest is for what begins inside, since a remote that is let in has 65536 ports to come from, and forged ones have no end.
 */
static __always_inline bool accept_has_room(struct header *header)
{
	return READ_ONCE(header->num_sessions) + READ_ONCE(header->num_mappings) + READ_ONCE(header->num_permits) <
	       platform_shape()->num_buckets * BUCKET_ENTRIES / 2 / 2; /* two entries each */
}

/* Takes references on the mapping and on the permit that let the remote in, and the tuple for the session. As create_claim. */
static __always_inline enum insert_result accept_claim(struct search *search, __u8 tcp_flags, bool stash)
{
	__u32 life = life_make(PHASE_LIVE, 0, platform_now());
	struct header *header = platform_header();
	enum insert_result result;

	search->session.flags &= ~ENTRY_PERMITTED;
	if (!mapping_ref(&search->mapping))
		return INSERT_TAKEN;
	search->session.flags |= ENTRY_COUNTED;
	result = create_permit(search, life, stash);
	if (result == INSERT_DONE) {
		result = store_insert(&search->session, life | (tcp_flags & LIFE_TCP_MASK), life, 0, stash);
		search->refused = search->session;
	}
	if (result == INSERT_DONE) {
		if (header)
			platform_add64(&header->num_created, 1);
		return result;
	}
	permit_release(&search->session, &search->permit);
	mapping_release(&search->session, create_rest(search), &search->mapping);
	return result;
}

/* What the packet is if the host has no socket that is connected to its sender. `waits`: it has one that waits for anybody. */
static __always_inline enum reason accept_mapped(struct search *search, const struct packet *pkt, bool waits)
{
	bool mapped = mapping_find_external(pkt->tuple.proto, pkt->tuple.dst, pkt->tuple.dport, &search->mapping);
	const struct config *cfg = platform_config();

	search->session = (struct pair){
		.internal = search->mapping.internal,
		.external = { .addr = pkt->tuple.dst, .port = pkt->tuple.dport },
		.remote = { .addr = pkt->tuple.src, .port = pkt->tuple.sport },
		.proto = pkt->tuple.proto,
	};
	if (mapped && permit_lets_in(&search->mapping, &search->session))
		return TRANSLATED_ACCEPTED;
	if (waits)
		return PASSED_NO_SESSION;
	if (pkt->kind == PACKET_UDP)
		return mapped ? DROPPED_FILTERED : PASSED_NO_SESSION;
	if (mapped || (cfg && bitmap_has(cfg->ranges, be16_to_cpu(pkt->tuple.dport))))
		return DROPPED_UNSOLICITED;
	return PASSED_NO_SESSION;
}

/* Judges a TCP or UDP packet from outside that belongs to no session. TRANSLATED_ACCEPTED: accept_create() is to be called
 * for the session that platform_search() holds now.
 */
SLOW_PATH enum reason accept_judge(HOOK *hook, const struct packet *pkt)
{
	const struct config *cfg = platform_config();
	struct search *search = platform_search();
	bool waits;

	if (!search || !cfg || !pkt)
		return DROPPED_REWRITE;
	/* a segment of a connection that is not there: the host's RST tells its sender */
	if (pkt->kind == PACKET_TCP && !packet_is_bare_syn(pkt))
		return PASSED_NO_SESSION;
	if (!addr_is_external(cfg, pkt->tuple.dst))
		return PASSED_NO_SESSION;
	waits = platform_host_holds(hook, &pkt->tuple);
	if (waits && platform_host_connected(hook, &pkt->tuple))
		return PASSED_NO_SESSION;
	return accept_mapped(search, pkt, waits);
}

/* Creates the session that was judged worth it. DROPPED_RACE: the mapping is gone, or somebody has one of the tuples: look for
 * the packet's session once more. DROPPED_FILTERED: the two have a session, by another port.
 */
SLOW_PATH enum reason accept_create(const struct packet *pkt, struct endpoint *ret_new)
{
	struct search *search = platform_search();
	struct header *header = platform_header();

	if (!search || !header || !pkt || !ret_new)
		return DROPPED_REWRITE;
	if (!store_is_writable())
		return DROPPED_RESIZE;
	search->refused = search->session;
	/* what has expired and was not swept gives way, so that nothing depends on the daemon */
	if (!accept_has_room(header) && !create_end_expired(search, ENTRY_INBOUND, false))
		return REFUSED_NO_ROOM;
	search->choice = CHOICE_MAPPING;
	search->owner_kind = OWNER_NONE;
	search->quota = quota_take_pair(&search->session);
	if (quota_is_refusal(search->quota))
		return search->quota == QUOTA_NO_RATE ? REFUSED_QUOTA_RATE : REFUSED_QUOTA_SESSIONS;
	for (__u64 i = 0; i < CREATE_ATTEMPTS; i++) {
		enum insert_result result;

		OPTIMIZER_HIDE_VAR(search); /* as in create_choose_and_claim */
		result = accept_claim(search, pkt->tcp_flags, i >= CREATE_ATTEMPTS / 2);
		if (result == INSERT_DONE) {
			*ret_new = search->mapping.internal;
			return TRANSLATED_ACCEPTED;
		}
		if (result == INSERT_EXISTS || result == INSERT_TAKEN) {
			quota_give_pair(&search->session, QUOTA_ATTEMPT);
			/* it exists by another port: the two speak by that, and not by the mapping's */
			return result == INSERT_EXISTS ? DROPPED_FILTERED : DROPPED_RACE;
		}
		create_make_room(search, result == INSERT_NO_ROOM_IN ? ENTRY_INBOUND : 0);
	}
	quota_give_pair(&search->session, QUOTA_ATTEMPT);
	return REFUSED_NO_ROOM;
}

#endif
