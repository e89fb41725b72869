/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ethernet frames with IPv4 packets, made by tests and looked at by tests. In a header because unit tests, prog tests and
 * fuzzers use it. Checksums are summed here in a way of their own, octet by octet, and never by what is under test.
 */
#ifndef TEST_FRAME_H
#define TEST_FRAME_H

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <string.h>

#include "icmp.h"
#include "life.h"
#include "tuple.h"

#define FRAME_MAX 2046

struct frame {
	__u8 unused[2]; /* so that the IP header stands on a word, as in a kernel */
	__u8 bytes[FRAME_MAX];
	__u32 len;
} __attribute__((aligned(16)));

/* Where the numbers in tests come from: at("192.0.2.8", 53). */
static inline struct endpoint at(const char *addr, __u16 port)
{
	struct endpoint endpoint = { .addr = inet_addr(addr), .port = htons(port) };

	return endpoint;
}

static inline struct iphdr *frame_ip(struct frame *frame)
{
	return (struct iphdr *)(frame->bytes + ETH_HLEN);
}

static inline void *frame_l4(struct frame *frame)
{
	return frame->bytes + ETH_HLEN + frame_ip(frame)->ihl * 4;
}

static inline __u32 frame_ip_len(struct frame *frame)
{
	return ntohs(frame_ip(frame)->tot_len);
}

/* ---- checksums ------------------------------------------------------------------------------------------------ */

