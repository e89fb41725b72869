/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The translator: what becomes of a packet. It reads a struct packet and the store, and changes no byte. */
#ifndef BAUTA_TRANSLATE_H
#define BAUTA_TRANSLATE_H

#include "accept.h"
#include "addr.h"
#include "create.h"
#include "exclusion.h"
#include "fragment.h"
#include "ident.h"
#include "packet.h"
#include "reason.h"

/* What the hook has to do with the packet. */
struct decision {
	__u8 reason;     /* enum reason; reason_verdict() of it */
	__u8 inbound;    /* rewrite the destination, else the source */
	__u8 owner_kind; /* of a refusal: who is in the way (enum owner_kind) */
	__u8 renumber;   /* the datagram gets the identification new_id */
	__be16 new_id;
	__u16 mtu;           /* of REFUSED_TOO_BIG */
	__u32 next_hop;      /* in: of a session that is created (struct entry); 0: not known */
	struct endpoint new; /* of a translation: the new endpoint, also in the quote of an ICMP error */
	struct endpoint owner;
};

enum origin {
	ORIGIN_FORWARDED, /* came from another machine */
	ORIGIN_HOST,      /* made by the host itself */
};

/* Finds the session that a tuple belongs to; false when the store does not have one. Nobody's packets have 0.0.0.0:0 as
 * their remote endpoint, but a forged packet, or a quote, might, and would find a mapping.
 */
static __always_inline bool translate_find(const struct tuple *tuple, __u8 direction, struct found *found)
{
	struct key key = { .tuple = *tuple, .direction = direction };

	return store_get(&key, found) && !(found->flags & ENTRY_MAPPING);
}

/* A packet on a session that is there: it gets the new endpoint, and is noted. */
static __always_inline bool translate_packet(const struct packet *pkt, __u8 direction, struct decision *decision)
{
	struct found found;

	if (!translate_find(&pkt->tuple, direction, &found))
		return false;
	store_touch(&found, pkt->tcp_flags);
	decision->new = found.new;
	return true;
}

/* The same, for those to whom a call more does not matter: the verifier looks at it once. */
SLOW_PATH bool translate_known(const struct packet *pkt, __u32 direction, struct decision *decision)
{
	return pkt && decision && translate_packet(pkt, direction, decision);
}

/* Whether the packet may need no more than its session: a whole packet with ports or a query identifier, without IP options.
 * Not a SYN: there is more to be looked at when a connection begins.
 */
static __always_inline bool translate_is_plain(const struct packet *pkt, __u8 direction)
{
	if (pkt->l4 - pkt->l3 != sizeof(struct iphdr))
		return false;
	switch ((enum packet_kind)pkt->kind) {
	case PACKET_TCP:
		return !pkt->first_fragment && !(pkt->tcp_flags & LIFE_SYN);
	case PACKET_UDP:
		return !pkt->first_fragment;
	case PACKET_ICMP_REQUEST:
		return !pkt->first_fragment && direction != ENTRY_INBOUND;
	case PACKET_ICMP_REPLY:
		return !pkt->first_fragment && direction == ENTRY_INBOUND;
	case PACKET_ICMP_ERROR:
	case PACKET_ICMP_OTHER:
	case PACKET_OTHER:
	case PACKET_FRAGMENT:
	case PACKET_BAD:
		break;
	}
	return false;
}

/* An ICMP error: the session is that of the quoted packet, which went the other way. The session is not touched
 * (RFC 4787 REQ-12, RFC 5382 REQ-10, RFC 5508 REQ-6).
 */
SLOW_PATH bool translate_error(const struct packet *pkt, __u8 direction, struct decision *decision)
{
	struct found found;
	struct tuple tuple;

	if (!pkt || !decision)
		return false;
	tuple = tuple_reverse(&pkt->quote);
	if (!translate_find(&tuple, direction, &found))
		return false;
	decision->new = found.new;
	return true;
}

/* Whether a session holds the tuple that an outbound packet would have untranslated. */
SLOW_PATH bool translate_is_held(const struct packet *pkt)
{
	struct found holder;
	struct tuple back;

	if (!pkt)
		return false;
	back = tuple_reverse(&pkt->tuple);
	return translate_find(&back, ENTRY_INBOUND, &holder);
}

static __always_inline enum reason create_reason(enum create_result result, enum origin origin)
{
	switch (result) {
	case CREATE_MAPPED:
		return TRANSLATED_NEW;
	case CREATE_ALONE:
		return TRANSLATED_CLASH;
	case CREATE_SHARED:
		return TRANSLATED_SHARED;
	case CREATE_EXISTS:
		return DROPPED_RACE;
	case CREATE_NO_PORT:
		return origin == ORIGIN_HOST ? REFUSED_CLASH : REFUSED_NO_PORT;
	case CREATE_NO_ROOM:
		break;
	case CREATE_FROZEN:
		return DROPPED_RESIZE;
	case CREATE_QUOTA_PORTS:
		return REFUSED_QUOTA_PORTS;
	case CREATE_QUOTA_SESSIONS:
		return REFUSED_QUOTA_SESSIONS;
	case CREATE_QUOTA_RATE:
		return REFUSED_QUOTA_RATE;
	}
	return REFUSED_NO_ROOM;
}

