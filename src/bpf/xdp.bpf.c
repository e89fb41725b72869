/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fast path, at XDP of interfaces whose drivers run it: packets of sessions that are there are translated and sent on their
 * way before the kernel makes anything of them. Everything else goes up to the stack as it came, and tc does it. Both work on
 * the same table, with the same translator, so that it does not matter which of the two sees a packet.
 *
 * Nothing is written, to the packet or to the table, before it is certain that the packet is sent.
 */
#define HOOK struct xdp_md
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "fast_create.h"
#include "fast_frame.h"
#include "fast_mss.h"
#include "fast_plain.h"
#include "fast_stage.h"
#include "hop.h"
#include "next_hop.h"
#include "packet.h"
#include "platform.h"
#include "scratch.h"
#include "socket_elsewhere.h"
#include "translate.h"

char license_text[] SEC("license") = "GPL";

/* Where the packet goes on: as its session remembers, or as the kernel says. */
static __always_inline enum fast_reason find_way(struct xdp_md *ctx, const struct packet *pkt, const struct key *key,
						 const struct found *found, __u8 tos, struct passage *passage)
{
	const struct header *header = platform_header();
	enum fast_reason reason;

	if (!header)
		return FAST_UP_ROUTE;
	if (platform_ticks() > READ_ONCE(header->next_hop_until))
		return FAST_UP_UNWATCHED;
	if (hop_read(found->next_hop, READ_ONCE(header->next_hop_generation), &passage->way) &&
	    (!passage->way.from || passage->way.from == passage->ifindex))
		return NUM_FAST_REASON;
	passage->new = found->new;
	reason = next_hop_find(ctx, pkt, tos, passage);
	if (reason == NUM_FAST_REASON && passage->next_hop)
		store_route(found, key, passage->next_hop);
	return reason;
}

/* What is not plain, as far as one stage goes. */
static __always_inline int general_go(struct xdp_md *ctx)
{
	struct passage passage = {};
	struct decision decision = {};
	struct packet pkt = {};
	void *data, *data_end;
	enum fast_reason reason;
	struct found found;
	struct iphdr *ip;
	struct key key;

	reason = arrive(ctx, &passage);
	if (reason != NUM_FAST_REASON)
		return count(reason, XDP_PASS);
	reason = parse(ctx, &pkt, &passage);
	if (reason == FAST_UP_SYN)
		fast_stage_create(ctx);
	if (reason != NUM_FAST_REASON)
		return count(reason, XDP_PASS);

	key.tuple = pkt.tuple;
	key.direction = passage.inbound ? ENTRY_INBOUND : 0;
	if (!store_get(&key, &found) || (found.flags & ENTRY_MAPPING)) {
		if (!passage.inbound)
			fast_stage_create(ctx);
		return count(FAST_UP_NO_SESSION, XDP_PASS);
	}
	data = (void *)(long)ctx->data;
	data_end = (void *)(long)ctx->data_end;
	ip = data + link_header_len(passage.tagged);
	if ((void *)(ip + 1) > data_end || ip->ttl <= 1)
		return count(FAST_UP_HOPS, XDP_PASS);
	reason = find_way(ctx, &pkt, &key, &found, ip->tos, &passage);
	if (reason != NUM_FAST_REASON)
		return count(reason, XDP_PASS);
	reason = take_way(&pkt, &passage.way);
	if (reason != NUM_FAST_REASON)
		return count(reason, XDP_PASS);
	if (!fit_link_header(ctx, &pkt, &passage.way))
		return count(FAST_UP_ROOM, XDP_PASS);

	/* From here on it is sent, or lost if one of these conditions fails, which cannot be. */
	decision.inbound = passage.inbound;
	decision.reason = decision.inbound ? TRANSLATED_INBOUND : TRANSLATED_OUTBOUND;
	decision.new = found.new;
	if (!decision.inbound)
		translate_renumber(&pkt, &decision, 1);
	count(decision.inbound ? FAST_INBOUND : FAST_OUTBOUND, XDP_REDIRECT);
	if (!write_frame(ctx, &pkt, &decision, &passage.way))
		return count(FAST_LOST, XDP_DROP);
	store_touch(&found, pkt.tcp_flags);
	return XDP_REDIRECT;
}

SEC("xdp")
int bauta_xdp(struct xdp_md *ctx)
{
	int action = plain_go(ctx);

	return action == PLAIN_LEFT ? general_go(ctx) : action;
}

