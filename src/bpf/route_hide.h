/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hiding the inside in IP options of packets that leave: in their header, and in the one that an ICMP error quotes. */
#ifndef BAUTA_BPF_ROUTE_HIDE_H
#define BAUTA_BPF_ROUTE_HIDE_H

#include "packet.h"
#include "platform.h"
#include "route_option.h"
#include "translate.h"

/* The reason, which is the packet's own unless something is wrong. The options are those from `options` to `end`, of the header
 * that begins at `header`. The sum of a header stays what it was, so an ICMP checksum around it stays right.
 */
SLOW_PATH enum reason route_hide_in(struct __sk_buff *skb, __u32 header, __u32 end, enum reason reason)
{
	struct ip_options before = {}, options;
	__u32 at = header + sizeof(struct iphdr), len = end - at;
	__s64 change;

	if (end <= at || len > IP_OPTIONS_MAX)
		return reason;
	OPTIMIZER_HIDE_VAR(len);
	len = ((len - 1) & (sizeof(before) - 1)) + 1;
	if (bpf_skb_load_bytes(skb, at, &before, len))
		return DROPPED_REWRITE;
	options = before;
	switch (route_option_hide(&options, len)) {
	case ROUTE_OPTION_NONE:
		return reason;
	case ROUTE_OPTION_SOURCE:
		return DROPPED_SOURCE_ROUTE;
	case ROUTE_OPTION_HIDDEN:
		break;
	}
	change = bpf_csum_diff(before.word, sizeof(before), options.word, sizeof(options), 0);
	if (change < 0 || bpf_skb_store_bytes(skb, at, &options, len, 0) ||
	    bpf_l3_csum_replace(skb, header + offsetof(struct iphdr, check), 0, change, 0))
		return DROPPED_REWRITE;
	return reason;
}

/* To be called when the translation stands in a packet that leaves. RFC 3022 §4.6, RFC 5508 §7.3. */
static __always_inline void route_hide(struct __sk_buff *skb, const struct packet *pkt, struct decision *decision)
{
	decision->reason = route_hide_in(skb, pkt->l3, pkt->l4, decision->reason);
	if (pkt->kind == PACKET_ICMP_ERROR && reason_verdict(decision->reason) == VERDICT_TRANSLATED)
		decision->reason = route_hide_in(skb, pkt->quote_l3, pkt->quote_l4, decision->reason);
}

#endif
