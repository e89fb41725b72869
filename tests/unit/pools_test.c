/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Places of external addresses: kept, given, taken back, and filled with what the store says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/pools.h"
#include "store_write.h"
#include "world.h"

#define NUM_BUCKETS 64
#define NUM_STASH 4
#define NUM_PLACES 3

struct pools {
	struct world world;
	struct pool pool[NUM_PLACES * NUM_SPACE];
	struct external external[MAX_EXTERNAL];
};

static __be32 numbered(__u8 number)
{
	return cpu_to_be32(0xc6336400u + number);
}

static int open_pools(void **state)
{
	struct pools *pools = calloc(1, sizeof(*pools));

	world_open(&pools->world, NUM_BUCKETS, NUM_STASH, 42);
	pools->world.header.num_pool_addrs = NUM_PLACES;
	*state = pools;
	return 0;
}

static int close_pools(void **state)
{
	struct pools *pools = *state;

	world_close(&pools->world);
	free(pools);
	return 0;
}

static struct pool *pool_at(struct pools *pools, __u32 place, enum port_space space)
{
	return &pools->pool[place * NUM_SPACE + space];
}

static bool is_used(struct pools *pools, __u32 place, enum port_space space, __u16 port)
{
	return pool_at(pools, place, space)->used[port / 64] >> (port % 64) & 1;
}

static __u32 count_used(struct pools *pools, __u32 place)
{
	__u32 num = 0;

	for (int space = 0; space < NUM_SPACE; space++)
		for (int i = 0; i < PORT_WORDS; i++)
			num += __builtin_popcountll(pool_at(pools, place, space)->used[i]);
	return num;
}

/* Assigns the addresses of these numbers, ended by 0, and makes them the configuration in force. */
static __u32 assign(struct pools *pools, const __u8 *number)
{
	struct config *config = &pools->world.config;
	__be32 addr[MAX_EXTERNAL];
	__u32 num = 0, placed;

	while (number[num]) {
		addr[num] = numbered(number[num]);
		num++;
	}
	placed = pools_assign(&pools->world.header, pools->pool, config, addr, num, pools->external);
	config->num_external = placed;
	memcpy(config->external, pools->external, sizeof(config->external));
	return placed;
}

static void check_external(const struct pools *pools, __u32 n, __u8 number, __u32 place)
{
	assert_int_equal(pools->external[n].addr, numbered(number));
	assert_int_equal(pools->external[n].pool, place);
	assert_int_equal(pools->world.header.pool_addr[place], numbered(number));
}

static void add_mapping(__u8 number, __u8 proto, __u16 port, bool noted, struct pools *pools, __u32 place)
{
	__u32 life = life_make(PHASE_LIVE, 0, 1000);
	struct pair mapping = {
		.internal = { .addr = cpu_to_be32(0xc0a80005), .port = cpu_to_be16(port) },
		.external = { .addr = numbered(number), .port = cpu_to_be16(port) },
		.proto = proto,
		.flags = ENTRY_MAPPING,
	};

	assert_int_equal(store_insert(&mapping, life, life, 0, true), INSERT_DONE);
	if (noted)
		pool_at(pools, place, SPACE_UDP)->used[port / 64] |= 1ull << (port % 64);
}

static void test_each_has_its_place_and_keeps_it(void **state)
{
	struct pools *pools = *state;

	assert_int_equal(assign(pools, (__u8[]){ 7, 8, 0 }), 2);
	check_external(pools, 0, 7, 0);
	check_external(pools, 1, 8, 1);
	assert_int_equal(assign(pools, (__u8[]){ 9, 8, 0 }), 2);
	check_external(pools, 0, 9, 2);
	check_external(pools, 1, 8, 1);
	/* 7 was away, and nobody has needed its place */
	assert_int_equal(assign(pools, (__u8[]){ 7, 8, 9, 0 }), 3);
	check_external(pools, 0, 7, 0);
	check_external(pools, 1, 8, 1);
	check_external(pools, 2, 9, 2);
}

static void test_a_place_is_taken_from_who_does_not_need_it(void **state)
{
	struct pools *pools = *state;

	assign(pools, (__u8[]){ 1, 2, 3, 0 });
	/* all are in force: there is no place for 4 yet */
	assert_int_equal(assign(pools, (__u8[]){ 1, 4, 3, 0 }), 2);
	check_external(pools, 0, 1, 0);
	check_external(pools, 1, 3, 2);
	/* now 2 is not */
	assert_int_equal(assign(pools, (__u8[]){ 1, 4, 3, 0 }), 3);
	check_external(pools, 1, 4, 1);
}

static void test_a_place_with_a_used_port_is_kept(void **state)
{
	struct pools *pools = *state;

	assign(pools, (__u8[]){ 1, 2, 3, 0 });
	pool_at(pools, 1, SPACE_ICMP)->used[PORT_WORDS - 1] = 1ull << 63;
	assign(pools, (__u8[]){ 1, 3, 0 });
	assert_int_equal(assign(pools, (__u8[]){ 1, 3, 4, 0 }), 2);
	assert_int_equal(pools->world.header.pool_addr[1], numbered(2));
	assert_int_equal(assign(pools, (__u8[]){ 2, 3, 0 }), 2);
	check_external(pools, 0, 2, 1);
	assert_int_equal(count_used(pools, 1), 1);
	assign(pools, (__u8[]){ 3, 0 });
	pool_at(pools, 1, SPACE_ICMP)->used[PORT_WORDS - 1] = 0;
	assert_int_equal(assign(pools, (__u8[]){ 4, 5, 3, 0 }), 3);
	check_external(pools, 0, 4, 0);
	check_external(pools, 1, 5, 1);
}

