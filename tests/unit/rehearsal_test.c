/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is foretold comes true: the search on trial and the count of what is left, against the gateway itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "gateway.h"
#include "headroom.h"
#include "rehearsal.h"

#define NUM_BUCKETS 1024
#define NUM_STEPS 4000
#define MAX_SOCKETS 6

static struct gateway gateway;

/* The sockets of the host, for the gateway and for the one who foretells. */
static struct host_socket socket_list[MAX_SOCKETS];
static struct sockets sockets;

static void open_gateway(const char *ranges)
{
	gateway_open(&gateway, ranges, NUM_BUCKETS);
	sockets = (struct sockets){ .socket = socket_list };
}

static void add_socket(__u8 proto, struct endpoint local, struct endpoint remote)
{
	assert_true(sockets.num < MAX_SOCKETS);
	socket_list[sockets.num++] = (struct host_socket){
		.proto = proto,
		.local = local,
		.remote = remote,
		.state = remote.addr ? 1 : 10,
	};
	if (!local.addr)
		local.addr = inet_addr(EXTERNAL);
	gateway_hold(&gateway, proto, local, remote);
}

static struct search rehearse_flow(__u8 proto, struct endpoint internal, struct endpoint remote)
{
	struct pair session = {
		.internal = internal,
		.external.addr = inet_addr(EXTERNAL),
		.remote = remote,
		.proto = proto,
	};
	struct search search;

	assert_int_equal(rehearse(&sockets, &session, &search), 0);
	return search;
}

static enum reason foretold_reason(__u8 choice)
{
	switch ((enum choice)choice) {
	case CHOICE_MAPPING:
	case CHOICE_NEW_MAPPING:
		return TRANSLATED_NEW;
	case CHOICE_SHARED:
		return TRANSLATED_SHARED;
	case CHOICE_ALONE:
	case CHOICE_NONE:
		break;
	}
	return REFUSED_NO_PORT;
}

static void nothing_changes(void **state)
{
	static struct bucket before[NUM_BUCKETS];
	struct header header;
	struct search search;

	(void)state;
	open_gateway("40000-40009");
	header = *platform.header;
	memcpy(before, platform.bucket, sizeof(before));
	search = rehearse_flow(IPPROTO_TCP, at(INTERNAL, 40003), at(REMOTE, 80));
	assert_int_equal(search.choice, CHOICE_NEW_MAPPING);
	assert_int_equal(search.session.external.port, htons(40003));
	assert_memory_equal(before, platform.bucket, sizeof(before));
	assert_memory_equal(&header, platform.header, sizeof(header));
	gateway_close(&gateway);
}

/* Random flows over a small range, with sockets of the host on some ports: each is foretold, then sent. */
static void foretell_and_send(__u8 on_full, __u32 rest_s, unsigned int seen[NUM_REASON])
{
	open_gateway("40000-40007");
	gateway.world.config.on_full = on_full;
	gateway.world.config.rest_s = rest_s;
	add_socket(IPPROTO_UDP, at("0.0.0.0", 40001), at("0.0.0.0", 0));
	add_socket(IPPROTO_UDP, at(EXTERNAL, 40002), at(REMOTE, 1));
	add_socket(IPPROTO_UDP, at("203.0.113.1", 40003), at("0.0.0.0", 0));
	add_socket(IPPROTO_TCP, at(EXTERNAL, 40004), at("0.0.0.0", 0));
	for (unsigned int step = 0; step < NUM_STEPS; step++) {
		struct endpoint internal =
			at(platform_random() % 2 ? INTERNAL : OTHER_INTERNAL, 39998 + platform_random() % 14);
		struct endpoint remote = at(platform_random() % 2 ? REMOTE : OTHER_REMOTE, 1 + platform_random() % 2);
		struct endpoint external = {}, known;
		struct search search = rehearse_flow(IPPROTO_UDP, internal, remote);
		enum reason reason;
		__u32 life;

		platform.ticks += 2; /* what a crowd has learnt of ports at rest is old */
		if (gateway_read_life(IPPROTO_UDP, internal, remote, &life, &life))
			continue;
		known = search.session.external;
		reason = gateway_send(&gateway, IPPROTO_UDP, internal, remote, &external);
		assert_int_equal(reason, foretold_reason(search.choice));
		if (search.choice == CHOICE_MAPPING || known.port == internal.port)
			assert_true(search.choice == CHOICE_NONE || endpoint_equal(known, external));
		seen[reason]++;
		/* some go again */
		if (step % 64 == 63) {
			platform.now += 400;
			gateway_sweep(&gateway);
			platform.now += 400;
			gateway_sweep(&gateway);
		}
	}
	gateway_close(&gateway);
}

static void what_is_foretold_comes_true(void **state)
{
	unsigned int shared[NUM_REASON] = {}, refused[NUM_REASON] = {}, rested[NUM_REASON] = {};

	(void)state;
	foretell_and_send(ON_FULL_SHARE, 0, shared);
	assert_true(shared[TRANSLATED_NEW] && shared[TRANSLATED_SHARED] && shared[REFUSED_NO_PORT]);
	foretell_and_send(ON_FULL_REFUSE, 0, refused);
	assert_true(refused[TRANSLATED_NEW] && refused[REFUSED_NO_PORT]);
	foretell_and_send(ON_FULL_SHARE, 1000, rested);
	assert_true(rested[TRANSLATED_NEW] && rested[REFUSED_NO_PORT]);
}

