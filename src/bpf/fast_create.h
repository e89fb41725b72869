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
