/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps datagrams that begin with 'h', each in one ring of bytes; one that begins with 'f' goes to its hook again, and then
 * what was kept, in that packet's place.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "send_again.h"

#define PORT 60000
#define MAX_LEN 16384
#define RING (2 << 20)
#define MAX_KEPT 4
#define MAX_RUNS 16

struct ring {
	__u64 head;
	__u32 len[MAX_KEPT];
	__u64 at[MAX_KEPT];
	__u8 bytes[RING + MAX_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ring);
} rings SEC(".maps");

const volatile __u32 l3 = ETH_HLEN;

struct run run[MAX_RUNS];
__u32 num_runs;
__u32 num_kept;
__u32 released;
__u32 inside;
int error;

struct context {
	struct __sk_buff *skb;
	__u64 flags;
};

static __always_inline struct ring *find_ring(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&rings, &zero);
}

/* Begins the ring near its end, so that the slack behind it is used too. */
static __always_inline int keep(struct __sk_buff *skb)
{
	struct ring *ring = find_ring();
	__u32 n = num_kept, len = skb->len;
	__u64 at;

	if (!ring || n >= MAX_KEPT || len > MAX_LEN)
		return -1;
	at = __sync_fetch_and_add(&ring->head, (len + 63) & ~63) & (RING - 64);
	ring->len[n & (MAX_KEPT - 1)] = len;
	ring->at[n & (MAX_KEPT - 1)] = at;
	asm volatile("" : "+r"(len));
	len = ((len - 1) & (MAX_LEN - 1)) + 1;
	num_kept = n + 1;
	return bpf_skb_load_bytes(skb, 0, ring->bytes + at, len);
}

static long give_back(__u32 n, void *ctx)
{
	struct context *context = ctx;
	struct ring *ring = find_ring();
	__u32 len;
	__u64 at;

	if (!ring)
		return 1;
	len = ring->len[n & (MAX_KEPT - 1)];
	at = ring->at[n & (MAX_KEPT - 1)] & (RING - 64);
	error = bpf_skb_change_tail(context->skb, len, 0);
	if (error)
		return 1;
	asm volatile("" : "+r"(len));
	len = ((len - 1) & (MAX_LEN - 1)) + 1;
	error = bpf_skb_store_bytes(context->skb, 0, ring->bytes + at, len, BPF_F_RECOMPUTE_CSUM);
	if (error)
		return 1;
	error = bpf_clone_redirect(context->skb, context->skb->ifindex, context->flags);
	return error != 0;
}

static __always_inline int release(struct __sk_buff *skb, __u64 flags)
{
	struct context context = { .skb = skb, .flags = flags };

	released = 1;
	inside = 1;
	error = bpf_clone_redirect(skb, skb->ifindex, flags);
	if (!error)
		bpf_loop(num_kept, give_back, &context, 0);
	inside = 0;
	return TC_ACT_SHOT;
}

static __always_inline int look(struct __sk_buff *skb, __u64 flags)
{
	struct iphdr ip;
	struct udphdr udp;
	char letter;
	__u32 n;

	if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, l3, &ip, sizeof(ip)) ||
	    ip.protocol != IPPROTO_UDP || bpf_skb_load_bytes(skb, l3 + sizeof(ip), &udp, sizeof(udp)) ||
	    udp.dest != bpf_htons(PORT) || bpf_skb_load_bytes(skb, l3 + sizeof(ip) + sizeof(udp), &letter, 1))
		return TC_ACT_OK;
	n = num_runs++;
	if (n < MAX_RUNS) {
		run[n & (MAX_RUNS - 1)].ingress_ifindex = skb->ingress_ifindex;
		run[n & (MAX_RUNS - 1)].len = skb->len;
		run[n & (MAX_RUNS - 1)].mark = skb->mark;
		run[n & (MAX_RUNS - 1)].nested = inside;
		run[n & (MAX_RUNS - 1)].letter = letter;
	}
	if (released)
		return TC_ACT_OK;
	if (letter == 'h')
		return keep(skb) ? TC_ACT_OK : TC_ACT_SHOT;
	return release(skb, flags);
}

SEC("tc")
int leave(struct __sk_buff *skb)
{
	return look(skb, 0);
}

SEC("tc")
int come(struct __sk_buff *skb)
{
	return look(skb, BPF_F_INGRESS);
}

char _license[] SEC("license") = "GPL";
