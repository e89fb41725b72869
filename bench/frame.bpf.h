/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a generator writes a frame whole: the kernel recycles frames, and a NAT has rewritten them on their way. */
#ifndef BENCH_FRAME_BPF_H
#define BENCH_FRAME_BPF_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "frame.h"

#define MAGIC bpf_htons(0xba07)

static __always_inline void store_address(__be16 *words, __u32 address)
{
	words[0] = bpf_htons(address >> 16);
	words[1] = bpf_htons(address & 0xffff);
}

static __always_inline void copy_address(__be16 *to, const __be16 *from)
{
	to[0] = from[0];
	to[1] = from[1];
}

static __always_inline void write_link(struct frame *frame, const volatile struct side *side)
{
	for (int i = 0; i < 3; i++) {
		frame->eth_destination[i] = side->next_hop[i];
		frame->eth_source[i] = side->source[i];
	}
	frame->eth_type = bpf_htons(ETH_P_IP);
}

static __always_inline __u16 checksum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* Everything but the endpoints, which are in place by now. A frame of so many bytes: what follows the tag is zero. */
static __always_inline void write_headers(struct frame *frame, __u32 frame_bytes)
{
	__u32 addresses =
		frame->ip_source[0] + frame->ip_source[1] + frame->ip_destination[0] + frame->ip_destination[1];
	__u32 ip_length = frame_bytes - sizeof(struct ethhdr);
	__u32 sum;

	frame->ip_version = bpf_htons(0x4500);
	frame->ip_length = bpf_htons(ip_length);
	frame->ip_id = 0;
	frame->ip_fragment = bpf_htons(0x4000);
	frame->ip_ttl_protocol = bpf_htons(64 << 8 | IPPROTO_UDP);
	sum = addresses + frame->ip_version + frame->ip_length + frame->ip_fragment + frame->ip_ttl_protocol;
	frame->ip_check = checksum_fold(sum);

	frame->udp_length = bpf_htons(ip_length - sizeof(struct iphdr));
	sum = addresses + bpf_htons(IPPROTO_UDP) + frame->udp_length;
	sum += frame->udp_source + frame->udp_destination + frame->udp_length;
	sum += frame->magic + frame->session[0] + frame->session[1];
	sum += frame->internal_address[0] + frame->internal_address[1] + frame->internal_port;
	sum += frame->remote_address[0] + frame->remote_address[1] + frame->remote_port;
	frame->udp_check = checksum_fold(sum);
	if (!frame->udp_check) /* RFC 768: a computed zero is sent as all ones. */
		frame->udp_check = 0xffff;
}

/* From the inside to the remote, with the endpoints that the tag names. */
static __always_inline void write_outbound(struct frame *frame, __u32 frame_bytes, const volatile struct side *side)
{
	write_link(frame, side);
	copy_address(frame->ip_source, frame->internal_address);
	copy_address(frame->ip_destination, frame->remote_address);
	frame->udp_source = frame->internal_port;
	frame->udp_destination = frame->remote_port;
	write_headers(frame, frame_bytes);
}

/* The frame, if a generator made it, else NULL. */
static __always_inline struct frame *frame_of(struct xdp_md *ctx)
{
	struct frame *frame = (void *)(long)ctx->data;

	if ((void *)(frame + 1) > (void *)(long)ctx->data_end || frame->eth_type != bpf_htons(ETH_P_IP) ||
	    frame->magic != MAGIC)
		return NULL;
	return frame;
}

#endif
