/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sessions that begin outside: whom each filter lets in, what remembers it, and whose a packet is that nobody asked for. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "frame.h"
#include "gateway.h"
#include "permit.h"

static struct gateway gateway;

static void open_gateway(const char *ranges, enum filtering filtering)
{
	gateway_open(&gateway, ranges, 256);
	gateway.world.config.filtering_tcp = filtering;
	gateway.world.config.filtering_udp = filtering;
}

static enum reason come_udp(struct endpoint remote, struct endpoint external)
{
	struct frame frame;

	frame_udp(&frame, remote, external, 0);
	return gateway_inbound(&gateway, &frame);
}

static enum reason come_tcp(struct endpoint remote, struct endpoint external, __u32 flags)
{
	struct frame frame;

	frame_tcp(&frame, remote, external, flags, 0);
	return gateway_inbound(&gateway, &frame);
}

/* Each filter, each distance of the stranger from the remote that was written to. RFC 4787 §5. */
static void filters(void **state)
{
	static const struct {
		enum filtering filtering;
		enum reason port, addr; /* another port of the remote; another address */
	} cases[] = {
		{ FILTERING_ENDPOINT_INDEPENDENT, TRANSLATED_ACCEPTED, TRANSLATED_ACCEPTED },
		{ FILTERING_ADDRESS_DEPENDENT, TRANSLATED_ACCEPTED, DROPPED_FILTERED },
		{ FILTERING_ADDRESS_AND_PORT_DEPENDENT, DROPPED_FILTERED, DROPPED_FILTERED },
	};
	struct endpoint external;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		open_gateway("40000-40009", cases[i].filtering);
		gateway_send(&gateway, IPPROTO_UDP, at(INTERNAL, 5000), at(REMOTE, 53), &external);
		assert_int_equal(come_udp(at(REMOTE, 54), external), cases[i].port);
		assert_int_equal(come_udp(at(OTHER_REMOTE, 53), external), cases[i].addr);
		/* what was let in has a session now, with an answer */
		if (cases[i].port == TRANSLATED_ACCEPTED) {
			assert_int_equal(come_udp(at(REMOTE, 54), external), TRANSLATED_INBOUND);
			assert_int_equal(gateway_send(&gateway, IPPROTO_UDP, at(INTERNAL, 5000), at(REMOTE, 54), NULL),
					 TRANSLATED_OUTBOUND);
		}
		gateway_check(&gateway);
		gateway_close(&gateway);
	}
}

/* Each protocol has its own filter and its own mappings (RFC 5382 REQ-3b, RFC 7857 §5, §6). */
static void protocols_are_apart(void **state)
{
	struct endpoint external, of_tcp;

	(void)state;
	open_gateway("40000-40009", FILTERING_ENDPOINT_INDEPENDENT);
	gateway.world.config.filtering_tcp = FILTERING_ADDRESS_AND_PORT_DEPENDENT;
	gateway_send(&gateway, IPPROTO_UDP, at(INTERNAL, 5000), at(REMOTE, 53), &external);
	assert_int_equal(come_tcp(at(REMOTE, 53), external, LIFE_SYN), DROPPED_UNSOLICITED);
	gateway_send(&gateway, IPPROTO_TCP, at(INTERNAL, 5000), at(REMOTE, 53), &of_tcp);
	assert_int_equal(come_tcp(at(REMOTE, 54), of_tcp, LIFE_SYN), DROPPED_UNSOLICITED);
	assert_int_equal(come_udp(at(OTHER_REMOTE, 9), external), TRANSLATED_ACCEPTED);
	gateway_close(&gateway);
}

/* Only a SYN begins a TCP session; and what comes for the ports of nobody is answered by the host, but for a SYN. */
static void tcp(void **state)
{
	struct endpoint external, unmapped = at(EXTERNAL, 40009), outside = at(EXTERNAL, 22);

	(void)state;
	open_gateway("40000-40009", FILTERING_ENDPOINT_INDEPENDENT);
	gateway_send(&gateway, IPPROTO_TCP, at(INTERNAL, 5000), at(REMOTE, 80), &external);
	assert_int_equal(come_tcp(at(OTHER_REMOTE, 1), external, LIFE_ACK), PASSED_NO_SESSION);
	assert_int_equal(come_tcp(at(OTHER_REMOTE, 1), external, LIFE_SYN | LIFE_ACK), PASSED_NO_SESSION);
	assert_int_equal(come_tcp(at(OTHER_REMOTE, 1), external, LIFE_RST), PASSED_NO_SESSION);
	assert_int_equal(come_tcp(at(OTHER_REMOTE, 1), external, LIFE_SYN), TRANSLATED_ACCEPTED);
	assert_int_equal(come_tcp(at(OTHER_REMOTE, 1), external, LIFE_SYN), TRANSLATED_INBOUND);
	if (external.port == unmapped.port)
		unmapped.port = htons(40008);
	assert_int_equal(come_tcp(at(OTHER_REMOTE, 1), unmapped, LIFE_SYN), DROPPED_UNSOLICITED);
	assert_int_equal(come_udp(at(OTHER_REMOTE, 1), unmapped), PASSED_NO_SESSION);
	assert_int_equal(come_tcp(at(OTHER_REMOTE, 1), outside, LIFE_SYN), PASSED_NO_SESSION);
	gateway_close(&gateway);
}

