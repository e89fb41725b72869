/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ICMP errors about packets of a session, in both directions: outside and in the quote they say what their receiver knows. */
#include <linux/pkt_cls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway.h"
#include "packet.h"

#define ROUTER "203.0.113.1"         /* outside */
#define INNER_ROUTER "192.168.0.254" /* inside */

static struct gateway gateway;

#define NUM_TYPES 3
#define NUM_QUOTES 5

static const __u8 types[NUM_TYPES] = { ICMP_TYPE_UNREACHABLE, ICMP_TYPE_TIME_EXCEEDED, ICMP_TYPE_PARAMETER_PROBLEM };

enum sort { SORT_UDP, SORT_TCP, SORT_ECHO, NUM_SORT };

static void make(struct frame *frame, enum sort sort)
{
	if (sort == SORT_UDP)
		frame_udp(frame, at(INTERNAL, 40003), at(REMOTE, 53), 30);
	else if (sort == SORT_TCP)
		frame_tcp(frame, at(INTERNAL, 40003), at(REMOTE, 53), LIFE_SYN, 30);
	else
		frame_icmp(frame, inet_addr(INTERNAL), inet_addr(REMOTE), ICMP_TYPE_ECHO, 40003);
}

/* A session: the packet as its internal host sent it, and as the remote got it. */
static void begin(enum sort sort, struct frame *ret_sent, struct frame *ret_got)
{
	gateway_reset(&gateway, "40009");
	make(ret_sent, sort);
	*ret_got = *ret_sent;
	assert_int_equal(gateway_egress(&gateway, ret_got, FROM_INTERNAL).reason, TRANSLATED_NEW);
}

static struct entry first_entry(void)
{
	for (size_t i = 0; i < gateway.num_entries; i++) {
		struct entry *entry = &gateway.bucket[i / BUCKET_ENTRIES].entry[i % BUCKET_ENTRIES];

		if (life_is_visible(entry->life) && !(entry->flags & (ENTRY_MAPPING | ENTRY_INBOUND)))
			return *entry;
	}
	fail_msg("there is no session");
	return (struct entry){ 0 };
}

/* The quote is, octet by octet, the packet as the receiver of the error sent it. */
static void check_quote(struct frame *error, struct frame *sent, __u32 len)
{
	assert_true(ip_checksum_is_right(frame_ip(error)));
	assert_true(transport_checksum_is_right(frame_ip(error), frame_l4(error)));
	assert_memory_equal((struct icmp_header *)frame_l4(error) + 1, frame_ip(sent), len);
}

static void inbound(void **state)
{
	static const __u32 quote_len[NUM_QUOTES] = { 28, 36, 38, 40,
						     0 }; /* of a TCP segment: without and with its checksum */

	(void)state;
	for (enum sort sort = 0; sort < NUM_SORT; sort++) {
		for (size_t i = 0; i < (size_t)NUM_TYPES * NUM_QUOTES; i++) {
			__u32 len = quote_len[i / NUM_TYPES];
			struct frame sent, got, error;
			struct entry before, after;

			begin(sort, &sent, &got);
			before = first_entry();
			frame_error(&error, inet_addr(ROUTER), inet_addr(EXTERNAL), types[i % NUM_TYPES], &got, len);
			assert_int_equal(gateway_ingress(&gateway, &error, 0).reason, TRANSLATED_ERROR_INBOUND);
			assert_int_equal(frame_ip(&error)->saddr, inet_addr(ROUTER));
			assert_int_equal(frame_ip(&error)->daddr, inet_addr(INTERNAL));
			check_quote(&error, &sent, len ? len : frame_ip_len(&sent));
			after = first_entry();
			assert_memory_equal(&before, &after, sizeof(before)); /* RFC 4787 REQ-12 */
			gateway_check(&gateway);
		}
	}
}

