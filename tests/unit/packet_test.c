/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parser: what it finds in good packets, what it refuses in bad ones, and that it reads nothing beyond their end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "frame.h"
#include "packet.h"
#include "world.h"

#define INTERNAL "192.168.0.5"
#define EXTERNAL "192.0.2.1"
#define REMOTE "198.51.100.8"

/* Parses the first `linear` octets of a frame, which end where the memory does: reading one more is an ASan error. */
static enum parse_result parse_linear(const struct frame *frame, __u32 linear, struct packet *ret_packet)
{
	__u8 *memory = malloc(sizeof(frame->unused) + linear);
	__u8 *data = memory + sizeof(frame->unused);
	enum parse_result result;

	assert_non_null(memory);
	memcpy(data, frame->bytes, linear);
	result = packet_parse(ret_packet, data, data + linear, ETH_HLEN, frame->len);
	free(memory);
	return result;
}

static struct packet parse(const struct frame *frame)
{
	struct packet packet;

	assert_int_equal(parse_linear(frame, frame->len, &packet), PARSE_OK);
	return packet;
}

static void assert_tuple(const struct tuple *tuple, __u8 proto, struct endpoint src, struct endpoint dst)
{
	assert_int_equal(tuple->proto, proto);
	assert_int_equal(tuple->src, src.addr);
	assert_int_equal(tuple->sport, src.port);
	assert_int_equal(tuple->dst, dst.addr);
	assert_int_equal(tuple->dport, dst.port);
}

/* ---- good packets --------------------------------------------------------------------------------------------- */

static void finds_ports(void **state)
{
	struct endpoint src = at(INTERNAL, 5000), dst = at(REMOTE, 80);
	struct frame frame;
	struct packet packet;

	(void)state;
	frame_udp(&frame, src, dst, 0);
	packet = parse(&frame);
	assert_int_equal(packet.kind, PACKET_UDP);
	assert_tuple(&packet.tuple, IPPROTO_UDP, src, dst);
	frame_tcp(&frame, src, dst, LIFE_SYN, 0);
	packet = parse(&frame);
	assert_int_equal(packet.kind, PACKET_TCP);
	assert_tuple(&packet.tuple, IPPROTO_TCP, src, dst);
	assert_int_equal(packet.l3, ETH_HLEN);
	assert_int_equal(packet.l4, ETH_HLEN + sizeof(struct iphdr));
}

static void finds_tcp_flags(void **state)
{
	struct frame frame;

	(void)state;
	for (__u32 flags = 0; flags <= LIFE_TCP_MASK; flags += LIFE_SYN) {
		frame_tcp(&frame, at(INTERNAL, 1), at(REMOTE, 2), flags, 100);
		assert_int_equal(parse(&frame).tcp_flags, flags);
	}
}

static void finds_query_identifiers(void **state)
{
	static const struct {
		__u8 type;
		enum packet_kind kind;
	} cases[] = {
		{ ICMP_TYPE_ECHO, PACKET_ICMP_REQUEST },
		{ ICMP_TYPE_TIMESTAMP, PACKET_ICMP_REQUEST },
		{ ICMP_TYPE_ECHO_REPLY, PACKET_ICMP_REPLY },
		{ ICMP_TYPE_TIMESTAMP_REPLY, PACKET_ICMP_REPLY },
	};
	struct packet packet;
	struct frame frame;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool request = cases[i].kind == PACKET_ICMP_REQUEST;

		frame_icmp(&frame, inet_addr(INTERNAL), inet_addr(REMOTE), cases[i].type, 77);
		packet = parse(&frame);
		assert_int_equal(packet.kind, cases[i].kind);
		assert_tuple(&packet.tuple, IPPROTO_ICMP, at(INTERNAL, request ? 77 : 0), at(REMOTE, request ? 0 : 77));
	}
}

