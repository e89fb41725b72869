/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of packets of the host itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway.h"

#define ROUTER "192.168.0.1" /* the host's address inside */

static struct gateway gateway;

static void open_gateway(const char *ranges)
{
	gateway_open(&gateway, ranges, 256);
}

static enum reason outbound_host(struct frame *frame)
{
	return gateway_outbound(&gateway, frame, ORIGIN_HOST);
}

static enum reason inbound(struct frame *frame)
{
	return gateway_inbound(&gateway, frame);
}

static enum reason send_out(__u8 proto, struct endpoint internal, struct endpoint remote, struct endpoint *ret_external)
{
	return gateway_send(&gateway, proto, internal, remote, ret_external);
}

/* No state is kept of what clashes with nobody. */
static void leaves_the_host_alone(void **state)
{
	struct frame frame, sent;

	(void)state;
	open_gateway("40000-40009");
	frame_tcp(&frame, at(EXTERNAL, 40000), at(REMOTE, 80), LIFE_SYN, 0);
	sent = frame;
	assert_int_equal(outbound_host(&frame), PASSED_HOST);
	assert_true(frame_equal(&frame, &sent));
	frame_udp(&frame, at(EXTERNAL, 40000), at(REMOTE, 53), 0);
	assert_int_equal(outbound_host(&frame), PASSED_HOST);
	assert_true(world_is_empty(&gateway.world));
	/* not even when its port is in use toward other remotes */
	send_out(IPPROTO_TCP, at(INTERNAL, 40000), at(REMOTE, 80), NULL);
	frame_tcp(&frame, at(EXTERNAL, 40000), at(OTHER_REMOTE, 80), LIFE_SYN, 0);
	assert_int_equal(outbound_host(&frame), PASSED_HOST);
	assert_int_equal(gateway.world.header.num_sessions, 1);
	gateway_close(&gateway);
}

/* Whichever came first has the tuple; the other gets another. */
static void moves_the_host_aside(void **state)
{
	struct endpoint remote = at(REMOTE, 60000), moved;
	struct frame frame, sent;

	(void)state;
	open_gateway("50000-50009");
	send_out(IPPROTO_TCP, at(INTERNAL, 50000), remote, NULL);
	frame_tcp(&sent, at(EXTERNAL, 50000), remote, LIFE_SYN, 0);
	frame = sent;
	assert_int_equal(outbound_host(&frame), TRANSLATED_CLASH);
	assert_true(frame_is_sound(&frame));
	moved = frame_src(&frame);
	assert_int_equal(moved.addr, inet_addr(EXTERNAL));
	assert_in_range(ntohs(moved.port), 50001, 50009);
	assert_int_equal(gateway.decision.owner_kind, OWNER_SESSION);
	assert_true(endpoint_equal(gateway.decision.owner, at(INTERNAL, 50000)));
	/* it goes on there */
	frame = sent;
	assert_int_equal(outbound_host(&frame), TRANSLATED_OUTBOUND);
	assert_true(endpoint_equal(frame_src(&frame), moved));
	frame_tcp(&frame, remote, moved, LIFE_SYN | LIFE_ACK, 0);
	assert_int_equal(inbound(&frame), TRANSLATED_INBOUND);
	assert_true(endpoint_equal(frame_dst(&frame), at(EXTERNAL, 50000)));
	/* and so does the client */
	frame_tcp(&frame, remote, at(EXTERNAL, 50000), LIFE_SYN | LIFE_ACK, 0);
	assert_int_equal(inbound(&frame), TRANSLATED_INBOUND);
	assert_true(endpoint_equal(frame_dst(&frame), at(INTERNAL, 50000)));
	gateway_close(&gateway);
}

static void refuses_the_host_what_cannot_be(void **state)
{
	struct frame frame, sent;

	(void)state;
	open_gateway("50000");
	send_out(IPPROTO_TCP, at(INTERNAL, 50000), at(REMOTE, 60000), NULL);
	frame_tcp(&frame, at(EXTERNAL, 50000), at(REMOTE, 60000), LIFE_SYN, 0);
	sent = frame;
	assert_int_equal(outbound_host(&frame), REFUSED_CLASH);
	assert_true(frame_equal(&frame, &sent));
	assert_int_equal(gateway.decision.owner_kind, OWNER_SESSION);
	assert_true(endpoint_equal(gateway.decision.owner, at(INTERNAL, 50000)));
	assert_int_equal(gateway.decision.new.addr, 0);
	/* its RST would end the client's connection */
	frame_tcp(&frame, at(EXTERNAL, 50000), at(REMOTE, 60000), LIFE_RST, 0);
	assert_int_equal(outbound_host(&frame), DROPPED_NO_SESSION);
	gateway_close(&gateway);
}

