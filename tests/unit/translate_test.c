/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of packets of internal hosts: sessions, errors about them, and others at the same time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway.h"
#include "session.h"
#include "store_write.h"

#define ANY "0.0.0.0"

static struct gateway gateway;

static enum reason outbound(struct frame *frame)
{
	return gateway_outbound(&gateway, frame, ORIGIN_FORWARDED);
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

static void open_gateway(const char *ranges)
{
	gateway_open(&gateway, ranges, 256);
}

/* ---- sessions ------------------------------------------------------------------------------------------------- */

static void translates_both_ways(void **state)
{
	static const __u8 protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };

	(void)state;
	open_gateway("40000-40009");
	for (int i = 0; i < 3; i++) {
		struct endpoint internal = at(INTERNAL, 5000), remote = at(REMOTE, protos[i] == IPPROTO_ICMP ? 0 : 53);
		struct endpoint external;
		struct frame frame;

		assert_int_equal(send_out(protos[i], internal, remote, &external), TRANSLATED_NEW);
		assert_int_equal(external.addr, inet_addr(EXTERNAL));
		assert_int_equal(send_out(protos[i], internal, remote, &external), TRANSLATED_OUTBOUND);
		if (protos[i] == IPPROTO_TCP)
			frame_tcp(&frame, remote, external, LIFE_ACK, 10);
		else if (protos[i] == IPPROTO_UDP)
			frame_udp(&frame, remote, external, 10);
		else
			frame_icmp(&frame, remote.addr, external.addr, ICMP_TYPE_ECHO_REPLY, ntohs(external.port));
		assert_int_equal(inbound(&frame), TRANSLATED_INBOUND);
		assert_true(frame_is_sound(&frame));
		assert_true(endpoint_equal(frame_src(&frame), remote));
		assert_true(endpoint_equal(frame_dst(&frame), internal));
	}
	gateway_close(&gateway);
}

/* Filtering by address: what the internal host has written to may answer from any port. */
static void lets_the_address_in(void **state)
{
	struct endpoint external;
	struct frame frame;

	(void)state;
	open_gateway("40000-40009");
	gateway.world.config.filtering_udp = FILTERING_ADDRESS_DEPENDENT;
	send_out(IPPROTO_UDP, at(INTERNAL, 5000), at(REMOTE, 53), &external);
	frame_udp(&frame, at(REMOTE, 54), external, 0);
	assert_int_equal(inbound(&frame), TRANSLATED_ACCEPTED);
	assert_true(endpoint_equal(frame_dst(&frame), at(INTERNAL, 5000)));
	gateway_close(&gateway);
}

/* Filtering: only the remote that was written to is let in. */
static void lets_nobody_else_in(void **state)
{
	struct endpoint external;
	struct frame frame;

	(void)state;
	open_gateway("40000-40009");
	send_out(IPPROTO_UDP, at(INTERNAL, 5000), at(REMOTE, 53), &external);
	frame_udp(&frame, at(REMOTE, 54), external, 0);
	assert_int_equal(inbound(&frame), DROPPED_FILTERED);
	frame_udp(&frame, at(OTHER_REMOTE, 53), external, 0);
	assert_int_equal(inbound(&frame), DROPPED_FILTERED);
	frame_tcp(&frame, at(REMOTE, 53), external, LIFE_SYN, 0);
	assert_int_equal(inbound(&frame), DROPPED_UNSOLICITED);
	assert_int_equal(frame_ip(&frame)->daddr, inet_addr(EXTERNAL));
	/* nor whoever says that he is 0.0.0.0:0, which is how a mapping is written in the table */
	frame_udp(&frame, at(ANY, 0), external, 0);
	assert_int_equal(inbound(&frame), DROPPED_MARTIAN);
	gateway_close(&gateway);
}

/* RFC 5382 REQ-2a: the SYNs cross. */
static void opens_simultaneously(void **state)
{
	struct endpoint internal = at(INTERNAL, 5000), remote = at(REMOTE, 80), external;
	struct frame frame;
	__u32 out, in;

	(void)state;
	open_gateway("40000-40009");
	assert_int_equal(send_out(IPPROTO_TCP, internal, remote, &external), TRANSLATED_NEW);
	frame_tcp(&frame, remote, external, LIFE_SYN, 0);
	assert_int_equal(inbound(&frame), TRANSLATED_INBOUND);
	frame_tcp(&frame, internal, remote, LIFE_SYN | LIFE_ACK, 0);
	assert_int_equal(outbound(&frame), TRANSLATED_OUTBOUND);
	frame_tcp(&frame, remote, external, LIFE_SYN | LIFE_ACK, 0);
	assert_int_equal(inbound(&frame), TRANSLATED_INBOUND);
	assert_true(gateway_read_life(IPPROTO_TCP, internal, remote, &out, &in));
	assert_int_equal(session_state(IPPROTO_TCP, out, in), SESSION_ESTABLISHED);
	gateway_close(&gateway);
}