/* Every type that is neither a query nor an error. RFC 6633: source quench is for nobody. */
static void leaves_other_icmp_types(void **state)
{
	struct packet packet;
	struct frame frame;

	(void)state;
	for (int type = 0; type < 256; type++) {
		if (icmp_is_request(type) || icmp_is_reply(type) || icmp_is_error(type))
			continue;
		frame_icmp(&frame, inet_addr(REMOTE), inet_addr(EXTERNAL), type, 77);
		packet = parse(&frame);
		assert_int_equal(packet.kind, type == ICMP_TYPE_SOURCE_QUENCH ? PACKET_BAD : PACKET_ICMP_OTHER);
		assert_true(packet.kind == PACKET_ICMP_OTHER || packet.bad == DROPPED_ICMP_TYPE);
	}
}

static void leaves_other_protocols(void **state)
{
	struct frame frame;

	(void)state;
	for (int proto = 0; proto < 256; proto++) {
		if (proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_ICMP)
			continue;
		frame_other(&frame, inet_addr(INTERNAL), inet_addr(REMOTE), proto);
		assert_int_equal(parse(&frame).kind, PACKET_OTHER);
	}
}

static void steps_over_options(void **state)
{
	struct packet packet;
	struct frame frame;

	(void)state;
	for (__u32 words = 0; words <= 10; words++) {
		frame_udp(&frame, at(INTERNAL, 5000), at(REMOTE, 53), 3);
		frame_add_options(&frame, words);
		packet = parse(&frame);
		assert_int_equal(packet.kind, PACKET_UDP);
		assert_int_equal(packet.l4, ETH_HLEN + 20 + words * 4);
		assert_tuple(&packet.tuple, IPPROTO_UDP, at(INTERNAL, 5000), at(REMOTE, 53));
	}
}

/* What an Ethernet device adds to a short frame is not part of the packet. */
static void ignores_padding(void **state)
{
	struct frame frame;

	(void)state;
	frame_udp(&frame, at(INTERNAL, 5000), at(REMOTE, 53), 1);
	frame.len = ETH_ZLEN;
	assert_int_equal(parse(&frame).kind, PACKET_UDP);
	((struct udphdr *)frame_l4(&frame))->len = htons(10);
	assert_int_equal(parse(&frame).bad, DROPPED_UDP_HEADER);
}

/* A device that segments by itself is given packets of more than 64 kB, whose length field has no room for it. */
static void takes_a_packet_without_length(void **state)
{
	struct packet packet;
	struct frame frame;

	(void)state;
	frame_tcp(&frame, at(INTERNAL, 5000), at(REMOTE, 80), LIFE_ACK, 1000);
	frame_ip(&frame)->tot_len = 0;
	seal_ip(frame_ip(&frame));
	assert_int_equal(packet_parse(&packet, frame.bytes, frame.bytes + frame.len, ETH_HLEN, 100000), PARSE_OK);
	assert_int_equal(packet.kind, PACKET_TCP);
	assert_int_equal(packet_parse(&packet, frame.bytes, frame.bytes + frame.len, ETH_HLEN, ETH_HLEN + 0xffff),
			 PARSE_BAD);
	assert_int_equal(packet.bad, DROPPED_IP_LENGTH);
}

static void tells_fragments(void **state)
{
	struct packet packet;
	struct frame frame;

	(void)state;
	frame_udp(&frame, at(INTERNAL, 5000), at(REMOTE, 53), 100);
	frame_ip(&frame)->frag_off = htons(IP_DF);
	seal_ip(frame_ip(&frame));
	packet = parse(&frame);
	assert_int_equal(packet.kind, PACKET_UDP);
	assert_int_equal(packet.first_fragment, 0);

	/* the length of the datagram counts what the first fragment has not */
	frame_ip(&frame)->frag_off = htons(IP_MF);
	((struct udphdr *)frame_l4(&frame))->len = htons(4000);
	seal_ip(frame_ip(&frame));
	packet = parse(&frame);
	assert_int_equal(packet.kind, PACKET_UDP);
	assert_int_equal(packet.first_fragment, 1);

	for (__u32 offset = 1; offset <= IP_OFFSET; offset *= 2) {
		frame_ip(&frame)->frag_off = htons(offset);
		seal_ip(frame_ip(&frame));
		packet = parse(&frame);
		assert_int_equal(packet.kind, PACKET_FRAGMENT);
		assert_int_equal(packet.tuple.ports, 0);
	}
}

