/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Choosing an external endpoint and claiming it: who gets which port, that the last free one is found, and who is told
 * when there is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway.h"
#include "store_write.h"

#define NUM_BUCKETS 1024

static struct gateway gateway;

static struct search search;

/* Creates a session; its external endpoint is in search.session then. */
static enum create_result create(__u8 proto, struct endpoint internal, struct endpoint remote, __u8 flags)
{
	search.session = (struct pair){
		.internal = internal,
		.external = { .addr = flags & ENTRY_HOST ? internal.addr : inet_addr(EXTERNAL) },
		.remote = remote,
		.proto = proto,
		.flags = flags,
	};
	return create_session(&gateway, &search, 0);
}

static __u16 port(void)
{
	return ntohs(search.session.external.port);
}

/* The n-th internal host. */
static struct endpoint host(__u32 n, __u16 port_number)
{
	return (struct endpoint){ .addr = htonl(0xc0a80005 + n), .port = htons(port_number) };
}

/* ---- one session ---------------------------------------------------------------------------------------------- */

static void keeps_the_own_port(void **state)
{
	(void)state;
	gateway_open(&gateway, "40000-40009", NUM_BUCKETS);
	assert_int_equal(create(IPPROTO_UDP, at(INTERNAL, 40003), at(REMOTE, 53), 0), CREATE_MAPPED);
	assert_int_equal(port(), 40003);
	/* another protocol has ports of its own (RFC 7857 §5) */
	assert_int_equal(create(IPPROTO_TCP, at(OTHER_INTERNAL, 40003), at(REMOTE, 53), 0), CREATE_MAPPED);
	assert_int_equal(port(), 40003);
	assert_int_equal(search.owner_kind, OWNER_NONE);
	gateway_close(&gateway);
}

static void stays_in_the_ranges(void **state)
{
	static const __u16 own[] = { 0, 1, 39999, 40010, 65535 };

	(void)state;
	for (__u32 i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		gateway_open(&gateway, "40000-40009", NUM_BUCKETS);
		assert_int_equal(create(IPPROTO_TCP, at(INTERNAL, own[i]), at(REMOTE, 80), 0), CREATE_MAPPED);
		assert_in_range(port(), 40000, 40009);
		gateway_close(&gateway);
	}
}

/* RFC 4787 REQ-3, RFC 5382 REQ-7: no overloading. */
static void gives_two_hosts_two_ports(void **state)
{
	(void)state;
	gateway_open(&gateway, "40000-40009", NUM_BUCKETS);
	create(IPPROTO_UDP, at(INTERNAL, 40003), at(REMOTE, 53), 0);
	/* though the remotes differ: the mapping is for all of them */
	assert_int_equal(create(IPPROTO_UDP, at(OTHER_INTERNAL, 40003), at(OTHER_REMOTE, 53), 0), CREATE_MAPPED);
	assert_int_not_equal(port(), 40003);
	assert_in_range(port(), 40000, 40009);
	gateway_close(&gateway);
}

/* RFC 4787 REQ-1, in the order that catches those who only seem to map endpoint-independently. */
static void maps_endpoints_independently(void **state)
{
	static const __u8 protos[] = { IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMP };

	(void)state;
	for (__u32 i = 0; i < sizeof(protos); i++) {
		bool icmp = protos[i] == IPPROTO_ICMP;
		struct endpoint own = at(INTERNAL, 40003), other = at(OTHER_INTERNAL, 40003);
		__u16 mine, others;

		gateway_open(&gateway, "40000-40009", NUM_BUCKETS);
		create(protos[i], own, at(REMOTE, icmp ? 0 : 1), 0);
		mine = port();
		create(protos[i], other, at(OTHER_REMOTE, icmp ? 0 : 2), 0);
		others = port();
		assert_int_not_equal(others, mine);
		assert_int_equal(create(protos[i], other, at(REMOTE, icmp ? 0 : 1), 0), CREATE_MAPPED);
		assert_int_equal(port(), others);
		assert_int_equal(create(protos[i], other, at("203.0.113.1", icmp ? 0 : 1), 0), CREATE_MAPPED);
		assert_int_equal(port(), others);
		assert_int_equal(create(protos[i], own, at(OTHER_REMOTE, icmp ? 0 : 2), 0), CREATE_MAPPED);
		assert_int_equal(port(), mine);
		assert_int_equal(gateway.world.header.num_mappings, 2);
		gateway_close(&gateway);
	}
}

