/* SPDX-License-Identifier: GPL-2.0-or-later */
/* New identifications, and which packets get one. */
#include "ident.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway.h"

static struct gateway gateway;

/* RFC 6864 §4.3: toward one remote none comes again before all others were used. */
static void are_all_different(void **state)
{
	static bool used[65536];

	(void)state;
	for (int i = 0; i < 65536; i++) {
		__u16 id = ident_take(1, 2, IPPROTO_UDP, 1);

		assert_false(used[id]);
		used[id] = true;
	}
}

/* A packet that will be cut up takes as many as there will be datagrams. */
static void go_by_number(void **state)
{
	__u16 first = ident_take(1, 2, IPPROTO_UDP, 44);

	(void)state;
	assert_int_equal(ident_take(1, 2, IPPROTO_UDP, 1), (__u16)(first + 44));
}

/* Where they begin is nobody's to know, and differs for each external address, remote and protocol. */
static void begin_anywhere(void **state)
{
	int num_equal = 0;

	(void)state;
	for (__u32 i = 0; i < 1000; i++) {
		__u16 first = ident_take(1, 1000 + i, IPPROTO_UDP, 0);

		num_equal += first == ident_take(2, 1000 + i, IPPROTO_UDP, 0);
		num_equal += first == ident_take(1, 5000 + i, IPPROTO_UDP, 0);
		num_equal += first == ident_take(1, 1000 + i, IPPROTO_TCP, 0);
	}
	assert_true(num_equal < 10);
}

static __be16 send_id(const char *src, __u16 frag_off, enum origin origin, enum reason expected)
{
	struct frame frame;

	frame_udp(&frame, at(src, 5000), at(REMOTE, 53), 64);
	frame_ip(&frame)->frag_off = htons(frag_off);
	seal_ip(frame_ip(&frame));
	assert_int_equal(gateway_outbound(&gateway, &frame, origin), expected);
	assert_true(ip_checksum_is_right(frame_ip(&frame)));
	return frame_ip(&frame)->id;
}

/* Of atomic ones nobody looks at it (§4.1); hosts and the machine itself share the others. */
static void are_for_what_is_not_atomic(void **state)
{
	__be16 id;

	(void)state;
	assert_int_equal(send_id(INTERNAL, IP_DF, ORIGIN_FORWARDED, TRANSLATED_NEW), htons(0x1234));
	assert_int_equal(send_id(EXTERNAL, IP_DF, ORIGIN_HOST, PASSED_HOST), htons(0x1234));
	id = send_id(INTERNAL, 0, ORIGIN_FORWARDED, TRANSLATED_OUTBOUND);
	assert_int_equal(send_id(INTERNAL, 0, ORIGIN_FORWARDED, TRANSLATED_OUTBOUND), htons(ntohs(id) + 1));
	assert_int_equal(send_id(EXTERNAL, 0, ORIGIN_HOST, PASSED_HOST), htons(ntohs(id) + 2));
	assert_int_equal(send_id(OTHER_INTERNAL, 0, ORIGIN_FORWARDED, TRANSLATED_NEW), htons(ntohs(id) + 3));
	assert_int_equal(send_id(INTERNAL, IP_MF, ORIGIN_FORWARDED, TRANSLATED_OUTBOUND), htons(ntohs(id) + 4));
	/* DF says nothing about what is a fragment already */
	assert_int_equal(send_id(OTHER_INTERNAL, IP_DF | IP_MF, ORIGIN_FORWARDED, TRANSLATED_OUTBOUND),
			 htons(ntohs(id) + 5));
}

/* All fragments of a datagram have that of the first, also when it is repeated; a datagram that comes later has its own. */
static void are_those_of_the_datagram(void **state)
{
	__be16 id = send_id(INTERNAL, IP_MF, ORIGIN_FORWARDED, TRANSLATED_NEW);

	(void)state;
	assert_int_equal(send_id(INTERNAL, 9, ORIGIN_FORWARDED, TRANSLATED_OUTBOUND), id);
	assert_int_equal(send_id(INTERNAL, IP_MF, ORIGIN_FORWARDED, TRANSLATED_OUTBOUND), id);
	assert_int_equal(send_id(INTERNAL, IP_MF | 9, ORIGIN_FORWARDED, TRANSLATED_OUTBOUND), id);
	platform.now += FRAGMENT_AGAIN_S + 1;
	assert_int_not_equal(send_id(INTERNAL, IP_MF, ORIGIN_FORWARDED, TRANSLATED_OUTBOUND), id);
	id = send_id(EXTERNAL, IP_MF, ORIGIN_HOST, PASSED_HOST);
	assert_int_equal(send_id(EXTERNAL, 9, ORIGIN_HOST, PASSED_HOST_FRAGMENT), id);
}

/* What comes in keeps its own: the remote is its source. */
static void are_not_for_what_comes_in(void **state)
{
	struct frame frame;

	(void)state;
	frame_udp(&frame, at(INTERNAL, 40000), at(REMOTE, 53), 64);
	assert_int_equal(gateway_outbound(&gateway, &frame, ORIGIN_FORWARDED), TRANSLATED_NEW);
	frame_reverse(&frame);
	frame_ip(&frame)->frag_off = 0;
	seal_ip(frame_ip(&frame));
	assert_int_equal(gateway_inbound(&gateway, &frame), TRANSLATED_INBOUND);
	assert_int_equal(frame_ip(&frame)->id, htons(0x1234));
}

static int open_gateway(void **state)
{
	(void)state;
	gateway_open(&gateway, "40000-40009", 64);
	platform.now += 1000; /* nothing is known of the datagrams of other tests */
	return 0;
}

static int close_gateway(void **state)
{
	(void)state;
	gateway_close(&gateway);
	return 0;
}

#define GATEWAY_TEST(name) cmocka_unit_test_setup_teardown(name, open_gateway, close_gateway)

int main(void)
{
	const struct CMUnitTest tests[] = {
		GATEWAY_TEST(are_all_different),
		GATEWAY_TEST(go_by_number),
		GATEWAY_TEST(begin_anywhere),
		GATEWAY_TEST(are_for_what_is_not_atomic),
		GATEWAY_TEST(are_those_of_the_datagram),
		GATEWAY_TEST(are_not_for_what_comes_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
