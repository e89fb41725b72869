/* SPDX-License-Identifier: GPL-2.0-or-later */
/* First packets of the fast path (--fast-create): the translator decides what becomes of them as at tc. Here is what comes
 * before and after it.
 */
#ifndef BAUTA_BPF_FAST_CREATE_H
#define BAUTA_BPF_FAST_CREATE_H

#include "fast_frame.h"
#include "next_hop.h"
#include "packet_report.h"
#include "platform.h"
#include "report.h"
#include "translate.h"

/* Too large for the stack, beside what a search takes. */
struct fast_room {
	struct packet pkt;
	struct decision decision;
	struct passage passage;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fast_room);
} fast_scratch SEC(".maps");

/* Whether the way to the sender is the one by which the packet came. Of what is not, the stack says whether that may be
 * (rp_filter); here it would make sessions in the name of others.
 */
SLOW_PATH bool fast_came_by_its_way(struct xdp_md *ctx, const struct packet *pkt, __u32 ifindex)
{
	struct bpf_fib_lookup params = { .family = FAMILY_IPV4 };
	long result;

	if (!pkt)
		return false;
	params.ifindex = ifindex;
	params.ipv4_src = pkt->tuple.dst;
	params.ipv4_dst = pkt->tuple.src;
	params.l4_protocol = pkt->tuple.proto;
	result = bpf_fib_lookup(ctx, &params, sizeof(params), 0);
	return (result == BPF_FIB_LKUP_RET_SUCCESS || result == BPF_FIB_LKUP_RET_NO_NEIGH) && params.ifindex == ifindex;
}

/* Whether nobody is told of a refusal for whatever reason tc would have: then the packet need not go there. What is not told is
 * noted, as there.
 */
static __always_inline bool fast_refuses_in_silence(enum reason reason)
{
	const struct config *cfg = platform_config();
	__u32 index = LIMIT_ICMP, second = bpf_ktime_get_coarse_ns() / 1000000000;
	struct limit *limit = bpf_map_lookup_elem(&limits, &index);

	if (!cfg || !limit)
		return false;
	if (reason != REFUSED_MID_STREAM && reason_icmp_code(reason, cfg->icmp) < 0)
		return true;
	if (READ_ONCE(limit->second) != second || READ_ONCE(limit->done) < LIMIT_ICMP_PER_S)
		return false;
	report_suppress(limit);
	return true;
}

/* Counts what was decided here, as tc counts what it decides, and tells of it. */
static __always_inline void fast_account(const struct packet *pkt, const struct decision *decision)
{
	report_count(decision->reason);
	if (packet_is_reported(decision))
		packet_report(pkt, decision, ORIGIN_FORWARDED);
}

#endif
