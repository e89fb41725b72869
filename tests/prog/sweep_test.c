/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sweep program: what has expired is marked, given a grace, and freed; a packet in between keeps it. */
#include <linux/pkt_cls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "expire.h"
#include "gateway.h"

/* as gateway_reset() has them */
#define UDP_S 300
#define TCP_OPENING_S 240

static struct gateway gateway;

static void begin(struct frame *ret_sent, struct frame *ret_got)
{
	gateway_reset(&gateway, "40000-40009");
	frame_udp(ret_sent, at(INTERNAL, 40003), at(REMOTE, 53), 10);
	*ret_got = *ret_sent;
	assert_int_equal(gateway_egress(&gateway, ret_got, FROM_INTERNAL).reason, TRANSLATED_NEW);
}

static enum phase phase(bool inbound)
{
	struct row row;

	assert_true(gateway_find(&gateway, IPPROTO_UDP, at(EXTERNAL, 40003), at(REMOTE, 53), &row));
	return life_phase(inbound ? row.in_life : row.out_life);
}

static void keeps_what_is_in_use(void **state)
{
	struct frame sent, got;

	(void)state;
	begin(&sent, &got);
	gateway_age(&gateway, UDP_S - 2);
	assert_int_equal(gateway_sweep(&gateway, SWEEP_EXPIRE), 0);
	assert_int_equal(phase(false), PHASE_LIVE);
	assert_int_equal(phase(true), PHASE_LIVE);
	gateway_check(&gateway);
}

static void frees_after_the_grace(void **state)
{
	struct frame sent, got;

	(void)state;
	begin(&sent, &got);
	gateway_age(&gateway, UDP_S + 1);
	assert_int_equal(gateway_sweep(&gateway, SWEEP_EXPIRE), 0); /* marked only */
	assert_int_equal(phase(false), PHASE_DYING);
	assert_int_equal(phase(true), PHASE_DYING);
	assert_int_equal(gateway_sweep(&gateway, SWEEP_EXPIRE), 0); /* the grace has not passed */
	assert_int_equal(gateway.header->num_sessions, 1);
	gateway_check(&gateway);
	gateway_age(&gateway, EXPIRE_GRACE_S);
	assert_int_equal(gateway_sweep(&gateway, SWEEP_EXPIRE), 1);
	assert_true(gateway_is_empty(&gateway));
	gateway_check(&gateway);
}

/* A packet from inside during the grace. */
static void packet_revives(void **state)
{
	struct frame sent, got, frame;

	(void)state;
	begin(&sent, &got);
	gateway_age(&gateway, UDP_S + 1);
	gateway_sweep(&gateway, SWEEP_EXPIRE);
	frame = sent;
	assert_int_equal(gateway_egress(&gateway, &frame, FROM_INTERNAL).reason, TRANSLATED_OUTBOUND);
	assert_int_equal(phase(false), PHASE_LIVE);
	gateway_age(&gateway, EXPIRE_GRACE_S);
	assert_int_equal(gateway_sweep(&gateway, SWEEP_EXPIRE), 0);
	gateway_age(&gateway, EXPIRE_GRACE_S);
	assert_int_equal(gateway_sweep(&gateway, SWEEP_EXPIRE), 0);
	assert_int_equal(phase(false), PHASE_LIVE);
	assert_int_equal(phase(true), PHASE_LIVE);
	frame = sent;
	assert_int_equal(gateway_egress(&gateway, &frame, FROM_INTERNAL).reason, TRANSLATED_OUTBOUND);
	gateway_check(&gateway);
}

/* RFC 4787 REQ-6 and 6a: what a stranger sends is translated to the last, and keeps no port. */
static void inbound_datagram_revives_nothing(void **state)
{
	struct frame sent, got;

	(void)state;
	begin(&sent, &got);
	gateway_age(&gateway, UDP_S + 1);
	gateway_sweep(&gateway, SWEEP_EXPIRE);
	frame_reverse(&got);
	assert_int_equal(gateway_ingress(&gateway, &got, 0).reason, TRANSLATED_INBOUND);
	gateway_age(&gateway, EXPIRE_GRACE_S);
	assert_int_equal(gateway_sweep(&gateway, SWEEP_EXPIRE), 1);
	assert_true(gateway_is_empty(&gateway));
	gateway_check(&gateway);
}

/* TCP is kept by both sides. */
static void inbound_segment_revives(void **state)
{
	struct frame frame, answer;

	(void)state;
	gateway_reset(&gateway, "40000-40009");
	frame_tcp(&frame, at(INTERNAL, 40003), at(REMOTE, 53), LIFE_SYN, 0);
	assert_int_equal(gateway_egress(&gateway, &frame, FROM_INTERNAL).reason, TRANSLATED_NEW);
	gateway_age(&gateway, TCP_OPENING_S + 1);
	assert_int_equal(gateway_sweep(&gateway, SWEEP_EXPIRE), 0);
	frame_tcp(&answer, at(REMOTE, 53), at(EXTERNAL, 40003), LIFE_SYN | LIFE_ACK, 0);
	assert_int_equal(gateway_ingress(&gateway, &answer, 0).reason, TRANSLATED_INBOUND);
	gateway_age(&gateway, EXPIRE_GRACE_S);
	assert_int_equal(gateway_sweep(&gateway, SWEEP_EXPIRE), 0);
	assert_int_equal(gateway_sweep(&gateway, SWEEP_EXPIRE), 0);
	assert_int_equal(gateway.header->num_sessions, 1);
	gateway_check(&gateway);
}

static void flush_does_not_wait(void **state)
{
	struct frame sent, got;

	(void)state;
	begin(&sent, &got);
	assert_int_equal(gateway_sweep(&gateway, SWEEP_FLUSH), 1);
	assert_true(gateway_is_empty(&gateway));
	gateway_check(&gateway);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_what_is_in_use),    cmocka_unit_test(frees_after_the_grace),
		cmocka_unit_test(packet_revives),          cmocka_unit_test(inbound_datagram_revives_nothing),
		cmocka_unit_test(inbound_segment_revives), cmocka_unit_test(flush_does_not_wait),
	};

	return gateway_run_tests(&gateway, 1024, tests, sizeof(tests) / sizeof(tests[0]));
}
