/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The usual packet of the fast path, in one go: TCP or UDP of a session that has found its next hop, in a frame without a VLAN
 * tag on either side. What becomes of it is what the rest of xdp.bpf.c would make of it, with all that left out which only
 * others need: offsets are constants, headers are read in words, and each checksum is folded once. Whatever is not so plain is
 * left as it is, to the rest.
 */
#ifndef BAUTA_BPF_FAST_PLAIN_H
#define BAUTA_BPF_FAST_PLAIN_H

#include <linux/if_ether.h>

#include "checksum.h"
#include "fast_frame.h"
#include "hop.h"
#include "packet.h"
#include "platform.h"
#include "store.h"

#define PLAIN_LEFT (-1) /* no XDP action: it is not so plain, and nothing has changed */
#define PLAIN_FRAME_MIN (ETH_HLEN + sizeof(struct iphdr) + sizeof(struct tcphdr)) /* what is looked at of any frame */
#define SHORT_FRAME_MAX (ETH_ZLEN + sizeof(struct vlan_header))

struct plain {
	__u32 *link; /* its 14 bytes; all of the headers are there */
	struct iphdr *ip;
	__u16 *checksum; /* of the transport header */
	__u32 len;       /* of the IP packet */
	__u32 ifindex;   /* where it came in */
	__u8 direction;  /* 0 or ENTRY_INBOUND */
	__u8 tcp_flags;
};

/* Whose frame it is. */
static __always_inline bool plain_arrive(struct xdp_md *ctx, struct plain *plain)
{
	__u32 ifindex = ctx->ingress_ifindex;
	__u32 index = ifindex % NUM_FAST_LINK;
	const struct fast_link *link = bpf_map_lookup_elem(&fast_links, &index);
	const __u16 *half = (const void *)plain->link;

	if (!link || link->ifindex != ifindex || link->role == FAST_NONE)
		return false;
	plain->ifindex = ifindex;
	plain->direction = link->role == FAST_EXTERNAL ? ENTRY_INBOUND : 0;
	return plain->link[0] == *(const __u32 *)link->mac && half[2] == *(const __u16 *)(link->mac + 4) &&
	       half[6] == bpf_htons(ETH_P_IP);
}

/* An IP packet that is whole, right, and goes on. From inside only one that is never fragmented: others get new
 * identifications.
 */
static __always_inline bool plain_ip(struct plain *plain, __u32 frame_len)
{
	const struct iphdr *ip = plain->ip;
	const __u32 *word = (const void *)ip;

	plain->len = be16_to_cpu(ip->tot_len);
	if (*(const __u8 *)ip != 0x45 || ip->ttl <= 1 || ETH_HLEN + plain->len > frame_len)
		return false;
	if (ip->frag_off != cpu_to_be16(IP_DF) && (ip->frag_off || plain->direction != ENTRY_INBOUND))
		return false;
	if (frame_len > SHORT_FRAME_MAX && frame_len > ETH_HLEN + plain->len)
		return false;
	return checksum_fold64((__u64)word[0] + word[1] + word[2] + word[3] + word[4]) == 0xffff;
}

/* A transport header with a checksum, which is complete. */
static __always_inline bool plain_l4(struct plain *plain)
{
	const struct iphdr *ip = plain->ip;
	__u32 l4_len = plain->len - sizeof(*ip);

	if (plain->len < sizeof(*ip))
		return false;
	if (ip->protocol == IPPROTO_UDP) {
		struct udphdr *udp = (void *)(ip + 1);

		if (be16_to_cpu(udp->len) < sizeof(*udp) || be16_to_cpu(udp->len) > l4_len || !udp->check)
			return false;
		plain->checksum = &udp->check;
		plain->tcp_flags = 0;
	} else {
		struct tcphdr *tcp = (void *)(ip + 1);

		if (ip->protocol != IPPROTO_TCP || tcp->syn || tcp->doff * 4 < sizeof(*tcp) || tcp->doff * 4 > l4_len)
			return false;
		plain->checksum = &tcp->check;
		plain->tcp_flags = packet_tcp_flags(tcp);
	}
	return *plain->checksum !=
	       checksum_fold64((__u64)ip->saddr + ip->daddr + cpu_to_be16(ip->protocol) + cpu_to_be16(l4_len));
}