/* ---- quotes --------------------------------------------------------------------------------------------------- */

static void finds_quotes(void **state)
{
	static const __u8 types[] = { ICMP_TYPE_UNREACHABLE, ICMP_TYPE_TIME_EXCEEDED, ICMP_TYPE_PARAMETER_PROBLEM };
	struct frame about, frame;
	struct packet packet;

	(void)state;
	for (size_t i = 0; i < sizeof(types); i++) {
		/* RFC 792: 28 octets, and whatever more there is */
		for (__u32 quote_len = 28; quote_len <= 60; quote_len++) {
			frame_tcp(&about, at(EXTERNAL, 4000), at(REMOTE, 80), LIFE_ACK, 40);
			frame_error(&frame, inet_addr("203.0.113.9"), inet_addr(EXTERNAL), types[i], &about, quote_len);
			packet = parse(&frame);
			assert_int_equal(packet.kind, PACKET_ICMP_ERROR);
			assert_tuple(&packet.quote, IPPROTO_TCP, at(EXTERNAL, 4000), at(REMOTE, 80));
			assert_int_equal(packet.quote_has_checksum, quote_len >= 20 + 18);
			assert_int_equal(packet.quote_l3, packet.l4 + 8);
			assert_int_equal(packet.quote_l4, packet.l4 + 28);
		}
	}
	frame_udp(&about, at(EXTERNAL, 4000), at(REMOTE, 53), 40);
	frame_error(&frame, inet_addr(REMOTE), inet_addr(EXTERNAL), ICMP_TYPE_UNREACHABLE, &about, 28);
	packet = parse(&frame);
	assert_tuple(&packet.quote, IPPROTO_UDP, at(EXTERNAL, 4000), at(REMOTE, 53));
	assert_int_equal(packet.quote_has_checksum, 1);
}

/* RFC 5508 REQ-3b */
static void steps_over_options_of_quotes(void **state)
{
	struct frame about, frame;
	struct packet packet;

	(void)state;
	for (__u32 words = 0; words <= 10; words++) {
		frame_tcp(&about, at(EXTERNAL, 4000), at(REMOTE, 80), LIFE_ACK, 0);
		frame_add_options(&about, words);
		frame_error(&frame, inet_addr(REMOTE), inet_addr(EXTERNAL), ICMP_TYPE_UNREACHABLE, &about, 0);
		frame_add_options(&frame, words);
		packet = parse(&frame);
		assert_int_equal(packet.kind, PACKET_ICMP_ERROR);
		assert_tuple(&packet.quote, IPPROTO_TCP, at(EXTERNAL, 4000), at(REMOTE, 80));
		assert_int_equal(packet.quote_l4, packet.l4 + 8 + 20 + words * 4);
		assert_int_equal(packet.quote_has_checksum, 1);
		assert_true(packet.quote_l4 + 18 <= ETH_HLEN + PACKET_HEADERS_MAX);
	}
}

