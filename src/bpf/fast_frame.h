/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames of the fast path: who they are for, what is in them, and sending them on. */
#ifndef BAUTA_BPF_FAST_FRAME_H
#define BAUTA_BPF_FAST_FRAME_H

#include <linux/if_ether.h>

#include "fast_maps.h"
#include "next_hop.h"
#include "packet.h"
#include "platform.h"
#include "rewrite.h"
#include "translate.h"

#define VLAN_MASK 0x0fff

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_FAST_VLAN);
	__type(key, struct fast_vlan_key);
	__type(value, struct fast_vlan);
} fast_vlans SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, NUM_FAST_LINK);
	__type(key, __u32);
	__type(value, __u32);
} fast_ports SEC(".maps");

struct vlan_header {
	__be16 vlan; /* and priority */
	__be16 proto;
};

static __always_inline int count(enum fast_reason reason, int action)
{
	__u32 key = reason;
	__u64 *counter = bpf_map_lookup_elem(&fast_counters, &key);

	if (counter)
		*counter += 1;
	return action;
}

static __always_inline bool mac_is(const __u8 *mac, const __u8 *wanted)
{
	return *(const __u16 *)mac == *(const __u16 *)wanted &&
	       *(const __u16 *)(mac + 2) == *(const __u16 *)(wanted + 2) &&
	       *(const __u16 *)(mac + 4) == *(const __u16 *)(wanted + 4);
}

/* Of a frame with a VLAN tag. */
static __always_inline enum fast_reason arrive_vlan(const struct ethhdr *eth, const void *data_end, __u32 ifindex,
						    struct passage *passage)
{
	const struct vlan_header *tag = (const void *)(eth + 1);
	struct fast_vlan_key key = { .ifindex = ifindex, .proto = eth->h_proto };
	const struct fast_vlan *vlan;

	if ((const void *)(tag + 1) > data_end || tag->proto != bpf_htons(ETH_P_IP))
		return FAST_UP_PROTOCOL;
	key.vlan = tag->vlan & bpf_htons(VLAN_MASK);
	vlan = bpf_map_lookup_elem(&fast_vlans, &key);
	if (!vlan || !mac_is(eth->h_dest, vlan->mac))
		return FAST_UP_LINK;
	passage->ifindex = vlan->ifindex;
	passage->inbound = vlan->role == FAST_EXTERNAL;
	passage->tagged = true;
	return NUM_FAST_REASON;
}

/* Who the frame is for, and which way it goes. NUM_FAST_REASON: it is IPv4, for us. */
static __always_inline enum fast_reason arrive(struct xdp_md *ctx, struct passage *passage)
{
	const void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	__u32 ifindex = ctx->ingress_ifindex;
	__u32 index = ifindex % NUM_FAST_LINK;
	const struct fast_link *link = bpf_map_lookup_elem(&fast_links, &index);
	const struct ethhdr *eth = data;

	if ((const void *)(eth + 1) > data_end || !link || link->ifindex != ifindex)
		return FAST_UP_LINK;
	if (eth->h_proto != bpf_htons(ETH_P_IP)) {
		if (link->has_vlans &&
		    (eth->h_proto == bpf_htons(ETH_P_8021Q) || eth->h_proto == bpf_htons(ETH_P_8021AD)))
			return arrive_vlan(eth, data_end, ifindex, passage);
		return FAST_UP_PROTOCOL;
	}
	if (link->role == FAST_NONE || !mac_is(eth->h_dest, link->mac))
		return FAST_UP_LINK;
	passage->ifindex = ifindex;
	passage->inbound = link->role == FAST_EXTERNAL;
	passage->tagged = false;
	return NUM_FAST_REASON;
}

static __always_inline bool is_syn(const struct packet *pkt)
{
	return pkt->kind == PACKET_TCP && (pkt->tcp_flags & LIFE_SYN);
}

/* Why a packet that was parsed is not for the fast path; NUM_FAST_REASON if it may be. */
static __always_inline enum fast_reason sieve(const struct packet *pkt, __u8 direction)
{
	if (pkt->kind == PACKET_FRAGMENT || pkt->first_fragment)
		return FAST_UP_FRAGMENT;
	if (pkt->l4 - pkt->l3 != sizeof(struct iphdr) || pkt->kind == PACKET_BAD)
		return FAST_UP_HEADER;
	return is_syn(pkt) || translate_is_plain(pkt, direction) ? NUM_FAST_REASON : FAST_UP_PROTOCOL;
}

/* Whether the sender left the checksum to its device: then there is the pseudo header's sum in its place. Senders on veth and
 * virtio do, and xdp is not told. One in 65536 that is complete looks so too, and takes the way that is right for both.
 */
