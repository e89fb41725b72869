/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counters and events: whatever becomes of a packet is counted under its reason, and some of it is told. */
#ifndef BAUTA_BPF_REPORT_H
#define BAUTA_BPF_REPORT_H

#include "packet.h"
#include "platform.h"
#include "reason.h"
#include "translate.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NUM_REASON);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NUM_LIMIT);
	__type(key, __u32);
	__type(value, struct limit);
} limits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

static __always_inline void report_count(enum reason reason)
{
	__u32 index = reason;
	__u64 *count = bpf_map_lookup_elem(&counters, &index);

	/* Atomic: tc egress of local traffic can be interrupted on its CPU by the softirq of the ingress. */
	if (count)
		platform_add64(count, 1);
}

/* Whether something may be done once more in this second, at most `per_s` times. If so, how often it could not be since
 * the last time. Two CPUs at a change of second may let one too many through.
 */
static __always_inline bool report_limit(__u32 index, __u32 per_s, __u32 *ret_suppressed)
{
	struct limit *limit = bpf_map_lookup_elem(&limits, &index);
	__u32 second = bpf_ktime_get_coarse_ns() / 1000000000;

	if (!limit)
		return false;
	if (READ_ONCE(limit->second) != second) {
		WRITE_ONCE(limit->second, second);
		WRITE_ONCE(limit->done, 0);
	}
	if (__sync_fetch_and_add(&limit->done, 1) >= per_s) {
		platform_add32(&limit->suppressed, 1);
		platform_add32(&limit->suppressed_ever, 1);
		return false;
	}
	*ret_suppressed = platform_xchg(&limit->suppressed, 0);
	return true;
}

/* Tells the daemon, at most LIMIT_EVENTS_PER_S times a second for each reason. */
static SLOW_PATH int report_event(const struct packet *pkt, const struct decision *decision, bool from_host)
{
	struct event *event;
	__u32 suppressed;

	if (!report_limit(decision->reason, LIMIT_EVENTS_PER_S, &suppressed))
		return 0;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		return 0;
	event->time_ns = bpf_ktime_get_ns();
	event->suppressed = suppressed;
	event->reason = decision->reason;
	event->proto = pkt->tuple.proto;
	event->owner = decision->owner_kind;
	event->from_host = from_host;
	event->src = pkt->tuple.src;
	event->dst = pkt->tuple.dst;
	event->sport = pkt->tuple.sport;
	event->dport = pkt->tuple.dport;
	event->external = decision->new.addr;
	event->external_port = decision->new.port;
	event->owner_addr = decision->owner.addr;
	event->owner_port = decision->owner.port;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

#endif
