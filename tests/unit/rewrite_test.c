/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Putting decisions into packets: every checksum is right afterwards, nothing else changes, and the way back leads to the
 * same octets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "frame.h"
#include "rewrite.h"
#include "world.h"

#define INTERNAL "192.168.1.10"
#define EXTERNAL "198.51.100.1"
#define REMOTE "203.0.113.5"

enum direction { OUTBOUND, INBOUND };

static bool rewrite_frame(struct frame *frame, enum direction direction, struct endpoint new,
			  enum rewrite_checksum which)
{
	struct decision decision = { .inbound = direction == INBOUND, .new = new };
	void *end = frame->bytes + frame->len;
	struct packet packet;

	assert_int_equal(packet_parse(&packet, frame->bytes, end, ETH_HLEN, frame->len), PARSE_OK);
	assert_int_not_equal(packet.kind, PACKET_BAD);
	return rewrite(&packet, frame->bytes, end, &decision, which);
}

static void change(struct frame *frame, enum direction direction, struct endpoint new)
{
	assert_true(rewrite_frame(frame, direction, new, REWRITE_CHECKSUM));
}

static __u16 udp_checksum(struct frame *frame)
{
	return ntohs(((struct udphdr *)frame_l4(frame))->check);
}

/* ---- known numbers -------------------------------------------------------------------------------------------- */

static void agrees_with_the_vector(void **state)
{
	struct udphdr *udp;
	struct frame frame;

	(void)state;
	udp = frame_begin(&frame, inet_addr(INTERNAL), inet_addr(REMOTE), IPPROTO_UDP, sizeof(*udp) + 4);
	*udp = (struct udphdr){ .source = htons(40000), .dest = htons(53), .len = htons(12) };
	memcpy(udp + 1, "abcd", 4);
	frame_seal(&frame);
	assert_int_equal(udp_checksum(&frame), 0xa0e1);
	change(&frame, OUTBOUND, at(EXTERNAL, 61000));
	assert_int_equal(udp_checksum(&frame), 0xe656);
	assert_true(frame_is_sound(&frame));
	/* RFC 768: computed as 0, sent as 0xffff */
	change(&frame, OUTBOUND, at(EXTERNAL, 54431));
	assert_int_equal(udp_checksum(&frame), 0xffff);
	assert_true(frame_is_sound(&frame));
	change(&frame, OUTBOUND, at(EXTERNAL, 61000));
	assert_int_equal(udp_checksum(&frame), 0xe656);
}

/* RFC 1624 §4: the sum that equation 2 gets wrong */
static void agrees_with_rfc_1624(void **state)
{
	__u16 checksum = htons(0xdd2f);

	(void)state;
	checksum_replace16(&checksum, htons(0x5555), htons(0x3285));
	assert_int_equal(checksum, 0);
}

/* RFC 3022 §4.1 */
static void leaves_udp_without_checksum(void **state)
{
	struct frame frame;

	(void)state;
	frame_udp(&frame, at(INTERNAL, 40000), at(REMOTE, 53), 30);
	((struct udphdr *)frame_l4(&frame))->check = 0;
	change(&frame, OUTBOUND, at(EXTERNAL, 61000));
	assert_int_equal(udp_checksum(&frame), 0);
	assert_true(ip_checksum_is_right(frame_ip(&frame)));
	assert_true(endpoint_equal(frame_src(&frame), at(EXTERNAL, 61000)));
}

/* Whoever sent a wrong checksum is found out by the receiver, not hidden by us. */
static void keeps_wrong_checksums_wrong(void **state)
{
	struct frame frame;

	(void)state;
	frame_tcp(&frame, at(INTERNAL, 40000), at(REMOTE, 80), LIFE_ACK, 30);
	((struct tcphdr *)frame_l4(&frame))->check ^= htons(0x0400);
	change(&frame, OUTBOUND, at(EXTERNAL, 61000));
	assert_true(ip_checksum_is_right(frame_ip(&frame)));
	assert_false(transport_checksum_is_right(frame_ip(&frame), frame_l4(&frame)));
}