/* A connected socket of the host comes before the mapping, one that waits for anybody behind it. */
static void sockets_of_the_host(void **state)
{
	struct endpoint external;

	(void)state;
	open_gateway("40000-40009", FILTERING_ADDRESS_DEPENDENT);
	gateway_send(&gateway, IPPROTO_UDP, at(INTERNAL, 5000), at(REMOTE, 53), &external);
	gateway_hold(&gateway, IPPROTO_UDP, external, at(REMOTE, 60));
	gateway_hold(&gateway, IPPROTO_UDP, external, (struct endpoint){});
	assert_int_equal(come_udp(at(REMOTE, 60), external), PASSED_NO_SESSION);
	assert_int_equal(come_udp(at(REMOTE, 61), external), TRANSLATED_ACCEPTED);
	assert_int_equal(come_udp(at(OTHER_REMOTE, 61), external), PASSED_NO_SESSION);
	gateway_close(&gateway);
}

/* The first remote address stands in the mapping and stays; a further one goes with its last session. */
static void permits_end(void **state)
{
	struct endpoint internal = at(INTERNAL, 5000), external;

	(void)state;
	open_gateway("40000-40009", FILTERING_ADDRESS_DEPENDENT);
	gateway_send(&gateway, IPPROTO_UDP, internal, at(REMOTE, 53), &external);
	assert_int_equal(gateway.world.header.num_permits, 0);
	gateway_send(&gateway, IPPROTO_UDP, internal, at(OTHER_REMOTE, 53), NULL);
	gateway_send(&gateway, IPPROTO_UDP, internal, at(OTHER_REMOTE, 54), NULL);
	assert_int_equal(gateway.world.header.num_permits, 1);
	gateway_check(&gateway);
	platform.now += 200;
	gateway_send(&gateway, IPPROTO_UDP, internal, at(OTHER_REMOTE, 54), NULL);
	platform.now += 150;
	gateway_sweep(&gateway);
	platform.now += 5;
	assert_int_equal(gateway_sweep(&gateway), 2);
	/* toward REMOTE there is no session any more, but it was the first */
	assert_int_equal(come_udp(at(REMOTE, 99), external), TRANSLATED_ACCEPTED);
	assert_int_equal(come_udp(at(OTHER_REMOTE, 99), external), TRANSLATED_ACCEPTED);
	gateway_check(&gateway);
	platform.now += 1000;
	gateway_sweep(&gateway);
	platform.now += 5;
	gateway_sweep(&gateway);
	assert_int_equal(gateway.world.header.num_permits, 0);
	assert_true(world_is_empty(&gateway.world));
	gateway_close(&gateway);
}

/* As long as the inside speaks with an address, on whichever session, the address is let in from any port. */
static void permit_of_a_session_from_outside(void **state)
{
	struct endpoint internal = at(INTERNAL, 5000), external;

	(void)state;
	open_gateway("40000-40009", FILTERING_ADDRESS_DEPENDENT);
	gateway_send(&gateway, IPPROTO_UDP, internal, at(REMOTE, 53), &external);
	gateway_send(&gateway, IPPROTO_UDP, internal, at(OTHER_REMOTE, 53), NULL);
	assert_int_equal(come_udp(at(OTHER_REMOTE, 99), external), TRANSLATED_ACCEPTED);
	gateway_check(&gateway);
	for (int i = 0; i < 4; i++) {
		platform.now += 200;
		assert_int_equal(gateway_send(&gateway, IPPROTO_UDP, internal, at(OTHER_REMOTE, 99), NULL),
				 TRANSLATED_OUTBOUND);
		gateway_sweep(&gateway);
	}
	assert_int_equal(gateway.world.header.num_sessions, 1);
	assert_int_equal(come_udp(at(OTHER_REMOTE, 100), external), TRANSLATED_ACCEPTED);
	gateway_check(&gateway);
	gateway_close(&gateway);
}

