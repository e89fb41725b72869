/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `--sessions N` promises: N sessions fit, also when each has been replaced, and at what price in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>

#include "displace.h"
#include "store_size.h"
#include "world.h"

#define NUM_REMOTES 50000

static __u32 bytes_for(__u32 num_sessions)
{
	struct store_shape shape = {};

	store_size(num_sessions, &shape);
	assert_int_equal(shape.capacity, num_sessions);
	return ((__u64)shape.num_buckets + shape.num_stash) * sizeof(struct bucket) / num_sessions;
}

/* The table of docs/design.md §3. */
static void costs_so_many_bytes(void **state)
{
	(void)state;
	assert_in_range(bytes_for(1 << 16), 145, 150);
	assert_in_range(bytes_for(1 << 20), 85, 90);
	assert_in_range(bytes_for(1 << 22), 75, 80);
	assert_in_range(bytes_for(1 << 24), 70, 77);
}

/* As create.h does where nothing has expired. */
static void insert(const struct pair *pair)
{
	__u32 life = life_make(PHASE_LIVE, 0, platform_now());

	for (int i = 0; i < 4; i++) {
		enum insert_result result = store_insert(pair, life, life, 1, i >= 2);

		if (result == INSERT_DONE)
			return;
		assert_true(result >= INSERT_NO_ROOM_IN);
		store_make_room(pair, result == INSERT_NO_ROOM_IN ? ENTRY_INBOUND : 0);
	}
	fail_msg("no room for one of %llu sessions and %llu mappings", platform.header->num_sessions,
		 platform.header->num_mappings);
}

static struct pair mapping_of(__u32 number)
{
	return (struct pair){
		.internal = { .addr = cpu_to_be32(0x0a000000 + number), .port = cpu_to_be16(5000) },
		.external = { .addr = cpu_to_be32(0xc0000201), .port = cpu_to_be16(number % 65536) },
		.proto = number / 65536 == 0   ? IPPROTO_TCP
			 : number / 65536 == 1 ? IPPROTO_UDP
					       : IPPROTO_ICMP,
		.flags = ENTRY_MAPPING,
	};
}

static void open_for(struct world *world, __u32 num_sessions)
{
	struct store_shape shape = {};

	store_size(num_sessions, &shape);
	world_open(world, shape.num_buckets, shape.num_stash, world_seed());
}

/* Each session has a mapping of its own; then all of them are replaced twice, in random order. */
static void has_room_for_a_mapping_each(void **state)
{
	const __u32 num = 20000;
	struct world world;
	struct pair *session = calloc(num, sizeof(*session));

	(void)state;
	open_for(&world, num);
	for (__u32 i = 0; i < 3 * num; i++) {
		struct pair *victim = &session[i < num ? i : hash_scale(platform_random(), num)];
		struct pair mapping = mapping_of(victim - session);

		if (victim->proto) {
			struct key key = pair_key(victim, 0);

			assert_true(store_remove(store_find(&key), victim, REMOVE_NOW, 0));
			assert_true(store_release(&mapping, RELEASE_SESSION, 0));
		}
		*victim = mapping;
		victim->flags = ENTRY_COUNTED;
		victim->remote.addr = platform_random() | 1;
		insert(&mapping);
		insert(victim);
	}
	assert_int_equal(world.header.num_sessions, num);
	world_close(&world);
	free(session);
}

/* As many mappings as one address can have, and sessions beyond them. */
static void has_room_beyond_the_mappings(void **state)
{
	const __u32 num = 240000, mappings = 3 * 65536;
	struct world world;

	(void)state;
	open_for(&world, num);
	for (__u32 i = 0; i < num; i++) {
		struct pair mapping = mapping_of(i % mappings), session = mapping;

		if (i < mappings)
			insert(&mapping);
		session.flags = ENTRY_COUNTED;
		session.remote.addr = cpu_to_be32(0xc6120000 + i % NUM_REMOTES);
		insert(&session);
	}
	assert_int_equal(world.header.num_sessions, num);
	assert_int_equal(world.header.num_mappings, mappings);
	world_close(&world);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(costs_so_many_bytes),
		cmocka_unit_test(has_room_for_a_mapping_each),
		cmocka_unit_test(has_room_beyond_the_mappings),
	};

	return cmocka_run_group_tests_name("store_size", tests, NULL, NULL);
}