static void counts_what_it_creates(void **state)
{
	(void)state;
	gateway_open(&gateway, "40000", NUM_BUCKETS);
	create(IPPROTO_UDP, at(INTERNAL, 40000), at(REMOTE, 53), 0);
	create(IPPROTO_UDP, at(INTERNAL, 40000), at(REMOTE, 54), 0);
	assert_int_equal(create(IPPROTO_UDP, at(OTHER_INTERNAL, 1), at(REMOTE, 53), 0), CREATE_NO_PORT);
	assert_int_equal(gateway.world.header.num_created, 2);
	gateway_close(&gateway);
}

/* ---- the last free port --------------------------------------------------------------------------------------- */

/* How many sessions toward one remote there are before the first refusal, each from another host. */
static __u32 fill(__u8 proto, struct endpoint remote)
{
	enum create_result result;
	__u32 num = 0;

	while ((result = create(proto, host(num, 5000 + num % 3), remote, 0)) <= CREATE_SHARED)
		num++;
	assert_int_equal(result, CREATE_NO_PORT);
	return num;
}

static void finds_the_last_free_port(void **state)
{
	static const struct {
		const char *ranges;
		__u32 num;
	} cases[] = {
		{ "50000", 1 },
		{ "40000-40001", 2 },
		{ "40000-40099", 100 },
		{ "40000-40009,40011,40013-40020,65535", 20 },
		{ "4096-4111,8192-8207,12288-12303,16384-16399,20480-20495", 80 },
	};

	(void)state;
	for (__u32 i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		gateway_open(&gateway, cases[i].ranges, NUM_BUCKETS);
		assert_int_equal(fill(IPPROTO_TCP, at(REMOTE, 80)), cases[i].num);
		assert_int_equal(search.owner_kind, OWNER_SESSION);
		/* whoever has none, has none the next time */
		assert_int_equal(create(IPPROTO_TCP, host(5000, 1), at(REMOTE, 80), 0), CREATE_NO_PORT);
		/* the protocols do not take each other's ports */
		assert_int_equal(fill(IPPROTO_UDP, at(REMOTE, 80)), cases[i].num);
		assert_int_equal(gateway.world.header.num_sessions, 2 * cases[i].num);
		gateway_close(&gateway);
	}
}

/* 65535 of them; identifiers of queries are not bound by the ranges, and there is one more. */
static void finds_the_last_of_all_ports(void **state)
{
	(void)state;
	gateway_open(&gateway, "1-65535", 131072);
	assert_int_equal(fill(IPPROTO_TCP, at(REMOTE, 80)), 65535);
	gateway_close(&gateway);
	gateway_open(&gateway, "50000", 131072);
	assert_int_equal(fill(IPPROTO_ICMP, at(REMOTE, 0)), 65536);
	gateway_close(&gateway);
}

static void leaves_the_ports_of_the_host(void **state)
{
	(void)state;
	gateway_open(&gateway, "40000-40099", NUM_BUCKETS);
	for (__u16 n = 0; n < 30; n++)
		gateway_hold(&gateway, IPPROTO_TCP, at(EXTERNAL, 40000 + 3 * n), at(REMOTE, n % 2 ? 80 : 0));
	/* every second one listens and so would receive from any remote */
	for (__u16 n = 0; n < 30; n += 2)
		gateway.held[n].src = 0;
	assert_int_equal(fill(IPPROTO_TCP, at(REMOTE, 80)), 70);
	assert_int_equal(fill(IPPROTO_TCP, at(REMOTE, 81)), 85);
	assert_int_equal(fill(IPPROTO_UDP, at(REMOTE, 80)), 100);
	for (__u32 i = 0; i < gateway.num_held; i++) {
		struct key key = { .tuple = gateway.held[i], .direction = ENTRY_INBOUND };

		key.tuple.src = inet_addr(REMOTE);
		key.tuple.sport = htons(80);
		assert_int_equal(store_find(&key), INDEX_NONE);
	}
	gateway_close(&gateway);
}

