/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Turning a refused packet, in place at tc egress, into the answer that its sender gets. */
#ifndef REFUSE_BPF_H
#define REFUSE_BPF_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/types.h>
#include <linux/udp.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define NO_CHECKSUM (-1)

enum {
	/* RFC 1812 4.3.2.3: quote as much as fits into 576 bytes: 20 (IP) + 8 (ICMP) + 548. */
	MAX_QUOTE = 548,
	CHUNK = 64,
	MAX_CHUNKS = (MAX_QUOTE + CHUNK - 1) / CHUNK,
	FRAGMENT_OFFSET = 0x1fff,
};

struct icmp_error {
	__u8 type;
	__u8 code;
	__sum16 check;
	__be32 rest;
};

struct pseudo_header {
	__be32 saddr;
	__be32 daddr;
	__u8 zero;
	__u8 protocol;
	__be16 length;
};

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* One's complement sum of len bytes (at most MAX_QUOTE) at offset, as they stand in memory; negative if they cannot
 * be read.
 */
static __always_inline __s64 sum_bytes(struct __sk_buff *skb, __u32 offset, __u32 len)
{
	__s64 sum = 0;

	for (int i = 0; i < MAX_CHUNKS && len; i++) {
		__u32 chunk[CHUNK / sizeof(__u32)] = {};
		__u32 n = len < CHUNK ? len : CHUNK;

		/* 1 to CHUNK it is, but the verifier of 6.1 wants to see it, and the compiler must not see that it
		 * changes nothing
		 */
		asm volatile("" : "+r"(n));
		n = ((n - 1) & (CHUNK - 1)) + 1;
		if (bpf_skb_load_bytes(skb, offset, chunk, n))
			return -1;
		sum = bpf_csum_diff(NULL, 0, chunk, sizeof(chunk), sum);
		if (sum < 0)
			return -1;
		offset += n;
		len -= n;
	}
	return sum;
}

/* Where the layer-4 checksum stands, as an offset in the packet; NO_CHECKSUM for other protocols and later fragments.

 */
static __always_inline int checksum_offset(const struct iphdr *ip, __u32 l3)
{
	if (ip->frag_off & bpf_htons(FRAGMENT_OFFSET))
		return NO_CHECKSUM;
	switch (ip->protocol) {
	case IPPROTO_TCP:
		return l3 + ip->ihl * 4 + offsetof(struct tcphdr, check);
	case IPPROTO_UDP:
		return l3 + ip->ihl * 4 + offsetof(struct udphdr, check);
	}
	return NO_CHECKSUM;
}

/*
 * Is the layer-4 checksum at offset only the pseudo header's so far (CHECKSUM_PARTIAL)?  1, 0, or negative.
 * The context does not tell; but bpf_l4_csum_replace without BPF_F_PSEUDO_HDR leaves a partial sum alone and
 * changes a complete one, and a difference of one never folds to nothing.  ret_field: what stands there.
 */
static __always_inline int checksum_is_partial(struct __sk_buff *skb, __u32 offset, __sum16 *ret_field)
{
	__sum16 before, after;

	if (bpf_skb_load_bytes(skb, offset, &before, sizeof(before)))
		return -1;
	if (bpf_l4_csum_replace(skb, offset, 0, bpf_htons(1), sizeof(__be16)))
		return -1;
	if (bpf_skb_load_bytes(skb, offset, &after, sizeof(after)))
		return -1;
	*ret_field = before;
	if (before == after)
		return 1;
	return bpf_skb_store_bytes(skb, offset, &before, sizeof(before), 0) ? -1 : 0;
}

static __always_inline int swap_macs(struct __sk_buff *skb)
{
	struct ethhdr eth;
	__u8 macs[2 * ETH_ALEN];

	if (bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)))
		return -1;
	__builtin_memcpy(macs, eth.h_source, ETH_ALEN);
	__builtin_memcpy(macs + ETH_ALEN, eth.h_dest, ETH_ALEN);
	return bpf_skb_store_bytes(skb, 0, macs, sizeof(macs), 0);
}

/*
 * A quoted partial checksum will be completed by whichever device the error leaves through (csum_start goes on
 * pointing at it), and that would break the checksum of the error around it.  So put there the value that completing
 * leaves as it is: field = -(rest + field), that is field = -rest / 2, and 1/2 is 32768 modulo 65535.
 */
static __always_inline int fix_quoted_checksum(struct __sk_buff *skb, __u32 l4, __u32 len, __u32 offset, __sum16 field)
{
	__s64 sum = sum_bytes(skb, l4, len);
	__u32 rest;

	if (sum < 0)
		return -1;
	rest = fold((__u64)sum + (__u16)~field);
	field = (0xffff - rest) * 32768 % 0xffff;
	if (field == 0)
		field = 0xffff; /* the same number, and the one that completing writes */
	return bpf_skb_store_bytes(skb, offset, &field, sizeof(field), 0);
}

/*
 * The packet becomes an ICMP error about itself, from saddr to its own source.  l3: ETH_HLEN, or 0 where there is no
 * link header. Shrink first (that also linearises, unclones and ends GSO), grow afterwards (adjust_room refuses UDP
 * GSO).
 */