/* A ping of the host leaves as it is, and is remembered, so that nobody takes its identifier. */
static void remembers_the_pings_of_the_host(void **state)
{
	struct endpoint external;
	struct frame frame, sent;

	(void)state;
	open_gateway("40000");
	frame_icmp(&frame, inet_addr(EXTERNAL), inet_addr(REMOTE), ICMP_TYPE_ECHO, 77);
	sent = frame;
	assert_int_equal(outbound_host(&frame), TRANSLATED_NEW);
	assert_true(frame_equal(&frame, &sent));
	assert_int_equal(outbound_host(&frame), TRANSLATED_OUTBOUND);
	assert_true(frame_equal(&frame, &sent));
	send_out(IPPROTO_ICMP, at(INTERNAL, 77), at(REMOTE, 0), &external);
	assert_int_not_equal(ntohs(external.port), 77);
	frame_reverse(&frame);
	sent = frame;
	assert_int_equal(inbound(&frame), TRANSLATED_INBOUND);
	assert_true(frame_equal(&frame, &sent));
	/* the other way round: the client was first */
	send_out(IPPROTO_ICMP, at(INTERNAL, 88), at(REMOTE, 0), NULL);
	frame_icmp(&frame, inet_addr(EXTERNAL), inet_addr(REMOTE), ICMP_TYPE_ECHO, 88);
	assert_int_equal(outbound_host(&frame), TRANSLATED_CLASH);
	assert_int_not_equal(ntohs(frame_src(&frame).port), 88);
	gateway_close(&gateway);
}

/* From its address inside, the host is masqueraded like anybody. */
static void masquerades_the_host_from_other_addresses(void **state)
{
	struct frame frame;

	(void)state;
	open_gateway("40000-40009");
	frame_udp(&frame, at(ROUTER, 40001), at(REMOTE, 53), 0);
	assert_int_equal(outbound_host(&frame), TRANSLATED_NEW);
	assert_true(endpoint_equal(frame_src(&frame), at(EXTERNAL, 40001)));
	frame_other(&frame, inet_addr(ROUTER), inet_addr(REMOTE), IPPROTO_GRE);
	assert_int_equal(outbound_host(&frame), REFUSED_PROTOCOL);
	gateway_close(&gateway);
}

/* The socket was there first: the client gets another port. Nobody else is free: he is told so. */
static void goes_round_the_sockets_of_the_host(void **state)
{
	struct endpoint external;

	(void)state;
	open_gateway("50000-50001");
	gateway_hold(&gateway, IPPROTO_TCP, at(EXTERNAL, 50000), at(REMOTE, 60000));
	assert_int_equal(send_out(IPPROTO_TCP, at(INTERNAL, 50000), at(REMOTE, 60000), &external), TRANSLATED_NEW);
	assert_true(endpoint_equal(external, at(EXTERNAL, 50001)));
	assert_int_equal(send_out(IPPROTO_TCP, at(OTHER_INTERNAL, 50000), at(REMOTE, 60000), NULL), REFUSED_NO_PORT);
	assert_int_equal(gateway.decision.owner_kind, OWNER_HOST);
	assert_true(endpoint_equal(gateway.decision.owner, at(EXTERNAL, 50000)));
	/* toward another remote both are free */
	assert_int_equal(send_out(IPPROTO_TCP, at(OTHER_INTERNAL, 50000), at(REMOTE, 60001), &external),
			 TRANSLATED_NEW);
	assert_true(endpoint_equal(external, at(EXTERNAL, 50000)));
	gateway_close(&gateway);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_the_host_alone),
		cmocka_unit_test(moves_the_host_aside),
		cmocka_unit_test(refuses_the_host_what_cannot_be),
		cmocka_unit_test(remembers_the_pings_of_the_host),
		cmocka_unit_test(masquerades_the_host_from_other_addresses),
		cmocka_unit_test(goes_round_the_sockets_of_the_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