/* The record of the next hop that a session refers to; NULL if there is none that holds. */
static __always_inline const struct next_hop *plain_hop(__u32 next_hop)
{
	const struct header *header = platform_header();
	__u64 ticks = platform_ticks();
	struct next_hop *hop;
	__u32 generation;

	if (!header || ticks > READ_ONCE(header->next_hop_until))
		return NULL;
	generation = READ_ONCE(header->next_hop_generation);
	if (!next_hop || next_hop >> NEXT_HOP_BITS != generation)
		return NULL;
	hop = platform_next_hop(next_hop & NEXT_HOP_MASK);
	if (!hop || READ_ONCE(hop->generation) != generation || READ_ONCE(hop->used) != ticks >> NEXT_HOP_USED_SHIFT)
		return NULL;
	return hop;
}

/* From here on it is sent. */
static __always_inline void plain_write(struct plain *plain, const struct found *found, const struct fast_way *way)
{
	struct iphdr *ip = plain->ip;
	__be16 *port = (__be16 *)(ip + 1) + (plain->direction == ENTRY_INBOUND);
	__be32 *addr = plain->direction == ENTRY_INBOUND ? &ip->daddr : &ip->saddr;
	__u64 moved = (__u64)(__u32) ~*addr + found->new.addr; /* what changes in both checksums (RFC 1624) */
	__u16 checksum;

	checksum = ~checksum_fold64(moved + (__u16) ~*plain->checksum + (__u16) ~*port + found->new.port);
	if (!checksum && ip->protocol == IPPROTO_UDP)
		checksum = 0xffff;
	*plain->checksum = checksum;
	*port = found->new.port;
	/* a hop less: one from the upper octet of its word */
	ip->check = ~checksum_fold64(moved + (__u16)~ip->check + (__u16)~cpu_to_be16(1 << 8));
	ip->ttl--;
	*addr = found->new.addr;
	*(__u64 *)plain->link = way->word[1];
	plain->link[2] = way->word[2];
}

/* All of it: an XDP action, or PLAIN_LEFT. */
static __always_inline int plain_go(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct plain plain = { .link = data, .ip = data + ETH_HLEN };
	const struct next_hop *hop;
	struct fast_way way;
	struct found found;
	struct key key;

	if (data + PLAIN_FRAME_MIN > data_end || !plain_arrive(ctx, &plain))
		return PLAIN_LEFT;
	/* Asked for before it is known that this is a tuple: the headers are looked at while memory answers. */
	key.direction = plain.direction;
	key.tuple.addrs = *(const __u64 *)&plain.ip->saddr;
	key.tuple.ports = *(const __u32 *)(plain.ip + 1);
	key.tuple.proto = plain.ip->protocol;
	if (!store_get_soon(&key, &found) || (found.flags & ENTRY_MAPPING) || !plain_ip(&plain, data_end - data) ||
	    !plain_l4(&plain))
		return PLAIN_LEFT;
	hop = plain_hop(found.next_hop);
	if (!hop)
		return PLAIN_LEFT;
	for (__u32 i = 0; i < FAST_WAY_WORDS; i++)
		way.word[i] = READ_ONCE(hop->way.word[i]);
	if (READ_ONCE(hop->generation) != found.next_hop >> NEXT_HOP_BITS || way.vlan_proto || plain.len > way.mtu ||
	    (way.from && way.from != plain.ifindex) ||
	    bpf_redirect_map(&fast_ports, way.port, XDP_PASS) != XDP_REDIRECT)
		return PLAIN_LEFT;
	plain_write(&plain, &found, &way);
	store_touch(&found, plain.tcp_flags);
	return count(plain.direction == ENTRY_INBOUND ? FAST_INBOUND : FAST_OUTBOUND, XDP_REDIRECT);
}

#endif