/* About what came in on a session: from its internal host, or from a router before it, whose address nobody outside sees. */
static void outbound(void **state)
{
	static const char *const from[] = { INTERNAL, INNER_ROUTER };

	(void)state;
	for (enum sort sort = 0; sort < NUM_SORT; sort++) {
		for (size_t i = 0; i < (size_t)NUM_TYPES * 2; i++) {
			struct frame sent, got, answer, answer_in, error;

			begin(sort, &sent, &got);
			answer = got;
			frame_reverse(&answer);
			answer_in = answer;
			assert_int_equal(gateway_ingress(&gateway, &answer_in, 0).reason, TRANSLATED_INBOUND);
			frame_error(&error, inet_addr(from[i % 2]), inet_addr(REMOTE), types[i / 2], &answer_in, 0);
			assert_int_equal(gateway_egress(&gateway, &error, FROM_INTERNAL).reason,
					 TRANSLATED_ERROR_OUTBOUND);
			assert_int_equal(frame_ip(&error)->saddr, inet_addr(EXTERNAL));
			assert_int_equal(frame_ip(&error)->daddr, inet_addr(REMOTE));
			check_quote(&error, &answer, frame_ip_len(&answer));
			gateway_check(&gateway);
		}
	}
}

/* About nothing that we know: from inside it is dropped; from outside the host may know. */
static void of_no_session(void **state)
{
	struct frame about, error;
	struct outcome outcome;

	(void)state;
	gateway_reset(&gateway, "40000-40009");
	frame_udp(&about, at(REMOTE, 53), at(INTERNAL, 40003), 30);
	frame_error(&error, inet_addr(INTERNAL), inet_addr(REMOTE), ICMP_TYPE_UNREACHABLE, &about, 0);
	outcome = gateway_egress(&gateway, &error, FROM_INTERNAL);
	assert_int_equal(outcome.reason, DROPPED_ERROR_NO_SESSION);
	assert_int_equal(outcome.action, TC_ACT_SHOT);
	frame_udp(&about, at(EXTERNAL, 40003), at(REMOTE, 53), 30);
	frame_error(&error, inet_addr(ROUTER), inet_addr(EXTERNAL), ICMP_TYPE_UNREACHABLE, &about, 0);
	assert_int_equal(gateway_ingress(&gateway, &error, 0).reason, PASSED_NO_SESSION);
	gateway_check(&gateway);
}

/* RFC 5508 REQ-3a, and quotes that end too early or are fragments themselves. */
static void broken_quotes(void **state)
{
	struct frame sent, got, about, error;
	struct iphdr *quote;

	(void)state;
	begin(SORT_UDP, &sent, &got);
	about = got;
	frame_ip(&about)->check ^= 1;
	frame_error(&error, inet_addr(ROUTER), inet_addr(EXTERNAL), ICMP_TYPE_UNREACHABLE, &about, 0);
	assert_int_equal(gateway_ingress(&gateway, &error, 0).reason, DROPPED_ICMP_QUOTE);
	frame_error(&error, inet_addr(ROUTER), inet_addr(EXTERNAL), ICMP_TYPE_UNREACHABLE, &got, 27);
	assert_int_equal(gateway_ingress(&gateway, &error, 0).reason, DROPPED_ICMP_QUOTE);
	about = got;
	quote = frame_ip(&about);
	quote->frag_off = htons(9);
	seal_ip(quote);
	frame_error(&error, inet_addr(ROUTER), inet_addr(EXTERNAL), ICMP_TYPE_UNREACHABLE, &about, 0);
	assert_int_equal(gateway_ingress(&gateway, &error, 0).reason, DROPPED_ICMP_QUOTE);
	gateway_check(&gateway);
}