static void names_who_is_in_the_way(void **state)
{
	(void)state;
	gateway_open(&gateway, "50000", NUM_BUCKETS);
	gateway_hold(&gateway, IPPROTO_TCP, at(EXTERNAL, 50000), at(REMOTE, 80));
	assert_int_equal(create(IPPROTO_TCP, at(INTERNAL, 1234), at(REMOTE, 80), 0), CREATE_NO_PORT);
	assert_int_equal(search.owner_kind, OWNER_HOST);
	assert_true(endpoint_equal(search.owner, at(EXTERNAL, 50000)));
	create(IPPROTO_TCP, at(INTERNAL, 1234), at(REMOTE, 81), 0);
	assert_int_equal(create(IPPROTO_TCP, at(OTHER_INTERNAL, 99), at(REMOTE, 81), 0), CREATE_NO_PORT);
	assert_int_equal(search.owner_kind, OWNER_SESSION);
	assert_true(endpoint_equal(search.owner, at(INTERNAL, 1234)));
	gateway_close(&gateway);
}

/* Of those in the way the one at the port that it would have liked. */
static void names_who_has_its_own_port(void **state)
{
	(void)state;
	gateway_open(&gateway, "40000-40009", NUM_BUCKETS);
	for (__u32 n = 0; n < 10; n++)
		create(IPPROTO_UDP, host(n, 40000 + n), at(REMOTE, 53), 0);
	for (__u32 n = 0; n < 10; n++) {
		assert_int_equal(create(IPPROTO_UDP, at("192.168.9.9", 40000 + n), at(REMOTE, 53), 0), CREATE_NO_PORT);
		assert_int_equal(search.owner_kind, OWNER_SESSION);
		assert_true(endpoint_equal(search.owner, host(n, 40000 + n)));
	}
	gateway_close(&gateway);
}

/* ---- sharing -------------------------------------------------------------------------------------------------- */

/* With every port mapped, a port is shared as long as the tuples differ, and then to the last one too. */
static void shares_when_all_ports_are_mapped(void **state)
{
	enum { NUM = 20, REMOTES = 10 };

	(void)state;
	gateway_open(&gateway, "40000-40019", NUM_BUCKETS);
	assert_int_equal(fill(IPPROTO_UDP, at(REMOTE, 1)), NUM);
	for (__u32 remote = 2; remote <= REMOTES; remote++) {
		for (__u32 n = 0; n < NUM; n++)
			assert_int_equal(create(IPPROTO_UDP, host(1000 + n, 7), at(REMOTE, remote), 0), CREATE_SHARED);
		assert_int_equal(create(IPPROTO_UDP, host(2000, 7), at(REMOTE, remote), 0), CREATE_NO_PORT);
	}
	assert_int_equal(gateway.world.header.num_sessions, NUM * REMOTES);
	assert_int_equal(gateway.world.header.num_mappings, NUM);
	/* whoever has a mapping keeps to it where it can, and is refused where it cannot */
	assert_int_equal(create(IPPROTO_UDP, host(0, 5000), at(REMOTE, REMOTES), 0), CREATE_NO_PORT);
	assert_int_equal(create(IPPROTO_UDP, host(0, 5000), at(REMOTE, 99), 0), CREATE_MAPPED);
	gateway_close(&gateway);
}

/* The mapping's tuple toward this remote belongs to a socket of the host: another one has to do, for this session. */
static void goes_round_a_socket_of_the_host(void **state)
{
	__u16 mapped;

	(void)state;
	gateway_open(&gateway, "40000-40009", NUM_BUCKETS);
	create(IPPROTO_TCP, at(INTERNAL, 40003), at(REMOTE, 80), 0);
	mapped = port();
	gateway_hold(&gateway, IPPROTO_TCP, at(EXTERNAL, mapped), at(OTHER_REMOTE, 80));
	assert_int_equal(create(IPPROTO_TCP, at(INTERNAL, 40003), at(OTHER_REMOTE, 80), 0), CREATE_SHARED);
	assert_int_not_equal(port(), mapped);
	assert_int_equal(search.owner_kind, OWNER_HOST);
	assert_true(endpoint_equal(search.owner, at(EXTERNAL, mapped)));
	assert_int_equal(create(IPPROTO_TCP, at(INTERNAL, 40003), at(REMOTE, 81), 0), CREATE_MAPPED);
	assert_int_equal(port(), mapped);
	assert_int_equal(gateway_count_refs(IPPROTO_TCP, at(INTERNAL, 40003)), 2);
	gateway_close(&gateway);
}