/* RFC 4884: the quote is padded with zeros to 128 octets, and an extension follows; byte 5 says how many words. */
static void finds_quotes_before_extensions(void **state)
{
	static const __u8 extension[] = { 0x20, 0, 0xff, 0xff, 0, 8, 1, 1, 1, 2, 3, 4 };
	struct frame about, frame;
	struct packet packet;
	__u8 *quote;

	(void)state;
	frame_udp(&about, at(EXTERNAL, 4000), at(REMOTE, 53), 20);
	frame_error(&frame, inet_addr(REMOTE), inet_addr(EXTERNAL), ICMP_TYPE_TIME_EXCEEDED, &about, 0);
	quote = (__u8 *)frame_l4(&frame) + 8;
	memset(quote + 48, 0, 128 - 48);
	memcpy(quote + 128, extension, sizeof(extension));
	quote[-3] = 128 / 4;
	frame_ip(&frame)->tot_len = htons(20 + 8 + 128 + sizeof(extension));
	frame.len = ETH_HLEN + frame_ip_len(&frame);
	frame_seal(&frame);
	packet = parse(&frame);
	assert_int_equal(packet.kind, PACKET_ICMP_ERROR);
	assert_tuple(&packet.quote, IPPROTO_UDP, at(EXTERNAL, 4000), at(REMOTE, 53));
}

/* RFC 5508 REQ-3d: where a TCP header was cut off, the padding of the extended format is no checksum. */
static void finds_no_checksum_in_padding(void **state)
{
	struct frame about, frame;
	struct packet packet;

	(void)state;
	for (__u32 quoted = 8; quoted <= 20; quoted++) {
		frame_tcp(&about, at(EXTERNAL, 4000), at(REMOTE, 80), LIFE_ACK, 100);
		memset((__u8 *)frame_l4(&about) + quoted, 0, 108 - quoted);
		frame_error(&frame, inet_addr(REMOTE), inet_addr(EXTERNAL), ICMP_TYPE_TIME_EXCEEDED, &about, 128);
		((__u8 *)frame_l4(&frame))[5] = 128 / 4;
		frame_seal(&frame);
		packet = parse(&frame);
		assert_int_equal(packet.kind, PACKET_ICMP_ERROR);
		assert_int_equal(packet.quote_has_checksum, quoted > 12);
	}
}

static void finds_quoted_queries(void **state)
{
	struct frame about, frame;
	struct packet packet;

	(void)state;
	frame_icmp(&about, inet_addr(EXTERNAL), inet_addr(REMOTE), ICMP_TYPE_ECHO, 77);
	frame_error(&frame, inet_addr(REMOTE), inet_addr(EXTERNAL), ICMP_TYPE_TIME_EXCEEDED, &about, 28);
	packet = parse(&frame);
	assert_tuple(&packet.quote, IPPROTO_ICMP, at(EXTERNAL, 77), at(REMOTE, 0));
	frame_icmp(&about, inet_addr(REMOTE), inet_addr(INTERNAL), ICMP_TYPE_TIMESTAMP_REPLY, 77);
	frame_error(&frame, inet_addr(INTERNAL), inet_addr(REMOTE), ICMP_TYPE_UNREACHABLE, &about, 28);
	packet = parse(&frame);
	assert_tuple(&packet.quote, IPPROTO_ICMP, at(REMOTE, 0), at(INTERNAL, 77));
	assert_int_equal(packet.quote_has_checksum, 1);
}

/* An error about what the host itself sent of a protocol that is not translated is the host's: its path MTU hangs on it. */
static void finds_quotes_of_other_protocols(void **state)
{
	struct frame about, frame;
	struct packet packet;

	(void)state;
	frame_other(&about, inet_addr(EXTERNAL), inet_addr(REMOTE), IPPROTO_ESP);
	frame_error(&frame, inet_addr(REMOTE), inet_addr(EXTERNAL), ICMP_TYPE_UNREACHABLE, &about, 28);
	packet = parse(&frame);
	assert_int_equal(packet.kind, PACKET_ICMP_ERROR);
	assert_tuple(&packet.quote, IPPROTO_ESP, at(EXTERNAL, 0), at(REMOTE, 0));
	assert_int_equal(packet.quote_has_checksum, 0);
}

/* ---- bad packets ---------------------------------------------------------------------------------------------- */

enum sort { SORT_UDP, SORT_TCP, SORT_QUERY, SORT_ERROR, NUM_SORT };

