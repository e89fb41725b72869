/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tuple of a session of the churn, and frames of it. */
#ifndef BENCH_CHURN_TUPLE_BPF_H
#define BENCH_CHURN_TUPLE_BPF_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "churn.h"
#include "frame.bpf.h"

#define EXTERNAL 0xc0000201 /* 192.0.2.1, as in lab.py */

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

/* Host order. */
struct churn_tuple {
	__u32 internal;
	__u32 remote;
	__u16 internal_port; /* of ICMP: the identifier */
	__u16 remote_port;
	__u8 proto;
};

/* Of four in a row two are of UDP: an octet each, since a table would need bounds that the compiler drops. */
static __always_inline __u8 churn_proto(__u32 number)
{
	const __u32 protos = IPPROTO_UDP | IPPROTO_UDP << 8 | IPPROTO_TCP << 16 | IPPROTO_ICMP << 24;

	return protos >> (number & 3) * 8;
}

/* Sessions whose numbers are near each other share internal endpoints, and so mappings and permits. */
static __always_inline void churn_tuple(__u32 session, struct churn_tuple *ret_tuple)
{
	if (session < MAX_PROTECTED) {
		ret_tuple->proto = churn_proto(1 + (session >> 1) % 3);
		ret_tuple->internal = 0x0a010101 + (session & 1);
		ret_tuple->internal_port = 30000 + (session >> 1);
		ret_tuple->remote = 0xc6120009;
		ret_tuple->remote_port = 443;
	} else {
		__u32 number = session - MAX_PROTECTED;
		__u32 endpoint = number >> 3;
		__u32 host = (endpoint >> 2) & 63;

		ret_tuple->proto = churn_proto(endpoint);
		ret_tuple->internal = 0x0a010000 + host;
		ret_tuple->internal_port = 1024 + (host * 40503U + (endpoint >> 8) * 509) % 64000;
		ret_tuple->remote = 0xc6120001 + (number & 3);
		ret_tuple->remote_port = 443 + (number >> 2 & 1);
	}
	if (ret_tuple->proto == IPPROTO_ICMP)
		ret_tuple->remote_port = 0;
}

/* Sessions that are flushed now and then (FLUSHED in bench/cores), with no time between their end and the next use of their
 * ports: a reply that is on its way at that moment reaches whoever has the port by then.
 */
static __always_inline bool churn_is_flushed(const struct churn_tuple *tuple)
{
	return tuple->internal == 0x0a010007 || tuple->internal == 0x0a010008 ||
	       (tuple->remote == 0xc6120002 && tuple->remote_port == 443);
}

static __always_inline __u32 load_address(const __be16 *words)
{
	return (__u32)bpf_ntohs(words[0]) << 16 | bpf_ntohs(words[1]);
}

/* Where a frame goes, in the order of its direction. */
struct churn_way {
	__u32 source;
	__u32 destination;
	__u16 sport;
	__u16 dport;
	__u8 proto;
	__u8 tcp_flags;
	bool inbound;
};

static __always_inline __u32 write_l4(struct frame *frame, const struct churn_way *way)
{
	__u32 at = 8, sum = 0;

	for (int i = 0; i < 10; i++)
		frame->l4[i] = 0;
	frame->l4[0] = bpf_htons(way->sport);
	frame->l4[1] = bpf_htons(way->dport);
	if (way->proto == IPPROTO_TCP) {
		frame->l4[6] = bpf_htons(5 << 12 | way->tcp_flags);
	} else if (way->proto == IPPROTO_UDP) {
		frame->l4[2] = bpf_htons(sizeof(*frame) - 34);
		at = 3;
	} else {
		frame->l4[0] = bpf_htons(way->inbound ? 0 : 8 << 8);
		frame->l4[1] = 0;
		frame->l4[2] = bpf_htons(way->inbound ? way->dport : way->sport);
		at = 1;
	}
	for (int i = 0; i < 10; i++)
		sum += frame->l4[i];
	sum += frame->magic + frame->session[0] + frame->session[1];
	if (way->proto != IPPROTO_ICMP) {
		sum += frame->ip_source[0] + frame->ip_source[1] + frame->ip_destination[0] + frame->ip_destination[1];
		sum += bpf_htons(way->proto) + bpf_htons(sizeof(*frame) - 34);
	}
	sum = checksum_fold(sum);
	if (at == 1)
		frame->l4[1] = sum;
	else if (at == 3)
		frame->l4[3] = sum ? sum : 0xffff;
	else
		frame->l4[8] = sum;
	return 0;
}

/* The whole frame but its link header and its tag. */
static __always_inline void write_packet(struct frame *frame, const struct churn_way *way)
{
	__u32 sum;

	frame->ip_version = bpf_htons(0x4500);
	frame->ip_length = bpf_htons(sizeof(*frame) - sizeof(struct ethhdr));
	frame->ip_id = 0;
	frame->ip_fragment = bpf_htons(0x4000);
	frame->ip_ttl_protocol = bpf_htons(64 << 8 | way->proto);
	store_address(frame->ip_source, way->source);
	store_address(frame->ip_destination, way->destination);
	sum = frame->ip_source[0] + frame->ip_source[1] + frame->ip_destination[0] + frame->ip_destination[1];
	sum += frame->ip_version + frame->ip_length + frame->ip_fragment + frame->ip_ttl_protocol;
	frame->ip_check = checksum_fold(sum);
	write_l4(frame, way);
}

#endif