/* The same, and it belongs to a session that shares the port. */
static void goes_round_a_session_that_shares(void **state)
{
	struct pair shared;

	(void)state;
	gateway_open(&gateway, "40000", NUM_BUCKETS);
	create(IPPROTO_TCP, at(INTERNAL, 1), at(REMOTE, 80), 0);
	assert_int_equal(create(IPPROTO_TCP, at(OTHER_INTERNAL, 1), at(REMOTE, 81), 0), CREATE_SHARED);
	shared = search.session;
	assert_int_equal(create(IPPROTO_TCP, at(INTERNAL, 1), at(REMOTE, 81), 0), CREATE_NO_PORT);
	assert_true(endpoint_equal(search.owner, shared.internal));
	gateway_set_ranges(&gateway, "40000-40001");
	assert_int_equal(create(IPPROTO_TCP, at(INTERNAL, 1), at(REMOTE, 81), 0), CREATE_SHARED);
	assert_int_equal(port(), 40001);
	gateway_close(&gateway);
}

/* ---- the host itself ------------------------------------------------------------------------------------------ */

static void gives_the_host_its_own_identifier(void **state)
{
	(void)state;
	gateway_open(&gateway, "40000", NUM_BUCKETS);
	assert_int_equal(create(IPPROTO_ICMP, at(EXTERNAL, 77), at(REMOTE, 0), ENTRY_HOST), CREATE_ALONE);
	assert_int_equal(port(), 77);
	/* whoever else uses it toward other remotes */
	create(IPPROTO_ICMP, at(INTERNAL, 78), at(REMOTE, 0), 0);
	assert_int_equal(create(IPPROTO_ICMP, at(EXTERNAL, 78), at(OTHER_REMOTE, 0), ENTRY_HOST), CREATE_ALONE);
	assert_int_equal(port(), 78);
	/* toward the same one, another */
	assert_int_equal(create(IPPROTO_ICMP, at(EXTERNAL, 78), at(REMOTE, 0), ENTRY_HOST), CREATE_ALONE);
	assert_int_not_equal(port(), 78);
	assert_int_equal(gateway.world.header.num_mappings, 1);
	/* and nobody takes the host's */
	assert_int_equal(create(IPPROTO_ICMP, at(OTHER_INTERNAL, 77), at(REMOTE, 0), 0), CREATE_MAPPED);
	assert_int_not_equal(port(), 77);
	gateway_close(&gateway);
}

static void moves_the_host_to_a_free_port(void **state)
{
	(void)state;
	gateway_open(&gateway, "50000-50001", NUM_BUCKETS);
	create(IPPROTO_TCP, at(INTERNAL, 50000), at(REMOTE, 80), 0);
	assert_int_equal(create(IPPROTO_TCP, at(EXTERNAL, 50000), at(REMOTE, 80), ENTRY_HOST), CREATE_ALONE);
	assert_int_equal(port(), 50001);
	assert_true(endpoint_equal(search.owner, at(INTERNAL, 50000)));
	assert_int_equal(gateway.world.header.num_mappings, 1);
	/* and where there is none, nowhere */
	gateway_set_ranges(&gateway, "50000");
	create(IPPROTO_TCP, at(INTERNAL, 50000), at(REMOTE, 81), 0);
	assert_int_equal(create(IPPROTO_TCP, at(EXTERNAL, 50000), at(REMOTE, 81), ENTRY_HOST), CREATE_NO_PORT);
	gateway_close(&gateway);
}

/* ---- chance --------------------------------------------------------------------------------------------------- */

/* RFC 6056: whoever does not get its own port gets one that cannot be guessed from those before. */
static void draws_ports_at_random(void **state)
{
	enum { NUM = 2000, BINS = 16 };
	__u32 bins[BINS] = { 0 }, near = 0;
	__u16 last = 0;

	(void)state;
	gateway_open(&gateway, "20000-59999", 8192);
	for (__u32 n = 0; n < NUM; n++) {
		assert_int_equal(create(IPPROTO_UDP, host(n, 1), at(REMOTE, 53), 0), CREATE_MAPPED);
		bins[(port() - 20000) / (40000 / BINS)]++;
		near += abs(port() - last) < 100;
		last = port();
	}
	/* 125 in each bin and 10 neighbours are what chance gives; these bounds are six standard deviations away */
	for (int i = 0; i < BINS; i++)
		assert_in_range(bins[i], 125 - 66, 125 + 66);
	assert_in_range(near, 0, 30);
	gateway_close(&gateway);
}

