/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Telling the sender of a packet that is not forwarded: the packet itself becomes the answer, at tc egress.
 *
 * A client behind us gets an ICMP error by the way it came. A local program gets an answer that looks as if it came from
 * its peer: a RST|ACK to a TCP SYN, because an ICMP error that arrives while connect() still owns the socket only counts
 * from the second SYN on; an ICMP error with a code that connected UDP sockets report (3/13) to anything else.
 */
#ifndef BAUTA_BPF_ANSWER_H
#define BAUTA_BPF_ANSWER_H

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>

#include "addr.h"
#include "checksum.h"
#include "packet.h"
#include "platform.h"
#include "rewrite.h"

/* Type and code of an ICMP error in one. */
#define ANSWER_ICMP(type, code) ((type) << 8 | (code))

/* RFC 1812 §4.3.2.3: as much of the packet as fits into 576 bytes. */
#define ANSWER_MAX_QUOTE (576 - sizeof(struct iphdr) - sizeof(struct icmp_header))
#define ANSWER_CHUNK 64
#define ANSWER_MAX_CHUNKS ((ANSWER_MAX_QUOTE + ANSWER_CHUNK - 1) / ANSWER_CHUNK)

/* Marks an answer on its way to the host's own stack, so that the ingress hook lets it in untouched. */
#define ANSWER_MARK 0xba07a

struct icmp_head {
	struct iphdr ip;
	struct icmp_header icmp;
};

struct tcp_head {
	struct iphdr ip;
	struct tcphdr tcp;
};

struct pseudo_head {
	__be32 src;
	__be32 dst;
	__u8 zero;
	__u8 proto;
	__be16 len;
};

/* Whether the sender of a packet may be told by an error (RFC 1812 §4.3.2.7): not if the packet is an ICMP error itself, or a
 * later fragment; nor if its link or IP destination is a broadcast or multicast one, or its source does not name one host. A
 * broken IP header is no matter here: such packets are not refused. At egress the frame has a link destination again, and a
 * group's there shows that the IP destination is one too, as that of a subnet, which no address shows.
 */
static __always_inline bool answer_is_allowed(struct __sk_buff *skb, const struct packet *pkt)
{
	__u8 link_dst;

	switch ((enum packet_kind)pkt->kind) {
	case PACKET_TCP:
	case PACKET_UDP:
	case PACKET_ICMP_REQUEST:
	case PACKET_OTHER:
		break;
	case PACKET_ICMP_REPLY:
	case PACKET_ICMP_ERROR:
	case PACKET_ICMP_OTHER:
	case PACKET_FRAGMENT:
	case PACKET_BAD:
		return false;
	}
	if (skb->pkt_type == PACKET_BROADCAST || skb->pkt_type == PACKET_MULTICAST)
		return false;
	if (pkt->l3 && (bpf_skb_load_bytes(skb, 0, &link_dst, sizeof(link_dst)) || (link_dst & 1)))
		return false;
	if (addr_is_multicast(pkt->tuple.dst) || pkt->tuple.dst == 0xffffffff)
		return false;
	return !addr_is_martian(pkt->tuple.src) && !addr_is_multicast(pkt->tuple.src);
}

/* Sum of `len` bytes, at most ANSWER_MAX_QUOTE, at an offset; negative if they cannot be read. */
static __always_inline __s64 answer_sum(struct __sk_buff *skb, __u32 offset, __u32 len)
{
	__s64 sum = 0;

	for (int i = 0; i < (int)ANSWER_MAX_CHUNKS && len; i++) {
		__be32 chunk[ANSWER_CHUNK / 4] = {};
		__u32 num = len < ANSWER_CHUNK ? len : ANSWER_CHUNK;

		/* 1 to ANSWER_CHUNK it is; the verifier of 6.1 has to see it done, and the compiler not to see that it is idle */
		OPTIMIZER_HIDE_VAR(num);
		num = ((num - 1) & (ANSWER_CHUNK - 1)) + 1;
		if (bpf_skb_load_bytes(skb, offset, chunk, num))
			return -1;
		sum = bpf_csum_diff(NULL, 0, chunk, sizeof(chunk), sum);
		if (sum < 0)
			return -1;
		offset += num;
		len -= num;
	}
	return sum;
}