static __always_inline bool checksum_is_partial(const struct packet *pkt, const void *data, const void *data_end)
{
	const __u16 *checksum = data + pkt->l4 + checksum_offset(pkt->tuple.proto);

	if (pkt->kind != PACKET_TCP && pkt->kind != PACKET_UDP)
		return false;
	return (const void *)(checksum + 1) > data_end || *checksum == checksum_pseudo(pkt);
}

static __always_inline __u32 link_header_len(bool tagged)
{
	return tagged ? sizeof(struct ethhdr) + sizeof(struct vlan_header) : sizeof(struct ethhdr);
}

static __always_inline bool write_link_header(void *data, void *data_end, const struct fast_way *way)
{
	struct vlan_header *tag = data + sizeof(struct ethhdr);
	struct ethhdr *eth = data;

	if ((void *)(tag + 1) > data_end)
		return false;
	__builtin_memcpy(eth->h_dest, way->dest_mac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, way->source_mac, ETH_ALEN);
	if (!way->vlan_proto) {
		eth->h_proto = bpf_htons(ETH_P_IP);
		return true;
	}
	eth->h_proto = way->vlan_proto;
	tag->vlan = way->vlan;
	tag->proto = bpf_htons(ETH_P_IP);
	return true;
}

static __always_inline void take_hop(struct iphdr *ip)
{
	__u16 before = cpu_to_be16(ip->ttl << 8 | ip->protocol);

	ip->ttl--;
	checksum_replace16(&ip->check, before, cpu_to_be16(ip->ttl << 8 | ip->protocol));
}

/* Whether more follows the packet than what fills a short frame up: the stack cuts it off. */
static __always_inline bool has_trailer(const struct packet *pkt, __u32 frame_len)
{
	return frame_len > ETH_ZLEN + sizeof(struct vlan_header) && frame_len > (__u32)pkt->l4 + pkt->l4_len;
}

/* Not inlined, so that the verifier follows the ways through the headers once. FAST_UP_SYN: nothing else is in its way. The
 * passage is not const: so the verifier forgets which way the packet goes, and follows what comes behind once instead of once
 * for each.
 */
SLOW_PATH enum fast_reason parse(struct xdp_md *ctx, struct packet *pkt, struct passage *passage)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	enum fast_reason reason;

	if (!pkt || !passage ||
	    packet_parse(pkt, data, data_end, link_header_len(passage->tagged), data_end - data) != PARSE_OK)
		return FAST_UP_HEADER;
	reason = sieve(pkt, passage->inbound ? ENTRY_INBOUND : 0);
	if (reason != NUM_FAST_REASON)
		return reason;
	if (has_trailer(pkt, data_end - data))
		return FAST_UP_HEADER;
	if (checksum_is_partial(pkt, data, data_end))
		return FAST_UP_CHECKSUM;
	return is_syn(pkt) ? FAST_UP_SYN : NUM_FAST_REASON;
}

/* Whether the way is one that can be taken, by its MTU and its driver; from then on XDP_REDIRECT means this way. */
static __always_inline enum fast_reason take_way(const struct packet *pkt, const struct fast_way *way)
{
	if (pkt->l4_len + sizeof(struct iphdr) > way->mtu)
		return FAST_UP_TOO_BIG;
	return bpf_redirect_map(&fast_ports, way->port, XDP_PASS) == XDP_REDIRECT ? NUM_FAST_REASON : FAST_UP_ROUTE;
}

/* Makes room for the link header of the way, or takes away what is too much. False if there is no room: then nothing has changed.
 */
static __always_inline bool fit_link_header(struct xdp_md *ctx, struct packet *pkt, const struct fast_way *way)
{
	__u32 l3 = link_header_len(way->vlan_proto != 0);

	if (l3 == pkt->l3)
		return true;
	if (bpf_xdp_adjust_head(ctx, (int)pkt->l3 - (int)l3))
		return false;
	pkt->l3 = l3;
	pkt->l4 = l3 + sizeof(struct iphdr);
	return true;
}

/* All that is written to the frame. False if it is lost, which the parser excludes. */
static __always_inline bool write_frame(struct xdp_md *ctx, const struct packet *pkt, const struct decision *decision,
					const struct fast_way *way)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + pkt->l3;

	if ((void *)(ip + 1) > data_end || !rewrite(pkt, data, data_end, decision, REWRITE_CHECKSUM) ||
	    !write_link_header(data, data_end, way))
		return false;
	take_hop(ip);
	return true;
}

#endif