/* A hook that knows more about the checksum sees to it. */
static void leaves_the_transport_checksum(void **state)
{
	struct frame frame;
	__u16 before;

	(void)state;
	frame_udp(&frame, at(INTERNAL, 40000), at(REMOTE, 53), 30);
	before = udp_checksum(&frame);
	assert_true(rewrite_frame(&frame, OUTBOUND, at(EXTERNAL, 61000), LEAVE_CHECKSUM));
	assert_int_equal(udp_checksum(&frame), before);
	assert_true(ip_checksum_is_right(frame_ip(&frame)));
	/* of ICMP nobody but us knows */
	frame_icmp(&frame, inet_addr(INTERNAL), inet_addr(REMOTE), ICMP_TYPE_ECHO, 77);
	assert_true(rewrite_frame(&frame, OUTBOUND, at(EXTERNAL, 78), LEAVE_CHECKSUM));
	assert_true(frame_is_sound(&frame));
}

/* ---- fragments ------------------------------------------------------------------------------------------------ */

/* The checksum in the first fragment is that of the whole datagram. */
static void changes_fragments(void **state)
{
	struct frame frame, first, later;
	__u8 *rest;

	(void)state;
	frame_udp(&frame, at(INTERNAL, 40000), at(REMOTE, 53), 400);
	first = frame;
	frame_ip(&first)->frag_off = htons(IP_MF);
	frame_ip(&first)->tot_len = htons(20 + 200);
	first.len = ETH_HLEN + 20 + 200;
	seal_ip(frame_ip(&first));
	rest = frame_begin(&later, inet_addr(INTERNAL), inet_addr(REMOTE), IPPROTO_UDP, 208);
	memcpy(rest, (__u8 *)frame_l4(&frame) + 200, 208);
	frame_ip(&later)->frag_off = htons(200 / 8);
	seal_ip(frame_ip(&later));

	change(&first, OUTBOUND, at(EXTERNAL, 61000));
	change(&later, OUTBOUND, at(EXTERNAL, 61000));
	assert_true(ip_checksum_is_right(frame_ip(&first)));
	assert_true(ip_checksum_is_right(frame_ip(&later)));
	assert_int_equal(frame_ip(&later)->saddr, inet_addr(EXTERNAL));
	assert_memory_equal(rest, (__u8 *)frame_l4(&frame) + 200, 208);
	frame_ip(&frame)->saddr = inet_addr(EXTERNAL);
	memcpy(frame_l4(&frame), frame_l4(&first), 200);
	assert_true(transport_checksum_is_right(frame_ip(&frame), frame_l4(&frame)));
}

/* ---- any packet ----------------------------------------------------------------------------------------------- */

static struct endpoint random_endpoint(void)
{
	return (struct endpoint){ .addr = platform_random(), .port = platform_random() };
}

static __u32 random_below(__u32 limit)
{
	return platform_random() % limit;
}

/* A packet of any kind that is rewritten, with random addresses, ports, payload and header fields; `about` of errors. */
static void make_random(struct frame *frame, enum direction direction)
{
	struct endpoint src = random_endpoint(), dst = random_endpoint();
	struct frame about;
	__u32 kind = random_below(4);
	__u8 *payload;

	if (kind == 0) {
		frame_udp(frame, src, dst, random_below(100));
	} else if (kind == 1) {
		frame_tcp(frame, src, dst, platform_random() & LIFE_TCP_MASK, random_below(100));
	} else if (kind == 2) {
		frame_icmp(frame, src.addr, dst.addr, direction == OUTBOUND ? ICMP_TYPE_ECHO : ICMP_TYPE_ECHO_REPLY,
			   src.port);
	} else {
		do
			make_random(&about, direction == OUTBOUND ? INBOUND : OUTBOUND);
		while (frame_ip(&about)->protocol == IPPROTO_ICMP &&
		       icmp_is_error(((struct icmp_header *)frame_l4(&about))->type));
		frame_error(frame, src.addr, dst.addr, ICMP_TYPE_TIME_EXCEEDED, &about,
			    frame_ip(&about)->ihl * 4 + 8 + random_below(12));
		return;
	}
	/* the last octets are payload of all of them */
	payload = frame->bytes + frame->len - 4;
	for (int i = 0; kind != 1 && frame->len > ETH_HLEN + 28 + 4 && i < 4; i++)
		payload[i] = platform_random();
	frame_ip(frame)->tos = platform_random();
	frame_ip(frame)->id = platform_random();
	frame_ip(frame)->frag_off = random_below(2) ? htons(IP_DF) : 0;
	frame_ip(frame)->ttl = platform_random();
	frame_seal(frame);
	if (random_below(4) == 0)
		frame_add_options(frame, random_below(11));
}