/* Creates the session that an outbound packet asks for. */
SLOW_PATH enum reason translate_create(HOOK *hook, const struct packet *pkt, enum origin origin,
				       struct decision *decision)
{
	struct search *search = platform_search();
	enum create_result result;
	struct pair *session;
	enum reason reason;

	if (!search || !pkt || !decision)
		return DROPPED_REWRITE;
	session = &search->session;
	session->internal = (struct endpoint){ .addr = pkt->tuple.src, .port = pkt->tuple.sport };
	session->remote = (struct endpoint){ .addr = pkt->tuple.dst, .port = pkt->tuple.dport };
	session->external = (struct endpoint){ .addr = origin == ORIGIN_HOST ? pkt->tuple.src : 0 };
	session->proto = pkt->tuple.proto;
	session->flags = origin == ORIGIN_HOST ? ENTRY_HOST : 0;
	search->next_hop = decision->next_hop;
	result = create_session(hook, search, pkt->tcp_flags);
	decision->owner = search->owner;
	decision->owner_kind = search->owner_kind;
	reason = create_reason(result, origin);
	if (reason_verdict(reason) == VERDICT_TRANSLATED)
		decision->new = session->external;
	/* The host's own ping under its own identifier is no clash, and the usual case. */
	if (result == CREATE_ALONE && endpoint_equal(session->internal, session->external))
		return TRANSLATED_NEW;
	return reason;
}

/* Whether the packet belongs to a session, or is about one. */
static __always_inline bool translate_has_session(const struct packet *pkt)
{
	struct tuple tuple = pkt->tuple;
	struct found found;

	if (pkt->kind == PACKET_ICMP_ERROR)
		tuple = tuple_reverse(&pkt->quote);
	return translate_find(&tuple, 0, &found);
}

/* Whether a packet from inside is left alone for its destination's sake (RFC 6888 REQ-6). Sessions that were there before the
 * exclusion go on.
 */
SLOW_PATH bool translate_is_excluded(const struct packet *pkt)
{
	const struct config *cfg = platform_config();

	/* a forged source of ours is none, wherever it leads to */
	if (!pkt || !cfg || !cfg->num_excluded || addr_is_own(cfg, pkt->tuple.src))
		return false;
	return exclusion_find(pkt) != INDEX_NONE && !translate_has_session(pkt);
}

/* A later fragment: what became of the first one of its datagram becomes of it. `unknown`: its reason if that is not known. */
static __always_inline enum reason translate_fragment(const struct packet *pkt, __u8 direction, enum reason unknown,
						      struct decision *decision)
{
	struct fragment fragment;

	if (!fragment_find(pkt, direction, &fragment))
		return unknown;
	decision->new.addr = fragment.new_addr;
	decision->new_id = fragment.new_id;
	decision->renumber = fragment.renumber;
	return fragment.reason;
}

/* The reason of those fragments that follow a first one. */
static __always_inline enum reason fragment_reason(const struct decision *first)
{
	switch (reason_verdict(first->reason)) {
	case VERDICT_TRANSLATED:
		if (first->reason == TRANSLATED_HAIRPIN)
			return TRANSLATED_HAIRPIN;
		return first->inbound ? TRANSLATED_INBOUND : TRANSLATED_OUTBOUND;
	case VERDICT_PASSED:
		if (first->reason == PASSED_EXCLUDED || first->reason == PASSED_NOT_INTERNAL ||
		    first->reason == PASSED_INSIDE)
			return first->reason;
		return PASSED_HOST_FRAGMENT;
	case VERDICT_HELD:
	case VERDICT_DROPPED:
	case VERDICT_REFUSED:
	case VERDICT_DENIED:
	case NUM_VERDICT:
		break;
	}
	return DROPPED_FRAGMENT;
}

/* Gives a datagram that leaves by an external address an identification of its own, unless nobody will look at it. What the
 * host itself sends shares address and remote with the others, and so their counter. `num`: datagrams that the packet will be
 * cut into. Later fragments have what the first one was given.
 */
static __always_inline void translate_renumber(const struct packet *pkt, struct decision *decision, __u32 num)
{
	enum reason reason = decision->reason;
	__be32 src = decision->new.addr;

	if (pkt->atomic || pkt->kind == PACKET_FRAGMENT)
		return;
	if (reason == PASSED_HOST)
		src = pkt->tuple.src;
	else if (reason_verdict(reason) != VERDICT_TRANSLATED)
		return;
	decision->renumber = 1;
	decision->new_id = cpu_to_be16(ident_take(src, pkt->tuple.dst, pkt->tuple.proto, num));
}

