/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hairpin: an internal host sends to the external endpoint of an internal host (RFC 4787 REQ-9, RFC 5382 REQ-8, RFC 5508 REQ-7).
 *
 * The packet leaves and comes back, but for the wire: it is translated outbound and then inbound, by the sessions, filters and
 * timers that both are. So its receiver sees the sender's external endpoint, and what is allowed is what would be allowed if
 * the two were at two gateways. Both steps are decided before a byte is changed: what is for the host itself goes there as it
 * came, and an error quotes what was sent.
 */
#ifndef BAUTA_HAIRPIN_H
#define BAUTA_HAIRPIN_H

#include "translate.h"

struct hairpinned {
	struct packet packet; /* as it came */
	struct packet back;   /* as it would come back, after the outbound step */
	struct decision out;
	struct decision in;
};

/* Whether a port of ours leads to an internal host. A port whose mapping is its own is that of sessions without one. */
static __always_inline bool hairpin_has_host(__u8 proto, __be32 addr, __be16 port)
{
	struct pair mapping;

	return mapping_find_external(proto, addr, port, &mapping) &&
	       !endpoint_equal(mapping.internal, mapping.external);
}

/* Whether a packet for an external address is more than the host's. Pings are for the host (RFC 5508 REQ-7 asks for more of NATs
 * without ports only).
 */
SLOW_PATH bool hairpin_is_wanted(const struct packet *pkt)
{
	struct fragment first;

	if (!pkt)
		return false;
	switch ((enum packet_kind)pkt->kind) {
	case PACKET_TCP:
	case PACKET_UDP:
		return hairpin_has_host(pkt->tuple.proto, pkt->tuple.dst, pkt->tuple.dport) ||
		       translate_has_session(pkt);
	case PACKET_ICMP_ERROR:
		return translate_has_session(pkt);
	case PACKET_FRAGMENT:
		return fragment_find(pkt, 0, &first) && first.reason == TRANSLATED_OUTBOUND;
	case PACKET_ICMP_REQUEST:
	case PACKET_ICMP_REPLY:
	case PACKET_ICMP_OTHER:
	case PACKET_OTHER:
	case PACKET_BAD:
		break;
	}
	return false;
}

/* The packet as the outbound step makes it. */
static __always_inline void hairpin_turn(struct hairpinned *hairpin)
{
	struct endpoint new = hairpin->out.new;
	struct packet *back = &hairpin->back;

	*back = hairpin->packet;
	back->tuple.src = new.addr;
	if (hairpin->out.renumber)
		back->id = hairpin->out.new_id;
	if (back->kind == PACKET_ICMP_ERROR) {
		back->quote.dst = new.addr;
		back->quote.dport = new.port;
	} else if (back->kind != PACKET_FRAGMENT) {
		back->tuple.sport = new.port;
	}
}

/* What becomes of hairpin->packet, which is wanted. PASSED_INSIDE: nobody inside is to get it, and it is the host's. `num`:
 * datagrams that it will be cut into.
 */
static __always_inline enum reason hairpin_translate(HOOK *hook, struct hairpinned *hairpin, __u32 num)
{
	const struct packet *pkt = &hairpin->packet;
	const struct config *cfg = platform_config();
	enum reason reason;

	if (!cfg)
		return DROPPED_REWRITE;
	/* RFC 6146 §5.4: who has our address in our name could send to himself for ever */
	if (addr_is_own(cfg, pkt->tuple.src))
		return DROPPED_MARTIAN;
	hairpin->out.reason = translate_outbound(hook, pkt, ORIGIN_FORWARDED, &hairpin->out);
	if (hairpin->out.reason == DROPPED_ERROR_NO_SESSION)
		return PASSED_INSIDE;
	if (reason_verdict(hairpin->out.reason) == VERDICT_PASSED)
		return PASSED_INSIDE;
	if (reason_verdict(hairpin->out.reason) != VERDICT_TRANSLATED)
		return hairpin->out.reason;
	translate_renumber(pkt, &hairpin->out, num);
	if (pkt->first_fragment)
		translate_note(pkt, 0, &hairpin->out);
	hairpin_turn(hairpin);
	reason = translate_inbound(hook, &hairpin->back, &hairpin->in);
	hairpin->in.reason = reason;
	if (pkt->first_fragment)
		translate_note(&hairpin->back, ENTRY_INBOUND, &hairpin->in);
	if (reason_verdict(reason) == VERDICT_PASSED)
		return PASSED_INSIDE;
	return reason_verdict(reason) == VERDICT_TRANSLATED ? TRANSLATED_HAIRPIN : reason;
}

#endif
