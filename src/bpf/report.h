/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counters, failures and events: whatever becomes of a packet or a call is counted under its reason; what fails is kept, and
 * some of it is told. Nothing here knows of packets: the hooks that judge calls use it too.
 */
#ifndef BAUTA_BPF_REPORT_H
#define BAUTA_BPF_REPORT_H

#include "platform.h"
#include "reason.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NUM_REASON);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, NUM_LIMIT);
	__type(key, __u32);
	__type(value, struct limit);
} limits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, NUM_FAILURE_RING *FAILURE_RING_SIZE);
	__type(key, __u32);
	__type(value, struct event);
} failures SEC(".maps");

static __always_inline void report_count(enum reason reason)
{
	__u32 index = reason;
	__u64 *count = bpf_map_lookup_elem(&counters, &index);

	/* Atomic: tc egress of local traffic can be interrupted on its CPU by the softirq of the ingress. */
	if (count)
		platform_add64(count, 1);
}

static __always_inline void report_suppress(struct limit *limit)
{
	platform_add32(&limit->suppressed, 1);
	platform_add32(&limit->suppressed_ever, 1);
}

/* The limit, if something may be done once more in this second, at most `per_s` times; else NULL, and that is noted. Two CPUs
 * at a change of second may let one too many through.
 */
static __always_inline struct limit *report_limit(__u32 index, __u32 per_s)
{
	struct limit *limit = bpf_map_lookup_elem(&limits, &index);
	__u32 second = bpf_ktime_get_coarse_ns() / 1000000000;

	if (!limit)
		return NULL;
	if (READ_ONCE(limit->second) != second) {
		WRITE_ONCE(limit->second, second);
		WRITE_ONCE(limit->done, 0);
	}
	if (__sync_fetch_and_add(&limit->done, 1) >= per_s) {
		report_suppress(limit);
		return NULL;
	}
	return limit;
}

/* Keeps a failure, whatever the limits. A reader, who takes no lock, drops a slot whose time is 0 or changes while he reads; the
 * exchange is a barrier. Should a CPU be overtaken by FAILURE_RING_SIZE others while it is in here, a slot mixes two of them.
 */
static __always_inline void report_failure(const struct event *event)
{
	struct header *header = platform_header();
	__u32 ring = reason_failure_ring(event->reason), index;
	struct event *slot;

	if (!header || ring >= NUM_FAILURE_RING)
		return;
	index = __sync_fetch_and_add(&header->num_failures[ring], 1) % FAILURE_RING_SIZE;
	index += ring * FAILURE_RING_SIZE;
	slot = bpf_map_lookup_elem(&failures, &index);
	if (!slot)
		return;
	__sync_lock_test_and_set(&slot->time_ns, 0);
	/* the time is the first field */
	__builtin_memcpy((__u64 *)slot + 1, (const __u64 *)event + 1, sizeof(*slot) - sizeof(__u64));
	__sync_lock_test_and_set(&slot->time_ns, event->time_ns);
}

/* Tells the daemon, at most LIMIT_EVENTS_PER_S times a second for each reason. */
static __always_inline void report_event(struct event *event)
{
	struct limit *limit = report_limit(event->reason, LIMIT_EVENTS_PER_S);

	if (!limit)
		return;
	event->suppressed = platform_xchg(&limit->suppressed, 0);
	if (!bpf_ringbuf_output(&events, event, sizeof(*event), 0))
		return;
	/* The ring is full, because the daemon is late or gone: this one, and what it had to tell of, are told with another. */
	platform_add32(&limit->suppressed, event->suppressed + 1);
	platform_add32(&limit->suppressed_ever, 1);
	event->suppressed = 0;
}

/* Keeps it and tells of it, as its reason demands. All of it has been filled in but the time and what was suppressed. */
static __always_inline void report(struct event *event)
{
	event->time_ns = bpf_ktime_get_ns();
	if (reason_is_failure(event->reason))
		report_failure(event);
	if (reason_is_event(event->reason))
		report_event(event);
}

#endif
