/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fast path, at XDP of interfaces whose drivers run it: packets of sessions that are there are translated and sent on their way before
 * the kernel makes anything of them. Everything else goes up to the stack as it came, and tc does it. Both work on the same
 * table, with the same translator, so that it does not matter which of the two sees a packet.
 *
 * Nothing is written, to the packet or to the table, before it is certain that the packet is sent.
 */
#define HOOK struct xdp_md
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "fast_frame.h"
#include "hop.h"
#include "next_hop.h"
#include "packet.h"
#include "platform.h"
#include "scratch.h"
#include "socket.h"
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
	if (hop_read(found->next_hop, READ_ONCE(header->next_hop_generation), &passage->way))
		return NUM_FAST_REASON;
	passage->new = found->new;
	reason = next_hop_find(ctx, pkt, tos, passage);
	if (reason == NUM_FAST_REASON && passage->next_hop)
		store_route(found, key, passage->next_hop);
	return reason;
}

SEC("xdp")
int bauta_xdp(struct xdp_md *ctx)
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
	key.direction = passage.inbound ? ENTRY_INBOUND : 0;
	reason = parse(ctx, &pkt, passage.tagged, key.direction);
	if (reason != NUM_FAST_REASON)
		return count(reason, XDP_PASS);

	key.tuple = pkt.tuple;
	if (!store_get(&key, &found) || (found.flags & ENTRY_MAPPING))
		return count(FAST_UP_NO_SESSION, XDP_PASS);
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