static enum session_state state_after(enum origin from_inside, __u32 flags)
{
	struct endpoint internal = at(INTERNAL, 40000), remote = at(REMOTE, 80), external = at(EXTERNAL, 40000);
	struct frame frame;
	__u32 out, in;

	if (from_inside) {
		frame_tcp(&frame, internal, remote, flags, 0);
		outbound(&frame);
	} else {
		frame_tcp(&frame, remote, external, flags, 0);
		inbound(&frame);
	}
	assert_true(gateway_read_life(IPPROTO_TCP, internal, remote, &out, &in));
	return session_state(IPPROTO_TCP, out, in);
}

static void follows_a_connection(void **state)
{
	static const struct {
		__u8 from_inside;
		__u8 flags;
		enum session_state state;
	} steps[] = {
		{ 1, LIFE_SYN, SESSION_OPENING },
		{ 1, LIFE_SYN, SESSION_OPENING },
		{ 0, LIFE_SYN | LIFE_ACK, SESSION_OPENING },
		{ 1, LIFE_ACK, SESSION_ESTABLISHED },
		{ 0, LIFE_ACK | LIFE_FIN, SESSION_HALF_CLOSED },
		{ 1, LIFE_ACK, SESSION_HALF_CLOSED },
		{ 1, LIFE_ACK | LIFE_FIN, SESSION_CLOSING },
		{ 0, LIFE_ACK, SESSION_CLOSING },
		{ 1, LIFE_SYN, SESSION_OPENING },
		{ 0, LIFE_SYN | LIFE_ACK, SESSION_OPENING },
		{ 1, LIFE_ACK, SESSION_ESTABLISHED },
		{ 0, LIFE_RST, SESSION_RESET },
		{ 0, LIFE_ACK, SESSION_ESTABLISHED }, /* RFC 7857 §2.2 */
		{ 1, LIFE_RST | LIFE_ACK, SESSION_RESET },
	};

	(void)state;
	open_gateway("40000");
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		platform.now++;
		assert_int_equal(state_after(steps[i].from_inside, steps[i].flags), steps[i].state);
	}
	gateway_close(&gateway);
}

/* A line of the table is written once a second, not once a packet. */
static void writes_once_a_second(void **state)
{
	struct endpoint internal = at(INTERNAL, 5000), remote = at(REMOTE, 53);
	__u32 out, in, before;

	(void)state;
	open_gateway("40000-40009");
	send_out(IPPROTO_UDP, internal, remote, NULL);
	gateway_read_life(IPPROTO_UDP, internal, remote, &before, &in);
	send_out(IPPROTO_UDP, internal, remote, NULL);
	gateway_read_life(IPPROTO_UDP, internal, remote, &out, &in);
	assert_int_equal(out, before);
	platform.now++;
	send_out(IPPROTO_UDP, internal, remote, NULL);
	gateway_read_life(IPPROTO_UDP, internal, remote, &out, &in);
	assert_int_equal(life_idle(out, platform.now), 0);
	assert_int_equal(life_idle(before, platform.now), 1);
	gateway_close(&gateway);
}

/* ---- ICMP errors ---------------------------------------------------------------------------------------------- */