/* Whether an offset is one that a rewrite of this packet may touch. */
static bool may_change(struct frame *frame, __u32 offset)
{
	struct packet packet;
	__u32 l3, l4;

	packet_parse(&packet, frame->bytes, frame->bytes + frame->len, ETH_HLEN, frame->len);
	l3 = packet.l3;
	l4 = packet.l4;
	for (int quote = 0; quote <= (packet.kind == PACKET_ICMP_ERROR); quote++) {
		__u8 proto = quote ? packet.quote.proto : packet.tuple.proto;

		if (offset >= l3 + 10 && offset < l3 + 20) /* checksum, addresses */
			return true;
		if (offset >= l4 && offset < l4 + 8 && proto != IPPROTO_ICMP)
			return offset < l4 + 4 || (proto == IPPROTO_UDP && offset >= l4 + 6);
		if (offset >= l4 + 2 && offset < l4 + 6 && proto == IPPROTO_ICMP)
			return offset < l4 + 4 || quote || packet.kind != PACKET_ICMP_ERROR;
		if (offset >= l4 + 16 && offset < l4 + 18 && proto == IPPROTO_TCP)
			return true;
		l3 = packet.quote_l3;
		l4 = packet.quote_l4;
	}
	return false;
}

#define NUM_RANDOM 100000

static void goes_there_and_back(void **state)
{
	struct frame sent, frame;

	(void)state;
	platform.random = world_seed() | 1;
	for (int i = 0; i < NUM_RANDOM; i++) {
		enum direction direction = random_below(2);
		struct endpoint new = random_endpoint(), old;
		struct packet packet;

		make_random(&sent, direction);
		assert_true(frame_is_sound(&sent));
		frame = sent;
		packet_parse(&packet, sent.bytes, sent.bytes + sent.len, ETH_HLEN, sent.len);
		/* an error takes its address from the quote: the packet came from, or goes to, whom it speaks of */
		if (packet.kind == PACKET_ICMP_ERROR) {
			old = rewrite_old(&packet.quote, direction == OUTBOUND);
			if (direction == OUTBOUND)
				frame_ip(&sent)->saddr = old.addr;
			else
				frame_ip(&sent)->daddr = old.addr;
			seal_ip(frame_ip(&sent));
			frame = sent;
		} else {
			old = rewrite_old(&packet.tuple, direction == INBOUND);
		}
		change(&frame, direction, new);
		if (!frame_is_sound(&frame))
			fail_msg("packet %d, kind %d: a checksum is wrong", i, packet.kind);
		for (__u32 n = 0; n < frame.len; n++)
			if (frame.bytes[n] != sent.bytes[n] && !may_change(&sent, n))
				fail_msg("packet %d, kind %d: octet %u changed", i, packet.kind, n);
		change(&frame, direction, old);
		if (!frame_equal(&frame, &sent))
			fail_msg("packet %d, kind %d: the way back leads elsewhere", i, packet.kind);
	}
}

/* ---- errors --------------------------------------------------------------------------------------------------- */

/* What the internal host is told about is what it sent, to the octet; but half a checksum cannot be put right. */
static void gives_back_what_was_sent(void **state)
{
	struct frame sent, frame, error;

	(void)state;
	for (__u32 quote_len = 28; quote_len <= 60; quote_len++) {
		frame_tcp(&sent, at(INTERNAL, 40000), at(REMOTE, 80), LIFE_ACK, 20);
		frame = sent;
		change(&frame, OUTBOUND, at(EXTERNAL, 61000));
		frame_error(&error, inet_addr("203.0.113.99"), inet_addr(EXTERNAL), ICMP_TYPE_UNREACHABLE, &frame,
			    quote_len);
		change(&error, INBOUND, at(INTERNAL, 40000));
		assert_true(frame_is_sound(&error));
		assert_int_equal(frame_ip(&error)->saddr, inet_addr("203.0.113.99"));
		assert_int_equal(frame_ip(&error)->daddr, inet_addr(INTERNAL));
		assert_memory_equal((struct icmp_header *)frame_l4(&error) + 1, frame_ip(&sent),
				    quote_len == 37 ? 36 : quote_len);
	}
}

