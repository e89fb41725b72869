/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Destinations that are not translated: what is left alone, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway.h"

#define OFFICE "10.20.0.0" /* /16: excluded, but for what a test says */
#define BRANCH "10.20.30.40"
#define NEIGHBOUR "10.21.0.1"
#define ROUTER "192.168.0.1" /* the host's address inside */

static struct gateway gateway;

/* Excludes OFFICE, for one protocol (0: any) and one port (0: any). */
static void exclude(__u8 proto, __u16 port)
{
	gateway.world.config.excluded[gateway.world.config.num_excluded++] = (struct exclusion){
		.prefix = { .addr = inet_addr(OFFICE), .mask = inet_addr("255.255.0.0") },
		.port = htons(port),
		.proto = proto,
	};
}

static void open_gateway(__u8 proto, __u16 port)
{
	gateway_open(&gateway, "40000-40009", 256);
	exclude(proto, port);
}

static enum reason forward(const struct frame *frame)
{
	struct frame copy = *frame;
	enum reason reason = gateway_outbound(&gateway, &copy, ORIGIN_FORWARDED);

	if (reason == PASSED_EXCLUDED)
		assert_true(frame_equal(&copy, frame));
	return reason;
}

static enum reason send_udp(const char *to, __u16 port)
{
	struct frame frame;

	frame_udp(&frame, at(INTERNAL, 40000), at(to, port), 10);
	return forward(&frame);
}

static enum reason send_tcp(const char *to, __u16 port, __u32 flags)
{
	struct frame frame;

	frame_tcp(&frame, at(INTERNAL, 40000), at(to, port), flags, 10);
	return forward(&frame);
}

static enum reason send_icmp(const char *to, __u8 type)
{
	struct frame frame;

	frame_icmp(&frame, inet_addr(INTERNAL), inet_addr(to), type, 77);
	return forward(&frame);
}

static enum reason send_other(const char *to)
{
	struct frame frame;

	frame_other(&frame, inet_addr(INTERNAL), inet_addr(to), IPPROTO_ESP);
	return forward(&frame);
}

/* Part of a datagram of 128 octets behind the IP header; `offset` in octets. What becomes of the first one is remembered longer
 * than a test, so that each datagram of this file has an `id` of its own.
 */
static enum reason send_fragment(const char *to, __u16 port, __u16 id, __u32 offset)
{
	struct frame frame;

	if (offset)
		frame_begin(&frame, inet_addr(INTERNAL), inet_addr(to), IPPROTO_UDP, 64);
	else
		frame_udp(&frame, at(INTERNAL, 40000), at(to, port), 56);
	frame_ip(&frame)->id = htons(id);
	frame_ip(&frame)->frag_off = htons(offset / 8 | (offset ? 0 : IP_MF));
	seal_ip(frame_ip(&frame));
	return forward(&frame);
}

/* ---- what is covered ------------------------------------------------------------------------------------------ */

static void leaves_everything_alone(void **state)
{
	static const __u8 icmp_types[] = { ICMP_TYPE_ECHO, ICMP_TYPE_ECHO_REPLY, ICMP_TYPE_TIMESTAMP, 5 };

	(void)state;
	open_gateway(0, 0);
	assert_int_equal(send_udp(BRANCH, 53), PASSED_EXCLUDED);
	assert_int_equal(send_tcp(BRANCH, 80, LIFE_SYN), PASSED_EXCLUDED);
	assert_int_equal(send_tcp(BRANCH, 80, LIFE_ACK), PASSED_EXCLUDED);
	assert_int_equal(send_tcp(BRANCH, 80, LIFE_RST), PASSED_EXCLUDED);
	for (size_t i = 0; i < sizeof(icmp_types); i++)
		assert_int_equal(send_icmp(BRANCH, icmp_types[i]), PASSED_EXCLUDED);
	assert_int_equal(send_other(BRANCH), PASSED_EXCLUDED);
	assert_int_equal(send_fragment(BRANCH, 53, 1, 0), PASSED_EXCLUDED);
	assert_int_equal(send_fragment(BRANCH, 53, 1, 64), PASSED_EXCLUDED);
	/* nor does one whose first part is not known need help */
	assert_int_equal(send_fragment(BRANCH, 53, 2, 64), PASSED_EXCLUDED);
	assert_true(world_is_empty(&gateway.world));
	assert_int_equal(send_udp(NEIGHBOUR, 53), TRANSLATED_NEW);
	assert_int_equal(send_tcp(NEIGHBOUR, 80, LIFE_RST), DROPPED_NO_SESSION);
	assert_int_equal(send_other(NEIGHBOUR), REFUSED_PROTOCOL);
	gateway_close(&gateway);
}