/* RFC 5508 REQ-3: one bit anywhere in the message, however long it is, and whatever its length is a multiple of. */
static void broken_message(void **state)
{
	struct frame sent, got, answer_in, about, error, bad;
	__u32 data_len;

	(void)state;
	for (__u32 len = 28; len < 1400; len += len < 60 ? 1 : 101) {
		begin(SORT_UDP, &sent, &got);
		data_len = len < 30 ? 2 : len - 28;
		frame_udp(&about, frame_src(&got), at(REMOTE, 53), data_len);
		frame_error(&error, inet_addr(ROUTER), inet_addr(EXTERNAL), ICMP_TYPE_UNREACHABLE, &about, len);
		for (__u32 offset = 4; offset < 8 + len; offset += offset < 30 ? 2 : 50) {
			if (offset >= 8 && offset < 28) /* the quoted IP header has a checksum of its own */
				continue;
			bad = error;
			((__u8 *)frame_l4(&bad))[offset] ^= 0x10;
			assert_int_equal(gateway_ingress(&gateway, &bad, 0).reason, DROPPED_ICMP_CHECKSUM);
		}
		bad = error;
		((__u8 *)frame_l4(&bad))[8 + len - 1] ^= 1;
		assert_int_equal(gateway_ingress(&gateway, &bad, 0).reason, DROPPED_ICMP_CHECKSUM);
		assert_int_equal(gateway_ingress(&gateway, &error, 0).reason, TRANSLATED_ERROR_INBOUND);

		answer_in = sent;
		frame_reverse(&answer_in);
		frame_error(&error, inet_addr(INNER_ROUTER), inet_addr(REMOTE), ICMP_TYPE_UNREACHABLE, &answer_in, 0);
		bad = error;
		((__u8 *)frame_l4(&bad))[40] ^= 1;
		assert_int_equal(gateway_egress(&gateway, &bad, FROM_INTERNAL).reason, DROPPED_ICMP_CHECKSUM);
		assert_int_equal(gateway_egress(&gateway, &error, FROM_INTERNAL).reason, TRANSLATED_ERROR_OUTBOUND);
	}
	gateway_check(&gateway);
}

/* Where it is in several fragments, the first of them does not tell. */
static void first_fragment_of_an_error(void **state)
{
	struct frame sent, got, error;

	(void)state;
	begin(SORT_UDP, &sent, &got);
	frame_error(&error, inet_addr(ROUTER), inet_addr(EXTERNAL), ICMP_TYPE_UNREACHABLE, &got, 0);
	((struct icmp_header *)frame_l4(&error))->checksum ^= 1;
	frame_ip(&error)->frag_off = htons(IP_MF);
	seal_ip(frame_ip(&error));
	assert_int_equal(gateway_ingress(&gateway, &error, 0).reason, TRANSLATED_ERROR_INBOUND);
	gateway_check(&gateway);
}

/* RFC 5508 §7.7: the kernel's own error has the class of its cause, without ECN; one from inside keeps what it has. */
static void class_of_the_cause(void **state)
{
	struct frame sent, got, answer, error;

	(void)state;
	for (int host = 0; host < 2; host++) {
		begin(SORT_UDP, &sent, &got);
		answer = sent;
		frame_reverse(&answer);
		frame_ip(&answer)->tos = 0xb9;
		seal_ip(frame_ip(&answer));
		frame_error(&error, inet_addr(host ? EXTERNAL : INTERNAL), inet_addr(REMOTE), ICMP_TYPE_TIME_EXCEEDED,
			    &answer, 0);
		frame_ip(&error)->tos = 0xc0;
		seal_ip(frame_ip(&error));
		assert_int_equal(gateway_egress(&gateway, &error, host ? FROM_HOST : FROM_INTERNAL).reason,
				 TRANSLATED_ERROR_OUTBOUND);
		assert_int_equal(frame_ip(&error)->tos, host ? 0xb8 : 0xc0);
		assert_true(frame_is_sound(&error));
		gateway_check(&gateway);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inbound),
		cmocka_unit_test(outbound),
		cmocka_unit_test(of_no_session),
		cmocka_unit_test(broken_quotes),
		cmocka_unit_test(broken_message),
		cmocka_unit_test(first_fragment_of_an_error),
		cmocka_unit_test(class_of_the_cause),
	};

	return gateway_run_tests(&gateway, 1024, tests, sizeof(tests) / sizeof(tests[0]));
}