/* Whether the transport checksum at `offset` covers the pseudo header only so far (CHECKSUM_PARTIAL): 1 or 0, negative if
 * it cannot be read. The context does not tell; but bpf_l4_csum_replace without BPF_F_PSEUDO_HDR leaves a partial sum
 * alone and changes a complete one.
 */
static __always_inline int answer_is_partial(struct __sk_buff *skb, __u32 offset, __u16 *ret_field)
{
	__u16 before, after;

	if (bpf_skb_load_bytes(skb, offset, &before, sizeof(before)) ||
	    bpf_l4_csum_replace(skb, offset, 0, cpu_to_be16(1), sizeof(__be16)) ||
	    bpf_skb_load_bytes(skb, offset, &after, sizeof(after)))
		return -1;
	*ret_field = before;
	if (before == after)
		return 1;
	return bpf_skb_store_bytes(skb, offset, &before, sizeof(before), 0) ? -1 : 0;
}

/* The device that the answer leaves by completes a partial checksum, which is in the quote now, and would spoil the
 * ICMP checksum. So the field gets the one value f that completing does not change: f = -(rest + f), f = -rest / 2
 * modulo 65535, where 1/2 is 32768. `len` bytes from the transport header on.
 */
static __always_inline int answer_fix_partial(struct __sk_buff *skb, __u32 l4, __u32 len, __u32 offset, __u16 field)
{
	__s64 sum = answer_sum(skb, l4, len);
	__u32 rest;

	if (sum < 0)
		return -1;
	rest = checksum_fold64(sum + (__u16)~field);
	field = (0xffff - rest) * 32768 % 0xffff;
	if (!field)
		field = 0xffff;
	return bpf_skb_store_bytes(skb, offset, &field, sizeof(field), 0);
}

static __always_inline int answer_swap_macs(struct __sk_buff *skb)
{
	__u8 from[2 * ETH_ALEN], to[2 * ETH_ALEN];

	if (bpf_skb_load_bytes(skb, 0, from, sizeof(from)))
		return -1;
	__builtin_memcpy(to, from + ETH_ALEN, ETH_ALEN);
	__builtin_memcpy(to + ETH_ALEN, from, ETH_ALEN);
	return bpf_skb_store_bytes(skb, 0, to, sizeof(to), 0);
}

static __always_inline void answer_fill_ip(struct iphdr *ip, __u8 proto, __u32 total_len, __be32 src, __be32 dst)
{
	ip->version = 4;
	ip->ihl = sizeof(*ip) / 4;
	ip->tot_len = cpu_to_be16(total_len);
	ip->ttl = 64;
	ip->protocol = proto;
	ip->saddr = src;
	ip->daddr = dst;
	ip->check = ~checksum_fold64(bpf_csum_diff(NULL, 0, (__be32 *)ip, sizeof(*ip), 0));
}

/* Makes the packet an ICMP error about itself, from `src` to its sender; `mtu`: of a packet that is too big, else 0. 0, or
 * negative: then it is fit for nothing. Shrinking comes first: it also linearises the packet, and ends its being GSO.
 */
