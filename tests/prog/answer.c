/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* RFC 1812 §4.3.2.3: the answer is no longer than this */
#define MAX_LEN 576

bool frame_is_whole(struct frame *frame)
{
	struct iphdr *ip = frame_ip(frame);
	__u32 header_len = ip->ihl * 4;

	return frame->len >= ETH_HLEN + sizeof(*ip) && ip->version == 4 && header_len >= sizeof(*ip) &&
	       frame_ip_len(frame) >= header_len && ETH_HLEN + frame_ip_len(frame) <= frame->len &&
	       !(ip->frag_off & htons(0x3fff));
}

static void check_turned(struct frame *sent, struct frame *answer, __be32 src, __u8 proto)
{
	struct iphdr *ip = frame_ip(answer);

	assert_true(frame_is_whole(answer));
	assert_memory_equal(answer->bytes, sent->bytes + ETH_ALEN, ETH_ALEN);
	assert_memory_equal(answer->bytes + ETH_ALEN, sent->bytes, ETH_ALEN);
	assert_int_equal(answer->len, ETH_HLEN + frame_ip_len(answer));
	assert_int_equal(ip->ihl, 5);
	assert_int_equal(ip->protocol, proto);
	assert_int_equal(ip->saddr, src);
	assert_int_equal(ip->daddr, frame_ip(sent)->saddr);
	assert_int_equal(ip->ttl, 64); /* RFC 1812 §4.3.2.2: not that of what was sent */
	assert_true(ip_checksum_is_right(ip));
	assert_true(transport_checksum_is_right(ip, frame_l4(answer)));
}

void check_error(struct frame *sent, struct frame *answer, __be32 src, __u8 code)
{
	struct icmp_header *icmp = frame_l4(answer);
	__u32 quote_len = frame_ip_len(sent);

	check_turned(sent, answer, src, IPPROTO_ICMP);
	assert_int_equal(icmp->type, ICMP_TYPE_UNREACHABLE);
	assert_int_equal(icmp->code, code);
	assert_int_equal(icmp->id, 0);
	assert_int_equal(icmp->sequence, 0);
	assert_int_equal(frame_ip(answer)->tos, frame_ip(sent)->tos & 0xfc); /* RFC 5508 §7.7; ECN is the sender's */
	if (quote_len > MAX_LEN - 28)
		quote_len = MAX_LEN - 28;
	assert_int_equal(frame_ip_len(answer), 28 + quote_len);
	assert_memory_equal(icmp + 1, frame_ip(sent), quote_len);
}

/* RFC 9293 §3.10.7.1 */
void check_reset(struct frame *sent, struct frame *answer)
{
	struct tcphdr *asked = frame_l4(sent), *rst = frame_l4(answer);
	__u32 len = frame_ip_len(sent) - frame_ip(sent)->ihl * 4 - asked->doff * 4 + asked->syn + asked->fin;

	check_turned(sent, answer, frame_ip(sent)->daddr, IPPROTO_TCP);
	assert_int_equal(frame_ip_len(answer), sizeof(struct iphdr) + sizeof(*rst));
	assert_int_equal(rst->source, asked->dest);
	assert_int_equal(rst->dest, asked->source);
	assert_int_equal(rst->seq, asked->ack ? asked->ack_seq : 0);
	assert_int_equal(ntohl(rst->ack_seq), asked->ack ? 0 : ntohl(asked->seq) + len);
	assert_int_equal(rst->doff, sizeof(*rst) / 4);
	assert_true(rst->rst);
	assert_int_equal(rst->ack, !asked->ack);
	assert_false(rst->syn || rst->fin || rst->psh || rst->urg);
}
