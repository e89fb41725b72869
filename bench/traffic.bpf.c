// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The bench's generator and sinks.
 *
 * The generators run as live frames (BPF_F_TEST_XDP_LIVE_FRAMES) and redirect into their side's veth.
 * The sinks drop what the generator made as early as the kernel can, and count it.
 */
#include "traffic.h"
#include "frame.bpf.h"

const volatile struct side inside;
const volatile struct side outside;

struct generator generator;
__u32 learning;
__be16 external_address[2]; /* that sessions are seen as; zero: they keep their own */
__u32 capture_wanted;
__u32 captured;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_SESSIONS / LEARNED_PORTS);
	__type(key, __u32);
	__type(value, struct learned_ports);
} learned SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CAPTURE_FRAMES);
	__type(key, __u32);
	__type(value, struct frame);
} capture SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NUM_SINK_COUNTS);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

static __always_inline __u32 session_next(void)
{
	if (generator.order == ORDER_FIRST)
		return 0;
	/* An odd factor makes this a permutation of the sessions. */
	if (generator.order == ORDER_EACH_ONCE)
		return (generator.next++ * 2654435761U) & generator.session_mask;

	__u64 x = generator.random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	generator.random = x;
	return (x >> 24) & generator.session_mask;
}

static __always_inline void write_tag(struct frame *frame, __u32 session)
{
	__u32 remote = session & generator.remote_mask;
	__u32 endpoint = session >> generator.remote_shift;
	__u32 host = endpoint % NUM_HOSTS;
	__u32 offset = (host * 2654435761U) >> 16;

	frame->magic = MAGIC;
	frame->session[0] = session;
	frame->session[1] = session >> 16;
	store_address(frame->internal_address, 0x0a010000 + host);
	frame->internal_port = bpf_htons(FIRST_PORT + (offset + endpoint / NUM_HOSTS * 509) % NUM_PORTS);
	store_address(frame->remote_address, 0xc6120001 + remote % 8);
	frame->remote_port = bpf_htons(443 + remote / 8);
}

SEC("xdp")
int generate_outbound(struct xdp_md *ctx)
{
	struct frame *frame = (void *)(long)ctx->data;

	if ((void *)(frame + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;

	write_tag(frame, session_next());
	write_outbound(frame, generator.frame_bytes, &inside);
	generator.sent++;
	return bpf_redirect(inside.ifindex, 0);
}

SEC("xdp")
int generate_inbound(struct xdp_md *ctx)
{
	struct frame *frame = (void *)(long)ctx->data;
	__u32 session = session_next();
	__u32 group = session / LEARNED_PORTS;
	struct learned_ports *external = bpf_map_lookup_elem(&learned, &group);

	if ((void *)(frame + 1) > (void *)(long)ctx->data_end || !external)
		return XDP_ABORTED;

	write_tag(frame, session);
	write_link(frame, &outside);
	copy_address(frame->ip_source, frame->remote_address);
	copy_address(frame->ip_destination, external_address[0] ? external_address : frame->internal_address);
	frame->udp_source = frame->remote_port;
	frame->udp_destination = external->port[session % LEARNED_PORTS];
	write_headers(frame, generator.frame_bytes);
	generator.sent++;
	return bpf_redirect(outside.ifindex, 0);
}

static __always_inline void count(__u32 which)
{
	__u64 *counter = bpf_map_lookup_elem(&counts, &which);

	if (counter)
		(*counter)++;
}

static __always_inline void sink_capture(const struct frame *frame)
{
	__u32 slot = captured;
	struct frame *copy;

	if (slot >= capture_wanted)
		return;
	copy = bpf_map_lookup_elem(&capture, &slot);
	if (!copy)
		return;
	*copy = *frame;
	captured = slot + 1;
}

/* The frame, if the generator made it; else it is counted, and NULL. */
static __always_inline struct frame *sink_take(struct xdp_md *ctx)
{
	struct frame *frame = frame_of(ctx);

	if (!frame || ctx->data_end - ctx->data != generator.frame_bytes) {
		count(SINK_STRAY);
		return NULL;
	}
	count(SINK_DELIVERED);
	sink_capture(frame);
	return frame;
}

SEC("xdp")
int sink_outside(struct xdp_md *ctx)
{
	struct frame *frame = sink_take(ctx);

	if (!frame)
		return XDP_PASS;
	if (learning) {
		__u32 session = frame->session[0] | (__u32)frame->session[1] << 16;
		__u32 group = session / LEARNED_PORTS;
		struct learned_ports *external = bpf_map_lookup_elem(&learned, &group);

		if (external)
			external->port[session % LEARNED_PORTS] = frame->udp_source;
		if (frame->ip_source[0] != frame->internal_address[0] ||
		    frame->ip_source[1] != frame->internal_address[1])
			copy_address(external_address, frame->ip_source);
	}
	return XDP_DROP;
}

SEC("xdp")
int sink_inside(struct xdp_md *ctx)
{
	return sink_take(ctx) ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
