/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether the checksum of an ICMP error is right. The translator changes it by differences, and so would pass on a wrong one as
 * a wrong one; but no more than the beginning of a packet is in reach of the parser, and the checksum is over all of it.
 */
#ifndef BAUTA_BPF_ICMP_CHECK_H
#define BAUTA_BPF_ICMP_CHECK_H

#include "checksum.h"
#include "frame.h"
#include "packet.h"
#include "platform.h"

/* What bpf_csum_diff takes at once. */
#define ICMP_CHUNK 512
#define ICMP_MAX_CHUNKS (65536 / ICMP_CHUNK)

struct icmp_chunk {
	__be32 word[ICMP_CHUNK / 4];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct icmp_chunk);
} icmp_chunks SEC(".maps");

struct icmp_sum {
	struct __sk_buff *skb;
	__u32 offset;
	__u32 left;
	__s64 sum; /* negative: it could not be read */
};

static long icmp_sum_step(__u32 n, void *ctx)
{
	struct icmp_sum *sum = ctx;
	__u32 zero = 0, num = sum->left < ICMP_CHUNK ? sum->left : ICMP_CHUNK;
	struct icmp_chunk *chunk = bpf_map_lookup_elem(&icmp_chunks, &zero);

	(void)n;
	if (!num || !chunk)
		return 1;
	if (num < ICMP_CHUNK)
		__builtin_memset(chunk, 0, sizeof(*chunk));
	/* 1 to ICMP_CHUNK it is; the verifier of 6.1 has to see it done, and the compiler not to see that it is idle */
	OPTIMIZER_HIDE_VAR(num);
	num = ((num - 1) & (ICMP_CHUNK - 1)) + 1;
	if (bpf_skb_load_bytes(sum->skb, sum->offset, chunk, num)) {
		sum->sum = -1;
		return 1;
	}
	sum->sum = bpf_csum_diff(NULL, 0, chunk->word, sizeof(*chunk), sum->sum);
	sum->offset += num;
	sum->left -= num;
	return 0;
}

/* RFC 5508 REQ-3. Of a fragment nobody knows: it is taken for right. */
SLOW_PATH bool icmp_checksum_is_right(struct __sk_buff *skb, const struct packet *pkt)
{
	struct icmp_sum sum = { .skb = skb };

	if (!pkt || pkt->first_fragment)
		return true;
	sum.offset = pkt->l4;
	sum.left = pkt->l4_len;
	bpf_loop(ICMP_MAX_CHUNKS, icmp_sum_step, &sum, 0);
	return sum.sum >= 0 && checksum_fold64(sum.sum) == 0xffff;
}

/* Parses, and looks at all of an ICMP error: for stages that see few packets. */
static __always_inline bool icmp_check_parse(struct __sk_buff *skb, struct packet *pkt)
{
	if (!parse(skb, pkt))
		return false;
	if (pkt->kind == PACKET_ICMP_ERROR && !icmp_checksum_is_right(skb, pkt))
		packet_bad(pkt, DROPPED_ICMP_CHECKSUM);
	return true;
}

#endif
