/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Refusing without a search: only when a search would find nothing, and with what it would have told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway.h"

#define NUM_BUCKETS 1024
#define FIRST 40000
#define NUM 100
#define RANGE "40000-40099"

static struct gateway gateway;
static struct search search;

static struct endpoint host(__u32 n, __u16 port)
{
	return (struct endpoint){ .addr = htonl(0xc0a80100 + n), .port = htons(port) };
}

static void ask(struct endpoint internal, struct endpoint remote, __u8 flags)
{
	search.session = (struct pair){
		.internal = internal,
		.external = { .addr = flags & ENTRY_HOST ? internal.addr : 0 },
		.remote = remote,
		.proto = IPPROTO_UDP,
		.flags = flags,
	};
	search.owner_kind = OWNER_NONE;
}

static enum create_result create(struct endpoint internal, struct endpoint remote)
{
	ask(internal, remote, 0);
	return create_session(&gateway, &search, 0);
}

static bool refuses(struct endpoint internal, struct endpoint remote)
{
	ask(internal, remote, 0);
	return exhaustion_refuses(&search);
}

/* The first search notes who has which port, the second that those are all. */
static void search_in_vain(struct endpoint internal)
{
	for (int i = 0; i < 2; i++)
		assert_int_equal(create(internal, at(REMOTE, 53)), CREATE_NO_PORT);
}

/* Host n has port FIRST + n toward the remote, and it is known that there is no other. */
static void fill(void)
{
	for (__u32 n = 0; n < NUM; n++)
		assert_int_equal(create(host(n, FIRST + n), at(REMOTE, 53)), CREATE_MAPPED);
	search_in_vain(host(200, 1));
}

static void open_full(void)
{
	gateway_open(&gateway, RANGE, NUM_BUCKETS);
	fill();
}

static void knows_after_two_searches(void **state)
{
	(void)state;
	open_full();
	assert_true(refuses(host(200, 1), at(REMOTE, 53)));
	assert_true(refuses(host(201, FIRST), at(REMOTE, 53)));
	assert_false(refuses(host(200, 1), at(REMOTE, 54)));
	assert_false(refuses(host(200, 1), at(OTHER_REMOTE, 53)));
	assert_int_equal(create(host(200, 1), at(REMOTE, 53)), CREATE_NO_PORT);
	gateway.world.config.mapping = MAPPING_ENDPOINT_DEPENDENT;
	assert_true(refuses(host(200, 1), at(REMOTE, 53)));
	gateway_close(&gateway);
}

/* Whoever has the port that it would have liked. */
static void names_the_owner(void **state)
{
	(void)state;
	open_full();
	assert_true(refuses(host(200, FIRST + 7), at(REMOTE, 53)));
	assert_int_equal(search.owner_kind, OWNER_SESSION);
	assert_true(endpoint_equal(search.owner, host(7, FIRST + 7)));
	assert_true(refuses(host(200, 1), at(REMOTE, 53)));
	assert_int_equal(search.owner_kind, OWNER_NONE);
	gateway_close(&gateway);
}

static void finds_what_comes_free(void **state)
{
	struct key key;

	(void)state;
	open_full();
	ask(host(42, FIRST + 42), at(REMOTE, 53), 0);
	key = pair_key(&search.session, 0);
	assert_true(session_remove(store_find(&key), &(struct session_room){}));
	assert_false(refuses(host(200, 1), at(REMOTE, 53)));
	assert_int_equal(create(host(200, 1), at(REMOTE, 53)), CREATE_MAPPED);
	assert_int_equal(ntohs(search.session.external.port), FIRST + 42);
	assert_int_equal(create(host(201, 1), at(REMOTE, 53)), CREATE_NO_PORT);
	gateway_close(&gateway);
}

/* The summary speaks of the ranges as they are. */
static void leaves_a_mapping_outside_of_the_ranges(void **state)
{
	(void)state;
	gateway_open(&gateway, RANGE ",50000", NUM_BUCKETS);
	assert_int_equal(create(host(200, 50000), at(OTHER_REMOTE, 80)), CREATE_MAPPED);
	gateway_set_ranges(&gateway, RANGE);
	fill();
	assert_true(refuses(host(201, 1), at(REMOTE, 53)));
	assert_false(refuses(host(200, 50000), at(REMOTE, 53)));
	assert_int_equal(create(host(200, 50000), at(REMOTE, 53)), CREATE_MAPPED);
	assert_int_equal(ntohs(search.session.external.port), 50000);
	gateway_close(&gateway);
}

/* Within them, a mapping does not help who has it; in its way is who has its tuple. */
static void refuses_who_has_a_mapping(void **state)
{
	(void)state;
	open_full();
	assert_int_equal(create(host(200, 1), at(OTHER_REMOTE, 80)), CREATE_SHARED);
	assert_true(refuses(host(200, 1), at(REMOTE, 53)));
	gateway_set_ranges(&gateway, RANGE ",50000");
	assert_false(refuses(host(200, 1), at(REMOTE, 53)));
	assert_int_equal(create(host(200, 50000), at(OTHER_REMOTE, 80)), CREATE_MAPPED);
	assert_int_equal(create(host(201, 50000), at(REMOTE, 53)), CREATE_SHARED);
	search_in_vain(host(202, 1));
	assert_true(refuses(host(200, 50000), at(REMOTE, 53)));
	assert_true(endpoint_equal(search.owner, host(201, 50000)));
	gateway_close(&gateway);
}

static void leaves_the_host_to_the_search(void **state)
{
	(void)state;
	open_full();
	ask(at(EXTERNAL, FIRST), at(REMOTE, 53), ENTRY_HOST);
	assert_false(exhaustion_refuses(&search));
	gateway_close(&gateway);
}

/* A socket's port may come free at any time without a word. */
static void leaves_sockets_to_the_search(void **state)
{
	(void)state;
	gateway_open(&gateway, RANGE, NUM_BUCKETS);
	gateway_hold(&gateway, IPPROTO_UDP, at(EXTERNAL, FIRST), at(REMOTE, 53));
	for (__u32 n = 1; n < NUM; n++)
		create(host(n, FIRST + n), at(REMOTE, 53));
	search_in_vain(host(200, 1));
	search_in_vain(host(200, 1));
	assert_false(refuses(host(200, 1), at(REMOTE, 53)));
	gateway_close(&gateway);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_after_two_searches),
		cmocka_unit_test(names_the_owner),
		cmocka_unit_test(finds_what_comes_free),
		cmocka_unit_test(leaves_a_mapping_outside_of_the_ranges),
		cmocka_unit_test(refuses_who_has_a_mapping),
		cmocka_unit_test(leaves_the_host_to_the_search),
		cmocka_unit_test(leaves_sockets_to_the_search),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