static void goes_by_protocol_and_port(void **state)
{
	static const struct {
		__u8 proto;
		__u16 port;
		enum reason udp_53, udp_54, tcp_53, tcp_54, echo, other;
	} cases[] = {
		{ 0, 0, PASSED_EXCLUDED, PASSED_EXCLUDED, PASSED_EXCLUDED, PASSED_EXCLUDED, PASSED_EXCLUDED,
		  PASSED_EXCLUDED },
		{ 0, 53, PASSED_EXCLUDED, TRANSLATED_NEW, PASSED_EXCLUDED, TRANSLATED_NEW, TRANSLATED_NEW,
		  REFUSED_PROTOCOL },
		{ IPPROTO_UDP, 0, PASSED_EXCLUDED, PASSED_EXCLUDED, TRANSLATED_NEW, TRANSLATED_NEW, TRANSLATED_NEW,
		  REFUSED_PROTOCOL },
		{ IPPROTO_UDP, 53, PASSED_EXCLUDED, TRANSLATED_NEW, TRANSLATED_NEW, TRANSLATED_NEW, TRANSLATED_NEW,
		  REFUSED_PROTOCOL },
		{ IPPROTO_TCP, 53, TRANSLATED_NEW, TRANSLATED_NEW, PASSED_EXCLUDED, TRANSLATED_NEW, TRANSLATED_NEW,
		  REFUSED_PROTOCOL },
		{ IPPROTO_ICMP, 0, TRANSLATED_NEW, TRANSLATED_NEW, TRANSLATED_NEW, TRANSLATED_NEW, PASSED_EXCLUDED,
		  REFUSED_PROTOCOL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		open_gateway(cases[i].proto, cases[i].port);
		assert_int_equal(send_udp(BRANCH, 53), cases[i].udp_53);
		assert_int_equal(send_udp(BRANCH, 54), cases[i].udp_54);
		assert_int_equal(send_tcp(BRANCH, 53, LIFE_SYN), cases[i].tcp_53);
		assert_int_equal(send_tcp(BRANCH, 54, LIFE_SYN), cases[i].tcp_54);
		assert_int_equal(send_icmp(BRANCH, ICMP_TYPE_ECHO), cases[i].echo);
		assert_int_equal(send_other(BRANCH), cases[i].other);
		gateway_close(&gateway);
	}
}

static void any_of_several_will_do(void **state)
{
	(void)state;
	open_gateway(IPPROTO_UDP, 1);
	while (gateway.world.config.num_excluded < MAX_EXCLUDED)
		exclude(IPPROTO_UDP, gateway.world.config.num_excluded + 1);
	assert_int_equal(send_udp(BRANCH, MAX_EXCLUDED), PASSED_EXCLUDED);
	assert_int_equal(send_udp(BRANCH, MAX_EXCLUDED + 1), TRANSLATED_NEW);
	gateway_close(&gateway);
}

/* Later fragments do not say which port they are for: they go where the first one went. */
static void fragments_follow_the_first(void **state)
{
	(void)state;
	open_gateway(IPPROTO_UDP, 53);
	assert_int_equal(send_fragment(BRANCH, 53, 21, 0), PASSED_EXCLUDED);
	assert_int_equal(send_fragment(BRANCH, 54, 22, 0), TRANSLATED_NEW);
	assert_int_equal(send_fragment(BRANCH, 53, 21, 64), PASSED_EXCLUDED);
	assert_int_equal(send_fragment(BRANCH, 54, 22, 64), TRANSLATED_OUTBOUND);
	assert_int_not_equal(send_fragment(BRANCH, 53, 23, 64), PASSED_EXCLUDED);
	gateway_close(&gateway);
}

/* ---- errors from inside ---------------------------------------------------------------------------------------- */

/* An ICMP error from a router inside, to `to`, about what `remote` is said to have sent. */
static enum reason send_error(const char *to, struct endpoint remote)
{
	struct frame about, frame;

	frame_udp(&about, remote, at(INTERNAL, 40000), 10);
	frame_error(&frame, inet_addr(OTHER_INTERNAL), inet_addr(to), ICMP_TYPE_UNREACHABLE, &about, 0);
	return forward(&frame);
}

static void errors_go_by_their_flow(void **state)
{
	(void)state;
	open_gateway(IPPROTO_UDP, 53);
	assert_int_equal(send_error(BRANCH, at(BRANCH, 53)), PASSED_EXCLUDED);
	assert_int_equal(send_error(BRANCH, at(BRANCH, 54)), DROPPED_ERROR_NO_SESSION);
	assert_int_equal(send_error(NEIGHBOUR, at(NEIGHBOUR, 53)), DROPPED_ERROR_NO_SESSION);
	/* about somebody else's packet */
	assert_int_equal(send_error(NEIGHBOUR, at(BRANCH, 53)), DROPPED_ERROR_NO_SESSION);
	assert_int_equal(send_error(BRANCH, at(NEIGHBOUR, 53)), DROPPED_ERROR_NO_SESSION);
	/* about a flow that has a session */
	assert_int_equal(send_udp(BRANCH, 54), TRANSLATED_NEW);
	assert_int_equal(send_error(BRANCH, at(BRANCH, 54)), TRANSLATED_ERROR_OUTBOUND);
	gateway_close(&gateway);
}

/* ---- what stays as it was -------------------------------------------------------------------------------------- */

static void sessions_go_on(void **state)
{
	struct frame frame;

	(void)state;
	open_gateway(0, 0);
	gateway.world.config.num_excluded = 0;
	assert_int_equal(send_udp(BRANCH, 53), TRANSLATED_NEW);
	assert_int_equal(send_fragment(BRANCH, 53, 11, 0), TRANSLATED_OUTBOUND);
	gateway.world.config.num_excluded = 1;
	assert_int_equal(send_udp(BRANCH, 53), TRANSLATED_OUTBOUND);
	assert_int_equal(send_fragment(BRANCH, 53, 11, 64), TRANSLATED_OUTBOUND);
	assert_int_equal(send_fragment(BRANCH, 53, 12, 0), TRANSLATED_OUTBOUND);
	assert_int_equal(send_fragment(BRANCH, 53, 12, 64), TRANSLATED_OUTBOUND);
	assert_int_equal(send_error(BRANCH, at(BRANCH, 53)), TRANSLATED_ERROR_OUTBOUND);
	frame_udp(&frame, at(BRANCH, 53), at(EXTERNAL, 40000), 10);
	assert_int_equal(gateway_inbound(&gateway, &frame), TRANSLATED_INBOUND);
	assert_int_equal(send_udp(BRANCH, 54), PASSED_EXCLUDED);
	gateway_close(&gateway);
}

/* A source of ours from inside is forged, wherever it leads; and what is no destination is none that is excluded. */
static void forged_packets_are_not_let_out(void **state)
{
	struct frame frame;

	(void)state;
	open_gateway(0, 0);
	frame_udp(&frame, at(EXTERNAL, 40000), at(BRANCH, 53), 10);
	assert_int_equal(forward(&frame), DROPPED_MARTIAN);
	frame_udp(&frame, at("127.0.0.1", 40000), at(BRANCH, 53), 10);
	assert_int_equal(forward(&frame), DROPPED_MARTIAN);
	gateway.world.config.excluded[0].prefix = (struct prefix){};
	assert_int_equal(send_udp("239.1.2.3", 53), DROPPED_MULTICAST);
	assert_int_equal(send_udp(REMOTE, 53), PASSED_EXCLUDED);
	gateway_close(&gateway);
}

static void needs_no_external_address(void **state)
{
	(void)state;
	open_gateway(0, 0);
	gateway.world.config.num_external = 0;
	assert_int_equal(send_udp(BRANCH, 53), PASSED_EXCLUDED);
	assert_int_equal(send_udp(REMOTE, 53), REFUSED_NO_ADDRESS);
	gateway_close(&gateway);
}

/* The host's packets are masqueraded if they come from another of its addresses, and not toward what is excluded. Those from
 * an address of the interface are its own business, as anywhere.
 */
static void holds_for_the_host_too(void **state)
{
	struct frame frame;

	(void)state;
	open_gateway(0, 0);
	frame_udp(&frame, at(ROUTER, 500), at(BRANCH, 500), 10);
	assert_int_equal(gateway_outbound(&gateway, &frame, ORIGIN_HOST), PASSED_EXCLUDED);
	frame_udp(&frame, at(EXTERNAL, 500), at(BRANCH, 500), 10);
	assert_int_equal(gateway_outbound(&gateway, &frame, ORIGIN_HOST), PASSED_HOST);
	gateway_close(&gateway);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_everything_alone),        cmocka_unit_test(goes_by_protocol_and_port),
		cmocka_unit_test(any_of_several_will_do),         cmocka_unit_test(fragments_follow_the_first),
		cmocka_unit_test(errors_go_by_their_flow),        cmocka_unit_test(sessions_go_on),
		cmocka_unit_test(forged_packets_are_not_let_out), cmocka_unit_test(needs_no_external_address),
		cmocka_unit_test(holds_for_the_host_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