/* ---- others at the same time ---------------------------------------------------------------------------------- */

static struct pair of_another_cpu;

static void another_cpu_inserts(struct gateway *which)
{
	(void)which;
	assert_int_equal(store_insert(&of_another_cpu, life_make(PHASE_LIVE, 0, platform.now),
				      life_make(PHASE_LIVE, 0, platform.now),
				      of_another_cpu.flags & ENTRY_MAPPING ? 1 : 0, false),
			 INSERT_DONE);
}

static void loses_the_tuple_and_takes_another(void **state)
{
	(void)state;
	gateway_open(&gateway, "40000-40001", NUM_BUCKETS);
	of_another_cpu = (struct pair){
		.internal = at(OTHER_INTERNAL, 9),
		.external = at(EXTERNAL, 40000),
		.remote = at(REMOTE, 80),
		.proto = IPPROTO_TCP,
	};
	gateway.meanwhile = another_cpu_inserts;
	assert_int_equal(create(IPPROTO_TCP, at(INTERNAL, 40000), at(REMOTE, 80), 0), CREATE_MAPPED);
	assert_int_equal(port(), 40001);
	assert_int_equal(gateway.world.header.num_mappings, 1);
	gateway_close(&gateway);
}

static void finds_its_session_made_by_another(void **state)
{
	(void)state;
	gateway_open(&gateway, "40000-40001", NUM_BUCKETS);
	of_another_cpu = (struct pair){
		.internal = at(INTERNAL, 40000),
		.external = at(EXTERNAL, 40001),
		.remote = at(REMOTE, 80),
		.proto = IPPROTO_TCP,
	};
	gateway.meanwhile = another_cpu_inserts;
	assert_int_equal(create(IPPROTO_TCP, at(INTERNAL, 40000), at(REMOTE, 80), 0), CREATE_EXISTS);
	assert_int_equal(gateway.world.header.num_sessions, 1);
	/* and nothing is left of the attempt */
	assert_int_equal(gateway.world.header.num_mappings, 0);
	gateway_close(&gateway);
}

/* The other's session has taken the last port that there was toward this remote: it is the packet's own. */
static void is_not_refused_for_its_own_session(void **state)
{
	struct endpoint external;

	(void)state;
	gateway_open(&gateway, "40000", NUM_BUCKETS);
	of_another_cpu = (struct pair){
		.internal = at(INTERNAL, 9),
		.external = at(EXTERNAL, 40000),
		.remote = at(REMOTE, 80),
		.proto = IPPROTO_TCP,
	};
	gateway.meanwhile = another_cpu_inserts;
	assert_int_equal(gateway_send(&gateway, IPPROTO_TCP, at(INTERNAL, 9), at(REMOTE, 80), &external),
			 TRANSLATED_OUTBOUND);
	assert_true(endpoint_equal(external, at(EXTERNAL, 40000)));
	assert_int_equal(gateway.world.header.num_sessions, 1);
	assert_int_equal(gateway.world.header.num_mappings, 0);
	gateway_close(&gateway);
}

static void joins_a_mapping_made_by_another(void **state)
{
	(void)state;
	gateway_open(&gateway, "40000-40001", NUM_BUCKETS);
	of_another_cpu = (struct pair){
		.internal = at(INTERNAL, 40000),
		.external = at(EXTERNAL, 40001),
		.proto = IPPROTO_TCP,
		.flags = ENTRY_MAPPING,
	};
	gateway.meanwhile = another_cpu_inserts;
	assert_int_equal(create(IPPROTO_TCP, at(INTERNAL, 40000), at(REMOTE, 80), 0), CREATE_MAPPED);
	assert_int_equal(port(), 40001);
	assert_int_equal(gateway_count_refs(IPPROTO_TCP, at(INTERNAL, 40000)), 2);
	/* the reference of the session that the other one would have inserted next */
	mapping_release(&(struct pair){ .internal = at(INTERNAL, 40000),
					.external = at(EXTERNAL, 40001),
					.proto = IPPROTO_TCP,
					.flags = ENTRY_COUNTED },
			0, &(struct pair){});
	gateway_close(&gateway);
}

