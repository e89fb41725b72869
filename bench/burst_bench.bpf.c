/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The generator and the sinks of bursts: packets of given flows, in a given order, with the time at which each is made. */
#include "burst.h"
#include "frame.bpf.h"

const volatile struct side inside;

struct burst burst;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_FLOW);
	__type(key, __u32);
	__type(value, struct flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_FLOW);
	__type(key, __u32);
	__type(value, struct learned);
} learned SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_STAMP);
	__type(key, __u32);
	__type(value, __u64);
} stamps SEC(".maps");

static __always_inline void stamp(__u32 number)
{
	__u64 *slot = bpf_map_lookup_elem(&stamps, &number);

	if (slot)
		*slot = bpf_ktime_get_ns();
}

SEC("xdp")
int generate_burst(struct xdp_md *ctx)
{
	struct frame *frame = (void *)(long)ctx->data;
	__u32 number = burst.sent++;
	__u32 probe = number - burst.warm;
	__u32 index = number >= burst.warm && probe < burst.num ? burst.first + probe : 0;
	struct flow *flow = bpf_map_lookup_elem(&flows, &index);

	if (burst.stamped)
		stamp(number);
	if ((void *)(frame + 1) > (void *)(long)ctx->data_end || !flow)
		return XDP_ABORTED;

	frame->magic = MAGIC;
	frame->session[0] = index;
	frame->session[1] = index >> 16;
	copy_address(frame->internal_address, flow->address);
	frame->internal_port = flow->port;
	store_address(frame->remote_address, REMOTE_ADDRESS);
	frame->remote_port = bpf_htons(REMOTE_PORT);
	write_outbound(frame, sizeof(*frame), &inside);
	return bpf_redirect(inside.ifindex, 0);
}

SEC("xdp")
int sink_outside(struct xdp_md *ctx)
{
	struct frame *frame = frame_of(ctx);
	struct learned *entry;
	__u32 index;

	if (!frame)
		return XDP_PASS;
	index = frame->session[0] | (__u32)frame->session[1] << 16;
	entry = bpf_map_lookup_elem(&learned, &index);
	if (entry) {
		copy_address(entry->address, frame->ip_source);
		entry->port = frame->udp_source;
	}
	if (index == 0)
		__sync_fetch_and_add(&burst.arrived, 1);
	return XDP_DROP;
}

/* What the gateway answers is nobody's business but the generator's. */
SEC("xdp")
int sink_inside(struct xdp_md *ctx)
{
	struct frame *frame = (void *)(long)ctx->data;

	if ((void *)(frame + 1) > (void *)(long)ctx->data_end || frame->eth_type != bpf_htons(ETH_P_IP) ||
	    (bpf_ntohs(frame->ip_ttl_protocol) & 0xff) != IPPROTO_ICMP)
		return XDP_PASS;
	__sync_fetch_and_add(&burst.answers, 1);
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
