/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lowering the MSS of a SYN at XDP, as mss_clamp.h does it at tc. Here checksums are complete. */
#ifndef BAUTA_BPF_FAST_MSS_H
#define BAUTA_BPF_FAST_MSS_H

#include "checksum.h"
#include "mss.h"
#include "packet.h"
#include "platform.h"
#include "rewrite.h"

#define TCP_DOFF_OFFSET 12 /* of the octet whose upper half is the data offset */

/* Where the MSS stands in the frame, if there is one and it is above `max`; else 0. */
SLOW_PATH __u32 fast_mss_find(struct xdp_md *ctx, const struct packet *pkt, __u32 max)
{
	struct tcp_options options = {};
	__u32 len, at;
	__u8 doff;

	if (!pkt || bpf_xdp_load_bytes(ctx, pkt->l4 + TCP_DOFF_OFFSET, &doff, sizeof(doff)))
		return 0;
	len = (doff >> 4) * 4;
	if (len <= sizeof(struct tcphdr))
		return 0;
	len -= sizeof(struct tcphdr);
	OPTIMIZER_HIDE_VAR(len);
	len = ((len - 1) & (sizeof(options) - 1)) + 1;
	if (bpf_xdp_load_bytes(ctx, pkt->l4 + sizeof(struct tcphdr), &options, len))
		return 0;
	at = mss_find(&options, len);
	if (!at || (__u32)(options.octet[at & 63] << 8 | options.octet[(at + 1) & 63]) <= max)
		return 0;
	return pkt->l4 + sizeof(struct tcphdr) + at;
}

/* RFC 9293 §3.7.1: a SYN without the option offers 536, which needs no lowering. An octet of an odd offset is the other half of
 * its word in the checksum. To be called when the translation stands in the frame; false if the frame is spoilt.
 */
SLOW_PATH bool fast_mss_clamp(struct xdp_md *ctx, const struct packet *pkt)
{
	const struct config *cfg = platform_config();
	__u32 at, check;
	__u16 from, to, sum;

	if (!pkt || !cfg)
		return false;
	if (!cfg->mss || pkt->kind != PACKET_TCP || !(pkt->tcp_flags & LIFE_SYN))
		return true;
	at = fast_mss_find(ctx, pkt, cfg->mss);
	if (!at)
		return true;
	check = pkt->l4 + checksum_offset(IPPROTO_TCP);
	to = cpu_to_be16(cfg->mss);
	if (bpf_xdp_load_bytes(ctx, at, &from, sizeof(from)) || bpf_xdp_load_bytes(ctx, check, &sum, sizeof(sum)) ||
	    bpf_xdp_store_bytes(ctx, at, &to, sizeof(to)))
		return false;
	if ((at - pkt->l4) & 1) {
		from = __builtin_bswap16(from);
		to = __builtin_bswap16(to);
	}
	checksum_replace16(&sum, from, to);
	return !bpf_xdp_store_bytes(ctx, check, &sum, sizeof(sum));
}

#endif
