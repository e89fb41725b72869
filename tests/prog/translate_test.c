/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets through the tc programs: translated out, and back. */
#include <linux/pkt_cls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway.h"

static struct gateway gateway;

static void assert_outcome(struct outcome outcome, int action, enum reason reason)
{
	assert_int_equal(outcome.reason, reason);
	assert_int_equal(outcome.action, action);
}

/* Sends a frame out and its answer back: what the internal host is answered is what it would be without a gateway. */
static void there_and_back(struct frame *sent, enum reason reason, struct endpoint external)
{
	struct frame frame = *sent;

	assert_outcome(gateway_egress(&gateway, &frame, FROM_INTERNAL), TC_ACT_UNSPEC, reason);
	assert_true(frame_is_sound(&frame));
	assert_true(endpoint_equal(frame_src(&frame), external));
	assert_true(endpoint_equal(frame_dst(&frame), frame_dst(sent)));
	assert_int_equal(frame.len, sent->len);
	frame_reverse(&frame);
	assert_outcome(gateway_ingress(&gateway, &frame, 0), TC_ACT_UNSPEC, TRANSLATED_INBOUND);
	assert_true(frame_is_sound(&frame));
	assert_true(endpoint_equal(frame_dst(&frame), frame_src(sent)));
}

static void translates_udp(void **state)
{
	struct frame frame;

	(void)state;
	gateway_reset(&gateway, "40000-40009");
	frame_udp(&frame, at(INTERNAL, 40003), at(REMOTE, 53), 10);
	there_and_back(&frame, TRANSLATED_NEW, at(EXTERNAL, 40003));
	there_and_back(&frame, TRANSLATED_OUTBOUND, at(EXTERNAL, 40003));
	gateway_check(&gateway);
}

static void translates_tcp(void **state)
{
	struct frame frame;

	(void)state;
	gateway_reset(&gateway, "40000-40009");
	frame_tcp(&frame, at(INTERNAL, 40003), at(REMOTE, 80), LIFE_SYN, 0);
	there_and_back(&frame, TRANSLATED_NEW, at(EXTERNAL, 40003));
	frame_tcp(&frame, at(INTERNAL, 40003), at(REMOTE, 80), LIFE_ACK, 1000);
	there_and_back(&frame, TRANSLATED_OUTBOUND, at(EXTERNAL, 40003));
	gateway_check(&gateway);
}

static void translates_icmp(void **state)
{
	struct frame frame;

	(void)state;
	gateway_reset(&gateway, "40000-40009");
	frame_icmp(&frame, inet_addr(INTERNAL), inet_addr(REMOTE), ICMP_TYPE_ECHO, 77);
	there_and_back(&frame, TRANSLATED_NEW, at(EXTERNAL, 77));
	there_and_back(&frame, TRANSLATED_OUTBOUND, at(EXTERNAL, 77));
	gateway_check(&gateway);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(translates_udp),
		cmocka_unit_test(translates_tcp),
		cmocka_unit_test(translates_icmp),
	};

	return gateway_run_tests(&gateway, 1024, tests, sizeof(tests) / sizeof(tests[0]));
}