/* RFC 4787 REQ-12, RFC 5382 REQ-10, RFC 5508 REQ-6: translated, and the session does not hear of them. */
static void errors_do_not_touch_the_session(void **state)
{
	static const __u8 protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };
	static const __u8 types[] = { ICMP_TYPE_UNREACHABLE, ICMP_TYPE_TIME_EXCEEDED, ICMP_TYPE_PARAMETER_PROBLEM };

	(void)state;
	open_gateway("40000-40009");
	for (int i = 0; i < 9; i++) {
		__u8 proto = protos[i / 3];
		struct endpoint internal = at(INTERNAL, 5000), remote = at(REMOTE, proto == IPPROTO_ICMP ? 0 : 53);
		struct endpoint external;
		struct frame sent, frame, about;
		__u32 out[2], in[2];

		if (proto == IPPROTO_TCP)
			frame_tcp(&sent, internal, remote, LIFE_ACK, 10);
		else if (proto == IPPROTO_UDP)
			frame_udp(&sent, internal, remote, 10);
		else
			frame_icmp(&sent, internal.addr, remote.addr, ICMP_TYPE_ECHO, 5000);
		about = sent;
		outbound(&about);
		external = frame_src(&about);
		gateway_read_life(proto, internal, remote, &out[0], &in[0]);
		platform.now += 10;

		/* about what went out, by a router that nobody has written to */
		frame_error(&frame, inet_addr("203.0.113.7"), external.addr, types[i % 3], &about, 28 + i);
		assert_int_equal(inbound(&frame), TRANSLATED_ERROR_INBOUND);
		assert_true(frame_is_sound(&frame));
		assert_int_equal(frame_ip(&frame)->daddr, internal.addr);
		assert_memory_equal((struct icmp_header *)frame_l4(&frame) + 1, frame_ip(&sent), 28);

		/* about what came in, by a router inside */
		frame_reverse(&sent);
		frame_error(&frame, inet_addr("192.168.0.99"), remote.addr, types[i % 3], &sent, 28 + i);
		assert_int_equal(outbound(&frame), TRANSLATED_ERROR_OUTBOUND);
		assert_true(frame_is_sound(&frame));
		assert_int_equal(frame_ip(&frame)->saddr, external.addr);
		frame_reverse(&about);
		assert_memory_equal((struct icmp_header *)frame_l4(&frame) + 1, frame_ip(&about), 28);

		gateway_read_life(proto, internal, remote, &out[1], &in[1]);
		assert_int_equal(out[0], out[1]);
		assert_int_equal(in[0], in[1]);
	}
	gateway_close(&gateway);
}

static void errors_without_session_go_nowhere(void **state)
{
	struct endpoint external;
	struct frame about, frame;

	(void)state;
	open_gateway("40000-40009");
	frame_udp(&about, at(REMOTE, 53), at(INTERNAL, 5000), 10);
	frame_error(&frame, inet_addr(INTERNAL), inet_addr(REMOTE), ICMP_TYPE_UNREACHABLE, &about, 0);
	assert_int_equal(outbound(&frame), DROPPED_ERROR_NO_SESSION);
	frame_udp(&about, at(EXTERNAL, 40000), at(REMOTE, 53), 10);
	frame_error(&frame, inet_addr(REMOTE), inet_addr(EXTERNAL), ICMP_TYPE_UNREACHABLE, &about, 0);
	assert_int_equal(inbound(&frame), PASSED_NO_SESSION);
	frame_other(&about, inet_addr(EXTERNAL), inet_addr(REMOTE), IPPROTO_ESP);
	frame_error(&frame, inet_addr(REMOTE), inet_addr(EXTERNAL), ICMP_TYPE_UNREACHABLE, &about, 0);
	assert_int_equal(inbound(&frame), PASSED_NO_SESSION);
	/* a mapping is no session */
	send_out(IPPROTO_UDP, at(INTERNAL, 5000), at(REMOTE, 53), &external);
	frame_udp(&about, external, at(ANY, 0), 10);
	frame_error(&frame, inet_addr(REMOTE), inet_addr(EXTERNAL), ICMP_TYPE_UNREACHABLE, &about, 0);
	assert_int_equal(inbound(&frame), PASSED_NO_SESSION);
	frame_udp(&about, at(ANY, 0), at(INTERNAL, 5000), 10);
	frame_error(&frame, inet_addr(INTERNAL), inet_addr(REMOTE), ICMP_TYPE_UNREACHABLE, &about, 0);
	assert_int_equal(outbound(&frame), DROPPED_ERROR_NO_SESSION);
	gateway_close(&gateway);
}