/* Two endpoints have one session: while theirs goes by another port than the mapping's, the mapping's is none of theirs. */
static void session_by_another_port(void **state)
{
	struct endpoint internal = at(INTERNAL, 5000), external, other;

	(void)state;
	open_gateway("40000-40009", FILTERING_ENDPOINT_INDEPENDENT);
	gateway_send(&gateway, IPPROTO_UDP, internal, at(REMOTE, 53), &external);
	gateway_hold(&gateway, IPPROTO_UDP, external, at(OTHER_REMOTE, 53));
	assert_int_equal(gateway_send(&gateway, IPPROTO_UDP, internal, at(OTHER_REMOTE, 53), &other),
			 TRANSLATED_SHARED);
	gateway.num_held = 0;
	assert_int_equal(come_udp(at(OTHER_REMOTE, 53), external), DROPPED_FILTERED);
	assert_int_equal(come_udp(at(OTHER_REMOTE, 53), other), TRANSLATED_INBOUND);
	gateway_check(&gateway);
	gateway_close(&gateway);
}

/* While a mapping rests nobody is let in, and the first session after the rest says who comes first. */
static void resting_mapping(void **state)
{
	struct endpoint internal = at(INTERNAL, 5000), external, again;

	(void)state;
	open_gateway("40000-40009", FILTERING_ADDRESS_DEPENDENT);
	gateway.world.config.rest_s = 120;
	gateway_send(&gateway, IPPROTO_UDP, internal, at(REMOTE, 53), &external);
	platform.now += 301;
	gateway_sweep(&gateway);
	platform.now += 3;
	assert_int_equal(gateway_sweep(&gateway), 1);
	assert_int_equal(come_udp(at(REMOTE, 99), external), DROPPED_FILTERED);
	gateway_send(&gateway, IPPROTO_UDP, internal, at(OTHER_REMOTE, 53), &again);
	assert_true(endpoint_equal(external, again));
	assert_int_equal(come_udp(at(REMOTE, 99), external), DROPPED_FILTERED);
	assert_int_equal(come_udp(at(OTHER_REMOTE, 99), external), TRANSLATED_ACCEPTED);
	gateway_close(&gateway);
}

/* A UDP datagram to port 0 looks like nothing else in the table. */
static void port_zero(void **state)
{
	struct endpoint internal = at(INTERNAL, 5000), external;

	(void)state;
	open_gateway("40000-40009", FILTERING_ADDRESS_DEPENDENT);
	gateway_send(&gateway, IPPROTO_UDP, internal, at(REMOTE, 53), &external);
	assert_int_equal(gateway_send(&gateway, IPPROTO_UDP, internal, at(OTHER_REMOTE, 53), NULL), TRANSLATED_NEW);
	assert_int_equal(gateway_send(&gateway, IPPROTO_UDP, internal, at(OTHER_REMOTE, 0), NULL), TRANSLATED_NEW);
	assert_int_equal(come_udp(at(OTHER_REMOTE, 0), external), TRANSLATED_INBOUND);
	gateway_check(&gateway);
	gateway_close(&gateway);
}

/* Endpoint-dependent mapping: a port for each session, not by preservation, and nobody else comes in by it. */
static void dependent_mapping(void **state)
{
	struct endpoint internal = at(INTERNAL, 40000), external[8];
	bool differ = false;

	(void)state;
	open_gateway("40000-49999", FILTERING_ADDRESS_AND_PORT_DEPENDENT);
	gateway.world.config.mapping = MAPPING_ENDPOINT_DEPENDENT;
	for (int i = 0; i < 8; i++) {
		assert_int_equal(gateway_send(&gateway, IPPROTO_UDP, internal, at(REMOTE, 53 + i), &external[i]),
				 TRANSLATED_NEW);
		assert_int_equal(come_udp(at(REMOTE, 53 + i), external[i]), TRANSLATED_INBOUND);
		assert_int_equal(come_udp(at(REMOTE, 99), external[i]), DROPPED_FILTERED);
		differ |= i && external[i].port != external[0].port;
	}
	assert_true(differ);
	gateway_check(&gateway);
	gateway_close(&gateway);
}

/* Exactly N sessions toward one remote with N ports, also when each has a port of its own. */
static void dependent_mapping_to_the_end(void **state)
{
	(void)state;
	open_gateway("40000-40063", FILTERING_ADDRESS_AND_PORT_DEPENDENT);
	gateway.world.config.mapping = MAPPING_ENDPOINT_DEPENDENT;
	for (__u16 i = 0; i < 64; i++)
		assert_int_equal(gateway_send(&gateway, IPPROTO_UDP, at(INTERNAL, 1000 + i), at(REMOTE, 53), NULL),
				 TRANSLATED_NEW);
	assert_int_equal(gateway_send(&gateway, IPPROTO_UDP, at(INTERNAL, 999), at(REMOTE, 53), NULL), REFUSED_NO_PORT);
	assert_int_equal(gateway_send(&gateway, IPPROTO_UDP, at(INTERNAL, 999), at(REMOTE, 54), NULL), TRANSLATED_NEW);
	gateway_close(&gateway);
}