/* One's complement sum of octets, as 16-bit words of network order; `sum` is what was summed before. */
static inline __u32 sum_octets(const void *octets, __u32 len, __u32 sum)
{
	const __u8 *octet = octets;

	for (__u32 i = 0; i < len; i++)
		sum += i % 2 ? octet[i] : octet[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static inline __u32 sum_pseudo_header(const struct iphdr *ip, __u32 len)
{
	__u32 sum = sum_octets(&ip->saddr, 8, 0);

	return sum_octets(&(__be16[2]){ htons(ip->protocol), htons(len) }, 4, sum);
}

/* What the transport checksum of a whole packet has to be, as a field; `l4` has `len` octets, and 0 in its field. */
static inline __be16 sum_transport(const struct iphdr *ip, const void *l4, __u32 len)
{
	__u32 sum = ip->protocol == IPPROTO_ICMP ? 0 : sum_pseudo_header(ip, len);
	__u16 field = ~sum_octets(l4, len, sum);

	return htons(ip->protocol == IPPROTO_UDP && !field ? 0xffff : field);
}

static inline __be16 *transport_checksum(__u8 proto, void *l4)
{
	switch (proto) {
	case IPPROTO_TCP:
		return &((struct tcphdr *)l4)->check;
	case IPPROTO_UDP:
		return &((struct udphdr *)l4)->check;
	case IPPROTO_ICMP:
		return &((struct icmp_header *)l4)->checksum;
	default:
		return NULL;
	}
}

static inline void seal_ip(struct iphdr *ip)
{
	ip->check = 0;
	ip->check = htons(~sum_octets(ip, ip->ihl * 4, 0));
}

/* Sets the checksums of a whole packet. */
static inline void frame_seal(struct frame *frame)
{
	struct iphdr *ip = frame_ip(frame);
	__be16 *field = transport_checksum(ip->protocol, frame_l4(frame));

	seal_ip(ip);
	if (!field)
		return;
	*field = 0;
	*field = sum_transport(ip, frame_l4(frame), frame_ip_len(frame) - ip->ihl * 4);
}

static inline bool ip_checksum_is_right(const struct iphdr *ip)
{
	return sum_octets(ip, ip->ihl * 4, 0) == 0xffff;
}

/* Of a packet that is there as a whole. A UDP checksum of 0 is none. */
static inline bool transport_checksum_is_right(const struct iphdr *ip, void *l4)
{
	__be16 *field = transport_checksum(ip->protocol, l4);
	__u32 len = ntohs(ip->tot_len) - ip->ihl * 4;

	if (!field || (ip->protocol == IPPROTO_UDP && !*field))
		return true;
	return sum_octets(l4, len, ip->protocol == IPPROTO_ICMP ? 0 : sum_pseudo_header(ip, len)) == 0xffff;
}

/* All checksums of a packet, and of the one that it quotes as far as they are there. */
static inline bool frame_is_sound(struct frame *frame)
{
	struct iphdr *ip = frame_ip(frame);
	struct icmp_header *icmp = frame_l4(frame);
	struct iphdr *quote = (struct iphdr *)(icmp + 1);
	__u32 quote_len = frame_ip_len(frame) - ip->ihl * 4 - sizeof(*icmp);

	if (!ip_checksum_is_right(ip) || !transport_checksum_is_right(ip, icmp))
		return false;
	if (ip->protocol != IPPROTO_ICMP || !icmp_is_error(icmp->type))
		return true;
	return ip_checksum_is_right(quote) && (ntohs(quote->tot_len) > quote_len ||
					       transport_checksum_is_right(quote, (__u8 *)quote + quote->ihl * 4));
}

/* ---- making --------------------------------------------------------------------------------------------------- */

/* An IP packet with `payload_len` octets behind its header; returns where they begin. */
static inline void *frame_begin(struct frame *frame, __be32 src, __be32 dst, __u8 proto, __u32 payload_len)
{
	static const __u8 macs[] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, ETH_P_IP >> 8, ETH_P_IP & 0xff };
	struct iphdr *ip = frame_ip(frame);
	__u8 *payload = (__u8 *)(ip + 1);

	memcpy(frame->bytes, macs, sizeof(macs));
	*ip = (struct iphdr){
		.version = 4,
		.ihl = 5,
		.tot_len = htons(sizeof(*ip) + payload_len),
		.id = htons(0x1234),
		.frag_off = htons(0x4000), /* DF: nobody gives it another identification */
		.ttl = 63,
		.protocol = proto,
		.saddr = src,
		.daddr = dst,
	};
	for (__u32 i = 0; i < payload_len; i++)
		payload[i] = 'a' + i % 26;
	frame->len = ETH_HLEN + sizeof(*ip) + payload_len;
	return payload;
}

static inline void frame_udp(struct frame *frame, struct endpoint src, struct endpoint dst, __u32 data_len)
{
	struct udphdr *udp = frame_begin(frame, src.addr, dst.addr, IPPROTO_UDP, sizeof(*udp) + data_len);

	*udp = (struct udphdr){ .source = src.port, .dest = dst.port, .len = htons(sizeof(*udp) + data_len) };
	frame_seal(frame);
}

/* `flags` are LIFE_*. */
static inline void frame_tcp(struct frame *frame, struct endpoint src, struct endpoint dst, __u32 flags, __u32 data_len)
{
	struct tcphdr *tcp = frame_begin(frame, src.addr, dst.addr, IPPROTO_TCP, sizeof(*tcp) + data_len);

	*tcp = (struct tcphdr){
		.source = src.port,
		.dest = dst.port,
		.seq = htonl(0x01020304),
		.doff = sizeof(*tcp) / 4,
		.syn = !!(flags & LIFE_SYN),
		.ack = !!(flags & LIFE_ACK),
		.fin = !!(flags & LIFE_FIN),
		.rst = !!(flags & LIFE_RST),
		.window = htons(1000),
	};
	frame_seal(frame);
}

/* Any ICMP message without a quote; `id` is that of queries. */
static inline void frame_icmp(struct frame *frame, __be32 src, __be32 dst, __u8 type, __u16 id)
{
	struct icmp_header *icmp = frame_begin(frame, src, dst, IPPROTO_ICMP, sizeof(*icmp) + 16);

	*icmp = (struct icmp_header){ .type = type, .id = htons(id), .sequence = htons(1) };
	frame_seal(frame);
}

static inline void frame_other(struct frame *frame, __be32 src, __be32 dst, __u8 proto)
{
	frame_begin(frame, src, dst, proto, 32);
	frame_seal(frame);
}

/* An ICMP error that quotes the first `quote_len` octets of the packet in `about`; 0: all of it. */
static inline void frame_error(struct frame *frame, __be32 src, __be32 dst, __u8 type, struct frame *about,
			       __u32 quote_len)
{
	__u32 len = quote_len ? quote_len : frame_ip_len(about);
	struct icmp_header *icmp = frame_begin(frame, src, dst, IPPROTO_ICMP, sizeof(*icmp) + len);

	*icmp = (struct icmp_header){ .type = type, .code = 4, .sequence = htons(1400) };
	memcpy(icmp + 1, frame_ip(about), len);
	frame_seal(frame);
}

/* Puts `num_words` words of options (no operation) behind the IP header. */
static inline void frame_add_options(struct frame *frame, __u32 num_words)
{
	struct iphdr *ip = frame_ip(frame);
	__u8 *options = (__u8 *)(ip + 1);

	memmove(options + num_words * 4, options, frame->len - ETH_HLEN - sizeof(*ip));
	memset(options, IPOPT_NOOP, num_words * 4);
	ip->ihl += num_words;
	ip->tot_len = htons(frame_ip_len(frame) + num_words * 4);
	frame->len += num_words * 4;
	seal_ip(ip);
}

/* ---- looking -------------------------------------------------------------------------------------------------- */

/* Who a TCP, UDP or ICMP query packet is from and to. */
static inline struct endpoint frame_src(struct frame *frame)
{
	struct iphdr *ip = frame_ip(frame);
	struct icmp_header *icmp = frame_l4(frame);
	struct endpoint src = { .addr = ip->saddr, .port = ((struct udphdr *)icmp)->source };

	if (ip->protocol == IPPROTO_ICMP)
		src.port = icmp_is_request(icmp->type) ? icmp->id : 0;
	return src;
}

static inline struct endpoint frame_dst(struct frame *frame)
{
	struct iphdr *ip = frame_ip(frame);
	struct icmp_header *icmp = frame_l4(frame);
	struct endpoint dst = { .addr = ip->daddr, .port = ((struct udphdr *)icmp)->dest };

	if (ip->protocol == IPPROTO_ICMP)
		dst.port = icmp_is_reply(icmp->type) ? icmp->id : 0;
	return dst;
}

/* Turns a frame round: its receiver answers with the same kind of packet. Checksums stay right. */
static inline void frame_reverse(struct frame *frame)
{
	struct iphdr *ip = frame_ip(frame);
	struct udphdr *udp = frame_l4(frame);
	struct icmp_header *icmp = frame_l4(frame);
	__be32 addr = ip->saddr;
	__be16 port = udp->source;

	ip->saddr = ip->daddr;
	ip->daddr = addr;
	if (ip->protocol == IPPROTO_ICMP) {
		icmp->type = icmp->type == ICMP_TYPE_ECHO ? ICMP_TYPE_ECHO_REPLY : ICMP_TYPE_TIMESTAMP_REPLY;
	} else {
		udp->source = udp->dest;
		udp->dest = port;
	}
	frame_seal(frame);
}

static inline bool frame_equal(const struct frame *a, const struct frame *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

#endif