static void test_places_are_taken_back(void **state)
{
	struct pools *pools = *state;
	struct header *header = &pools->world.header;

	assign(pools, (__u8[]){ 1, 2, 3, 0 });
	pool_at(pools, 2, SPACE_UDP)->used[7] = 1;
	pools_release(header, pools->pool, &pools->world.config);
	assert_int_equal(header->pool_addr[1], numbered(2));
	assign(pools, (__u8[]){ 1, 0 });
	pools_release(header, pools->pool, &pools->world.config);
	assert_int_equal(header->pool_addr[0], numbered(1));
	assert_int_equal(header->pool_addr[1], 0);
	assert_int_equal(header->pool_addr[2], numbered(3));
	pool_at(pools, 2, SPACE_UDP)->used[7] = 0;
	pools_release(header, pools->pool, &pools->world.config);
	assert_int_equal(header->pool_addr[2], 0);
}

static void test_a_new_place_is_filled_from_the_store(void **state)
{
	struct pools *pools = *state;

	/* what a place of before has left must not stay */
	pool_at(pools, 0, SPACE_TCP)->used[3] = ~0ull;
	add_mapping(1, IPPROTO_TCP, 50000, false, pools, 0);
	add_mapping(1, IPPROTO_UDP, 63, false, pools, 0);
	add_mapping(1, IPPROTO_ICMP, 65535, false, pools, 0);
	add_mapping(2, IPPROTO_TCP, 50001, false, pools, 0);
	assert_int_equal(assign(pools, (__u8[]){ 1, 0 }), 1);
	assert_true(is_used(pools, 0, SPACE_TCP, 50000));
	assert_true(is_used(pools, 0, SPACE_UDP, 63));
	assert_true(is_used(pools, 0, SPACE_ICMP, 65535));
	assert_int_equal(count_used(pools, 0), 3);
	assert_int_equal(assign(pools, (__u8[]){ 1, 2, 0 }), 2);
	assert_int_equal(count_used(pools, 1), 1);
	assert_true(is_used(pools, 1, SPACE_TCP, 50001));
}

static void test_a_place_that_is_kept_is_not_touched(void **state)
{
	struct pools *pools = *state;

	assign(pools, (__u8[]){ 1, 0 });
	add_mapping(1, IPPROTO_UDP, 5000, true, pools, 0);
	/* a mapping that a hook has inserted and not noted yet is the hook's business */
	add_mapping(1, IPPROTO_UDP, 5001, false, pools, 0);
	assign(pools, (__u8[]){ 2, 1, 0 });
	assert_int_equal(count_used(pools, 0), 1);
}

static void test_none(void **state)
{
	struct pools *pools = *state;

	assert_int_equal(assign(pools, (__u8[]){ 0 }), 0);
	pools->world.header.num_pool_addrs = 0;
	assert_int_equal(assign(pools, (__u8[]){ 1, 0 }), 0);
}

static void test_open(void **state)
{
	struct pools *pools = *state;
	struct config *config = &pools->world.config;
	const struct pool *tcp, *icmp, *other;

	assign(pools, (__u8[]){ 1, 2, 0 });
	assign(pools, (__u8[]){ 2, 0 });
	config->ranges[0] = 2;
	config->ranges[64] = 1;
	config->ranges[PORT_WORDS - 1] = 1ull << 63;
	pools_open(pools->pool, config, 1);
	tcp = pool_at(pools, 1, SPACE_TCP);
	icmp = pool_at(pools, 1, SPACE_ICMP);
	other = pool_at(pools, 0, SPACE_TCP);
	assert_int_equal(tcp->open[1][0], 1);
	assert_int_equal(tcp->open[1][1], 1);
	for (int i = 2; i < SUMMARY_WORDS - 1; i++)
		assert_int_equal(tcp->open[1][i], 0);
	assert_true(tcp->open[1][SUMMARY_WORDS - 1] == 1ull << 63);
	assert_memory_equal(pool_at(pools, 1, SPACE_UDP)->open, tcp->open, sizeof(tcp->open));
	for (int i = 0; i < SUMMARY_WORDS; i++) {
		assert_true(icmp->open[1][i] == ~0ull);
		assert_int_equal(tcp->open[0][i], 0);
		assert_int_equal(other->open[1][i], 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_has_its_place_and_keeps_it, open_pools, close_pools),
		cmocka_unit_test_setup_teardown(test_a_place_is_taken_from_who_does_not_need_it, open_pools,
						close_pools),
		cmocka_unit_test_setup_teardown(test_a_place_with_a_used_port_is_kept, open_pools, close_pools),
		cmocka_unit_test_setup_teardown(test_a_new_place_is_filled_from_the_store, open_pools, close_pools),
		cmocka_unit_test_setup_teardown(test_a_place_that_is_kept_is_not_touched, open_pools, close_pools),
		cmocka_unit_test_setup_teardown(test_places_are_taken_back, open_pools, close_pools),
		cmocka_unit_test_setup_teardown(test_none, open_pools, close_pools),
		cmocka_unit_test_setup_teardown(test_open, open_pools, close_pools),
	};

	return cmocka_run_group_tests_name("pools", tests, NULL, NULL);
}
