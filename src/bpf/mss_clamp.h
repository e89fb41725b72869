/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lowering the MSS of a SYN, so that the path MTU need not be discovered where ICMP is lost on the way. */
#ifndef BAUTA_BPF_MSS_CLAMP_H
#define BAUTA_BPF_MSS_CLAMP_H

#include "mss.h"
#include "packet.h"
#include "platform.h"
#include "rewrite.h"
#include "translate.h"

#define TCP_DOFF_OFFSET 12 /* of the octet whose upper half is the data offset */

/* RFC 9293 §3.7.1: a SYN without the option offers 536, which needs no lowering; none is put in. The checksum may be partial:
 * then it does not cover the options yet, and the helper leaves it alone. An octet of an odd offset is the other half of its
 * word in the checksum.
 */
SLOW_PATH bool mss_lower(struct __sk_buff *skb, const struct packet *pkt, __u32 max)
{
	struct tcp_options options = {};
	__u16 from, to;
	__u32 len, at;
	__u8 doff;

	if (!pkt || bpf_skb_load_bytes(skb, pkt->l4 + TCP_DOFF_OFFSET, &doff, sizeof(doff)))
		return false;
	len = (doff >> 4) * 4;
	if (len <= sizeof(struct tcphdr))
		return true;
	len -= sizeof(struct tcphdr);
	OPTIMIZER_HIDE_VAR(len);
	len = ((len - 1) & (sizeof(options) - 1)) + 1;
	if (bpf_skb_load_bytes(skb, pkt->l4 + sizeof(struct tcphdr), &options, len))
		return false;
	at = mss_find(&options, len);
	if (!at)
		return true;
	from = options.octet[at & 63] << 8 | options.octet[(at + 1) & 63];
	if (from <= max)
		return true;
	from = cpu_to_be16(from);
	to = cpu_to_be16(max);
	if (bpf_skb_store_bytes(skb, pkt->l4 + sizeof(struct tcphdr) + at, &to, sizeof(to), 0))
		return false;
	if (at & 1) {
		from = __builtin_bswap16(from);
		to = __builtin_bswap16(to);
	}
	return !bpf_l4_csum_replace(skb, pkt->l4 + checksum_offset(IPPROTO_TCP), from, to, sizeof(to));
}

/* To be called when the translation stands in the packet. */
static __always_inline void mss_clamp(struct __sk_buff *skb, const struct packet *pkt, struct decision *decision)
{
	const struct config *cfg = platform_config();

	if (pkt->kind != PACKET_TCP || !(pkt->tcp_flags & LIFE_SYN) || !cfg || !cfg->mss)
		return;
	if (!mss_lower(skb, pkt, cfg->mss))
		decision->reason = DROPPED_REWRITE;
}

#endif
