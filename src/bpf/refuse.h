/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of a packet that is refused: its sender is told, where that is allowed. */
#ifndef BAUTA_BPF_REFUSE_H
#define BAUTA_BPF_REFUSE_H

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include "answer.h"
#include "frame.h"
#include "platform.h"
#include "report.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __be32);
} gateways SEC(".maps");

/* Sends what the packet has become to the internal client, out of the interface that it came from. */
static __always_inline int refuse_by_the_way_it_came(struct __sk_buff *skb)
{
	/* bpf_redirect_neigh takes a link header off, so there has to be one. */
	if (!l2_len && bpf_skb_change_head(skb, ETH_HLEN, 0))
		return TC_ACT_SHOT;
	return bpf_redirect_neigh(skb->ingress_ifindex, NULL, 0, 0);
}

/* Tells the internal client by an ICMP error, from the address that the machine has there. */
static __always_inline int refuse_client(struct __sk_buff *skb, const struct packet *pkt,
					 const struct decision *decision, __u8 code)
{
	__u16 type_code = ANSWER_ICMP(reason_icmp_type(decision->reason), code);
	__u32 ifindex = skb->ingress_ifindex;
	__be32 *src = bpf_map_lookup_elem(&gateways, &ifindex);
	struct limit *limit;

	if (!src)
		return TC_ACT_SHOT;
	limit = report_limit(LIMIT_ICMP, LIMIT_ICMP_PER_S);
	if (!limit || answer_make_icmp(skb, pkt, type_code, decision->mtu, *src))
		return TC_ACT_SHOT;
	return refuse_by_the_way_it_came(skb);
}

/* Tells it that there is no such connection, in the name of the remote. */
static __always_inline int refuse_segment(struct __sk_buff *skb, const struct packet *pkt)
{
	if (!report_limit(LIMIT_ICMP, LIMIT_ICMP_PER_S) || answer_make_reset(skb, pkt))
		return TC_ACT_SHOT;
	return refuse_by_the_way_it_came(skb);
}

/* Tells a socket of the host, in the name of the peer that it wanted to reach. */
static __always_inline int refuse_host(struct __sk_buff *skb, const struct packet *pkt, enum reason reason)
{
	bool reset = reason == REFUSED_MID_STREAM ||
		     (pkt->kind == PACKET_TCP && (pkt->tcp_flags & LIFE_TCP_MASK) == LIFE_SYN);

	if (reset ? answer_make_reset(skb, pkt)
		  : answer_make_icmp(skb, pkt, ANSWER_ICMP(ICMP_TYPE_UNREACHABLE, ICMP_CODE_ADMIN_PROHIBITED), 0,
				     pkt->tuple.dst))
		return TC_ACT_SHOT;
	skb->mark = ANSWER_MARK;
	return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
}

/* The packet that was refused becomes the answer, or is dropped where none may or can be sent. */
static SLOW_PATH int refuse(struct __sk_buff *skb, const struct packet *pkt, const struct decision *decision)
{
	const struct config *cfg = platform_config();
	int code;

	if (!answer_is_allowed(skb, pkt))
		return TC_ACT_SHOT;
	if (packet_origin(skb) == ORIGIN_HOST)
		return refuse_host(skb, pkt, decision->reason);
	if (decision->reason == REFUSED_MID_STREAM)
		return refuse_segment(skb, pkt);
	code = cfg ? reason_icmp_code(decision->reason, cfg->icmp) : -1;
	return code < 0 ? TC_ACT_SHOT : refuse_client(skb, pkt, decision, code);
}

#endif