/* Who is let in comes by as many ports as he likes. However many these are, those inside find room for what they begin. */
static void a_flood_leaves_room(void **state)
{
	struct endpoint external;
	__u32 num = 0;

	(void)state;
	open_gateway("40000-49999", FILTERING_ADDRESS_DEPENDENT);
	assert_int_equal(gateway_send(&gateway, IPPROTO_TCP, at(INTERNAL, 5000), at(REMOTE, 80), &external),
			 TRANSLATED_NEW);
	for (__u16 i = 1; i < 4000; i++)
		if (come_tcp(at(REMOTE, 1000 + i), external, LIFE_SYN) == TRANSLATED_ACCEPTED)
			num++;
	assert_int_equal(gateway.decision.reason, REFUSED_NO_ROOM);
	assert_int_equal(num + 2, 256);
	/* what is there goes on, and for a session with a mapping each there is half as much again */
	assert_int_equal(come_tcp(at(REMOTE, 1001), external, LIFE_ACK), TRANSLATED_INBOUND);
	for (__u16 i = 0; i < 64; i++)
		assert_int_equal(
			gateway_send(&gateway, IPPROTO_UDP, at(OTHER_INTERNAL, 1000 + i), at(REMOTE, 53), NULL),
			TRANSLATED_NEW);
	assert_int_equal(come_tcp(at(REMOTE, 9), external, LIFE_SYN), REFUSED_NO_ROOM);
	/* what has expired makes room, swept or not */
	platform.now += 1000;
	gateway_send(&gateway, IPPROTO_TCP, at(INTERNAL, 5000), at(REMOTE, 80), NULL);
	num = 0;
	for (__u16 i = 0; i < 64; i++)
		num += come_tcp(at(REMOTE, 9 + i), external, LIFE_SYN) == TRANSLATED_ACCEPTED;
	assert_in_range(num, 32, 64);
	gateway_check(&gateway);
	gateway_close(&gateway);
}

#define NUM_PORTS_HERE 6
#define NUM_REMOTES 5

/* Random sessions that come and go, against what is remembered beside: who may come in is who has a session, or was first. */
static void random_against_a_model(void **state)
{
	unsigned int sessions[NUM_PORTS_HERE][NUM_REMOTES] = {}, first[NUM_PORTS_HERE] = {};
	unsigned int seed = world_seed();
	struct endpoint external = {};

	(void)state;
	open_gateway("40000-40063", FILTERING_ADDRESS_DEPENDENT);
	for (int i = 0; i < 20000; i++) {
		__u16 n = rand_r(&seed) % NUM_PORTS_HERE, remote = rand_r(&seed) % NUM_REMOTES,
		      port = rand_r(&seed) % 4;
		struct endpoint internal = at(INTERNAL, 5000 + n);
		struct endpoint to = { .addr = htonl(0xc6336400 + remote), .port = htons(100 + port) };
		struct pair session = { .internal = internal, .remote = to, .proto = IPPROTO_UDP };
		struct key key = pair_key(&session, 0);
		__u32 index = store_find(&key), all = 0;

		if (index == INDEX_NONE) {
			for (int r = 0; r < NUM_REMOTES; r++)
				all += sessions[n][r];
			assert_int_equal(gateway_send(&gateway, IPPROTO_UDP, internal, to, &external), TRANSLATED_NEW);
			if (!all)
				first[n] = remote;
			sessions[n][remote]++;
			for (int r = 0; r < NUM_REMOTES; r++) {
				struct pair stranger = { .internal = internal,
							 .external = external,
							 .proto = IPPROTO_UDP,
							 .remote = { .addr = htonl(0xc6336400 + r),
								     .port = htons(9) } };
				struct pair mapping = stranger;

				mapping.remote = (struct endpoint){};
				mapping.flags = ENTRY_MAPPING;
				assert_int_equal(permit_lets_in(&mapping, &stranger),
						 sessions[n][r] || first[n] == (unsigned int)r);
			}
		} else {
			assert_true(session_remove(index, &(struct session_room){}));
			sessions[n][remote]--;
		}
		if (i % 1000 == 0)
			gateway_check(&gateway);
	}
	gateway_close(&gateway);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters),
		cmocka_unit_test(protocols_are_apart),
		cmocka_unit_test(tcp),
		cmocka_unit_test(sockets_of_the_host),
		cmocka_unit_test(permits_end),
		cmocka_unit_test(permit_of_a_session_from_outside),
		cmocka_unit_test(session_by_another_port),
		cmocka_unit_test(resting_mapping),
		cmocka_unit_test(port_zero),
		cmocka_unit_test(dependent_mapping),
		cmocka_unit_test(dependent_mapping_to_the_end),
		cmocka_unit_test(a_flood_leaves_room),
		cmocka_unit_test(random_against_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