static __always_inline int make_icmp_error(struct __sk_buff *skb, __u32 l3, __u8 type, __u8 code, __be32 saddr)
{
	struct {
		struct iphdr ip;
		struct icmp_error icmp;
	} head = {};
	struct iphdr ip;
	__u32 quote;
	int offset;
	__s64 sum;

	if (bpf_skb_load_bytes(skb, l3, &ip, sizeof(ip)))
		return -1;
	quote = bpf_ntohs(ip.tot_len);
	if (quote > MAX_QUOTE)
		quote = MAX_QUOTE;
	if (bpf_skb_change_tail(skb, l3 + quote, 0))
		return -2;
	offset = checksum_offset(&ip, l3);
	if (offset != NO_CHECKSUM) {
		__sum16 field;
		int partial = checksum_is_partial(skb, offset, &field);

		if (partial < 0)
			return -3;
		if (partial && fix_quoted_checksum(skb, l3 + ip.ihl * 4, quote - ip.ihl * 4, offset, field))
			return -3;
	}
	sum = sum_bytes(skb, l3, quote);
	if (sum < 0)
		return -4;
	if (bpf_skb_adjust_room(skb, sizeof(head), BPF_ADJ_ROOM_MAC, 0))
		return -5;

	head.ip.version = 4;
	head.ip.ihl = 5;
	head.ip.tos = 0xc0; /* RFC 1812 4.3.2.5: precedence 6 */
	head.ip.tot_len = bpf_htons(sizeof(head) + quote);
	head.ip.ttl = 64;
	head.ip.protocol = IPPROTO_ICMP;
	head.ip.saddr = saddr;
	head.ip.daddr = ip.saddr;
	head.ip.check = ~fold(bpf_csum_diff(NULL, 0, (__be32 *)&head.ip, sizeof(head.ip), 0));
	head.icmp.type = type;
	head.icmp.code = code;
	head.icmp.check = ~fold((__u64)sum + (__u16)bpf_htons(type << 8 | code));
	if (bpf_skb_store_bytes(skb, l3, &head, sizeof(head), 0))
		return -6;
	return l3 ? swap_macs(skb) : 0;
}

/* A TCP SYN becomes the RST|ACK that refuses it (RFC 9293 3.10.7.1), from its destination to its source. */
static __always_inline int make_tcp_reset(struct __sk_buff *skb, __u32 l3)
{
	struct {
		struct iphdr ip;
		struct tcphdr tcp;
	} head = {};
	struct pseudo_header pseudo = {};
	struct iphdr ip;
	struct tcphdr syn;
	__sum16 field;
	int partial;
	__s64 sum;

	if (bpf_skb_load_bytes(skb, l3, &ip, sizeof(ip)) || bpf_skb_load_bytes(skb, l3 + ip.ihl * 4, &syn, sizeof(syn)))
		return -1;
	partial = checksum_is_partial(skb, l3 + ip.ihl * 4 + offsetof(struct tcphdr, check), &field);
	if (partial < 0)
		return -2;
	if (ip.ihl != 5) /* csum_start would point beside the new header */
		return -3;
	if (bpf_skb_change_tail(skb, l3 + sizeof(head), 0))
		return -3;

	head.ip.version = 4;
	head.ip.ihl = 5;
	head.ip.tot_len = bpf_htons(sizeof(head));
	head.ip.ttl = 64;
	head.ip.protocol = IPPROTO_TCP;
	head.ip.saddr = ip.daddr;
	head.ip.daddr = ip.saddr;
	head.ip.check = ~fold(bpf_csum_diff(NULL, 0, (__be32 *)&head.ip, sizeof(head.ip), 0));
	head.tcp.source = syn.dest;
	head.tcp.dest = syn.source;
	head.tcp.ack_seq = bpf_htonl(bpf_ntohl(syn.seq) + 1);
	head.tcp.doff = sizeof(head.tcp) / 4;
	head.tcp.rst = 1;
	head.tcp.ack = 1;

	pseudo.saddr = head.ip.saddr;
	pseudo.daddr = head.ip.daddr;
	pseudo.protocol = IPPROTO_TCP;
	pseudo.length = bpf_htons(sizeof(head.tcp));
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&pseudo, sizeof(pseudo), 0);
	if (partial) /* stays partial: the pseudo header only, not complemented */
		head.tcp.check = fold(sum);
	else
		head.tcp.check = ~fold(bpf_csum_diff(NULL, 0, (__be32 *)&head.tcp, sizeof(head.tcp), sum));
	if (bpf_skb_store_bytes(skb, l3, &head, sizeof(head), 0))
		return -4;
	return l3 ? swap_macs(skb) : 0;
}

/* Gives the packet back to the host, as if it had come in by the device that it was leaving by; what stands in mark
 * comes with it.
 */
static __always_inline int return_to_host(struct __sk_buff *skb, __u32 mark)
{
	skb->mark = mark;
	return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
}

/*
 * Sends the packet out of the device with index ifindex, to the neighbour that the routing table names.
 * bpf_redirect_neigh takes a link header off, so a packet that has none must be given one first.
 */
static __always_inline int return_to_client(struct __sk_buff *skb, __u32 l3, __u32 ifindex)
{
	if (l3 == 0 && bpf_skb_change_head(skb, ETH_HLEN, 0))
		return TC_ACT_SHOT;
	return bpf_redirect_neigh(ifindex, NULL, 0, 0);
}

#endif