static void make(struct frame *frame, enum sort sort)
{
	struct frame about;

	switch (sort) {
	case SORT_TCP:
		frame_tcp(frame, at(INTERNAL, 5000), at(REMOTE, 80), LIFE_ACK, 30);
		return;
	case SORT_QUERY:
		frame_icmp(frame, inet_addr(INTERNAL), inet_addr(REMOTE), ICMP_TYPE_ECHO, 77);
		return;
	case SORT_ERROR:
		frame_tcp(&about, at(REMOTE, 80), at(INTERNAL, 5000), LIFE_ACK, 30);
		frame_error(frame, inet_addr(INTERNAL), inet_addr(REMOTE), ICMP_TYPE_UNREACHABLE, &about, 0);
		return;
	case SORT_UDP:
	case NUM_SORT:
		break;
	}
	frame_udp(frame, at(INTERNAL, 5000), at(REMOTE, 53), 30);
}

enum place_of {
	IN_IP, /* of the packet */
	IN_L4,
	IN_QUOTE, /* of the quoted packet */
};

enum seal { UNSEALED, SEALED };

/* One octet, or two in network order, of a packet that is right, changed; and the checksum over it put right or not. */
struct flaw {
	const char *name;
	enum sort sort;
	enum place_of place;
	__u8 offset;
	__u8 size;
	__u16 value;
	enum seal seal;
	enum reason reason; /* of PACKET_BAD */
};

static const struct flaw flaws[] = {
	{ "version 6", SORT_UDP, IN_IP, 0, 1, 0x65, SEALED, DROPPED_IP_HEADER },
	{ "version 0", SORT_UDP, IN_IP, 0, 1, 0x05, SEALED, DROPPED_IP_HEADER },
	{ "no header length", SORT_UDP, IN_IP, 0, 1, 0x40, UNSEALED, DROPPED_IP_HEADER },
	{ "header length 4", SORT_UDP, IN_IP, 0, 1, 0x44, UNSEALED, DROPPED_IP_HEADER },
	{ "header longer than the packet", SORT_UDP, IN_IP, 0, 1, 0x4f, UNSEALED, DROPPED_IP_LENGTH },
	{ "length 0", SORT_UDP, IN_IP, 2, 2, 0, SEALED, DROPPED_IP_LENGTH },
	{ "length below the header's", SORT_UDP, IN_IP, 2, 2, 19, SEALED, DROPPED_IP_LENGTH },
	{ "length beyond the end", SORT_UDP, IN_IP, 2, 2, 59, SEALED, DROPPED_IP_LENGTH },
	{ "length 65535", SORT_UDP, IN_IP, 2, 2, 0xffff, SEALED, DROPPED_IP_LENGTH },
	{ "checksum 0", SORT_UDP, IN_IP, 10, 2, 0, UNSEALED, DROPPED_IP_CHECKSUM },
	{ "another TTL, same checksum", SORT_TCP, IN_IP, 8, 1, 1, UNSEALED, DROPPED_IP_CHECKSUM },
	{ "TCP without all its header", SORT_TCP, IN_IP, 2, 2, 39, SEALED, DROPPED_TCP_HEADER },
	{ "TCP without header", SORT_TCP, IN_IP, 2, 2, 20, SEALED, DROPPED_TCP_HEADER },
	{ "TCP data offset 4", SORT_TCP, IN_L4, 12, 1, 0x40, SEALED, DROPPED_TCP_HEADER },
	{ "TCP data offset 0", SORT_TCP, IN_L4, 12, 1, 0, SEALED, DROPPED_TCP_HEADER },
	{ "TCP data offset beyond the end", SORT_TCP, IN_L4, 12, 1, 0xd0, SEALED, DROPPED_TCP_HEADER },
	{ "UDP without all its header", SORT_UDP, IN_IP, 2, 2, 27, SEALED, DROPPED_UDP_HEADER },
	{ "UDP without header", SORT_UDP, IN_IP, 2, 2, 20, SEALED, DROPPED_UDP_HEADER },
	{ "UDP length 0", SORT_UDP, IN_L4, 4, 2, 0, SEALED, DROPPED_UDP_HEADER },
	{ "UDP length 7", SORT_UDP, IN_L4, 4, 2, 7, SEALED, DROPPED_UDP_HEADER },
	{ "UDP length beyond the end", SORT_UDP, IN_L4, 4, 2, 39, SEALED, DROPPED_UDP_HEADER },
	{ "ICMP without all its header", SORT_QUERY, IN_IP, 2, 2, 27, SEALED, DROPPED_ICMP_HEADER },
	{ "ICMP without header", SORT_QUERY, IN_IP, 2, 2, 20, SEALED, DROPPED_ICMP_HEADER },
	{ "error without quote", SORT_ERROR, IN_IP, 2, 2, 28, SEALED, DROPPED_ICMP_QUOTE },
	{ "quote of 27", SORT_ERROR, IN_IP, 2, 2, 55, SEALED, DROPPED_ICMP_QUOTE },
	{ "quoted version 6", SORT_ERROR, IN_QUOTE, 0, 1, 0x65, SEALED, DROPPED_ICMP_QUOTE },
	{ "quoted header length 4", SORT_ERROR, IN_QUOTE, 0, 1, 0x44, UNSEALED, DROPPED_ICMP_QUOTE },
	{ "quoted header longer than the quote", SORT_ERROR, IN_QUOTE, 0, 1, 0x4f, UNSEALED, DROPPED_ICMP_QUOTE },
	{ "quoted checksum 0", SORT_ERROR, IN_QUOTE, 10, 2, 0, UNSEALED, DROPPED_ICMP_QUOTE },
	{ "later fragment quoted", SORT_ERROR, IN_QUOTE, 6, 2, 1, SEALED, DROPPED_ICMP_QUOTE },
	{ "error quoted", SORT_ERROR, IN_QUOTE, 9, 1, IPPROTO_ICMP, SEALED, DROPPED_ICMP_QUOTE },
};