/* Notes what becomes of a datagram's first fragment, for those that follow. A repetition keeps the identification that some of
 * them may have already.
 */
SLOW_PATH int translate_note(const struct packet *pkt, __u8 direction, struct decision *decision)
{
	struct fragment noted, fragment;

	if (!pkt || !decision)
		return 0;
	if (decision->renumber && fragment_find(pkt, direction, &noted) && noted.renumber &&
	    platform_now() - noted.seen_s <= FRAGMENT_AGAIN_S)
		decision->new_id = noted.new_id;
	fragment = (struct fragment){
		.new_addr = decision->new.addr,
		.new_id = decision->new_id,
		.renumber = decision->renumber,
		.reason = fragment_reason(decision),
	};
	fragment_note(pkt, direction, &fragment);
	return 0;
}

/* What is not ours to look at further: TRANSLATED_OUTBOUND when there is more to do. */
static __always_inline enum reason outbound_sieve(const struct config *cfg, const struct packet *pkt,
						  enum origin origin)
{
	__be32 src = pkt->tuple.src;
	__be32 dst = pkt->tuple.dst;

	if (origin == ORIGIN_HOST) {
		/* 0.0.0.0 as the remote is how the table writes a mapping */
		if (!src || !dst)
			return PASSED_UNSPECIFIED;
		if (addr_is_multicast(dst))
			return PASSED_MULTICAST;
		if (dst == 0xffffffff)
			return PASSED_BROADCAST;
	} else {
		if (!addr_is_internal(cfg, src))
			return PASSED_NOT_INTERNAL;
		if (addr_is_multicast(dst) || dst == 0xffffffff)
			return DROPPED_MULTICAST;
		if (addr_is_martian(src) || addr_is_martian(dst) || addr_is_multicast(src))
			return DROPPED_MARTIAN;
	}
	return TRANSLATED_OUTBOUND;
}

/* Packets of the host from an address of the external interface that are none of the translator's business. */
static __always_inline enum reason outbound_sieve_own(const struct packet *pkt)
{
	switch ((enum packet_kind)pkt->kind) {
	case PACKET_TCP:
	case PACKET_UDP:
	case PACKET_ICMP_REQUEST:
	case PACKET_ICMP_ERROR:
	case PACKET_FRAGMENT:
		break;
	case PACKET_OTHER:
		return PASSED_HOST_PROTOCOL;
	case PACKET_ICMP_REPLY:
	case PACKET_ICMP_OTHER:
	case PACKET_BAD:
		return PASSED_HOST;
	}
	return TRANSLATED_OUTBOUND;
}

/* Packets from inside that cannot be translated. */
static __always_inline enum reason outbound_sieve_kind(const struct packet *pkt)
{
	switch ((enum packet_kind)pkt->kind) {
	case PACKET_TCP:
	case PACKET_UDP:
	case PACKET_ICMP_REQUEST:
	case PACKET_ICMP_ERROR:
	case PACKET_FRAGMENT:
		break;
	case PACKET_OTHER:
		return REFUSED_PROTOCOL;
	case PACKET_ICMP_REPLY:
		return DROPPED_NO_SESSION;
	case PACKET_ICMP_OTHER:
		return DROPPED_ICMP_TYPE;
	case PACKET_BAD:
		return pkt->bad;
	}
	return TRANSLATED_OUTBOUND;
}

/* Whether a packet from inside that belongs to no session may begin one (RFC 5382 §5 leaves it to us). A SYN with an ACK answers
 * somebody, and has a session if he is there.
 */
static __always_inline bool translate_begins(const struct config *cfg, const struct packet *pkt)
{
	return pkt->kind != PACKET_TCP || cfg->mid_stream == MID_STREAM_ADOPT ||
	       (pkt->tcp_flags & LIFE_TCP_MASK) == LIFE_SYN;
}

/* A packet that leaves by the external interface. Fills the decision and returns its reason. */
static __always_inline enum reason translate_outbound(HOOK *hook, const struct packet *pkt, enum origin origin,
						      struct decision *decision)
{
	const struct config *cfg = platform_config();
	enum reason reason;
	bool own;

