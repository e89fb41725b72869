/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hairpin: both steps decided at once come to the same as one after the other, with the bytes changed and read between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway.h"
#include "hairpin.h"
#include "rewrite.h"

static struct gateway gateway;
static struct hairpinned hairpin;

static const __u8 protos[] = { IPPROTO_TCP, IPPROTO_UDP };

static void open_gateway(enum filtering filtering)
{
	gateway_open(&gateway, "40000-40009", 256);
	gateway.world.config.filtering_tcp = filtering;
	gateway.world.config.filtering_udp = filtering;
}

static bool parse(const struct frame *frame, struct packet *ret_packet)
{
	void *bytes = (void *)frame->bytes;

	return packet_parse(ret_packet, bytes, bytes + frame->len, ETH_HLEN, frame->len) == PARSE_OK;
}

static void change(struct frame *frame, const struct packet *packet, const struct decision *decision)
{
	assert_true(rewrite(packet, frame->bytes, frame->bytes + frame->len, decision, REWRITE_CHECKSUM));
}

/* What hairpin.h decided about the packet between the steps has to be what the parser would have said. */
static void expect_turned(const struct frame *after_out)
{
	struct packet parsed;

	assert_true(parse(after_out, &parsed));
	assert_memory_equal(&parsed, &hairpin.back, sizeof(parsed));
}

/* Sends a frame; a hairpin changes it. */
static enum reason send_frame(struct frame *frame)
{
	enum reason reason;

	memset(&hairpin, 0, sizeof(hairpin));
	assert_true(parse(frame, &hairpin.packet));
	if (!hairpin_is_wanted(&hairpin.packet))
		return PASSED_INSIDE;
	reason = hairpin_translate(&gateway, &hairpin, 1);
	if (reason != TRANSLATED_HAIRPIN)
		return reason;
	change(frame, &hairpin.packet, &hairpin.out);
	expect_turned(frame);
	change(frame, &hairpin.back, &hairpin.in);
	assert_true(frame_is_sound(frame));
	return reason;
}

static void make_frame(struct frame *frame, __u8 proto, struct endpoint src, struct endpoint dst)
{
	if (proto == IPPROTO_TCP)
		frame_tcp(frame, src, dst, LIFE_SYN, 0);
	else
		frame_udp(frame, src, dst, 21);
}

/* The external endpoint of an internal one, which has sent to a remote. */
static struct endpoint mapped(__u8 proto, struct endpoint internal)
{
	struct endpoint external;

	assert_int_equal(gateway_send(&gateway, proto, internal, at(REMOTE, 7000), &external), TRANSLATED_NEW);
	return external;
}

static void expect_endpoints(struct frame *frame, struct endpoint src, struct endpoint dst)
{
	assert_true(endpoint_equal(frame_src(frame), src));
	assert_true(endpoint_equal(frame_dst(frame), dst));
}

static void reaches_another(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct endpoint one = at(INTERNAL, 5000), other = at(OTHER_INTERNAL, 6000), external, other_external;
		struct frame frame;

		open_gateway(FILTERING_ENDPOINT_INDEPENDENT);
		external = mapped(protos[i], one);
		other_external = mapped(protos[i], other);
		make_frame(&frame, protos[i], one, other_external);
		assert_int_equal(send_frame(&frame), TRANSLATED_HAIRPIN);
		assert_int_equal(hairpin.in.reason, TRANSLATED_ACCEPTED);
		expect_endpoints(&frame, external, other);
		frame_reverse(&frame);
		assert_int_equal(send_frame(&frame), TRANSLATED_HAIRPIN);
		expect_endpoints(&frame, other_external, one);
		assert_int_equal(gateway.world.header.num_sessions, 4);
		gateway_close(&gateway);
	}
}

static void makes_the_senders_mapping(void **state)
{
	struct endpoint one = at(INTERNAL, 5000), other = at(OTHER_INTERNAL, 6000), external;
	struct frame frame;

	(void)state;
	open_gateway(FILTERING_ENDPOINT_INDEPENDENT);
	make_frame(&frame, IPPROTO_UDP, one, mapped(IPPROTO_UDP, other));
	assert_int_equal(send_frame(&frame), TRANSLATED_HAIRPIN);
	assert_int_equal(hairpin.out.reason, TRANSLATED_NEW);
	/* and it is the one that remotes see */
	assert_int_equal(gateway_send(&gateway, IPPROTO_UDP, one, at(REMOTE, 7000), &external), TRANSLATED_NEW);
	expect_endpoints(&frame, external, other);
	gateway_close(&gateway);
}

static void reaches_oneself(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct endpoint one = at(INTERNAL, 5000), external;
		struct frame frame;

		open_gateway(FILTERING_ADDRESS_AND_PORT_DEPENDENT);
		external = mapped(protos[i], one);
		make_frame(&frame, protos[i], one, external);
		assert_int_equal(send_frame(&frame), TRANSLATED_HAIRPIN);
		expect_endpoints(&frame, external, one);
		gateway_close(&gateway);
	}
}

