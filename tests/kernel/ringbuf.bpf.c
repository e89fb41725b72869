/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reports events from a tc program. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

struct event {
	__u64 number;
	__u64 filling[7];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

__u64 num_reported;
__u64 num_lost;
__u64 waiting;

SEC("tc")
int report(struct __sk_buff *skb)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	(void)skb;
	waiting = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);
	if (!event) {
		__sync_fetch_and_add(&num_lost, 1);
		return TC_ACT_OK;
	}
	event->number = __sync_fetch_and_add(&num_reported, 1);
	bpf_ringbuf_submit(event, 0);
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
