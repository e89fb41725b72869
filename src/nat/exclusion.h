/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Destinations that are not translated (RFC 6888 REQ-6): toward them the machine is a router and no more. */
#ifndef BAUTA_EXCLUSION_H
#define BAUTA_EXCLUSION_H

#include "addr.h"
#include "packet.h"
#include "platform.h"

/* The flow of an outbound packet: its protocol, and whom it leads to. An ICMP error belongs to the flow that it is about. What
 * has no ports, or none that can be known, has the remote port 0, which only exclusions of all ports cover.
 */
struct outbound_flow {
	struct endpoint remote;
	__u8 proto;
};

static __always_inline bool exclusion_covers(const struct exclusion *exclusion, const struct outbound_flow *flow)
{
	return addr_is_in(&exclusion->prefix, flow->remote.addr) &&
	       (!exclusion->proto || exclusion->proto == flow->proto) &&
	       (!exclusion->port || exclusion->port == flow->remote.port);
}

static __always_inline struct outbound_flow exclusion_flow(const struct packet *pkt)
{
	struct outbound_flow flow = { .remote.addr = pkt->tuple.dst, .proto = pkt->tuple.proto };

	if (pkt->kind == PACKET_TCP || pkt->kind == PACKET_UDP)
		flow.remote.port = pkt->tuple.dport;
	if (pkt->kind == PACKET_ICMP_ERROR) {
		flow.proto = pkt->quote.proto;
		if (flow.proto == IPPROTO_TCP || flow.proto == IPPROTO_UDP)
			flow.remote.port = pkt->quote.sport;
	}
	return flow;
}

/* The exclusion that an outbound packet is covered by; INDEX_NONE: none. */
SLOW_PATH __u32 exclusion_find(const struct packet *pkt)
{
	const struct config *cfg = platform_config();
	struct outbound_flow flow;

	if (!pkt || !cfg)
		return INDEX_NONE;
	/* An error is for the sender of what it quotes: about whomever else, it would tell an internal address to a stranger. */
	if (pkt->kind == PACKET_ICMP_ERROR && pkt->quote.src != pkt->tuple.dst)
		return INDEX_NONE;
	flow = exclusion_flow(pkt);
	for (__u32 i = 0; i < MAX_EXCLUDED; i++) {
		if (i >= cfg->num_excluded)
			break;
		if (exclusion_covers(&cfg->excluded[i], &flow))
			return i;
	}
	return INDEX_NONE;
}

#endif