/* Asks the kernel for the way of a packet whose session is not known yet, or that begins it anew. */
static __always_inline enum fast_reason find_first_way(struct xdp_md *ctx, struct fast_room *room)
{
	const struct header *header = platform_header();
	const struct iphdr *ip = (void *)(long)ctx->data + room->pkt.l3;
	enum fast_reason reason;

	if ((void *)(ip + 1) > (void *)(long)ctx->data_end || ip->ttl <= 1)
		return FAST_UP_HOPS;
	if (!header || platform_ticks() > READ_ONCE(header->next_hop_until))
		return FAST_UP_UNWATCHED;
	reason = next_hop_find(ctx, &room->pkt, ip->tos, &room->passage);
	return reason == NUM_FAST_REASON ? take_way(&room->pkt, &room->passage.way) : reason;
}

/* A SYN from outside belongs to a session, or is for tc. */
static __always_inline enum fast_reason judge_inbound(struct xdp_md *ctx, struct fast_room *room)
{
	enum fast_reason reason;
	struct found found;

	if (!translate_find(&room->pkt.tuple, ENTRY_INBOUND, &found))
		return FAST_UP_NO_SESSION;
	room->passage.new = found.new;
	reason = find_first_way(ctx, room);
	if (reason != NUM_FAST_REASON)
		return reason;
	room->decision.reason = TRANSLATED_INBOUND;
	room->decision.inbound = 1;
	room->decision.new = found.new;
	store_touch(&found, room->pkt.tcp_flags);
	return FAST_INBOUND;
}

/* What the translator decides. The way is known before it: what would not leave by the external interface is none of its
 * business.
 */
static __always_inline enum fast_reason judge_outbound(struct xdp_md *ctx, struct fast_room *room)
{
	struct decision *decision = &room->decision;
	enum fast_reason reason = find_first_way(ctx, room);

	if (reason != NUM_FAST_REASON)
		return reason;
	decision->next_hop = room->passage.next_hop;
	decision->reason = translate_outbound(ctx, &room->pkt, ORIGIN_FORWARDED, decision);
	switch (reason_verdict(decision->reason)) {
	case VERDICT_TRANSLATED:
		translate_renumber(&room->pkt, decision, 1);
		return decision->reason == TRANSLATED_OUTBOUND ? FAST_OUTBOUND : FAST_CREATED;
	case VERDICT_PASSED:
		return FAST_UP_NO_SESSION;
	case VERDICT_REFUSED:
		return fast_refuses_in_silence(decision->reason) ? FAST_REFUSED : FAST_UP_REFUSED;
	case VERDICT_HELD:
	case VERDICT_DROPPED:
	case VERDICT_DENIED:
	case NUM_VERDICT:
		break;
	}
	return FAST_UP_REFUSED;
}

/* First packets, and SYNs, of which the first stage has found nothing else that would keep them from xdp (--fast-create). */
SEC("xdp")
int bauta_xdp_create(struct xdp_md *ctx)
{
	struct fast_room *room;
	enum fast_reason reason;
	__u32 zero = 0;

	room = bpf_map_lookup_elem(&fast_scratch, &zero);
	if (!room)
		return count(FAST_UP_NO_SESSION, XDP_PASS);
	__builtin_memset(room, 0, sizeof(*room));
	reason = arrive(ctx, &room->passage);
	if (reason != NUM_FAST_REASON)
		return count(reason, XDP_PASS);
	reason = parse(ctx, &room->pkt, &room->passage);
	if (reason != NUM_FAST_REASON && reason != FAST_UP_SYN)
		return count(reason, XDP_PASS);
	reason = room->passage.inbound ? judge_inbound(ctx, room) : judge_outbound(ctx, room);
	if (reason == FAST_REFUSED) {
		fast_account(&room->pkt, &room->decision);
		return count(reason, XDP_DROP);
	}
	if (reason > FAST_CREATED)
		return count(reason, XDP_PASS);
	/* its session is there: tc will find it */
	if (!fit_link_header(ctx, &room->pkt, &room->passage.way))
		return count(FAST_UP_ROOM, XDP_PASS);
	count(reason, XDP_REDIRECT);
	if (reason == FAST_CREATED)
		fast_account(&room->pkt, &room->decision);
	if (!write_frame(ctx, &room->pkt, &room->decision, &room->passage.way) || !fast_mss_clamp(ctx, &room->pkt))
		return count(FAST_LOST, XDP_DROP);
	return XDP_REDIRECT;
}