/* What the host's own kernel says about a packet that was translated on its way in. */
static void errors_of_the_host_name_the_external_endpoint(void **state)
{
	struct endpoint external;
	struct frame about, frame, sent;

	(void)state;
	open_gateway("40000-40009");
	send_out(IPPROTO_UDP, at(INTERNAL, 5000), at(REMOTE, 53), &external);
	frame_udp(&about, at(REMOTE, 53), at(INTERNAL, 5000), 10);
	frame_error(&frame, inet_addr(EXTERNAL), inet_addr(REMOTE), ICMP_TYPE_UNREACHABLE, &about, 0);
	assert_int_equal(outbound_host(&frame), TRANSLATED_ERROR_OUTBOUND);
	assert_true(frame_is_sound(&frame));
	frame_udp(&about, at(REMOTE, 53), external, 10);
	assert_memory_equal((struct icmp_header *)frame_l4(&frame) + 1, frame_ip(&about), 38);
	/* and about its own */
	frame_udp(&about, at(REMOTE, 99), at(EXTERNAL, 5000), 10);
	frame_error(&frame, inet_addr(EXTERNAL), inet_addr(REMOTE), ICMP_TYPE_UNREACHABLE, &about, 0);
	sent = frame;
	assert_int_equal(outbound_host(&frame), PASSED_HOST);
	assert_true(frame_equal(&frame, &sent));
	gateway_close(&gateway);
}

/* ---- segments of no connection -------------------------------------------------------------------------------- */

/* RFC 5382 §5 leaves it to us: a setting. */
static void begins_with_a_syn_if_so_configured(void **state)
{
	static const __u8 flags[] = { 0, LIFE_ACK, LIFE_FIN | LIFE_ACK, LIFE_SYN | LIFE_ACK, LIFE_SYN | LIFE_FIN };
	struct endpoint internal = at(INTERNAL, 5000), remote = at(REMOTE, 80);
	struct frame frame;

	(void)state;
	open_gateway("40000-40009");
	gateway.world.config.mid_stream = MID_STREAM_RESET;
	for (size_t i = 0; i < sizeof(flags); i++) {
		frame_tcp(&frame, internal, remote, flags[i], 0);
		assert_int_equal(outbound(&frame), REFUSED_MID_STREAM);
	}
	frame_tcp(&frame, internal, remote, LIFE_RST, 0);
	assert_int_equal(outbound(&frame), DROPPED_NO_SESSION);
	assert_true(world_is_empty(&gateway.world));
	frame_tcp(&frame, internal, remote, LIFE_SYN, 100);
	assert_int_equal(outbound(&frame), TRANSLATED_NEW);
	for (size_t i = 0; i < sizeof(flags); i++) {
		frame_tcp(&frame, internal, remote, flags[i], 0);
		assert_int_equal(outbound(&frame), TRANSLATED_OUTBOUND);
	}
	/* the host's own connections are none of ours */
	frame_tcp(&frame, at(EXTERNAL, 5000), remote, LIFE_ACK, 0);
	assert_int_equal(outbound_host(&frame), PASSED_HOST);
	gateway_close(&gateway);
}

/* ---- scarcity ------------------------------------------------------------------------------------------------- */

static void says_what_is_lacking(void **state)
{
	struct endpoint external;
	__u32 n = 0;
	enum reason reason;

	(void)state;
	open_gateway("40000");
	assert_int_equal(send_out(IPPROTO_UDP, at(INTERNAL, 1), at(REMOTE, 53), NULL), TRANSLATED_NEW);
	assert_int_equal(send_out(IPPROTO_UDP, at(OTHER_INTERNAL, 1), at(REMOTE, 54), &external), TRANSLATED_SHARED);
	assert_true(endpoint_equal(external, at(EXTERNAL, 40000)));
	assert_int_equal(send_out(IPPROTO_UDP, at(OTHER_INTERNAL, 1), at(REMOTE, 53), NULL), REFUSED_NO_PORT);
	assert_true(endpoint_equal(gateway.decision.owner, at(INTERNAL, 1)));
	assert_int_equal(gateway.decision.new.addr, 0);
	gateway.world.config.num_external = 0;
	assert_int_equal(send_out(IPPROTO_UDP, at(OTHER_INTERNAL, 1), at(REMOTE, 99), NULL), REFUSED_NO_ADDRESS);
	/* who is there already goes on */
	assert_int_equal(send_out(IPPROTO_UDP, at(INTERNAL, 1), at(REMOTE, 53), NULL), TRANSLATED_OUTBOUND);
	gateway_close(&gateway);

	gateway_open(&gateway, "1024-65535", 4);
	do
		reason = send_out(IPPROTO_UDP, at(INTERNAL, 1), at(REMOTE, ++n), NULL);
	while (reason == TRANSLATED_NEW);
	assert_int_equal(reason, REFUSED_NO_ROOM);
	gateway_close(&gateway);
}

/* ---- others at the same time ---------------------------------------------------------------------------------- */

static struct pair first;