static void *place_find(struct frame *frame, enum place_of place)
{
	switch (place) {
	case IN_L4:
		return frame_l4(frame);
	case IN_QUOTE:
		return (struct icmp_header *)frame_l4(frame) + 1;
	case IN_IP:
		break;
	}
	return frame_ip(frame);
}

static void refuses_flaws(void **state)
{
	struct packet packet;
	struct frame frame;

	(void)state;
	for (size_t i = 0; i < sizeof(flaws) / sizeof(flaws[0]); i++) {
		const struct flaw *flaw = &flaws[i];
		enum parse_result result;
		__u8 *octet;

		make(&frame, flaw->sort);
		/* the quoted ports of the last flaw are read as ICMP type 3 */
		if (flaw->value == IPPROTO_ICMP)
			*((__u8 *)place_find(&frame, IN_QUOTE) + 20) = ICMP_TYPE_UNREACHABLE;
		octet = (__u8 *)place_find(&frame, flaw->place) + flaw->offset;
		if (flaw->size == 2)
			*octet++ = flaw->value >> 8;
		*octet = flaw->value;
		if (flaw->seal == SEALED)
			seal_ip(place_find(&frame, flaw->place == IN_L4 ? IN_IP : flaw->place));
		result = parse_linear(&frame, frame.len, &packet);
		if (result == PARSE_MORE || (result == PARSE_OK && packet.kind != PACKET_BAD) ||
		    packet.bad != flaw->reason)
			fail_msg("%s: result %d, kind %d, reason %d", flaw->name, result, packet.kind, packet.bad);
		/* what fails before the transport header is no packet at all */
		assert_int_equal(result == PARSE_BAD, flaw->reason <= DROPPED_IP_CHECKSUM);
	}
}

/* RFC 1858: a first fragment that ends within the TCP header. */
static void refuses_tiny_fragment(void **state)
{
	struct frame frame;

	(void)state;
	frame_tcp(&frame, at(INTERNAL, 5000), at(REMOTE, 80), LIFE_SYN, 0);
	frame_ip(&frame)->frag_off = htons(IP_MF);
	frame_ip(&frame)->tot_len = htons(36);
	seal_ip(frame_ip(&frame));
	assert_int_equal(parse(&frame).bad, DROPPED_TCP_HEADER);
}

