/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The churn's generators (live frames, BPF_F_TEST_XDP_LIVE_FRAMES), its sinks, and what counts around bauta's hooks. */
#include "churn_tuple.bpf.h"

#include <linux/pkt_cls.h>

#define FRAGMENT_BYTES 24
#define FRAGMENT_IDS 0xffff
#define ANYBODY 0x80000000u /* in the tag's number: whoever gets it may have it */

char license_text[] SEC("license") = "GPL";

const volatile struct side inside;
const volatile struct side outside;

struct churn_plan plan;
struct churn_generator generator[MAX_GENERATOR];
__u32 head __attribute__((aligned(64))); /* the newest session */

/* What the far side saw of a session: its external endpoint, address << 32 | port, and when it did. */
struct seen {
	__u64 external; /* 0: nothing yet */
	__u64 time_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_PROTECTED + NUM_CHURN);
	__type(key, __u32);
	__type(value, struct seen);
} seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NUM_CHURN_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

static __always_inline void count(enum churn_count what)
{
	__u32 key = what;
	__u64 *counter = bpf_map_lookup_elem(&counts, &key);

	/* a softirq may come between what a program at the egress of a process's packet reads and writes */
	if (counter)
		__sync_fetch_and_add(counter, 1);
}

static __always_inline __u64 next_random(struct churn_generator *self)
{
	__u64 x = self->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	self->random = x;
	return x * 0x2545f4914f6cdd1dull;
}

static __always_inline __u32 scale(__u32 random, __u32 num)
{
	return ((__u64)random * num) >> 32;
}

static __always_inline __u32 choose(struct churn_generator *self, __u64 random)
{
	__u32 some = random >> 32, newest, back;

	if (plan.mode == CHURN_STEADY) {
		some = scale(some, plan.window);
		/* of four endpoints in a row the first two are of UDP */
		return MAX_PROTECTED + ((some & 15) | some >> 4 << 5);
	}
	if (plan.mode == CHURN_KEEP || (random & 15) == 0) {
		if (++self->protected_next >= MAX_PROTECTED)
			self->protected_next = 0;
		return self->protected_next;
	}
	/* one shared word, but not for each packet */
	if (self->sent % 64 == 0)
		__sync_fetch_and_add(&head, 64 / plan.packets);
	newest = *(volatile __u32 *)&head;
	back = (random & 15) <= 2 ? plan.narrow : (random & 15) <= 4 ? plan.revisit : plan.window;
	return MAX_PROTECTED + (newest - scale(some, back)) % NUM_CHURN;
}

static __always_inline __u8 choose_flags(__u32 session, __u64 random)
{
	if (session < MAX_PROTECTED)
		return plan.mode == CHURN_KEEP && random >> 8 & 1 ? TCP_SYN : TCP_ACK;
	switch (random >> 8 & 15) {
	case 0:
		return TCP_RST;
	case 1:
	case 2:
		return TCP_FIN | TCP_ACK;
	case 3:
	case 4:
	case 5:
	case 6:
	case 7:
		return TCP_SYN;
	default:
		return TCP_ACK;
	}
}

static __always_inline void write_tag(struct frame *frame, __u32 session)
{
	frame->magic = MAGIC;
	frame->session[0] = session;
	frame->session[1] = session >> 16;
}

/* Makes a fragment of a UDP packet: the first one of its datagram, or one behind it, which may be sent by another CPU, and
 * before it. They are too short for the tag, and so nobody's at the sinks.
 */
static __always_inline void cut(struct frame *frame, __u32 session, bool first)
{
	__u32 sum = frame->ip_source[0] + frame->ip_source[1] + frame->ip_destination[0] + frame->ip_destination[1];

	frame->ip_length = bpf_htons(20 + FRAGMENT_BYTES);
	frame->ip_id = session & FRAGMENT_IDS;
	frame->ip_fragment = first ? bpf_htons(0x2000) : bpf_htons(FRAGMENT_BYTES / 8);
	sum += frame->ip_version + frame->ip_length + frame->ip_id + frame->ip_fragment + frame->ip_ttl_protocol;
	frame->ip_check = checksum_fold(sum);
	frame->l4[2] = bpf_htons(2 * FRAGMENT_BYTES);
	frame->l4[3] = 0;
}