static void another_cpu_creates(struct gateway *which)
{
	(void)which;
	store_insert(&first, life_make(PHASE_LIVE, 0, platform.now), life_make(PHASE_LIVE, 0, platform.now), 0, false);
}

/* Two packets begin a session on two CPUs: both leave by it. The questions of a resolver, for one. */
static void joins_the_session_that_was_faster(void **state)
{
	struct endpoint external;

	(void)state;
	open_gateway("40000-40009");
	first = (struct pair){
		.internal = at(INTERNAL, 5000),
		.external = at(EXTERNAL, 40007),
		.remote = at(REMOTE, 53),
		.proto = IPPROTO_UDP,
	};
	gateway.meanwhile = another_cpu_creates;
	assert_int_equal(send_out(IPPROTO_UDP, at(INTERNAL, 5000), at(REMOTE, 53), &external), TRANSLATED_OUTBOUND);
	assert_true(endpoint_equal(external, at(EXTERNAL, 40007)));
	assert_int_equal(gateway.world.header.num_sessions, 1);
	gateway_close(&gateway);
}

/* Whatever is chosen, somebody takes it. */
static void another_cpu_takes_it(struct gateway *which)
{
	static __u32 n;
	struct pair pair = {
		.internal = { .addr = htonl(0x0a000000 + n++) },
		.external = { .addr = which->asked.dst, .port = which->asked.dport },
		.remote = { .addr = which->asked.src, .port = which->asked.sport },
		.proto = which->asked.proto,
	};

	store_insert(&pair, life_make(PHASE_LIVE, 0, platform.now), life_make(PHASE_LIVE, 0, platform.now), 0, false);
	which->meanwhile = another_cpu_takes_it;
}

static void gives_up_after_some_races(void **state)
{
	(void)state;
	open_gateway("40000-40999");
	gateway.meanwhile = another_cpu_takes_it;
	assert_int_equal(send_out(IPPROTO_UDP, at(INTERNAL, 5000), at(REMOTE, 53), NULL), DROPPED_RACE);
	gateway.meanwhile = NULL;
	assert_int_equal(gateway.world.header.num_sessions, CREATE_ATTEMPTS);
	assert_int_equal(gateway.world.header.num_mappings, 0);
	gateway_close(&gateway);
}

/* While the table is exchanged sessions that are there go on, and none begins, from either side. */
static void begins_nothing_while_the_table_is_exchanged(void **state)
{
	struct endpoint external;
	struct frame frame;

	(void)state;
	open_gateway("40000-40999");
	gateway.world.config.filtering_udp = FILTERING_ENDPOINT_INDEPENDENT;
	assert_int_equal(send_out(IPPROTO_UDP, at(INTERNAL, 5000), at(REMOTE, 53), &external), TRANSLATED_NEW);
	gateway.world.header.writable = STORE_NONE;
	assert_int_equal(send_out(IPPROTO_UDP, at(INTERNAL, 5000), at(REMOTE, 53), NULL), TRANSLATED_OUTBOUND);
	assert_int_equal(send_out(IPPROTO_UDP, at(INTERNAL, 5001), at(REMOTE, 53), NULL), DROPPED_RESIZE);
	frame_udp(&frame, at(REMOTE, 54), external, 0);
	assert_int_equal(inbound(&frame), DROPPED_RESIZE);
	assert_int_equal(gateway.world.header.num_sessions, 1);
	assert_int_equal(gateway.world.header.num_mappings, 1);
	gateway.world.header.writable = 0;
	assert_int_equal(inbound(&frame), TRANSLATED_ACCEPTED);
	gateway_close(&gateway);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(translates_both_ways),
		cmocka_unit_test(lets_the_address_in),
		cmocka_unit_test(lets_nobody_else_in),
		cmocka_unit_test(opens_simultaneously),
		cmocka_unit_test(follows_a_connection),
		cmocka_unit_test(writes_once_a_second),
		cmocka_unit_test(errors_do_not_touch_the_session),
		cmocka_unit_test(errors_without_session_go_nowhere),
		cmocka_unit_test(errors_of_the_host_name_the_external_endpoint),
		cmocka_unit_test(begins_with_a_syn_if_so_configured),
		cmocka_unit_test(says_what_is_lacking),
		cmocka_unit_test(joins_the_session_that_was_faster),
		cmocka_unit_test(gives_up_after_some_races),
		cmocka_unit_test(begins_nothing_while_the_table_is_exchanged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
