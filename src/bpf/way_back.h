/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a packet came by the interface that leads to its sender. What did not may be forged, and the stack says whether that
 * may be (rp_filter): hooks that take packets from before it leave those to it.
 */
#ifndef BAUTA_BPF_WAY_BACK_H
#define BAUTA_BPF_WAY_BACK_H

#include <linux/bpf.h>
#include <linux/ip.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

#include "packet.h"

#define FAMILY_IPV4 2 /* AF_INET: the C library's headers are not for BPF */

/* ctx: of xdp or tc. */
static __always_inline bool way_back_is_by(void *ctx, const struct packet *pkt, __u32 ifindex)
{
	struct bpf_fib_lookup params = { .family = FAMILY_IPV4 };
	long result;

	params.ifindex = ifindex;
	params.ipv4_src = pkt->tuple.dst;
	params.ipv4_dst = pkt->tuple.src;
	params.l4_protocol = pkt->tuple.proto;
	params.tot_len = sizeof(struct iphdr); /* nothing that could be too large */
	result = bpf_fib_lookup(ctx, &params, sizeof(params), 0);
	return (result == BPF_FIB_LKUP_RET_SUCCESS || result == BPF_FIB_LKUP_RET_NO_NEIGH) && params.ifindex == ifindex;
}

#endif