SLOW_PATH int answer_make_icmp(struct __sk_buff *skb, const struct packet *pkt, __u16 type_code, __u16 mtu, __be32 src)
{
	/* RFC 1191 §4: the MTU has the place of a query's sequence number */
	struct icmp_head head = {
		.icmp = { .type = type_code >> 8, .code = type_code, .sequence = cpu_to_be16(mtu) },
	};
	struct iphdr ip;
	__u32 quote_len;
	__s64 sum;

	if (!pkt || bpf_skb_load_bytes(skb, pkt->l3, &ip, sizeof(ip)))
		return -1;
	quote_len = be16_to_cpu(ip.tot_len);
	if (quote_len > ANSWER_MAX_QUOTE)
		quote_len = ANSWER_MAX_QUOTE;
	if (bpf_skb_change_tail(skb, pkt->l3 + quote_len, 0))
		return -1;
	if (pkt->kind == PACKET_TCP || pkt->kind == PACKET_UDP) {
		__u32 offset = pkt->l4 + checksum_offset(pkt->tuple.proto);
		__u16 field;
		int partial = answer_is_partial(skb, offset, &field);

		if (partial < 0)
			return -1;
		if (partial && answer_fix_partial(skb, pkt->l4, pkt->l3 + quote_len - pkt->l4, offset, field))
			return -1;
	}
	sum = answer_sum(skb, pkt->l3, quote_len);
	if (sum < 0 || bpf_skb_adjust_room(skb, sizeof(head), BPF_ADJ_ROOM_MAC, 0))
		return -1;
	head.ip.tos = ip.tos & 0xfc; /* RFC 5508 §7.7: the class of what was sent, and nothing of its ECN */
	answer_fill_ip(&head.ip, IPPROTO_ICMP, sizeof(head) + quote_len, src, pkt->tuple.src);
	head.icmp.checksum = ~checksum_fold64(sum + cpu_to_be16(type_code) + cpu_to_be16(mtu));
	if (bpf_skb_store_bytes(skb, pkt->l3, &head, sizeof(head), 0))
		return -1;
	return pkt->l3 ? answer_swap_macs(skb) : 0;
}

/* Makes a TCP segment the RST that a host would answer it by that has no such connection (RFC 9293 §3.10.7.1). 0, or negative. */
SLOW_PATH int answer_make_reset(struct __sk_buff *skb, const struct packet *pkt)
{
	struct pseudo_head pseudo = { .proto = IPPROTO_TCP, .len = cpu_to_be16(sizeof(struct tcphdr)) };
	struct tcp_head head = {};
	struct tcphdr asked;
	__u16 field;
	int partial;
	__s64 sum;

	if (!pkt)
		return -1;
	pseudo.src = pkt->tuple.dst;
	pseudo.dst = pkt->tuple.src;
	/* With IP options a partial checksum would be completed beside the new header. */
	if (pkt->l4 != pkt->l3 + sizeof(struct iphdr) || bpf_skb_load_bytes(skb, pkt->l4, &asked, sizeof(asked)))
		return -1;
	partial = answer_is_partial(skb, pkt->l4 + offsetof(struct tcphdr, check), &field);
	if (partial < 0 || bpf_skb_change_tail(skb, pkt->l3 + sizeof(head), 0))
		return -1;
	answer_fill_ip(&head.ip, IPPROTO_TCP, sizeof(head), pkt->tuple.dst, pkt->tuple.src);
	head.tcp.source = asked.dest;
	head.tcp.dest = asked.source;
	head.tcp.doff = sizeof(head.tcp) / 4;
	head.tcp.rst = 1;
	if (asked.ack) {
		head.tcp.seq = asked.ack_seq;
	} else {
		head.tcp.ack = 1;
		head.tcp.ack_seq =
			cpu_to_be32(be32_to_cpu(asked.seq) + asked.syn + asked.fin + pkt->l4_len - asked.doff * 4);
	}
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&pseudo, sizeof(pseudo), 0);
	if (partial) /* stays partial: the pseudo header's sum, not complemented */
		head.tcp.check = checksum_fold64(sum);
	else
		head.tcp.check = ~checksum_fold64(bpf_csum_diff(NULL, 0, (__be32 *)&head.tcp, sizeof(head.tcp), sum));
	if (bpf_skb_store_bytes(skb, pkt->l3, &head, sizeof(head), 0))
		return -1;
	return pkt->l3 ? answer_swap_macs(skb) : 0;
}

#endif