/* ---- room ----------------------------------------------------------------------------------------------------- */

/* A full table refuses whoever comes, and takes nothing from those who are there (RFC 6888 REQ-11d). */
static void never_evicts(void **state)
{
	struct endpoint external;
	__u32 num = 0;

	(void)state;
	gateway_open(&gateway, "1024-65535", 16);
	while (create(IPPROTO_UDP, host(num, 5000), at(REMOTE, 53), 0) == CREATE_MAPPED)
		num++;
	/* four entries each, in 80 slots */
	assert_in_range(num, 12, 20);
	for (__u32 n = num; n < num + 1000; n++)
		assert_in_range(create(IPPROTO_UDP, host(n, 5000), at(REMOTE, 53), 0), CREATE_MAPPED, CREATE_NO_ROOM);
	for (__u32 n = 0; n < num; n++)
		assert_int_equal(gateway_send(&gateway, IPPROTO_UDP, host(n, 5000), at(REMOTE, 53), &external),
				 TRANSLATED_OUTBOUND);
	gateway_close(&gateway);
}

/* Fills a small table, lets all of it expire, and puts half as many sessions in. At most the sender has to repeat its packet:
 * one search makes room for a few entries only.
 */
static void refill(void)
{
	__u32 num = 0;

	while (create(IPPROTO_UDP, host(num, 5000), at(REMOTE, 53), 0) == CREATE_MAPPED)
		num++;
	platform.now += 300;
	for (__u32 n = 0; n < num / 2; n++) {
		int tries = 4;

		while (tries-- && create(IPPROTO_UDP, host(10000 + n, 5000), at(OTHER_REMOTE, 53), 0) != CREATE_MAPPED)
			;
		assert_true(tries >= 0);
	}
}

/* Nobody has to sweep for it. */
static void takes_the_room_of_the_expired(void **state)
{
	(void)state;
	gateway_open(&gateway, "1024-65535", 16);
	refill();
	gateway_close(&gateway);
}

/* Tables that in the two buckets of a newcomer have nothing but mappings of expired sessions, or one slot that it needs twice. */
static void takes_room_that_is_further_off(void **state)
{
	static const __u64 seed[] = { 1727769285728875155ull, 15612555773543231164ull, 10668267850852103840ull,
				      13839802450657405172ull, 13125291522043028128ull };

	(void)state;
	for (__u32 i = 0; i < sizeof(seed) / sizeof(seed[0]); i++) {
		gateway_open(&gateway, "1024-65535", 16);
		platform.random = seed[i];
		for (int n = 0; n < HASH_KEYS; n++)
			gateway.world.header.shape.hash_key[n] = platform_random();
		refill();
		gateway_close(&gateway);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_own_port),
		cmocka_unit_test(stays_in_the_ranges),
		cmocka_unit_test(gives_two_hosts_two_ports),
		cmocka_unit_test(maps_endpoints_independently),
		cmocka_unit_test(counts_what_it_creates),
		cmocka_unit_test(finds_the_last_free_port),
		cmocka_unit_test(finds_the_last_of_all_ports),
		cmocka_unit_test(leaves_the_ports_of_the_host),
		cmocka_unit_test(names_who_is_in_the_way),
		cmocka_unit_test(names_who_has_its_own_port),
		cmocka_unit_test(shares_when_all_ports_are_mapped),
		cmocka_unit_test(goes_round_a_socket_of_the_host),
		cmocka_unit_test(goes_round_a_session_that_shares),
		cmocka_unit_test(gives_the_host_its_own_identifier),
		cmocka_unit_test(moves_the_host_to_a_free_port),
		cmocka_unit_test(draws_ports_at_random),
		cmocka_unit_test(loses_the_tuple_and_takes_another),
		cmocka_unit_test(finds_its_session_made_by_another),
		cmocka_unit_test(is_not_refused_for_its_own_session),
		cmocka_unit_test(joins_a_mapping_made_by_another),
		cmocka_unit_test(never_evicts),
		cmocka_unit_test(takes_the_room_of_the_expired),
		cmocka_unit_test(takes_room_that_is_further_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