static __always_inline struct churn_generator *generator_of(__u32 direction)
{
	__u32 number = bpf_get_smp_processor_id() * 2 + direction;

	return number < MAX_GENERATOR ? &generator[number] : NULL;
}

SEC("xdp")
int generate_outbound(struct xdp_md *ctx)
{
	struct frame *frame = (void *)(long)ctx->data;
	struct churn_generator *self = generator_of(0);
	struct churn_tuple tuple;
	__u32 session;
	__u64 random;

	if (!self || (void *)(frame + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	random = next_random(self);
	session = choose(self, random);
	churn_tuple(session, &tuple);
	write_tag(frame, session);
	write_link(frame, &inside);
	write_packet(frame, &(struct churn_way){ .source = tuple.internal,
						 .destination = tuple.remote,
						 .sport = tuple.internal_port,
						 .dport = tuple.remote_port,
						 .proto = tuple.proto,
						 .tcp_flags = choose_flags(session, random) });
	if (plan.fragments && tuple.proto == IPPROTO_UDP && plan.mode == CHURN_ALL && session >= MAX_PROTECTED &&
	    !(random >> 12 & 31))
		cut(frame, session, random >> 17 & 1);
	self->sent++;
	return bpf_redirect(inside.ifindex, 0);
}

/* To where the session was last seen, if it was: it may be gone since, and its port somebody else's. */
SEC("xdp")
int generate_inbound(struct xdp_md *ctx)
{
	struct frame *frame = (void *)(long)ctx->data;
	struct churn_generator *self = generator_of(1);
	struct churn_tuple tuple;
	__u64 random, external;
	struct seen *known;
	__u32 session;

	if (!self || (void *)(frame + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	random = next_random(self);
	session = choose(self, random);
	churn_tuple(session, &tuple);
	known = bpf_map_lookup_elem(&seen, &session);
	self->sent++;
	if (!known)
		return XDP_DROP;
	external = *(volatile __u64 *)&known->external;
	if (!external)
		return XDP_DROP;
	write_tag(frame, session);
	/* nobody can say whose it is by now, but for a protected one */
	if (session >= MAX_PROTECTED && plan.mode != CHURN_STEADY)
		frame->session[1] |= ANYBODY >> 16;
	write_link(frame, &outside);
	write_packet(frame, &(struct churn_way){ .source = tuple.remote,
						 .destination = external >> 32,
						 .sport = tuple.remote_port,
						 .dport = external,
						 .proto = tuple.proto,
						 .tcp_flags = choose_flags(session, random),
						 .inbound = true });
	return bpf_redirect(outside.ifindex, 0);
}

/* The frame, if a generator made it; else it is counted, and NULL. */
static __always_inline struct frame *take(struct xdp_md *ctx, enum churn_count as, __u32 *ret_session)
{
	struct frame *frame = (void *)(long)ctx->data;

	if ((void *)(frame + 1) > (void *)(long)ctx->data_end || frame->magic != MAGIC) {
		count(CHURN_STRAY);
		return NULL;
	}
	count(as);
	*ret_session = frame->session[0] | (__u32)frame->session[1] << 16;
	return frame;
}

static __always_inline bool is_recent(const struct seen *known, __u64 now)
{
	return now - *(volatile const __u64 *)&known->time_ns < plan.expected_ns;
}

/* Two CPUs may be here at once with one session: neither puts an older time over a newer one by more than they are apart. */
static __always_inline void note(__u32 session, __u64 external)
{
	struct seen *known = bpf_map_lookup_elem(&seen, &session);
	__u64 before;

	if (!known)
		return;
	before = *(volatile __u64 *)&known->external;
	if (session < MAX_PROTECTED) {
		__u64 now = bpf_ktime_get_ns();

		count(CHURN_KEPT);
		if (before && before != external)
			count(is_recent(known, now) ? CHURN_LOST : CHURN_LATE);
		*(volatile __u64 *)&known->time_ns = now;
	}
	if (before != external)
		*(volatile __u64 *)&known->external = external;
}

/* Turns the frame round; sometimes as if another port of the remote answered, which begins a session outside. */
static __always_inline int reply(struct frame *frame, __u32 session, const struct churn_tuple *tuple,
				 __u16 external_port, __u32 random)
{
	bool stranger = session >= MAX_PROTECTED && (random >> 16 & 15) == 0 && tuple->proto != IPPROTO_ICMP;
	__u16 flags = bpf_ntohs(frame->l4[6]) & 0x3f;
	struct churn_way way = {
		.source = tuple->remote,
		.destination = EXTERNAL,
		.sport = tuple->remote_port + (stranger ? 1000 + (random >> 20 & 15) : 0),
		.dport = external_port,
		.proto = tuple->proto,
		.tcp_flags = stranger           ? TCP_SYN
			     : flags == TCP_SYN ? TCP_SYN | TCP_ACK
						: TCP_ACK,
		.inbound = true,
	};

	/* sessions of others may be on the same port, or come there */
	if (stranger || churn_is_flushed(tuple))
		write_tag(frame, session | ANYBODY);
	write_link(frame, &outside);
	write_packet(frame, &way);
	count(CHURN_REPLIED);
	return XDP_TX;
}

SEC("xdp")
int sink_outside(struct xdp_md *ctx)
{
	struct churn_tuple tuple;
	struct frame *frame;
	__u32 session, random;
	__u16 external_port;

	frame = take(ctx, CHURN_OUTSIDE, &session);
	if (!frame)
		return XDP_DROP;
	churn_tuple(session, &tuple);
	external_port = bpf_ntohs(tuple.proto == IPPROTO_ICMP ? frame->l4[2] : frame->l4[0]);
	if (load_address(frame->ip_source) != EXTERNAL || load_address(frame->ip_destination) != tuple.remote ||
	    (tuple.proto != IPPROTO_ICMP && frame->l4[1] != bpf_htons(tuple.remote_port))) {
		count(CHURN_WRONG);
		return XDP_DROP;
	}
	if (plan.mode == CHURN_STEADY && plan.reply_mask == ~0U)
		return XDP_DROP;
	note(session, (__u64)EXTERNAL << 32 | external_port);
	random = bpf_get_prandom_u32();
	if (random & plan.reply_mask)
		return XDP_DROP;
	return reply(frame, session, &tuple, external_port, random);
}

SEC("xdp")
int sink_inside(struct xdp_md *ctx)
{
	struct churn_tuple tuple;
	struct frame *frame;
	struct seen *known;
	__u32 session;
	__be16 port;

	frame = take(ctx, CHURN_INSIDE, &session);
	if (!frame || session & ANYBODY)
		return XDP_DROP;
	churn_tuple(session, &tuple);
	port = tuple.proto == IPPROTO_ICMP ? frame->l4[2] : frame->l4[1];
	if (session < MAX_PROTECTED)
		count(CHURN_KEPT);
	if (load_address(frame->ip_destination) == tuple.internal && port == bpf_htons(tuple.internal_port))
		return XDP_DROP;
	known = bpf_map_lookup_elem(&seen, &session);
	if (session >= MAX_PROTECTED || (known && is_recent(known, bpf_ktime_get_ns())))
		count(CHURN_ASTRAY);
	return XDP_DROP;
}

/* Around bauta's programs, in tcx. */
SEC("tc")
int to_egress(struct __sk_buff *skb)
{
	(void)skb;
	count(CHURN_TO_EGRESS);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int from_egress(struct __sk_buff *skb)
{
	(void)skb;
	count(CHURN_FROM_EGRESS);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int to_ingress(struct __sk_buff *skb)
{
	(void)skb;
	count(CHURN_TO_INGRESS);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int from_ingress(struct __sk_buff *skb)
{
	(void)skb;
	count(CHURN_FROM_INGRESS);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int up_inside(struct __sk_buff *skb)
{
	(void)skb;
	count(CHURN_UP);
	return TC_ACT_UNSPEC;
}