/* RFC 5508 REQ-5: and nothing of the inside is seen outside. */
static void hides_the_inside(void **state)
{
	struct frame frame, error;
	__be32 inside = inet_addr(INTERNAL);

	(void)state;
	frame_udp(&frame, at(REMOTE, 53), at(INTERNAL, 40000), 20);
	/* by the host itself, and by a router inside */
	for (int i = 0; i < 2; i++) {
		frame_error(&error, inet_addr(i ? "192.168.1.1" : INTERNAL), inet_addr(REMOTE), ICMP_TYPE_TIME_EXCEEDED,
			    &frame, 0);
		change(&error, OUTBOUND, at(EXTERNAL, 61000));
		assert_true(frame_is_sound(&error));
		assert_int_equal(frame_ip(&error)->saddr, inet_addr(EXTERNAL));
		for (__u32 n = 0; n + 3 <= error.len; n++)
			assert_memory_not_equal(error.bytes + n, &inside, 3);
	}
}

/* RFC 5508 REQ-3c: the quoted checksum need not be right; REQ-3d: what follows the quote is left alone. */
static void leaves_what_it_does_not_judge(void **state)
{
	static const __u8 extension[] = { 0x20, 0, 0xab, 0xcd, 0, 8, 1, 1, 0xde, 0xad, 0xbe, 0xef };
	struct frame frame, error, before;
	struct icmp_header *icmp;
	__u8 *quote;

	(void)state;
	frame_udp(&frame, at(EXTERNAL, 61000), at(REMOTE, 53), 20);
	((struct udphdr *)frame_l4(&frame))->check ^= htons(0x0101);
	frame_error(&error, inet_addr(REMOTE), inet_addr(EXTERNAL), ICMP_TYPE_TIME_EXCEEDED, &frame, 0);
	icmp = frame_l4(&error);
	quote = (__u8 *)(icmp + 1);
	memset(quote + 48, 0, 128 - 48);
	memcpy(quote + 128, extension, sizeof(extension));
	((__u8 *)icmp)[5] = 128 / 4;
	frame_ip(&error)->tot_len = htons(20 + 8 + 128 + sizeof(extension));
	error.len = ETH_HLEN + frame_ip_len(&error);
	frame_seal(&error);
	before = error;
	change(&error, INBOUND, at(INTERNAL, 40000));
	assert_true(transport_checksum_is_right(frame_ip(&error), icmp));
	assert_memory_equal(quote + 28, before.bytes + ETH_HLEN + 28 + 28, 128 - 28 + sizeof(extension));
	assert_int_equal(((__u8 *)icmp)[5], 128 / 4);
	change(&error, INBOUND, at(EXTERNAL, 61000));
	assert_true(frame_equal(&error, &before));
}

/* ---- ends ----------------------------------------------------------------------------------------------------- */

/* The parser has seen to it that all is there; if it is not, nothing behind the end is touched. */
static void stays_within(void **state)
{
	struct decision decision = { .new = at(EXTERNAL, 61000) };
	struct frame about, frame;
	struct packet packet;

	(void)state;
	frame_tcp(&about, at(REMOTE, 80), at(INTERNAL, 40000), LIFE_ACK, 20);
	frame_error(&frame, inet_addr(INTERNAL), inet_addr(REMOTE), ICMP_TYPE_UNREACHABLE, &about, 0);
	packet_parse(&packet, frame.bytes, frame.bytes + frame.len, ETH_HLEN, frame.len);
	for (__u32 len = 0; len <= frame.len; len++) {
		__u8 *memory = malloc(sizeof(frame.unused) + len);
		__u8 *data = memory + sizeof(frame.unused);
		bool done;

		assert_non_null(memory);
		memcpy(data, frame.bytes, len);
		done = rewrite(&packet, data, data + len, &decision, REWRITE_CHECKSUM);
		assert_int_equal(done, len >= packet.quote_l4 + 4U);
		free(memory);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_vector),
		cmocka_unit_test(agrees_with_rfc_1624),
		cmocka_unit_test(leaves_udp_without_checksum),
		cmocka_unit_test(keeps_wrong_checksums_wrong),
		cmocka_unit_test(leaves_the_transport_checksum),
		cmocka_unit_test(changes_fragments),
		cmocka_unit_test(goes_there_and_back),
		cmocka_unit_test(gives_back_what_was_sent),
		cmocka_unit_test(hides_the_inside),
		cmocka_unit_test(leaves_what_it_does_not_judge),
		cmocka_unit_test(stays_within),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
