/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where packets go on from here, for hooks that send them there themselves (struct next_hop in contract.h). The kernel is asked
 * once for each session and generation: its routes, rules and neighbours decide, as if it forwarded the packet.
 */
#ifndef BAUTA_BPF_NEXT_HOP_H
#define BAUTA_BPF_NEXT_HOP_H

#include "fast_maps.h"
#include "hop.h"
#include "packet.h"
#include "platform.h"
#include "way_back.h"

/* The external interface: the VLAN's own, if it is one. Set before load. */
const volatile __u32 external_ifindex;

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

static __always_inline struct next_hop *platform_next_hop(__u32 index)
{
	return bpf_map_lookup_elem(&next_hops, &index);
}

/* How to send by an interface that a route leads to. One that is no VLAN needs no hash to be found. */
static __always_inline bool next_hop_exit(__u32 ifindex, struct fast_exit *ret_exit)
{
	__u32 index = ifindex % NUM_FAST_LINK;
	const struct fast_link *link = bpf_map_lookup_elem(&fast_links, &index);
	const struct fast_exit *exit;

	if (link && link->ifindex == ifindex && link->role != FAST_NONE) {
		*ret_exit = (struct fast_exit){ .port = index };
		return true;
	}
	exit = bpf_map_lookup_elem(&fast_exits, &ifindex);
	if (exit)
		*ret_exit = *exit;
	return exit;
}

/* What comes by another way would go by the sessions of others in here, or make some in their name. */
SLOW_PATH bool came_by_its_way(struct xdp_md *ctx, const struct packet *pkt, __u32 ifindex)
{
	return pkt && way_back_is_by(ctx, pkt, ifindex);
}

/* Asks the kernel where a packet goes on, by what it routes by on either side of the translation: the source as it came, the
 * destination as it goes. Why the fast path does not take it, or NUM_FAST_REASON: then `way` and `next_hop` are filled in. The
 * generation is read before the kernel is asked: what changes from then on makes another one. The kernel tells of some changes a
 * moment before it makes them, and of neighbours only what concerns a record counts, which this one may not be yet: the daemon
 * sees to both (src/daemon/next_hop.c).
 */
SLOW_PATH enum fast_reason next_hop_find(struct xdp_md *ctx, const struct packet *pkt, __u8 tos,
					 struct passage *passage)
{
	struct bpf_fib_lookup params = { .family = FAMILY_IPV4 };
	const struct header *header = platform_header();
	struct fast_exit exit = {};
	__u32 generation;

	if (!header || !pkt || !passage)
		return FAST_UP_ROUTE;
	generation = READ_ONCE(header->next_hop_generation);
	if (!passage->inbound && !came_by_its_way(ctx, pkt, passage->ifindex))
		return FAST_UP_SOURCE;
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
	/* an IPv4 route by an IPv6 neighbour (RFC 8950) */
	if (params.family != FAMILY_IPV4)
		return FAST_UP_ROUTE;
	/* what comes from outside goes inside, and what comes from inside goes out by the external interface */
	if ((params.ifindex == external_ifindex) == passage->inbound)
		return FAST_UP_ROUTE;
	if (!next_hop_exit(params.ifindex, &exit))
		return FAST_UP_ROUTE;
	passage->way.port = exit.port;
	passage->way.vlan_proto = exit.vlan_proto;
	passage->way.vlan = exit.vlan;
	passage->way.mtu = params.mtu_result;
	passage->way.from = passage->inbound ? 0 : passage->ifindex;
	passage->way.unused = 0;
	__builtin_memcpy(passage->way.dest_mac, params.dmac, MAC_LEN);
	__builtin_memcpy(passage->way.source_mac, params.smac, MAC_LEN);
	passage->next_hop = hop_intern(generation, &passage->way, params.ifindex, params.ipv4_dst);
	return NUM_FAST_REASON;
}

#endif