/* As many sessions succeed as there were ports left; then none is. */
static void what_is_left_can_be_had(void **state)
{
	struct endpoint remote = at(REMOTE, 53), external;
	struct headroom headroom;
	__u32 num = 0;

	(void)state;
	open_gateway("40000-40019,40100");
	add_socket(IPPROTO_UDP, at("0.0.0.0", 40001), at("0.0.0.0", 0));
	add_socket(IPPROTO_UDP, at(EXTERNAL, 40002), remote);
	add_socket(IPPROTO_UDP, at(EXTERNAL, 40003), at(OTHER_REMOTE, 53));
	add_socket(IPPROTO_UDP, at(EXTERNAL, 40050), at("0.0.0.0", 0)); /* out of the ranges */
	gateway_send(&gateway, IPPROTO_UDP, at(INTERNAL, 40005), at(OTHER_REMOTE, 53), &external);
	headroom_count(&sockets, IPPROTO_UDP, inet_addr(EXTERNAL), remote, &headroom);
	assert_int_equal(headroom.ports, 21);
	assert_int_equal(headroom.host, 2);
	assert_int_equal(headroom.held, 0);
	assert_int_equal(headroom.free, 19);
	assert_int_equal(headroom.unmapped, 18);
	while (num < 100 && gateway_send(&gateway, IPPROTO_UDP, at(OTHER_INTERNAL, 1000 + num), remote, &external) !=
				    REFUSED_NO_PORT)
		num++;
	assert_int_equal(num, headroom.free);
	headroom_count(&sockets, IPPROTO_UDP, inet_addr(EXTERNAL), remote, &headroom);
	assert_int_equal(headroom.held, 19);
	assert_int_equal(headroom.free, 0);
	assert_int_equal(headroom.unmapped, 0);
	gateway_close(&gateway);
}

/* A port that rests is kept for the endpoint that had it, and is not among those that are left. */
static void what_rests_is_not_left(void **state)
{
	struct endpoint remote = at(REMOTE, 53), external;
	struct headroom headroom;

	(void)state;
	open_gateway("40000-40003");
	gateway.world.config.rest_s = 1000;
	gateway_send(&gateway, IPPROTO_UDP, at(INTERNAL, 40001), remote, &external);
	for (int i = 0; i < 2; i++) {
		platform.now += 400;
		gateway_sweep(&gateway);
	}
	headroom_count(&sockets, IPPROTO_UDP, inet_addr(EXTERNAL), remote, &headroom);
	assert_int_equal(headroom.resting, 1);
	assert_int_equal(headroom.free, 3);
	assert_int_equal(headroom.unmapped, 3);
	gateway_close(&gateway);
}

/* With --borrow a socket keeps its port, whomever it talks to. */
static void borrowed_ports_are_not_left(void **state)
{
	static struct host_ports host_ports[2];
	struct headroom headroom;

	(void)state;
	open_gateway("40000-40003");
	host_ports[SPACE_UDP].held[40002 / 64] |= 1ull << 40002 % 64;
	platform.host_ports = host_ports;
	headroom_count(&sockets, IPPROTO_UDP, inet_addr(EXTERNAL), at(REMOTE, 53), &headroom);
	assert_int_equal(headroom.host, 0);
	gateway.world.config.borrow = 1;
	headroom_count(&sockets, IPPROTO_UDP, inet_addr(EXTERNAL), at(REMOTE, 53), &headroom);
	assert_int_equal(headroom.host, 1);
	assert_int_equal(headroom.free, 3);
	assert_int_not_equal(rehearse_flow(IPPROTO_UDP, at(INTERNAL, 40002), at(REMOTE, 53)).session.external.port,
			     htons(40002));
	headroom_count(&sockets, IPPROTO_TCP, inet_addr(EXTERNAL), at(REMOTE, 53), &headroom);
	assert_int_equal(headroom.host, 0);
	gateway_close(&gateway);
}

static void identifiers_have_no_ranges_and_no_sockets(void **state)
{
	struct headroom headroom;

	(void)state;
	open_gateway("40000-40009");
	add_socket(IPPROTO_UDP, at("0.0.0.0", 40001), at("0.0.0.0", 0));
	headroom_count(&sockets, IPPROTO_ICMP, inet_addr(EXTERNAL), at(REMOTE, 0), &headroom);
	assert_int_equal(headroom.ports, 65536);
	assert_int_equal(headroom.free, 65536);
	gateway_close(&gateway);
}

/* A TCP socket that is bound, and neither listens nor is connected, receives nothing: it is in nobody's way. */
static void bound_sockets_receive_nothing(void **state)
{
	static const struct {
		__u8 proto;
		__u8 state;
		bool counts;
	} cases[] = {
		{ IPPROTO_TCP, 7, false },
		{ IPPROTO_TCP, 13, false },
		{ IPPROTO_TCP, 10, true },
		{ IPPROTO_UDP, 7, true },
	};
	struct headroom headroom;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		open_gateway("40000-40009");
		add_socket(cases[i].proto, at(EXTERNAL, 40001), at("0.0.0.0", 0));
		socket_list[0].state = cases[i].state;
		headroom_count(&sockets, cases[i].proto, inet_addr(EXTERNAL), at(REMOTE, 80), &headroom);
		assert_int_equal(headroom.host, cases[i].counts);
		gateway_close(&gateway);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_changes),
		cmocka_unit_test(what_is_foretold_comes_true),
		cmocka_unit_test(what_is_left_can_be_had),
		cmocka_unit_test(what_rests_is_not_left),
		cmocka_unit_test(borrowed_ports_are_not_left),
		cmocka_unit_test(identifiers_have_no_ranges_and_no_sockets),
		cmocka_unit_test(bound_sockets_receive_nothing),
	};

	return cmocka_run_group_tests_name("rehearsal", tests, NULL, NULL);
}