static void asks_the_filter(void **state)
{
	static const enum reason refused[] = { DROPPED_UNSOLICITED, DROPPED_FILTERED };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct endpoint one = at(INTERNAL, 5000), other = at(OTHER_INTERNAL, 6000), external, other_external;
		struct frame frame;

		open_gateway(FILTERING_ADDRESS_DEPENDENT);
		external = mapped(protos[i], one);
		other_external = mapped(protos[i], other);
		make_frame(&frame, protos[i], one, other_external);
		assert_int_equal(send_frame(&frame), refused[i]);
		/* the other one sends too: from here on each lets the other in */
		make_frame(&frame, protos[i], other, external);
		assert_int_equal(send_frame(&frame), TRANSLATED_HAIRPIN);
		expect_endpoints(&frame, other_external, one);
		make_frame(&frame, protos[i], one, other_external);
		assert_int_equal(send_frame(&frame), TRANSLATED_HAIRPIN);
		gateway_close(&gateway);
	}
}

/* The receiver has no such socket: what its error quotes is what it got, and the sender hears of what it sent. */
static void carries_errors(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct endpoint one = at(INTERNAL, 5000), other = at(OTHER_INTERNAL, 6000), other_external;
		struct frame frame, sent, error, expected;

		open_gateway(FILTERING_ENDPOINT_INDEPENDENT);
		other_external = mapped(protos[i], other);
		make_frame(&frame, protos[i], one, other_external);
		sent = frame;
		assert_int_equal(send_frame(&frame), TRANSLATED_HAIRPIN);
		frame_error(&error, inet_addr("192.168.0.99"), inet_addr(EXTERNAL), ICMP_TYPE_UNREACHABLE, &frame, 0);
		assert_int_equal(send_frame(&error), TRANSLATED_HAIRPIN);
		frame_error(&expected, inet_addr(EXTERNAL), one.addr, ICMP_TYPE_UNREACHABLE, &sent, 0);
		assert_true(frame_equal(&error, &expected));
		gateway_close(&gateway);
	}
}

static void leaves_errors_of_others_alone(void **state)
{
	struct frame about, error;

	(void)state;
	open_gateway(FILTERING_ENDPOINT_INDEPENDENT);
	mapped(IPPROTO_UDP, at(INTERNAL, 5000));
	frame_udp(&about, at(EXTERNAL, 40000), at(OTHER_INTERNAL, 6000), 10);
	frame_error(&error, inet_addr(OTHER_INTERNAL), inet_addr(EXTERNAL), ICMP_TYPE_UNREACHABLE, &about, 0);
	assert_int_equal(send_frame(&error), PASSED_INSIDE);
	gateway_close(&gateway);
}

static void leaves_the_host_its_own(void **state)
{
	struct endpoint one = at(INTERNAL, 5000), external;
	struct frame frame;

	(void)state;
	open_gateway(FILTERING_ADDRESS_DEPENDENT);
	external = mapped(IPPROTO_TCP, at(OTHER_INTERNAL, 6000));
	/* no mapping, and of another protocol */
	make_frame(&frame, IPPROTO_TCP, one, at(EXTERNAL, 80));
	assert_int_equal(send_frame(&frame), PASSED_INSIDE);
	make_frame(&frame, IPPROTO_UDP, one, external);
	assert_int_equal(send_frame(&frame), PASSED_INSIDE);
	/* a segment of no connection gets the host's RST */
	frame_tcp(&frame, one, external, LIFE_ACK, 10);
	assert_int_equal(send_frame(&frame), PASSED_INSIDE);
	/* whoever the filter keeps out is served by the host, if it has a socket there */
	gateway_hold(&gateway, IPPROTO_TCP, external, at("0.0.0.0", 0));
	make_frame(&frame, IPPROTO_TCP, at(INTERNAL, 5001), external);
	assert_int_equal(send_frame(&frame), PASSED_INSIDE);
	frame_icmp(&frame, one.addr, inet_addr(EXTERNAL), ICMP_TYPE_ECHO, 7);
	assert_int_equal(send_frame(&frame), PASSED_INSIDE);
	frame_other(&frame, one.addr, inet_addr(EXTERNAL), 47);
	assert_int_equal(send_frame(&frame), PASSED_INSIDE);
	gateway_close(&gateway);
}

static void refuses_as_toward_others(void **state)
{
	struct config *config = &gateway.world.config;
	struct endpoint one = at(INTERNAL, 5000), other_external;
	struct frame frame;

	(void)state;
	open_gateway(FILTERING_ENDPOINT_INDEPENDENT);
	gateway_set_ranges(&gateway, "40000");
	config->on_full = ON_FULL_REFUSE;
	other_external = mapped(IPPROTO_UDP, at(OTHER_INTERNAL, 6000));
	make_frame(&frame, IPPROTO_UDP, one, other_external);
	assert_int_equal(send_frame(&frame), REFUSED_NO_PORT);
	make_frame(&frame, IPPROTO_UDP, at(EXTERNAL, 5000), other_external);
	assert_int_equal(send_frame(&frame), DROPPED_MARTIAN);
	config->num_internal = 1;
	config->internal[0] = (struct prefix){ .addr = inet_addr(OTHER_INTERNAL), .mask = 0xffffffff };
	make_frame(&frame, IPPROTO_UDP, one, other_external);
	assert_int_equal(send_frame(&frame), PASSED_INSIDE);
	gateway_close(&gateway);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reaches_another),         cmocka_unit_test(makes_the_senders_mapping),
		cmocka_unit_test(reaches_oneself),         cmocka_unit_test(asks_the_filter),
		cmocka_unit_test(carries_errors),          cmocka_unit_test(leaves_errors_of_others_alone),
		cmocka_unit_test(leaves_the_host_its_own), cmocka_unit_test(refuses_as_toward_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