	if (!cfg)
		return DROPPED_REWRITE;
	reason = outbound_sieve(cfg, pkt, origin);
	if (reason != TRANSLATED_OUTBOUND)
		return reason;
	/* The host's packets from another of its addresses are masqueraded like anybody's. */
	own = origin == ORIGIN_HOST && addr_is_own(cfg, pkt->tuple.src);
	if (pkt->kind == PACKET_FRAGMENT) {
		reason = translate_fragment(pkt, 0, HELD_FRAGMENT, decision);
		if (reason != HELD_FRAGMENT)
			return reason;
	}
	if (!own && translate_is_excluded(pkt))
		return PASSED_EXCLUDED;
	if (pkt->kind == PACKET_FRAGMENT)
		return own && !packet_has_ports(pkt) ? PASSED_HOST_FRAGMENT : HELD_FRAGMENT;
	reason = own ? outbound_sieve_own(pkt) : outbound_sieve_kind(pkt);
	if (reason != TRANSLATED_OUTBOUND)
		return reason;

	if (pkt->kind == PACKET_ICMP_ERROR) {
		if (translate_error(pkt, 0, decision))
			return TRANSLATED_ERROR_OUTBOUND;
		return own ? PASSED_HOST : DROPPED_ERROR_NO_SESSION;
	}
	if (translate_known(pkt, 0, decision))
		return TRANSLATED_OUTBOUND;
	/* Nobody has translated it so far, and nobody will unless the NAT holds its tuple: a clash. */
	if (own && pkt->kind != PACKET_ICMP_REQUEST && !translate_is_held(pkt))
		return PASSED_HOST;
	/* The answer to a connection that is gone: nothing to tell the remote, and no port to spend on it. */
	if (pkt->kind == PACKET_TCP && (pkt->tcp_flags & LIFE_RST))
		return DROPPED_NO_SESSION;
	if (!own && !translate_begins(cfg, pkt))
		return REFUSED_MID_STREAM;
	if (!own && !cfg->num_external)
		return REFUSED_NO_ADDRESS;
	/* RFC 6146 §5.4: a forged source of ours would make a session that leads to ourselves. */
	if (origin == ORIGIN_FORWARDED && addr_is_own(cfg, pkt->tuple.src))
		return DROPPED_MARTIAN;
	reason = translate_create(hook, pkt, own ? ORIGIN_HOST : ORIGIN_FORWARDED, decision);
	/* Another packet of the same session was faster, on another CPU, and used up the last port, the last room or the quota
	 * perhaps: this one goes by what that one made.
	 */
	if ((reason == DROPPED_RACE || reason >= REFUSED_NO_PORT) && translate_known(pkt, 0, decision))
		return TRANSLATED_OUTBOUND;
	return reason;
}

/* A packet that arrives on the external interface. Fills the decision and returns its reason. */
static __always_inline enum reason translate_inbound(HOOK *hook, const struct packet *pkt, struct decision *decision)
{
	const struct config *cfg = platform_config();
	enum reason reason;

	if (!cfg)
		return DROPPED_REWRITE;
	decision->inbound = 1;
	if (addr_is_multicast(pkt->tuple.dst))
		return PASSED_MULTICAST;
	if (pkt->tuple.dst == 0xffffffff)
		return PASSED_BROADCAST;
	if (!addr_is_own(cfg, pkt->tuple.dst))
		return PASSED_NOT_EXTERNAL;
	if (addr_is_martian(pkt->tuple.src) || addr_is_multicast(pkt->tuple.src))
		return DROPPED_MARTIAN;
	switch ((enum packet_kind)pkt->kind) {
	case PACKET_TCP:
	case PACKET_UDP:
		if (translate_known(pkt, ENTRY_INBOUND, decision))
			return TRANSLATED_INBOUND;
		reason = accept_judge(hook, pkt);
		if (reason == TRANSLATED_ACCEPTED)
			reason = accept_create(pkt, &decision->new);
		if ((reason == DROPPED_RACE || reason >= REFUSED_NO_PORT) &&
		    translate_known(pkt, ENTRY_INBOUND, decision))
			return TRANSLATED_INBOUND;
		return reason;
	case PACKET_ICMP_REPLY:
		return translate_known(pkt, ENTRY_INBOUND, decision) ? TRANSLATED_INBOUND : PASSED_NO_SESSION;
	case PACKET_ICMP_ERROR:
		return translate_error(pkt, ENTRY_INBOUND, decision) ? TRANSLATED_ERROR_INBOUND : PASSED_NO_SESSION;
	case PACKET_ICMP_REQUEST:
	case PACKET_ICMP_OTHER:
		return PASSED_HOST;
	case PACKET_OTHER:
		return PASSED_HOST_PROTOCOL;
	case PACKET_FRAGMENT:
		/* Only an external address is one that a session might have, and only of these protocols. */
		return translate_fragment(pkt, ENTRY_INBOUND,
					  packet_has_ports(pkt) && addr_is_external(cfg, pkt->tuple.dst)
						  ? HELD_FRAGMENT
						  : PASSED_HOST_FRAGMENT,
					  decision);
	case PACKET_BAD:
		break;
	}
	return pkt->bad;
}

#endif