/* ---- ends ----------------------------------------------------------------------------------------------------- */

/* With less than its headers in reach, a packet is asked for again; with all of them it is not. What is found does not
 * depend on how much more is there.
 */
static void asks_for_more(void **state)
{
	struct frame frame;
	struct packet whole, part;

	(void)state;
	for (int sort = 0; sort < NUM_SORT; sort++) {
		for (__u32 words = 0; words <= 10; words++) {
			bool more = true;

			make(&frame, sort);
			frame_add_options(&frame, words);
			whole = parse(&frame);
			for (__u32 linear = 0; linear <= frame.len; linear++) {
				enum parse_result result = parse_linear(&frame, linear, &part);

				assert_true(result == PARSE_OK || (more && result == PARSE_MORE));
				assert_true(result == PARSE_MORE || linear >= whole.l4);
				more = result == PARSE_MORE;
				if (!more)
					assert_memory_equal(&part, &whole, sizeof(whole));
			}
			assert_false(more);
		}
	}
}

/* A packet cut off on its way. */
static void refuses_what_is_cut_off(void **state)
{
	struct packet packet;
	struct frame frame;

	(void)state;
	for (int sort = 0; sort < NUM_SORT; sort++) {
		make(&frame, sort);
		while (frame.len--) {
			assert_int_equal(parse_linear(&frame, frame.len, &packet), PARSE_BAD);
			assert_int_equal(packet.bad, DROPPED_IP_LENGTH);
		}
	}
}

#define NUM_RANDOM 200000

/* Any octets at all: never beyond the end, and never more than was promised is asked for. */
static void survives_garbage(void **state)
{
	__u64 seed = world_seed();
	struct packet packet;
	struct frame frame;

	(void)state;
	platform.random = seed | 1;
	for (int i = 0; i < NUM_RANDOM; i++) {
		__u32 linear;

		make(&frame, platform_random() % NUM_SORT);
		if (platform_random() % 2)
			frame_add_options(&frame, platform_random() % 11);
		for (__u32 n = platform_random() % 8; n; n--)
			frame.bytes[ETH_HLEN + platform_random() % (frame.len - ETH_HLEN)] = platform_random();
		if (platform_random() % 4)
			seal_ip(frame_ip(&frame));
		linear = platform_random() % (frame.len + 1);
		if (parse_linear(&frame, linear, &packet) != PARSE_MORE)
			continue;
		linear = ETH_HLEN + PACKET_HEADERS_MAX < frame.len ? ETH_HLEN + PACKET_HEADERS_MAX : frame.len;
		assert_int_not_equal(parse_linear(&frame, linear, &packet), PARSE_MORE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_ports),
		cmocka_unit_test(finds_tcp_flags),
		cmocka_unit_test(finds_query_identifiers),
		cmocka_unit_test(leaves_other_icmp_types),
		cmocka_unit_test(leaves_other_protocols),
		cmocka_unit_test(steps_over_options),
		cmocka_unit_test(ignores_padding),
		cmocka_unit_test(takes_a_packet_without_length),
		cmocka_unit_test(tells_fragments),
		cmocka_unit_test(finds_quotes),
		cmocka_unit_test(steps_over_options_of_quotes),
		cmocka_unit_test(finds_quotes_before_extensions),
		cmocka_unit_test(finds_no_checksum_in_padding),
		cmocka_unit_test(finds_quoted_queries),
		cmocka_unit_test(finds_quotes_of_other_protocols),
		cmocka_unit_test(refuses_flaws),
		cmocka_unit_test(refuses_tiny_fragment),
		cmocka_unit_test(asks_for_more),
		cmocka_unit_test(refuses_what_is_cut_off),
		cmocka_unit_test(survives_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
