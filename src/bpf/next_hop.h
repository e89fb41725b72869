/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where packets go on from here, for hooks that send them there themselves (struct next_hop in contract.h). The kernel is asked once for
 * each session and generation: its routes, rules and neighbours decide, as if it forwarded the packet.
 */
#ifndef BAUTA_BPF_NEXT_HOP_H
#define BAUTA_BPF_NEXT_HOP_H

#include "packet.h"
#include "platform.h"

/* The external interface: the VLAN's own, if it is one. Set before load. */
const volatile __u32 external_ifindex;

#define FAMILY_IPV4 2 /* AF_INET: the C library's headers are not for BPF */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, NUM_NEXT_HOP);
	__type(key, __u32);
	__type(value, struct next_hop);
} next_hops SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_FAST_VLAN);
	__type(key, __u32);
	__type(value, struct fast_exit);
} fast_exits SEC(".maps");

/* Where a packet came from, and where it goes. */
struct passage {
	struct fast_way way;
	__u32 next_hop; /* what an entry refers to the way by; 0: by nothing */
	__u32 ifindex;  /* where it came in: the VLAN's own interface, if it is of one */
	struct endpoint new;
	__u8 inbound;
	__u8 tagged; /* it came with a VLAN tag */
	__u8 unused[2];
};

static __always_inline struct next_hop *next_hop_at(__u32 index)
{
	return bpf_map_lookup_elem(&next_hops, &index);
}

/* The way that an entry refers to, read; false when it is void. */
static __always_inline bool next_hop_read(__u32 next_hop, __u32 generation, struct fast_way *ret_way)
{
	struct next_hop *hop;

	if (next_hop >> NEXT_HOP_BITS != generation)
		return false;
	hop = next_hop_at(next_hop & NEXT_HOP_MASK);
	if (!hop || READ_ONCE(hop->generation) != generation)
		return false;
	*ret_way = hop->way;
	__asm__ volatile("" ::: "memory");
	return READ_ONCE(hop->generation) == generation;
}

static __always_inline bool way_equal(const struct fast_way *a, const struct fast_way *b)
{
	const __u32 *x = (const void *)a, *y = (const void *)b;

	for (__u32 i = 0; i < sizeof(*a) / sizeof(*x); i++)
		if (x[i] != y[i])
			return false;
	return true;
}

/* A record for this way, in this generation: one that is there, or one that nobody uses any more. INDEX_NONE if there is none. */
static __always_inline __u32 next_hop_intern(__u32 generation, const struct fast_way *way, __u32 ifindex, __be32 addr)
{
	__u32 hash = (addr ^ ifindex << 24 ^ way->mtu) * 0x9e3779b1u >> 16;

	for (__u32 i = 0; i < NEXT_HOP_WAYS; i++) {
		__u32 index = (hash + i) & NEXT_HOP_MASK;
		struct next_hop *hop = next_hop_at(index);
		__u32 was;

		if (!hop)
			return INDEX_NONE;
		was = READ_ONCE(hop->generation);
		if (was == generation) {
			if (way_equal(&hop->way, way) && READ_ONCE(hop->ifindex) == ifindex &&
			    READ_ONCE(hop->addr) == addr)
				return index;
			continue;
		}
		if (was == NEXT_HOP_WRITING || platform_cmpxchg(&hop->generation, was, NEXT_HOP_WRITING) != was)
			continue;
		hop->way = *way;
		hop->ifindex = ifindex;
		hop->addr = addr;
		platform_xchg(&hop->generation, generation);
		return index;
	}
	return INDEX_NONE;
}

/* Asks the kernel where a packet goes on, by what it routes by on either side of the translation: the source as it came, the destination
 * as it goes. Why the fast path does not take it, or NUM_FAST_REASON: then `way` and `next_hop` are filled in. The generation is
 * read before the kernel is asked: what changes from then on makes another one.
 */
SLOW_PATH enum fast_reason next_hop_find(struct xdp_md *ctx, const struct packet *pkt, __u8 tos,
					 struct passage *passage)
{
	struct bpf_fib_lookup params = { .family = FAMILY_IPV4 };
	const struct header *header = platform_header();
	const struct fast_exit *exit;
	__u32 generation, index;

	if (!header || !pkt || !passage)
		return FAST_UP_ROUTE;
	generation = READ_ONCE(header->next_hop_generation);
	params.ifindex = passage->ifindex;
	params.ipv4_src = pkt->tuple.src;
	params.ipv4_dst = passage->inbound ? passage->new.addr : pkt->tuple.dst;
	params.sport = pkt->tuple.sport;
	params.dport = passage->inbound ? passage->new.port : pkt->tuple.dport;
	params.l4_protocol = pkt->tuple.proto;
	params.tos = tos;
	switch (bpf_fib_lookup(ctx, &params, sizeof(params), 0)) {
	case BPF_FIB_LKUP_RET_SUCCESS:
		break;
	case BPF_FIB_LKUP_RET_NO_NEIGH:
		return FAST_UP_NEIGHBOUR;
	default:
		return FAST_UP_ROUTE;
	}
	/* what comes from outside goes inside, and what comes from inside goes out by the external interface */
	if ((params.ifindex == external_ifindex) == passage->inbound)
		return FAST_UP_ROUTE;
	index = params.ifindex;
	exit = bpf_map_lookup_elem(&fast_exits, &index);
	if (!exit)
		return FAST_UP_ROUTE;
	passage->way.port = exit->port;
	passage->way.vlan_proto = exit->vlan_proto;
	passage->way.vlan = exit->vlan;
	passage->way.mtu = params.mtu_result;
	__builtin_memcpy(passage->way.dest_mac, params.dmac, MAC_LEN);
	__builtin_memcpy(passage->way.source_mac, params.smac, MAC_LEN);
	index = next_hop_intern(generation, &passage->way, params.ifindex, params.ipv4_dst);
	passage->next_hop = index == INDEX_NONE ? 0 : generation << NEXT_HOP_BITS | index;
	return NUM_FAST_REASON;
}

#endif
